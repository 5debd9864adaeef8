"""Scripted agents for TabularMDP-v0: learners that keep counts of an unknown MDP, plan at the start of every trial and
follow the plan through it. All tasks of a batch are planned for at once.

"RL^2's" agents are those of the evaluation script behind the table of Duan et al. 2016 (arXiv 1611.02779), which calls
Osband's TabulaRL: their prior expects mean rewards of 0 (greedy, epsilon-greedy and UCRL2: next to no prior at all) where
the world's are N(1, 1). Ties fall to an action drawn uniformly. What a trial's last step led to is not seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mesasim.agents.base import Observation, OracleFollower, ScriptedAgent

Options = Mapping[str, Any]  # those of TabularMDP-v0, all of them


class Prior(NamedTuple):
    """What an agent believes before it sees anything."""

    mean: float  # of mean rewards
    precision: float  # of that mean; rewards around it have the noise's precision
    noise_precision: float
    alpha: float  # of the Dirichlet


class Posterior(NamedTuple):
    """Of every pair (state, action); S states, A actions."""

    mean: Tensor  # [N, S, A]
    precision: Tensor  # [N, S, A]
    dirichlet: Tensor  # [N, S, A, S]
    visits: Tensor  # [N, S, A]
    trial: Tensor  # [N] trials begun, this one included


MOST_PRECISE = 1e12  # stands for certainty: a prior or noise of standard deviation 0


def world_prior(options: Options) -> Prior:
    """The distribution tasks are drawn from."""
    precision, noise = (min(MOST_PRECISE, 1 / max(options[name], 1e-9) ** 2) for name in ("mean_std", "reward_std"))
    return Prior(options["mean"], precision, noise, options["alpha"])


def rl2_prior(options: Options) -> Prior:
    """TabulaRL's default: the world's, but for mean rewards around 0."""
    return world_prior(options)._replace(mean=0.0)


def no_prior(options: Options) -> Prior:
    """TabulaRL's for greedy, epsilon-greedy and UCRL2: what was seen, and 0 where nothing was."""
    return Prior(0.0, 1e-4, world_prior(options).noise_precision, 1e-4)


def backward_induction(rewards: Tensor, transitions: Tensor, horizon: int, bonus: Tensor | None = None) -> Tensor:
    """Q(step, state, action), [N, H, S, A], of MDPs [N, S, A], [N, S, A, S]. `bonus` [N, S, A] is added once for every
    step still to come after the present one."""
    value = torch.zeros(rewards.shape[:2], device=rewards.device)
    plan = []
    for to_come in range(horizon):
        quality = rewards + (transitions.flatten(1, 2) @ value[..., None]).view_as(rewards)
        if bonus is not None:
            quality = quality + bonus * to_come
        plan.append(quality)
        value = quality.amax(dim=-1)
    return torch.stack(plan[::-1], dim=1)


class TabularMDPReference(ScriptedAgent):
    """Keeps the counts; subclasses write `plan`. Carry, S states and A actions: [rewards SA, visits SA, transitions SAS,
    plan HSA, last state, step within the trial, trial]."""

    def __init__(self, options: Options, seed: int = 0, *, prior: Callable[[Options], Prior] = world_prior) -> None:
        self.states, self.actions, self.horizon = (options[name] for name in ("states", "actions", "horizon"))
        self.prior = prior(options)
        pairs = self.states * self.actions
        self.widths = [pairs, pairs, pairs * self.states, self.horizon * pairs, 1, 1, 1]
        super().__init__(self.actions, sum(self.widths), seed)

    def plan(self, posterior: Posterior) -> Tensor:
        """Q(step, state, action) to be greedy on in this trial, [N, H, S, A]."""
        raise NotImplementedError

    def act(self, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        carry = carry.clone()
        rewards, visits, transitions, plan, last, step, trial = carry.split(self.widths, dim=1)
        state, action = obs["state"].long(), obs["previous_action"].long()
        begun = obs["trial_start"].bool()  # [N, 1], like all of these
        pair = last.long() * self.actions + action.clamp(min=0)
        acted = action >= 0
        rewards.scatter_add_(1, pair, obs["previous_reward"] * acted)
        visits.scatter_add_(1, pair, acted.float())
        transitions.scatter_add_(1, pair * self.states + state, (acted & ~begun).float())
        step.copy_(torch.where(begun, 0.0, step + 1))
        trial += begun
        last.copy_(state)
        who = begun[:, 0].nonzero()[:, 0]
        if len(who):
            belief = self.posterior(rewards[who], visits[who], transitions[who], trial[who, 0])
            plan[who] = self.plan(belief).flatten(1)
        table = plan.view(-1, self.horizon, self.states, self.actions)
        slots = torch.arange(len(state), device=state.device)
        return self.choose(table[slots, step[:, 0].long(), state[:, 0]]), carry

    def posterior(self, rewards: Tensor, visits: Tensor, transitions: Tensor, trial: Tensor) -> Posterior:
        prior, shape = self.prior, (-1, self.states, self.actions)
        precision = prior.precision + prior.noise_precision * visits
        mean = (prior.mean * prior.precision + prior.noise_precision * rewards) / precision
        return Posterior(
            mean.view(shape), precision.view(shape), transitions.view(*shape, self.states) + prior.alpha,
            visits.view(shape), trial,
        )  # fmt: skip

    def choose(self, quality: Tensor) -> Tensor:
        """One of the best of quality [N, A], int64 [N]."""
        lots = torch.rand(quality.shape, generator=self.generator).to(quality.device)
        return torch.where(quality == quality.amax(dim=1, keepdim=True), lots, -1.0).argmax(dim=1)

    def draw(self, posterior: Posterior) -> tuple[Tensor, Tensor]:
        """One MDP from the posterior: mean rewards [N, S, A], transitions [N, S, A, S]."""
        noise = torch.randn(posterior.mean.shape, generator=self.generator).to(posterior.mean.device)
        gamma = torch._standard_gamma(posterior.dirichlet.cpu(), generator=self.generator).clamp(min=1e-30)
        gamma = gamma.to(posterior.mean.device)
        return posterior.mean + noise / posterior.precision.sqrt(), gamma / gamma.sum(dim=-1, keepdim=True)


def expected_transitions(posterior: Posterior) -> Tensor:
    return posterior.dirichlet / posterior.dirichlet.sum(dim=-1, keepdim=True)


class Random(TabularMDPReference):
    def plan(self, posterior: Posterior) -> Tensor:
        return posterior.mean.new_zeros(len(posterior.mean), self.horizon, self.states, self.actions)


class Greedy(TabularMDPReference):
    """Plans in the expected MDP (certainty equivalence); with probability epsilon an action drawn from all."""

    def __init__(
        self, options: Options, seed: int = 0, *, prior: Callable[[Options], Prior] = no_prior, epsilon: float = 0.0
    ) -> None:
        if not 0 <= epsilon <= 1:
            raise ValueError(f"epsilon: got {epsilon!r}, allowed: 0 to 1")
        super().__init__(options, seed, prior=prior)
        self.epsilon = epsilon

    def plan(self, posterior: Posterior) -> Tensor:
        return backward_induction(posterior.mean, expected_transitions(posterior), self.horizon)

    def choose(self, quality: Tensor) -> Tensor:
        best = super().choose(quality)
        if self.epsilon == 0:
            return best
        explore = torch.rand(best.shape, generator=self.generator) < self.epsilon
        drawn = torch.randint(self.actions, best.shape, generator=self.generator)
        return torch.where(explore.to(best.device), drawn.to(best.device), best)


class PSRL(TabularMDPReference):
    """Plans in one MDP drawn from the posterior (Strens 2000; Osband, Russo and Van Roy 2013)."""

    def plan(self, posterior: Posterior) -> Tensor:
        return backward_induction(*self.draw(posterior), self.horizon)


class OptimisticPSRL(TabularMDPReference):
    """The highest Q of every (step, state, action) over `samples` MDPs drawn from the posterior, after TabulaRL; RL^2's
    "OPSRL" takes the best number of 1 … 20."""

    def __init__(
        self, options: Options, seed: int = 0, *, prior: Callable[[Options], Prior] = world_prior, samples: int = 5
    ) -> None:
        if not isinstance(samples, int) or samples < 1:
            raise ValueError(f"samples: got {samples!r}, allowed: integers from 1")
        super().__init__(options, seed, prior=prior)
        self.samples = samples

    def plan(self, posterior: Posterior) -> Tensor:
        quality = backward_induction(*self.draw(posterior), self.horizon)
        for _ in range(self.samples - 1):
            quality = quality.maximum(backward_induction(*self.draw(posterior), self.horizon))
        return quality


class BEB(TabularMDPReference):
    """Bayesian exploration bonus (Kolter and Ng 2009): the expected MDP, with beta / (1 + n) added to the reward of a pair
    whose Dirichlet counts sum to n.

    `form="tabularl"`, RL^2's, multiplies that bonus by the steps to come and adds 1 / (1 + precision) for the reward's own
    uncertainty; they tuned a `scaling`, of which beta is 2 H^3 times.
    """

    def __init__(
        self, options: Options, seed: int = 0, *, prior: Callable[[Options], Prior] = world_prior, beta: float = 1.0,
        scaling: float | None = None, form: str = "kolter_ng",
    ) -> None:  # fmt: skip
        for parameter, value in (("beta", beta), ("scaling", 0.0 if scaling is None else scaling)):
            if not 0 <= value < float("inf"):
                raise ValueError(f"{parameter}: got {value!r}, allowed: finite, from 0")
        if form not in ("kolter_ng", "tabularl"):
            raise ValueError(f"form: got {form!r}, allowed: 'kolter_ng', 'tabularl'")
        super().__init__(options, seed, prior=prior)
        self.beta, self.form = beta if scaling is None else 2 * self.horizon**3 * scaling, form

    def plan(self, posterior: Posterior) -> Tensor:
        bonus = self.beta / (1 + posterior.dirichlet.sum(dim=-1))
        expected = expected_transitions(posterior)
        if self.form == "kolter_ng":
            return backward_induction(posterior.mean + bonus, expected, self.horizon)
        return backward_induction(posterior.mean + 1 / (1 + posterior.precision), expected, self.horizon, bonus)


class UCRL2(TabularMDPReference):
    """Plans in the most favourable MDP within confidence sets (Jaksch, Ortner and Auer 2010), over the finite horizon by
    extended value iteration; TabulaRL's widths, with n visits (at least 1), delta = .05, t trials begun:
    sqrt(4 ln(2 S A (t + 1) / delta) / n) for the mean reward and, in L1, sqrt(4 S ln(2 S A (t + 1) / delta) / n) for
    transitions; both times `scaling`, which RL^2 tuned over 21 steps from 1e-4 to 1."""

    def __init__(
        self, options: Options, seed: int = 0, *, prior: Callable[[Options], Prior] = no_prior, scaling: float = 0.1
    ) -> None:
        if not 0 <= scaling < float("inf"):
            raise ValueError(f"scaling: got {scaling!r}, allowed: finite, from 0")
        super().__init__(options, seed, prior=prior)
        self.scaling = scaling

    def plan(self, posterior: Posterior) -> Tensor:
        visits = posterior.visits.clamp(min=1)
        log = (2 * self.states * self.actions * (posterior.trial + 1) / 0.05).log()[:, None, None]
        rewards = posterior.mean + self.scaling * (4 * log / visits).sqrt()
        slack = self.scaling * (4 * self.states * log / visits).sqrt()
        expected = expected_transitions(posterior)
        value = torch.zeros(rewards.shape[:2], device=rewards.device)
        plan = []
        for _ in range(self.horizon):
            favourable = most_favourable(expected, slack, value)
            plan.append(rewards + (favourable * value[:, None, None]).sum(dim=-1))
            value = plan[-1].amax(dim=-1)
        return torch.stack(plan[::-1], dim=1)


def most_favourable(transitions: Tensor, slack: Tensor, value: Tensor) -> Tensor:
    """The rows within L1 distance `slack` [N, S, A] of `transitions` [N, S, A, S] of highest expected `value` [N, S]
    (Jaksch et al. 2010, figure 2): half the slack goes to the best state and is taken from the worst ones."""
    order = value.argsort(dim=1)
    rows = transitions.gather(3, order[:, None, None].expand_as(transitions))  # from the worst state to the best
    gain = torch.minimum(slack / 2, 1 - rows[..., -1])
    below = rows[..., :-1].cumsum(dim=-1)
    left = (below - gain[..., None]).clamp(min=0)
    kept = torch.diff(left, dim=-1, prepend=torch.zeros_like(left[..., :1]))
    moved = torch.cat([kept, (rows[..., -1] + gain)[..., None]], dim=-1)
    return torch.empty_like(moved).scatter_(3, order[:, None, None].expand_as(moved), moved)


class Satisficer(ScriptedAgent):
    """Takes the action that has paid best in the present state if it paid the prior's mean or more, else one not tried there,
    while there is one. It keeps no transitions and never looks a step ahead. Carry: [last state, rewards SA, visits SA]."""

    def __init__(self, options: Options, seed: int = 0) -> None:
        self.actions, self.mean, self.pairs = (
            options["actions"],
            options["mean"],
            options["states"] * options["actions"],
        )
        super().__init__(self.actions, 1 + 2 * self.pairs, seed)

    def act(self, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        carry = carry.clone()
        last, rewards, visits = carry.split([1, self.pairs, self.pairs], dim=1)
        acted = obs["previous_action"] >= 0
        pair = last.long() * self.actions + obs["previous_action"].long().clamp(min=0)
        rewards.scatter_add_(1, pair, obs["previous_reward"] * acted)
        visits.scatter_add_(1, pair, acted.float())
        last.copy_(obs["state"])
        slots = torch.arange(len(last), device=last.device)
        here = obs["state"][:, 0].long()
        paid, times = (table.unflatten(1, (-1, self.actions))[slots, here] for table in (rewards, visits))
        return self.satisfied(paid, times), carry

    def satisfied(self, paid: Tensor, times: Tensor) -> Tensor:
        """The action, from each one's rewards in sum and how often it was tried, [N, A]."""
        mean = torch.where(times > 0, paid / times.clamp(min=1), -torch.inf)
        settled = (mean.amax(dim=1, keepdim=True) >= self.mean) | (times > 0).all(dim=1, keepdim=True)
        lots = torch.rand(times.shape, generator=self.generator).to(times.device)
        return torch.where(settled, mean, torch.where(times == 0, lots, -torch.inf)).argmax(dim=1)


class LastTen(Satisficer):
    """A thermostat: its rule on the last `window` steps alone. Carry: [last state, then state, action (-1: none) and
    reward of each of them, oldest first]."""

    def __init__(self, options: Options, seed: int = 0, *, window: int = 10) -> None:
        super().__init__(options, seed)
        self.window, self.carry_width = window, 1 + 3 * window

    def initial_carry(self, num_slots: int) -> Tensor:
        carry = super().initial_carry(num_slots)
        carry[:, 2::3] = -1
        return carry

    def act(self, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        state, action = obs["state"].float(), obs["previous_action"].float()
        newest = torch.cat([carry[:, :1], action, obs["previous_reward"]], dim=1)
        rows = torch.cat([carry[:, 1:].unflatten(1, (self.window, 3))[:, 1:], newest[:, None]], dim=1)
        here = (rows[..., 0] == state)[..., None] & (
            rows[..., 1, None] == torch.arange(self.actions, device=carry.device)
        )
        action = self.satisfied((here * rows[..., 2:]).sum(dim=1), here.sum(dim=1).float())
        return action, torch.cat([state, rows.flatten(1)], dim=1)


def follower(options: Options, seed: int = 0) -> OracleFollower:
    return OracleFollower(options["actions"], seed)


@dataclass(frozen=True)
class Reference:
    """A registered agent: `make(options, seed, **params)`; `grid` is what it is tuned over, on other tasks."""

    nature: str  # random, thermostat, learner or optimal (which knows the MDP)
    make: Callable[..., ScriptedAgent]
    params: dict[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)


SCALINGS = [float(x) for x in np.exp(np.linspace(np.log(1e-4), 0.0, 21))]
SAMPLES = (1, 2, 3, 4, 5, 7, 10, 15, 20)
TENTHS = [i / 10 for i in range(1, 11)]
REFERENCES = {
    "random": Reference("random", Random),
    "last_ten": Reference("thermostat", LastTen),
    "satisficer": Reference("learner", Satisficer),
    "greedy_rl2": Reference("learner", Greedy),
    "epsilon_greedy_rl2": Reference("learner", Greedy, grid={"epsilon": TENTHS}),
    "psrl_rl2": Reference("learner", PSRL, {"prior": rl2_prior}),
    "opsrl_rl2": Reference("learner", OptimisticPSRL, {"prior": rl2_prior}, {"samples": SAMPLES}),
    "ucrl2_rl2": Reference("learner", UCRL2, grid={"scaling": SCALINGS}),
    "beb_rl2": Reference("learner", BEB, {"prior": rl2_prior, "form": "tabularl"}, {"scaling": SCALINGS}),
    "greedy": Reference("learner", Greedy, {"prior": world_prior}),
    "psrl": Reference("learner", PSRL),
    "opsrl": Reference("learner", OptimisticPSRL, grid={"samples": SAMPLES}),
    "beb": Reference("learner", BEB, grid={"beta": (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)}),
    "oracle_follower": Reference("optimal", follower),
}
