"""Does an agent use what its carry holds? Edits of a decoded statistic, memories replaced by what a Bayes-optimal agent would
keep, and carries transplanted between tasks. What can be read out of a carry need not be used: only these tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mesasim.agents.base import Agent
from mesasim.analysis.carries import Record, observed
from mesasim.analysis.probing import LinearMap
from mesasim.evaluate import Evaluation, Moment, evaluate_agent
from mesasim.metrics import Estimate, beyond_doubt, estimate

DIRECTIONS = 8  # random directions an edit is held against
USED_FROM = 0.05  # of the scripted agent's effect


@torch.no_grad()
def next_policy(agent: Agent, lived: Record, step: int, carry: Tensor) -> Tensor:
    """Probabilities of the actions at `step` + 1, [tasks, actions], had the agent then the carry given, [tasks, width], and
    saw what it saw: any agent's output under another memory, without asking how it is built."""
    if not 0 <= step < lived.running.shape[1] - 1 or not bool(lived.running[:, step + 1].all()):
        raise ValueError(f"step: got {step}, allowed: from 0, such that no episode is over by the next step")
    if carry.shape != lived.carry[:, step].shape:
        raise ValueError(f"carry: got shape {tuple(carry.shape)}, allowed: {tuple(lived.carry[:, step].shape)}")
    started = torch.zeros(1, len(carry), dtype=torch.bool)
    out = agent.unroll(observed(agent, lived, step + 1), started, carry.to(lived.carry.dtype))
    return out.logits[0].double().softmax(dim=-1)


@dataclass(frozen=True)
class Edit:
    """What an edit of a decoded statistic did to the probability of an action, over tasks."""

    effect: Estimate  # probability after minus before
    random: Estimate  # the same for random directions of equal length, DIRECTIONS a task
    specific: Estimate  # effect minus random, paired by task: 0 for an agent that does not use the statistic
    length: float  # mean length of the change of the carry, as a share of the carry's spread over tasks
    tasks: int

    def used(self, ceiling: float) -> bool:
        """Whether the action follows the edit: beyond doubt more than under random directions, and by USED_FROM or more of
        what it does to a scripted agent that keeps the statistic and acts on it (`ceiling`, of the same sign as the effect
        expected). The second half is for networks that are moved by next to nothing, but surely."""
        sign = 1.0 if ceiling > 0 else -1.0
        share = self.specific.mean / ceiling
        return share >= USED_FROM and beyond_doubt(self.specific._replace(mean=sign * self.specific.mean))


def edit(reading: LinearMap, writing: LinearMap, change: Tensor) -> Tensor:
    """The change of the carry, [tasks, width], after which `reading` (carry → statistics) finds the statistics changed by
    `change` [tasks, D], made of the directions in which `writing` (statistics → carry) says the carry moves with them: so the
    edited carry stays among those the agent has. What no task's statistics do together is left out: where pulls make up the
    step, three more of one arm are taken from all arms alike."""
    decoded = writing.weight @ reading.weight  # [D, D]: what is read after a unit of each statistic is written
    return change.double() @ torch.linalg.pinv(decoded, rtol=1e-3) @ writing.weight


def causal_edit(
    agent: Agent,
    lived: Record,
    step: int,
    moved: Tensor,
    action: Tensor,
    *,
    seed: int = 0,
    directions: int = DIRECTIONS,
) -> Edit:
    """How far the probability of `action` (int64 [tasks]) at the next step moves with the carry at `step` moved by `moved`
    [tasks, width], against random directions of the same length."""
    generator = torch.Generator().manual_seed(seed)
    carry = lived.carry[:, step].double()

    def of_action(changed: Tensor) -> Tensor:
        return next_policy(agent, lived, step, changed).gather(1, action[:, None]).squeeze(1)

    before = of_action(carry)
    effect = of_action(carry + moved) - before
    length = moved.norm(dim=1, keepdim=True)
    chance = torch.zeros_like(effect)
    for _ in range(directions):
        direction = torch.randn(moved.shape, generator=generator, dtype=torch.float64)
        direction *= length / direction.norm(dim=1, keepdim=True).clamp(min=1e-300)
        chance += (of_action(carry + direction) - before) / directions
    spread = (carry - carry.mean(dim=0)).norm(dim=1).mean().clamp(min=1e-300)
    found, by_chance, specific = (estimate(x.numpy()) for x in (effect, chance, effect - chance))
    return Edit(found, by_chance, specific, float(length.mean() / spread), len(effect))


@dataclass(frozen=True)
class OutputMatch:
    """An agent's next policy from a mapped carry against its own."""

    agreement: Estimate  # share of tasks with the same likeliest action
    divergence: Estimate  # KL(own ‖ from the mapped carry), nats
    divergence_of_others: Estimate  # the same from another task's statistics: what a map that carries nothing gives


def outputs_after_mapping(agent: Agent, lived: Record, step: int, mapped: Tensor, others: Tensor) -> OutputMatch:
    """Mikulik et al. 2020: run one agent from the image of the other's state, and compare what it puts out.

    Args:
        mapped: [tasks, width] carries made of the statistics at `step`; others: likewise, of other tasks' statistics."""
    own = next_policy(agent, lived, step, lived.carry[:, step])
    found, strange = (next_policy(agent, lived, step, carry) for carry in (mapped, others))

    def divergence(policy: Tensor) -> Estimate:
        held = policy.clamp(min=1e-12)  # a scripted agent gives probability 0
        return estimate((torch.special.xlogy(own, own) - own * held.log()).sum(dim=1).numpy())

    agreement = (own.argmax(dim=1) == found.argmax(dim=1)).double()
    return OutputMatch(estimate(agreement.numpy()), divergence(found), divergence(strange))


def play_with_memory(
    agent: Agent,
    name: str,
    nature: str,
    memory: Callable[[Moment], Tensor],
    *,
    world: str,
    options: dict[str, Any],
    tasks: int,
    seed: int,
    num_threads: int | None = None,
    sample_actions: bool = False,
) -> Evaluation:
    """Whole episodes in which the carry is replaced at every step by `memory(moment)`, say the image of the exact statistics:
    an agent whose memory is no more than those plays on as well as before."""
    return evaluate_agent(
        agent, name, nature, world=world, options=options, tasks=tasks, seed=seed, num_threads=num_threads,
        sample_actions=sample_actions, watch=lambda moment: memory(moment).to(moment.carry.dtype),
    )  # fmt: skip


@dataclass(frozen=True)
class Transplant:
    """Preference of donor over host: [share of actions that are right in the donor's task minus share that are right in
    the host's] / 2, after the step of the transplant."""

    without: Estimate
    transplanted: Estimate
    moved: Estimate  # transplanted minus without, paired by task: 0 where the carry does not matter
    pairs: int  # of tasks in which different actions are right


def transplant(
    agent: Agent,
    right: Callable[[dict[str, Tensor]], Tensor],
    *,
    world: str,
    options: dict[str, Any],
    tasks: int,
    seed: int,
    step: int,
    within: int = 1,
    num_threads: int | None = None,
    sample_actions: bool = False,
) -> Transplant:
    """Puts the carry of one task into another after `step` and watches the `within` actions that follow.

    Args:
        right: oracle fields [N, *shape] → int64 [N], the action right in each slot's task (the best arm). Whether it is
            asked once, at `step`; pairs in which it is the same are left out.
    """
    if tasks < 2 or step < 0 or within < 1:
        raise ValueError(f"tasks, step, within: got {tasks}, {step}, {within}, allowed: from 2, from 0, from 1")

    def play(moving: bool) -> tuple[np.ndarray, np.ndarray]:
        prefers, differs = [], []

        def watch(moment: Moment) -> Tensor | None:
            donor = torch.arange(len(moment.action)).roll(len(moment.action) // 2)
            if moment.step == step:
                host_right = right(moment.oracle).clone()
                differs.append(((host_right != host_right[donor]) & moment.running & moment.running[donor]).numpy())
                prefers.append((host_right, host_right[donor], torch.zeros(len(donor), dtype=torch.float64)))
                return moment.carry[donor] if moving else None
            if step < moment.step <= step + within:
                host_right, donor_right, score = prefers[-1]
                score += ((moment.action == donor_right).double() - (moment.action == host_right).double()) / (
                    2 * within
                )
            return None

        evaluate_agent(
            agent, "transplanted" if moving else "as it is", "", world=world, options=options, tasks=tasks, seed=seed,
            num_threads=num_threads, sample_actions=sample_actions, watch=watch,
        )  # fmt: skip
        if not differs:
            raise ValueError(f"step: got {step}, allowed: a step that episodes reach")
        return np.concatenate(differs), torch.cat([score for _, _, score in prefers]).numpy()

    (differ, before), (differ_moved, after) = play(moving=False), play(moving=True)
    kept = differ & differ_moved
    if not kept.any():
        raise ValueError("right: the same action in all tasks paired, allowed: some in which it differs")
    before, after = before[kept], after[kept]
    return Transplant(estimate(before), estimate(after), estimate(after - before), int(kept.sum()))
