"""Scripted agents for Bandit-v0, of known nature: what learning rules and the optimum earn, and the list of all.
Thermostats are in bandit_thermostats.py, what all of them keep in bandit_base.py, what they believe in bandit_beliefs.py.

"RL^2's" marks variants of the evaluation script behind the table of Duan et al. 2016 (arXiv 1611.02779), whose columns
UCB1, OTS and Gittins are not the textbook algorithms. Ties fall to an arm drawn uniformly, in RL^2's variants to the
first, as in that script.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from mesasim.agents.bandit_base import BanditReference, Memory, Random
from mesasim.agents.bandit_beliefs import Belief, BetaBelief, PerArm, by_arm
from mesasim.agents.bandit_thermostats import ClockedReflex, LastTen, RecentPosterior, WinStayLoseShift, clocked_fits
from mesasim.exact import beta_bandit
from mesasim.exact.bandit import BernoulliBandit, GittinsTable
from mesasim.exact.beta_bandit import BetaBandit


class Greedy(BanditReference):
    """The arm of the highest posterior mean. With the uniform prior, (1 + successes) / (2 + pulls): RL^2's pseudo-counts."""

    first_among_ties = True

    def __init__(self, arms: int, pulls: int, seed: int = 0, belief: Belief | None = None) -> None:
        super().__init__(arms, pulls, seed)
        self.belief = belief or BetaBelief()

    def choose(self, memory: Memory) -> Tensor:
        return self.best(self.belief.mean(memory.pulls, memory.sums))


class EpsilonGreedy(Greedy):
    """With probability epsilon an arm drawn uniformly from all, else Greedy; RL^2's."""

    def __init__(
        self, arms: int, pulls: int, seed: int = 0, epsilon: float = 0.1, belief: Belief | None = None
    ) -> None:
        if not 0 <= epsilon <= 1:
            raise ValueError(f"epsilon: got {epsilon!r}, allowed: 0 to 1")
        super().__init__(arms, pulls, seed, belief)
        self.epsilon = epsilon

    def choose(self, memory: Memory) -> Tensor:
        explore = self.uniform(memory.action.shape, memory.action.device) < self.epsilon
        return torch.where(explore, self.random_arm(memory), super().choose(memory))


class UCB1(BanditReference):
    """Each arm once, then the highest mean + sqrt(2 ln t / pulls of the arm), t pulls in all (Auer, Cesa-Bianchi and
    Fischer 2002); for rewards in [0, 1]."""

    def choose(self, memory: Memory) -> Tensor:
        total = memory.pulls.sum(dim=1, keepdim=True).clamp(min=1)
        index = memory.sums / memory.pulls + (2 * total.log() / memory.pulls).sqrt()
        return self.best(torch.where(memory.pulls == 0, torch.inf, index))


class TunedUCB(BanditReference):
    """RL^2's "UCB1": k / m + c sqrt(2 ln t / m), where k and m are successes and pulls begun at 1 and 2, and t the pulls
    made; they took the best c of 0, .1 … 1."""

    first_among_ties = True

    def __init__(self, arms: int, pulls: int, seed: int = 0, c: float = 0.2) -> None:
        if not 0 <= c < float("inf"):
            raise ValueError(f"c: got {c!r}, allowed: finite, from 0")
        super().__init__(arms, pulls, seed)
        self.c = c

    def choose(self, memory: Memory) -> Tensor:
        total = memory.pulls.sum(dim=1, keepdim=True).clamp(min=1)
        m = memory.pulls + 2
        return self.best((memory.sums + 1) / m + self.c * (2 * total.log() / m).sqrt())


class Thompson(Greedy):
    """The arm whose draw from the posterior of its mean is highest (Thompson 1933)."""

    first_among_ties = False

    def choose(self, memory: Memory) -> Tensor:
        return self.best(self.belief.draw(memory.pulls, memory.sums, self.generator))


class OptimisticThompson(Thompson):
    """Thompson with draws below the posterior mean raised to it: max(draw, mean) (Chapelle and Li 2011; May et al. 2012)."""

    def choose(self, memory: Memory) -> Tensor:
        mean = self.belief.mean(memory.pulls, memory.sums)
        return self.best(self.belief.draw(memory.pulls, memory.sums, self.generator).maximum(mean))


class MostProbableThompson(Thompson):
    """RL^2's "OTS": of m joint draws from all arms' posteriors, greedy on the one of the highest joint density; they took
    the best m of 1 … 20. m = 1 is Thompson, and large m approaches greedy on the posterior's mode."""

    def __init__(self, arms: int, pulls: int, seed: int = 0, m: int = 5, belief: Belief | None = None) -> None:
        if not isinstance(m, int) or m < 1:
            raise ValueError(f"m: got {m!r}, allowed: integers from 1")
        super().__init__(arms, pulls, seed, belief)
        self.m = m

    def choose(self, memory: Memory) -> Tensor:
        kept = self.belief.draw(memory.pulls, memory.sums, self.generator)
        if self.m == 1:
            return self.best(kept)
        highest = self.belief.log_density(kept, memory.pulls, memory.sums).sum(dim=1)
        for _ in range(self.m - 1):
            draw = self.belief.draw(memory.pulls, memory.sums, self.generator)
            density = self.belief.log_density(draw, memory.pulls, memory.sums).sum(dim=1)
            kept = torch.where((density > highest)[:, None], draw, kept)
            highest = highest.maximum(density)
        return self.best(kept)


class Gittins(BanditReference):
    """The arm of the highest finite-horizon Gittins index for the pulls left (mesasim.exact.bandit.GittinsTable)."""

    def __init__(self, arms: int, pulls: int, seed: int = 0, alpha: PerArm = 1.0, beta: PerArm = 1.0) -> None:
        super().__init__(arms, pulls, seed)
        priors = list(zip(by_arm(alpha, arms), by_arm(beta, arms), strict=True))
        distinct = sorted(set(priors))
        self.tables = torch.stack([torch.from_numpy(GittinsTable(pulls, *prior).packed) for prior in distinct])
        self.table_of = torch.tensor([distinct.index(prior) for prior in priors])  # [arms]

    def choose(self, memory: Memory) -> Tensor:
        left = self.remaining(memory)[:, None]
        successes, failures = memory.sums.long(), (memory.pulls - memory.sums).long()
        place = GittinsTable.place(successes, failures, left)
        index = self.tables[self.table_of, torch.where(left > 0, place, 0).cpu()].to(memory.sums.device)
        return self.best(index)


class ApproximateGittins(BanditReference):
    """RL^2's "Gittins": mu + mu (1 - mu) / (n sqrt(mu (1 - mu) / n) + mu - 1/2) for a Beta(a, b) posterior with n = a + b
    and mu = a / n, a closed form for the discounted index (after Brezzi and Lai 2002) taken at discount 1."""

    first_among_ties = True

    def __init__(self, arms: int, pulls: int, seed: int = 0, alpha: PerArm = 1.0, beta: PerArm = 1.0) -> None:
        super().__init__(arms, pulls, seed)
        self.belief = BetaBelief(alpha, beta)

    def choose(self, memory: Memory) -> Tensor:
        a, b = self.belief.parameters(memory.pulls, memory.sums)
        n, mu = a + b, a / (a + b)
        variance = mu * (1 - mu)
        return self.best(mu + variance / ((n * variance).sqrt() + mu - 0.5))


class BayesOptimal(BanditReference):
    """An optimal arm by dynamic programming (mesasim.exact.bandit.BernoulliBandit, or for priors arm by arm
    mesasim.exact.beta_bandit.BetaBandit); ValueError where that does not fit."""

    def __init__(self, arms: int, pulls: int, seed: int = 0, alpha: PerArm = 1.0, beta: PerArm = 1.0) -> None:
        super().__init__(arms, pulls, seed)
        self.solved: BernoulliBandit | BetaBandit
        if isinstance(alpha, Sequence) or isinstance(beta, Sequence):
            self.solved = beta_bandit.solved(by_arm(alpha, arms), by_arm(beta, arms), pulls)
        else:
            self.solved = BernoulliBandit(arms, pulls, alpha, beta)

    def choose(self, memory: Memory) -> Tensor:
        optimal = torch.ones_like(memory.pulls)
        playing = self.remaining(memory) > 0
        successes, failures = memory.sums[playing].long(), (memory.pulls - memory.sums)[playing].long()
        actions = torch.from_numpy(self.solved.actions(successes.cpu().numpy(), failures.cpu().numpy()))
        optimal[playing] = actions.to(optimal)
        return self.best(optimal)


@dataclass(frozen=True)
class Reference:
    """A registered agent: `make(arms, pulls, seed, **params)`, where params may name the grid's parameter and, if
    `uses_prior`, the Beta prior's alpha and beta."""

    nature: str  # random, reflex, thermostat, learner or optimal
    make: Callable[..., BanditReference]
    uses_prior: bool = False
    params: dict[str, Any] = field(default_factory=dict)  # what tells entries of one class apart
    grid: dict[str, Sequence[Any]] = field(default_factory=dict)  # RL^2's tuning: the parameter and its values
    fits: Callable[[int, int], bool] = lambda arms, pulls: True  # whether it can be made for a bandit of that size


def _believing(agent: Callable[..., BanditReference]) -> Callable[..., BanditReference]:
    def make(
        arms: int, pulls: int, seed: int = 0, *, alpha: PerArm = 1.0, beta: PerArm = 1.0, **params: Any
    ) -> BanditReference:
        return agent(arms, pulls, seed, belief=BetaBelief(alpha, beta), **params)

    return make


TENTHS = [i / 10 for i in range(11)]
REFERENCES = {
    "random": Reference("random", Random),
    "win_stay_lose_shift": Reference("thermostat", WinStayLoseShift, params={"shift": "random"}),
    "win_stay_lose_next": Reference("thermostat", WinStayLoseShift, params={"shift": "next"}),
    "last_ten_sum": Reference("thermostat", LastTen, params={"by": "sum"}),
    "last_ten_mean": Reference("thermostat", LastTen, params={"by": "mean"}),
    "recent_posterior": Reference("thermostat", RecentPosterior),
    "clocked_reflex": Reference("thermostat", ClockedReflex, fits=clocked_fits),
    "greedy": Reference("learner", Greedy),
    "epsilon_greedy": Reference("learner", EpsilonGreedy, grid={"epsilon": TENTHS}),
    "ucb1_textbook": Reference("learner", UCB1),
    "ucb_tuned_rl2": Reference("learner", TunedUCB, grid={"c": TENTHS}),
    "thompson": Reference("learner", _believing(Thompson), uses_prior=True),
    "ots_standard": Reference("learner", _believing(OptimisticThompson), uses_prior=True),
    "ots_rl2": Reference("learner", _believing(MostProbableThompson), uses_prior=True, grid={"m": range(1, 21)}),
    "gittins_approx_rl2": Reference("learner", ApproximateGittins, uses_prior=True),
    "gittins": Reference("learner", Gittins, uses_prior=True),
    "bayes_optimal": Reference("optimal", BayesOptimal, uses_prior=True),
}

__all__ = [
    "REFERENCES", "UCB1", "ApproximateGittins", "BayesOptimal", "ClockedReflex", "EpsilonGreedy", "Gittins", "Greedy", "LastTen",
    "MostProbableThompson", "OptimisticThompson", "Random", "RecentPosterior", "Reference", "Thompson", "TunedUCB",
    "WinStayLoseShift",
]  # fmt: skip
