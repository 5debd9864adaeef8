"""Does what was learned to learn transfer? A recurrent network is trained on each of five kinds of two-armed bandits, frozen,
and tested on all five.

The kinds (Wang et al. 2016): independent arms, and dependent arms p and 1 - p with p uniform or from {.1, .9}, {.25, .75},
{.4, .6}. Ceiling of each column: the exact Bayes-optimal value; floor: chance. Planted controls: Thompson sampling that
believes arms are independent, which transfers to all, and the thermostat of the last ten pulls, which was trained on none.
Expected: the diagonal is best in its column; off it a specialised inner algorithm can be worse than Thompson sampling.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mesasim import baselines
from mesasim.agents import Agent
from mesasim.agents.bandit_references import REFERENCES
from mesasim.experiments import question
from mesasim.experiments.bandit_learning import DEPENDENT, recipe
from mesasim.experiments.shared.comparing import Comparison, Learner, evaluate_all, outcome, train_learners
from mesasim.experiments.shared.settings import experiment_settings
from mesasim.metrics import Estimate, fraction
from mesasim.progress import bars
from mesasim.results import summarize
from mesasim.runs import finish_run, start_run

NAME = "transfer"
KINDS = ("independent", *DEPENDENT)
CONTROLS = ("thompson", "last_ten_sum", "random")


@experiment_settings(iterations=2, tasks=200, pulls=10)
@dataclass
class Config:
    """Flags of the experiment."""

    pulls: int = 30
    """Pulls in an episode; Wang et al. used 100."""
    tasks: int = 20000
    """Unseen tasks of every kind that every agent is evaluated on."""
    iterations: int | None = None
    """PPO iterations of each network; default: what the bandit's size asks."""
    seed: int = 1
    """First seed of weights and training; seed of the evaluation."""
    seeds: int = 1
    """Networks of each kind, trained from seed, seed + 1 …"""
    quick: bool = False
    """A small form that only shows that everything runs: 2 iterations, 200 tasks."""
    num_threads: int | None = None
    """Threads; default: every core this process may use."""
    device: str = "cpu"
    """cpu or cuda[:i], of training and of evaluations of networks; all else is measured on the CPU."""


def options(kind: str, config: Config) -> dict[str, Any]:
    one = {"arms": 2, "pulls": config.pulls}
    return one if kind == "independent" else one | {"prior": kind}


def run(
    config: Config, out: Path, *, resume: bool = False, overwrite: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Trains a network a kind, freezes, evaluates each on every kind and writes the report; returns the summary."""
    settings = {
        kind: baselines.Setting(
            "Bandit-v0",
            options(kind, config),
            config.tasks,
            1000 + config.seed,
            config.num_threads,
            device=config.device,
        )
        for kind in KINDS
    }
    learners = {
        f"trained on {kind}": Learner(
            "recurrent", recipe(options(kind, config), iterations=config.iterations,
            num_threads=config.num_threads, device=config.device,
                                num_envs=64 if config.quick else None),
        )
        for kind in KINDS
    }  # fmt: skip
    start_run(out, NAME, asdict(config), resume=resume, overwrite=overwrite)
    with bars(quiet) as progress:
        seeds = range(config.seed, config.seed + config.seeds)
        trained = train_learners(learners, seeds, out, progress, resume=resume)
        columns = {}
        for kind, setting in settings.items():
            planted = [setting.evaluate(control(name, config), name, REFERENCES[name].nature) for name in CONTROLS]
            columns[kind] = evaluate_all(
                setting, dict.fromkeys(learners, "recurrent"), trained, progress, references=False, planted=planted
            )
    rows, evaluations = [], []
    for kind, column in columns.items():
        for e in column.evaluations:
            unit = (e.rewards - column.scale.floor / config.pulls) / (column.scale.ceiling - column.scale.floor)
            evaluations.append(replace(e, agent=f"{e.agent}, on {kind}", rewards=unit))
            rows.append(summarize(evaluations[-1], 0.0, 1.0, trained=e.agent in trained))
    names = [*learners, *CONTROLS]
    matrix = {
        name: {kind: cell(column.over_seeds(name) if name in learners else column.over_tasks(name), column)
               for kind, column in columns.items()}
        for name in names
    }  # fmt: skip
    summary = {
        "question": question(sys.modules[__name__]),
        "verdicts": [verdict(kind, column) for kind, column in columns.items()],
        "reading": "in units of (ceiling - floor) of each kind.",
        "world": "Bandit-v0", "options": {"arms": 2, "pulls": config.pulls}, "seed": config.seed, "agents": rows,
        "tables": [
            {
                "title": "Fraction of (ceiling - floor), ± SE: a row an agent, a column a kind of bandit it is tested on",
                "head": ["agent", *KINDS],
                "rows": [
                    [name, *(f"{value:.3f} ± {se:.3f}" for value, se in matrix[name].values())] for name in names
                ],
                "note": "Standard errors are over seeds where there are several, else over tasks, which leaves out another seed. "
                + "; ".join(f"{kind}: {c.scale.floor:.2f} to {c.scale.ceiling:.3f}" for kind, c in columns.items()),
            }
        ],
    }  # fmt: skip
    return finish_run(out, NAME, asdict(config), Config(), summary, evaluations)


def control(name: str, config: Config) -> Agent:
    return REFERENCES[name].make(2, config.pulls, config.seed, **REFERENCES[name].params)


def cell(value: Estimate, column: Comparison) -> tuple[float, float]:
    """Mean and standard error in units of (ceiling - floor)."""
    floor, ceiling = column.scale.floor, column.scale.ceiling
    return fraction(value.mean, floor, ceiling), value.se / (ceiling - floor)


def standings(one: str, others: Sequence[str], column: Comparison) -> dict[str, dict[str, Estimate]]:
    """The others by how they stand to `one`: outcome → name → reward minus that of `one` on the same tasks, in units of
    (ceiling - floor)."""
    found: dict[str, dict[str, Estimate]] = {"above": {}, "below": {}, "not told apart": {}}
    for other in others:
        difference = column.difference(other, one)
        unit = column.scale.ceiling - column.scale.floor
        in_units = difference._replace(mean=difference.mean / unit, se=difference.se / unit)
        found[outcome(difference)][other] = in_units
    return found


def verdict(kind: str, column: Comparison) -> str:
    """How networks stand on a kind to the one trained there, and to Thompson sampling."""
    own, *elsewhere = (f"trained on {k}" for k in (kind, *(k for k in KINDS if k != kind)))

    def listed(one: str, others: Sequence[str]) -> str:
        return "; ".join(
            f"{word}{' from it' if word == 'not told apart' else ' it'}: "
            + (", ".join(f"{name} ({by.mean:+.3f} ± {by.se:.3f})" for name, by in found.items()) or "none")
            for word, found in standings(one, others, column).items()
        )

    own_value, thompson = cell(column.over_seeds(own), column), cell(column.over_tasks("thompson"), column)
    seeds = len(column.of(own))
    of = "Of these networks, one a kind and not the kinds in general," if seeds == 1 else f"Over {seeds} seeds,"
    return (
        f"on {kind}: {own}, {own_value[0]:.3f} ± {own_value[1]:.3f}. {of} those trained elsewhere are "
        f"{listed(own, elsewhere)}. Thompson sampling: {thompson[0]:.3f} ± {thompson[1]:.3f}; networks are "
        f"{listed('thompson', [own, *elsewhere])}."
    )
