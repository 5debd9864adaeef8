"""Given tasks instead of drawn ones: mazes, or cities, to be played exactly once each, in order, with known numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mesasim.arrays import as_tensor
from mesasim.mazes import Mazes, load
from mesasim.mazes.cells import cell_numbers, name_some

Levels = Any  # see MesaVectorEnv
GRID = 2**20  # steps a side of the grid that cities stand on (csrc/worlds/tour/cities.h)


class Given(NamedTuple):
    """Levels as the engine reads them."""

    bytes: Tensor  # uint8 [count, bytes a level]
    option: str  # the option that must fit them
    size: int  # and its value
    check: Callable[[dict[str, Any]], None]  # refuses options that would change the levels or drop what was given


def read_levels(world: str, levels: Levels, device: torch.device) -> Given:
    """What a caller gives to be played in `world` on `device`, where it must be; TypeError or ValueError names what cannot be
    used. A data set is read onto the device."""
    readers = {"Maze-v0": _read_mazes, "Tour-v0": _read_cities, "TourEdit-v0": _read_tours}
    if world not in readers:
        raise ValueError(f"levels: got {type(levels).__name__}, but {world} takes none")
    return readers[world](levels, device)


# Mazes


def _read_mazes(levels: Levels, device: torch.device) -> Given:
    """Mazes, (mazes, start, goal), or the folder of a data set: a maze's bits, then start and goal as int32, -1 where
    they are to be drawn."""
    mazes, start, goal = _mazes_and_ends(levels, device)
    ends = torch.full((len(mazes), 2), -1, dtype=torch.int32, device=mazes.device)
    if start is not None and goal is not None:
        ends = torch.stack([start, goal], 1).int()
    bytes_ = torch.cat([mazes.packed.flatten(1), ends.contiguous().view(torch.uint8)], 1)
    return Given(bytes_, "size", mazes.rows, lambda options: _check_maze_options(mazes, start, goal, options))


def _mazes_and_ends(levels: Levels, device: torch.device) -> tuple[Mazes, Tensor | None, Tensor | None]:
    start = goal = None
    if isinstance(levels, (str, Path)):
        data = load(levels)
        parts = [data.shard(k) for k in range(data.num_shards)]
        mazes = Mazes(torch.cat([part.packed for part, _ in parts]).to(device), data.cols)
        if "start" in parts[0][1]:
            start, goal = (torch.cat([shard[end] for _, shard in parts]).to(device) for end in ("start", "goal"))
    elif isinstance(levels, Mazes):
        mazes = levels
    elif isinstance(levels, tuple) and len(levels) == 3 and isinstance(levels[0], Mazes):
        mazes = levels[0]
        start, goal = cell_numbers("levels start", levels[1], mazes), cell_numbers("levels goal", levels[2], mazes)
    else:
        allowed = "mazes, (mazes, start, goal) or the folder of a data set"
        raise TypeError(f"levels: got {type(levels).__name__}, allowed: {allowed}")
    if mazes.device != device:
        raise ValueError(
            f"levels: got mazes on {mazes.device}, allowed: {device}; nothing is copied between devices unasked, "
            f"mazes.to('{device}') does it"
        )
    if len(mazes) == 0 or mazes.rows != mazes.cols:
        raise ValueError(
            f"levels: got {len(mazes)} mazes of {mazes.rows}×{mazes.cols}, allowed: one or more square ones"
        )
    if start is not None and goal is not None and bool((start == goal).any()):
        raise ValueError(f"levels: got start and goal on one cell in maze {int((start == goal).nonzero()[0])}")
    return mazes, start, goal


def _check_maze_options(mazes: Mazes, start: Tensor | None, goal: Tensor | None, options: dict[str, Any]) -> None:
    """Refuses ends that are not joined, too."""
    refused = {"relayout": True, "routes": 2, "door": True}
    for name, value in refused.items():
        if options.get(name) == value:
            raise ValueError(f"{name}: got {value} with levels, allowed: mazes as they are given")
    if start is None or goal is None:
        return
    if options.get("objects", 1) != 1:
        raise ValueError(f"objects: got {options['objects']} with levels that give start and goal, allowed: 1")
    apart = mazes.solve(start, goal, on_impossible="mask").length < 0
    if bool(apart.any()):
        raise ValueError(f"levels: got start and goal that no path joins in {name_some(apart)}")


# Cities, and tours of them


def _read_cities(levels: Levels, device: torch.device) -> Given:
    """Coordinates [count, n, 2]: int32 steps of the grid."""
    points = _grid_points(levels, device)
    return Given(_as_bytes(points.flatten(1)), "n", points.shape[1], lambda options: None)


def _read_tours(levels: Levels, device: torch.device) -> Given:
    """Coordinates, or (coordinates, order [count, n]): the same, then each tour's cities, -1 where `initial` makes it."""
    coordinates, order = levels if isinstance(levels, tuple) and len(levels) == 2 else (levels, None)
    points = _grid_points(coordinates, device)
    count, n = points.shape[:2]
    tours = torch.full((count, n), -1, dtype=torch.int32, device=device)
    if order is not None:
        tours = _tours(order, count, n, device)

    def check(options: dict[str, Any]) -> None:
        if order is not None and "initial" in options:
            raise ValueError(
                f"initial: got {options['initial']!r} with levels that give tours, allowed: not to be given"
            )

    return Given(_as_bytes(torch.cat([points.flatten(1), tours], 1)), "n", n, check)


def _grid_points(coordinates: Any, device: torch.device) -> Tensor:
    """int32 [count, n, 2] from numbers of the unit square, each taken to the nearest point of the grid."""
    if isinstance(coordinates, tuple):  # as levels of another world are given
        raise TypeError("levels: got tuple, allowed: coordinates [count, n, 2], 0 to 1")
    numbers = as_tensor("levels", coordinates, device=device, allowed="coordinates [count, n, 2], 0 to 1")
    if numbers.dim() != 3 or numbers.shape[0] == 0 or numbers.shape[2] != 2:
        raise ValueError(f"levels: got shape {tuple(numbers.shape)}, allowed: [count, n, 2], one or more")
    bad = ~((numbers >= 0) & (numbers <= 1)).flatten(1).all(dim=1)  # NaN, too
    if bool(bad.any()):
        raise ValueError(f"levels: got coordinates outside 0 to 1 in level {int(bad.nonzero()[0])}, allowed: 0 to 1")
    return (numbers.double() * GRID).round().int()


def _tours(order: Any, count: int, n: int, device: torch.device) -> Tensor:
    tours = as_tensor("levels order", order, "integers", device=device)
    if tuple(tours.shape) != (count, n):
        raise ValueError(f"levels order: got shape {tuple(tours.shape)}, allowed: {(count, n)}")
    bad = (tours.long().sort(dim=1).values != torch.arange(n, device=device)).any(dim=1)
    if bool(bad.any()):
        number = int(bad.nonzero()[0])
        raise ValueError(
            f"levels order: got {tours[number].tolist()} as tour {number}, allowed: 0 to {n - 1}, each once"
        )
    return tours.int()


def _as_bytes(numbers: Tensor) -> Tensor:
    return numbers.contiguous().view(torch.uint8)
