"""Reference agents at the best of a grid of parameters, found on other tasks, as RL^2 tuned its baselines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from mesasim.agents.base import Agent
from mesasim.baselines.setting import Setting
from mesasim.evaluate import Evaluation

TUNING_TASKS = 1000  # as many as RL^2 tuned on


def evaluate_tuned(
    setting: Setting,
    name: str,
    nature: str,
    make: Callable[..., Agent],
    grid: Mapping[str, Sequence[Any]],
    tasks: int = TUNING_TASKS,
) -> Evaluation:
    """The agent `make(**params)` with the best of all combinations of `grid` on `tasks` other tasks; the evaluation's
    notes say which. An empty grid is no tuning."""
    candidates = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    best = candidates[0]
    if len(candidates) > 1:
        other = setting.elsewhere(tasks)
        best = candidates[int(np.argmax([other.evaluate(make(**p), name, "").returns.mean() for p in candidates]))]
    evaluation = setting.evaluate(make(**best), name, nature)
    if grid:
        chosen = ", ".join(f"{key}={value:.4g}" for key, value in best.items())
        evaluation.notes.append(f"{chosen}: best of {len(candidates)} on {tasks} other tasks")
    return evaluation
