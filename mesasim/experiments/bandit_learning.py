"""Does an agent keep learning after its weights are frozen? A recurrent network, a window of one and a stateless
network are trained on bandits whose arms change every episode, frozen, and watched within episodes they never saw.

Ceiling: the exact Bayes-optimal value. Floors: chance, and the best policy that remembers one action and reward.
Planted controls beside the networks, on the same tasks: learners (Thompson, UCB, Gittins, Bayes-optimal), thermostats
(win-stay-lose-shift, best arm of the last ten), random. Expected: the GRU's reward rises within the episode, close to
the ceiling, its weights unchanged; the stateless network's does not rise. Sources: Duan et al. 2016 (RL^2), Wang et al.
2016.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mesasim import baselines
from mesasim.agents import NetworkConfig
from mesasim.evaluate import Evaluation
from mesasim.exact import bandit as exact_bandit
from mesasim.experiments import question
from mesasim.progress import bars, training_bar
from mesasim.results import below_optimum, summarize
from mesasim.runs import finish_run, start_run
from mesasim.train.ppo import PPOConfig, train

NAME = "bandit-learning"


@dataclass
class Config:
    """Flags of the experiment."""

    arms: int = 5
    """Arms of the bandit, 2 to 128."""
    pulls: int = 10
    """Pulls in an episode."""
    tasks: int = 20000
    """Unseen tasks every agent is evaluated on."""
    seed: int = 1
    """Seed of weights, training and evaluation."""
    iterations: int = 250
    """PPO iterations of the GRU; the window gets half of them, the stateless network, with nothing to learn, a fifth."""
    num_envs: int = 2048
    """Tasks trained on side by side."""
    quick: bool = False
    """A small form that only shows that everything runs: 3 iterations, 500 tasks."""
    num_threads: int | None = None
    """Threads; default: every core this process may use."""

    def __post_init__(self) -> None:
        if self.quick:
            self.iterations, self.tasks, self.num_envs = 3, 500, 256


def agents(config: Config) -> dict[str, tuple[str, PPOConfig]]:
    """The networks compared: name → (nature, how it is trained)."""

    def ppo(network: NetworkConfig, iterations: int, **settings: Any) -> PPOConfig:
        return PPOConfig(
            world="Bandit-v0", options=options(config), network=network, iterations=max(1, iterations), seed=config.seed,
            num_envs=config.num_envs, rollout_steps=config.pulls, num_threads=config.num_threads, **settings,
        )  # fmt: skip

    # A memory of one cannot tell how well an episode goes, so its critic is no help: whole returns, more exploration.
    window = ppo(NetworkConfig("window", window=1), config.iterations // 2, gae_lambda=1.0, entropy=0.05)
    return {
        "gru": ("recurrent", ppo(NetworkConfig("gru"), config.iterations)),
        "window-1": ("memory of one", window),
        "mlp": ("stateless", ppo(NetworkConfig("mlp"), config.iterations // 5)),
    }


def options(config: Config) -> dict[str, Any]:
    return {"arms": config.arms, "pulls": config.pulls}


def run(
    config: Config, out: Path, *, resume: bool = False, overwrite: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Trains, freezes, evaluates and writes the report; returns the summary."""
    setting = baselines.Setting("Bandit-v0", options(config), config.tasks, 1000 + config.seed, config.num_threads)
    start_run(out, NAME, asdict(config), resume=resume, overwrite=overwrite)
    exact = exact_bandit.fits(config.arms, config.pulls)
    known = baselines.scale(setting, []) if exact else None
    evaluations: list[Evaluation] = []
    with bars(quiet) as progress:
        trained = {}
        for name, (nature, ppo) in agents(config).items():
            limits = (known.floor, known.ceiling) if known else (None, None)
            report = training_bar(progress, name, ppo.iterations, *limits)
            trained[name] = nature, train(ppo, out / name, resume=resume, report=report)
        todo = list(baselines.references(setting))
        bar = progress.add_task("evaluate", total=len(trained) + len(todo), detail="")
        for name, (nature, agent) in trained.items():
            progress.update(bar, detail=name)
            evaluations.append(setting.evaluate(agent, name, nature))
            progress.advance(bar)
        for name, evaluate in todo:
            progress.update(bar, detail=name)
            evaluations.append(evaluate())
            progress.advance(bar)
    scale = known or baselines.scale(setting, evaluations)
    rows = [summarize(e, scale.floor, scale.ceiling, trained=e.agent in trained) for e in evaluations]
    below_optimum(rows, evaluations)
    memory_of_one = exact_bandit.memory_of_one(config.arms, config.pulls)
    summary = {
        "question": question(sys.modules[__name__]),
        "verdicts": [verdict(row, memory_of_one) for row in rows if row["trained"]],
        "reading": scale.how + f". The best policy that remembers one action and reward earns {memory_of_one:.3f}. "
        "Slope: reward gained a pull within the episode (least squares, over tasks); it rises if beyond 4 standard errors.",
        "world": "Bandit-v0",
        "options": options(config),
        "seed": config.seed,
        "memory_of_one": memory_of_one,
        "agents": rows,
    }
    return finish_run(out, NAME, asdict(config), Config(), summary, evaluations)


def verdict(row: dict[str, Any], memory_of_one: float) -> str:
    """One sentence of what an agent's row says."""
    place = (
        f"{row['agent']}: {row['reward_mean']:.3f} ± {row['reward_se']:.3f} of the ceiling {row['ceiling']:.3f} "
        f"(chance {row['floor']:.2f}, best memory of one {memory_of_one:.2f}), weights unchanged. "
    )
    if not row.get("rises"):
        return place + "Its reward does not rise within the episode: nothing is learned after the weights are frozen."
    slope = f"Its reward rises by {row['slope']:.4f} ± {row['slope_se']:.4f} a pull"
    if row["reward_mean"] - 2 * row["reward_se"] > memory_of_one:
        return place + slope + ", beyond what a memory of one can earn: it keeps learning in its activations."
    return place + slope + ", but no further than a memory of one can: it reacts, and is not shown to learn."
