"""Fills [T, N] tensors from an environment and an agent, by unroll with T = 1."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mesasim.agents.base import Agent, Observation
from mesasim.vector import MesaVectorEnv

REGRET = "expected_regret"  # of worlds whose oracle knows it: the value lost to the episode's actions so far


@dataclass
class Rollout:
    """A block of experience. Row t: what was seen, done and got at step t."""

    obs: Observation  # field → [T, N, *shape]
    oracle: Observation  # the same of the oracle's fields, where the critic sees them; else empty
    is_first: Tensor  # [T, N] bool: the observation is an episode's first
    action: Tensor  # [T, N] int64
    log_prob: Tensor  # [T, N] of the action, when it was taken
    value: Tensor  # [T, N]
    earned: Tensor  # [T, N] the world's rewards
    reward: (
        Tensor  # [T, N] what the outer learner is told; at a truncation, with the discounted value of what was cut off
    )
    done: Tensor  # [T, N] bool: the episode ended with this step
    last_value: Tensor  # [N] value of the observation after the last step
    first_carry: Tensor  # [N, width] carry before row 0


def sample(logits: Tensor, generator: torch.Generator) -> Tensor:
    """One action a row from softmax(logits), by the Gumbel-max rule."""
    noise = torch.empty_like(logits).exponential_(generator=generator)
    return (logits - noise.log()).argmax(dim=-1)


class Collector:
    """Steps one environment with one agent, remembering between rollouts where both stand. The environment resets
    itself in the same step (SameStep), so that every row is a real transition.

    Args:
        at_end: what the outer learner is told of an episode is withheld and handed out in sum with its last step.
        regret: it is told minus the increase of the oracle's expected_regret, not the reward.
    """

    def __init__(
        self, env: MesaVectorEnv, agent: Agent, critic: nn.Module, generator: torch.Generator, *, at_end: bool = False,
        regret: bool = False,
    ) -> None:  # fmt: skip
        self.env, self.agent, self.critic, self.generator = env, agent, critic, generator
        self.carry = agent.initial_carry(env.num_envs)
        self.is_first = torch.ones(env.num_envs, dtype=torch.bool, device=env.device)
        self.at_end, self.withheld = at_end, torch.zeros(env.num_envs, device=env.device)
        self.regret = regret
        self.simulator_seconds = self.agent_seconds = 0.0  # of the last rollout, inside env.step and agent.unroll
        # Shown is_first [N] and the carry before and after each step; changes nothing.
        self.watch: Callable[[Tensor, Tensor, Tensor], None] | None = None

    @torch.no_grad()
    def collect(self, steps: int, discount: float) -> Rollout:
        env, slots, device = self.env, self.env.num_envs, self.env.device
        seen = env.buffers.group["observation"]
        known = env.buffers.group.get("oracle", {})
        obs, oracle = (
            {name: torch.empty((steps, *t.shape), dtype=t.dtype, device=device) for name, t in group.items()}
            for group in (seen, known)
        )
        flags = torch.empty((3, steps, slots), dtype=torch.bool, device=device)
        is_first, done, _ = flags
        numbers = torch.empty((4, steps, slots), device=device)
        log_prob, value, earned, reward = numbers
        action = torch.empty((steps, slots), dtype=torch.int64, device=device)
        first_carry = self.carry
        self.simulator_seconds = self.agent_seconds = 0.0
        for t in range(steps):
            for name, tensor in seen.items():
                obs[name][t] = tensor
            for name, tensor in known.items():
                oracle[name][t] = tensor
            is_first[t] = self.is_first
            asked = time.perf_counter()
            out = self.agent.unroll({name: o[t : t + 1] for name, o in obs.items()}, is_first[t : t + 1], self.carry)
            self.agent_seconds += time.perf_counter() - asked
            if self.watch is not None:
                self.watch(self.is_first, self.carry, out.carry)
            self.carry = out.carry
            action[t] = sample(out.logits[0], self.generator)
            log_prob[t] = out.logits[0].log_softmax(-1).gather(1, action[t, :, None]).squeeze(1)
            value[t] = self.critic(out.value, {name: o[t : t + 1] for name, o in oracle.items()})[0]
            stepped = time.perf_counter()
            _, earned[t], terminated, truncated, _ = env.step(action[t])
            self.simulator_seconds += time.perf_counter() - stepped
            self.is_first = done[t] = terminated | truncated
            reward[t] = self._value_lost(oracle[REGRET][t]).neg() if self.regret else earned[t]
            if self.at_end:
                self.withheld = self.withheld + reward[t]
                reward[t] = self.withheld * done[t]
                self.withheld = self.withheld * ~done[t]
            if truncated.any():
                reward[t] += discount * truncated * self._value_of("final_")
        last_value = self._value_of("", self.is_first)
        return Rollout(obs, oracle, is_first, action, log_prob, value, earned, reward, done, last_value, first_carry)

    def _value_lost(self, before: Tensor) -> Tensor:
        """By the last step, [N]: the regret of the episode it belonged to, since `before` [N, 1]."""
        group = self.env.buffers.group
        after = torch.where(self.is_first[:, None], group["final_oracle"][REGRET], group["oracle"][REGRET])
        return (after - before).squeeze(1)

    def _value_of(self, which: str, is_first: Tensor | None = None) -> Tensor:
        """Value of the present observation ("") or of the one that ended an episode ("final_")."""
        first = torch.zeros_like(self.is_first) if is_first is None else is_first
        group = self.env.buffers.group
        obs = {name: tensor.unsqueeze(0) for name, tensor in group[f"{which}observation"].items()}
        oracle = {name: tensor.unsqueeze(0) for name, tensor in group.get(f"{which}oracle", {}).items()}
        return self.critic(self.agent.unroll(obs, first.unsqueeze(0), self.carry).value, oracle)[0]
