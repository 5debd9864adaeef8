"""Problems of graded difficulty where backtracking is the method of choice, solved exactly with their node counts; and the
sampler that orders them, or anything else, from easy to hard.

A family is a module with one face: `generate(count, n, seed=…, first=…, **options) → Instances`, `solve(instances,
node_limit=None) → Solutions`, `greedy(instances) → Solutions`, `options()`.
"""

from mesasim.curriculum import colouring, knapsack, satisfiability, subset_sum
from mesasim.curriculum.problems import Problems, Solutions
from mesasim.curriculum.sampler import Curriculum

FAMILIES = {
    "subset_sum": subset_sum,
    "knapsack": knapsack,
    "satisfiability": satisfiability,
    "colouring": colouring,
}

__all__ = [
    "FAMILIES",
    "Curriculum",
    "Problems",
    "Solutions",
    "colouring",
    "knapsack",
    "satisfiability",
    "subset_sum",
]
