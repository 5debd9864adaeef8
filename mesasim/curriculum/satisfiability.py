"""k-SAT: is there an assignment that satisfies every clause? By backtracking with unit propagation (Davis, Logemann and
Loveland 1962), without clause learning.

`answer[i, v]` is the value of variable v, 0 or 1; `value` is the number of satisfied clauses: all of them, or -1 where
there is no such assignment (`optimal`) or none was found. Greedy: variable after variable takes the value that satisfies
the more weight of open clauses (Johnson 1974); its value is how many clauses are satisfied then.
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
    refuse,
    sized,
    solve,
    whole_numbers,
)
from mesasim.machine import allot, integer

__all__ = ["Instances", "generate", "greedy", "options", "solve"]

FAMILY = _core.curriculum.satisfiability


class Instances(Problems):
    """
    Attributes:
        clauses: int32 [count, clauses, k]: v + 1 is variable v, -(v + 1) its negation (DIMACS). k from 1 to 8 literals, of
            different variables; 1 to 65536 clauses.
        size.n: variables, 1 to 256.
    """

    family, arrays = FAMILY, ("clauses",)

    def __init__(self, clauses: Any, n: int) -> None:
        """Formulas over n variables; TypeError or ValueError for what is out of these ranges."""
        n = integer("n", n, FAMILY.MIN_N, FAMILY.MAX_N)
        given = whole_numbers("clauses", clauses, 3, -n, n)
        _, number, k = given.shape
        if not (1 <= number <= _core.MAX_CLAUSES and 1 <= k <= _core.MAX_LITERALS):
            raise ValueError(
                f"clauses: got shape {tuple(given.shape)}, allowed: (count, 1 to {_core.MAX_CLAUSES}, 1 to "
                f"{_core.MAX_LITERALS})"
            )
        refuse("clauses", given == 0, given, f"-{n} to {n}, without 0")
        variables = given.abs().sort(-1).values
        refuse("clauses", (variables.diff(dim=-1) == 0).any(-1), given, "literals of different variables in a clause")
        self.clauses = given.int()
        self.size = _core.ProblemSize(n=n, clauses=number, literals=k)

    def dimacs(self, i: int) -> str:
        """Formula i as a DIMACS CNF file, which every SAT solver reads."""
        lines = [" ".join(map(str, [*clause, 0])) for clause in self.clauses[i].tolist()]
        return "\n".join([f"p cnf {self.size.n} {self.size.clauses}", *lines, ""])


def options() -> list[_core.Option]:
    """What `generate` takes beside its own arguments: name, type, default, range, help."""
    return FAMILY.options()


def generate(
    count: int, n: int, *, seed: int = 0, first: int = 0, num_threads: int | None = None, **options: Any
) -> Instances:
    """`count` random k-SAT formulas of n variables: numbers first … first + count - 1 of the seed's sequence. Instance i
    of a seed depends on (seed, i, n, options) alone.

    Options: k=3, ratio=0.0 (clauses a variable; 0: the threshold of large formulas, 4.26 for k = 3), planted=False; see
    `options()`. A clause's variables are a uniform k-subset and its signs uniform, independently of the other clauses
    (Mitchell, Selman and Levesque 1992: fixed clause length). The number of clauses is rounded, at least 1.
    Raises TypeError or ValueError for an argument of the wrong kind or out of range, by name.
    """
    size = sized(FAMILY, n, options)
    made = Instances._of(size, [allot("count", (checked_count(count), size.clauses, size.literals), torch.int32)])
    generate_into(made, options, seed, first, num_threads)
    return made
