"""Every family with options that reach every branch of its generator, and the rules in plain Python."""

import pytest
from plain import families

from mesasim import curriculum

CASES = [
    ("subset_sum", {}), ("subset_sum", {"target": "half"}), ("subset_sum", {"density": 2.0}),
    ("knapsack", {}), ("knapsack", {"correlation": "weakly_correlated"}),
    ("knapsack", {"correlation": "strongly_correlated", "capacity": 0.3}),
    ("knapsack", {"correlation": "inverse_strongly_correlated", "range": 50}),
    ("satisfiability", {}), ("satisfiability", {"k": 2, "ratio": 1.2}), ("satisfiability", {"planted": True, "ratio": 6.0}),
    ("satisfiability", {"k": 4, "ratio": 9.0}),
    ("colouring", {}), ("colouring", {"density": 0.25, "colours": 4}),
    ("colouring", {"density": 0.5, "colours": 4, "planted": True}), ("colouring", {"density": 0.6, "colours": 3}),
]  # fmt: skip


@pytest.fixture(params=CASES, ids=lambda case: ",".join([case[0], *(f"{k}={v}" for k, v in case[1].items())]))
def case(request):
    """(family's module, options)."""
    name, options = request.param
    return curriculum.FAMILIES[name], dict(options)


@pytest.fixture(scope="session")
def plain():
    """The families' rules and searches in plain Python."""
    return families
