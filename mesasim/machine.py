"""Where a native job runs, and the checks of what it is handed."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Any

import torch

from mesasim import _core
from mesasim.devices import check_device, usable_cores

MAX_THREADS = 1024
CELLS_A_CALL = 1 << 25


def integer(name: str, value: Any, low: int, high: int) -> int:
    """`value` as an int in low … high; TypeError or ValueError that names the argument."""
    if isinstance(value, bool):
        raise TypeError(f"{name}: got {value!r}, allowed: an integer from {low} to {high}")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name}: got {value!r}, allowed: an integer from {low} to {high}") from None
    if not low <= number <= high:
        raise ValueError(f"{name}: got {number}, allowed: {low} to {high}")
    return number


def threads(num_threads: int | None) -> int:
    """Threads asked for; None: every core this process may use."""
    return usable_cores() if num_threads is None else integer("num_threads", num_threads, 1, MAX_THREADS)


def machine(device: str | torch.device, num_threads: int | None = None) -> _core.Machine:
    """The native engine's name for a device; raises if it cannot be used here."""
    checked = check_device(device)
    if checked.type == "cpu":
        return _core.Machine(num_threads=threads(num_threads))
    stream = torch.cuda.current_stream(checked).cuda_stream
    return _core.Machine(cuda_device=checked.index, stream=stream)


def portions(count: int, cells: int) -> Iterator[tuple[int, int]]:
    """(begin, end) of calls that each take about a second at most, so that an interrupt is heard; one, empty, for none."""
    step = max(1, CELLS_A_CALL // cells)
    for begin in range(0, max(count, 1), step):
        yield begin, min(count, begin + step)
