"""Fills [T, N] tensors from an environment and an agent, by unroll with T = 1. Nothing in a step looks at a value on a GPU,
so that the host runs ahead of it, or records the step once and replays it (recording.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mesasim import waits
from mesasim.agents.base import Agent, Observation
from mesasim.machine import check_room
from mesasim.train.clock import Clock
from mesasim.train.distributed import ALONE, Ranks
from mesasim.train.recording import Recorder
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
    reward: Tensor  # [T, N] what the learner is told; at a truncation with the discounted value of what was cut off
    done: Tensor  # [T, N] bool: the episode ended with this step
    last_value: Tensor  # [N] value of the observation after the last step
    first_carry: Tensor  # [N, width] carry before row 0


class Cuts(NamedTuple):
    """What the values of truncated episodes are computed from after the rollout, where no step may ask whether there is one.

    A slot's truncations lie max_episode_steps apart, so that R = ceil(T / max_episode_steps) rows hold all of them. Every step
    writes the row of the slot's next one: what was no truncation is written over, after the R-th in a row to spare."""

    truncated: Tensor  # [T, N] bool
    cut: Tensor  # [N] int64: a slot's truncations so far
    obs: Observation  # field → [R + 1, N, *shape]: an episode's last
    oracle: Observation
    carry: Tensor  # [R + 1, N, width]

    def put(self, truncated: Tensor, obs: Observation, oracle: Observation, carry: Tensor) -> None:
        """What a step ended with, each [N, …]."""
        rows = self.cut, torch.arange(len(self.cut), device=self.cut.device)
        for kept, given in ((self.obs, obs), (self.oracle, oracle), ({"": self.carry}, {"": carry})):
            for name, tensor in kept.items():
                tensor[rows] = given[name]
        self.cut.add_(truncated)

    def rows_of(self, where: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """(row, slot) in `obs`, `oracle`, `carry` of the truncations at (steps, slots)."""
        return self.truncated.cumsum(0)[where] - 1, where[1]


class Standing(NamedTuple):
    """What goes from one step to the next."""

    carry: Tensor  # [N, width]
    is_first: Tensor  # [N] bool
    withheld: Tensor  # [N]: told at the episode's end


class Row:
    """One row of a rollout's tensors, by number, or by an index tensor [1] that a recorded step finds moved on."""

    def __init__(self, index: int | Tensor) -> None:
        self.index = index

    def put(self, rows: Tensor, value: Tensor) -> None:
        if isinstance(self.index, int):
            rows[self.index] = value
        else:
            rows.index_copy_(0, self.index, value.unsqueeze(0))


def sample(logits: Tensor, generator: torch.Generator, ranks: Ranks = ALONE) -> Tensor:
    """One action a row from softmax(logits), by the Gumbel-max rule."""
    noise = ranks.part(ranks.room_for_all(logits).exponential_(generator=generator))
    return (logits - noise.log()).argmax(dim=-1)


class Collector:
    """Steps one environment with one agent, remembering between rollouts where both stand. The environment resets
    itself in the same step (SameStep), so that every row is a real transition.

    Args:
        at_end: what the outer learner is told of an episode is withheld and handed out in sum with its last step.
        regret: it is told minus the increase of the oracle's expected_regret, not the reward.
        recorder: records the step. Every rollout, and where both stand, is then in the same memory as the one before.
        clock: told of the parts `simulator` and `forward`.
        ranks: whose slots the environment has.
    """

    def __init__(
        self, env: MesaVectorEnv, agent: Agent, critic: nn.Module, generator: torch.Generator, *, at_end: bool = False,
        regret: bool = False, recorder: Recorder | None = None, clock: Clock | None = None, ranks: Ranks = ALONE,
    ) -> None:  # fmt: skip
        self.env, self.agent, self.critic, self.generator = env, agent, critic, generator
        self.carry = agent.initial_carry(env.num_envs)
        self.is_first = torch.ones(env.num_envs, dtype=torch.bool, device=env.device)
        self.at_end, self.withheld = at_end, torch.zeros(env.num_envs, device=env.device)
        self.regret = regret
        self.recorder = recorder
        self.ranks = ranks
        self.clock = clock or Clock(env.device)
        self.block: tuple[Rollout, Cuts | None] | None = None  # the memory of a recorded rollout
        # Shown is_first [N] and the carry before and after each step; changes nothing. Not with a recorder.
        self.watch: Callable[[Tensor, Tensor, Tensor], None] | None = None

    @torch.no_grad()
    def collect(self, steps: int, discount: float) -> Rollout:
        if self.recorder is None:
            rollout, cuts = self._room(steps)
            rollout.first_carry = self.carry
            for t in range(steps):
                self._stand(self._step(rollout, cuts, Row(t), discount))
        else:
            rollout, cuts = self._replay(self.recorder, steps, discount)
        if cuts is not None:
            self._tell_of(cuts, rollout, discount)
        rollout.last_value = self._value_of("", Standing(self.carry, self.is_first, self.withheld))
        return rollout

    def _stand(self, now: Standing) -> None:
        self.carry, self.is_first, self.withheld = now

    def _replay(self, recorder: Recorder, steps: int, discount: float) -> tuple[Rollout, Cuts | None]:
        if self.watch is not None:
            raise ValueError("watch: got a function with recorded steps, allowed: None; train with cuda_graphs='off'")
        if self.block is None or len(self.block[0].action) != steps:
            recorder.forget()
            self.block = self._room(steps)
        rollout, cuts = self.block
        if cuts is not None:
            cuts.cut.zero_()
        self._stand(Standing(*(recorder.keep(name, getattr(self, name)) for name in Standing._fields)))
        rollout.first_carry = recorder.keep("first carry", self.carry)
        index = recorder.keep("row", torch.zeros(1, dtype=torch.int64, device=self.env.device))

        def step() -> None:
            now = self._step(rollout, cuts, Row(index), discount)
            for name, value in now._asdict().items():
                getattr(self, name).copy_(value)
            index.add_(1)

        for _ in range(steps):
            recorder.run("step", step)
        self.env.check()
        return rollout, cuts

    def check_room(self, steps: int) -> None:
        """ValueError where a rollout of so many steps would not fit in memory."""
        groups = self.env.buffers.group
        seen = [*groups["observation"].values(), *groups.get("oracle", {}).values()]
        of_a_step = sum(field.nbytes for field in seen) + self.env.num_envs * (3 + 4 * 4 + 8)  # flags, numbers, actions
        check_room("rollout_steps", f"{steps} with num_envs={self.env.num_envs}", steps * of_a_step, self.env.device)

    def _room(self, steps: int) -> tuple[Rollout, Cuts | None]:
        """Memory for a rollout."""
        slots, device, group = self.env.num_envs, self.env.device, self.env.buffers.group

        def rows(named: Observation, count: int = steps) -> Observation:
            return {name: torch.empty((count, *t.shape), dtype=t.dtype, device=device) for name, t in named.items()}

        is_first, done, truncated = torch.empty((3, steps, slots), dtype=torch.bool, device=device)
        log_prob, value, earned, reward = torch.empty((4, steps, slots), device=device)
        action = torch.empty((steps, slots), dtype=torch.int64, device=device)
        rollout = Rollout(
            rows(group["observation"]), rows(group.get("oracle", {})), is_first, action, log_prob, value, earned, reward,
            done, value[0], self.carry,
        )  # fmt: skip
        if not self.env.max_episode_steps or waits.readable(done):
            return rollout, None
        room = -(-steps // self.env.max_episode_steps) + 1
        final = rows(group["final_observation"], room), rows(group.get("final_oracle", {}), room)
        cut = torch.zeros(slots, dtype=torch.int64, device=device)
        return rollout, Cuts(truncated, cut, *final, torch.empty((room, *self.carry.shape), device=device))

    def _step(self, rollout: Rollout, cuts: Cuts | None, row: Row, discount: float) -> Standing:
        """One row: what is seen, what is done, what comes of it."""
        env, core = self.env, self.env.buffers.group["core"]
        seen, known = env.buffers.group["observation"], env.buffers.group.get("oracle", {})
        for name, tensor in seen.items():
            row.put(rollout.obs[name], tensor)
        for name, tensor in known.items():
            row.put(rollout.oracle[name], tensor)
        row.put(rollout.is_first, self.is_first)
        with self.clock.part("forward"):
            out = self.agent.unroll(_one_step(seen), self.is_first.unsqueeze(0), self.carry)
        if self.watch is not None:
            self.watch(self.is_first, self.carry, out.carry)
        action = sample(out.logits[0], self.generator, self.ranks)
        row.put(rollout.action, action)
        log_probs = out.logits[0].t().contiguous().log_softmax(0)  # of few actions faster than along the last dimension
        row.put(rollout.log_prob, log_probs.gather(0, action[None]).squeeze(0))
        row.put(rollout.value, self.critic(out.value, _one_step(known))[0])
        lost = known[REGRET].clone() if self.regret else None
        with self.clock.part("simulator"):
            env.actions.copy_(action)
            env.launch(env.actions)
        done, truncated = core["terminated"] | core["truncated"], core["truncated"]
        row.put(rollout.done, done)
        row.put(rollout.earned, core["reward"])
        told = core["reward"] if lost is None else self._value_lost(lost, done).neg()
        withheld = self.withheld
        if self.at_end:
            withheld = withheld + told
            told, withheld = withheld * done, withheld * ~done
        now = Standing(out.carry, done, withheld)
        if cuts is not None:
            row.put(cuts.truncated, truncated)
            group = env.buffers.group
            cuts.put(truncated, group["final_observation"], group.get("final_oracle", {}), out.carry)
        elif env.max_episode_steps and truncated.any():
            told = told + discount * truncated * self._value_of("final_", now._replace(is_first=torch.zeros_like(done)))
        row.put(rollout.reward, told)
        return now

    def _value_lost(self, before: Tensor, done: Tensor) -> Tensor:
        """By the last step, [N]: the regret of the episode it belonged to, since `before` [N, 1]."""
        group = self.env.buffers.group
        after = torch.where(done[:, None], group["final_oracle"][REGRET], group["oracle"][REGRET])
        return (after - before).squeeze(1)

    def _value_of(self, which: str, now: Standing) -> Tensor:
        """Value [N] of the present observation ("") or of the one that ended an episode ("final_")."""
        group = self.env.buffers.group
        obs, oracle = _one_step(group[f"{which}observation"]), _one_step(group.get(f"{which}oracle", {}))
        return self.critic(self.agent.unroll(obs, now.is_first.unsqueeze(0), now.carry).value, oracle)[0]

    def _tell_of(self, cuts: Cuts, rollout: Rollout, discount: float) -> None:
        """Adds to the rewards the discounted value of what truncations cut off, all of them as one batch."""
        where = waits.places(cuts.truncated)
        if not len(where[0]):
            return
        rows = cuts.rows_of(where)
        obs, oracle = (_one_step({name: t[rows] for name, t in kept.items()}) for kept in (cuts.obs, cuts.oracle))
        not_first = torch.zeros((1, len(where[0])), dtype=torch.bool, device=self.env.device)
        value = self.critic(self.agent.unroll(obs, not_first, cuts.carry[rows]).value, oracle)[0]
        rollout.reward[where] += discount * value


def _one_step(named: Observation) -> Observation:
    """field → [1, N, *shape] of field → [N, *shape]."""
    return {name: tensor.unsqueeze(0) for name, tensor in named.items()}
