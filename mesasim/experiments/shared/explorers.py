"""Agents of known nature that explore uniformly on some pulls of a bandit and then play a fixed function of what they saw, and
the regression that tells which function an agent came to play. Not an experiment itself."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mesasim.agents.base import Agent, Observation, Output


class Planted(Agent):
    """Carry: counts, sums [arms each], the last action and reward, pulls made; `policy(counts, sums, action, reward)` gives
    log-odds [N, arms] once adapt_pulls are made, from what was seen until then."""

    on_cpu = True

    def __init__(self, arms: int, adapt_pulls: int, policy: Callable[..., Tensor]) -> None:
        super().__init__()
        self.arms, self.adapt_pulls, self.policy = arms, adapt_pulls, policy

    def initial_carry(self, num_slots: int) -> Tensor:
        return torch.zeros(num_slots, 2 * self.arms + 3)

    def unroll(self, obs: Observation, is_first: Tensor, carry: Tensor) -> Output:
        rows = []
        for t in range(len(is_first)):
            carry = carry * ~is_first[t, :, None]
            action, reward = obs["previous_action"][t].long(), obs["previous_reward"][t]
            made = carry[:, -1:] + (action >= 0)
            hot = torch.nn.functional.one_hot(action[:, 0].clamp(min=0), self.arms) * (action >= 0)
            new = torch.cat([hot, hot * reward, action - carry[:, -3:-2], reward - carry[:, -2:-1], action >= 0], 1)
            exploring = made <= self.adapt_pulls
            carry = carry + new * exploring
            counts, sums, last_action, last_reward, _ = carry.split([self.arms, self.arms, 1, 1, 1], 1)
            decided = self.policy(counts, sums, last_action[:, 0].long().clamp(min=0), last_reward)
            rows.append(torch.where(carry[:, -1:] < self.adapt_pulls, 0.0, decided))
        logits = torch.stack(rows)
        return Output(logits, torch.zeros(logits.shape[:2]), carry)


def by_statistic(counts: Tensor, sums: Tensor, *_: Tensor) -> Tensor:
    """The sufficient statistic by hand, s - b n, as log-odds."""
    return sums - sums.sum(1, keepdim=True) / counts.sum(1, keepdim=True).clamp(min=1) * counts


def by_posterior_mean(counts: Tensor, sums: Tensor, *_: Tensor) -> Tensor:
    """Explore-then-commit: the best posterior mean, and nothing else."""
    return 1e4 * (sums + 1) / (counts + 2)


def by_last_reward(counts: Tensor, sums: Tensor, action: Tensor, reward: Tensor) -> Tensor:
    """A reflex: the last arm up if it paid, down if not."""
    return torch.nn.functional.one_hot(action, counts.shape[1]) * (4 * reward - 2)


def by_nothing(counts: Tensor, *_: Tensor) -> Tensor:
    return torch.zeros_like(counts)


PLANTED: dict[str, tuple[str, Callable[..., Tensor]]] = {
    "explore then commit": ("learner", by_posterior_mean),
    "statistic by hand": ("learner", by_statistic),
    "last reward alone": ("reflex", by_last_reward),
    "random": ("random", by_nothing),
}


def fit_to_statistic(change: Tensor, pulls: Tensor, sums: Tensor) -> float:
    """R^2 of the regression, over tasks and arms with one slope, of logits' change on the sufficient statistic
    s - b n = (1 - b) (s - b/(1-b) f), with b the task's own mean reward, s successes and f = n - s failures. All [N, arms];
    both sides have their mean over arms taken off, which no policy sees. 0 where nothing changes."""
    b = sums.sum(1, keepdim=True) / pulls.sum(1, keepdim=True)
    x, y = (v.double() - v.double().mean(1, keepdim=True) for v in (sums - b * pulls, change))
    if not y.square().sum():
        return 0.0
    return float((x * y).sum() ** 2 / (x.square().sum() * y.square().sum()))
