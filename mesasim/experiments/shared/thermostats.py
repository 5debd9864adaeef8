"""The one verdict on whether trained agents learn within the episode or may only react: their returns against those of every
thermostat of the world on the same tasks (metrics.thermostat_test). Not an experiment itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mesasim import baselines
from mesasim.agents.bandit_references import REFERENCES
from mesasim.evaluate import Evaluation
from mesasim.experiments.shared.comparing import Comparison
from mesasim.metrics import Estimate, thermostat_test

# Names of references. Those of Bandit-v0 need no prior: they play every bandit. The first is the best memory of one with
# uniform priors, and with two dependent arms.
BANDIT = ("win_stay_lose_next", "last_ten_sum", "last_ten_mean", "recent_posterior", "clocked_reflex")
TABULAR_MDP = ("last_ten",)
TWO_STEP = ("win_stay_lose_shift", "last_outcome")  # the latter is the best memory of one trial


def planted(setting: baselines.Setting) -> list[Evaluation]:
    """Bandit-v0's thermostats that do not come with the setting's references."""
    o, found = setting.full_options(), []
    for name in sorted(set(BANDIT) - {name for name, _ in baselines.references(setting)}):
        reference = REFERENCES[name]
        if not reference.fits(o["arms"], o["pulls"]):
            continue
        agent = reference.make(o["arms"], o["pulls"], setting.seed, **reference.params)
        found.append(setting.evaluate(agent, name, reference.nature))
    return found


def returns_of(comparison: Comparison, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Name → returns on the comparison's tasks of each thermostat of `names` that was evaluated."""
    return {e.agent: e.returns for e in comparison.evaluations if e.agent in names}


def verdict(comparison: Comparison, agent: str, thermostats: Mapping[str, np.ndarray]) -> str:
    """One sentence: what an agent earned, and whether it is shown to learn within the episode."""
    row = comparison.row(agent)
    limits = f"{row['fraction']:.1%} of the way from {row['floor']:.2f} (chance) to {row['ceiling']:.3f}"
    place = f"{agent}: {row['reward_mean']:.3f} ± {row['reward_se']:.3f}, {limits}, weights unchanged; "
    found = thermostat_test(comparison.evaluation(agent).returns, thermostats, row["floor"])
    if found.verdict == "below chance":
        return place + f"below chance ({_apart(found.above_chance)})."
    if found.verdict == "not above chance":
        return place + f"not told from chance ({_apart(found.above_chance)} from it)."
    hardest, margin = found.hardest, found.margins[found.hardest]
    if found.verdict == "not above a thermostat":
        earns = (
            f"{hardest} earns {float(np.mean(thermostats[hardest])):.3f}, it {_apart(margin)} more on the same tasks"
        )
        return place + f"not above a thermostat ({earns}): it is not shown to learn."
    above = f"above every thermostat tried (the least surely above {hardest}, by {_apart(margin)} on the same tasks)"
    if "slope" not in row:  # one trial in an episode
        return place + f"{above}."
    slope = f"{row['slope']:.4f} ± {row['slope_se']:.4f} a trial"
    if not row["rises"]:
        return place + f"{above}, though no rise within the episode is told from none ({slope})."
    return place + f"{above}, and rising by {slope}: it learns in its activations."


def _apart(difference: Estimate) -> str:
    return f"{difference.mean:.3f} ± {difference.se:.3f}"


def readings(comparison: Comparison, thermostats: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """For a summary: the thermostats' mean returns, and thermostat_test's verdict on each trained agent, also in its row."""
    for name in comparison.trained:
        row = comparison.row(name)
        row["reads_as"] = thermostat_test(comparison.evaluation(name).returns, thermostats, row["floor"]).verdict
    return {"thermostats": {name: float(np.mean(returns)) for name, returns in thermostats.items()}}


def earned(thermostats: Mapping[str, np.ndarray]) -> str:
    """For a report's reading."""
    each = ", ".join(f"{name} {float(np.mean(returns)):.3f}" for name, returns in thermostats.items())
    return f"Thermostats on the same tasks: {each}. A learner is above all of them, beyond doubt."
