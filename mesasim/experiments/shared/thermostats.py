"""The one verdict on whether trained agents learn within the episode or react: their returns against every thermostat of the
world on the same tasks (metrics.thermostat_test). Not an experiment itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mesasim import baselines
from mesasim.agents.bandit_references import REFERENCES
from mesasim.evaluate import Evaluation
from mesasim.exact import bandit as exact_bandit
from mesasim.experiments.shared.comparing import Comparison
from mesasim.metrics import Estimate, thermostat_test

BANDIT = (
    "win_stay_lose_next",
    "last_ten_sum",
    "last_ten_mean",
)  # references of Bandit-v0 that every verdict on it needs
MEMORY_OF_ONE = "best memory of one"


def planted(setting: baselines.Setting) -> list[Evaluation]:
    """Bandit-v0's thermostats that do not come with the setting's references: they need no prior, and play every bandit."""
    o, found = setting.full_options(), []
    for name in sorted(set(BANDIT) - {name for name, _ in baselines.references(setting)}):
        reference = REFERENCES[name]
        agent = reference.make(o["arms"], o["pulls"], setting.seed, **reference.params)
        found.append(setting.evaluate(agent, name, reference.nature))
    return found


def of_bandit(comparison: Comparison) -> dict[str, np.ndarray | float]:
    """Name → returns on the comparison's tasks of each thermostat it evaluated; and the expected reward of the best policy that
    sees only its last action and reward: exact for independent arms with uniform priors; of two dependent arms it is
    win-stay-lose-shift, which is among the others."""
    found: dict[str, np.ndarray | float] = {name: comparison.evaluation(name).returns for name in BANDIT}
    o = comparison.setting.full_options()
    if o["prior"] == "uniform" and o["reward"] == "bernoulli" and o["drift"] == "none":
        found[MEMORY_OF_ONE] = exact_bandit.memory_of_one(o["arms"], o["pulls"])
    return found


def hardest(thermostats: Mapping[str, np.ndarray | float]) -> tuple[str, float]:
    """Name and mean return of the thermostat that earns most."""
    name = max(thermostats, key=lambda one: float(np.mean(thermostats[one])))
    return name, float(np.mean(thermostats[name]))


def verdict(comparison: Comparison, agent: str, thermostats: Mapping[str, np.ndarray | float]) -> str:
    """One sentence: what an agent earned, and whether it learns within the episode, reacts, or neither."""
    row = comparison.row(agent)
    limits = f"{row['fraction']:.1%} of the way from {row['floor']:.2f} (chance) to {row['ceiling']:.3f}"
    place = f"{agent}: {row['reward_mean']:.3f} ± {row['reward_se']:.3f}, {limits}, weights unchanged; "
    found = thermostat_test(comparison.evaluation(agent).returns, thermostats, row["floor"])
    if found.verdict == "not above chance":
        return place + f"not told from chance ({_apart(found.above_chance)} above it)."
    name, best = hardest(thermostats)
    margin = found.margins[min(found.margins, key=lambda one: found.margins[one].mean)]
    if found.verdict == "thermostat":
        return (
            place
            + f"not above a thermostat ({name} earns {best:.3f}, it {_apart(margin)} more): it is not shown to learn."
        )
    above = f"above every thermostat ({_apart(margin)} more than {name})"
    slope = f"{row['slope']:.4f} ± {row['slope_se']:.4f} a step"
    if not row["rises"]:
        return place + f"{above}, though no rise within the episode is told from none ({slope})."
    return place + f"{above}, and rising by {slope}: it learns in its activations."


def _apart(difference: Estimate) -> str:
    return f"{difference.mean:.3f} ± {difference.se:.3f}"


def readings(comparison: Comparison, thermostats: Mapping[str, np.ndarray | float]) -> dict[str, Any]:
    """For a summary: the thermostats' mean returns, and "learner", "thermostat" or "not above chance" for each trained agent,
    also in its row."""
    for name in comparison.trained:
        row = comparison.row(name)
        row["reads_as"] = thermostat_test(comparison.evaluation(name).returns, thermostats, row["floor"]).verdict
    return {"thermostats": {name: float(np.mean(returns)) for name, returns in thermostats.items()}}
