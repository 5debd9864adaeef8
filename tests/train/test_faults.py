"""What a training survives: kills, full and read-only disks, damaged checkpoints, clocks set back, signals. Nothing is
half-written, nothing whole is lost, and the message names the file."""

import dataclasses
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from plain.training_cases import BANDIT

from mesasim import integrity
from mesasim.__main__ import main
from mesasim.integrity import LOCK, remove_leftovers, weights_hash, write_whole
from mesasim.train import loop
from mesasim.train.checkpoint import latest_checkpoint
from mesasim.train.clipped_adam import ClippedAdam
from mesasim.train.distributed import RankLost, Ranks
from mesasim.train.logs import read_rows
from mesasim.train.loop import Terminated
from mesasim.train.ppo import Trainer, train

ROOT = Path(__file__).parents[2]
CONFIG = dataclasses.replace(BANDIT, iterations=4, checkpoint_every=2)
NOT_MOUNTED = "this needs a file system of its own, which only root may mount"
TIMES = (
    "steps_per_second",
    "cpu_seconds",
    "rollout_share",
    "simulator_share",
    "forward_share",
    "backward_share",
    "rest_share",
)


def files(folder):
    """Every file's bytes, but TensorBoard's, which is written all the time."""
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file() and "tensorboard" not in p.parts}


@pytest.fixture
def half(tmp_path):
    """A run of four iterations that stands at its second."""
    train(CONFIG, tmp_path / "run")
    latest_checkpoint(tmp_path / "run").unlink()
    assert latest_checkpoint(tmp_path / "run").stem == "00000002"
    return tmp_path / "run"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KB; yields its folder and what mounts it anew with other options."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options):
        return subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], capture_output=True, check=False)

    if not sys.platform.startswith("linux") or os.geteuid() != 0 or mount("size=256k").returncode:
        pytest.skip(NOT_MOUNTED)
    yield folder, mount
    subprocess.run(["umount", "--lazy", folder], check=True)


# Kills


KILLS = ROOT / "bench" / "faults" / "training.py"
BOTH = f"""
import runpy, sys
from mesasim.train.ppo import Trainer

def disturb(*given):
    sys.argv[1:] = [*given, "--iterations", "30"]
    try:
        runpy.run_path({str(KILLS)!r}, run_name="__main__")
    except SystemExit as ended:
        print("status:", ended.code, flush=True)

disturb("--kills", "5")
Trainer.resume = lambda trainer: None
disturb("--kills", "40")
"""


def python(*given):
    path = os.pathsep.join(filter(None, sys.path))
    return subprocess.run(
        [sys.executable, *given], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=120, cwd="/",
        check=False,
    )  # fmt: skip


def assert_all_equal(said, kills):
    assert f"kills: {kills}," in said
    ended, equal = re.search(r"end: (\d+); .*: (\d+)$", said.strip()).groups()
    assert ended == equal != "0"


def test_a_training_killed_again_and_again_ends_in_the_same_bits_and_one_that_starts_over_instead_is_found_out():
    """The short form of bench/faults/training.py, which exits with 1 if anything differs."""
    done = python("-c", BOTH)
    resuming, starting_over, rest = re.split(r"status: (?=\d)", done.stdout)
    assert starting_over[0] == "0" and rest.strip() == "1", done.stdout + done.stderr
    assert_all_equal(resuming, kills=5)
    assert re.search(r"a restart went on after iteration 0, allowed: [1-9]\d*, the newest checkpoint's", starting_over)


@pytest.mark.slow
def test_a_training_of_two_processes_killed_again_and_again_ends_in_the_same_bits():
    done = python(KILLS, "--kills", "2", "--ranks", "2", "--iterations", "30")
    assert done.returncode == 0, done.stdout + done.stderr
    assert_all_equal(done.stdout, kills=2)


def test_rows_written_before_a_kill_are_made_again_not_twice(half, monkeypatch):
    """Killed between metrics.csv and its checkpoint."""

    def killed(*given):
        raise SystemExit("killed")

    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_checkpoint", killed)
        with pytest.raises(SystemExit):
            train(CONFIG, half, resume=True)
    assert [row["iteration"] for row in read_rows(half / "metrics.csv")] == [1, 2, 3, 4]
    train(CONFIG, half, resume=True)
    assert [row["iteration"] for row in read_rows(half / "metrics.csv")] == [1, 2, 3, 4]


def test_what_a_killed_process_left_half_written_is_removed_whatever_its_number(tmp_path):
    """Also of this process's number, which in a container every start has, and of another living one's."""
    kept = tmp_path / "checkpoints"
    kept.mkdir()
    numbers = (os.getpid(), os.getppid(), 2**22 + 1)
    left = [kept / f".00000002.safetensors.{number}.tmp" for number in numbers]
    left += [tmp_path / f".{name}.{number}.tmp" for name in ("metrics.csv", "config.yaml") for number in numbers]
    others = [kept / ".of something else.tmp", tmp_path / f".summary.json.{os.getppid()}.tmp"]  # an evaluation's
    for file in (*left, *others):
        file.write_bytes(b"half")
    train(CONFIG, tmp_path)  # not refused: it holds no checkpoint
    assert not any(file.exists() for file in left) and all(file.exists() for file in others)
    remove_leftovers(tmp_path / "no such folder")


HOLDS = """
import sys, time
from pathlib import Path
from mesasim.integrity import held
with held(Path(sys.argv[1])), held(Path(sys.argv[2])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(integrity, "PATIENCE_S", 0.05)


def test_folders_that_are_being_trained_in_are_refused_until_their_process_is_killed(tmp_path, half, impatient):
    runs = {half: True, tmp_path / "new": False}
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    other = subprocess.Popen([sys.executable, "-c", HOLDS, *runs], env=env, cwd="/", stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "held\n"
        for run, resume in runs.items():
            before = files(run)
            with pytest.raises(BlockingIOError, match=f"{run} is being worked in by process {other.pid};"):
                train(CONFIG, run, resume=resume)
            assert files(run) == before
    finally:
        other.kill()
        other.communicate()
    for run, resume in runs.items():
        train(CONFIG, run, resume=resume)
        assert latest_checkpoint(run).stem == "00000004"


def test_a_training_holds_its_folder_to_its_end(tmp_path, impatient):
    refused = []

    def another(row):
        with pytest.raises(BlockingIOError, match=f"by process {os.getpid()};"):
            train(CONFIG, tmp_path, resume=True)
        refused.append(row["iteration"])

    train(CONFIG, tmp_path, report=another)
    assert refused == [1, 2, 3, 4] and not (tmp_path / LOCK).exists()
    train(CONFIG, tmp_path, resume=True)


# Disks


def test_a_file_too_large_for_its_limit_is_named_and_leaves_everything_as_it_was(half):
    before = files(half / "checkpoints")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
        with pytest.raises(OSError, match=r"00000004\.safetensors was not written.*File too large"):
            train(CONFIG, half, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files(half / "checkpoints") == before
    train(CONFIG, half, resume=True)


def test_a_full_disk_is_named_and_leaves_the_checkpoint_before_to_go_on_from(small_disk, tmp_path, capsys):
    folder, _ = small_disk
    train(CONFIG, folder)
    latest_checkpoint(folder).unlink()
    before, last = files(folder / "checkpoints"), (folder / "metrics.csv").read_bytes()
    filler = folder / "filler"
    with pytest.raises(OSError, match="No space left"), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with pytest.raises(OSError, match=f"{folder}.* was not written: .*No space left on device"):
        train(CONFIG, folder, resume=True)
    assert files(folder / "checkpoints") == before and (folder / "metrics.csv").read_bytes() == last
    filler.unlink()
    resumed = train(CONFIG, folder, resume=True)
    assert weights_hash(resumed) == weights_hash(train(CONFIG, tmp_path / "whole"))


def test_a_run_folder_that_cannot_be_written_to_is_refused_before_training(small_disk, monkeypatch):
    folder, mount = small_disk
    train(CONFIG, folder)
    latest_checkpoint(folder).unlink()
    before = files(folder)
    assert mount("remount,ro").returncode == 0
    monkeypatch.setattr(Trainer, "iterate", lambda self: pytest.fail("trained"))
    with pytest.raises(OSError, match=f"Read-only file system: '{folder}/.lock'"):
        train(CONFIG, folder, resume=True)
    with pytest.raises(OSError, match=f"Read-only file system: '{folder}/new'"):
        train(CONFIG, folder / "new")
    assert files(folder) == before


def test_an_error_of_the_disk_names_the_file(tmp_path):
    def fail(path):
        raise OSError(28, "No space left on device", str(path))

    with pytest.raises(OSError, match=r"metrics\.csv was not written: No space left on device") as caught:
        write_whole(tmp_path / "metrics.csv", fail)
    assert caught.value.errno == 28


# Damaged checkpoints


def test_a_damaged_checkpoint_is_refused_naming_the_one_before(half):
    train(CONFIG, half, resume=True)
    newest = latest_checkpoint(half)
    good = newest.read_bytes()
    header = int.from_bytes(good[:8], "little")
    places = {"length": 1, "header": 9, "description": good.index(b"iteration"), "tensors": 8 + header + 5, "end": -1}
    damaged = {name: good[:at] + bytes([good[at] ^ 4]) + good[at:][1:] for name, at in places.items()}
    damaged |= {"cut short": good[: len(good) // 2], "empty": b"", "longer": good + b"\0"}
    for name, content in damaged.items():
        newest.write_bytes(content)
        with pytest.raises(ValueError, match=rf"{newest}.*remove it to go on from 00000002.safetensors"):
            train(CONFIG, half, resume=True)
        assert newest.read_bytes() == content, name
    newest.unlink()
    assert weights_hash(train(CONFIG, half, resume=True)) and newest.read_bytes()[8 + header :] == good[8 + header :]


def test_where_no_checkpoint_is_whole_the_message_says_so(half):
    latest_checkpoint(half).write_bytes(b"nothing")
    with pytest.raises(ValueError, match="no other is whole"):
        train(CONFIG, half, resume=True)


# Clocks


@pytest.mark.parametrize("clock", ["perf_counter", "process_time", "time"])
def test_a_clock_set_back_gives_no_negative_times(clock, tmp_path, monkeypatch):
    now = [1e6]

    def backwards():
        now[0] -= 1.0
        return now[0]

    with monkeypatch.context() as patch:
        patch.setattr(time, clock, backwards)
        agent = train(CONFIG, tmp_path / "back")
    assert weights_hash(agent) == weights_hash(train(CONFIG, tmp_path / "whole"))
    rows = read_rows(tmp_path / "back" / "metrics.csv")
    times = [value for row in rows for name, value in row.items() if name.endswith(TIMES)]
    assert len(times) == 7 * len(rows) and not any(value < 0 for value in times)


# Signals


@pytest.fixture
def signalled(monkeypatch):
    """Signals that reach the process at the given optimiser steps."""
    step, calls, due = ClippedAdam.clipped_step, [], {}

    def interrupted(self, *given):
        calls.append(1)
        for number in due.get(len(calls), ()):
            os.kill(os.getpid(), number)
        return step(self, *given)

    monkeypatch.setattr(ClippedAdam, "clipped_step", interrupted)
    return due


def test_sigterm_ends_the_iteration_and_saves_a_checkpoint_and_a_second_one_is_heeded_once(tmp_path, signalled):
    signalled |= {6: [signal.SIGTERM], 7: [signal.SIGTERM]}  # in the middle of the second iteration's four updates
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    config = dataclasses.replace(CONFIG, checkpoint_every=50)
    with pytest.raises(Terminated):
        train(config, tmp_path / "run")
    assert latest_checkpoint(tmp_path / "run").stem == "00000002"
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert weights_hash(train(config, tmp_path / "run", resume=True)) == weights_hash(train(config, tmp_path / "whole"))


def test_a_second_interrupt_is_heeded_at_once_and_leaves_the_last_checkpoint(tmp_path, signalled):
    signalled |= {6: [signal.SIGINT], 7: [signal.SIGINT]}
    with pytest.raises(KeyboardInterrupt):
        train(dataclasses.replace(CONFIG, checkpoint_every=1), tmp_path)
    assert [path.name for path in sorted((tmp_path / "checkpoints").iterdir())] == ["00000001.safetensors"]


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
    ids=["SIGINT", "SIGTERM"],
)
def test_the_command_ends_with_the_status_of_its_signal(number, status, said, tmp_path, signalled, capsys):
    signalled |= {3: [number]}
    flags = ["--num-envs", "32", "--iterations", "9", "--epochs", "1", "--minibatches", "2", "--num-threads", "1"]
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--out", str(tmp_path), *flags, "--quiet"])
    assert stopped.value.code == status and f"mesasim: {said}" in capsys.readouterr().err
    assert latest_checkpoint(tmp_path).stem == "00000002"


# Several processes


def test_a_collective_that_fails_says_what_is_likely_and_how_to_go_on():
    def fail():
        raise RuntimeError("Connection closed by peer")

    with pytest.raises(RankLost, match=r"rank 1 of 4: another process .* gone .*--resume goes on.*closed by peer"):
        Ranks(1, 4)._together(fail)


def test_what_runs_in_one_process_is_refused_under_a_launcher_of_several(tmp_path, monkeypatch, capsys):
    for name, value in {"RANK": 0, "WORLD_SIZE": 2, "MASTER_ADDR": "localhost", "MASTER_PORT": 1}.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(ValueError, match="WORLD_SIZE: got 2, allowed: 1; this training runs in one process"):
        loop.train_in_folder(Trainer(CONFIG, tmp_path), 1, checkpoint_every=1)
    with pytest.raises(SystemExit):
        main(["list"])
    assert "WORLD_SIZE: got 2" in capsys.readouterr().err
