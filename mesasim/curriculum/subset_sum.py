"""Subset sum: which of n numbers add up to the target? By depth-first search from the largest number down.

`answer[i, j]` is 1 if number j is taken; `value` is the largest sum not above the target, `feasible` whether it is the
target. Greedy: from the largest number down, whatever still fits.
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

FAMILY = _core.curriculum.subset_sum
MAX_NUMBER = 2**56  # 64 of them add up below 2^63


class Instances(Problems):
    """
    Attributes:
        weights: int64 [count, n], 1 to 2^56; n from 1 to 64.
        target: int64 [count], 0 to 2^62.
    """

    family, arrays = FAMILY, ("weights", "target")

    def __init__(self, weights: Any, target: Any) -> None:
        """TypeError or ValueError for what is out of these ranges."""
        self.weights = whole_numbers("weights", weights, 2, 1, MAX_NUMBER)
        self.target = one_each("target", whole_numbers("target", target, 1, 0, 2**62), len(self.weights))
        self.size = sized(FAMILY, self.weights.shape[1], {"density": float(self.weights.shape[1])})


def options() -> list[_core.Option]:
    """What `generate` takes beside its own arguments: name, type, default, range, help."""
    return FAMILY.options()


def generate(
    count: int, n: int, *, seed: int = 0, first: int = 0, num_threads: int | None = None, **options: Any
) -> Instances:
    """`count` instances of n numbers: numbers first … first + count - 1 of the seed's sequence. Instance i of a seed
    depends on (seed, i, n, options) alone.

    Options: density=1.0, target="planted" | "half"; see `options()`. Numbers have n / density bits, 1 to 56.
    Raises TypeError or ValueError for an argument of the wrong kind or out of range, by name.
    """
    size = sized(FAMILY, n, options)
    count = checked_count(count)
    made = Instances._of(size, [allot("count", (count, n), torch.int64), torch.empty(count, dtype=torch.int64)])
    generate_into(made, options, seed, first, num_threads)
    return made
