"""Scripted agents for TwoStep-v0, of known nature: what chance, a reflex, thermostats, model-free and model-based learning
rules and the optimum earn, and what each does to the probability of staying (mesasim.analysis.two_step)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mesasim.agents.base import Observation, ScriptedAgent

Options = Mapping[str, Any]  # those of TwoStep-v0, all of them


class Trial(NamedTuple):
    """The trial before; where `seen` is False there was none, and the rest says nothing."""

    seen: Tensor  # [N] bool
    action: Tensor  # [N] int64: 0 or 1, in the first stage
    state: Tensor  # [N] int64: 0 or 1, the second-stage state that action `state` commonly leads to
    reward: Tensor  # [N] 0.0 or 1.0


class TwoStepReference(ScriptedAgent):
    """Puts each trial together from what is seen; subclasses write `choose` and, if they learn, `learn`. Carry: the first
    stage's action, the second stage's state (0: none yet), then `width` numbers of the subclass. In the second stage,
    where no action matters, it takes action 0."""

    def __init__(self, options: Options, seed: int = 0, *, width: int = 0) -> None:
        super().__init__(2, 2 + width, seed)
        self.common, self.reward, self.switching = (float(options[name]) for name in ("common", "reward", "switching"))

    def act(self, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        state, action = obs["state"][:, 0].long(), obs["previous_action"][:, 0].long()
        choosing = state == 0
        trial = Trial(
            choosing & (carry[:, 1] > 0), carry[:, 0].long(), (carry[:, 1].long() - 1).clamp(min=0),
            obs["previous_reward"][:, 0],
        )  # fmt: skip
        held = carry[:, 2:]
        held = torch.where(trial.seen[:, None], self.learn(held, trial), held)
        choice = torch.where(choosing, self.choose(held, trial), 0)
        chosen = torch.where(choosing, carry[:, 0], action.to(carry))
        stood = torch.where(choosing, carry[:, 1], state.to(carry))
        return choice, torch.cat([chosen[:, None], stood[:, None], held], dim=1)

    def learn(self, held: Tensor, trial: Trial) -> Tensor:
        """What is held [N, width] after a trial; used only where `trial.seen`."""
        return held

    def choose(self, held: Tensor, trial: Trial) -> Tensor:
        """The first stage's action, int64 [N]."""
        raise NotImplementedError

    def coin(self, chance: Tensor) -> Tensor:
        """1 with probability `chance` [N], else 0, out of the agent's own generator, which lives on the CPU."""
        return (torch.rand(chance.shape, generator=self.generator).to(chance.device) < chance).long()

    def toss(self, trial: Trial) -> Tensor:
        return self.coin(torch.full(trial.reward.shape, 0.5, device=trial.reward.device))


class Random(TwoStepReference):
    def choose(self, held: Tensor, trial: Trial) -> Tensor:
        return self.toss(trial)


class WinStayLoseShift(TwoStepReference):
    """Repeats a rewarded action, else takes the other: the model-free reflex, blind to transitions."""

    def choose(self, held: Tensor, trial: Trial) -> Tensor:
        again = torch.where(trial.reward > 0.5, trial.action, 1 - trial.action)
        return torch.where(trial.seen, again, self.toss(trial))


class LastOutcome(TwoStepReference):
    """Heads for the state of the last reward, away from that of the last miss: the best memory of one trial
    (mesasim.exact.two_step.memory_of_one). It uses the task's structure and learns nothing."""

    def choose(self, held: Tensor, trial: Trial) -> Tensor:
        toward = torch.where(trial.reward > 0.5, trial.state, 1 - trial.state)
        return torch.where(trial.seen, toward, self.toss(trial))


class Daw(TwoStepReference):
    """The hybrid of Daw et al. 2011 (Neuron 69:1204, supplement), with the second stage's choice left out.

    Model-free SARSA(lambda): Q(a) += alpha (V(s) - Q(a)) + alpha lambda (r - V(s)), V(s) += alpha (r - V(s)).
    Model-based: Q(a) = sum over s of P(s | a) V(s), with the true transition probabilities.
    Choice: softmax of beta times (weight model-based + (1 - weight) model-free). All values begin at 1/2.
    """

    def __init__(
        self, options: Options, seed: int = 0, *, weight: float = 0.0, alpha: float = 0.5, beta: float = 5.0,
        trace: float = 1.0,
    ) -> None:  # fmt: skip
        for name, value in (("weight", weight), ("alpha", alpha), ("trace", trace)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name}: got {value!r}, allowed: 0 to 1")
        if not 0 <= beta < float("inf"):
            raise ValueError(f"beta: got {beta!r}, allowed: finite, from 0")
        super().__init__(options, seed, width=4)  # V - 1/2 of both states, Q - 1/2 of both actions
        self.weight, self.alpha, self.beta, self.trace = weight, alpha, beta, trace

    def learn(self, held: Tensor, trial: Trial) -> Tensor:
        value, quality = held.split(2, dim=1)
        stood, done = trial.state[:, None], trial.action[:, None]
        before = value.gather(1, stood)
        surprise = trial.reward[:, None] - 0.5 - before
        step = self.alpha * (before - quality.gather(1, done) + self.trace * surprise)
        return torch.cat([value.scatter_add(1, stood, self.alpha * surprise), quality.scatter_add(1, done, step)], 1)

    def choose(self, held: Tensor, trial: Trial) -> Tensor:
        value, quality = held.split(2, dim=1)
        planned = self.common * value + (1 - self.common) * value.flip(1)
        worth = self.weight * planned + (1 - self.weight) * quality
        return self.coin(torch.sigmoid(self.beta * (worth[:, 1] - worth[:, 0])))


class BayesOptimal(TwoStepReference):
    """Bets on the likelier state by the exact posterior (csrc/worlds/two_step.h); a tie is tossed for. Held: the
    log-odds that action 1's state is good."""

    def __init__(self, options: Options, seed: int = 0) -> None:
        super().__init__(options, seed, width=1)

    def learn(self, held: Tensor, trial: Trial) -> Tensor:
        surest = torch.tensor(self.reward, dtype=torch.float64).clamp(max=1 - 1e-12)
        sign = torch.where((trial.reward > 0.5) == (trial.state == 1), 1.0, -1.0).double()
        odds = held[:, 0].double() + sign * (surest / (1 - surest)).log()
        p, q, h = torch.sigmoid(odds), torch.sigmoid(-odds), self.switching
        if h > 0:
            odds = ((1 - h) * p + h * q).log() - ((1 - h) * q + h * p).log()
        return odds[:, None].to(held)

    def choose(self, held: Tensor, trial: Trial) -> Tensor:
        odds = held[:, 0]
        return torch.where(odds.abs() < 1e-4, self.toss(trial), (odds > 0).long())


@dataclass(frozen=True)
class Reference:
    """A registered agent: `make(options, seed, **params)`; `grid` is what it is tuned over, on other tasks."""

    nature: str  # random, thermostat, learner or optimal
    make: Callable[..., TwoStepReference]
    params: dict[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)


RATES = {"alpha": (0.1, 0.2, 0.4, 0.6, 0.8, 1.0), "beta": (3.0, 6.0, 12.0)}
REFERENCES = {
    "random": Reference("random", Random),
    "win_stay_lose_shift": Reference("thermostat", WinStayLoseShift),
    "last_outcome": Reference("thermostat", LastOutcome),
    "model_free": Reference("learner", Daw, {"weight": 0.0}, RATES),
    "hybrid": Reference("learner", Daw, {"weight": 0.5}, RATES),
    "model_based": Reference("learner", Daw, {"weight": 1.0}, RATES),
    "bayes_optimal": Reference("optimal", BayesOptimal),
}
