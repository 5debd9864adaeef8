"""Laying out mazes. Maze i of a seed depends on (seed, i, algorithm, size, options) alone: not on how many are made, in
what portions, on how many threads or on which device."""

from __future__ import annotations

from typing import Any

import torch

from mesasim import _core
from mesasim.buffers import address
from mesasim.devices import check_device
from mesasim.machine import allot, integer, machine, portions
from mesasim.mazes.batch import Mazes, check_size, row_bytes


def algorithms() -> dict[str, tuple[str, list[_core.Option]]]:
    """Every algorithm by name: what it is, and its options (name, type, default, range, help)."""
    return dict(_core.maze_algorithms())


def generate(
    count: int,
    size: int | tuple[int, int],
    algorithm: str = "depth_first",
    *,
    seed: int = 0,
    first: int = 0,
    device: str | torch.device = "cpu",
    num_threads: int | None = None,
    **options: Any,
) -> Mazes:
    """`count` mazes of `size` cells.

    Args:
        count: mazes, 0 or more.
        size: cells a side, or (rows, cols); 2 to 256 each.
        algorithm: one of `algorithms()`.
        seed: 0 to 2^64 - 1.
        first: number of the first maze in the seed's sequence; mazes first … first + count - 1 are made.
        device: "cpu" or "cuda[:i]"; a missing device raises.
        num_threads: CPU threads; default: every core this process may use.
        options: the algorithm's own (`mesasim list mazes` prints them).

    Raises:
        TypeError, ValueError: an argument of the wrong kind or out of range, by name.
        RuntimeError: a device that cannot be used here.
    """
    rows, cols = check_size(size)
    count = integer("count", count, 0, 2**40)
    seed = integer("seed", seed, 0, 2**64 - 1)
    first = integer("first", first, 0, 2**63 - 1 - count)
    on = check_device(device)
    packed = allot("count", (count, 2, rows, row_bytes(cols)), torch.uint8, on)
    where = machine(on, num_threads)
    for begin, end in portions(count, rows * cols):  # once even for none: bad options are refused all the same
        part = packed[begin:end]
        _core.generate_mazes(algorithm, options, rows, cols, seed, first + begin, len(part), address(part), where)
    origin = {"algorithm": algorithm, "options": options, "seed": seed, "first": first}
    return Mazes(packed, cols, origin, checked=True)
