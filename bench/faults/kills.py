"""Kills at random moments: a command run in a forked copy of this process (so that no start pays for imports), in a process
group of its own, and the processes it started. What is killed, and what must hold afterwards, the scripts beside say."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mesasim.integrity import digest
from mesasim.train.checkpoint import load_checkpoint


def start(command: Callable[[], object], log: Path) -> int:
    """Forks; the copy leads a new process group and session, writes what it says to `log`, and ends with the command. Call it
    while this process has one thread."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.setsid()
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        command()
        status = 0
    except SystemExit as stopped:
        status = stopped.code if isinstance(stopped.code, int) else 1
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def ended(pid: int) -> int | None:
    """The exit status of a child that has ended, -n where signal n ended it; None while it runs."""
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def children(pid: int) -> list[int]:
    """Those of a process, from /proc."""
    try:
        tasks = Path(f"/proc/{pid}/task").iterdir()
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:
        return []


def workers(pid: int) -> list[int]:
    """The workers of a command, forked by it, or by a process that does so for it."""
    started = children(pid)
    return [worker for server in started for worker in children(server)] or [w for w in started if not is_helper(w)]


def is_helper(pid: int) -> bool:
    """Whether a process is Python's own: it was started by name (-c …), not forked."""
    try:
        return b"\0-c\0from multiprocessing" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return True


def descendants(pid: int) -> list[int]:
    found = children(pid)
    return found + [further for child in found for further in descendants(child)]


def alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@dataclass
class Attempt:
    """What came of one run: what of it was killed, its status, what it said, how many outlived it, how long it took."""

    killed: list[str]
    status: int
    said: str
    outlived: int
    seconds: float


def attempt(
    command: Callable[[], object], log: Path, moments: Iterator[Callable[[float], bool]], what: str, rng: random.Random
) -> Attempt:
    """Runs the command and, once a moment says so of the seconds since its start, kills the whole group ("group"), the process
    alone ("parent") or one of its workers ("worker", of which one may die at each moment; the group where it has none). Waits
    until all it started are gone."""
    began = time.monotonic()
    pid = start(command, log)
    status: int | None = None
    killed: list[str] = []
    family: set[int] = set()
    due = next(moments, None)
    while status is None:
        if due is not None and due(time.monotonic() - began):
            family.update(descendants(pid))
            victims = workers(pid) if what == "worker" else []
            with suppress(ProcessLookupError):
                if victims:
                    os.kill(rng.choice(victims), signal.SIGKILL)
                elif what == "parent":
                    os.kill(pid, signal.SIGKILL)
                else:
                    os.killpg(pid, signal.SIGKILL)
                killed.append("worker" if victims else "parent" if what == "parent" else "group")
            due = next(moments, None) if victims else None
        status = ended(pid)
        time.sleep(0.001)
    seconds = time.monotonic() - began
    until = time.monotonic() + 10
    while any(map(alive, family)) and time.monotonic() < until:
        time.sleep(0.005)
    said = log.read_text(errors="replace") if log.exists() else ""
    return Attempt(killed if status else [], status, said, sum(map(alive, family)), seconds)


def content(path: Path) -> bytes:
    if path.parent.name != "checkpoints":
        return path.read_bytes()
    tensors, meta = load_checkpoint(path)
    meta.pop("git_commit", None)  # of the tree, which may move on while this runs
    return f"{digest(tensors)} {json.dumps(meta, sort_keys=True)}".encode()


def digests(folder: Path, ignored: Callable[[Path], bool] = lambda path: False) -> dict[str, str]:
    """Every file below a folder, by its path there → SHA-256; of a checkpoint, of its tensors and description, for the header of
    a safetensors file has its names in any order."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(content(path)).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not ignored(path)
    }
