"""The Agent contract. A network, a window and a scripted policy all answer to it, so that a trainer or an evaluator
never asks which it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

Observation = dict[str, Tensor]  # field name → [T, N, *field.shape]


class Output(NamedTuple):
    logits: Tensor  # [T, N, actions] float32: log-odds of each action
    value: Tensor  # [T, N] float32: expected discounted reward to come (0 for agents without a critic)
    carry: Tensor  # [N, width]: what the agent keeps for its next call


class Agent(nn.Module):
    """`initial_carry(n)` and `unroll(obs[T,N], is_first[T,N], carry)`; one forward path for rollout (T=1) and update.

    The carry of slot n is cleared inside `unroll` wherever `is_first[t, n]`, before the observation of step t is used,
    and nowhere else.
    """

    needs_oracle: bool = False  # whether obs must also hold the world's oracle fields (reference agents only)
    # Whether it is written for the CPU alone (reference agents); its tasks are the same bits there
    on_cpu: bool = False
    runs_between_starts: bool = False  # whether `unroll_from` is faster for knowing at which steps episodes start

    def initial_carry(self, num_slots: int) -> Tensor:
        """A cleared carry, [num_slots, width] (width 0 for an agent without memory)."""
        raise NotImplementedError

    def unroll(self, obs: Observation, is_first: Tensor, carry: Tensor) -> Output:
        """Actions' log-odds and values along T steps of N slots; `is_first` is bool [T, N]."""
        raise NotImplementedError

    def unroll_from(self, obs: Observation, is_first: Tensor, carry: Tensor, starts: Sequence[int] | None) -> Output:
        """`unroll`, told the steps of which alone `is_first` may hold anywhere (None: unknown). Values differ in rounding."""
        return self.unroll(obs, is_first, carry)


class ScriptedAgent(Agent):
    """A policy with a known nature. Subclasses write `act`, one step at a time, on a carry they lay out themselves;
    the logits are 0 for the action chosen and -inf for the others, so that sampling and argmax agree."""

    on_cpu = True

    def __init__(self, num_actions: int, carry_width: int, seed: int = 0) -> None:
        super().__init__()
        self.num_actions, self.carry_width = num_actions, carry_width
        self.generator = torch.Generator().manual_seed(seed)

    def initial_carry(self, num_slots: int) -> Tensor:
        return torch.zeros(num_slots, self.carry_width)

    def act(self, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        """One step: obs[field] is [N, *shape], carry [N, width] (already cleared where an episode starts).
        Returns the actions chosen, int64 [N], and the new carry."""
        raise NotImplementedError

    def unroll(self, obs: Observation, is_first: Tensor, carry: Tensor) -> Output:
        logits = []
        for t in range(is_first.shape[0]):
            carry = torch.where(is_first[t, :, None], self.initial_carry(carry.shape[0]).to(carry), carry)
            action, carry = self.act({name: field[t] for name, field in obs.items()}, carry)
            one_hot = torch.full((action.shape[0], self.num_actions), -torch.inf, device=action.device)
            logits.append(one_hot.scatter(1, action[:, None], 0.0))
        stacked = torch.stack(logits)
        return Output(stacked, torch.zeros(stacked.shape[:2], device=stacked.device), carry)


class OracleFollower(ScriptedAgent):
    """Takes the first action the world's oracle calls optimal (`optimal_actions`): the ceiling, whatever the objective."""

    needs_oracle = True

    def __init__(self, num_actions: int, seed: int = 0) -> None:
        super().__init__(num_actions, 0, seed)

    def act(self, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        return obs["oracle/optimal_actions"].float().argmax(dim=1), carry
