"""Where a native job runs, and the checks of what it is handed."""

from __future__ import annotations

import math
import operator
import os
import resource
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from mesasim import _core, hardware
from mesasim.devices import check_device, usable_cores

MAX_THREADS = 1024
CELLS_A_CALL = 1 << 25
ALWAYS_THERE = 1 << 20
"""Bytes that are not asked about: a process with no room for them would not have started; asking costs .1 ms."""


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


def memory_bytes() -> int:
    """What this process may use: the machine's memory, or what its control groups or its limit of address space leave of it."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY:
        found.append(limit)
    group = hardware.memory_limit(hardware.CGROUP)
    if group is not None:
        found.append(group)
    return min(found)


def check_room(name: str, value: Any, size: int, device: torch.device) -> None:
    """Refuses an argument that asks for arrays of `size` bytes where there is no such memory: the system would promise it, and
    end the process when it is written to. On a GPU torch says so itself."""
    if device.type == "cpu" and size > ALWAYS_THERE and size > (most := memory_bytes()):
        raise ValueError(
            f"{name}: got {value}, which takes {size / 1e9:.1f} GB, allowed: what fits in memory, {most / 1e9:.1f} GB"
        )


def allot(name: str, shape: tuple[int, ...], dtype: torch.dtype, device: str | torch.device = "cpu") -> Tensor:
    """An array to be filled, [count, …], where there is room for it; ValueError names `name`, the argument that says how many."""
    check_room(name, shape[0], math.prod(shape) * dtype.itemsize, torch.device(device))
    return torch.empty(shape, dtype=dtype, device=device)


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
