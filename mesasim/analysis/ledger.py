"""Where change happens, phase by phase: in the weights, in the activations, in the reward. "Training changes weights,
evaluation and deployment change only activations" becomes numbers, with exact zeros where weights are frozen; a system
that keeps training while it is deployed (online fine-tuning) shows in the same ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mesasim.evaluate import Evaluation, Moment, evaluate_agent
from mesasim.integrity import weights_hash
from mesasim.metrics import Estimate, estimate, frozen_weights_slope
from mesasim.train.ppo import Metrics, Trainer


@dataclass(frozen=True)
class Phase:
    """A line of the ledger."""

    phase: str
    steps: int  # of the environment, over all slots
    updates: int  # times the weights were set anew
    weight_change: float  # Euclidean length of weights after minus before; exactly 0 if frozen
    weight_path: float  # summed lengths of the changes from update to update: at least weight_change
    activation_change: Estimate  # length of the carry's change a step, within an episode
    reward: Estimate  # of an episode; of an online phase, of an update's mean episode
    reward_slope: Estimate  # a step within the episode (frozen), or an update (learning)
    slope_over: str  # "step" or "update"
    hash_before: str
    hash_after: str

    @property
    def frozen(self) -> bool:
        return self.hash_before == self.hash_after

    def row(self) -> dict[str, Any]:
        """For summary.json."""
        return asdict(self) | {"frozen": self.frozen}


class Movement:
    """How far a carry moves a step, summed slot by slot: steps of one slot are not independent, slots are (of a learning phase:
    given the weights it went through)."""

    def __init__(self) -> None:
        self.counts, self.sums = torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.float64)

    def add(self, before: Tensor, after: Tensor, counted: Tensor, first: int = 0) -> None:
        """before, after: [N, width]; counted: bool [N], the slots in which an episode went on; first: the number of the first
        of them."""
        missing = max(0, first + len(counted) - len(self.counts))
        self.counts = torch.nn.functional.pad(self.counts, (0, missing))
        self.sums = torch.nn.functional.pad(self.sums, (0, missing))
        slots = slice(first, first + len(counted))
        lengths = (after.double() - before.double()).norm(dim=1)
        self.counts[slots] += counted
        self.sums[slots] += torch.where(counted, lengths, 0.0)

    @property
    def count(self) -> int:
        """Steps counted."""
        return int(self.counts.sum())

    @property
    def estimate(self) -> Estimate:
        """Mean over slots of their mean step, with its standard error over slots."""
        moved = self.counts > 0
        if not moved.any():
            return Estimate(float("nan"), float("nan"))
        return estimate((self.sums[moved] / self.counts[moved]).numpy())


def flat_weights(module: nn.Module) -> Tensor:
    """Every parameter in one float64 vector, a copy."""
    parts = [p.detach().double().flatten() for p in module.parameters()]
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64)


def frozen_phase(phase: str, agent: Any, nature: str, **evaluation: Any) -> tuple[Phase, Evaluation]:
    """Evaluation or deployment: `evaluate_agent(agent, phase, nature, **evaluation)`, watched. It raises RuntimeError should
    a weight change."""
    moved, before, steps = Movement(), flat_weights(agent), 0
    previous = torch.zeros(0)

    def watch(moment: Moment) -> None:
        nonlocal previous, steps
        if moment.step > 0:
            moved.add(previous, moment.carry, moment.running, moment.first)
        steps += int(moment.running.sum())
        previous = moment.carry.clone()

    played = evaluate_agent(agent, phase, nature, watch=watch, **evaluation)
    change = float((flat_weights(agent) - before).norm())
    slope = (
        frozen_weights_slope(played.rewards_by_trial)
        if played.rewards_by_trial.shape[1] > 1
        else Estimate(0.0, float("nan"))
    )
    line = Phase(
        phase, steps, 0, change, change, moved.estimate, estimate(played.returns), slope, "step",
        played.hash_before, played.hash_after,
    )  # fmt: skip
    return line, played


def learning_phase(
    phase: str, trainer: Trainer, updates: int, report: Callable[[Metrics], None] | None = None
) -> Phase:
    """Training, or online fine-tuning if the trainer's agent is a trained one: `updates` rollouts, each followed by an
    update of the weights (mesasim.train.ppo). The slope is the least-squares one of episode return on updates."""
    if updates < 2:
        raise ValueError(f"updates: got {updates}, allowed: at least 2")
    agent, moved = trainer.agent, Movement()
    hash_before, start = weights_hash(agent), flat_weights(agent)
    trainer.collector.watch = lambda is_first, before, after: moved.add(before, after, ~is_first)
    weights, path, returns = start, 0.0, []
    try:
        for _ in range(updates):
            metrics = trainer.iterate()
            returns.append(metrics["episode_return"])
            now = flat_weights(agent)
            path += float((now - weights).norm())
            weights = now
            if report is not None:
                report(metrics)
    finally:
        trainer.collector.watch = None
    earned = np.array(returns)
    return Phase(
        phase, updates * trainer.config.num_envs * trainer.config.rollout_steps, updates,
        float((weights - start).norm()), path, moved.estimate, estimate(earned), slope_over_updates(earned), "update",
        hash_before, weights_hash(agent),
    )  # fmt: skip


def slope_over_updates(returns: np.ndarray) -> Estimate:
    """Least-squares slope of returns on their number, with the standard error of regression (independent residuals)."""
    time = np.arange(len(returns)) - (len(returns) - 1) / 2
    slope = float(returns @ time / (time @ time))
    if len(returns) < 3:
        return Estimate(slope, float("nan"))
    residual = returns - returns.mean() - slope * time
    df = len(returns) - 2
    return Estimate(slope, float(np.sqrt(residual @ residual / df / (time @ time))), df)
