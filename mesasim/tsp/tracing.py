"""What the exact search does on one problem: its nodes, bounds and decisions in order, for models trained on traces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mesasim.buffers import address
from mesasim.machine import integer, machine
from mesasim.tsp.problems import as_problems
from mesasim.tsp.solving import FOREVER, METHODS, NO_LIMIT, Tours, _solve

KINDS = ("bound", "closed", "exclude", "include", "tour")
MAX_EVENTS = 2**28


@dataclass(frozen=True)
class SearchTrace:
    """Events of one search, in order.

    Attributes:
        kind: int8 [events], an index into `KINDS`:
            bound: the node as it stands has this lower bound (value) and stays open;
            closed: nothing shorter than the best tour is in the node (value: its bound, or 0 where filtering emptied it);
            exclude, include: down to the child without, or with, the connection (a, b);
            tour: a tour shorter than every one before (value: its length); the first is the local search's.
        depth: int16 [events], of the node; the root's is 0. Of exclude and include: of the parent.
        a, b: int16 [events], cities of the connection; 0 where there is none.
        value: float64 [events], in the distances given.
        total: events there were; more than len(kind) where max_events was reached.
        tours: the result, a batch of one.
    """

    kind: Tensor
    depth: Tensor
    a: Tensor
    b: Tensor
    value: Tensor
    total: int
    tours: Tours

    def __len__(self) -> int:
        return len(self.kind)

    def __str__(self) -> str:
        """The search as indented lines."""
        lines = []
        for kind, depth, a, b, value in zip(
            *(t.tolist() for t in (self.kind, self.depth, self.a, self.b, self.value)), strict=True
        ):
            what = f"{a}-{b}" if KINDS[kind] in ("exclude", "include") else f"{value:.9g}"
            lines.append("  " * depth + f"{KINDS[kind]} {what}")
        return "\n".join(lines + ["…"] * (self.total > len(self)))


def trace(
    instance: Any,
    method: str = "auto",
    *,
    metric: str = "euclidean",
    node_limit: int | None = None,
    seed: int = 0,
    max_events: int = 100_000,
) -> SearchTrace:
    """Solves one problem on the CPU, recording what the search does.

    Args:
        instance: points [n, 2] or distances [n, n]; `mesasim.tsp.solve` says what is allowed.
        method: auto, branch_and_bound or branch_and_cut; held_karp has no search, and auto takes
            branch_and_cut in its place.
        metric, node_limit, seed: as in `mesasim.tsp.solve`.
        max_events: events kept, 1 to 2^28; later ones are counted only.

    Raises:
        TypeError, ValueError: an argument of the wrong kind or out of range, by name.
    """
    if not isinstance(method, str) or method not in METHODS or method == "held_karp":
        raise ValueError(f"method: got {method!r}, allowed: auto, branch_and_bound, branch_and_cut")
    problems = as_problems(instance, metric, "instance", torch.device("cpu"))
    if len(problems) != 1:
        raise ValueError(f"instance: got {len(problems)} problems, allowed: one")
    if method == "auto" and problems.n <= 12:
        method = "branch_and_cut"
    limit = NO_LIMIT if node_limit is None else integer("node_limit", node_limit, 1, NO_LIMIT)
    capacity = integer("max_events", max_events, 1, MAX_EVENTS)
    events = torch.empty((capacity, 6), dtype=torch.int32)  # kind, depth, a, b, value (float64)
    count = torch.zeros(1, dtype=torch.int64)
    tours = _solve(
        problems, METHODS[method], limit, FOREVER, integer("seed", seed, 0, 2**64 - 1), machine("cpu", 1),
        (address(events), address(count)), capacity,
    )  # fmt: skip
    kept = events[: min(int(count), capacity)]
    value = kept[:, 4:].contiguous().view(torch.float64)[:, 0]
    narrow = kept.to(torch.int16)
    return SearchTrace(kept[:, 0].to(torch.int8), narrow[:, 1], narrow[:, 2], narrow[:, 3], value, int(count), tours)
