"""Exact values of the informative-arm bandit (Wang et al. 2016, "dependent arms II"; Bandit-v0's prior="informative"):
of `arms` arms the last pays (target + 1) / (arms - 1) and so says which of the others pays 5; the rest pay 1.

Until the target is found, all that matters is which ordinary arms are left. Trying one pays the same whichever it is, and
what the last arm will pay is higher the higher the numbers left, so an optimal policy tries the lowest first, and a state is
how many are left.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mesasim.exact.bandit import _integer

TARGET_PAYS = 5.0


@lru_cache(maxsize=8)
def _solve(arms: int, pulls: int) -> tuple[float, NDArray[np.bool_]]:
    ordinary = arms - 1
    value = np.zeros(ordinary + 1)  # [left]: reward to come with the target unknown among the `left` highest
    ask = np.zeros((pulls + 1, ordinary + 1), bool)
    left = np.arange(1, ordinary + 1)
    asked = (2 * ordinary - left + 1) / (2 * ordinary)  # what the last arm pays on average
    for remaining in range(1, pulls + 1):
        found = TARGET_PAYS * remaining
        tried = (found + (left - 1) * (1 + value[:-1])) / left
        by_asking = asked + TARGET_PAYS * (remaining - 1)
        ask[remaining, 1:] = by_asking > tried
        value = np.concatenate([[0.0], np.maximum(tried, by_asking)])
    return float(value[ordinary]), ask


def value(arms: int = 11, pulls: int = 5) -> float:
    """Bayes-optimal expected reward of an episode."""
    return _solve(_integer("arms", arms, 3), _integer("pulls", pulls, 1))[0]


def asks(arms: int = 11, pulls: int = 5) -> NDArray[np.bool_]:
    """Whether an optimal policy pulls the informative arm, bool [pulls + 1, arms]: by pulls remaining, then by how many
    ordinary arms may still be the target."""
    return _solve(_integer("arms", arms, 3), _integer("pulls", pulls, 1))[1]


def myopic_value(arms: int = 11, pulls: int = 5) -> float:
    """Expected reward of the policy that maximises the next reward, and of Thompson sampling with the true prior: the
    last arm never looks best (under any draw of the target), so they try the others in turn."""
    ordinary, pulls = _integer("arms", arms, 3) - 1, _integer("pulls", pulls, 1)
    tries = min(pulls, ordinary)
    found_at = np.arange(1, tries + 1)
    found = ((found_at - 1) + TARGET_PAYS * (pulls - found_at + 1)).sum() / ordinary
    return float(found + pulls * (ordinary - tries) / ordinary)


def random_value(arms: int = 11, pulls: int = 5) -> float:
    """Expected reward of arms drawn uniformly."""
    ordinary = _integer("arms", arms, 3) - 1
    return _integer("pulls", pulls, 1) * (TARGET_PAYS + (ordinary - 1) + (ordinary + 1) / (2 * ordinary)) / arms
