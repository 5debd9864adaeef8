"""Does a network learn a task in its activations, or does it find the task among those it was trained on? Networks are trained
on M fixed tasks or on fresh ones, frozen, and tested on tasks they never met: linear regressions, Markov chains whose symbols
are renamed (the "alien language"), bandits.

The task-location index of a network on unseen tasks is [L(network) - L(learner)] / [L(table) - L(learner)]. Planted: the
learner, best for fresh tasks (ridge; Dirichlet counts; Bayes-optimal), reads 0; the table of the M known ones (discrete MMSE;
posterior over tables; of bandits, the best arm by the posterior, which explores nothing on purpose) reads 1. Ceiling: the
learner. Floor: who sees nothing. A network that is badly trained is worse than both and reads high for that reason alone: so a
network trained as long on fresh tasks stands beside it, and a second index has that network's loss in the learner's place, above
and below the line: whatever M, the fresh network reads 0 and the table 1. It is not read where the table is not worse than the
fresh network beyond doubt.
Expected: from 1 towards 0 as M grows, past 1/2 at a threshold M* of this budget: few tasks are looked up, and new names ruin who
does. M* falls with weight decay and moves with training (Raventos et al. 2023, arXiv 2306.15063: 2^11 to 2^12 for dim 8, 16
points, after 500,000 batches).
"""

from __future__ import annotations

import math
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mesasim.agents import NetworkConfig
from mesasim.evaluate import Evaluation
from mesasim.experiments import question
from mesasim.experiments.shared.locating import (
    LEARNER,
    LOOKUP,
    NETWORK,
    TRAINED,
    UNSEEN,
    Alien,
    Bandits,
    Kind,
    Regression,
    Rewards,
)
from mesasim.experiments.shared.settings import experiment_settings
from mesasim.integrity import weights_hash
from mesasim.metrics import Estimate, beyond_doubt, estimate, task_location_index
from mesasim.progress import bars
from mesasim.results import summarize
from mesasim.runs import finish_run, start_run
from mesasim.train.supervised import SupervisedConfig

NAME = "task-location"
NOISE_STD = 0.5
PLANTED = {NETWORK: "trained", LEARNER: "planted: learning", LOOKUP: "planted: location"}


@experiment_settings(most=64, alien_most=4, bandit_most=0, iterations=4, bandit_iterations=2, tasks=300, hidden=16)
@dataclass
class Config:
    """Flags of the experiment."""

    most: int = 4096
    """Networks are trained on 4, 16, 64 … regressions up to this many, and on fresh ones."""
    alien_most: int = 1024
    """Networks are trained on 4, 64, 1024 … Markov chains up to this many, and on fresh ones; 0: none are."""
    bandit_most: int = 64
    """The same of bandits; 0: none are."""
    dim: int = 4
    """Length of a regression's x."""
    points: int = 8
    """Examples in a regression."""
    network: str = "gru"
    """Kind of network that predicts (mesasim.agents.NETWORKS)."""
    hidden: int = 128
    """Its hidden units."""
    layers: int = 2
    """Its layers, where it has several."""
    iterations: int = 2000
    """Batches of 256 regressions; the chains get a quarter."""
    bandit_iterations: int = 120
    """PPO iterations on bandits of 5 arms and 10 pulls."""
    learning_rate: float = 3e-3
    """AdamW's, at its highest."""
    weight_decay: float = 0.01
    """AdamW's."""
    tasks: int = 8192
    """Episodes that everything is evaluated on, of trained and of unseen tasks."""
    seed: int = 1
    """Seed of the sets of tasks, of weights, training and evaluation."""
    quick: bool = False
    """A small form that only shows that everything runs: 4 batches, 300 episodes, few numbers, no bandits."""
    num_threads: int | None = None
    """Threads; default: every core this process may use."""
    device: str = "cpu"
    """cpu or cuda[:i], of training and of evaluations of networks; all else is measured on the CPU."""

    def __post_init__(self) -> None:
        limits = (("most", 4, 2**20), ("alien_most", 0, 16384), ("bandit_most", 0, 4096), ("seed", 0, 2**31 - 1))
        for name, low, high in limits:
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name}: got {getattr(self, name)}, allowed: {low} to {high}")
        for name, low in (("dim", 1), ("points", 2), ("bandit_iterations", 1), ("tasks", 100)):
            if getattr(self, name) < low:
                raise ValueError(f"{name}: got {getattr(self, name)}, allowed: at least {low}")


def kinds(config: Config) -> list[tuple[Kind, tuple[int, ...]]]:
    """What is trained on, each with its numbers of tasks, fresh ones (0) last."""

    def training(share: int, batch: int) -> SupervisedConfig:
        iterations = max(2, config.iterations // share)
        return SupervisedConfig(
            iterations=iterations, batch=batch, learning_rate=config.learning_rate, warm_up=iterations // 10,
            weight_decay=config.weight_decay, seed=config.seed, num_threads=config.num_threads, device=config.device,
        )  # fmt: skip

    def network(steps: int) -> NetworkConfig:
        return NetworkConfig(config.network, hidden=config.hidden, layers=config.layers, window=steps)

    seed = 1000 + config.seed
    regressions = Regression(
        config.dim, config.points, NOISE_STD, config.tasks, seed, config.seed, network(config.points), training(1, 256)
    )
    alien = Alien(4, 30, config.tasks, seed, config.seed, network(30), training(4, 128))
    settings = {"iterations": config.bandit_iterations, "seed": config.seed, "num_envs": 64 if config.quick else None}
    bandits = Bandits(5, 10, config.tasks, seed, config.seed, settings, config.num_threads, config.device)
    wanted: list[tuple[Kind, int, int]] = [
        (regressions, 4, config.most), (alien, 16, config.alien_most), (bandits, 16, config.bandit_most)
    ]  # fmt: skip
    return [(kind, (*powers(ratio, most), 0)) for kind, ratio, most in wanted if most]


def powers(ratio: int, most: int) -> list[int]:
    """4, 4 ratio, 4 ratio^2 … up to `most`."""
    return [4 * ratio**i for i in range(20) if 4 * ratio**i <= most]


@dataclass(frozen=True)
class Reading:
    """One network, trained on `number` tasks of a kind."""

    kind: str
    number: int
    trained: dict[str, Rewards]  # on tasks of the kind that it was trained on
    unseen: dict[str, Rewards]
    index: Estimate | None  # None: fresh tasks, or a table that these episodes do not tell to be worse than the learner
    beside_fresh: Estimate | None  # the same with the network trained on fresh tasks as the learner


def read(
    kind: str, number: int, trained: dict[str, Rewards], unseen: dict[str, Rewards], fresh: dict[str, Rewards]
) -> Reading:
    """The index of a network, and the one beside `fresh`: rewards on the same unseen tasks where the network is the one
    trained on fresh tasks."""
    if number == 0:
        return Reading(kind, number, trained, unseen, None, None)
    network, learner, table = (-unseen[name].sum(axis=1) for name in (NETWORK, LEARNER, LOOKUP))
    beside = -fresh[NETWORK].sum(axis=1)
    return Reading(
        kind, number, trained, unseen, located(network, learner, table), located(network, beside, table)
    )  # fmt: skip


def located(network: np.ndarray, learner: np.ndarray, table: np.ndarray) -> Estimate | None:
    """The task-location index of losses [tasks]; None where the table is not worse than the learner beyond doubt."""
    return task_location_index(network, learner, table) if beyond_doubt(estimate(table - learner)) else None


def run(
    config: Config, out: Path, *, resume: bool = False, overwrite: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Trains, freezes, evaluates and writes the report; returns the summary."""
    begun = time.process_time()
    todo = kinds(config)
    start_run(out, NAME, asdict(config), resume=resume, overwrite=overwrite)
    readings: list[Reading] = []
    rows, evaluations = [], []
    with bars(quiet) as progress:
        for kind, numbers in todo:
            agents, seconds = {}, {}
            for number in numbers:
                bar = progress.add_task(f"{kind.name}, {called(number)}", total=kind.iterations, detail="")

                def report(metrics: dict[str, float], bar: Any = bar) -> None:
                    progress.update(bar, completed=metrics["iteration"])

                started = time.process_time()
                folder = out / f"{kind.name.replace(' ', '-')}-{number or 'fresh'}"
                agents[number] = kind.train(number, folder, resume, report).eval()
                seconds[number] = time.process_time() - started
            for number, agent in agents.items():
                before = weights_hash(agent)
                unseen, trained = (kind.rewards(number, where, agent) for where in (UNSEEN, TRAINED))
                # The fresh network on this one's unseen tasks: the same tasks, whatever they are.
                fresh = kind.rewards(number, UNSEEN, agents[0]) if number else unseen
                readings.append(read(kind.name, number, trained, unseen, fresh))
                after, ceiling = weights_hash(agent), float(unseen[LEARNER].sum(axis=1).mean())
                for name, rewards in unseen.items():
                    own = (before, after) if name == NETWORK else ("", "")
                    lengths = np.full(len(rewards), rewards.shape[1])
                    label = f"{kind.name}, {called(number)}: {name}"
                    spent = seconds[number] if name == NETWORK else 0.0
                    evaluations.append(
                        Evaluation(label, PLANTED[name], rewards.astype(np.float32), lengths, {}, *own, spent)
                    )
                    rows.append(summarize(evaluations[-1], kind.floor, ceiling, trained=name == NETWORK))
    summary = {
        "question": question(sys.modules[__name__]),
        "verdicts": [verdict(kind, [r for r in readings if r.kind == kind.name]) for kind, _ in kinds(config)],
        "reading": "rewards are on unseen tasks: minus the squared error over dim (regression), nats (alien language), reward "
        f"(bandits); ceiling: the learner, floor: who sees nothing. It took {time.process_time() - begun:.0f} CPU seconds.",
        "world": "LinearRegression-v0", "options": {"dim": config.dim, "points": config.points}, "seed": config.seed,
        "agents": rows, "tables": [table(kind, readings) for kind, _ in kinds(config)],
        "curves": [curve(readings)], "readings": [numbers_of(r) for r in readings],
    }  # fmt: skip
    return finish_run(out, NAME, asdict(config), Config(), summary, evaluations)


def called(number: int) -> str:
    return f"{number:,} tasks" if number else "fresh tasks"


def crossing(readings: list[Reading]) -> tuple[int | None, int | None]:
    """Between which numbers of tasks the index beside the fresh network passes 1/2: the largest at which it is above beyond
    doubt, and the smallest from which on every reading is below beyond doubt; None: there is none."""
    known = [(r.number, r.beside_fresh) for r in readings if r.beside_fresh]
    above = [number for number, index in known if beyond_doubt(index._replace(mean=index.mean - 0.5))]
    below = None
    for number, index in reversed(known):
        if not beyond_doubt(index._replace(mean=0.5 - index.mean)):
            break
        below = number
    return max(above, default=None), below


def verdict(kind: Kind, readings: list[Reading]) -> str:
    """What the numbers of one kind say, in sentences."""
    read = [f"{r.number:,}: {r.beside_fresh or 'not read'} ({r.index or 'not read'})" for r in readings if r.number]
    above, below = crossing(readings)
    at = f"above 1/2 beyond doubt up to {called(above)}" if above else "nowhere above 1/2 beyond doubt"
    at += f", below it from {called(below)} on" if below else ", nowhere below it for good"
    first = next((r for r in readings if r.index), None)
    ruined = ""
    if first:
        drop = estimate(first.trained[NETWORK].sum(axis=1) - first.unseen[NETWORK].sum(axis=1))
        ruined = f" With {called(first.number)} the network loses {drop} {kind.unit} from trained to unseen tasks."
    return (
        f"{kind.name}: task-location index beside a network of fresh tasks (beside {LEARNER} in brackets) by number of tasks: "
        f"{'; '.join(read)}. The first is {at}, at this budget ({kind.iterations:,} iterations).{ruined}"
    )


def table(kind: Kind, readings: list[Reading]) -> dict[str, Any]:
    """A row a number of tasks: rewards on trained and unseen tasks, distances, index."""
    rows = []
    for r in (r for r in readings if r.kind == kind.name):
        cells = [
            str(estimate(of[name].sum(axis=1))) if name in of else "-"
            for of in (r.trained, r.unseen)
            for name in (NETWORK, LEARNER, LOOKUP)
        ]
        rows.append([called(r.number), *cells, str(r.index or "-"), str(r.beside_fresh or "-")])
    head = ["trained on", *(f"{where}: {name}" for where in (TRAINED, UNSEEN) for name in (NETWORK, LEARNER, LOOKUP))]
    note = (
        "± standard error over episodes; of the index by bootstrap over episodes, which leaves out how "
        "training from another seed, on another set of tasks, would have gone. '-': there is none, or these episodes do "
        "not tell the table to be worse than the learner. Beside fresh: the learner is the network trained on fresh tasks."
    )
    title = f"{kind.name}: reward of an episode ({kind.unit}), and the task-location index"
    return {"title": title, "head": [*head, "index", "beside fresh"], "rows": rows, "note": note}


def curve(readings: list[Reading]) -> dict[str, Any]:
    """Index against log2 of the number of tasks."""
    series = []
    for kind in dict.fromkeys(r.kind for r in readings):
        known = [(r.number, r.beside_fresh) for r in readings if r.kind == kind and r.beside_fresh]
        if known:
            series.append(
                {"name": kind, "x": [math.log2(number) for number, _ in known], "y": [i.mean for _, i in known],
                 "se": [i.se for _, i in known]}
            )  # fmt: skip
    return {
        "title": "Task-location index beside a network of fresh tasks", "x": "log2 of the number of tasks", "y": "index",
        "series": series,
    }  # fmt: skip


def numbers_of(r: Reading) -> dict[str, Any]:
    """A reading as summary.json holds it."""

    def means(of: dict[str, Rewards]) -> dict[str, Estimate]:
        return {name: estimate(rewards.sum(axis=1)) for name, rewards in of.items()}

    return {
        "kind": r.kind, "number": r.number, TRAINED: means(r.trained), UNSEEN: means(r.unseen), "index": r.index,
        "beside_fresh": r.beside_fresh,
    }  # fmt: skip
