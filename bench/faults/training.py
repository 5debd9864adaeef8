"""Kills a training with SIGKILL at random moments, restarts it with --resume each time, and holds what it ends with against
the same training undisturbed: every checkpoint's tensors and settings, and every row of metrics.csv but its times, bit for
bit. Every restart must go on from the newest checkpoint. `python bench/faults/training.py --kills 50`; of a job of two
processes, one of which is killed: `--ranks 2`.

Processes are forked from one that has imported everything, so that kills fall within training, not within two seconds of
imports. A run that ends before all kills are spent is followed by another. Exit status 1 if anything differs."""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # a process with threads is not to be forked

import argparse
import collections
import contextlib
import csv
import mmap
import random
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch._dynamo
import torch.utils.tensorboard  # noqa: F401

import mesasim.__main__
from mesasim.integrity import digest
from mesasim.train import checkpoint, logs, loop, ppo
from mesasim.train.checkpoint import load_checkpoint

PHASES = ("starting", "in an iteration", "saving", "between")
STARTING, ITERATING, SAVING, BETWEEN = range(len(PHASES))
TIMES = (
    "seconds",
    "_second",
    "rollout_share",
    "simulator_share",
    "forward_share",
    "backward_share",
    "rest_share",
)  # may differ
LOST = "another process of this training is gone"
PATIENCE_S = 3.0  # for who is left of a job; then it is ended as torchrun does
MAZE = ["--world", "Maze-v0", "-o", "size=3", "-o", "view=3", "-o", "trials=2", "-o", "trial_steps=5"]


def arguments(out: Path, iterations: int) -> list[str]:
    """Of `mesasim train`: a training of about 20 ms an iteration, saved after every other one."""
    return [
        "train", "--out", str(out), *MAZE, "--num-envs", "64", "--rollout-steps", "8", "--epochs", "2", "--minibatches", "2",
        "--iterations", str(iterations), "--checkpoint-every", "2", "--num-threads", "1", "--hidden", "16",
        "--resume", "--quiet",
    ]  # fmt: skip


SHARED = struct.Struct(
    "=q?i"
)  # of a job's first process: its phase, whether it has begun to iterate, after which iteration


class Job:
    """The processes of one start; where the first of them is (`phase`), and after which iteration it began (`began`)."""

    def __init__(self, given: list[str], ranks: int, log: Path) -> None:
        self.log, self.shared = log, mmap.mmap(-1, SHARED.size)
        log.write_text("")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.running = {}
        for rank in range(ranks):
            launch = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": ranks, "LOCAL_WORLD_SIZE": ranks}
            launch |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            child = os.fork()
            if child == 0:
                self._train(given, {name: str(value) for name, value in launch.items()} if ranks > 1 else {})
            self.running[child] = rank

    @property
    def phase(self) -> int:
        return SHARED.unpack(self.shared[:])[0]

    @property
    def began(self) -> int | None:
        """None: it came to no iteration."""
        _, iterated, after = SHARED.unpack(self.shared[:])
        return after if iterated else None

    def _tell(self, phase: int | None = None, began: int | None = None) -> None:
        """What is not None is new."""
        was, iterated, after = SHARED.unpack(self.shared[:])
        new = (was if phase is None else phase, iterated or began is not None, after if began is None else began)
        self.shared[:] = SHARED.pack(*new)

    def _train(self, given: list[str], launch: dict[str, str]) -> None:
        """In the forked process, which ends here."""
        os.environ |= launch
        output = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        status = 1
        try:
            if launch.get("RANK", "0") == "0":
                self._watch()
            mesasim.__main__.main(given)
            status = 0
        except SystemExit as stop:
            status = int(stop.code or 0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)

    def _watch(self) -> None:
        """Has the trainer tell where it is."""

        def during(phase: int, function: Callable[..., Any]) -> Callable[..., Any]:
            def watched(*positional: Any, **named: Any) -> Any:
                before = self.phase
                self._tell(phase)
                try:
                    return function(*positional, **named)
                finally:
                    self._tell(BETWEEN if before == STARTING else before)

            return watched

        iterate = ppo.Trainer.iterate

        def first_told(trainer: ppo.Trainer) -> Any:
            if self.began is None:
                self._tell(began=trainer.iteration)
            return iterate(trainer)

        ppo.Trainer.iterate = during(ITERATING, first_told)  # type: ignore[method-assign]
        loop.write_whole = during(SAVING, loop.write_whole)
        logs.write_whole = during(SAVING, logs.write_whole)
        checkpoint.write_whole = during(SAVING, checkpoint.write_whole)

    def ended(self) -> dict[int, int]:
        """Status by rank of those that have ended since the last call; minus a signal's number for who was killed."""
        found = {}
        for child in list(self.running):
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                found[self.running.pop(child)] = os.waitstatus_to_exitcode(status)
        return found

    def wait(self, seconds: float) -> dict[int, int]:
        """Until all have ended or the time is over: the statuses of those that have."""
        end, found = time.monotonic() + seconds, self.ended()
        while self.running and time.monotonic() < end:
            time.sleep(0.002)
            found |= self.ended()
        return found

    def kill(self, rank: int) -> None:
        child = next(child for child, its in self.running.items() if its == rank)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        del self.running[child]

    def end(self) -> None:
        """As torchrun ends who is left of a job: SIGTERM, then SIGKILL."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for child in self.running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, number)
            self.wait(PATIENCE_S)


def outcome(run: Path) -> tuple[dict[str, tuple[str, Any]], list[dict[str, str]]]:
    """Digest and settings of every checkpoint; the rows of metrics.csv without times."""
    checkpoints = {}
    for path in sorted((run / "checkpoints").iterdir()):
        tensors, meta = load_checkpoint(path)
        checkpoints[path.name] = digest(tensors), meta
    with (run / logs.METRICS).open(newline="") as file:
        rows = [{k: v for k, v in row.items() if not k.endswith(TIMES)} for row in csv.DictReader(file)]
    return checkpoints, rows


def undisturbed(folder: Path, iterations: int, ranks: int) -> tuple[Any, float]:
    """What a training ends with that nobody disturbs, and its seconds."""
    began, log = time.monotonic(), folder / "undisturbed.log"
    statuses = Job(arguments(folder / "undisturbed", iterations), ranks, log).wait(600)
    if list(statuses.values()) != [0] * ranks:
        raise RuntimeError(f"the undisturbed training ended with {statuses}:\n{log.read_text()}")
    return outcome(folder / "undisturbed"), time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50, help="SIGKILLs in all")
    parser.add_argument("--ranks", type=int, default=1, help="processes of a job; one of them is killed")
    parser.add_argument("--iterations", type=int, default=60, help="of each training")
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mesasim-faults-") as folder:
        sys.exit(disturb(Path(folder), asked.kills, asked.ranks, asked.iterations, random.Random(asked.seed)))


def newest(run: Path) -> int:
    """Iteration of the newest checkpoint; 0 without one."""
    return max((int(path.stem) for path in (run / "checkpoints").glob("*.safetensors")), default=0)


def disturb(folder: Path, kills: int, ranks: int, iterations: int, moments: random.Random) -> int:
    expected, seconds = undisturbed(folder, iterations, ranks)
    print(f"undisturbed: {iterations} iterations, {ranks} process(es), {seconds:.1f} s")
    fell, said, differing, finished, leftovers, spent = collections.Counter(), collections.Counter(), 0, 0, 0, 0
    resumed = 0
    began, run, log = time.monotonic(), folder / "killed", folder / "killed.log"
    while True:
        saved = newest(run)
        job = Job(arguments(run, iterations), ranks, log)
        last = spent == kills
        statuses = job.wait(600 if last else moments.uniform(0, seconds / 2))
        if job.began not in (None, saved):
            job.end()
            print(f"a restart went on after iteration {job.began}, allowed: {saved}, the newest checkpoint's")
            return 1
        resumed += saved > 0 and job.began == saved
        if job.running and not statuses:
            fell[PHASES[job.phase]] += 1
            job.kill(moments.randrange(ranks))
            spent += 1
            said += survivors(job)
            leftovers += len([*run.rglob(".*")])
            continue
        statuses |= job.wait(10 * PATIENCE_S)
        if list(statuses.values()) != [0] * ranks:
            job.end()
            print(f"a restart ended with {statuses}, allowed: 0\n{log.read_text()}")
            return 1
        finished += 1
        left = [str(path) for path in run.rglob(".*")]
        same = not left and outcome(run) == expected
        differing += not same
        if not same:
            print(f"DIFFERS: what training {finished} ended with{', leftovers ' + ', '.join(left) if left else ''}")
        shutil.rmtree(run)
        if last:
            break
    print(
        f"kills: {spent}, in {time.monotonic() - began:.0f} s; of the process that writes, they fell: " + in_words(fell)
    )
    print(f"starts that went on from a checkpoint, each from the newest: {resumed}")
    print(f"half-written files found after kills, all gone in the end: {leftovers}")
    if ranks > 1:
        print(f"the others of a job: {in_words(said)}")
    print(
        f"trainings brought to their end: {finished}; equal to the undisturbed one bit for bit: {finished - differing}"
    )
    return int(differing > 0)


def survivors(job: Job) -> collections.Counter[str]:
    """How those that were not killed end: status 2 and a message, or after PATIENCE_S by the SIGTERM that torchrun sends."""
    found: collections.Counter[str] = collections.Counter()
    if not job.running:
        return found
    left, statuses = len(job.running), job.wait(PATIENCE_S)
    told = job.log.read_text().count(LOST)
    found["ended by themselves, saying why"] = min(told, sum(status == 2 for status in statuses.values()))
    found["ended by themselves otherwise"] = len(statuses) - found["ended by themselves, saying why"]
    found["waited for who was gone"] = left - len(statuses)
    job.end()
    return found


def in_words(counts: collections.Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items() if count) or "none"


if __name__ == "__main__":
    main()
