"""0/1 knapsack: the most profit within a capacity. By branch and bound on items sorted by profit per weight, with
Dantzig's bound (Horowitz and Sahni 1974).

`answer[i, j]` is 1 if item j is taken; `value` is the profit; always feasible, since nothing fits everywhere. Greedy: by
profit per weight, whatever still fits.
"""

from __future__ import annotations

from typing import Any

import torch

from mesasim import _core
from mesasim.curriculum.problems import (
    Problems,
    checked_count,
    generate_into,
    greedy,
    one_each,
    sized,
    solve,
    whole_numbers,
)
from mesasim.machine import allot

__all__ = ["Instances", "generate", "greedy", "options", "solve"]

FAMILY = _core.curriculum.knapsack
MAX_NUMBER = 2**31 - 1  # a weight times a profit stays below 2^62


class Instances(Problems):
    """
    Attributes:
        weights: int64 [count, n], 1 to 2^31 - 1; n from 1 to 256.
        profits: int64 [count, n], 0 to 2^31 - 1.
        capacity: int64 [count], 0 to 2^62.
    """

    family, arrays = FAMILY, ("weights", "profits", "capacity")

    def __init__(self, weights: Any, profits: Any, capacity: Any) -> None:
        """TypeError or ValueError for what is out of these ranges."""
        self.weights = whole_numbers("weights", weights, 2, 1, MAX_NUMBER)
        self.profits = whole_numbers("profits", profits, 2, 0, MAX_NUMBER)
        if self.profits.shape != self.weights.shape:
            raise ValueError(
                f"profits: got shape {tuple(self.profits.shape)}, allowed: {tuple(self.weights.shape)}, as weights"
            )
        self.capacity = one_each("capacity", whole_numbers("capacity", capacity, 1, 0, 2**62), len(self.weights))
        self.size = sized(FAMILY, self.weights.shape[1], {})


def options() -> list[_core.Option]:
    """What `generate` takes beside its own arguments: name, type, default, range, help."""
    return FAMILY.options()


def generate(
    count: int, n: int, *, seed: int = 0, first: int = 0, num_threads: int | None = None, **options: Any
) -> Instances:
    """`count` instances of n items: numbers first … first + count - 1 of the seed's sequence. Instance i of a seed depends
    on (seed, i, n, options) alone.

    Options: correlation="uncorrelated" | "weakly_correlated" | "strongly_correlated" | "inverse_strongly_correlated"
    (Pisinger 2005, "Where are the hard knapsack problems?"), range=1000, capacity=0.5; see `options()`.
    Raises TypeError or ValueError for an argument of the wrong kind or out of range, by name.
    """
    size = sized(FAMILY, n, options)
    count = checked_count(count)
    weights, profits = (allot("count", (count, n), torch.int64) for _ in range(2))
    made = Instances._of(size, [weights, profits, torch.empty(count, dtype=torch.int64)])
    generate_into(made, options, seed, first, num_threads)
    return made
