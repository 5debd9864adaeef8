"""Bandit-v0: floor and ceiling exact where it can be solved, reference agents tuned where they have a free parameter."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from mesasim.agents.bandit_references import REFERENCES, Reference
from mesasim.baselines.setting import Evaluate, Scale, Setting
from mesasim.evaluate import Evaluation
from mesasim.exact import bandit as exact_bandit
from mesasim.metrics import estimate

EXACT = "ceiling: exact Bayes-optimal value by dynamic programming; floor: exact chance"
TUNING_TASKS = 1000  # as many as RL^2 tuned on


def agents(world: str) -> dict[str, Reference]:
    return REFERENCES


def is_exact(setting: Setting) -> bool:
    """Whether the exact solvers speak of this bandit: 0/1 rewards, independent arms with a Beta prior."""
    options = setting.full_options()
    return options["reward"] == "bernoulli" and options["prior"] in ("uniform", "beta")


def prior(setting: Setting) -> tuple[float, float]:
    """(alpha, beta) of an exact bandit's prior."""
    options = setting.full_options()
    return (options["alpha"], options["beta"]) if options["prior"] == "beta" else (1.0, 1.0)


def references(setting: Setting) -> Iterator[tuple[str, Evaluate]]:
    if not is_exact(setting):
        return
    arms, pulls = setting.full_options()["arms"], setting.full_options()["pulls"]
    for name, reference in REFERENCES.items():
        if name == "bayes_optimal" and not exact_bandit.fits(arms, pulls):
            continue  # the scale's `how` says what stands in for it
        if name == "gittins" and pulls > exact_bandit.MAX_GITTINS_PULLS:
            continue  # and here
        yield name, partial(evaluate_reference, setting, name, reference)


def evaluate_reference(setting: Setting, name: str, reference: Reference) -> Evaluation:
    """One reference agent, its free parameter at the best of its grid on TUNING_TASKS other tasks."""
    arms, pulls = setting.full_options()["arms"], setting.full_options()["pulls"]
    beliefs = dict(zip(("alpha", "beta"), prior(setting), strict=True)) if reference.uses_prior else {}
    params: dict[str, Any] = dict(reference.params)
    notes = []
    if reference.grid:
        parameter, values = next(iter(reference.grid.items()))
        other = setting.elsewhere(TUNING_TASKS)
        scores = [
            other.evaluate(reference.make(arms, pulls, setting.seed, **{parameter: value}), name, "").returns.mean()
            for value in values
        ]
        params = {parameter: values[int(np.argmax(scores))]}
        notes = [f"{parameter}={params[parameter]:g}, best of {len(values)} on {TUNING_TASKS} other tasks"]
    agent = reference.make(arms, pulls, setting.seed, **params, **beliefs)
    evaluation = setting.evaluate(agent, name, reference.nature)
    evaluation.notes += notes
    return evaluation


def scale(setting: Setting, evaluations: list[Evaluation]) -> Scale:
    by_name = {e.agent: e for e in evaluations}
    options = setting.full_options()
    if is_exact(setting):
        arms, pulls = options["arms"], options["pulls"]
        alpha, beta = prior(setting)
        floor = exact_bandit.floor(pulls, alpha, beta)
        if exact_bandit.fits(arms, pulls):
            return Scale(floor, exact_bandit.solved(arms, pulls, alpha, beta).value, EXACT)
        if "gittins" in by_name:
            gittins = estimate(by_name["gittins"].returns)
            how = f"ceiling: finite-horizon Gittins agent, simulated ({gittins}), since exact dynamic programming does not fit"
            return Scale(floor, gittins.mean, f"{how}; floor: exact chance")
    if options["reward"] == "bernoulli" and options["prior"].startswith("dependent"):
        value = exact_bandit.dependent_value(options["pulls"], options["prior"])
        return Scale(options["pulls"] / 2, value, EXACT)
    means = evaluations[0].oracle["arm_means"]
    return Scale(
        float(means.mean() * options["pulls"]), float(means.max(axis=1).mean() * options["pulls"]),
        "ceiling: always the best arm, which no agent can know at the start; floor: chance; both over these tasks",
    )  # fmt: skip
