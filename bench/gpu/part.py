"""What the parts of bench/gpu share: their flags, a report whose file is whole after every row, and clocks."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from mesasim.devices import check_device


class Part:
    """One part's flags and findings. Every finding is on disk at once: a part that is killed loses nothing.

    Args:
        complete: the part is worth nothing unless it comes to its end: running out of time is a failure.

    Attributes:
        device: where to measure.
        quick: small sizes, to run every line on a CPU in seconds.
    """

    def __init__(self, description: str | None, argv: list[str] | None = None, *, complete: bool = False) -> None:
        parser = argparse.ArgumentParser(description=description)
        parser.add_argument("--device", default="cuda:0", help="cuda[:i] or cpu")
        parser.add_argument("--quick", action="store_true", help="small sizes")
        parser.add_argument("--seconds", type=float, default=120.0, help="after which no new row is begun")
        parser.add_argument("--out", type=Path, required=True, help="JSON file")
        flags = parser.parse_args(argv)
        self.device, self.quick, self.out = check_device(flags.device), flags.quick, flags.out
        self.cuda = self.device.type == "cuda"
        self._deadline, self._complete = time.monotonic() + flags.seconds, complete
        self._cut_short = False
        self._found: dict[str, Any] = {"rows": [], "failures": [], "left_out": [], "finished": False}
        self._write()

    def row(self, **values: Any) -> None:
        """A line of the part's table."""
        self._found["rows"].append(values)
        self._write()

    def fail(self, sentence: str) -> None:
        """Something that is not as it must be; the part goes on."""
        self._found["failures"].append(sentence)
        self._write()

    def leave_out(self, sentence: str) -> None:
        """What was not measured, and why."""
        self._found["left_out"].append(sentence)
        self._write()

    def in_time(self, what: str) -> bool:
        """Whether a new row may begin; if not, `what` is noted as left out, which a part that must be complete fails by."""
        if self.seconds_left() > 0:
            return True
        if self._complete and not self._cut_short:
            self.fail(f"the time was up before {what} and what follows")
        self._cut_short = True
        self.leave_out(f"{what}: the part's time was up")
        return False

    def seconds_left(self) -> float:
        """Until the part's time is up; negative afterwards."""
        return self._deadline - time.monotonic()

    def finish(self) -> int:
        """Closes the report; the exit status."""
        self._found["finished"] = True
        self._write()
        for failure in self._found["failures"]:
            print(f"FAILED: {failure}")
        return 1 if self._found["failures"] else 0

    def _write(self) -> None:
        beside = self.out.with_suffix(".part")
        beside.write_text(json.dumps(self._found, indent=1))
        os.replace(beside, self.out)

    def wait(self) -> None:
        """Until the device has done what it was given."""
        if self.cuda:
            torch.cuda.synchronize(self.device)

    def seconds_of(self, call: Callable[[], object], *, budget: float, warm: int = 2, least: int = 5) -> list[float]:
        """Seconds of single calls, at least `least` of them and for about `budget` seconds; by CUDA events on a GPU."""
        for _ in range(warm):
            call()
        self.wait()
        took: list[float] = []
        begun = time.perf_counter()
        while len(took) < least or time.perf_counter() - begun < budget:
            took.append(self._seconds_of_one(call))
        return took

    def _seconds_of_one(self, call: Callable[[], object]) -> float:
        if not self.cuda:
            begun = time.perf_counter()
            call()
            return time.perf_counter() - begun
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        call()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1000


def summary(seconds: list[float]) -> dict[str, float]:
    """Median, least and most, and of how many."""
    return {
        "seconds": statistics.median(seconds), "seconds_least": min(seconds), "seconds_most": max(seconds),
        "repeats": len(seconds),
    }  # fmt: skip
