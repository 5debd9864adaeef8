"""Graph colouring: a colour a vertex, none twice along an edge, with at most so many colours or as few as possible. By
branch and bound on the most constrained vertex (Brélaz 1979).

`answer[i, v]` is the colour of vertex v, from 0; `value` is how many colours it uses: the fewest, or, with a limit, what
the first colouring found within it needs; -1 where there is none (`optimal`) or none was found. Greedy: the most
constrained vertex after the other in the first colour that is free; it may use more colours than are allowed, and is then
not feasible.
"""

from __future__ import annotations

from typing import Any

import torch

from mesasim import _core
from mesasim.arrays import as_tensor
from mesasim.curriculum.problems import CPU, Problems, checked_count, generate_into, greedy, refuse, sized, solve
from mesasim.machine import allot

__all__ = ["Instances", "generate", "greedy", "options", "solve"]

FAMILY = _core.curriculum.colouring


class Instances(Problems):
    """
    Attributes:
        adjacent: bool [count, n, n], symmetric, False on the diagonal; n from 1 to 64.
        size.colours: colours allowed, 1 to 64; 0: as few as possible.
    """

    family, arrays = FAMILY, ("adjacent",)

    def __init__(self, adjacent: Any, colours: int = 0) -> None:
        """TypeError or ValueError for what is no such batch of graphs."""
        given = as_tensor("adjacent", adjacent, "bool", device=CPU)
        if given.dim() != 3 or given.shape[1] != given.shape[2]:
            raise ValueError(f"adjacent: got shape {tuple(given.shape)}, allowed: (count, n, n)")
        self.size = sized(FAMILY, given.shape[1], {"colours": colours})
        refuse("adjacent", given.diagonal(dim1=1, dim2=2), given.diagonal(dim1=1, dim2=2), "False on the diagonal")
        refuse("adjacent", given != given.mT, given, "the same from either end of an edge")
        self.adjacent = given.contiguous()


def options() -> list[_core.Option]:
    """What `generate` takes beside its own arguments: name, type, default, range, help."""
    return FAMILY.options()


def generate(
    count: int, n: int, *, seed: int = 0, first: int = 0, num_threads: int | None = None, **options: Any
) -> Instances:
    """`count` random graphs of n vertices: numbers first … first + count - 1 of the seed's sequence. Instance i of a seed
    depends on (seed, i, n, options) alone.

    Options: density=0.5 (probability of an edge), colours=0 (allowed; 0: as few as possible), planted=False (a hidden
    uniform colouring is one: edges within its colours are left out); see `options()`.
    Raises TypeError or ValueError for an argument of the wrong kind or out of range, by name.
    """
    size = sized(FAMILY, n, options)
    made = Instances._of(size, [allot("count", (checked_count(count), n, n), torch.bool)])
    generate_into(made, options, seed, first, num_threads)
    return made
