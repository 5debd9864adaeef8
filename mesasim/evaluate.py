"""An agent with frozen weights on tasks it has not seen → one record: every task's rewards, step by step. Imports no
training code. Who wants to see more of it, or to meddle with its carry, passes `watch`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mesasim import waits
from mesasim.agents.base import Agent, Observation
from mesasim.devices import check_device
from mesasim.integrity import weights_hash
from mesasim.vector import MesaVectorEnv

SLOTS_AT_ONCE = 16384
BYTES_AT_ONCE = 2 * 2**30  # a slot of a world with an exact oracle can be a megabyte, a carry with a plan in it 14
CARRIES_AT_WORK = 4  # an agent's present one, the next, and what it makes the next of


@dataclass
class Evaluation:
    """What one agent did. T is the longest episode; rewards after an episode's end are 0."""

    agent: str
    nature: str
    rewards: np.ndarray  # float32 [tasks, T]
    lengths: np.ndarray  # int64 [tasks]
    oracle: dict[str, np.ndarray]  # what the world knew at each episode's end: field → [tasks, *shape]
    hash_before: str
    hash_after: str
    cpu_seconds: float
    notes: list[str] = field(default_factory=list)
    trials: np.ndarray | None = (
        None  # int64 [T], each step's trial, from 0; None: each step is one, or they differ by task
    )

    @property
    def rewards_by_trial(self) -> np.ndarray:
        """Reward of each trial that is paid in some task, [tasks, trials]; each step's where `trials` is None."""
        if self.trials is None:
            return self.rewards
        starts = np.flatnonzero(np.diff(self.trials, prepend=-1))
        summed = np.add.reduceat(self.rewards, starts, axis=1, dtype=np.float64)
        return summed[:, (summed != 0).any(axis=0)]

    @property
    def returns(self) -> np.ndarray:
        return self.rewards.sum(axis=1, dtype=np.float64)

    @property
    def frozen(self) -> bool:
        return self.hash_before == self.hash_after


class Moment(NamedTuple):
    """One step of the N slots under way, before their actions are taken. Observation and oracle are the environment's own
    memory, written again by its next step: copy what is to be kept."""

    first: int  # the number of slot 0's task
    step: int
    obs: Observation  # field → [N, *shape]
    oracle: dict[str, Tensor]  # field → [N, *shape], what the world knows now
    running: Tensor  # [N] bool: the episode is not over
    logits: Tensor  # [N, actions]
    action: Tensor  # [N] int64
    carry: Tensor  # [N, width], this observation taken in


Watch = Callable[[Moment], Tensor | None]  # a tensor returned is the carry to go on with


def evaluate_agent(
    agent: Agent,
    name: str,
    nature: str,
    *,
    world: str,
    options: dict[str, Any],
    tasks: int,
    seed: int,
    num_threads: int | None = None,
    sample_actions: bool = False,
    watch: Watch | None = None,
    device: str | torch.device = "cpu",
) -> Evaluation:
    """Runs the first episode of slots 0 … tasks-1 of `seed`: every agent evaluated with one seed meets the same tasks.

    `sample_actions`: draw actions from the policy instead of taking the likeliest.
    `watch`: called at every step with what the agent saw and did; it may return another carry [N, width] for the agent to
    go on with from the next step.
    `device`: where world and agent are; the tasks are the same on all. The agent goes there and comes back to the CPU; one that
        is written for the CPU alone plays there. Sampled actions differ from device to device, as torch's generators do.
    Raises RuntimeError if a weight changed on the way, or if the device cannot be used.
    """
    there = check_device(device)
    if agent.on_cpu:
        there = torch.device("cpu")
    if tasks < 1:
        raise ValueError(f"tasks: got {tasks}, allowed: at least 1")
    before, started = weights_hash(agent), time.process_time()
    parts: list[Part] = []
    one = MesaVectorEnv(world, 1, history=True, oracle=True, num_threads=1, **options)
    carry = agent.initial_carry(1)
    carried = CARRIES_AT_WORK * carry.numel() * carry.element_size()
    at_once = max(1, min(SLOTS_AT_ONCE, BYTES_AT_ONCE // one.buffers.bytes_per_slot, BYTES_AT_ONCE // max(1, carried)))
    with torch.no_grad(), placed(agent, there):
        for first in range(0, tasks, at_once):
            slots = min(at_once, tasks - first)
            env = MesaVectorEnv(
                world, slots, seed=seed, first_slot=first, history=True, oracle=True, num_threads=num_threads,
                device=there, **options,
            )  # fmt: skip
            generator = torch.Generator(there).manual_seed(seed + first)
            parts.append(_first_episodes(agent, env, generator, sample_actions, watch))
    after = weights_hash(agent)
    if before != after:
        raise RuntimeError(f"{name}: its weights changed during evaluation ({before[:12]} → {after[:12]})")
    longest = max(part[0].shape[1] for part in parts)
    rewards = np.concatenate([np.pad(part[0], ((0, 0), (0, longest - part[0].shape[1]))) for part in parts])
    lengths = np.concatenate([part[1] for part in parts])
    oracle = {key: np.concatenate([part[2][key] for part in parts]) for key in parts[0][2]}
    spent = time.process_time() - started
    return Evaluation(name, nature, rewards, lengths, oracle, before, after, spent, trials=_trials(parts, longest))


@contextmanager
def placed(agent: Agent, device: torch.device) -> Iterator[None]:
    """The agent on a device, and on the CPU again, where all that is kept of a run is measured."""
    if device.type == "cpu":
        yield
        return
    agent.to(device)
    try:
        yield
    finally:
        agent.cpu()


def _trials(parts: list[Part], steps: int) -> np.ndarray:
    """Each step's trial where they are the same in every task; else the whole episode as one."""
    starts = parts[0].starts
    if starts is None or any(part.starts is None or not np.array_equal(part.starts, starts) for part in parts):
        return np.zeros(steps, np.int64)
    return np.cumsum(starts) - 1


class Part(NamedTuple):
    """Some of the tasks."""

    rewards: np.ndarray  # [tasks, T]
    lengths: np.ndarray  # [tasks]
    oracle: dict[str, np.ndarray]
    starts: np.ndarray | None  # [T] bool: a trial begins; None where tasks differ in that


def _first_episodes(
    agent: Agent, env: MesaVectorEnv, generator: torch.Generator, sample_actions: bool, watch: Watch | None
) -> Part:
    env.reset()
    slots, device = env.num_envs, env.device
    groups = env.buffers.group
    carry = agent.initial_carry(slots)
    is_first = torch.ones(1, slots, dtype=torch.bool, device=device)
    running = torch.ones(slots, dtype=torch.bool, device=device)
    lengths = torch.zeros(slots, dtype=torch.int64, device=device)
    final = {name: tensor.clone() for name, tensor in groups["oracle"].items()}
    rewards: list[Tensor] = []
    starts: list[Tensor] = []
    while waits.any_left(running, len(rewards), throwaway=watch is None):
        starts.append(groups["observation"]["trial_start"][:, 0].bool() | is_first[0])
        obs = {name: tensor.unsqueeze(0) for name, tensor in groups["observation"].items()}
        if agent.needs_oracle:
            obs |= {f"oracle/{name}": tensor.unsqueeze(0) for name, tensor in groups["oracle"].items()}
        logits, _, carry = agent.unroll(obs, is_first, carry)
        scores = logits[0]
        if sample_actions:
            scores = scores - torch.empty_like(scores).exponential_(generator=generator).log()
        action = scores.argmax(dim=-1)
        if watch is not None:
            shown = groups["observation"], groups["oracle"], running
            changed = watch(Moment(env.first_slot, len(rewards), *shown, logits[0], action, carry))
            carry = carry if changed is None else changed
        _, reward, terminated, truncated, _ = env.step(action)
        rewards.append(reward * running)
        lengths += running
        for name, tensor in groups["oracle"].items():
            final[name] = torch.where(running.view(-1, *[1] * (tensor.ndim - 1)), tensor, final[name])
        is_first = (terminated | truncated).unsqueeze(0)  # of the next observation, which no finished slot's score uses
        running &= ~is_first[0]
    lengths, begun, paid = (waits.read(found) for found in (lengths, torch.stack(starts), torch.stack(rewards, dim=1)))
    longest = int(lengths.max())
    begun = begun[:longest]
    alike = bool((begun == begun[:, :1]).all()) and bool((lengths == lengths[0]).all())
    return Part(
        paid[:, :longest].contiguous().numpy(), lengths.numpy(), {n: waits.read(t).numpy() for n, t in final.items()},
        begun[:, 0].numpy() if alike else None,
    )  # fmt: skip
