"""What changes when: weights or activations? A recurrent network is trained, evaluated, deployed with its weights frozen, and
deployed while its training goes on, and each phase is booked: length of the weights' change, of the carry's change a
step, slope of the reward, weights hash.

Floors: exactly 0 where nothing may move: the weights of every frozen phase, the carry of a stateless network. Planted beside
the trained network: an untrained one, whose carry moves and whose reward does not rise; the stateless network, in which
neither moves; a scripted learner without any weights. Ceiling of the reward: the Bayes-optimal value. Deployment may be on
another prior, which only the phase that goes on training can take up in its weights. Expected: training and online
fine-tuning change weights, evaluation and deployment change only activations, and the reward of the trained network still
rises within the episode.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mesasim import baselines
from mesasim.agents import Agent, NetworkConfig
from mesasim.agents.bandit_references import Thompson
from mesasim.analysis.ledger import Phase, frozen_phase, learning_phase
from mesasim.evaluate import Evaluation
from mesasim.experiments import question
from mesasim.experiments.shared.comparing import outcome
from mesasim.experiments.shared.settings import check_exact, experiment_settings
from mesasim.progress import bars, training_bar
from mesasim.results import summarize
from mesasim.runs import finish_run, start_run
from mesasim.train.ppo import PPOConfig, Trainer

NAME = "ledger"


@experiment_settings(iterations=3, online=3, tasks=500, num_envs=256)
@dataclass
class Config:
    """Flags of the experiment."""

    arms: int = 5
    """Arms of the bandit; with the pulls, few enough for the exact ceiling."""
    pulls: int = 10
    """Pulls in an episode."""
    tasks: int = 10000
    """Tasks of a frozen phase."""
    seed: int = 1
    """Seed of weights, training and evaluation."""
    iterations: int = 150
    """PPO updates of the training phase."""
    online: int = 50
    """PPO updates of the online phase, at a fifth of the training's first learning rate."""
    num_envs: int = 2048
    """Tasks trained on side by side."""
    alpha: float = 1.0
    """Beta prior of the arms where the network is deployed: alpha (training: 1)."""
    beta: float = 1.0
    """Beta prior of the arms where the network is deployed: beta (training: 1)."""
    quick: bool = False
    """A small form that only shows that everything runs: 3 + 3 updates, 500 tasks."""
    num_threads: int | None = None
    """Threads; default: every core this process may use."""
    device: str = "cpu"
    """cpu or cuda[:i], of training and of evaluations of networks; all else is measured on the CPU."""

    def __post_init__(self) -> None:
        check_exact(self.arms, self.pulls)
        if self.iterations < 2 or self.online < 2:
            raise ValueError(f"iterations, online: got {self.iterations}, {self.online}, allowed: at least 2 each")


def run(
    config: Config, out: Path, *, resume: bool = False, overwrite: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Goes through the phases and writes the report; returns the summary. It holds no checkpoints: resumed, it begins
    again."""
    options = {"arms": config.arms, "pulls": config.pulls}
    prior = {"prior": "beta", "alpha": config.alpha, "beta": config.beta}
    setting = baselines.Setting(
        "Bandit-v0", options, config.tasks, 1000 + config.seed, config.num_threads, device=config.device
    )
    baselines.Setting("Bandit-v0", options | prior, config.tasks, 2000 + config.seed)  # refuses a bad prior
    scale = baselines.scale(setting, [])
    training = PPOConfig(
        world="Bandit-v0", options=options, network=NetworkConfig("gru"), iterations=config.iterations, seed=config.seed,
        num_envs=config.num_envs, rollout_steps=config.pulls,
        num_threads=config.num_threads, device=config.device, cuda_graphs="off",
    )  # fmt: skip
    start_run(out, NAME, asdict(config), resume=resume, overwrite=overwrite)
    held_out = {
        "world": "Bandit-v0", "options": options, "tasks": config.tasks, "seed": setting.seed,
        "num_threads": config.num_threads,
    }  # fmt: skip
    deployed = held_out | {"options": options | prior, "seed": 2000 + config.seed, "sample_actions": True}
    evaluations: list[Evaluation] = []
    lines: list[tuple[str, Phase]] = []

    def frozen(agent: Agent, name: str, nature: str, phase: str, how: dict[str, Any]) -> None:
        line, played = frozen_phase(phase, agent, nature, **how)
        lines.append((name, line))
        if phase == "evaluate":
            played.agent = name
            evaluations.append(played)

    with bars(quiet) as progress:
        report = training_bar(progress, "train", config.iterations, scale.floor, scale.ceiling)
        trainer = Trainer(training)
        untrained = Trainer(training).agent
        lines.append(("gru", learning_phase("train", trainer, config.iterations, report)))
        frozen(trainer.agent, "gru", "recurrent", "evaluate", held_out)
        frozen(trainer.agent, "gru", "recurrent", "deploy", deployed)
        online = Trainer(
            replace(
                training, options=options | prior, iterations=config.online, seed=2000 + config.seed,
                schedule="constant", learning_rate=training.learning_rate / 5, entropy=0.0,
            )
        )  # fmt: skip
        online.agent.load_state_dict(trainer.agent.state_dict())
        report = training_bar(progress, "online", config.online)
        lines.append(("gru", learning_phase("online fine-tune", online, config.online, report)))
        stateless = Trainer(replace(training, network=NetworkConfig("mlp"), iterations=2))
        lines.append(("mlp", learning_phase("train", stateless, 2)))
        for phase, how in (("evaluate", held_out), ("deploy", deployed)):
            frozen(stateless.agent, "mlp", "stateless", phase, how)
            frozen(untrained, "untrained", "recurrent, untrained", phase, how)
            frozen(Thompson(config.arms, config.pulls, config.seed), "thompson", "learner", phase, how)
    rows = [
        summarize(e, scale.floor, scale.ceiling, trained=e.agent in ("gru", "mlp")) for e in evaluations
    ]  # fmt: skip
    summary = {
        "question": question(sys.modules[__name__]), "verdicts": [verdict(name, line) for name, line in lines],
        "reading": scale.how + ".", "world": "Bandit-v0", "options": options, "seed": config.seed, "agents": rows,
        "tables": [table(lines)], "ledger": [{"agent": name} | line.row() for name, line in lines],
    }  # fmt: skip
    return finish_run(out, NAME, asdict(config), Config(), summary, evaluations)


def verdict(name: str, line: Phase) -> str:
    """One sentence of what a line says."""
    weights = "weights unchanged" if line.frozen else f"weights move by {line.weight_change:.3g}"
    still = not line.activation_change.mean > 0
    memory = "activations still" if still else f"activations by {line.activation_change.mean:.3g} a step"
    slope = {"above": "rises", "below": "falls"}.get(outcome(line.reward_slope), "is not told to rise or fall")
    within = "within the episode" if line.slope_over == "step" else "from update to update"
    return f"{name}, {line.phase}: {weights}, {memory}; its reward {slope} {within}."


def table(lines: list[tuple[str, Phase]]) -> dict[str, Any]:
    rows = [
        [name, line.phase, f"{line.steps:,}", str(line.updates), f"{line.weight_change:.4g}", f"{line.weight_path:.4g}",
         str(line.activation_change), str(line.reward), f"{line.reward_slope.mean:.5f} ± {line.reward_slope.se:.5f}",
         line.slope_over, line.hash_before[:12], line.hash_after[:12]]
        for name, line in lines
    ]  # fmt: skip
    head = [
        "agent", "phase", "steps", "updates", "weights: change", "weights: path", "carry: change a step", "reward",
        "slope of reward", "per", "hash before", "hash after",
    ]  # fmt: skip
    note = (
        "Euclidean lengths. Weights: after minus before, and summed over updates. Carry: within episodes. Reward: of an "
        "episode (learning phases: mean over updates). A frozen weight's change is exactly 0."
    )
    return {"title": "The ledger", "head": head, "rows": rows, "note": note}
