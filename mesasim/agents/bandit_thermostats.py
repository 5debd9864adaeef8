"""Scripted agents of Bandit-v0 that react to the recent past and keep nothing of the task: what a learner must be above."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from mesasim.agents.bandit_base import BanditReference, Memory
from mesasim.agents.bandit_beliefs import BetaBelief
from mesasim.exact import last_outcome


class WinStayLoseShift(BanditReference):
    """Keeps the arm after a reward above `threshold`, else shifts: to another arm drawn uniformly, or with shift="next"
    to the next in a fixed cycle, the best memory of one known (mesasim.exact.bandit.memory_of_one)."""

    def __init__(self, arms: int, pulls: int, seed: int = 0, shift: str = "random", threshold: float = 0.5) -> None:
        if shift not in ("random", "next"):
            raise ValueError(f"shift: got {shift!r}, allowed: 'random', 'next'")
        super().__init__(arms, pulls, seed)
        self.shift, self.threshold = shift, threshold

    def choose(self, memory: Memory) -> Tensor:
        drawn = self.random_arm(memory)
        furthest = self.arms if self.shift == "random" else 2
        steps = torch.randint(1, furthest, drawn.shape, generator=self.generator).to(drawn.device)
        shifted = torch.where(memory.reward > self.threshold, memory.action, (memory.action + steps) % self.arms)
        return torch.where(memory.action < 0, drawn, shifted)


class LastTen(BanditReference):
    """With probability .9 the best arm of the last ten pulls, else an arm drawn uniformly: a thermostat of the present
    state that cannot tell one task from another (Nevan Wichers' objection). The best has the highest sum of rewards in
    the window, or with by="mean" the highest mean, where arms outside the window count as 0."""

    def __init__(self, arms: int, pulls: int, seed: int = 0, by: str = "sum") -> None:
        if by not in ("sum", "mean"):
            raise ValueError(f"by: got {by!r}, allowed: 'sum', 'mean'")
        super().__init__(arms, pulls, seed, window=10)
        self.by = by

    def choose(self, memory: Memory) -> Tensor:
        score = (memory.recent_pulls * memory.recent_rewards[:, :, None]).sum(dim=1)
        if self.by == "mean":
            score = score / memory.recent_pulls.sum(dim=1).clamp(min=1)
        explore = self.uniform(memory.action.shape, memory.action.device) < 0.1
        return torch.where(explore, self.random_arm(memory), self.best(score))


class RecentPosterior(BanditReference):
    """The arm of the highest posterior mean, (1 + successes) / (2 + pulls), as though there had been the last `window` pulls
    alone: by default ten, or a tenth of an episode shorter than 100. A window of much of the episode is a learner's memory:
    of five of ten pulls it makes more than greedy does of all of them."""

    def __init__(self, arms: int, pulls: int, seed: int = 0, window: int | None = None) -> None:
        super().__init__(arms, pulls, seed, window=max(1, min(10, pulls // 10)) if window is None else window)

    def choose(self, memory: Memory) -> Tensor:
        rewards = (memory.recent_pulls * memory.recent_rewards[:, :, None]).sum(dim=1)
        return self.best(BetaBelief().mean(memory.recent_pulls.sum(dim=1), rewards))


class ClockedReflex(BanditReference):
    """The best policy found that sees the last action, its reward and how many pulls were made, on independent arms with
    uniform priors (mesasim.exact.last_outcome.best_with_clock). ValueError where `clocked_fits` says no."""

    first_among_ties = True

    def __init__(self, arms: int, pulls: int, seed: int = 0) -> None:
        super().__init__(arms, pulls, seed)
        if not clocked_fits(arms, pulls):
            raise ValueError(f"arms, pulls: got {arms}, {pulls}, allowed: few enough to search for the policy")
        self.moves = _clocked(arms, pulls)

    def choose(self, memory: Memory) -> Tensor:
        made = memory.pulls.sum(dim=1).long().clamp(max=self.pulls - 1)
        moves = self.moves.to(memory.action.device)
        last = memory.action.clamp(min=0)
        return torch.where(memory.action < 0, 0, moves[made, last, (memory.reward > 0.5).long()])


CLOCKED_POINTS = 20_000  # of quadrature, with which the search takes about a second


def clocked_fits(arms: int, pulls: int) -> bool:
    """Whether ClockedReflex knows a policy: two arms to 281 pulls, three to 53, five to 13."""
    return (pulls // 2 + 1) ** arms <= CLOCKED_POINTS


@lru_cache(maxsize=16)
def _clocked(arms: int, pulls: int) -> Tensor:
    """Moves [pulls, arms, 2], int64."""
    return torch.from_numpy(last_outcome.best_with_clock(arms, pulls).policy)
