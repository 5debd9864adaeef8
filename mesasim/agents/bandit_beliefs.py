"""What an agent that knows the prior believes about an arm's mean, from its pulls and reward sum. Tensors in, float64
out, all [N, arms]; draws come from the generator given, on the CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

PerArm = float | Sequence[float]  # a number for every arm, or one for each


def by_arm(given: PerArm, arms: int) -> tuple[float, ...]:
    """One number an arm."""
    return tuple(given) if isinstance(given, Sequence) else (given,) * arms


class Belief(Protocol):
    def mean(self, pulls: Tensor, sums: Tensor) -> Tensor:
        """Posterior mean."""

    def draw(self, pulls: Tensor, sums: Tensor, generator: torch.Generator) -> Tensor:
        """One draw from each arm's posterior."""

    def log_density(self, value: Tensor, pulls: Tensor, sums: Tensor) -> Tensor:
        """The posterior's log-density at `value`, up to a term that does not depend on it."""


class BetaBelief:
    """0/1 rewards and a Beta(alpha, beta) prior, one for all arms or (sequences) each arm its own; the default is
    uniform."""

    def __init__(self, alpha: PerArm = 1.0, beta: PerArm = 1.0) -> None:
        for name, given in (("alpha", alpha), ("beta", beta)):
            for value in by_arm(given, 1):
                _check_positive(**{name: value})
        self.alpha, self.beta = (torch.tensor(x, dtype=torch.float64) for x in (alpha, beta))

    def parameters(self, pulls: Tensor, sums: Tensor) -> tuple[Tensor, Tensor]:
        """Of the Beta posterior."""
        alpha, beta = self.alpha.to(sums.device), self.beta.to(sums.device)
        return alpha + sums.double(), beta + (pulls - sums).double()

    def mean(self, pulls: Tensor, sums: Tensor) -> Tensor:
        a, b = self.parameters(pulls, sums)
        return a / (a + b)

    def draw(self, pulls: Tensor, sums: Tensor, generator: torch.Generator) -> Tensor:
        a, b = (torch._standard_gamma(x.cpu(), generator=generator) for x in self.parameters(pulls, sums))
        return (a / (a + b)).to(sums.device)

    def log_density(self, value: Tensor, pulls: Tensor, sums: Tensor) -> Tensor:
        a, b = self.parameters(pulls, sums)
        return torch.special.xlogy(a - 1, value) + torch.special.xlog1py(b - 1, -value)


class NormalBelief:
    """Gaussian rewards of known spread around a mean with a normal prior (Bandit-v0's prior=normal)."""

    def __init__(self, prior_mean: float = 0.0, prior_std: float = 1.0, reward_std: float = 1.0) -> None:
        _check_positive(prior_std=prior_std, reward_std=reward_std)
        self.prior_mean, self.prior_std, self.reward_std = prior_mean, prior_std, reward_std

    def variance(self, pulls: Tensor) -> Tensor:
        """Of the posterior."""
        return 1 / (1 / self.prior_std**2 + pulls.double() / self.reward_std**2)

    def mean(self, pulls: Tensor, sums: Tensor) -> Tensor:
        evidence = self.prior_mean / self.prior_std**2 + sums.double() / self.reward_std**2
        return self.variance(pulls) * evidence

    def draw(self, pulls: Tensor, sums: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(pulls.shape, generator=generator, dtype=torch.float64).to(sums.device)
        return self.mean(pulls, sums) + self.variance(pulls).sqrt() * noise

    def log_density(self, value: Tensor, pulls: Tensor, sums: Tensor) -> Tensor:
        return -((value - self.mean(pulls, sums)) ** 2) / (2 * self.variance(pulls))


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < float("inf"):
            raise ValueError(f"{name}: got {value!r}, allowed: finite, above 0")
