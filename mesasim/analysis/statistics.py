"""What a Bayes-optimal agent would keep, out of a world's oracle fields: the targets of probes, for any world."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Statistic = Callable[[dict[str, Tensor]], Tensor]  # oracle fields [tasks, T, *shape] → [tasks, T, D] float64


def oracle_field(name: str) -> Statistic:
    """A field as it is, flat."""

    def read(oracle: dict[str, Tensor]) -> Tensor:
        if name not in oracle:
            raise KeyError(f"statistic: got {name!r}, allowed: {', '.join(sorted(oracle))}")
        return oracle[name].flatten(2).double()

    return read


def log_odds(name: str) -> Statistic:
    """log(p / (1 - p)) of a field of probabilities, which must be within 0 and 1; they are held 1e-6 from both."""
    field = oracle_field(name)

    def read(oracle: dict[str, Tensor]) -> Tensor:
        p = field(oracle)
        if not bool(((p >= 0) & (p <= 1)).all()):
            raise ValueError(f"{name}: got values outside 0 to 1, allowed: probabilities")
        return torch.logit(p, eps=1e-6)

    return read


def bandit(alpha: float = 1.0, beta: float = 1.0) -> dict[str, Statistic]:
    """Bernoulli arms with Beta(alpha, beta) priors: pulls and successes of every arm, which together are sufficient, and
    the posterior mean they give."""

    def posterior_mean(oracle: dict[str, Tensor]) -> Tensor:
        pulls, successes = oracle["pull_counts"].double(), oracle["reward_sums"].double()
        return (alpha + successes) / (alpha + beta + pulls)

    return {
        "pulls": oracle_field("pull_counts"),
        "successes": oracle_field("reward_sums"),
        "posterior mean": posterior_mean,
    }
