"""Do the reference agents land where they were published? The scripted bandit agents against the non-learned columns of
RL^2's table (Duan et al. 2016), which are tuned or approximate variants of the textbook algorithms named beside them.

Expected: every difference within two standard errors. The published means are over 1,000 tasks, so their own standard
error (about ours times sqrt(tasks / 1000)) counts too.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mesasim import baselines
from mesasim.experiments import question
from mesasim.experiments.shared.settings import experiment_settings
from mesasim.progress import bars
from mesasim.results import below_optimum, summarize
from mesasim.runs import finish_run, start_run

NAME = "bandit-references"
PUBLISHED_TASKS = 1000
# (pulls, arms) → agent → mean total reward. Source: arXiv 1611.02779, table 1, as re-printed in the README of
# lucaslingle/pytorch_rl2. "UCB1", "OTS" and "Gittins" there are what is called *_rl2 here.
PUBLISHED = {
    (10, 5): {"random": 5.0, "gittins_approx_rl2": 6.6, "thompson": 5.7, "ots_rl2": 6.5, "ucb_tuned_rl2": 6.7, "epsilon_greedy": 6.6, "greedy": 6.6},
    (10, 10): {"random": 5.0, "gittins_approx_rl2": 6.6, "thompson": 5.5, "ots_rl2": 6.2, "ucb_tuned_rl2": 6.7, "epsilon_greedy": 6.6, "greedy": 6.6},
    (10, 50): {"random": 5.1, "gittins_approx_rl2": 6.5, "thompson": 5.2, "ots_rl2": 5.5, "ucb_tuned_rl2": 6.6, "epsilon_greedy": 6.5, "greedy": 6.5},
    (100, 5): {"random": 49.9, "gittins_approx_rl2": 78.3, "thompson": 74.7, "ots_rl2": 77.9, "ucb_tuned_rl2": 78.0, "epsilon_greedy": 75.4, "greedy": 74.8},
    (100, 10): {"random": 49.9, "gittins_approx_rl2": 82.8, "thompson": 76.7, "ots_rl2": 81.4, "ucb_tuned_rl2": 82.4, "epsilon_greedy": 77.4, "greedy": 77.1},
    (100, 50): {"random": 49.8, "gittins_approx_rl2": 85.2, "thompson": 64.5, "ots_rl2": 67.7, "ucb_tuned_rl2": 84.3, "epsilon_greedy": 78.3, "greedy": 78.0},
}  # fmt: skip


@experiment_settings(tasks=200)
@dataclass
class Config:
    """Flags of the experiment."""

    arms: int = 5
    """Arms of the bandit."""
    pulls: int = 10
    """Pulls in an episode."""
    tasks: int = 10000
    """Tasks every agent is evaluated on."""
    seed: int = 1
    """Seed of tasks and agents."""
    quick: bool = False
    """A small form that only shows that everything runs: 200 tasks."""
    num_threads: int | None = None
    """Threads; default: every core this process may use."""


def run(
    config: Config, out: Path, *, resume: bool = False, overwrite: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Evaluates every reference agent and writes the report; returns the summary."""
    options = {"arms": config.arms, "pulls": config.pulls}
    setting = baselines.Setting("Bandit-v0", options, config.tasks, 1000 + config.seed, config.num_threads)
    start_run(out, NAME, asdict(config), resume=resume, overwrite=overwrite)
    evaluations = []
    with bars(quiet) as progress:
        todo = list(baselines.references(setting))
        bar = progress.add_task("evaluate", total=len(todo), detail="")
        for name, evaluate in todo:
            progress.update(bar, detail=name)
            evaluations.append(evaluate())
            progress.advance(bar)
    scale = baselines.scale(setting, evaluations)
    rows = [summarize(e, scale.floor, scale.ceiling) for e in evaluations]
    below_optimum(rows, evaluations)
    published = PUBLISHED.get((config.pulls, config.arms), {})
    verdicts = []
    for row in rows:
        if row["agent"] in published:
            row["published"] = published[row["agent"]]
            row["deviation"] = deviation(row, published[row["agent"]])
            verdicts.append(
                f"{row['agent']}: {row['reward_mean']:.3f} ± {row['reward_se']:.3f}, published {row['published']} over "
                f"{PUBLISHED_TASKS} tasks: {abs(row['deviation']):.1f} standard errors apart"
            )
    summary = {
        "question": question(sys.modules[__name__]), "verdicts": verdicts, "reading": scale.how + ".",
        "world": "Bandit-v0", "options": options, "seed": config.seed, "agents": rows,
    }  # fmt: skip
    return finish_run(out, NAME, asdict(config), Config(), summary, evaluations)


def deviation(row: dict[str, Any], published: float) -> float:
    """Ours minus the published mean in standard errors of the difference; the published one is rounded to .1 and has
    the spread of PUBLISHED_TASKS tasks."""
    published_se = row["reward_se"] * np.sqrt(row["tasks"] / PUBLISHED_TASKS)
    rounding = 0.1 / np.sqrt(12)
    return float((row["reward_mean"] - published) / np.sqrt(row["reward_se"] ** 2 + published_se**2 + rounding**2))
