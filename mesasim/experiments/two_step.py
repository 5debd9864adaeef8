"""Does an agent trained model-free come to use the structure of its task? A recurrent network is trained by PPO on the
two-step task, frozen, and its choices are read as those of people and animals are: by how a reward and a transition bear
on staying with an action.

Ceiling: the exact Bayes-optimal value. Floors: chance, and the best policy that remembers one trial, which earns 65.84 of
the optimal 69.69 (100 trials). Planted controls: a reflex and a SARSA(lambda) learner, model-free by construction; a
model-based learner, a hybrid, the Bayes-optimal agent; a network without the reward among its inputs. Expected: the
network shows the reward x transition interaction and no effect of the reward alone, and earns more than a memory of one
trial can; without rewards it stays at chance. The interaction by itself tells structure used, not anything learned: the
memory of one trial shows it too. Sources: Wang et al. 2016 (arXiv 1611.05763), Daw et al. 2011, Akam et al. 2015.
"""

from __future__ import annotations

import math
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mesasim import baselines
from mesasim.agents import NetworkConfig
from mesasim.agents.base import Agent
from mesasim.agents.two_step_references import REFERENCES
from mesasim.analysis.two_step import Stay, play, stay
from mesasim.exact import two_step as exact
from mesasim.experiments import question
from mesasim.experiments.shared import thermostats
from mesasim.experiments.shared.comparing import Learner, evaluate_all, seeds_table, train_learners
from mesasim.experiments.shared.settings import experiment_settings
from mesasim.metrics import Estimate, beyond_doubt
from mesasim.progress import bars
from mesasim.runs import finish_run, start_run
from mesasim.train.ppo import PPOConfig
from mesasim.vector import MesaVectorEnv

NAME = "two-step"
WITHOUT = "gru without reward"
UNTOLD = "not identified"
UNTUNED = ("random", "win_stay_lose_shift", "last_outcome", "bayes_optimal")


@experiment_settings(iterations=1, tasks=60, trials=10)
@dataclass
class Config:
    """Flags of the experiment."""

    trials: int = 100
    """Trials in an episode, at least 2."""
    switching: float = 0.0
    """Probability, before every trial but the first, that the good state becomes the other one."""
    tasks: int = 4000
    """Unseen tasks every agent is evaluated on."""
    iterations: int = 50
    """PPO iterations of the GRU; the one without rewards gets a third of them."""
    hidden: int = 64
    """Units of the GRU."""
    seed: int = 1
    """First seed of weights and training; seed of the evaluation."""
    seeds: int = 1
    """Networks trained, from seed, seed + 1 …"""
    quick: bool = False
    """A small form that only shows that everything runs: 1 iteration, 60 tasks of 10 trials, no tuned agents."""
    num_threads: int | None = None
    """Threads; default: every core this process may use."""
    device: str = "cpu"
    """cpu or cuda[:i], of training and of evaluations of networks; all else is measured on the CPU."""

    def __post_init__(self) -> None:
        if self.trials < 2:
            raise ValueError(f"trials: got {self.trials}, allowed: at least 2, to stay or to shift between them")
        if self.tasks * self.trials < 200:
            raise ValueError(
                f"tasks: got {self.tasks} of {self.trials} trials, allowed: 200 trials in all, to fit choices to"
            )


def learners(config: Config, options: dict[str, Any]) -> dict[str, Learner]:
    """A choice is paid for a step later, and no choice tells more than another: a short horizon loses nothing."""

    def ppo(iterations: int, hide: tuple[str, ...] = ()) -> PPOConfig:
        return PPOConfig(
            world="TwoStep-v0", options=options, network=NetworkConfig("gru", config.hidden, hide=hide),
            num_envs=64 if config.quick else 256, rollout_steps=2 * config.trials, iterations=max(1, iterations),
            epochs=4, learning_rate=3e-3, discount=0.8, gae_lambda=0.8, entropy=0.01,
            num_threads=config.num_threads, device=config.device,
        )  # fmt: skip

    return {
        "gru": Learner("recurrent", ppo(config.iterations)),
        WITHOUT: Learner("recurrent, blind to rewards", ppo(config.iterations // 3, ("previous_reward",))),
    }


def run(
    config: Config, out: Path, *, resume: bool = False, overwrite: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Trains, freezes, evaluates, reads the choices and writes the report; returns the summary."""
    options: dict[str, Any] = {"trials": config.trials, "switching": config.switching}
    setting = baselines.Setting(
        "TwoStep-v0", options, config.tasks, 1000 + config.seed, config.num_threads, device=config.device
    )
    both_states(setting, 2000 + config.seed)
    memory = exact.memory_of_one(**setting.full_options()).value
    chosen = learners(config, options)
    start_run(out, NAME, asdict(config), resume=resume, overwrite=overwrite)
    with bars(quiet) as progress:
        seeds = range(config.seed, config.seed + config.seeds)
        trained = train_learners(chosen, seeds, out, progress, resume=resume)
        natures = {name: learner.nature for name, learner in chosen.items()}
        wanted = UNTUNED if config.quick else tuple(REFERENCES)
        comparison = evaluate_all(setting, natures, trained, progress, references=wanted)
        agents: dict[str, Agent] = {name: one.agent for name, one in trained.items()}
        for name, reference in REFERENCES.items():
            if name in wanted:
                agents[name] = reference.make(setting.full_options(), config.seed, **reference.params)
        bar = progress.add_task("stay probabilities", total=len(agents), detail="")
        stays = {}
        for name, agent in agents.items():
            progress.update(bar, detail=name)
            stays[name] = stay(play(agent, options, config.tasks, 2000 + config.seed, num_threads=config.num_threads))
            progress.advance(bar)
    for row in comparison.rows:
        row |= measured(stays[row["agent"]])
    reflexes = thermostats.returns_of(comparison, thermostats.TWO_STEP)
    summary = {
        "question": question(sys.modules[__name__]),
        "verdicts": [
            f"{thermostats.verdict(comparison, name, reflexes)} {staying(comparison.row(name))}" for name in trained
        ],
        "reading": f"{comparison.scale.how}. {thermostats.earned(reflexes)} The best policy that remembers "
        f"one trial earns {memory:.3f}, exactly. Effects: log-odds "
        "of staying for a predictor coded -1 or 1, beside whether the action was right; standard errors by episode. The "
        "learning rules' stay probabilities are those at their classes' own parameters, not at the tuned ones.",
        "world": "TwoStep-v0", "options": options, "seed": config.seed, "agents": comparison.rows,
        **thermostats.readings(comparison, reflexes),
        "tables": [seeds_table("Reward", {"": comparison}), stay_table(stays)],
    }  # fmt: skip
    return finish_run(out, NAME, asdict(config), Config(), summary, comparison.evaluations)


def measured(found: Stay) -> dict[str, float]:
    """An agent's stay analysis as numbers of its row."""
    named = {f"effect_{name}": estimate for name, estimate in found.effects.items()}
    named |= {"model_free_index": found.model_free_index, "model_based_index": found.model_based_index}
    means = {name: estimate.mean for name, estimate in named.items()}
    return means | {f"{name}_se": estimate.se for name, estimate in named.items()}


def stay_table(stays: dict[str, Stay]) -> dict[str, Any]:
    """Probability of staying after each outcome, effects and indices, an agent a row."""

    def cell(estimate: Estimate) -> str:
        return UNTOLD if math.isnan(estimate.mean) else str(estimate)

    first = next(iter(stays.values()))
    head = ["agent", *(f"stay after {name.replace('_', ' ')}" for name in first.probability)]
    head += [f"effect of {name}" for name in first.effects] + ["model-free index", "model-based index"]
    rows = [
        [name, *map(cell, found.probability.values()), *map(cell, found.effects.values()),
         cell(found.model_free_index), cell(found.model_based_index)]
        for name, found in stays.items()
    ]  # fmt: skip
    return {"title": "Staying with an action", "head": head, "rows": rows, "note": ""}


def both_states(setting: baselines.Setting, seed: int) -> None:
    """ValueError where the good state is the same in all of the setting's tasks under `seed`, and stays: to be right is then
    to choose one action, and a liking for it cannot be told from knowing."""
    env = MesaVectorEnv(
        setting.world, setting.tasks, seed=seed, oracle=True, num_threads=setting.num_threads, **setting.options
    )
    env.reset()
    if setting.options["switching"] == 0 and env.buffers.group["oracle"]["good_state"].unique().numel() == 1:
        raise ValueError(f"tasks: got {setting.tasks}, whose good state is the same in all, allowed: enough for both")


def staying(row: dict[str, Any]) -> str:
    """One sentence of what an agent's staying shows."""
    found = Estimate(row["effect_interaction"], row["effect_interaction_se"], row["tasks"] - 1.0)
    if math.isnan(found.mean):
        return "Its choices do not identify a reward x transition interaction."
    alone = f"{row['effect_reward']:.2f} ± {row['effect_reward_se']:.2f}"
    shown = f"{found.mean:.2f} ± {found.se:.2f}; reward alone {UNTOLD if math.isnan(row['effect_reward']) else alone}"
    if beyond_doubt(found):
        return f"Its staying shows the reward x transition interaction ({shown})."
    return f"No reward x transition interaction is told from none ({shown})."
