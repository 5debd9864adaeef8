"""Tours made quickly, and tours improved: none is promised to be short. Proofs are in `solving`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mesasim import _core
from mesasim.arrays import as_tensor
from mesasim.buffers import address
from mesasim.devices import check_device
from mesasim.machine import integer, machine, portions
from mesasim.tsp.problems import as_batches

CONSTRUCTIONS = {
    "nearest_neighbour": 0, "greedy_edge": 1, "nearest_insertion": 2, "farthest_insertion": 3, "cheapest_insertion": 4,
    "random_insertion": 5, "space_filling_curve": 6, "random": 7,
}  # fmt: skip
STARTING = ("nearest_neighbour", "nearest_insertion", "farthest_insertion", "cheapest_insertion")
IMPROVEMENTS = {"two_opt": 0, "or_opt": 1, "or_2opt": 2, "local_search": 3, "annealing": 4}
COOLINGS = {"geometric": 0, "linear": 1}
MOST_KICKS, MOST_SWEEPS, MOST_TEMPERATURE = 10**9, 10**9, 1e6

# What each improvement may be told, and what it does untold; "all": every city is in reach. n stands for the cities.
OPTIONS: dict[str, dict[str, Any]] = {
    "two_opt": {"neighbours": "all"},
    "or_opt": {"neighbours": "all"},
    "or_2opt": {"neighbours": 10},
    "local_search": {"neighbours": 8, "kicks": "10 n"},
    "annealing": {"sweeps": 1000, "cooling": "geometric", "temperatures": (0.3, 0.03), "keep": "best"},
}


@dataclass(frozen=True)
class HeuristicTours:
    """A tour for each problem.

    Attributes:
        order: int32 [count, n], cities in the order visited: city 0 first, then the one of its two neighbours with the
            smaller number, so that a tour has one order. A list of int32 [n] where sizes differ.
        length: float64 [count], in the distances given, summed from city 0 on.
    """

    order: Tensor | list[Tensor]
    length: Tensor

    def __len__(self) -> int:
        return len(self.length)

    def __repr__(self) -> str:
        mean = float(self.length.mean()) if len(self) else float("nan")
        return f"HeuristicTours({len(self)}, mean length {mean:.6g})"


def construct(
    instances: Any,
    method: str = "nearest_neighbour",
    *,
    metric: str = "euclidean",
    start: int | str | None = None,
    seed: int = 0,
    first: int = 0,
    num_threads: int | None = None,
    device: str | torch.device = "cpu",
) -> HeuristicTours:
    """A tour of each problem by a rule that never takes anything back.

    Distances are compared in whole units of 2^-49 of the power of two above the longest (`Tours.optimal`), so that a tour
    is the same on every machine; equals are taken by number.

    Args:
        instances: as in `solve`.
        method: nearest_neighbour: on to the nearest city left. greedy_edge: the shortest distances that fit, shortest
            first (Bentley 1992). nearest_insertion, farthest_insertion: the city nearest to, or farthest from, its nearest
            in the tour goes where it lengthens the tour least; cheapest_insertion: the city that lengthens it least;
            random_insertion: any (Rosenkrantz, Stearns and Lewis 1977). space_filling_curve: along Sierpinski's (Platzman
            and Bartholdi 1989), for points only. random: every tour is equally likely.
        metric: of points, as in `solve`.
        start: the first city, for nearest_neighbour and the first three insertions: its number; "random"; "all": the
            shortest of the tours from every city, the first of equals. None: city 0, but an end of the longest distance
            for farthest_insertion.
        seed, first: what is random in instance i depends on (seed, first + i) alone; both 0 to 2^64 - 1 and 2^62.
        num_threads, device: as in `solve`. Results do not depend on them.

    Raises:
        TypeError, ValueError: an argument of the wrong kind or out of range, by name.
        RuntimeError: a device that cannot be used here.
    """
    if not isinstance(method, str) or method not in CONSTRUCTIONS:
        raise ValueError(f"method: got {method!r}, allowed: {', '.join(CONSTRUCTIONS)}")
    if start is not None and method not in STARTING:
        raise ValueError(f"start: got {start!r} with {method}, allowed: with {', '.join(STARTING)}")
    calls = _Calls(instances, metric, seed, first, num_threads, device)
    smallest = min((p.n for p in calls.batches), default=_core.MAX_CITIES)
    if start is None or isinstance(start, str):
        if start not in (None, "all", "random"):
            raise ValueError(f"start: got {start!r}, allowed: a city's number, 'all', 'random' or None")
        code = _core.TOUR_STARTS[start or "usual"]
    else:
        code = integer("start", start, 0, smallest - 1)
    if method == "space_filling_curve" and any(p.points is None for p in calls.batches):
        raise ValueError("method: got space_filling_curve with distances, allowed: with points only")

    def run(arguments: dict[str, Any], batch: int, begin: int, end: int) -> None:
        _core.construct_tours(**arguments, method=CONSTRUCTIONS[method], start=code)

    return calls.run(run, lambda n: n * n * (n if start == "all" else 1))


def improve(
    instances: Any,
    order: Any = None,
    method: str = "two_opt",
    *,
    metric: str = "euclidean",
    neighbours: int | str | None = None,
    kicks: int | None = None,
    sweeps: int | None = None,
    cooling: str | None = None,
    temperatures: tuple[float, float] | None = None,
    keep: str | None = None,
    seed: int = 0,
    first: int = 0,
    num_threads: int | None = None,
    device: str | torch.device = "cpu",
) -> HeuristicTours:
    """Tours made shorter, never longer (but for `keep="last"`): no clock, no chance beyond (seed, instance's number).

    Args:
        instances: as in `solve`.
        order: the tours to begin with, whole numbers [count, n], cities in order; a list of [n] where sizes differ. None:
            the nearest neighbour's from city 0.
        method: two_opt: exchanges of two distances (Croes 1958). or_opt: up to three cities in a row go elsewhere, either
            way round (Or 1976). or_2opt: both. Each until no such move shortens the tour. local_search: Lin-Kernighan
            chains and Or-opt, then kicks, each repaired and kept if the tour is no longer (Martin, Otto and Felten 1991).
            annealing: random moves of both kinds by Metropolis's rule (Kirkpatrick, Gelatt and Vecchi 1983).
        metric: of points, as in `solve`.
        neighbours: the nearest cities that moves look at, 1 to n - 1 (more are all), or "all", which makes the result
            optimal for its kind of move; for local_search 1 to 10. By default "all", 10 for or_2opt, 8 for local_search.
        kicks: of local_search, 0 to 10^9; by default 10 n.
        sweeps: of annealing, each of n proposals, 1 to 10^9; by default 1000.
        cooling: of annealing, from sweep to sweep: geometric (by default) or linear.
        temperatures: of annealing's first sweep and last, 0 to 10^6, in mean distances of the nearest neighbour's tour
            from city 0; by default (0.3, 0.03). Geometric cooling needs both above 0.
        keep: annealing's best tour (by default) or its last, which may be longer than the one it began with.
        seed, first, num_threads, device: as in `construct`.

    Raises:
        TypeError, ValueError: an argument of the wrong kind or out of range, or that the method has no use for, by name.
        RuntimeError: a device that cannot be used here.
    """
    if not isinstance(method, str) or method not in IMPROVEMENTS:
        raise ValueError(f"method: got {method!r}, allowed: {', '.join(IMPROVEMENTS)}")
    given = {
        "neighbours": neighbours, "kicks": kicks, "sweeps": sweeps, "cooling": cooling, "temperatures": temperatures, "keep": keep
    }  # fmt: skip
    for name, value in given.items():
        if value is not None and name not in OPTIONS[method]:
            raise ValueError(f"{name}: got {value!r} with {method}, allowed: {', '.join(OPTIONS[method])}")
    options = _checked_options(
        method, OPTIONS[method] | {name: value for name, value in given.items() if value is not None}
    )
    calls = _Calls(instances, metric, seed, first, num_threads, device)
    begun = None if order is None else _checked_orders(order, calls)

    def run(arguments: dict[str, Any], batch: int, begin: int, end: int) -> None:
        n = calls.batches[batch].n
        mine = options | {"kicks": 10 * n if options["kicks"] is None else options["kicks"]}
        at = 0 if begun is None else address(begun[batch][begin:end])
        _core.improve_tours(**arguments, method=IMPROVEMENTS[method], begun=at, **mine)

    def work(n: int) -> int:
        many = {"local_search": 100 * (options["kicks"] or 10 * n), "annealing": 3 * options["sweeps"] * n}
        return 10 * n * n + many.get(method, 0)

    return calls.run(run, work)


class _Calls:
    """The calls of the engine that a batch of problems, of one size or several, is done by."""

    def __init__(
        self, instances: Any, metric: str, seed: Any, first: Any, num_threads: int | None, device: str | torch.device
    ) -> None:
        self.seed = integer("seed", seed, 0, 2**64 - 1)
        first = integer("first", first, 0, 2**62)
        self.machine = machine(device, num_threads)
        self.device = check_device(device)
        self.batches, self.places = as_batches(instances, metric, self.device)
        self.mixed = len(self.batches) != 1  # sizes, or points with distances
        self.numbers = [places + first for places in self.places]

    def run(self, call: Callable[[dict[str, Any], int, int, int], None], work: Callable[[int], int]) -> HeuristicTours:
        """Every batch by `call`(arguments, batch, begin, end), a portion of about a second of `work` at a time."""
        found = []
        for batch, problems in enumerate(self.batches):
            on = problems.tensor.device
            order = torch.empty((len(problems), problems.n), dtype=torch.int32, device=on)
            length = torch.empty(len(problems), dtype=torch.float64, device=on)
            numbers = self.numbers[batch].to(on)
            for begin, end in portions(len(problems), work(problems.n)):
                points, given = problems.addresses(begin, end)
                arguments = {
                    "points": points, "given": given, "n": problems.n, "metric": problems.metric, "seed": self.seed,
                    "number": address(numbers[begin:end]), "order": address(order[begin:end]),
                    "length": address(length[begin:end]), "count": end - begin, "machine": self.machine,
                }  # fmt: skip
                call(arguments, batch, begin, end)
            found.append((order, length))
        if not self.mixed:
            return HeuristicTours(*found[0])
        return self._joined(found)

    def _joined(self, found: list[tuple[Tensor, Tensor]]) -> HeuristicTours:
        """In the order given."""
        orders: dict[int, Tensor] = {}
        lengths: dict[int, Tensor] = {}
        for places, (order, length) in zip(self.places, found, strict=True):
            orders.update(zip(places.tolist(), order, strict=True))
            lengths.update(zip(places.tolist(), length, strict=True))
        empty = torch.empty(0, dtype=torch.float64)
        inturn = range(len(orders))
        return HeuristicTours(
            [orders[i] for i in inturn], torch.stack([lengths[i] for i in inturn]) if orders else empty
        )


def _checked_options(method: str, options: dict[str, Any]) -> dict[str, Any]:
    """What the engine takes, in full; kicks None: as many as there are of them by default."""
    most = _core.MAX_NEIGHBOURS_LOCAL_SEARCH if method == "local_search" else _core.MAX_NEIGHBOURS
    neighbours, kicks = options.get("neighbours", "all"), options.get("kicks", "10 n")
    if neighbours == "all" and "neighbours" in options and method == "local_search":
        raise ValueError(f"neighbours: got 'all' with local_search, allowed: 1 to {most}")
    cooling, keep = options.get("cooling", "geometric"), options.get("keep", "best")
    if cooling not in COOLINGS:
        raise ValueError(f"cooling: got {cooling!r}, allowed: {', '.join(COOLINGS)}")
    if keep not in ("best", "last"):
        raise ValueError(f"keep: got {keep!r}, allowed: best, last")
    hot, cold = _checked_temperatures(options.get("temperatures", (0.0, 0.0)))
    if cooling == "geometric" and (hot == 0) != (cold == 0):
        raise ValueError(f"temperatures: got ({hot}, {cold}) with geometric cooling, allowed: both above 0, or both 0")
    return {
        "neighbours": 0 if neighbours == "all" else integer("neighbours", neighbours, 1, most),
        "kicks": None if kicks == "10 n" else integer("kicks", kicks, 0, MOST_KICKS),
        "sweeps": integer("sweeps", options.get("sweeps", 1), 1, MOST_SWEEPS), "cooling": COOLINGS[cooling],
        "first_temperature": hot, "last_temperature": cold, "keep_best": keep == "best",
    }  # fmt: skip


def _checked_temperatures(value: Any) -> tuple[float, float]:
    allowed = f"allowed: two numbers from 0 to {MOST_TEMPERATURE:g}"
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        raise TypeError(f"temperatures: got {value!r}, {allowed}")
    for number in value:
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise TypeError(f"temperatures: got {value!r}, {allowed}")
        if not math.isfinite(number) or not 0 <= number <= MOST_TEMPERATURE:
            raise ValueError(f"temperatures: got {value!r}, {allowed}")
    return float(value[0]), float(value[1])


def _checked_orders(order: Any, calls: _Calls) -> list[Tensor]:
    """Tours as int32 [count, n] for each batch, on its device."""
    given = order if calls.mixed else [order]
    if not isinstance(given, (list, tuple)):
        raise TypeError(f"order: got {type(given).__name__}, allowed: a list of tours, for instances of several sizes")
    total = sum(len(places) for places in calls.places) if calls.mixed else 1
    if len(given) != total:
        raise ValueError(f"order: got {len(given)} tours for {total} instances")
    checked = []
    for problems, places in zip(calls.batches, calls.places, strict=True):
        shape = (len(problems), problems.n)
        rows = [_cities(given[int(i)], calls) for i in places] if calls.mixed else [_cities(given[0], calls)]
        for i, row in enumerate(rows):
            if calls.mixed and tuple(row.shape) != shape[1:]:
                raise ValueError(
                    f"order: got shape {tuple(row.shape)} for instance {int(places[i])}, allowed: {shape[1:]}"
                )
        tours = torch.stack(rows) if calls.mixed else rows[0]
        tours = tours[None] if tours.ndim == 1 else tours
        if tuple(tours.shape) != shape:
            raise ValueError(f"order: got shape {tuple(tours.shape)}, allowed: {shape}")
        bad = (tours.sort(1).values != torch.arange(problems.n, device=tours.device)).any(1)
        if bad.any():
            where = int(bad.nonzero()[0])
            raise ValueError(
                f"order: tour {int(places[where])} does not visit each of the cities 0 to {problems.n - 1} once"
            )
        checked.append(tours.to(torch.int32).contiguous())
    return checked


def _cities(value: Any, calls: _Calls) -> Tensor:
    return as_tensor("order", value, "integers", device=calls.device, allowed="whole numbers [count, n]")


__all__ = ["CONSTRUCTIONS", "IMPROVEMENTS", "HeuristicTours", "construct", "improve"]
