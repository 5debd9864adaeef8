"""Mazes: a batch of mazes of one size, one bit a connection. What can be asked of them is a method here and a module
beside this one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mesasim import _core
from mesasim.mazes.machine import integer

MIN_SIDE, MAX_SIDE = 2, _core.MAX_MAZE_SIDE
BIT = torch.tensor([1, 2, 4, 8, 16, 32, 64, 128], dtype=torch.uint8)


def row_bytes(cols: int) -> int:
    """Bytes of one packed row."""
    return (cols + 7) // 8


def check_size(size: Any) -> tuple[int, int]:
    """(rows, cols) from an int or a pair; each 2 to 256."""
    pair = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(pair) != 2:
        raise ValueError(f"size: got {size!r}, allowed: an integer or (rows, cols)")
    rows, cols = (integer("size", side, MIN_SIDE, MAX_SIDE) for side in pair)
    return rows, cols


class Mazes:
    """`len(mazes)` mazes of rows × cols cells.

    Attributes:
        packed: uint8 [count, 2, rows, ceil(cols / 8)], least significant bit first: plane 0 holds connections to the cell
            below, plane 1 to the right. Bits of no cell are 0, so equal mazes are equal bytes.
        rows, cols: cells a side.
        origin: how they were made (algorithm, options, seed, first), or {} where that is not known.

    A cell's number is row * cols + col. Directions, in masks and actions: 0 up, 1 right, 2 down, 3 left.
    """

    def __init__(self, packed: Tensor, cols: int, origin: dict[str, Any] | None = None) -> None:
        self.packed = packed
        self.rows, self.cols = packed.shape[2], cols
        self.origin = origin or {}

    def __len__(self) -> int:
        return self.packed.shape[0]

    @property
    def device(self) -> torch.device:
        return self.packed.device

    def __repr__(self) -> str:
        how = f", {self.origin['algorithm']}" if "algorithm" in self.origin else ""
        return f"Mazes({len(self)} of {self.rows}×{self.cols}{how}, on {self.device})"

    @property
    def connections(self) -> Tensor:
        """bool [count, 2, rows, cols]: [:, 0] open to the cell below, [:, 1] open to the right (maze-dataset's
        convention)."""
        bits = self.packed[..., None] & BIT.to(self.device)
        return (bits != 0).flatten(-2)[..., : self.cols]
