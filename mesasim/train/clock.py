"""Where the time of an iteration goes. On a GPU the host runs ahead of what it queues, so parts are timed by events on the
stream and added up at the end, when the host waits anyway."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


def elapsed(began: float, now: float) -> float:
    """Seconds; none where a clock was set back."""
    return max(0.0, now - began)


def share(part: float, seconds: float) -> float:
    """part / seconds, such as steps a second; nan where no time has passed."""
    return part / seconds if seconds > 0 else math.nan


class Clock:
    """Seconds by name since the last `restart`.

    Args:
        device: where the work is.
        fine: whether `part` is timed; what is recorded as a CUDA graph is one piece.
    """

    def __init__(self, device: torch.device, *, fine: bool = True) -> None:
        self.device, self.fine = device, fine
        self.restart()

    def restart(self) -> None:
        self.seconds: dict[str, float] = {}
        self.events: list[tuple[str, Any, Any]] = []

    @contextmanager
    def lap(self, name: str) -> Iterator[None]:
        """Adds what happens inside."""
        if self.device.type != "cuda":
            began = time.perf_counter()
            yield
            self.seconds[name] = self.seconds.get(name, 0.0) + elapsed(began, time.perf_counter())
            return
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        first.record()
        yield
        last.record()
        self.events.append((name, first, last))

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """`lap`, of something that may be recorded."""
        if not self.fine:
            yield
            return
        with self.lap(name):
            yield

    def total(self, *names: str) -> float:
        """Seconds spent in these, together; nan where they were not timed. On a GPU only after the work is done."""
        for name, first, last in self.events:
            self.seconds[name] = self.seconds.get(name, 0.0) + first.elapsed_time(last) / 1000
        self.events = []
        return sum(self.seconds.get(name, math.nan) for name in names)
