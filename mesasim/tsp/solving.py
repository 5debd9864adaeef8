"""Optimal tours, proved: the certificate is a lower bound in whole numbers that meets the tour's own length."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mesasim import _core
from mesasim.buffers import address
from mesasim.devices import check_device
from mesasim.machine import integer, machine
from mesasim.tsp.problems import Problems, as_batches

METHODS = {"auto": 0, "held_karp": 1, "branch_and_bound": 2, "branch_and_cut": 3}
NO_LIMIT = 2**62
FOREVER = 1e18  # seconds


@dataclass(frozen=True)
class Tours:
    """A tour for each problem, and what is known of it.

    Attributes:
        order: int32 [count, n], cities in the order visited: city 0 first, then the one of its two neighbours with the
            smaller number, so that a tour has one order. A list of int32 [n] where sizes differ.
        length: float64 [count], in the distances given, summed from city 0 on.
        lower_bound: float64 [count]: no tour is shorter (as `optimal` says); equal to length where optimal.
        optimal: bool [count], whether that is proved. Distances are taken as whole multiples of a unit, each rounded down:
            of 1 where all are whole numbers below 2^49, and then no tour is shorter; else of 2^-49 of the power of two
            above the longest, and then no tour is shorter by 3n units or more (n, from held_karp). (Tours equal
            but for the rounding of square roots lie so close, and cannot be told apart by a double's sum.)
        nodes: int64 [count], of the search tree.
        one_trees: int64 [count], minimum 1-trees made.
        cuts: int64 [count], rows added to linear programs.
        method: int32 [count], an index into `METHOD_NAMES`; auto's, 0, where the time was up before a problem's turn.
    """

    order: Tensor | list[Tensor]
    length: Tensor
    lower_bound: Tensor
    optimal: Tensor
    nodes: Tensor
    one_trees: Tensor
    cuts: Tensor
    method: Tensor

    @property
    def gap(self) -> Tensor:
        """How much shorter a tour could still be, as a share of the one found: float64 [count], 0 where optimal."""
        return torch.where(self.length > 0, 1 - self.lower_bound / self.length, 0.0)

    def __len__(self) -> int:
        return len(self.length)

    def __repr__(self) -> str:
        share = float(self.optimal.double().mean()) if len(self) else 1.0
        mean = float(self.length.mean()) if len(self) else float("nan")
        return f"Tours({len(self)}, mean length {mean:.6g}, {share:.0%} proved optimal)"


METHOD_NAMES = {code: name for name, code in METHODS.items()}


def solve(
    instances: Any,
    method: str = "auto",
    *,
    metric: str = "euclidean",
    node_limit: int | None = None,
    time_limit: float | None = None,
    num_threads: int | None = None,
    device: str | torch.device = "cpu",
    seed: int = 0,
) -> Tours:
    """The shortest tour of each problem, with a proof.

    Args:
        instances: points [count, n, 2] or distances [count, n, n] (`mesasim.tsp.as_problems` says what is allowed), or a
            list of single problems of any sizes; 3 to 256 cities.
        method: auto; held_karp: dynamic programming, up to 16 cities; branch_and_bound: on 1-trees; branch_and_cut: on
            linear programs over what a filtering by 1-trees leaves (CPU only). auto takes the quickest that proves, on a
            GPU one of the first two.
        metric: of points: euclidean, EUC_2D, CEIL_2D or ATT.
        node_limit: nodes of the search tree a problem; beyond it the best tour so far with a bound. None: until proved.
        time_limit: seconds for the whole call, after which what is not proved is left so. Results then depend on the
            machine; budgets of labels should count nodes. None: none, and on a GPU, whose searches hear no clock, no other.
        num_threads: CPU threads; None: every core this process may use. Results do not depend on it.
        device: "cpu" or "cuda[:i]"; a missing device raises. Problems must be there already.
        seed: of the local search that finds the first tour; it changes the time taken, not the optimal length.

    Raises:
        TypeError, ValueError: an argument of the wrong kind or out of range, by name.
        RuntimeError: a device that cannot be used here.
        KeyboardInterrupt: heard within about a second.
    """
    if not isinstance(method, str) or method not in METHODS:
        raise ValueError(f"method: got {method!r}, allowed: {', '.join(METHODS)}")
    limit = NO_LIMIT if node_limit is None else integer("node_limit", node_limit, 1, NO_LIMIT)
    seconds = FOREVER if time_limit is None else _seconds(time_limit)
    seed = integer("seed", seed, 0, 2**64 - 1)
    on = check_device(device)
    if on.type == "cuda":
        _check_for_gpu(on, method, time_limit)
    where = machine(on, num_threads)
    batches, places = as_batches(instances, metric, on)
    for problems in batches:
        if method == "held_karp" and problems.n > _core.MAX_CITIES_HELD_KARP:
            raise ValueError(
                f"method: got held_karp for {problems.n} cities, allowed: up to {_core.MAX_CITIES_HELD_KARP}"
            )
    deadline = time.monotonic() + seconds
    solved = [_solve(p, METHODS[method], limit, deadline, seed, where) for p in batches]
    return (
        solved[0]
        if len(solved) == 1 and len(batches) == 1 and not isinstance(instances, (list, tuple))
        else _joined(solved, places)
    )


def _check_for_gpu(on: torch.device, method: str, time_limit: float | None) -> None:
    """Refuses what is done on the CPU alone; what else would be done in its place was not asked for."""
    if method == "branch_and_cut":
        raise ValueError(
            f"method: got branch_and_cut on {on}, allowed: {', '.join(list(METHODS)[:-1])}; it is of the CPU"
        )
    if time_limit is not None:
        raise ValueError(f"time_limit: got {time_limit} on {on}, allowed: None; node_limit bounds a search there")


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"time_limit: got {value!r}, allowed: seconds above 0")
    if not value > 0:
        raise ValueError(f"time_limit: got {value}, allowed: seconds above 0")
    return float(value)


def _solve(
    problems: Problems, method: int, node_limit: int, deadline: float, seed: int, where: _core.Machine,
    trace: tuple[int, int] | None = None, events: int = 0,
) -> Tours:  # fmt: skip
    count, on = len(problems), problems.tensor.device

    def empty(dtype: torch.dtype, *shape: int) -> Tensor:
        return torch.empty((count, *shape), dtype=dtype, device=on)

    tours = Tours(
        empty(torch.int32, problems.n), empty(torch.float64), empty(torch.float64), empty(torch.bool), empty(torch.int64),
        empty(torch.int64), empty(torch.int64), empty(torch.int32),
    )  # fmt: skip
    assert isinstance(tours.order, Tensor)
    arrays = (
        tours.order,
        tours.length,
        tours.lower_bound,
        tours.optimal,
        tours.nodes,
        tours.one_trees,
        tours.cuts,
        tours.method,
    )
    points, given = problems.addresses(0, count)
    _core.solve_tours(
        points=points, given=given, n=problems.n, metric=problems.metric, method=method, node_limit=node_limit,
        seconds=max(0.0, deadline - time.monotonic()), seed=seed, count=count, found=[address(a) for a in arrays],
        trace=trace or (), events=events, machine=where,
    )  # fmt: skip
    return tours


def _joined(solved: list[Tours], places: list[Tensor]) -> Tours:
    """Batches put back in the order given; orders as one tensor if all have one size."""
    at = torch.cat(places)
    back = torch.empty_like(at)
    back[at] = torch.arange(len(at))

    def join(name: str) -> Tensor:
        return torch.cat([getattr(part, name) for part in solved])[back]

    orders = [order for part in solved for order in part.order]
    ordered = [orders[int(i)] for i in back]
    one_size = len({len(order) for order in ordered}) == 1
    return Tours(
        torch.stack(ordered) if one_size else ordered, join("length"), join("lower_bound"), join("optimal"), join("nodes"),
        join("one_trees"), join("cuts"), join("method"),
    )  # fmt: skip
