"""TwoStep-v0: floor and ceiling exact, learners at the best of their parameters."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from mesasim.agents.two_step_references import REFERENCES, Reference
from mesasim.baselines.setting import Evaluate, Scale, Setting
from mesasim.baselines.tuning import evaluate_tuned
from mesasim.evaluate import Evaluation
from mesasim.exact import two_step

TUNING_TASKS = 500


def agents(world: str) -> dict[str, Reference]:
    return REFERENCES


def references(setting: Setting) -> Iterator[tuple[str, Evaluate]]:
    for name, reference in REFERENCES.items():
        make = partial(reference.make, setting.full_options(), setting.seed, **reference.params)
        yield name, partial(evaluate_tuned, setting, name, reference.nature, make, reference.grid, TUNING_TASKS)


def scale(setting: Setting, evaluations: list[Evaluation]) -> Scale:
    """An empty scale, ValueError, where no choice matters (common or reward at 1/2)."""
    options = setting.full_options()
    if 0.5 in (options["common"], options["reward"]):
        raise ValueError("options: got common or reward at 0.5, where every policy earns the same; allowed: above 0.5")
    low, high = two_step.optimum_bounds(**options)
    how = "ceiling: exact Bayes-optimal value; floor: exact chance"
    if high > low:
        how = f"ceiling: Bayes-optimal value, exact to {(high - low) / 2:.1g}; floor: exact chance"
    return Scale(two_step.floor(options["trials"]), (low + high) / 2, how)
