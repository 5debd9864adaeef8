"""Why does learning in the activations emerge? What is trained is varied a factor at a time: one fixed task or a distribution
of tasks; rewards told at every step or only in sum at an episode's end; the outer learning rate; weights updated after every
step, every few, or every episode; with and without memory.

Two factors cannot be changed alone, and have a control that changes what comes with them. Rewards told at the end leave nothing
to discount or to bootstrap from: lambda and the discount are 1, as they are in the control with dense rewards. A rollout of k
steps cuts gradients and advantages every k steps (at k = 1: no backpropagation through time, TD(0)): the control cuts them
there too and updates once an episode. It takes fewer steps of the optimiser, which is what rarer updates are, and its carries
come from the weights at hand, where a rollout within an episode begins with a carry of older weights.

Ceiling: exact Bayes-optimal value; floor: chance; both on fresh tasks, whatever was trained on. Planted controls: Bayes-optimal,
thermostats (a memory of one, the last ten pulls), random. Expected: an inner learner emerges if and only if there are many
tasks and a memory; one fixed task is learned into the weights, and nothing of it helps on fresh tasks; sparse rewards, slow
outer learning and rare updates are neither needed nor enough.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mesasim import baselines
from mesasim.agents import NetworkConfig
from mesasim.experiments import question
from mesasim.experiments.bandit_learning import REWARDED, recipe
from mesasim.experiments.shared import thermostats
from mesasim.experiments.shared.comparing import Comparison, Learner, evaluate_all, seeds_table, train_learners
from mesasim.experiments.shared.settings import experiment_settings
from mesasim.metrics import estimate
from mesasim.progress import bars
from mesasim.runs import finish_run, start_run
from mesasim.train.ppo import PPOConfig

NAME = "why-it-emerges"
PLAIN = "plain: many tasks, dense rewards, an update an episode"
DENSE = "dense rewards, lambda 1, discount 1"
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
    device: str = "cpu"
    """cpu or cuda[:i], of training and of evaluations of networks; all else is measured on the CPU."""

    def __post_init__(self) -> None:
        if recipe({"arms": self.arms, "pulls": self.pulls}).told != "reward":
            raise ValueError(f"pulls: got {self.pulls}, allowed: 2 to {REWARDED}, which are trained on rewards alone")


class Condition(NamedTuple):
    """What is trained, and the condition it differs from in its factor alone."""

    nature: str
    ppo: PPOConfig
    beside: str = PLAIN


def conditions(config: Config, options: dict[str, Any]) -> dict[str, Condition]:
    """The plain case, then each factor changed."""
    plain = recipe(options, iterations=config.iterations, num_threads=config.num_threads, device=config.device)
    if config.quick:
        plain.num_envs = 64
    one, blind = options | {"num_tasks": 1}, NetworkConfig("mlp")
    whole = replace(plain, gae_lambda=1.0, discount=1.0)
    chosen = {
        PLAIN: Condition("recurrent", plain),
        "one fixed task": Condition("recurrent", replace(plain, options=one)),
        "no memory": Condition("stateless", replace(plain, network=blind)),
        "one fixed task, no memory": Condition("stateless", replace(plain, options=one, network=blind), "no memory"),
        DENSE: Condition("recurrent", whole),
        "rewards told at the end, in sum": Condition("recurrent", replace(whole, reward_at="episode"), DENSE),
        "a tenth of the outer learning rate": Condition(
            "recurrent", replace(plain, learning_rate=plain.learning_rate / 10)
        ),
        "three times the outer learning rate": Condition(
            "recurrent", replace(plain, learning_rate=plain.learning_rate * 3)
        ),
    }
    for steps in (1, 2, 5):
        if steps < config.pulls and config.pulls % steps == 0:
            span = "step" if steps == 1 else f"{steps} steps"
            cut = f"gradients and advantages cut every {span}, an update an episode"
            often = replace(plain, rollout_steps=steps, iterations=config.iterations * config.pulls // steps)
            chosen[cut] = Condition("recurrent", replace(plain, cut_every=steps))
            chosen[f"an update every {span}"] = Condition("recurrent", often, cut)
    return chosen


def run(
    config: Config, out: Path, *, resume: bool = False, overwrite: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Trains a network a condition, freezes, evaluates on fresh tasks and writes the report; returns the summary."""
    options = {"arms": config.arms, "pulls": config.pulls}
    setting = baselines.Setting(
        "Bandit-v0", options, config.tasks, 1000 + config.seed, config.num_threads, device=config.device
    )
    chosen = conditions(config, options)
    learners = {name: Learner(one.nature, one.ppo) for name, one in chosen.items()}
    start_run(out, NAME, asdict(config), resume=resume, overwrite=overwrite)
    with bars(quiet) as progress:
        seeds = range(config.seed, config.seed + config.seeds)
        trained = train_learners(learners, seeds, out, progress, resume=resume)
        natures = {name: learner.nature for name, learner in learners.items()}
        comparison = evaluate_all(setting, natures, trained, progress, references=CONTROLS)
    reflexes = thermostats.returns_of(comparison, thermostats.BANDIT)
    summary = {
        "question": question(sys.modules[__name__]),
        "verdicts": [thermostats.verdict(comparison, name, reflexes) for name in trained],
        "reading": f"{comparison.scale.how}; on fresh tasks, whatever was trained on. {thermostats.earned(reflexes)}",
        "world": "Bandit-v0", "options": options, "seed": config.seed, "agents": comparison.rows,
        **thermostats.readings(comparison, reflexes),
        "tables": [seeds_table("On fresh tasks, by what was trained", {"": comparison}), factors(comparison, chosen)],
    }  # fmt: skip
    return finish_run(out, NAME, asdict(config), Config(), summary, comparison.evaluations)


def factors(comparison: Comparison, chosen: Mapping[str, Condition]) -> dict[str, Any]:
    """A row a condition: how much more it earns than the one it is held against, on the same tasks."""
    rows = []
    for name, condition in chosen.items():
        if name == condition.beside:
            continue
        pairs = zip(comparison.of(name), comparison.of(condition.beside), strict=True)  # a seed each
        gaps = [comparison.evaluation(own).returns - comparison.evaluation(other).returns for own, other in pairs]
        gap = estimate(gaps[0] if len(gaps) == 1 else np.array([one.mean() for one in gaps]))
        rows.append([name, condition.beside, f"{gap.mean:+.3f}", f"{gap.se:.3f}"])
    note = (
        "Reward on fresh tasks, the condition's minus its control's. Standard errors are over seeds where there are several, "
        "else over tasks: then they say nothing of what another training would have given."
    )
    return {"title": "Each factor against its control", "head": ["condition", "control", "difference", "± SE"],
            "rows": rows, "note": note}  # fmt: skip
