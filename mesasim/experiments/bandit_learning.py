"""Does an agent keep learning after its weights are frozen? A recurrent network, a window of one and a stateless
network are trained on bandits whose arms change every episode, frozen, and watched within episodes they never saw.

Ceiling: the exact Bayes-optimal value, or the finite-horizon Gittins agent where that does not fit. Floors: chance, the best
policy that remembers one action and reward, and the best arm of the last ten pulls (a thermostat): who is not above both is
reported as not above a thermostat. Planted controls beside the networks, on the same tasks: learners (Thompson, UCB,
Gittins, Bayes-optimal), thermostats (win-stay-lose-shift, best arm of the last ten), random. Expected: the GRU's reward
rises within the episode, close to the ceiling, its weights unchanged; the stateless network's does not rise. Sources: Duan et
al. 2016 (RL^2) for arms × pulls, Wang et al. 2016 for two arms and dependent arms.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.progress import Progress

from mesasim import baselines
from mesasim.agents import NetworkConfig
from mesasim.evaluate import Evaluation
from mesasim.experiments import question
from mesasim.experiments.shared import thermostats
from mesasim.experiments.shared.comparing import (
    Comparison,
    Learner,
    evaluate_all,
    privileges,
    seeds_table,
    train_learners,
)
from mesasim.experiments.shared.settings import experiment_settings
from mesasim.progress import bars
from mesasim.results import below_optimum, summarize
from mesasim.runs import finish_run, start_run
from mesasim.train.ppo import PPOConfig

NAME = "bandit-learning"
RL2 = {f"{arms}x{pulls}": {"arms": arms, "pulls": pulls} for pulls in (10, 100) for arms in (5, 10, 50)}
DEPENDENT = ("dependent_uniform", "dependent_easy", "dependent_medium", "dependent_hard")
WANG = {"2x100": {"arms": 2, "pulls": 100}} | {p: {"arms": 2, "pulls": 100, "prior": p} for p in DEPENDENT}
REWARDED = 30  # pulls up to which the recipe trains on rewards alone
GRIDS: dict[str, dict[str, dict[str, Any]]] = {"": {}, "rl2": RL2, "wang": WANG, "all": RL2 | WANG}


@experiment_settings(iterations=3, tasks=500, num_envs=256)
@dataclass
class Config:
    """Flags of the experiment."""

    arms: int = 5
    """Arms of the bandit, 2 to 128."""
    pulls: int = 10
    """Pulls in an episode."""
    prior: str = "uniform"
    """Of the arms' means: uniform; beta (of 1 and 1, the same law); with two arms dependent_uniform, dependent_easy,
    dependent_medium, dependent_hard."""
    grid: str = ""
    """Many bandits in one run, in place of arms, pulls and prior: rl2 (5, 10 and 50 arms × 10 and 100 pulls), wang (two arms ×
    100 pulls, independent and dependent in four ways) or all."""
    tasks: int = 20000
    """Unseen tasks every agent is evaluated on."""
    seed: int = 1
    """First seed of weights and training; seed of the evaluation."""
    seeds: int = 1
    """Networks of each kind, trained from seed, seed + 1 …"""
    iterations: int | None = None
    """PPO iterations of the GRU; default: what the bandit's size asks; the window gets half of them, the stateless network, with
    nothing to learn, a fifth."""
    num_envs: int | None = None
    """Tasks trained on side by side; default: what the bandit's size asks."""
    quick: bool = False
    """A small form that only shows that everything runs: 3 iterations, 500 tasks."""
    num_threads: int | None = None
    """Threads; default: every core this process may use."""
    device: str = "cpu"
    """cpu or cuda[:i], of training and of evaluations of networks; all else is measured on the CPU."""

    def __post_init__(self) -> None:
        if self.grid not in GRIDS:
            raise ValueError(f"grid: got {self.grid!r}, allowed: '', 'rl2', 'wang', 'all'")
        for name in ("arms", "pulls", "prior"):
            given, default = getattr(self, name), getattr(type(self), name)
            if self.grid and given != default:
                raise ValueError(
                    f"{name}: got {given!r} beside grid={self.grid!r}, allowed: {default!r}, the default; a grid has its own"
                )


def bandits(config: Config) -> dict[str, dict[str, Any]]:
    """Name → options of Bandit-v0."""
    if config.grid:
        return GRIDS[config.grid]
    one = {"arms": config.arms, "pulls": config.pulls}
    return {NAME: one if config.prior == "uniform" else one | {"prior": config.prior}}


def recipe(options: Mapping[str, Any], **settings: Any) -> PPOConfig:
    """How a GRU is trained on a bandit in some minutes. In a hundred pulls a network must count for long before it is told
    apart from a thermostat: it begins with a long memory, is told its regret instead of its rewards, and its critic sees the
    oracle. All three serve training alone; the last two take the luck of rewards and tasks out of what it is taught.
    `settings` of PPOConfig go before the recipe's, but for those that are None."""
    if options["pulls"] <= REWARDED:
        chosen: dict[str, Any] = {"num_envs": 2048, "iterations": 250}
    else:
        chosen = {
            "network": NetworkConfig("gru", embed=64, readout=64, memory=options["pulls"]), "critic": "oracle",
            "told": "regret", "num_envs": 1024, "iterations": 150, "epochs": 2, "minibatches": 8, "learning_rate": 3e-3,
            "discount": 0.98, "gae_lambda": 0.95, "entropy": 0.05,
        }  # fmt: skip
    chosen |= {name: value for name, value in settings.items() if value is not None}
    return PPOConfig(world="Bandit-v0", options=dict(options), rollout_steps=options["pulls"], **chosen)


def learners(config: Config, options: Mapping[str, Any]) -> dict[str, Learner]:
    """The networks compared."""
    gru = recipe(
        options,
        num_envs=config.num_envs,
        iterations=config.iterations,
        num_threads=config.num_threads,
        device=config.device,
        seed=config.seed,
    )
    # A memory of one cannot tell how well an episode goes, so its critic is no help: whole returns, more exploration; and
    # that staying after a reward pays shows in the next reward, while it is lost in the sum of many.
    window = replace(
        gru, network=NetworkConfig("window", window=1), iterations=max(1, gru.iterations // 2), gae_lambda=1.0,
        first_discount=0.0, discount=0.9, entropy=0.05, critic="agent",
    )  # fmt: skip
    mlp = replace(gru, network=NetworkConfig("mlp"), iterations=max(1, gru.iterations // 5))
    return {
        "gru": Learner("recurrent", gru),
        "window-1": Learner("memory of one", window),
        "mlp": Learner("stateless", mlp),
    }


def run(
    config: Config, out: Path, *, resume: bool = False, overwrite: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Trains, freezes, evaluates and writes the report; returns the summary. With a grid, each bandit has a folder and a
    report of its own, and the summary is of all in units of (ceiling - floor)."""
    for options in bandits(config).values():
        baselines.Setting("Bandit-v0", options, config.tasks, 1000 + config.seed)  # refuses bad options
        learners(config, options)  # and bad settings
    start_run(out, NAME, asdict(config), resume=resume, overwrite=overwrite)
    compared, summaries = {}, {}
    with bars(quiet) as progress:
        for name, options in bandits(config).items():
            folder = out / name if config.grid else out
            compared[name] = compare(config, options, folder, progress, resume=resume)
            summaries[name] = summary_of(config, options, compared[name])
            if config.grid:
                own = asdict(replace(config, grid="", **options))
                finish_run(folder, NAME, own, Config(), summaries[name], compared[name].evaluations)
    if not config.grid:
        return finish_run(out, NAME, asdict(config), Config(), summaries[NAME], compared[NAME].evaluations)
    return finish_run(out, NAME, asdict(config), Config(), *over_grid(config, compared, summaries))


def compare(
    config: Config, options: dict[str, Any], out: Path, progress: Progress, *, resume: bool
) -> Comparison:  # fmt: skip
    setting = baselines.Setting(
        "Bandit-v0", options, config.tasks, 1000 + config.seed, config.num_threads, device=config.device
    )
    chosen = learners(config, options)
    seeds = range(config.seed, config.seed + config.seeds)
    trained = train_learners(chosen, seeds, out, progress, resume=resume)
    natures = {name: learner.nature for name, learner in chosen.items()}
    return evaluate_all(setting, natures, trained, progress, planted=thermostats.planted(setting))


def summary_of(config: Config, options: Mapping[str, Any], comparison: Comparison) -> dict[str, Any]:
    reflexes = thermostats.returns_of(comparison, thermostats.BANDIT)
    return {
        "question": question(sys.modules[__name__]),
        "verdicts": [thermostats.verdict(comparison, name, reflexes) for name in comparison.trained],
        "reading": f"{comparison.scale.how}. {thermostats.earned(reflexes)} Slope: reward gained a pull within the episode "
        f"(least squares, over tasks). {privileges(learners(config, dict(options)))}",
        "world": "Bandit-v0",
        "options": dict(options),
        "seed": config.seed,
        **thermostats.readings(comparison, reflexes),
        "agents": comparison.rows,
        "tables": [seeds_table("Over seeds", {_called(options): comparison})],
    }


def over_grid(
    config: Config, compared: Mapping[str, Comparison], summaries: Mapping[str, Any]
) -> tuple[dict[str, Any], list[Evaluation]]:
    """The summary of a grid and its evaluations, rewards in units of (ceiling - floor)."""
    rows, evaluations = [], []
    for name, comparison in compared.items():
        scale, chosen = comparison.scale, []
        for e in comparison.evaluations:
            if e.agent not in comparison.trained and e.agent not in thermostats.BANDIT:
                continue
            unit = (e.rewards - scale.floor / e.rewards.shape[1]) / (scale.ceiling - scale.floor)
            chosen.append(replace(e, agent=f"{name}: {e.agent}", rewards=unit))
        rows += [summarize(e, 0.0, 1.0, trained=e.agent.split(": ")[1] in comparison.trained) for e in chosen]
        evaluations += chosen
    below_optimum(rows, evaluations)
    summary = {
        "question": question(sys.modules[__name__]),
        "verdicts": [f"{name}: {text}" for name, summary in summaries.items() for text in summary["verdicts"]],
        "reading": "in units of (ceiling - floor) of each bandit, whose own report is in its folder.",
        "world": "Bandit-v0", "options": {"grid": config.grid}, "seed": config.seed, "agents": rows,
        "tables": [seeds_table("Every bandit, over seeds", compared)],
    }  # fmt: skip
    return summary, evaluations


def _called(options: Mapping[str, Any]) -> str:
    return options.get("prior", f"{options['arms']} arms × {options['pulls']} pulls")
