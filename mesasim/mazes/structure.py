"""What mazes are like: components, exits, dead ends, decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mesasim import _core
from mesasim.machine import allot
from mesasim.mazes.cells import cell_numbers
from mesasim.mazes.solving import ask

if TYPE_CHECKING:
    from mesasim.mazes.batch import Mazes


def _empty(mazes: Mazes, dtype: torch.dtype, per_cell: bool = True) -> Tensor:
    shape = (len(mazes), mazes.rows, mazes.cols) if per_cell else (len(mazes),)
    return allot("mazes", shape, dtype, mazes.device)


def components(mazes: Mazes, num_threads: int | None = None) -> tuple[Tensor, Tensor]:
    """See Mazes.components."""
    label, parts = _empty(mazes, torch.int32), _empty(mazes, torch.int32, per_cell=False)
    ask(_core.maze_components, mazes, [label, parts], num_threads)
    return label, parts


def degrees(mazes: Mazes, num_threads: int | None = None) -> Tensor:
    """See Mazes.degrees."""
    found = _empty(mazes, torch.uint8)
    ask(_core.maze_degrees, mazes, [found], num_threads)
    return found


def dead_end_filling(mazes: Mazes, start: Any, goal: Any, num_threads: int | None = None) -> Tensor:
    """See Mazes.dead_end_filling."""
    left = _empty(mazes, torch.bool)
    ends = [cell_numbers("start", start, mazes), cell_numbers("goal", goal, mazes)]
    ask(_core.maze_dead_end_filling, mazes, [*ends, left], num_threads)
    return left


def decision_square(mazes: Mazes, start: Any, goal_a: Any, goal_b: Any, num_threads: int | None = None) -> Tensor:
    """See Mazes.decision_square."""
    named = {"start": start, "goal_a": goal_a, "goal_b": goal_b}
    cells = [cell_numbers(name, value, mazes) for name, value in named.items()]
    square = _empty(mazes, torch.int32, per_cell=False)
    ask(_core.maze_decision_squares, mazes, [*cells, square], num_threads)
    return square


def lookahead(mazes: Mazes, start: Any, goal: Any, num_threads: int | None = None) -> Tensor:
    """See Mazes.lookahead."""
    depth = _empty(mazes, torch.int32, per_cell=False)
    ends = [cell_numbers("start", start, mazes), cell_numbers("goal", goal, mazes)]
    ask(_core.maze_lookahead, mazes, [*ends, depth], num_threads)
    return depth
