"""Mazes: a batch of mazes of one size, one bit a connection. What can be asked of them is a method here and a module
beside this one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mesasim import _core
from mesasim.arrays import as_tensor
from mesasim.arrays import selection as selection_of
from mesasim.devices import check_device
from mesasim.machine import check_room, integer
from mesasim.mazes import endpoints as _endpoints
from mesasim.mazes import exchange, pixels, selection, solving, structure
from mesasim.mazes.cells import name_some

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


def check_packed(packed: Tensor, cols: int) -> None:
    """Raises unless `packed` holds mazes `cols` wide and nothing else: native searches trust that no connection leaves."""
    if packed.dim() != 4 or packed.shape[1] != 2 or packed.shape[3] != row_bytes(cols):
        raise ValueError(
            f"packed: got shape {tuple(packed.shape)}, allowed: (count, 2, rows, {row_bytes(cols)}) with cols={cols}"
        )
    check_size((packed.shape[2], cols))
    in_last = (
        cols - 1
    ) % 8  # bits of a row's last byte that may be set: of cells to the right of which there is another
    right, down = (1 << in_last) - 1, (2 << in_last) - 1
    leaves = (packed[:, 0, -1] != 0).any(1) | (packed[:, 1, :, -1] > right).any(1) | (packed[:, 0, :, -1] > down).any(1)
    if leaves.any():
        raise ValueError(f"packed: got a bit of no cell or a connection that leaves the lattice in {name_some(leaves)}")


class Mazes:
    """`len(mazes)` mazes of rows × cols cells.

    Attributes:
        packed: uint8 [count, 2, rows, ceil(cols / 8)], least significant bit first: plane 0 holds connections to the cell
            below, plane 1 to the right. Bits of no cell are 0, so equal mazes are equal bytes.
        rows, cols: cells a side.
        origin: how they were made (algorithm, options, seed, first), or {} where that is not known.

    A cell's number is row * cols + col. Directions, in masks and actions: 0 up, 1 right, 2 down, 3 left.
    """

    def __init__(self, packed: Any, cols: int, origin: dict[str, Any] | None = None, *, checked: bool = False) -> None:
        """`packed`: a tensor or array, whose memory is shared if it is contiguous. TypeError or ValueError for bytes that are
        no mazes of `cols` columns; `checked`: known to be some."""
        if not checked:
            packed = as_tensor("packed", packed, torch.uint8)
            check_packed(packed, integer("cols", cols, MIN_SIDE, MAX_SIDE))
        self.packed = packed.contiguous()
        self.rows, self.cols = packed.shape[2], cols
        self.origin = origin or {}

    def __len__(self) -> int:
        return self.packed.shape[0]

    @property
    def device(self) -> torch.device:
        return self.packed.device

    def to(self, device: str | torch.device) -> Mazes:
        """The same mazes on "cpu" or "cuda[:i]"; a missing device raises."""
        return Mazes(self.packed.to(check_device(device)), self.cols, self.origin, checked=True)

    def __repr__(self) -> str:
        how = f", {self.origin['algorithm']}" if "algorithm" in self.origin else ""
        return f"Mazes({len(self)} of {self.rows}×{self.cols}{how}, on {self.device})"

    @property
    def connections(self) -> Tensor:
        """bool [count, 2, rows, cols]: [:, 0] open to the cell below, [:, 1] open to the right (maze-dataset's
        convention)."""
        check_room(
            "mazes", len(self), 2 * 8 * self.packed.numel(), self.device
        )  # bits alone in their bytes, and the answer
        bits = self.packed[..., None] & BIT.to(self.device)
        return (bits != 0).flatten(-2)[..., : self.cols]

    @classmethod
    def from_connections(cls, connections: Any) -> Mazes:
        """Mazes from bool [count, 2, rows, cols] (tensor or array): [:, 0] open to the cell below, [:, 1] to the right.

        Raises ValueError for a shape that is no batch of mazes of 2 to 256 cells a side, or a connection that leaves the
        lattice; TypeError for another dtype.
        """
        given = as_tensor("connections", connections, "bool")
        if given.dim() != 4 or given.shape[1] != 2:
            raise ValueError(f"connections: got shape {tuple(given.shape)}, allowed: (count, 2, rows, cols)")
        _, cols = check_size(tuple(given.shape[2:]))
        leaving = given[:, 0, -1].any(1) | given[:, 1, :, -1].any(1)
        if leaving.any():
            raise ValueError(f"connections: got one that leaves the lattice in maze {int(leaving.nonzero()[0])}")
        spread = torch.nn.functional.pad(given, (0, -cols % 8)).unflatten(-1, (-1, 8))
        return cls((spread * BIT.to(given.device)).sum(-1, dtype=torch.uint8), cols, checked=True)

    def __getitem__(self, which: Any) -> Mazes:
        """Some of the mazes: a slice, or a tensor, array or list of indices or bool."""
        return Mazes(self.packed[selection_of(which, self.device)], self.cols, checked=True)

    # Exact solutions

    def distances(self, goal: Any, *, num_threads: int | None = None) -> Tensor:
        """int32 [count, rows, cols]: steps from each cell to the goal, -1 where there is no way.

        `goal`, here and below: a cell number or a pair (row, col) for all mazes, or an integer tensor, [count] of cell
        numbers or [count, 2] of rows and columns. ValueError or TypeError names what is not a cell, and in which maze.
        """
        return solving.distances(self, goal, num_threads)

    def optimal_actions(self, goal: Any, *, num_threads: int | None = None) -> Tensor:
        """uint8 [count, rows, cols]: bit d is set if going in direction d shortens the way to the goal; several on loopy
        mazes, none at the goal or where there is no way."""
        return solving.optimal_actions(self, goal, num_threads)

    def solve(
        self, start: Any, goal: Any, *, on_impossible: str = "error", num_threads: int | None = None
    ) -> solving.Solutions:
        """A shortest path in each maze, its length, whether it is unique. Where there is no way: ValueError that says for
        which mazes, or with on_impossible="mask" a length of -1."""
        return solving.solve(self, start, goal, on_impossible, num_threads)

    def endpoints(
        self, *, seed: int = 0, first: int = 0, rule: str = "uniform", start: Any = None, goal: Any = None,
        min_distance: int = 0, max_distance: int | None = None, not_equal: bool = True, on_impossible: str = "error",
        num_threads: int | None = None,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """(start, goal), int32 [count] of cell numbers, always joined by a path.

        The goal is uniform over the cells for which the rules allow a start, the start uniform over those; maze i's
        draws are keyed by (seed, first + i).

        Args:
            rule: "uniform" over cells, or over "dead_ends".
            start, goal: given cells, taken as they are.
            min_distance, max_distance: steps from start to goal.
            not_equal: whether start and goal must differ.
            on_impossible: "error" raises ValueError that says for which mazes no pair keeps the rules; "mask" gives -1.
        """
        return _endpoints.endpoints(
            self, seed=seed, first=first, rule=rule, start=start, goal=goal, min_distance=min_distance,
            max_distance=max_distance, not_equal=not_equal, on_impossible=on_impossible, num_threads=num_threads,
        )  # fmt: skip

    # Structure

    def components(self, *, num_threads: int | None = None) -> tuple[Tensor, Tensor]:
        """(label, parts): int32 [count, rows, cols], each cell's component, numbered in the order of their first cells;
        int32 [count], how many there are."""
        return structure.components(self, num_threads)

    def degrees(self, *, num_threads: int | None = None) -> Tensor:
        """uint8 [count, rows, cols]: each cell's exits."""
        return structure.degrees(self, num_threads)

    def dead_ends(self, *, num_threads: int | None = None) -> Tensor:
        """bool [count, rows, cols]: cells with one exit."""
        return self.degrees(num_threads=num_threads) == 1

    def forks(self, *, num_threads: int | None = None) -> Tensor:
        """bool [count, rows, cols]: cells with three exits or four."""
        return self.degrees(num_threads=num_threads) >= 3

    def dead_end_filling(self, start: Any, goal: Any, *, num_threads: int | None = None) -> Tensor:
        """bool [count, rows, cols]: cells left when those with at most one exit to a cell left, start and goal apart, are
        filled again and again. In a tree, the path."""
        return structure.dead_end_filling(self, start, goal, num_threads)

    def decision_square(self, start: Any, goal_a: Any, goal_b: Any, *, num_threads: int | None = None) -> Tensor:
        """int32 [count]: the last common cell of the paths (`solve`) from start to two goals; -1 if one cannot be reached.
        (Mini et al. 2023, 2310.08043.)"""
        return structure.decision_square(self, start, goal_a, goal_b, num_threads)

    def lookahead(self, start: Any, goal: Any, *, num_threads: int | None = None) -> Tensor:
        """int32 [count]: how deep a breadth-first search from the start must go to commit to a right first step: min(path
        length, depth of the deepest cell no shortest way to which begins with a right step); 0 at the goal or where every
        step is right, -1 where there is no way. (After Saparov et al. 2024, 2412.04703.)"""
        return structure.lookahead(self, start, goal, num_threads)

    # Pictures, letters, other libraries' mazes

    def pixels(self, start: Any = None, goal: Any = None, path: solving.Solutions | None = None) -> Tensor:
        """uint8 [count, 2 rows + 1, 2 cols + 1, 3], RGB: wall black, open white, start green, goal red, path blue
        (maze-dataset's colours). A path brings its start and goal."""
        return pixels.to_pixels(pixels.to_tiles(self, start, goal, path))

    @classmethod
    def from_pixels(cls, picture: Any) -> tuple[Mazes, Tensor, Tensor, Tensor]:
        """(mazes, start, goal, on_path) from what `pixels` gives: start and goal int32 [count], -1 where none is drawn;
        on_path bool [count, rows, cols]. ValueError names what is no maze, and in which picture."""
        return pixels.from_tiles(pixels.pixels_to_tiles(picture))

    def text(self, start: Any = None, goal: Any = None, path: solving.Solutions | None = None) -> list[str]:
        """A string a maze, a line a row of tiles: # wall, space open, S start, E goal, X path (maze-dataset's letters)."""
        return pixels.to_text(pixels.to_tiles(self, start, goal, path))

    @classmethod
    def from_text(cls, texts: list[str]) -> tuple[Mazes, Tensor, Tensor, Tensor]:
        """What `from_pixels` gives, from what `text` gives."""
        return pixels.from_tiles(pixels.text_to_tiles(texts))

    def to_lattice_mazes(self, solutions: solving.Solutions | None = None) -> list[Any]:
        """maze_dataset.LatticeMaze a maze, or SolvedMaze with solutions; ImportError where maze-dataset is missing."""
        return exchange.to_lattice_mazes(self, solutions)

    @classmethod
    def from_lattice_mazes(cls, lattice_mazes: list[Any]) -> Mazes:
        """Mazes of one size from maze_dataset's."""
        return exchange.from_lattice_mazes(lattice_mazes)

    # Each once

    def deduplicate(self, *also: Tensor, seen: set[bytes] | None = None) -> Tensor:
        """bool [count]: whether a maze is the first of its kind, here and among the digests `seen`, to which the new ones
        are added; `also`: tensors [count] that are part of what must be equal, such as endpoints."""
        return selection.first_of_each(self, *also, seen=seen)
