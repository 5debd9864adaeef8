"""`mesasim bench peers` with libraries made up here: medians and ratios are right, what fails is listed with its reason and
the rest go on. No peer is installed."""

import ast
import json
import sys
from pathlib import Path

import pytest

from mesasim.__main__ import main
from mesasim.bench.peers import command, installing, measuring, page, processes, works
from mesasim.bench.peers.installing import NotInstalled
from mesasim.bench.peers.measuring import compare, quality
from mesasim.bench.peers.pins import PINS, version
from mesasim.bench.peers.processes import Worker, WorkerFailed
from mesasim.bench.peers.works import Pair, pairs

WORKERS = Path(processes.WORKER).parent
FAKE = f"""
import os, sys, time
sys.path.append({str(WORKERS)!r})
import protocol

def prepare(work):
    if "fail" in work:
        raise KeyError(work["fail"])
    def once():
        time.sleep(work.get("sleep", 0.001))
        if "exit" in work:
            print(work["exit"], file=sys.stderr)
            os._exit(3)
        if "raise" in work and os.getpid() != parent:
            raise ValueError(work["raise"])
        return work["units"]
    parent = os.getpid()
    return protocol.Work(once, {{"bytes_per_step": work["units"], "library": sys.argv[1]}}, work.get("processes", 1))

protocol.serve(prepare)
"""


@pytest.fixture
def fake(tmp_path):
    """The script of a worker that counts to what it is told."""
    script = tmp_path / "fake.py"
    script.write_text(FAKE)
    return script


@pytest.fixture
def worker(fake):
    made = Worker("fake", sys.executable, 1, script=fake)
    yield made
    made.close()


def test_a_worker_counts_units_and_both_clocks(worker):
    assert worker.prepare({"units": 7}) == {"bytes_per_step": 7, "library": "fake"}
    answer = worker.run(0.05)
    assert answer["units"] % 7 == 0 and answer["units"] > 7
    assert answer["wall"] >= 0.05 and 0 < answer["cpu"] < answer["wall"]  # it sleeps


def test_forks_add_up(worker):
    alone, together = {"units": 1, "sleep": 0.01}, {"units": 1, "sleep": 0.01, "processes": 3}
    worker.prepare(alone)
    one = worker.run(0.1)
    worker.prepare(together)
    three = worker.run(0.1)
    assert 2 * one["units"] < three["units"] <= 3 * 11
    assert three["wall"] < 2 * one["wall"]
    worker.prepare({"units": 1, "processes": 2, "raise": "in a fork"})
    with pytest.raises(WorkerFailed, match="ValueError: in a fork"):
        worker.run(0.01)


def test_a_worker_goes_on_after_an_error_and_says_how_it_ended(worker, monkeypatch):
    with pytest.raises(WorkerFailed, match="nothing was prepared"):
        worker.run(0.01)
    with pytest.raises(WorkerFailed, match="KeyError: 'no such thing'"):
        worker.prepare({"fail": "no such thing"})
    worker.prepare({"units": 1, "exit": "out of luck"})
    assert worker.alive
    with pytest.raises(WorkerFailed, match="ended with status 3: out of luck"):
        worker.run(0.01)
    assert not worker.alive


def test_a_worker_that_does_not_answer_is_given_up(worker, monkeypatch):
    worker.prepare({"units": 1, "sleep": 60})
    monkeypatch.setattr(processes, "PATIENCE_S", 0.3)
    with pytest.raises(WorkerFailed, match="no answer in 0 s"):
        worker.run(0.01)
    assert not worker.alive
    with pytest.raises(WorkerFailed, match="was closed before"):
        worker.prepare({"units": 1})


class Scripted:
    """A worker whose rounds are given: (units, wall, cpu)."""

    def __init__(self, rounds, bytes_per_step=10):
        self.rounds, self.bytes_per_step, self.spans = iter(rounds), bytes_per_step, []

    def prepare(self, work):
        return {"bytes_per_step": self.bytes_per_step}

    def run(self, seconds, span=None):
        self.spans.append(span)
        return dict(zip(("units", "wall", "cpu", "found"), next(self.rounds), strict=False))


def stepping(aim=None, ours=True):
    return Pair("minigrid", "a room", {"kind": "stepping"}, {"kind": "stepping"} if ours else None, "Maze", aim)


def test_ratios_are_of_medians_by_each_clock():
    theirs = Scripted([(10, 1, 1), (30, 1, 2), (90, 3, 1)])  # a second: 10, 30, 30; a CPU second: 10, 15, 90
    ours = Scripted([(100, 1, 1), (400, 1, 2), (900, 1, 1)], 5)  # 100, 400, 900; 100, 200, 900
    row = compare(stepping(aim=14), theirs, ours, 3, 1.0)
    assert row["peer_per_second"] == 30 and row["peer_per_cpu_second"] == 15
    assert row["our_per_second"] == 400 and row["our_per_cpu_second"] == 200
    assert row["ratio_per_second"] == pytest.approx(400 / 30)
    assert row["ratio_per_cpu_second"] == pytest.approx(200 / 15)
    assert row["ratio_per_cpu_second_range"] == pytest.approx([10, 200 / 15])
    assert row["aim_met"] is False  # 13.3
    assert (row["peer_bytes_per_step"], row["our_bytes_per_step"]) == (10, 5)
    again = compare(stepping(aim=13), Scripted([(15, 1, 1)]), Scripted([(200, 1, 1)]), 1, 1.0)
    assert again["aim_met"] is True


def test_who_goes_first_alternates_but_tours_follow_the_peers():
    for group, order in (("mazes", "toottoot"), ("tours", "totototo")):
        said = []

        class Noted(Scripted):
            def run(self, seconds, span=None, said=said):
                said.append(self.letter)
                return super().run(seconds, span)

        round_ = (1, 1, 1, [[0, [0, 1, 2, 3], True]])
        theirs, ours = Noted([round_] * 4), Noted([round_] * 4)
        theirs.letter, ours.letter = "t", "o"
        work = {"kind": group, "points": SQUARE}
        compare(Pair("mazelib", group, work, work, "ours"), theirs, ours, 4, 1.0)
        assert "".join(said) == order


def test_training_is_judged_between_equal_networks_and_tells_their_parameters(monkeypatch):
    listed = works.training()
    assert all((pair.aim is not None) == (pair.ours["network"] == "lstm") for pair in listed)
    monkeypatch.syspath_prepend(WORKERS)
    import ours

    lstm = {**listed[0].ours, "num_envs": 8}
    facts = ours.mesasim(lstm, 1).facts
    for name in ("ours", "protocol"):
        monkeypatch.delitem(sys.modules, name)
    assert facts["parameters"] == 4 * 64 * (7 + 64 + 2) + 64 * 6 + 6  # torch's LSTM on 7 inputs; heads of 5 and 1

    class Sized(Scripted):
        def prepare(self, work):
            return {"parameters": self.bytes_per_step}

    row = compare(listed[0], Sized([(1, 1, 1)], 19078), Sized([(1, 1, 1)], 19078), 1, 1.0)
    assert row["peer_parameters"] == row["our_parameters"] == 19078
    told = {"peer": "sb3-contrib", "peer_version": "2", "what": "", "ours": "", "num_threads": 1, "aim": 10, "note": ""}
    assert "parameters: 19,078 / 19,078" in page.cells({**told, **row})[-1]


def test_what_has_no_counterpart_is_measured_alone():
    row = compare(stepping(ours=False), Scripted([(10, 1, 1)]), None, 1, 1.0)
    assert row["peer_per_second"] == 10 and "ratio_per_second" not in row


SQUARE = [[[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]]]


def test_ours_solves_what_the_peer_solved_and_its_gap_is_told():
    theirs = Scripted([(1, 1, 1, [[0, [0, 2, 1, 3], False]]), (1, 1, 1, [[0, [0, 1, 2, 3], True]])])
    ours = Scripted([(1, 1, 0.5, [[0, [0, 1, 2, 3], True]])] * 2)
    work = {"kind": "tours", "points": SQUARE}
    row = compare(Pair("elkai", "LKH", work, work, "solve"), theirs, ours, 2, 1.0)
    assert ours.spans == [[0], [0]]
    crossed = (2 + 2 * 2**0.5) / 4 - 1
    assert row["gap_percent"] == pytest.approx(100 * crossed / 2)
    assert row["optimal_share"] == 0.5 and row["proved_share"] == 0.5 and row["our_proved"] and row["instances"] == 2


def test_a_tour_that_is_none_or_beats_the_optimum_is_noticed():
    best, crossed = {"found": [[0, [0, 1, 2, 3], True]]}, {"found": [[0, [0, 2, 1, 3], True]]}
    with pytest.raises(WorkerFailed, match="no tour"):
        quality(SQUARE, [{"found": [[0, [0, 1, 1, 3], False]]}], [best])
    with pytest.raises(AssertionError, match="shorter than our optimum"):
        quality(SQUARE, [best], [crossed])


def test_a_peer_that_cannot_be_installed_says_why(tmp_path, monkeypatch):
    monkeypatch.setitem(PINS, "minigrid", (("not a requirement at all",),))
    python = tmp_path / "minigrid" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)  # instead of a new environment; nothing is installed into it
    with pytest.raises(NotInstalled, match=r"pip install .*not a requirement"):
        installing.environment("minigrid", tmp_path)
    assert not (tmp_path / "minigrid" / installing.MARK).exists()


@pytest.fixture
def run(fake, tmp_path, monkeypatch, capsys):
    """Runs the command on three made-up pairs, of which gymnax's cannot be installed; its rows and its files' folder."""
    kind = {"kind": "stepping"}
    listed = [
        Pair("gymnax", "lost", {**kind, "units": 1}, {**kind, "units": 1}, "Bandit"),
        Pair("minigrid", "found", {**kind, "units": 10}, {**kind, "units": 1000}, "Maze", aim=2),
        Pair("minigrid", "alone", {**kind, "units": 10}, None, ""),
        Pair("minigrid", "broken", {**kind, "fail": "no such environment"}, {**kind, "units": 1000}, "Maze"),
    ]

    def environment(peer, folder):
        if peer == "gymnax":
            raise NotInstalled("pip install: no luck today")
        return sys.executable

    monkeypatch.setattr(command, "pairs", lambda *args, **kwargs: listed)
    monkeypatch.setattr(measuring, "environment", environment)
    monkeypatch.setattr(processes, "WORKER", fake)

    def call(*flags):
        out = tmp_path / "out"
        main(["bench", "peers", "--out", str(out), "--rounds", "3", "--seconds", ".02", "--num-threads", "1", *flags])
        return capsys.readouterr().out, out

    return call


def test_one_json_object_a_row_and_files_of_the_same(run):
    text, out = run("--json")
    rows = {row["what"]: row for row in map(json.loads, text.splitlines())}
    assert rows["lost"]["error"] == "not installed: pip install: no luck today"
    assert "no such environment" in rows["broken"]["error"]
    found = rows["found"]
    assert found["aim_met"] and found["ratio_per_second"] > 50 and found["peer_version"] == version("minigrid")
    assert "cores" in found["machine"] and found["rounds"] == 3 and len(found["date"]) == 10
    assert "ratio_per_second" not in rows["alone"]
    kept = page.rows_file(out).read_text().splitlines()
    assert {json.loads(line)["what"] for line in kept} == rows.keys()
    written = (out / page.PAGE).read_text()
    assert "not measured: not installed: pip install: no luck today" in written and "2×: met" in written
    assert "no counterpart" in written and (out / page.FIGURE).stat().st_size > 1000


def test_rows_measured_before_stay_until_they_are_measured_again(run):
    run("--quiet")
    _, out = run("--quiet", "--what", "found", "--seconds", ".03")
    rows = {row["what"]: row for row in map(json.loads, page.rows_file(out).read_text().splitlines())}
    assert rows.keys() == {"lost", "found", "alone", "broken"}
    assert rows["found"]["seconds"] == 0.03 and rows["alone"]["seconds"] == 0.02


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--only", "flying"], "only: got 'flying'"),
        (["--peer", "nobody"], "peer: got 'nobody'"),
        (["--rounds", "0"], "rounds: got 0"),
        (["--seconds", "0"], "seconds: got 0"),
        (["--what", "no such row"], "what: got 'no such row'"),
        (["--num-threads", "1000"], "num_threads: got 1000"),
    ],
)
def test_what_cannot_be_measured_is_refused(flags, words, capsys, tmp_path):
    with pytest.raises(SystemExit) as end:
        main(["bench", "peers", "--out", str(tmp_path / "out"), "--venvs", str(tmp_path), *flags])
    assert end.value.code == 2 and words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_every_pair_names_a_peer_with_pins_and_is_listed_once():
    listed = pairs(maze_sizes=(5, 16), cities=(10, 100))
    keys = [(pair.group, pair.peer, pair.what) for pair in listed]
    assert len(set(keys)) == len(keys) and {pair.group for pair in listed} == set(works.GROUPS)
    assert {pair.peer for pair in listed} == PINS.keys()
    assert all(version(pair.peer)[0].isdigit() for pair in listed)
    assert all((pair.ours is None) == (pair.beside == "") for pair in listed)


def test_our_side_can_do_every_work_it_is_given(monkeypatch):
    monkeypatch.syspath_prepend(WORKERS)
    import ours

    small = {"stepping": {"num_envs": 4}, "mazes": {"count": 2}, "training": {"num_envs": 8, "rollout_steps": 10}}
    done = set()
    for pair in pairs(cities=(10,)):
        if pair.ours is None or json.dumps(pair.ours) in done:
            continue
        done.add(json.dumps(pair.ours))
        work = ours.mesasim({**pair.ours, **small.get(pair.group, {})}, 1)
        assert work.once() >= 1
        if pair.group == "stepping":
            assert work.facts["bytes_per_step"] >= 14
    for name in ("ours", "protocol"):
        monkeypatch.delitem(sys.modules, name)


def test_peers_workers_import_nothing_of_mesasim():
    for file in WORKERS.glob("*.py"):
        tree = ast.parse(file.read_text())
        imported = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
        imported += [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        assert any(name.startswith("mesasim") for name in imported) == (file.name == "ours.py"), file.name


def test_each_kind_of_ours_imports_for_itself():
    outside = [node for node in ast.parse((WORKERS / "ours.py").read_text()).body if isinstance(node, ast.ImportFrom)]
    assert [node.module for node in outside] == ["protocol"]


def test_peers_in_jax_draw_no_actions_while_they_are_timed():
    """JAX is not installed here, so the source is read: of _jax's inner functions, which are what is timed, none draws."""
    tree = ast.parse((WORKERS / "stepping.py").read_text())
    (driver,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "_jax"]
    inner = [node for part in driver.body for node in ast.walk(part) if isinstance(node, ast.FunctionDef)]
    assert {"loop", "body", "call", "once"} <= {node.name for node in inner}
    assert not any(isinstance(n, ast.Attribute) and n.attr == "randint" for node in inner for n in ast.walk(node))
