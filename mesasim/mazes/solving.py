"""Shortest paths and distances, exact, by breadth-first search; nothing here searches in Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mesasim import _core
from mesasim.buffers import address
from mesasim.machine import allot, machine, portions
from mesasim.mazes.cells import cell_numbers, name_some

if TYPE_CHECKING:
    from mesasim.mazes.batch import Mazes

ROW_STEP, COL_STEP = (-1, 0, 1, 0), (0, 1, 0, -1)  # up, right, down, left
ON_IMPOSSIBLE = ("error", "mask")


def ask(job: Callable[..., None], mazes: Mazes, arrays: list[Tensor], num_threads: int | None) -> None:
    """Runs a native job about the mazes over arrays [count, …], a portion at a time."""
    where = machine(mazes.device, num_threads)
    for begin, end in portions(len(mazes), mazes.rows * mazes.cols):
        bits, *rest = [t[begin:end] for t in (mazes.packed, *arrays)]
        job(address(bits), mazes.rows, mazes.cols, end - begin, [address(t) for t in rest], where)


def check_on_impossible(value: str) -> str:
    if value not in ON_IMPOSSIBLE:
        raise ValueError(f"on_impossible: got {value!r}, allowed: {', '.join(map(repr, ON_IMPOSSIBLE))}")
    return value


def distances(mazes: Mazes, goal: Any, num_threads: int | None = None) -> Tensor:
    """See Mazes.distances."""
    goals = cell_numbers("goal", goal, mazes)
    found = allot("mazes", (len(mazes), mazes.rows, mazes.cols), torch.int32, mazes.device)
    ask(_core.maze_distances, mazes, [goals, found], num_threads)
    return found


def optimal_actions(mazes: Mazes, goal: Any, num_threads: int | None = None) -> Tensor:
    """See Mazes.optimal_actions."""
    goals = cell_numbers("goal", goal, mazes)
    mask = allot("mazes", (len(mazes), mazes.rows, mazes.cols), torch.uint8, mazes.device)
    ask(_core.maze_actions, mazes, [goals, mask], num_threads)
    return mask


def solve(
    mazes: Mazes, start: Any, goal: Any, on_impossible: str = "error", num_threads: int | None = None
) -> Solutions:
    """See Mazes.solve."""
    check_on_impossible(on_impossible)
    starts, goals = cell_numbers("start", start, mazes), cell_numbers("goal", goal, mazes)
    count, on = len(mazes), mazes.device
    length = torch.empty(count, dtype=torch.int32, device=on)
    unique = torch.empty(count, dtype=torch.bool, device=on)
    moves = allot("mazes", (count, (mazes.rows * mazes.cols + 3) // 4), torch.uint8, on)
    ask(_core.maze_solutions, mazes, [starts, goals, length, unique, moves], num_threads)
    if on_impossible == "error" and bool((length < 0).any()):
        raise ValueError(
            f"goal: got a cell that cannot be reached from the start in {name_some(length < 0)}, allowed: cells of one "
            "component (on_impossible='mask' gives length -1 instead)"
        )
    return Solutions(mazes, starts, goals, length, unique, moves, num_threads)


class Solutions:
    """One shortest path a maze: of several, at every cell the first direction (up, right, down, left) that shortens the
    way is taken.

    Attributes:
        start, goal: int32 [count], cell numbers.
        length: int32 [count], steps; -1 where there is no way.
        unique: bool [count], whether there is only one shortest path; None if read from a file, which does not keep it.
        packed_moves: uint8 [count, ceil(cells / 4)], two bits a move, the first lowest; 0 past a path's end.
    """

    def __init__(
        self, mazes: Mazes, start: Tensor, goal: Tensor, length: Tensor, unique: Tensor | None,
        moves: Tensor, num_threads: int | None,
    ) -> None:  # fmt: skip
        self.mazes, self.start, self.goal = mazes, start, goal
        self.length, self.unique = length, unique
        self.packed_moves = moves
        self._num_threads = num_threads
        self._cells: Tensor | None = None

    def __len__(self) -> int:
        return len(self.length)

    def __repr__(self) -> str:
        return f"Solutions({len(self)}, mean length {self.length[self.length >= 0].double().mean():.1f})"

    @property
    def sole(self) -> Tensor:
        """bool [count]: whether there is only one simple path at all, of whatever length."""
        found = torch.empty(len(self), dtype=torch.bool, device=self.length.device)
        ask(_core.maze_only_paths, self.mazes, [self.start, self.length, self.packed_moves, found], self._num_threads)
        return found

    @property
    def offsets(self) -> Tensor:
        """int64 [count + 1]: path i is cells[offsets[i] : offsets[i + 1]]; empty where there is no way."""
        return torch.nn.functional.pad((self.length.long() + 1).cumsum(0), (1, 0))

    @property
    def cells(self) -> Tensor:
        """int32 [sum of (length + 1)]: the cell numbers of all paths, start and goal included."""
        if self._cells is None:
            offsets = self.offsets
            self._cells = allot("solutions", (int(offsets[-1]),), torch.int32, self.length.device)
            where = machine(self.length.device, self._num_threads)
            arrays = [self.start, self.length, self.packed_moves, offsets, self._cells]
            _core.maze_paths(self.mazes.rows, self.mazes.cols, len(self), [address(t) for t in arrays], where)
        return self._cells

    def directions(self, i: int) -> Tensor:
        """uint8 [length]: path i's moves, 0 up, 1 right, 2 down, 3 left; empty where there is no way."""
        packed = self.packed_moves[i, :, None] >> torch.tensor(
            [0, 2, 4, 6], dtype=torch.uint8, device=self.packed_moves.device
        )
        return (packed & 3).flatten()[: max(int(self.length[i]), 0)]

    def path(self, i: int) -> Tensor:
        """int32 [length + 1, 2]: rows and columns of path i's cells; [0, 2] where there is no way."""
        if self.length[i] < 0:
            return torch.empty((0, 2), dtype=torch.int32, device=self.length.device)
        cols = self.mazes.cols
        move = self.directions(i).long()
        steps = torch.tensor([ROW_STEP, COL_STEP], device=move.device)[:, move].T
        begin = torch.stack([self.start[i] // cols, self.start[i] % cols])[None].long()
        return torch.cat([begin, begin + steps.cumsum(0)]).int()

    def on_path(self) -> Tensor:
        """bool [count, rows, cols]: the cells of each path."""
        size = self.mazes.rows * self.mazes.cols
        mask = allot("solutions", (len(self), size), torch.bool, self.length.device).zero_()
        owner = torch.repeat_interleave(torch.arange(len(self), device=self.length.device), self.length.long() + 1)
        mask[owner, self.cells.long()] = True
        return mask.view(len(self), self.mazes.rows, self.mazes.cols)
