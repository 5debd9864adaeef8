"""Which of its inputs does an agent need to learn within an episode? The same recurrent network is trained with one input
after another withheld: the last reward, the last action, both, or the clock.

Ceiling: exact Bayes-optimal value; floor: chance. Planted controls: a Bayes-optimal agent that sees everything, thermostats
(a memory of one, the last ten pulls), and random. Expected: without rewards an agent stays at chance, however much else it
remembers (Wang et al. 2016, on all of their tasks); without actions it can still learn as far as it can tell from its own
state what it must have done; the clock is worth little.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mesasim import baselines
from mesasim.agents import NetworkConfig
from mesasim.experiments import question
from mesasim.experiments.bandit_learning import recipe
from mesasim.experiments.shared import thermostats
from mesasim.experiments.shared.comparing import Learner, evaluate_all, privileges, seeds_table, train_learners
from mesasim.experiments.shared.settings import experiment_settings
from mesasim.progress import bars
from mesasim.runs import finish_run, start_run

NAME = "input-ablations"
WITHHELD = {
    "nothing": (),
    "reward": ("previous_reward",),
    "action": ("previous_action",),
    "reward and action": ("previous_reward", "previous_action"),
    "clock": ("pull",),
}
CONTROLS = ("bayes_optimal", *thermostats.BANDIT, "random")


@experiment_settings(iterations=2, tasks=200)
@dataclass
class Config:
    """Flags of the experiment."""

    arms: int = 5
    """Arms of the bandit."""
    pulls: int = 10
    """Pulls in an episode."""
    tasks: int = 20000
    """Unseen tasks every agent is evaluated on."""
    iterations: int = 120
    """PPO iterations of each network."""
    seed: int = 1
    """First seed of weights and training; seed of the evaluation."""
    seeds: int = 1
    """Networks for each ablation, trained from seed, seed + 1 …"""
    quick: bool = False
    """A small form that only shows that everything runs: 2 iterations, 200 tasks."""
    num_threads: int | None = None
    """Threads; default: every core this process may use."""
    device: str = "cpu"
    """cpu or cuda[:i], of training and of evaluations of networks; all else is measured on the CPU."""


def learners(config: Config, options: dict[str, Any]) -> dict[str, Learner]:
    chosen = {}
    for name, fields in WITHHELD.items():
        ppo = recipe(options, iterations=config.iterations, num_threads=config.num_threads, device=config.device)
        ppo.network = NetworkConfig("gru", hide=fields)
        if config.quick:
            ppo.num_envs = 64
        chosen[f"without {name}"] = Learner("recurrent", ppo)
    return chosen


def run(
    config: Config, out: Path, *, resume: bool = False, overwrite: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Trains a network an ablation, freezes, evaluates and writes the report; returns the summary."""
    options = {"arms": config.arms, "pulls": config.pulls, "clock": True}
    setting = baselines.Setting(
        "Bandit-v0", options, config.tasks, 1000 + config.seed, config.num_threads, device=config.device
    )
    chosen = learners(config, options)
    start_run(out, NAME, asdict(config), resume=resume, overwrite=overwrite)
    with bars(quiet) as progress:
        seeds = range(config.seed, config.seed + config.seeds)
        trained = train_learners(chosen, seeds, out, progress, resume=resume)
        natures = {name: learner.nature for name, learner in chosen.items()}
        comparison = evaluate_all(setting, natures, trained, progress, references=CONTROLS)
    reflexes = thermostats.returns_of(comparison, thermostats.BANDIT)
    summary = {
        "question": question(sys.modules[__name__]),
        "verdicts": [thermostats.verdict(comparison, name, reflexes) for name in trained],
        "reading": f"{comparison.scale.how}. {thermostats.earned(reflexes)}{privileges(chosen)}",
        "world": "Bandit-v0", "options": options, "seed": config.seed, "agents": comparison.rows,
        **thermostats.readings(comparison, reflexes),
        "tables": [seeds_table("Reward by what is withheld", {"": comparison})],
    }  # fmt: skip
    return finish_run(out, NAME, asdict(config), Config(), summary, comparison.evaluations)
