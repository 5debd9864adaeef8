"""Tour problems drawn from a distribution, with their optimal tours where asked for. Problem i of a seed depends on (seed,
i, n, distribution, options) alone: not on how many are made, in what portions, on how many threads or on which device."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from mesasim import _core
from mesasim.buffers import address
from mesasim.curriculum.problems import portions
from mesasim.devices import check_device
from mesasim.machine import allot, check_room, integer, machine
from mesasim.tsp.heuristics import construct, improve
from mesasim.tsp.problems import MAX_CITIES, MIN_CITIES
from mesasim.tsp.solving import solve

GREEDY_HARD = "greedy_hard"
DRAWS_A_CALL = 2**30  # draws times n³, of greedy_hard: about a second
AT_ONCE = 2**22  # numbers of greedy_hard instances in the making: 32 MiB


def distributions() -> dict[str, tuple[str, list[_core.Option]]]:
    """Every distribution by name: what it is, and its options (name, type, default, range, help). `greedy_hard` takes those
    of its `base` beside its own."""
    known = {name: (what, options) for name, (what, options, _) in _core.tour_distributions().items()}
    return {**known, GREEDY_HARD: _core.greedy_hard_options()}


@dataclass(frozen=True)
class LabelledTours:
    """Problems, their optimal tours, and what makes them hard.

    Attributes:
        problems: float64, points [count, n, 2] or distances [count, n, n].
        order: int32 [count, n], an optimal tour in canonical order (`mesasim.tsp.canonical`).
        length: float64 [count], of that tour; proved as `mesasim.tsp.Tours.optimal` says.
        nodes, one_trees: int64 [count], of the search that proved it; dynamic programming has one node and no 1-tree.
        nearest_neighbour: float64 [count], the length of the best nearest-neighbour tour of all starts
            (`mesasim.tsp.construct`, start="all").
        two_opt: float64 [count], the length of that tour after 2-opt (`mesasim.tsp.improve`).
        trials: int64 [count], draws made until one was accepted; 1 but for greedy_hard.
    """

    problems: Tensor
    order: Tensor
    length: Tensor
    nodes: Tensor
    one_trees: Tensor
    nearest_neighbour: Tensor
    two_opt: Tensor
    trials: Tensor

    def __len__(self) -> int:
        return len(self.length)

    def __getitem__(self, which: Any) -> LabelledTours:
        """Some of them: a slice, or a tensor of indices or bool."""
        return LabelledTours(*(getattr(self, f.name)[which] for f in fields(self)))

    def __repr__(self) -> str:
        n = self.problems.shape[1]
        return f"LabelledTours({len(self)}, n={n}, nearest neighbour {float(self.gap.mean()) if len(self) else 0:.1%} above)"

    @property
    def gap(self) -> Tensor:
        """float64 [count]: how much longer the best nearest-neighbour tour is than the optimal one, as a fraction of it."""
        return gap_of(self.nearest_neighbour, self.length)

    @property
    def two_opt_gap(self) -> Tensor:
        """float64 [count]: the same after 2-opt."""
        return gap_of(self.two_opt, self.length)


def gap_of(length: Tensor, optimal: Tensor) -> Tensor:
    """length / optimal - 1; 0 where all cities are in one place."""
    return torch.where(optimal > 0, length / optimal - 1, 0.0)


def generate(
    count: int,
    n: int,
    distribution: str = "uniform",
    *,
    seed: int = 0,
    first: int = 0,
    num_threads: int | None = None,
    device: str | torch.device = "cpu",
    **options: Any,
) -> Tensor:
    """`count` problems of n cities: float64 points [count, n, 2] of the unit square, or distances [count, n, n].

    Coordinates are odd multiples of 2^-24: exact as float32 too, and mapped onto each other by the square's symmetries.

    Args:
        count: problems, 0 or more.
        n: cities, 3 to 256.
        distribution: one of `distributions()`: uniform, clustered, explosion, grid, ring, random_matrix, greedy_hard.
            Of greedy_hard, problem i is the first of the base's draws in a sub-stream of its own whose best nearest-neighbour
            tour of all starts is longer than (1 + gap) times the optimal one (and, with two_opt_gap, that tour after 2-opt
            longer than (1 + two_opt_gap) times it): the base's law under that condition, whatever the threads.
        seed: 0 to 2^64 - 1.
        first: number of the first problem in the seed's sequence; problems first … first + count - 1 are made.
        num_threads: CPU threads; default: every core this process may use.
        device: "cpu" or "cuda[:i]", where the tensor is to be; a missing device raises. greedy_hard: cpu.
        options: the distribution's own; `base` (a distribution, "uniform") and the base's options for greedy_hard.

    Raises:
        TypeError, ValueError: an argument of the wrong kind or out of range, by name.
        RuntimeError: a device that cannot be used here; an instance that greedy_hard gave up after max_trials draws.
    """
    if isinstance(distribution, str) and distribution == GREEDY_HARD:
        made = labelled(
            count, n, distribution, seed=seed, first=first, num_threads=num_threads, device=device, **options
        )
        return made.problems
    count, n, seed, first = _checked(count, n, seed, first)
    on = check_device(device)
    drawn = allot("count", _shape(distribution, count, n), torch.float64, on)
    where = machine(on, num_threads)
    for begin, end in portions(count):  # once even for none: bad options are refused all the same
        _core.draw_tours(
            distribution=distribution, options=options, n=n, seed=seed, first=first + begin, count=end - begin,
            drawn=address(drawn[begin:end]), machine=where,
        )  # fmt: skip
    return drawn


def labelled(
    count: int,
    n: int,
    distribution: str = "uniform",
    *,
    method: str = "auto",
    seed: int = 0,
    first: int = 0,
    num_threads: int | None = None,
    device: str | torch.device = "cpu",
    **options: Any,
) -> LabelledTours:
    """What `generate` makes, with optimal tours and difficulties.

    Args:
        method: of `mesasim.tsp.solve`. auto is the quickest; branch_and_bound counts nodes for few cities too.

    Other arguments and errors: as `generate`.
    """
    on = check_device(device)
    if isinstance(distribution, str) and distribution == GREEDY_HARD:
        if on.type != "cpu":
            raise ValueError(f"device: got {device} for {GREEDY_HARD}, allowed: cpu")
        count, n, seed, first = _checked(count, n, seed, first)
        check_room("count", count, count * n * 2 * 8, on)  # points; of distances there are more
        parts = list(_hard(count, n, seed, first, method, num_threads, **options))
        return LabelledTours(*(torch.cat([getattr(p, f.name) for p in parts]) for f in fields(LabelledTours)))
    where: dict[str, Any] = {"num_threads": num_threads, "device": on}
    problems = generate(count, n, distribution, seed=seed, first=first, **where, **options)
    tours = solve(problems, method, **where)
    nearest = construct(problems, "nearest_neighbour", start="all", **where)
    after = improve(problems, nearest.order, "two_opt", **where)
    assert isinstance(tours.order, Tensor)
    once = torch.ones(count, dtype=torch.int64, device=on)
    return LabelledTours(
        problems, tours.order, tours.length, tours.nodes, tours.one_trees, nearest.length, after.length, once
    )


def _checked(count: Any, n: Any, seed: Any, first: Any) -> tuple[int, int, int, int]:
    count = integer("count", count, 0, 2**40)
    return (
        count,
        integer("n", n, MIN_CITIES, MAX_CITIES),
        integer("seed", seed, 0, 2**64 - 1),
        integer("first", first, 0, 2**63 - 1 - count),
    )


def _shape(distribution: Any, count: int, n: int, name: str = "distribution") -> tuple[int, int, int]:
    known = _core.tour_distributions()
    if not isinstance(distribution, str) or distribution not in known:
        also = [GREEDY_HARD] if name == "distribution" else []
        raise ValueError(f"{name}: got {distribution!r}, allowed: {', '.join([*known, *also])}")
    return (count, n, 2 if known[distribution][2] else n)


def _hard(
    count: int,
    n: int,
    seed: int,
    first: int,
    method: str,
    num_threads: int | None,
    *,
    base: str = "uniform",
    **options: Any,
) -> Iterator[LabelledTours]:
    """Instances of greedy_hard in portions, at least one.

    The engine goes on with every instance's draws to one that a quick bound does not rule out; the exact solver says which
    of these are hard, and the others go on from there."""
    limits = {o.name: o.default for o in _core.greedy_hard_options()[1]}
    gap, two_opt_gap, max_trials = (
        options.get(name, limits[name]) for name in ("gap", "two_opt_gap", "max_trials")
    )  # checked by the engine before they are used
    where = machine("cpu", num_threads)
    _, *numbers = _shape(base, count, n, "base")
    at_once = max(1, AT_ONCE // math.prod(numbers))
    for begin in range(0, max(count, 1), at_once):
        size = min(at_once, count - begin)
        made = _empty(_shape(base, size, n, "base"))
        made.trials.zero_()
        number = torch.arange(first + begin, first + begin + size)
        left = torch.arange(size)  # instances still without a problem
        while True:
            draws = _Draws(number[left], made.trials[left], made.problems[left])
            draws.go_on(base, options, n, seed, where)
            made.trials[left] = draws.trials
            given_up = ~draws.found & (draws.trials >= max_trials)
            if given_up.any():
                raise RuntimeError(
                    f"greedy_hard: instance {int(draws.number[given_up][0])} of seed {seed} was given up after {max_trials} "
                    f"draws of {base} with n={n}, gap={gap}, two_opt_gap={two_opt_gap}; allowed: more max_trials or less gap"
                )
            found = draws.found.nonzero()[:, 0]
            tours = solve(draws.problems[found], method, num_threads=num_threads)
            assert isinstance(tours.order, Tensor)
            nearest, after = draws.nearest_neighbour[found], draws.two_opt[found]
            hard = gap_of(nearest, tours.length) >= gap
            if two_opt_gap > 0:
                hard &= gap_of(after, tours.length) >= two_opt_gap
            to, chosen = left[found[hard]], found[hard]
            for name, values in (
                ("problems", draws.problems[chosen]), ("order", tours.order[hard]), ("length", tours.length[hard]),
                ("nodes", tours.nodes[hard]), ("one_trees", tours.one_trees[hard]), ("nearest_neighbour", nearest[hard]),
                ("two_opt", after[hard]),
            ):  # fmt: skip
                getattr(made, name)[to] = values
            going_on = torch.ones(len(left), dtype=torch.bool)
            going_on[chosen] = False
            left = left[going_on]
            if len(left) == 0:
                break
        yield made


def _empty(shape: tuple[int, int, int]) -> LabelledTours:
    count, n, _ = shape

    def floats() -> Tensor:
        return torch.empty(count, dtype=torch.float64)

    def integers() -> Tensor:
        return torch.empty(count, dtype=torch.int64)

    return LabelledTours(
        torch.empty(shape, dtype=torch.float64), torch.empty((count, n), dtype=torch.int32), floats(), integers(), integers(),
        floats(), floats(), integers(),
    )  # fmt: skip


class _Draws:
    """The draws of some instances of greedy_hard, gone on with until each has a candidate or the call has taken a while."""

    def __init__(self, number: Tensor, trials: Tensor, problems: Tensor) -> None:
        self.number, self.trials, self.problems = number, trials.clone(), problems.contiguous()
        self.nearest_neighbour = torch.empty(len(number), dtype=torch.float64)
        self.two_opt = torch.empty(len(number), dtype=torch.float64)
        self.found = torch.zeros(len(number), dtype=torch.bool)

    def go_on(self, base: str, options: dict[str, Any], n: int, seed: int, where: _core.Machine) -> None:
        step = max(1, min(len(self.number), DRAWS_A_CALL // n**3))
        for begin in range(0, max(1, len(self.number)), step):
            part = slice(begin, begin + step)
            count = len(self.number[part])
            arrays = {
                name: address(getattr(self, name)[part])
                for name in ("number", "trials", "nearest_neighbour", "two_opt", "found")
            }
            _core.draw_greedy_hard(
                base=base, options=options, n=n, seed=seed, count=count, most=max(1, DRAWS_A_CALL // n**3 // max(1, count)),
                drawn=address(self.problems[part]), machine=where, **arrays,
            )  # fmt: skip
