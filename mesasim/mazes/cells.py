"""Cells as callers name them, one or one a maze, checked and as numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mesasim.arrays import as_tensor, is_array
from mesasim.machine import integer

if TYPE_CHECKING:
    from mesasim.mazes.batch import Mazes


def cell_numbers(name: str, value: Any, mazes: Mazes) -> Tensor:
    """int32 [count] of cell numbers (row * cols + col) on the mazes' device.

    `value`: a number or a pair (row, col) for all mazes, or integers in an array or list, [count] of numbers or [count, 2]
    of rows and columns.
    """
    rows, cols, count = mazes.rows, mazes.cols, len(mazes)
    if isinstance(value, tuple) and len(value) == 2:
        row, col = integer(f"{name} row", value[0], 0, rows - 1), integer(f"{name} column", value[1], 0, cols - 1)
        value = row * cols + col
    if not isinstance(value, list) and not is_array(value):
        number = integer(name, value, 0, rows * cols - 1)
        return torch.full((count,), number, dtype=torch.int32, device=mazes.device)
    given = as_tensor(name, value, "integers", device=mazes.device).long()
    if given.shape == (count, 2) and given.dim() == 2:
        _check_inside(f"{name} row", given[:, 0], rows)
        _check_inside(f"{name} column", given[:, 1], cols)
        given = given[:, 0] * cols + given[:, 1]
    if given.shape != (count,):
        raise ValueError(f"{name}: got shape {tuple(given.shape)}, allowed: ({count},) or ({count}, 2)")
    _check_inside(name, given, rows * cols)
    return given.int().contiguous()


def _check_inside(name: str, given: Tensor, end: int) -> None:
    outside = (given < 0) | (given >= end)
    if outside.any():
        which = int(outside.nonzero()[0])
        raise ValueError(f"{name}: got {int(given[which])} for maze {which}, allowed: 0 to {end - 1}")


def name_some(which: Tensor) -> str:
    """The first few of the mazes marked in a bool tensor, and how many they are."""
    numbers = which.nonzero().squeeze(1).tolist()
    shown = ", ".join(str(n) for n in numbers[:5])
    return (
        f"maze {shown}" if len(numbers) == 1 else f"{len(numbers)} mazes ({shown}{', …' if len(numbers) > 5 else ''})"
    )
