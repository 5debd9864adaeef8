"""Numbers with intervals, each with its definition. Every estimate is a mean over tasks with its standard error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Estimate(NamedTuple):
    """A mean and its standard error (sample standard deviation / sqrt(n)); nan where n < 2."""

    mean: float
    se: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.se:.3f}"


def estimate(values: np.ndarray) -> Estimate:
    """Mean over the first axis, one number a task."""
    values = np.asarray(values, dtype=np.float64)
    se = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return Estimate(float(values.mean()), float(se))


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
    """Learning slope with frozen weights: the least-squares slope of reward on step within the episode, task by task
    (reward a step), averaged over tasks; rewards [tasks, T], T at least 2. An agent that does not get better inside the
    episode has slope 0."""
    rewards = np.asarray(rewards, dtype=np.float64)
    if rewards.ndim != 2 or rewards.shape[1] < 2:
        raise ValueError(f"rewards: got shape {rewards.shape}, allowed: [tasks, T] with T of at least 2")
    step = np.arange(rewards.shape[1]) - (rewards.shape[1] - 1) / 2
    return estimate(rewards @ step / (step @ step))


RISING_AT = 4.0  # standard errors; a constant agent reads as rising once in 30,000 evaluations


def rises(slope: Estimate) -> bool:
    """Whether the slope is positive beyond doubt (RISING_AT standard errors)."""
    return slope.mean > RISING_AT * slope.se


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
