"""What every scripted agent of Bandit-v0 has in common: its counts and its last pulls, kept in the carry; and chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mesasim.agents.base import Observation, ScriptedAgent


class Memory(NamedTuple):
    """What an agent has seen of the present task."""

    pulls: Tensor  # [N, arms]: times each arm was pulled
    sums: Tensor  # [N, arms]: rewards from each arm
    action: Tensor  # [N] int64: the last arm, -1 before the first pull
    reward: Tensor  # [N]: its reward
    recent_pulls: Tensor  # [N, window, arms]: the last pulls as one-hot rows, 0 where there was none yet
    recent_rewards: Tensor  # [N, window]


def refuse_nan(name: str, values: Tensor) -> Tensor:
    """The values as they came; ValueError where one is NaN, beside which the highest would be the first."""
    if bool(values.isnan().any()):
        raise ValueError(f"{name}: got NaN, allowed: numbers")
    return values


class BanditReference(ScriptedAgent):
    """Keeps the counts; subclasses write `choose`. Carry: pulls, reward sums [arms each], then the last `window` pulls
    and rewards. `pulls` is the length of an episode."""

    first_among_ties = False

    def __init__(self, arms: int, pulls: int, seed: int = 0, *, window: int = 0) -> None:
        for name, value, low in (("arms", arms, 2), ("pulls", pulls, 1)):
            if not isinstance(value, int) or value < low:
                raise ValueError(f"{name}: got {value!r}, allowed: integers from {low}")
        super().__init__(arms, 2 * arms + window * (arms + 1), seed)
        self.arms, self.pulls, self.window = arms, pulls, window

    def act(self, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        action, reward = obs["previous_action"][:, 0].long(), obs["previous_reward"][:, 0]
        pulled = torch.nn.functional.one_hot(action.clamp(min=0), self.arms) * (action >= 0)[:, None]
        pulls, sums, recent_pulls, recent_rewards = carry.split(
            [self.arms, self.arms, self.window * self.arms, self.window], dim=1
        )
        recent_pulls = torch.cat([recent_pulls, pulled], 1)[:, self.arms :] if self.window else recent_pulls
        recent_rewards = torch.cat([recent_rewards, reward[:, None]], 1)[:, 1:] if self.window else recent_rewards
        memory = Memory(
            pulls + pulled, sums + pulled * reward[:, None], action, reward,
            recent_pulls.unflatten(1, (self.window, self.arms)), recent_rewards,
        )  # fmt: skip
        return self.choose(memory), torch.cat([memory.pulls, memory.sums, recent_pulls, recent_rewards], dim=1)

    def choose(self, memory: Memory) -> Tensor:
        """The arm to pull, int64 [N]."""
        raise NotImplementedError

    def best(self, index: Tensor) -> Tensor:
        """An arm of the highest index [N, arms], int64 [N]; ValueError where one is NaN."""
        refuse_nan("index", index)
        if self.first_among_ties:
            return index.argmax(dim=1)
        lots = self.uniform(index.shape, index.device)
        return torch.where(index == index.amax(dim=1, keepdim=True), lots, -1.0).argmax(dim=1)

    def uniform(self, shape: Sequence[int], device: torch.device) -> Tensor:
        """Uniform draws from [0, 1) out of the agent's own generator, which lives on the CPU."""
        return torch.rand(tuple(shape), generator=self.generator).to(device)

    def random_arm(self, memory: Memory) -> Tensor:
        slots = memory.action.shape[0]
        return torch.randint(self.arms, (slots,), generator=self.generator).to(memory.action.device)

    def remaining(self, memory: Memory) -> Tensor:
        """Pulls left, int64 [N]; 0 at an episode's last observation, after which no pull counts."""
        left = self.pulls - memory.pulls.sum(dim=1).long()
        if bool((left < 0).any()):
            raise ValueError(f"pulls: got {self.pulls}, allowed: at least the length of an episode, which is longer")
        return left


class Random(BanditReference):
    """Every arm uniformly at random."""

    def choose(self, memory: Memory) -> Tensor:
        return self.random_arm(memory)
