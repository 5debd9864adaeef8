"""Scripted agents for LinearRegression-v0, of known nature: chance, nothing, the last example, learning (ridge) and looking up
(discrete MMSE). They name the value nearest their prediction; over data sets the same estimators are mesasim.regression."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mesasim import _core
from mesasim.agents.base import Observation, OracleFollower, ScriptedAgent
from mesasim.regression import task_set


class RegressionReference(ScriptedAgent):
    """Subclasses write `learn` and `predict` on a float64 memory that starts as `cleared`. The carry: that memory, and x of
    the step before, whose y comes with the next. `options` are the world's, in full."""

    def __init__(self, options: dict[str, Any], cleared: Tensor, seed: int = 0) -> None:
        self.dim = options["dim"]
        super().__init__(options["values"], len(cleared) + self.dim + 1, seed)
        self.variance = options["noise_std"] ** 2
        self.named = torch.linspace(-options["limit"], options["limit"], options["values"], dtype=torch.float64)
        self.cleared = cleared.double()

    def initial_carry(self, num_slots: int) -> Tensor:
        start = torch.cat([self.cleared, torch.zeros(self.dim + 1, dtype=torch.float64)])
        return start.expand(num_slots, -1).clone()

    def act(self, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        memory, before, has_before = carry.split([len(self.cleared), self.dim, 1], dim=1)
        learned = self.learn(memory, before, obs["previous_y"][:, 0].double())
        memory = torch.where(has_before > 0, learned, memory)
        x = obs["x"].double()
        prediction = self.predict(memory, x)
        spacing = self.named[1] - self.named[0]
        action = ((prediction - self.named[0]) / spacing).round().clamp(0, self.num_actions - 1).long()
        return action, torch.cat([memory, x, torch.ones_like(has_before)], dim=1)

    def learn(self, memory: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """The memory [N, ...] after an example (x [N, dim], y [N])."""
        return memory

    def predict(self, memory: Tensor, x: Tensor) -> Tensor:
        """y of x [N, dim], [N]."""
        raise NotImplementedError


class Random(RegressionReference):
    """Any value."""

    def __init__(self, options: dict[str, Any], seed: int = 0) -> None:
        super().__init__(options, torch.zeros(0), seed)

    def predict(self, memory: Tensor, x: Tensor) -> Tensor:
        return self.named[torch.randint(self.num_actions, (len(x),), generator=self.generator)].to(x.device)


class Zero(RegressionReference):
    """Nothing but the mean of all tasks: 0, whatever it sees. The floor."""

    def __init__(self, options: dict[str, Any], seed: int = 0) -> None:
        super().__init__(options, torch.zeros(0), seed)

    def predict(self, memory: Tensor, x: Tensor) -> Tensor:
        return torch.zeros_like(x[:, 0])


class LastExample(RegressionReference):
    """The best weights for the last example alone: what regulates itself by the step before and keeps nothing else."""

    def __init__(self, options: dict[str, Any], seed: int = 0) -> None:
        super().__init__(options, torch.zeros(options["dim"]), seed)

    def learn(self, memory: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return x * (y / (x.square().sum(1) + self.variance))[:, None]

    def predict(self, memory: Tensor, x: Tensor) -> Tensor:
        return (memory * x).sum(1)


class Ridge(RegressionReference):
    """Learns: the posterior mean of w ~ N(0, I), by recursive least squares. Memory: mean, covariance."""

    def __init__(self, options: dict[str, Any], seed: int = 0) -> None:
        dim = options["dim"]
        super().__init__(options, torch.cat([torch.zeros(dim), torch.eye(dim).flatten()]), seed)

    def learn(self, memory: Tensor, x: Tensor, y: Tensor) -> Tensor:
        mean, covariance = memory[:, : self.dim], memory[:, self.dim :].unflatten(1, (self.dim, self.dim))
        spread = torch.einsum("nij,nj->ni", covariance, x)
        total = (spread * x).sum(1, keepdim=True) + self.variance
        mean = mean + spread * (y[:, None] - (mean * x).sum(1, keepdim=True)) / total
        covariance = covariance - spread[:, :, None] * spread[:, None, :] / total[..., None]
        return torch.cat([mean, covariance.flatten(1)], dim=1)

    def predict(self, memory: Tensor, x: Tensor) -> Tensor:
        return (memory[:, : self.dim] * x).sum(1)


class DiscreteMMSE(RegressionReference):
    """Looks up: the posterior mean over the fixed set of tasks. Memory: each task's squared errors."""

    def __init__(self, options: dict[str, Any], seed: int = 0) -> None:
        count = options["num_tasks"]
        if not 1 <= count <= _core.MAX_TASKS_IN_ORACLE:
            raise ValueError(
                f"num_tasks: got {count}, allowed: 1 to {_core.MAX_TASKS_IN_ORACLE} for a table to look up"
            )
        super().__init__(options, torch.zeros(count), seed)
        self.tasks = task_set(count, options["dim"], options["task_seed"]).double()

    def learn(self, memory: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return memory + (y[:, None] - x @ self.tasks.T).square()

    def predict(self, memory: Tensor, x: Tensor) -> Tensor:
        return ((-memory / (2 * self.variance)).softmax(1) * (x @ self.tasks.T)).sum(1)


@dataclass(frozen=True)
class Reference:
    """A reference agent: its nature, what it does, how it is made (the world's options in full, seed), where it fits."""

    nature: str
    what: str
    make: Callable[[dict[str, Any], int], ScriptedAgent]
    fits: Callable[[dict[str, Any]], bool] = lambda options: True


def _enumerated(options: dict[str, Any]) -> bool:
    return 1 <= options["num_tasks"] <= _core.MAX_TASKS_IN_ORACLE


REFERENCES = {
    "random": Reference("random", "any value", Random),
    "zero": Reference("reflex", "0, the mean of all tasks", Zero),
    "last_example": Reference("thermostat", "the best weights for the last example alone", LastExample),
    "ridge": Reference("learner", "ridge regression on the examples so far", Ridge),
    "discrete_mmse": Reference("lookup", "the posterior mean over the known tasks", DiscreteMMSE, _enumerated),
    "oracle_follower": Reference(
        "oracle", "what the world calls optimal", lambda o, seed: OracleFollower(o["values"], seed),
        lambda o: o["num_tasks"] <= _core.MAX_TASKS_IN_ORACLE,
    ),
}  # fmt: skip
