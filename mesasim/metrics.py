"""Numbers with intervals, each with its definition and where it comes from. Every estimate is a mean over tasks with its
standard error. What needs an agent's memory rather than its rewards is measured in mesasim.analysis, and reported as the
Metric defined here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import stats


class Estimate(NamedTuple):
    """A mean, its standard error (sample standard deviation / sqrt(n); nan where n < 2), and how well that error is itself
    known: the degrees of freedom behind it, n - 1 (inf where it is known exactly)."""

    mean: float
    se: float
    df: float = math.inf

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.se:.3f}"


def estimate(values: np.ndarray) -> Estimate:
    """Mean over the first axis, one number a task."""
    values = np.asarray(values, dtype=np.float64)
    se = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return Estimate(float(values.mean()), float(se), len(values) - 1.0)


BEYOND_DOUBT = 4.0  # standard errors of many tasks; a difference of nothing reads as one once in 30,000 comparisons


def doubt(df: float) -> float:
    """How many standard errors are as rare as BEYOND_DOUBT of a normal distribution when the error itself is estimated with
    `df` degrees of freedom (Student's t): 4.0 for very many values, 4.8 for 25 (df 24), 17 for five, 126 for three."""
    return float(stats.t.isf(stats.norm.sf(BEYOND_DOUBT), df)) if df > 0 else math.inf


ALIKE = 30  # values; so many or more that are all the same leave no doubt, fewer may be so by chance


def beyond_doubt(difference: Estimate) -> bool:
    """Whether a difference is positive by `doubt` standard errors. One whose error is unknown never is, nor one of fewer than
    ALIKE values whose error happens to be 0."""
    if difference.se == 0 and difference.df < ALIKE - 1:
        return False
    return difference.mean > doubt(difference.df) * difference.se


def welch(*parts: Estimate) -> float:
    """Degrees of freedom of the sum or difference of independent estimates (Welch 1947, Satterthwaite 1946)."""
    spread = sum(part.se**4 / part.df for part in parts if part.se > 0)
    return sum(part.se**2 for part in parts) ** 2 / spread if spread > 0 else math.inf


@dataclass(frozen=True)
class Metric:
    """A measured value with what it must be read against. A value may lie a little outside floor and ceiling, which are
    estimates themselves unless exact."""

    definition: str  # name of what was measured, in words
    value: float
    se: float  # standard error over n; nan where n < 2
    floor: float  # what an agent without what is measured has
    ceiling: float  # what an agent that has it in full has
    n: int  # independent tasks (or seeds)

    def __post_init__(self) -> None:
        if math.isnan(self.value) or math.isnan(self.floor) or math.isnan(self.ceiling):
            raise ValueError(f"{self.definition}: got value {self.value}, floor {self.floor}, ceiling {self.ceiling}, "
                             "allowed: numbers, none of them nan")  # fmt: skip
        if self.floor == self.ceiling:
            raise ValueError(f"ceiling: got {self.ceiling}, allowed: other than the floor")
        if self.n < 1:
            raise ValueError(f"n: got {self.n}, allowed: at least 1")

    @property
    def fraction(self) -> float:
        """(value - floor) / (ceiling - floor); of a loss, too, whose ceiling lies below its floor."""
        return (self.value - self.floor) / (self.ceiling - self.floor)

    @property
    def above_floor(self) -> bool:
        """Beyond doubt on the ceiling's side of the floor."""
        side = math.copysign(1.0, self.ceiling - self.floor)
        return beyond_doubt(Estimate(side * (self.value - self.floor), self.se, self.n - 1.0))

    def row(self) -> dict[str, Any]:
        """For summary.json."""
        return asdict(self) | {"fraction": self.fraction, "above_floor": self.above_floor}

    def __str__(self) -> str:
        return f"{self.value:.3f} ± {self.se:.3f} (floor {self.floor:.3f}, ceiling {self.ceiling:.3f}, n {self.n})"


def metric(definition: str, values: np.ndarray, floor: float, ceiling: float) -> Metric:
    """The mean of one number a task as a Metric."""
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"values: got shape {values.shape}, allowed: [tasks] with at least one task")
    found = estimate(values)
    return Metric(definition, found.mean, found.se, float(floor), float(ceiling), len(values))


def by_step(rewards: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean reward at each step within the episode, and its standard error; rewards [tasks, T]."""
    rewards = np.asarray(rewards, dtype=np.float64)
    se = rewards.std(axis=0, ddof=1) / np.sqrt(len(rewards)) if len(rewards) > 1 else np.full(rewards.shape[1], np.nan)
    return rewards.mean(axis=0), se


def fraction(value: float, floor: float, ceiling: float) -> float:
    """(value - floor) / (ceiling - floor): 0 is the floor (chance), 1 the best that can be done."""
    if not ceiling > floor:
        raise ValueError(f"ceiling: got {ceiling}, allowed: above the floor {floor}")
    return (value - floor) / (ceiling - floor)


def frozen_weights_slope(rewards: np.ndarray) -> Estimate:
    """Learning slope with frozen weights: the least-squares slope of reward on trial within the episode, task by task
    (reward a trial), averaged over tasks; rewards [tasks, T] of each trial, T at least 2. An agent that does not get better
    inside the episode has slope 0 if trials are alike: fold steps that pay unequally into trials first
    (Evaluation.rewards_by_trial), since a constant earner rises over steps of which the last in each trial pays."""
    rewards = np.asarray(rewards, dtype=np.float64)
    if rewards.ndim != 2 or rewards.shape[1] < 2:
        raise ValueError(f"rewards: got shape {rewards.shape}, allowed: [tasks, T] with T of at least 2")
    trial = np.arange(rewards.shape[1]) - (rewards.shape[1] - 1) / 2
    return estimate(rewards @ trial / (trial @ trial))


def rises(slope: Estimate) -> bool:
    """Whether the slope is positive beyond doubt."""
    return beyond_doubt(slope)


class ThermostatTest(NamedTuple):
    """What `thermostat_test` found."""

    verdict: str  # "learner", "not above a thermostat", "not above chance" or "below chance"
    above_chance: Estimate  # the agent's return minus chance
    margins: dict[str, Estimate]  # thermostat → the agent's return minus its, task by task

    @property
    def hardest(self) -> str:
        """The thermostat that the agent is least surely above."""

        def sureness(name: str) -> float:
            margin = self.margins[name]
            return margin.mean / margin.se if margin.se > 0 else math.copysign(math.inf, margin.mean)

        return min(self.margins, key=sureness)


def thermostat_test(returns: np.ndarray, thermostats: Mapping[str, np.ndarray], chance: float) -> ThermostatTest:
    """Is an agent above what reflexes on the recent past earn? An agent may rise within the episode, its weights frozen, by
    "a very simple heuristic" (Wichers' comment: the best arm of the last ten steps nine times in ten): a thermostat regulates
    the present and keeps nothing of the task. The agent reads as "learner" only if its return is above that of every thermostat
    tried beyond doubt, paired on the same tasks. The test says no more than that: there may be better thermostats, and an agent
    that is not above those tried may learn all the same. The best policy on the last action and reward alone should be among
    them, and what a thermostat could use, such as a clock.

    Args:
        returns: the agent's return on each task, [tasks].
        thermostats: name → returns of a thermostat on the same tasks, [tasks].
        chance: expected return of a policy that sees nothing.
    """
    returns = np.asarray(returns, dtype=np.float64)
    if not thermostats:
        raise ValueError("thermostats: got none, allowed: at least one on the same tasks")
    for name, given in {"returns": returns, **thermostats}.items():
        if np.shape(given) != returns.shape or returns.ndim != 1 or not np.isfinite(given).all():
            raise ValueError(f"{name}: got shape {np.shape(given)}, allowed: finite [tasks], as many as returns")
    margins = {name: estimate(returns - given) for name, given in thermostats.items()}
    above_chance = estimate(returns - chance)
    if not beyond_doubt(above_chance):
        below = beyond_doubt(above_chance._replace(mean=-above_chance.mean))
        return ThermostatTest("below chance" if below else "not above chance", above_chance, margins)
    learner = all(beyond_doubt(margin) for margin in margins.values())
    return ThermostatTest("learner" if learner else "not above a thermostat", above_chance, margins)


def window_curve(values: Mapping[int, np.ndarray], ceilings: Mapping[int, float], floor: float) -> list[Metric]:
    """What agents that see the last c observations reach, by c, against the best any such agent can: a curve that follows
    its ceilings uses all its window holds; one that stays flat uses none of it (Branwen's remark that a context window of
    one token cannot meta-learn; for the coin the ceilings are those of references.md, section 3).

    Args:
        values: window length c → one number a task, [tasks].
        ceilings: c → exact value of the best predictor or policy that sees c observations; for every c of `values`. For
            losses, which fall, they lie below the floor.
        floor: value without any observation (c = 0), or of chance.
    """
    if missing := sorted(set(values) - set(ceilings)):
        raise ValueError(f"ceilings: got none for windows {missing}, allowed: one for every window measured")
    if impossible := [c for c in values if isinstance(c, bool) or not isinstance(c, int) or c < 1]:
        raise ValueError(f"values: got windows {impossible}, allowed: integers of at least 1")
    return [metric(f"window of {c}", values[c], floor, ceilings[c]) for c in sorted(values)]


def interval(values: np.ndarray, resamples: int = 1000) -> tuple[float, float, float]:
    """Mean over tasks and its 95 % interval by bootstrap over tasks (percentiles, Efron 1979), one number a task; the
    resamples are always the same ones."""
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise ValueError(f"values: got shape {values.shape}, allowed: [tasks] with at least one task")
    rng = np.random.default_rng(0)
    means = [values[rng.integers(len(values), size=len(values))].mean() for _ in range(resamples)]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(values.mean()), float(low), float(high)


# Task location


def task_location_index(
    model: np.ndarray, learning: np.ndarray, location: np.ndarray, resamples: int = 1000
) -> Estimate:
    """[L(model) - L(learning)] / [L(location) - L(learning)] on tasks that were never trained on: 0 for a predictor that
    learns them as the best learner does (ridge regression), 1 for one that can only find the nearest task it was trained
    on (discrete MMSE). The three losses are those compared by Raventos et al. 2023 (arXiv 2306.15063, section 3); the
    ratio is ours. It says nothing of predictors worse than both, which read above 1: hold it beside the loss on trained
    tasks.

    Args:
        model, learning, location: a loss each of the same tasks, floats [tasks], at least two.
        resamples: of tasks, the same for all three, for the standard error (bootstrap, Efron 1979).

    Raises:
        ValueError: arrays that do not fit, or references that these tasks do not tell apart (BEYOND_DOUBT standard errors).
    """
    losses = [np.asarray(given, dtype=np.float64) for given in (model, learning, location)]
    for name, given in zip(("model", "learning", "location"), losses, strict=True):
        if given.ndim != 1 or len(given) < 2 or given.shape != losses[0].shape or not np.isfinite(given).all():
            raise ValueError(
                f"{name}: got shape {given.shape}, allowed: finite numbers [tasks], as many as of the model"
            )
    apart = estimate(losses[2] - losses[1])
    if not beyond_doubt(apart):
        raise ValueError(
            f"location: got losses {apart} above learning's, allowed: above by {BEYOND_DOUBT:g} standard errors"
        )
    stacked = np.stack(losses)

    def index(means: np.ndarray) -> np.ndarray:
        return (means[0] - means[1]) / (means[2] - means[1])

    rng = np.random.default_rng(0)
    count = stacked.shape[1]
    draws = [index(stacked[:, rng.integers(count, size=count)].mean(axis=1)) for _ in range(resamples)]
    return Estimate(float(index(stacked.mean(axis=1))), float(np.std(draws, ddof=1)), count - 1.0)
