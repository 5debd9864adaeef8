"""Independent jobs, several at a time, in processes of their own: local ones, or Ray's. What a job is, this file does not know;
that jobs leave whole files or none, and give the same whoever runs them, is theirs to see to.

A worker that dies (killed, out of memory) is one job's failure, named with its signal. Workers end with the process that
started them, however that ends: none goes on writing behind the back of a restart."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any

import torch

from mesasim.machine import integer

BACKENDS = ("local", "ray")
MAX_WORKERS = 4096

Job = Callable[
    ..., Any
]  # picklable; called with an item and, where it is `told`, with a function to say its progress to


Answers = Generator[tuple[Any, Any], None, None]


class WorkerDied(RuntimeError):
    """A worker ended without an answer."""


def check_workers(workers: int, backend: str) -> int:
    """The number of workers; TypeError or ValueError names what cannot be, RuntimeError where Ray is not installed."""
    if backend not in BACKENDS:
        raise ValueError(f"backend: got {backend!r}, allowed: {', '.join(BACKENDS)}")
    if backend == "ray":
        _ray()
    return integer("workers", workers, 1, MAX_WORKERS)


def each(
    job: Job, items: Iterable[Any], *, workers: int, backend: str = "local", fresh: bool = False,
    told: Callable[[Any, Any], None] | None = None, preload: Sequence[str] = (),
) -> Answers:  # fmt: skip
    """(item, what job(item) gave, or the exception it ended with), as they end: in any order, all of them. Items are asked for
    when a worker is free. Closing the iterator (contextlib.closing) interrupts the jobs under way, each of which hears one
    KeyboardInterrupt, and waits for them; a second interrupt kills them.

    Args:
        fresh: a new process for each item, so that nothing one job leaves behind (threads, generators, memory) reaches another.
        told: called with (item, what the job said) whenever a job calls its second argument; local workers only.
        preload: modules that jobs import, beside their own, to be imported once and not by every local worker.
    """
    check_workers(workers, backend)
    if backend == "ray":
        return _each_on_ray(job, items, workers, fresh)
    return _each_here(job, items, workers, fresh, told, preload)


# Local processes


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    item: Any
    ready: bool = field(default=False)  # to hear an interrupt; none is given an item before

    def give(self) -> None:
        with suppress(OSError):  # one that died since is heard of by its pipe's end
            self.pipe.send((self.item,))


def _each_here(
    job: Job,
    items: Iterable[Any],
    workers: int,
    fresh: bool,
    told: Callable[[Any, Any], None] | None,
    preload: Sequence[str],
) -> Answers:
    context: Any = multiprocessing.get_context(_method())
    if _method() == "forkserver":
        context.set_forkserver_preload(sorted({__name__, *_modules(job), *preload}))
    left, idle, busy = iter(items), [], {}  # type: ignore[var-annotated]
    try:
        while True:
            while len(busy) < workers:
                try:
                    item = next(left)
                except StopIteration:
                    break
                worker = idle.pop() if idle else _start(context, job, told is not None)
                worker.item = item
                busy[worker.pipe] = worker
                if worker.ready:
                    worker.give()
            if not busy:
                return
            for pipe in wait(list(busy)):
                worker = busy[pipe]
                kind, value = _heard(worker)
                if kind == "ready":
                    worker.ready = True
                    worker.give()
                elif kind == "told" and told is not None:
                    told(worker.item, value)
                elif kind == "ended":
                    del busy[pipe]
                    if fresh or isinstance(value, WorkerDied):
                        _end([worker])
                    else:
                        idle.append(worker)
                    yield worker.item, value
    finally:
        _end(idle)
        for worker in busy.values():
            with suppress(ProcessLookupError):  # one that never said it was ready has no item to lose
                os.kill(worker.process.pid, signal.SIGINT if worker.ready else signal.SIGKILL)
        _end(busy.values())


def _modules(job: Any) -> set[str]:
    if isinstance(job, partial):
        return set().union(*(_modules(part) for part in (job.func, *job.args)))
    return {job.__module__} if hasattr(job, "__module__") else set()


def _method() -> str:
    return "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


def _start(context: Any, job: Job, tells: bool) -> _Worker:
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, job, tells), daemon=True)
    process.start()
    theirs.close()  # so that its end is heard
    return _Worker(process, ours, None)


def _heard(worker: _Worker) -> tuple[str, Any]:
    try:
        return worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        code = worker.process.exitcode
        how = f"killed by {signal.Signals(-code).name}" if code and code < 0 else f"ended with status {code}"
        memory = "; is there memory enough for so many workers?" if code == -signal.SIGKILL else ""
        return "ended", WorkerDied(f"worker {worker.process.pid} was {how}{memory}")


def _end(workers: Iterable[_Worker]) -> None:
    workers = list(workers)
    for worker in workers:
        with suppress(OSError):
            worker.pipe.send(None)  # its pipe's end may not tell: a worker that was forked holds the others' pipes
        worker.pipe.close()
    try:
        for worker in workers:
            worker.process.join()
    except KeyboardInterrupt:
        for worker in workers:
            worker.process.kill()
        raise


def _work(pipe: Connection, job: Job, tells: bool) -> None:
    if hasattr(os, "setsid"):
        os.setsid()  # Ctrl-C is the parent's to hear, and to pass on once
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    more = (lambda value: pipe.send(("told", value)),) if tells else ()
    try:
        pipe.send(("ready", None))
        while True:
            if (given := pipe.recv()) is None:
                return
            (item,) = given
            pipe.send(("ended", _answer(job, item, *more)))
    except (EOFError, OSError, KeyboardInterrupt):  # no more items; or nobody to answer
        return


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _answer(job: Job, *arguments: Any) -> Any:
    """What the job gives, or the exception it ends with, if need be as a RuntimeError of its words."""
    try:
        return job(*arguments)
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:
            return RuntimeError(f"{type(error).__name__}: {error}")
        return error


# Ray


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise RuntimeError(
            "backend: got 'ray', which is not installed; allowed: local, or install mesasim[ray]"
        ) from None
    return ray


def _each_on_ray(job: Job, items: Iterable[Any], workers: int, fresh: bool) -> Answers:
    """On the cluster that RAY_ADDRESS names, or is connected already; else on a cluster of this machine alone."""
    ray = _ray()
    ours = not ray.is_initialized()
    if ours:
        own = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": workers, "include_dashboard": False}
        ray.init(log_to_driver=False, logging_level="error", **own)
    # Nothing is tried again unseen: a job that takes its worker down is its item's failure, as it is here
    options = {"num_cpus": 1, "max_calls": 1 if fresh else 0, "max_retries": 0}
    remote = ray.remote(**options)(_answer_alone)
    left, running = iter(items), {}  # type: ignore[var-annotated]
    try:
        while True:
            while len(running) < workers:
                try:
                    item = next(left)
                except StopIteration:
                    break
                running[remote.remote(job, item)] = item
            if not running:
                return
            done, _ = ray.wait(list(running), num_returns=1)
            item = running.pop(done[0])
            try:
                value = ray.get(done[0])
            except ray.exceptions.RayError as error:
                value = WorkerDied(f"Ray lost the worker ({type(error).__name__}): {str(error).splitlines()[0]}")
            yield item, value
    finally:
        for reference in running:
            ray.cancel(reference)
        if running:  # until they have ended: whoever comes next may write where they wrote
            ray.wait(list(running), num_returns=len(running))
        if ours:
            ray.shutdown()


def _answer_alone(job: Job, item: Any) -> Any:
    torch.set_num_threads(1)
    return _answer(job, item)
