"""Why does learning in the activations emerge? What is trained is varied a factor at a time: one fixed task or a distribution
of tasks; rewards told at every step or only in sum at an episode's end; the outer learning rate; weights updated after every
step, every few, or every episode; with and without memory.

Ceiling: exact Bayes-optimal value; floor: chance; both on fresh tasks, whatever was trained on. Planted controls:
Bayes-optimal,
thermostats (a memory of one, the last ten pulls), random. Expected: an inner learner emerges if and only if there are many
tasks and a memory; one fixed task is learned into the weights, and nothing of it helps on fresh tasks; sparse rewards, slow
outer learning and rare updates are neither needed nor enough.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mesasim import baselines
from mesasim.agents import NetworkConfig
from mesasim.experiments import question
from mesasim.experiments.bandit_learning import recipe
from mesasim.experiments.shared import thermostats
from mesasim.experiments.shared.comparing import Learner, evaluate_all, seeds_table, train_learners
from mesasim.experiments.shared.settings import experiment_settings
from mesasim.progress import bars
from mesasim.runs import finish_run, start_run
from mesasim.train.ppo import PPOConfig

NAME = "why-it-emerges"
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
    """Fresh tasks every agent is evaluated on."""
    iterations: int = 100
    """PPO iterations of each network at one update an episode; more, shorter ones where updates are more frequent, so that
    every network sees as many steps."""
    seed: int = 1
    """First seed of weights and training; seed of the evaluation."""
    seeds: int = 1
    """Networks of each kind, trained from seed, seed + 1 …"""
    quick: bool = False
    """A small form that only shows that everything runs: 2 iterations, 200 tasks."""
    num_threads: int | None = None
    """Threads; default: every core this process may use."""


def learners(config: Config, options: dict[str, Any]) -> dict[str, Learner]:
    """The plain case, then each factor changed alone."""
    plain = recipe(options, iterations=config.iterations, num_threads=config.num_threads)
    if config.quick:
        plain.num_envs = 64

    def often(steps: int) -> PPOConfig:
        return replace(plain, rollout_steps=steps, iterations=max(1, config.iterations * config.pulls // steps))

    whole = replace(plain, reward_at="episode", gae_lambda=1.0, discount=1.0)
    return {
        "plain: many tasks, dense rewards, an update an episode": Learner("recurrent", plain),
        "one fixed task": Learner("recurrent", replace(plain, options=options | {"num_tasks": 1})),
        "no memory": Learner("stateless", replace(plain, network=NetworkConfig("mlp"))),
        "one fixed task, no memory": Learner(
            "stateless", replace(plain, options=options | {"num_tasks": 1}, network=NetworkConfig("mlp"))
        ),
        "rewards told at the end, in sum": Learner("recurrent", whole),
        "outer learning rate / 10": Learner("recurrent", replace(plain, learning_rate=plain.learning_rate / 10)),
        "outer learning rate × 3": Learner("recurrent", replace(plain, learning_rate=plain.learning_rate * 3)),
        "an update every step": Learner("recurrent", often(1)),
        "an update every 2 steps": Learner("recurrent", often(2)),
        "an update every 5 steps": Learner("recurrent", often(5)),
    }


def run(
    config: Config, out: Path, *, resume: bool = False, overwrite: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Trains a network a condition, freezes, evaluates on fresh tasks and writes the report; returns the summary."""
    options = {"arms": config.arms, "pulls": config.pulls}
    setting = baselines.Setting("Bandit-v0", options, config.tasks, 1000 + config.seed, config.num_threads)
    chosen = learners(config, options)
    start_run(out, NAME, asdict(config), resume=resume, overwrite=overwrite)
    with bars(quiet) as progress:
        seeds = range(config.seed, config.seed + config.seeds)
        trained = train_learners(chosen, seeds, out, progress, resume=resume)
        natures = {name: learner.nature for name, learner in chosen.items()}
        comparison = evaluate_all(setting, natures, trained, progress, references=CONTROLS)
    reflexes = thermostats.of_bandit(comparison)
    summary = {
        "question": question(sys.modules[__name__]),
        "verdicts": [thermostats.verdict(comparison, name, reflexes) for name in trained],
        "reading": comparison.scale.how + "; on fresh tasks, whatever was trained on.",
        "world": "Bandit-v0", "options": options, "seed": config.seed, "agents": comparison.rows,
        **thermostats.readings(comparison, reflexes),
        "tables": [seeds_table("On fresh tasks, by what was trained", {"": comparison})],
    }  # fmt: skip
    return finish_run(out, NAME, asdict(config), Config(), summary, comparison.evaluations)
