"""Scripted agents for Bandit-v0's wider settings: exact filters of dependent and restless arms, Rescorla-Wagner, lookup in
a known set of tasks, and the informative arm. They read the engine's history fields; what they believe is their carry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mesasim.agents.bandit_base import BanditReference, Memory, refuse_nan
from mesasim.agents.bandit_beliefs import NormalBelief
from mesasim.agents.bandit_references import Greedy, Thompson
from mesasim.agents.base import Observation, ScriptedAgent
from mesasim.exact import informative_arm
from mesasim.exact.restless import RestlessFilter
from mesasim.vector import MesaVectorEnv

MOST_TASKS = 1024  # whose posterior an agent carries


class CarryingAgent(ScriptedAgent):
    """Begins each episode at `start` [width] and, after a pull, updates; subclasses write `update` and `scores`, the
    highest of which is pulled, a tie by lot."""

    def __init__(self, arms: int, start: Tensor, seed: int = 0) -> None:
        super().__init__(arms, len(start), seed)
        self.start = start

    def initial_carry(self, num_slots: int) -> Tensor:
        return self.start.repeat(num_slots, 1)

    def act(self, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        arm, reward = obs["previous_action"][:, 0].long(), obs["previous_reward"][:, 0]
        carry = torch.where((arm >= 0)[:, None], self.update(carry, arm.clamp(min=0), reward), carry)
        scores = refuse_nan("scores", self.scores(carry))
        lots = torch.rand(scores.shape, generator=self.generator).to(scores.device)
        return torch.where(scores == scores.amax(1, keepdim=True), lots, -1.0).argmax(1), carry

    def update(self, carry: Tensor, arm: Tensor, reward: Tensor) -> Tensor:
        raise NotImplementedError

    def scores(self, carry: Tensor) -> Tensor:
        raise NotImplementedError


class FilterGreedy(CarryingAgent):
    """The arm likeliest to pay, by the exact filter of the options (mesasim.exact.restless): Bayes-optimal for two
    dependent arms, myopic for independent ones."""

    def __init__(self, options: dict[str, Any], seed: int = 0) -> None:
        self.filter = RestlessFilter(options)
        super().__init__(self.filter.arms, torch.from_numpy(self.filter.initial(1)[0]), seed)

    def update(self, carry: Tensor, arm: Tensor, reward: Tensor) -> Tensor:
        belief = self.filter.update(carry.cpu().numpy(), arm.cpu().numpy(), reward.cpu().numpy())
        return torch.from_numpy(belief).to(carry)

    def scores(self, carry: Tensor) -> Tensor:
        return torch.from_numpy(self.filter.means(carry.cpu().numpy()).round(12))  # equal up to rounding is a tie


class RescorlaWagner(CarryingAgent):
    """value += alpha (reward - value) of the arm pulled (Rescorla and Wagner 1972), from `initial`. Pulls the arm of the
    highest value, or with an inverse temperature `beta` draws from softmax(beta value)."""

    def __init__(
        self, arms: int, seed: int = 0, alpha: float = 0.5, beta: float | None = None, initial: float = 0.5
    ) -> None:
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha: got {alpha!r}, allowed: 0 to 1")
        if beta is not None and not 0 <= beta < float("inf"):
            raise ValueError(f"beta: got {beta!r}, allowed: finite, from 0, or None (greedy)")
        super().__init__(arms, torch.full((arms,), float(initial), dtype=torch.float64), seed)
        self.alpha: float | Tensor = alpha  # for all, or [N]
        self.beta = beta

    def update(self, carry: Tensor, arm: Tensor, reward: Tensor) -> Tensor:
        value = carry.gather(1, arm[:, None])[:, 0]
        return carry.scatter(1, arm[:, None], (value + self.alpha * (reward.double() - value))[:, None])

    def scores(self, carry: Tensor) -> Tensor:
        if self.beta is None:
            return carry
        lots = torch.rand(carry.shape, generator=self.generator, dtype=carry.dtype).to(carry.device)
        return self.beta * carry - (-lots.clamp(min=1e-300).log()).log()  # Gumbel: the highest is a softmax draw


class TaskPosterior(CarryingAgent):
    """Knows the set of tasks and nothing else: a posterior over them, uniform at first, and then the arm of the highest
    posterior mean (`sample=False`: table lookup, task location) or the best arm of a task drawn from it (Thompson).

    Args:
        means: [tasks, arms], every task's arms.
        reward_std: of Gaussian rewards; None for 0/1 rewards. Below 1e-3 it counts as that: payments of float32 are not
            exact.
    """

    def __init__(self, means: Tensor, seed: int = 0, reward_std: float | None = None, sample: bool = False) -> None:
        if means.ndim != 2 or not len(means):
            raise ValueError(f"means: got shape {tuple(means.shape)}, allowed: [tasks, arms] with at least one task")
        if reward_std is None and not ((means >= 0) & (means <= 1)).all():
            raise ValueError("means: got some outside [0, 1], allowed: probabilities for 0/1 rewards")
        super().__init__(means.shape[1], torch.zeros(len(means), dtype=torch.float64), seed)
        self.means, self.sample = means.double(), sample
        self.reward_std = None if reward_std is None else max(reward_std, 1e-3)

    def update(self, carry: Tensor, arm: Tensor, reward: Tensor) -> Tensor:
        mean = self.means.T[arm]  # [N, tasks]
        if self.reward_std is None:
            likelihood = torch.where(reward[:, None] > 0.5, mean, 1 - mean).clamp(min=1e-12).log()
        else:
            likelihood = -(((reward[:, None].double() - mean) / self.reward_std) ** 2) / 2
        return (carry + likelihood).log_softmax(1)

    def scores(self, carry: Tensor) -> Tensor:
        if not self.sample:
            return carry.softmax(1) @ self.means
        drawn = torch.multinomial(carry.softmax(1).cpu(), 1, generator=self.generator)[:, 0]
        return self.means[drawn]


class InformativeOptimal(BanditReference):
    """Bayes-optimal for the informative arm, paid without noise (mesasim.exact.informative_arm): asks the last arm when
    that is best, else tries the lowest arm not yet tried, and stays with the target once it is known."""

    def __init__(self, arms: int, pulls: int, seed: int = 0) -> None:
        super().__init__(arms, pulls, seed)
        self.asks = torch.from_numpy(informative_arm.asks(arms, pulls))

    def choose(self, memory: Memory) -> Tensor:
        ordinary = self.arms - 1
        mean = memory.sums / memory.pulls.clamp(min=1)
        left = memory.pulls[:, :ordinary] == 0
        count = left.sum(1)
        lowest = left.float().argmax(1)
        remaining = (self.pulls - memory.pulls.sum(1)).long().clamp(0, self.pulls)
        choice = torch.where(self.asks[remaining.cpu(), count.cpu()].to(count.device), ordinary, lowest)
        told = (mean[:, ordinary] * ordinary).round().long() - 1
        choice = torch.where(memory.pulls[:, ordinary] > 0, told, choice)
        paid, where = mean[:, :ordinary].max(1)
        return torch.where(paid > 3, where, choice)


def informative_tasks(arms: int) -> Tensor:
    """Arm means of every task of the informative-arm bandit, [arms - 1, arms]."""
    ordinary = arms - 1
    means = torch.ones(ordinary, arms, dtype=torch.float64)
    means[torch.arange(ordinary), torch.arange(ordinary)] = informative_arm.TARGET_PAYS
    means[:, ordinary] = torch.arange(1, arms) / ordinary
    return means


def task_set(options: dict[str, Any]) -> Tensor:
    """Arm means of the tasks of Bandit-v0 with num_tasks > 0, [num_tasks, arms], read off the oracle of as many episodes
    as it takes to meet each."""
    count = options["num_tasks"]
    found, seed = torch.full((count, options["arms"]), torch.nan, dtype=torch.float64), 0
    env = MesaVectorEnv("Bandit-v0", min(4 * count, 16384), oracle=True, num_threads=1, **options)
    while found.isnan().any():
        _, info = env.reset(seed=seed)
        found[info["task_number"][:, 0].long()] = info["arm_means"].double()
        seed += 1
    return found


# Registered


@dataclass(frozen=True)
class OptionReference:
    """A registered agent made from all of Bandit-v0's options: `make(options, seed, **params)` where `fits(options)`."""

    nature: str
    fits: Callable[[dict[str, Any]], bool]
    make: Callable[..., ScriptedAgent]
    grid: dict[str, Sequence[Any]] = field(default_factory=dict)  # a parameter to tune, and its values
    shown: str = ""  # its name beside others that fit the same options; default: the one it is registered under


def filter_is_exact(options: dict[str, Any]) -> bool:
    """Whether the filter speaks of these options (with their `num_tasks` set aside)."""
    try:
        RestlessFilter(options)
    except ValueError:
        return False
    return True


def _optimal_by_filter(o: dict[str, Any]) -> bool:
    return bool(o["prior"].startswith("dependent") and o["num_tasks"] == 0 and filter_is_exact(o))


def _myopic_by_filter(o: dict[str, Any]) -> bool:
    says_more = _restless(o) or o["prior"].startswith("dependent")  # than the counts of still, independent arms
    return bool(says_more and not _optimal_by_filter(o) and filter_is_exact(o))


def _in_unit(o: dict[str, Any]) -> bool:
    return bool(o["reward"] == "bernoulli")


def _restless(o: dict[str, Any]) -> bool:
    return bool(o["drift"] != "none")


def _listed(o: dict[str, Any]) -> bool:
    return 0 < o["num_tasks"] <= MOST_TASKS and not _restless(o)


def _told(o: dict[str, Any]) -> bool:
    return bool(o["prior"] == "informative" and o["reward_std"] == 0)


def _told_optimal(o: dict[str, Any]) -> bool:
    return _told(o) and o["num_tasks"] == 0  # a known set says more than the prior


def _normal(o: dict[str, Any]) -> bool:
    return bool(o["prior"] == "normal" and not _restless(o) and o["prior_std"] > 0 and o["reward_std"] > 0)


def _task_posterior(options: dict[str, Any], seed: int, *, known: bool = True, sample: bool = False) -> TaskPosterior:
    means = task_set(options) if known else informative_tasks(options["arms"])
    return TaskPosterior(means, seed, options["reward_std"] if options["reward"] == "gaussian" else None, sample)


def _believing_normal(agent: Callable[..., BanditReference]) -> Callable[..., BanditReference]:
    def make(o: dict[str, Any], seed: int) -> BanditReference:
        belief = NormalBelief(o["prior_mean"], o["prior_std"], o["reward_std"])
        return agent(o["arms"], o["pulls"], seed, belief=belief)

    return make


OPTION_REFERENCES = {
    "bayes_optimal_dependent": OptionReference("optimal", _optimal_by_filter, FilterGreedy, shown="bayes_optimal"),
    "filter_myopic": OptionReference("learner", _myopic_by_filter, FilterGreedy),
    "rescorla_wagner": OptionReference(
        "learner", _in_unit, lambda o, seed, alpha=0.5: RescorlaWagner(o["arms"], seed, alpha)
    ),
    "rescorla_wagner_tuned": OptionReference(
        "learner",
        _in_unit,
        lambda o, seed, alpha=0.5: RescorlaWagner(o["arms"], seed, alpha),
        {"alpha": [i / 10 for i in range(1, 11)]},
    ),
    "rescorla_wagner_softmax": OptionReference(
        "learner",
        _in_unit,
        lambda o, seed, beta=5.0: RescorlaWagner(o["arms"], seed, 0.5, beta),
        {"beta": [1.0, 2.0, 5.0, 10.0, 20.0]},
    ),
    "table_lookup": OptionReference("task location", _listed, _task_posterior),
    "table_thompson": OptionReference("task location", _listed, partial(_task_posterior, sample=True)),
    "bayes_optimal_informative": OptionReference(
        "optimal", _told_optimal, lambda o, seed: InformativeOptimal(o["arms"], o["pulls"], seed), shown="bayes_optimal"
    ),
    "thompson_informative": OptionReference(
        "learner", _told, partial(_task_posterior, known=False, sample=True), shown="thompson"
    ),
    "myopic_informative": OptionReference("learner", _told, partial(_task_posterior, known=False), shown="greedy"),
    "greedy_normal": OptionReference("learner", _normal, _believing_normal(Greedy), shown="greedy"),
    "thompson_normal": OptionReference("learner", _normal, _believing_normal(Thompson), shown="thompson"),
}
