"""Given tasks instead of drawn ones: mazes to be played exactly once each, in order, with known numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mesasim.mazes import Mazes, load
from mesasim.mazes.cells import cell_numbers, name_some

Levels = Any  # Mazes, (Mazes, start, goal), or the folder of a data set of mazes


def read_levels(levels: Levels) -> tuple[Mazes, Tensor | None, Tensor | None]:
    """(mazes, start, goal) from what a caller gives; TypeError or ValueError names what cannot be used."""
    start = goal = None
    if isinstance(levels, (str, Path)):
        data = load(levels)
        parts = [data.shard(k) for k in range(data.num_shards)]
        mazes = Mazes(torch.cat([part.packed for part, _ in parts]), data.cols)
        if "start" in parts[0][1]:
            start, goal = (torch.cat([shard[end] for _, shard in parts]) for end in ("start", "goal"))
    elif isinstance(levels, Mazes):
        mazes = levels
    elif isinstance(levels, tuple) and len(levels) == 3 and isinstance(levels[0], Mazes):
        mazes = levels[0]
        start, goal = cell_numbers("levels start", levels[1], mazes), cell_numbers("levels goal", levels[2], mazes)
    else:
        allowed = "mazes, (mazes, start, goal) or the folder of a data set"
        raise TypeError(f"levels: got {type(levels).__name__}, allowed: {allowed}")
    if len(mazes) == 0 or mazes.rows != mazes.cols:
        raise ValueError(
            f"levels: got {len(mazes)} mazes of {mazes.rows}×{mazes.cols}, allowed: one or more square ones"
        )
    if start is not None and goal is not None and bool((start == goal).any()):
        raise ValueError(f"levels: got start and goal on one cell in maze {int((start == goal).nonzero()[0])}")
    return mazes, start, goal


def check_levels(mazes: Mazes, start: Tensor | None, goal: Tensor | None, options: dict[str, Any]) -> None:
    """Refuses what would change the given mazes or drop what was asked for, and ends that are not joined."""
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


def level_bytes(mazes: Mazes, start: Tensor | None, goal: Tensor | None, device: torch.device) -> Tensor:
    """uint8 [count, bytes]: each maze's bits, then start and goal as int32, -1 where they are to be drawn."""
    ends = torch.full((len(mazes), 2), -1, dtype=torch.int32, device=mazes.device)
    if start is not None and goal is not None:
        ends = torch.stack([start, goal], 1).int()
    return torch.cat([mazes.packed.flatten(1), ends.contiguous().view(torch.uint8)], 1).contiguous().to(device)
