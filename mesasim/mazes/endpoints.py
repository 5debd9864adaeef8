"""Start and goal by rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mesasim import _core
from mesasim.buffers import address
from mesasim.machine import integer, machine, portions
from mesasim.mazes.cells import cell_numbers, name_some
from mesasim.mazes.solving import check_on_impossible

if TYPE_CHECKING:
    from mesasim.mazes.batch import Mazes

RULES = ("uniform", "dead_ends")
FARTHEST = 2**31 - 1


def endpoints(
    mazes: Mazes, *, seed: int = 0, first: int = 0, rule: str = "uniform", start: Any = None, goal: Any = None,
    min_distance: int = 0, max_distance: int | None = None, not_equal: bool = True, on_impossible: str = "error",
    num_threads: int | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """See Mazes.endpoints."""
    if rule not in RULES:
        raise ValueError(f"rule: got {rule!r}, allowed: {', '.join(map(repr, RULES))}")
    check_on_impossible(on_impossible)
    if not isinstance(not_equal, bool):
        raise TypeError(f"not_equal: got {not_equal!r}, allowed: True or False")
    seed, first = integer("seed", seed, 0, 2**64 - 1), integer("first", first, 0, 2**63 - 1)
    least = integer("min_distance", min_distance, 0, FARTHEST)
    most = FARTHEST if max_distance is None else integer("max_distance", max_distance, 0, FARTHEST)
    if most < least:
        raise ValueError(f"max_distance: got {most}, allowed: at least min_distance, {least}")
    found = [
        torch.full((len(mazes),), -1, dtype=torch.int32, device=mazes.device)
        if cells is None
        else cell_numbers(name, cells, mazes).clone()
        for name, cells in (("start", start), ("goal", goal))
    ]
    where = machine(mazes.device, num_threads)
    for begin, end in portions(len(mazes), mazes.rows * mazes.cols):
        _core.maze_endpoints(
            address(mazes.packed[begin:end]), mazes.rows, mazes.cols, end - begin, rule == "dead_ends", not_equal, least,
            most, seed, first + begin, [address(cells[begin:end]) for cells in found], where,
        )  # fmt: skip
    starts, goals = found
    if on_impossible == "error" and bool((starts < 0).any()):
        raise ValueError(
            f"endpoints: got rules that cannot be kept in {name_some(starts < 0)}, allowed: rules some pair of joined cells "
            "keeps (on_impossible='mask' gives -1 instead)"
        )
    return starts, goals
