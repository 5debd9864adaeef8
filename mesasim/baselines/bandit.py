"""Bandit-v0: floor and ceiling exact where it can be solved, reference agents tuned where they have a free parameter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from mesasim.agents.bandit_beliefs import PerArm, by_arm
from mesasim.agents.bandit_filters import OPTION_REFERENCES, OptionReference
from mesasim.agents.bandit_references import REFERENCES, Reference
from mesasim.agents.base import Agent
from mesasim.baselines.setting import Evaluate, Scale, Setting
from mesasim.evaluate import Evaluation
from mesasim.exact import bandit as exact_bandit
from mesasim.exact import beta_bandit, informative_arm
from mesasim.metrics import estimate

EXACT = "ceiling: exact Bayes-optimal value by dynamic programming; floor: exact chance"
TUNING_TASKS = 1000  # as many as RL^2 tuned on


def agents(world: str) -> Mapping[str, Reference | OptionReference]:
    return REFERENCES | OPTION_REFERENCES


def is_exact(setting: Setting) -> bool:
    """Whether the exact solvers speak of this bandit: 0/1 rewards, independent arms with Beta priors that stand still."""
    o = setting.full_options()
    return (
        o["reward"] == "bernoulli"
        and o["prior"] in ("uniform", "beta")
        and o["drift"] == "none"
        and o["num_tasks"] == 0
    )


def prior(setting: Setting) -> tuple[PerArm, PerArm]:
    """(alpha, beta) of independent arms' Beta prior, numbers or one for each arm."""
    o = setting.full_options()
    if o["prior"] != "beta":
        return 1.0, 1.0
    alpha, beta = o["alphas"] or o["alpha"], o["betas"] or o["beta"]
    if isinstance(alpha, list) or isinstance(beta, list):
        return by_arm(alpha, o["arms"]), by_arm(beta, o["arms"])
    return alpha, beta


def fits(setting: Setting) -> bool:
    """Whether dynamic programming can solve an exact bandit."""
    arms, pulls = setting.full_options()["arms"], setting.full_options()["pulls"]
    return beta_bandit.fits(arms, pulls) if isinstance(prior(setting)[0], tuple) else exact_bandit.fits(arms, pulls)


def references(setting: Setting) -> Iterator[tuple[str, Evaluate]]:
    o = setting.full_options()
    if o["reward"] == "bernoulli":
        arms, pulls = o["arms"], o["pulls"]
        # Beside a known set of tasks, or arms that move, those of the prior are the agents that ignore it.
        knows_prior = o["prior"] in ("uniform", "beta")
        for name, reference in REFERENCES.items():
            if reference.uses_prior and not knows_prior:
                continue
            if name in ("bayes_optimal", "gittins") and not is_exact(setting):
                continue  # what they assume is not so
            if name == "bayes_optimal" and not fits(setting):
                continue  # the scale's `how` says what stands in for it
            if not reference.fits(arms, pulls):
                continue
            if name == "gittins" and pulls > exact_bandit.MAX_GITTINS_PULLS:
                continue  # and here
            beliefs = dict(zip(("alpha", "beta"), prior(setting), strict=True)) if reference.uses_prior else {}
            make = partial(reference.make, arms, pulls, setting.seed, **beliefs)
            yield name, partial(evaluate_reference, setting, name, reference, make)
    else:
        random = REFERENCES["random"]
        make = partial(random.make, o["arms"], o["pulls"], setting.seed)
        yield "random", partial(evaluate_reference, setting, "random", random, make)
    for name, one in OPTION_REFERENCES.items():
        if one.fits(o) and not is_exact(setting):
            shown = one.shown or name
            yield shown, partial(evaluate_reference, setting, shown, one, partial(one.make, o, setting.seed))


def evaluate_reference(
    setting: Setting, name: str, reference: Reference | OptionReference, make: Callable[..., Agent]
) -> Evaluation:
    """One reference agent, its free parameter at the best of its grid on TUNING_TASKS other tasks."""
    params: dict[str, Any] = dict(reference.params) if isinstance(reference, Reference) else {}
    notes = []
    if reference.grid:
        parameter, values = next(iter(reference.grid.items()))
        other = setting.elsewhere(TUNING_TASKS)
        scores = [other.evaluate(make(**{parameter: value}), name, "").returns.mean() for value in values]
        params = {parameter: values[int(np.argmax(scores))]}
        notes = [f"{parameter}={params[parameter]:g}, best of {len(values)} on {TUNING_TASKS} other tasks"]
    evaluation = setting.evaluate(make(**params), name, reference.nature)
    evaluation.notes += notes
    return evaluation


def scale(setting: Setting, evaluations: list[Evaluation]) -> Scale:
    by_name = {e.agent: e for e in evaluations}
    o = setting.full_options()
    arms, pulls = o["arms"], o["pulls"]
    plain = o["drift"] == "none" and o["num_tasks"] == 0
    if is_exact(setting):
        alpha, beta = prior(setting)
        pairs = zip(by_arm(alpha, arms), by_arm(beta, arms), strict=True)
        floor = float(np.mean([exact_bandit.floor(pulls, *pair) for pair in pairs]))
        if fits(setting):
            if isinstance(alpha, tuple) and isinstance(beta, tuple):
                return Scale(floor, beta_bandit.solved(alpha, beta, pulls).value, EXACT)
            return Scale(floor, exact_bandit.solved(arms, pulls, alpha, beta).value, EXACT)
        if "gittins" in by_name:
            gittins = estimate(by_name["gittins"].returns)
            how = f"ceiling: finite-horizon Gittins agent, simulated ({gittins}), since exact dynamic programming does not fit"
            return Scale(floor, gittins.mean, f"{how}; floor: exact chance")
    if plain and o["reward"] == "bernoulli" and o["prior"].startswith("dependent"):
        return Scale(pulls / 2, exact_bandit.dependent_value(pulls, o["prior"]), EXACT)
    if plain and o["prior"] == "informative" and o["reward_std"] == 0:
        return Scale(informative_arm.random_value(arms, pulls), informative_arm.value(arms, pulls), EXACT)
    if o["num_tasks"] == 0 and o["prior"].startswith("dependent") and "bayes_optimal" in by_name:
        optimal = estimate(by_name["bayes_optimal"].returns)
        how = f"ceiling: the Bayes-optimal agent (exact filter; both arms tell as much), simulated ({optimal})"
        return Scale(pulls / 2, optimal.mean, f"{how}; floor: exact chance")
    if not evaluations:
        raise ValueError("evaluations: got none, allowed: at least one where the ceiling is not known exactly")
    always = "ceiling: always the best arm of the moment, which no agent can know at the start; "
    if o["drift"] == "none":
        means = evaluations[0].oracle["arm_means"]
        floor, ceiling = means.mean() * pulls, means.max(axis=1).mean() * pulls
        return Scale(float(floor), float(ceiling), always + "floor: chance; both over these tasks")
    random = by_name.get("random", evaluations[0])
    floor = float(random.returns.mean())
    ceiling = floor + float(random.oracle["expected_regret"].mean())
    return Scale(floor, ceiling, always + f"floor: the agent {random.agent}; both simulated on these tasks")
