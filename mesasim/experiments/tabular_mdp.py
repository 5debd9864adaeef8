"""Does training across random MDPs put a reinforcement learning algorithm into a network's activations? A transformer over the
episode and a recurrent network are trained by PPO on tabular MDPs drawn anew every episode, shown the previous state beside
the present one, frozen, and held against algorithms made for them.

Ceiling: the optimal policy of each task, exact, which no agent can know at the start; floor: chance, exact. Planted
controls: random actions; a thermostat of the last ten steps; learners of known rule (PSRL, optimistic PSRL, UCRL2, BEB,
greedy and epsilon-greedy as RL^2's authors ran them, and with the true prior); the optimal policy itself; a network without
memory. Expected: reward rises from trial to trial, past the published baselines; the stateless network's does not rise. Checks
on what that says: being greedy on the posterior expectation of the true prior, with no exploration; and the satisficer, which
remembers what each action paid in each state, and no transitions. Source: Duan et al. 2016
(arXiv 1611.02779), section 3.2.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mesasim import baselines
from mesasim.agents import NetworkConfig
from mesasim.evaluate import Evaluation
from mesasim.experiments import question
from mesasim.experiments.shared import thermostats
from mesasim.experiments.shared.comparing import Learner, evaluate_all, privileges, seeds_table, train_learners
from mesasim.experiments.shared.settings import experiment_settings
from mesasim.metrics import by_step, estimate
from mesasim.progress import bars
from mesasim.runs import finish_run, start_run
from mesasim.train.ppo import PPOConfig

NAME = "tabular-mdp"
PUBLISHED_TASKS = 1000
# trials → agent → mean total reward. Source: arXiv 1611.02779, table 2, as re-printed in the README of lucaslingle/pytorch_rl2.
PUBLISHED = {
    10: {"random": 100.1, "psrl_rl2": 138.1, "opsrl_rl2": 144.1, "ucrl2_rl2": 146.6, "beb_rl2": 150.2,
         "epsilon_greedy_rl2": 132.8, "greedy_rl2": 134.8, "rl2": 156.2},
    25: {"random": 250.2, "psrl_rl2": 408.8, "opsrl_rl2": 425.2, "ucrl2_rl2": 424.1, "beb_rl2": 427.8,
         "epsilon_greedy_rl2": 377.3, "greedy_rl2": 368.8, "rl2": 445.7},
}  # fmt: skip


@experiment_settings(iterations=1, tasks=30, num_envs=32, trials=3, references=False)
@dataclass
class Config:
    """Flags of the experiment."""

    trials: int = 10
    """Trials of 10 steps in one MDP."""
    tasks: int = 4000
    """Unseen tasks every agent is evaluated on."""
    iterations: int = 200
    """PPO iterations of the transformer; the GRU gets half of them, the stateless network a twentieth."""
    hidden: int = 64
    """Numbers a step of the transformer, half the units of the GRU."""
    num_envs: int = 256
    """Tasks trained on side by side."""
    references: bool = True
    """Evaluate the tuned reference agents too."""
    seed: int = 1
    """First seed of weights and training; seed of the evaluation."""
    seeds: int = 1
    """Networks trained, from seed, seed + 1 …"""
    quick: bool = False
    """A small form that only shows that everything runs: 1 iteration, 30 tasks of 3 trials, no tuned agents."""
    num_threads: int | None = None
    """Threads; default: every core this process may use."""
    device: str = "cpu"
    """cpu or cuda[:i], of training and of evaluations of networks; all else is measured on the CPU."""


UNTUNED = ("random", "last_ten", "satisficer", "greedy_rl2", "psrl_rl2", "greedy", "psrl", "oracle_follower")


def learners(config: Config, options: dict[str, Any]) -> dict[str, Learner]:
    """Told their regret, not their luck (PPOConfig.told), with a horizon of two steps first and of ten at last. The value loss
    weighs little: it shares the network."""

    def ppo(network: NetworkConfig, iterations: int) -> PPOConfig:
        return PPOConfig(
            world="TabularMDP-v0", options=options, network=network, num_envs=config.num_envs,
            rollout_steps=10 * config.trials, iterations=max(1, iterations), epochs=4, minibatches=8,
            learning_rate=1.5e-3, told="regret", first_discount=0.5, discount=0.9, gae_lambda=0.5, entropy=0.015,
            value_weight=0.02, num_threads=config.num_threads, device=config.device,
        )  # fmt: skip

    steps = 10 * config.trials
    gru = NetworkConfig("gru", 2 * config.hidden, embed=2 * config.hidden, readout=2 * config.hidden, memory=steps)
    return {
        "transformer": Learner(
            "transformer", ppo(NetworkConfig("transformer", config.hidden, window=steps), config.iterations)
        ),
        "gru": Learner("recurrent", ppo(gru, config.iterations // 2)),
        "mlp": Learner("stateless", ppo(NetworkConfig("mlp"), config.iterations // 20)),
    }


def run(
    config: Config, out: Path, *, resume: bool = False, overwrite: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Trains, freezes, evaluates and writes the report; returns the summary."""
    options: dict[str, Any] = {"trials": config.trials, "previous": True}
    setting = baselines.Setting(
        "TabularMDP-v0", options, config.tasks, 1000 + config.seed, config.num_threads, device=config.device
    )
    chosen = learners(config, options)
    start_run(out, NAME, asdict(config), resume=resume, overwrite=overwrite)
    with bars(quiet) as progress:
        seeds = range(config.seed, config.seed + config.seeds)
        trained = train_learners(chosen, seeds, out, progress, resume=resume)
        natures = {name: learner.nature for name, learner in chosen.items()}
        wanted: bool | tuple[str, ...] = True if config.references else UNTUNED
        comparison = evaluate_all(setting, natures, trained, progress, references=wanted)
    published = PUBLISHED.get(config.trials, {})
    for row, evaluation in zip(comparison.rows, comparison.evaluations, strict=True):
        row |= by_trial(evaluation, config.trials)
        if row["agent"] in published:
            row |= against(row, published[row["agent"]])
    reflexes = thermostats.returns_of(comparison, thermostats.TABULAR_MDP)
    summary = {
        "question": question(sys.modules[__name__]),
        "verdicts": [thermostats.verdict(comparison, name, reflexes) for name in trained]
        + reproduction([row for row in comparison.rows if "published" in row]),
        "reading": f"{comparison.scale.how}. {thermostats.earned(reflexes)} Slope of a trial's reward over trials (least "
        f"squares, over tasks). {privileges(chosen)}{rl2(published)}",
        "world": "TabularMDP-v0", "options": options, "seed": config.seed, "agents": comparison.rows,
        **thermostats.readings(comparison, reflexes),
        "tables": [seeds_table("Reward", {"": comparison}), trials_table(comparison.rows)],
    }  # fmt: skip
    return finish_run(out, NAME, asdict(config), Config(), summary, comparison.evaluations)


def rl2(published: dict[str, float]) -> str:
    """What the published network earned, which was trained on other terms than those here."""
    return f" RL^2, on rewards and without the previous state, earned {published['rl2']}." if published else ""


def by_trial(evaluation: Evaluation, trials: int) -> dict[str, Any]:
    """Mean reward of each trial, its standard error, and the value lost to all actions."""
    rewards = evaluation.rewards.reshape(len(evaluation.rewards), trials, -1).sum(axis=2)
    mean, se = by_step(rewards)
    regret = estimate(np.asarray(evaluation.oracle["expected_regret"][:, 0]))
    return {"reward_by_trial": mean.tolist(), "reward_by_trial_se": se.tolist(), "value_lost": regret.mean}


def against(row: dict[str, Any], published: float) -> dict[str, float]:
    """Ours minus the published mean in standard errors of the difference; the published one has the spread of
    PUBLISHED_TASKS tasks."""
    published_se = row["reward_se"] * np.sqrt(row["tasks"] / PUBLISHED_TASKS)
    apart = (row["reward_mean"] - published) / np.hypot(row["reward_se"], published_se)
    return {"published": published, "deviation": float(apart)}


def trials_table(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Reward of the first trials and the last, an agent a row."""
    count = len(rows[0]["reward_by_trial"])
    shown = sorted({0, 1, 2, 4, 9, 24, 49, 99, count - 1} & set(range(count)))
    head = ["agent", *(f"trial {trial + 1}" for trial in shown), "value lost", "published", "standard errors apart"]
    body = []
    for row in rows:
        trials = [f"{row['reward_by_trial'][t]:.2f} ± {row['reward_by_trial_se'][t]:.2f}" for t in shown]
        told = [f"{row['published']:.1f}", f"{row['deviation']:.1f}"] if "published" in row else ["", ""]
        body.append([row["agent"], *trials, f"{row['value_lost']:.2f}", *told])
    return {"title": "Reward by trial", "head": head, "rows": body, "note": ""}


def reproduction(rows: list[dict[str, Any]]) -> list[str]:
    """A sentence on the published figures, each of which the table has."""
    if not rows:
        return []
    near, worst = sum(abs(row["deviation"]) <= 2 for row in rows), max(rows, key=lambda row: abs(row["deviation"]))
    apart = f"{worst['deviation']:+.1f} ({worst['agent']}: {worst['reward_mean']:.2f}, published {worst['published']})"
    return [
        f"{near} of {len(rows)} published baselines within two standard errors of the difference, the furthest {apart}."
    ]
