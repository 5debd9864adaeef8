"""What every command says, and where: results alone on stdout, strict JSON if asked; progress with the time left on stderr;
nothing there if quiet."""

import io
import json
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
import torch
from rich.console import Console

from mesasim import __main__, progress
from mesasim.__main__ import COMMANDS, GROUPS, main
from mesasim.experiments import experiments
from mesasim.output import dumps, output, plain
from mesasim.train import logs
from mesasim.train.checkpoint import latest_checkpoint

TOUR = "tests/data/tsplib/burma14.tsp"
TRAIN = [
    "train", "--out", "run", "--num-envs", "16", "--iterations", "3", "--hidden", "4", "--num-threads", "1",
    "--rollout-steps", "2", "--epochs", "1", "--world", "Deception-v0",
]  # fmt: skip  # after six steps no episode of five walks has ended: its mean return is not a number
BENCH = ["--rounds", "1", "--num-threads", "1"]
WORK = {  # command → number of lines of JSON
    "train": (TRAIN, 1),
    "evaluate": (["evaluate", "run", "--tasks", "50"], 1),
    "report": (["report", "run"], 1),
    "run": (["run", "bandit-references", "--tasks", "20", "--arms", "2", "--num-threads", "1", "--out", "references"], 1),
    "generate mazes": (["generate", "mazes", "--out", "mazes", "--count", "30", "--size", "4", "--shard-size", "10"], 1),
    "generate tours": (["generate", "tours", "--out", "tours", "--count", "6", "--n", "5", "--shard-size", "2"], 1),
    "generate sequences": (
        ["generate", "sequences", "--out", "sequences", "--count", "6", "--length", "5", "--shard-size", "2"], 1
    ),
    "solve": (["solve", TOUR, TOUR], 2),
    "bench step": (["bench", "step", "--world", "Bandit-v0", "--seconds", "0.01", "--num-envs", "8", "16", *BENCH], 2),
    "bench mazes": (
        ["bench", "mazes", "--algorithm", "wilson", "--size", "5", "--count", "8", "--seconds", "0.01", *BENCH], 3
    ),
    "bench tsp": (["bench", "tsp", "--n", "5", "6", "--count", "2", *BENCH], 2),
    "bench train": (["bench", "train", "--num-envs", "16", "--kind", "mlp", "--epochs", "1", *BENCH], 1),
}  # fmt: skip
AT_ONCE = {"list": (["list"], 1), "list of a world": (["list", "Maze-v0"], 1), "list mazes": (["list", "mazes"], 1)}
LINE = re.compile(r"^[^:]+: [\d,]+/[\d,]+ \(\d+ %\), \d+:\d\d:\d\d taken, (\d+:\d\d:\d\d|\?) left(; .*)?$")


def said(capsys, *arguments):
    capsys.readouterr()
    main(list(arguments))
    return capsys.readouterr()


def strictly(text):
    def refuse(token):
        raise ValueError(f"{token} is no JSON")

    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a trained and evaluated run in it."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        main([*TRAIN, "--quiet"])
        main(["evaluate", "run", "--tasks", "20", "--quiet"])
    return folder


@pytest.fixture
def place(tmp_path, monkeypatch, trained, request):
    """Where commands are called: a new folder, or one with a run where the command needs it; lines come at once."""
    monkeypatch.setattr(progress, "FIRST_LINE_S", 0.0)
    monkeypatch.setattr(progress, "LINE_EVERY_S", 0.0)
    here = request.config.rootpath
    monkeypatch.setitem(globals(), "TOUR", str(here / TOUR))
    return lambda name: monkeypatch.chdir(trained if name in ("evaluate", "report") else tmp_path)


def call(name):
    arguments, lines = (WORK | AT_ONCE)[name]
    here = [globals()["TOUR"] if argument.endswith(".tsp") else argument for argument in arguments]
    return here, lines


@pytest.mark.parametrize("name", [*WORK, *AT_ONCE])
def test_json_is_strict_and_alone_on_stdout_with_progress_and_time_left_on_stderr(name, place, capsys):
    place(name)
    arguments, lines = call(name)
    told = said(capsys, *arguments, "--json")
    found = strictly(told.out)
    assert len(found) == lines and all(isinstance(one, dict) and one for one in found)
    progressed = [line for line in told.err.splitlines() if LINE.match(line)]
    if name in WORK and name != "report":
        assert progressed and " (100 %)" in progressed[-1]
    assert all(LINE.match(line) for line in told.err.splitlines() if "taken" in line)


@pytest.mark.parametrize("name", [name for name in WORK if name not in ("run", "report")])
def test_quiet_prints_the_result_and_nothing_else(name, place, capsys):
    place(name)
    told = said(capsys, *call(name)[0], "--quiet")
    assert told.err == "" and ("taken" not in told.out)
    if name == "train":  # whose result is its folder
        assert told.out == ""
    else:
        assert told.out.strip()


def test_quiet_and_json_go_together(place, capsys):
    place("train")
    told = said(capsys, *TRAIN, "--quiet", "--json")
    (made,) = strictly(told.out)
    assert told.err == "" and made["last"]["iteration"] == 3
    assert made["last"]["episode_return"] is None or isinstance(made["last"]["episode_return"], float)


def test_only_the_first_rank_looks_for_the_checkpoint_and_gives_the_result(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(__main__, "train_ppo", lambda *_, **__: None)  # as if the first rank had not saved yet
    for name, value in {"RANK": 1, "WORLD_SIZE": 2, "MASTER_ADDR": "localhost", "MASTER_PORT": 1}.items():
        monkeypatch.setenv(name, str(value))
    told = said(capsys, "train", "--out", str(tmp_path / "run"), "--json")
    assert (told.out, told.err) == ("", "")


def test_a_finished_run_that_is_resumed_gives_its_last_row(place, capsys):
    place("train")
    (made,) = strictly(said(capsys, *TRAIN, "--json").out)
    (again,) = strictly(said(capsys, *TRAIN, "--json", "--resume").out)
    assert again == made and made["last"]["iteration"] == 3


def test_the_page_of_worlds_is_json_too(capsys):
    (made,) = strictly(said(capsys, "list", "--markdown", "--json").out)
    assert made == {"page": said(capsys, "list", "--markdown").out}


@pytest.mark.parametrize("flag", ["--json", "--quiet"])
def test_arguments_that_cannot_be_parsed_are_one_line_where_a_program_reads(flag, capsys):
    for wrong in (["--iterations", "many"], ["--no-such-flag"]):
        with pytest.raises(SystemExit) as end:
            main(["train", "--out", "x", flag, *wrong])
        told = capsys.readouterr()
        assert end.value.code == 2 and told.out == "" and wrong[0] in told.err
        assert told.err.startswith("mesasim: ") and told.err.count("\n") == 1 and "\u2500" not in told.err


def test_every_command_takes_both_flags(capsys):
    calls = [[name] for name in COMMANDS if name not in (*GROUPS, "run")]
    calls += [[group, name] for group, (commands, _) in GROUPS.items() for name in commands]
    calls += [["run", name] for name in experiments()]
    for arguments in calls:
        with pytest.raises(SystemExit):
            main([*arguments, "--help"])
        text = capsys.readouterr().out
        assert "--quiet" in text and "--json" in text, arguments


def test_numbers_json_has_no_word_for_are_null_and_arrays_are_lists():
    value = {"a": float("nan"), 2: (np.float32("inf"), np.int64(3)), "t": torch.tensor([1.0, float("nan")])}
    assert plain(value) == {"a": None, "2": [None, 3], "t": [1.0, None]}
    with pytest.raises(TypeError):
        dumps({"a": object()})


def test_flags_of_a_command_end_with_it(place, capsys):
    place("solve")
    said(capsys, *call("solve")[0], "--quiet", "--json")
    assert (output.quiet, output.json) == (False, False)
    assert "burma14" in said(capsys, *call("solve")[0]).out


@pytest.fixture
def terminal(monkeypatch):
    """A terminal on stderr; what it was sent."""
    sent = io.StringIO()
    monkeypatch.setattr(progress, "messages", Console(file=sent, force_terminal=True, width=120, color_system=None))
    monkeypatch.setattr(progress, "on_terminal", lambda: True)
    return sent


def test_on_a_terminal_there_are_bars_with_the_time_left_and_stdout_is_the_result_alone(place, terminal, capsys):
    place("solve")
    told = said(capsys, *call("solve")[0], "--json")
    assert len(strictly(told.out)) == 2
    shown = terminal.getvalue()
    assert "2/2" in shown and re.search(r"left \d:\d\d:\d\d", shown) and "\x1b[" in shown


def test_the_time_left_follows_the_speed(capsys):
    with progress.bars() as shown:
        clock = [0.0]
        shown.get_time = lambda: clock[0]
        task = shown.add_task("work", total=10, detail="")
        for clock[0] in (60.0, 70.0, 80.0):  # the first piece, in which things are made ready, does not count
            shown.update(task, advance=1, detail="half")
    assert capsys.readouterr().err.splitlines()[-1] == "work: 3/10 (30 %), 0:01:20 taken, 0:01:10 left; half"


def test_large_numbers_are_written_out(capsys):
    with progress.bars() as shown:
        clock = [0.0]
        shown.get_time = lambda: clock[0]
        task = shown.add_task("work", total=10_000_000, detail="")
        clock[0] = 60.0
        shown.update(task, advance=1_234_567)
        assert progress.line(shown.tasks[task]).startswith("work: 1,234,567/10,000,000 (12 %), 0:01:00 taken")
    assert [progress.counted(number) for number in (0, 2.5, 1e6)] == ["0", "2.5", "1,000,000"]


def test_the_command_of_an_evaluation_gives_it_again(place, capsys):
    place("train")
    said(capsys, *TRAIN[:2], "a run", *TRAIN[3:], "--quiet")
    first = strictly(
        said(capsys, "evaluate", "a run", "--tasks", "20", "--seed", "7", "--sample-actions", "--json").out
    )
    command = first[0]["command"]
    assert command == "mesasim evaluate 'a run' --tasks 20 --seed 7 --sample-actions"
    again = strictly(said(capsys, *shlex.split(command)[1:], "--json").out)
    rewards = [[(row["agent"], row["reward_mean"]) for row in one["agents"]] for one in (*first, *again)]
    assert rewards[0] == rewards[1]


def test_lines_come_after_a_while_and_then_now_and_then(capsys):
    with progress.bars() as shown:
        clock = [0.0]
        shown.get_time = lambda: clock[0]
        task = shown.add_task("work", total=1000, detail="")
        for second in range(1, 31):
            clock[0] = second * 0.9
            shown.update(task, advance=1)
    taken = re.findall(r"(\d:\d\d:\d\d) taken", capsys.readouterr().err)
    assert taken == ["0:00:01", "0:00:12", "0:00:23"]


@pytest.mark.filterwarnings("default::RuntimeWarning")
@pytest.mark.parametrize("bars", [False, True])
def test_a_stderr_that_cannot_be_written_costs_no_training(bars, place, monkeypatch, tmp_path):
    place("train")
    monkeypatch.setattr(logs.TensorBoard, "write", lambda self, row: 1 / 0)  # a warning
    with open("/dev/full", "w", buffering=1) as full, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", full)
        if bars:
            patch.setattr(progress, "on_terminal", lambda: True)
            patch.setattr(progress, "messages", Console(file=full, force_terminal=True))
        main(TRAIN)
    assert latest_checkpoint(tmp_path / "run").stem == "00000003"


# Each a fork of one process, since the imports are what costs; a fork ends as any Python process does.
FORKED = """
import json, os, sys
from mesasim.command_line import guarded
from mesasim.output import output

def run(work, stderr, lines):
    out, into = os.pipe()
    if (child := os.fork()) == 0:
        os.dup2(into, 1)
        os.close(out)
        if stderr == "full":
            os.dup2(os.open("/dev/full", os.O_WRONLY), 2)
        if stderr == "closed":
            os.close(2)
            sys.stderr = sys.__stderr__ = None  # as Python begins without one
        sys.argv = ["mesasim"]
        guarded(work)
        sys.exit()
    os.close(into)
    with open(out) as read:
        told = read.readline() if lines == 1 else read.read()
    return told, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

found = [run(lambda: print("line\\n" * 100000), "same", 1)]
for stderr in ("full", "closed"):
    found += [run(lambda: output.say("message"), stderr, -1), run(lambda: int("x"), stderr, -1)]
os.write(1, json.dumps(found).encode())
"""


@pytest.fixture(scope="module")
def forked():
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True, cwd="/")
    return json.loads(done.stdout), done.stderr


def test_a_reader_that_goes_away_is_no_error(forked):
    found, said = forked
    assert found[0] == ["line\n", 1] and said == ""  # a status, and no traceback


def test_a_lost_stderr_changes_neither_the_exit_status_nor_the_result(forked):
    assert forked[0][1:] == [["", 0], ["", 2]] * 2


def test_a_wrong_setting_is_one_line_and_a_wrong_flag_is_explained(capsys):
    for arguments, words in [
        (["train", "--out", "x", "--num-envs", "0"], "mesasim: num_envs: got 0, allowed: an integer of at least 1\n"),
        (["run", "bandit-learning", "--pulls", "1"], "mesasim: pulls: got 1, allowed: an integer of at least 2\n"),
    ]:
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 2 and capsys.readouterr().err == words
    with pytest.raises(SystemExit) as end:
        main(["train", "--out", "x", "--iterations", "many"])
    assert end.value.code == 2 and "--iterations" in capsys.readouterr().err


@pytest.mark.filterwarnings("default::RuntimeWarning")
def test_warnings_are_one_line(place, capsys, monkeypatch):
    place("train")
    monkeypatch.setattr(logs.TensorBoard, "write", lambda self, row: 1 / 0)
    told = said(capsys, *TRAIN, "--quiet")
    (line,) = told.err.splitlines()
    assert line.startswith("mesasim: warning: log: tensorboard failed and is left out")
