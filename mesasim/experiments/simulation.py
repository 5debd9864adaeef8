"""Does a trained recurrent network carry what a Bayes-optimal agent would keep, and does it act on it? Its carry is read,
written, edited and moved to another task, beside untrained networks of the same shape and scripted agents.

Reading: cross-validated linear probes of pulls, successes and posterior mean of every arm, on its own episodes and on those
of a random agent, which say the same whatever the network is. Floors: the present observation alone, shuffled targets;
control: untrained networks shown the same episodes, which a short episode does not make forget: an R^2 near 1 is then no
evidence, and the table says "cannot tell". Writing: whole episodes with the carry replaced at every step by the linear image
of the exact counts; ceiling: the network's own reward; floor: the image of another task's counts. Editing: three more
successes of an arm not pulled, three more failures of the arm pulled; floor: random directions of the same length; ceiling:
the scripted greedy agent, whose carry is the counts. Moving: the carry of one task in another; floor: 0, untrained networks;
ceiling: the Bayes-optimal agent. Planted beside them: a scripted agent that keeps the counts and acts at random, which must
read as decodable and not used. Expected: the trained network's carry is used, the untrained networks' is not.
Sources: Mikulik et al. 2020 (arXiv 2010.11223), whose network states map to Bayes-optimal ones and back.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mesasim import baselines
from mesasim.agents import Agent, NetworkConfig
from mesasim.agents.bandit_references import BayesOptimal, Greedy, Random
from mesasim.agents.encoding import field_shapes
from mesasim.analysis.interventions import USED_FROM, Transplant
from mesasim.analysis.probing import Fit, excess, reading
from mesasim.experiments import question
from mesasim.experiments.shared.laboratory import EDITED_BY, Laboratory, Measured
from mesasim.experiments.shared.settings import check_exact, experiment_settings
from mesasim.metrics import Metric, beyond_doubt, estimate, metric
from mesasim.progress import bars, training_bar
from mesasim.results import summarize
from mesasim.runs import finish_run, start_run
from mesasim.train.ppo import PPOConfig, new_agent, train
from mesasim.vector import MesaVectorEnv

NAME = "simulation"


@experiment_settings(iterations=3, tasks=300, num_envs=256, untrained=2)
@dataclass
class Config:
    """Flags of the experiment."""

    arms: int = 5
    """Arms of the bandit; with the pulls, few enough for the exact Bayes-optimal agent."""
    pulls: int = 10
    """Pulls in an episode."""
    tasks: int = 4000
    """Unseen tasks every figure is measured on, at least 40."""
    untrained: int = 10
    """Untrained networks, at least 2."""
    seed: int = 1
    """Seed of weights, training and evaluation."""
    iterations: int = 250
    """PPO iterations."""
    num_envs: int = 2048
    """Tasks trained on side by side."""
    quick: bool = False
    """A small form that only shows that everything runs: 3 iterations, 300 tasks, 2 untrained networks."""
    num_threads: int | None = None
    """Threads; default: every core this process may use."""
    device: str = "cpu"
    """cpu or cuda[:i], of training and of evaluations of networks; all else is measured on the CPU."""

    def __post_init__(self) -> None:
        check_exact(self.arms, self.pulls)
        if self.pulls < 3:
            raise ValueError(f"pulls: got {self.pulls}, allowed: at least 3; one before an edit, one after")
        if self.tasks < 40:
            raise ValueError(
                f"tasks: got {self.tasks}, allowed: at least 40; maps are fitted to half of them, in five folds"
            )
        if self.untrained < 2:
            raise ValueError(f"untrained: got {self.untrained}, allowed: at least 2")

    @property
    def options(self) -> dict[str, Any]:
        return {"arms": self.arms, "pulls": self.pulls}


def run(
    config: Config, out: Path, *, resume: bool = False, overwrite: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Trains, freezes, reads, writes, edits, moves, and writes the report; returns the summary."""
    setting = baselines.Setting(
        "Bandit-v0", config.options, config.tasks, 1000 + config.seed, config.num_threads, device=config.device
    )
    scale = baselines.scale(setting, [])
    ppo = PPOConfig(
        world="Bandit-v0", options=config.options, network=NetworkConfig("gru"), iterations=config.iterations,
        seed=config.seed, num_envs=config.num_envs, rollout_steps=config.pulls,
        num_threads=config.num_threads, device=config.device,
    )  # fmt: skip
    start_run(out, NAME, asdict(config), resume=resume, overwrite=overwrite)
    with bars(quiet) as progress:
        report = training_bar(progress, "gru", ppo.iterations, scale.floor, scale.ceiling)
        trained = train(ppo, out / "gru", resume=resume, report=report)
        laboratory = Laboratory(config.arms, config.pulls, config.tasks, config.seed, config.num_threads)
        todo = agents(config, ppo, trained)
        bar = progress.add_task("measure", total=len(todo), detail="")
        found = []
        for name, (nature, agent) in todo.items():
            progress.update(bar, detail=name)
            found.append(laboratory.measure(agent, name, nature))
            progress.advance(bar)
        bayes = laboratory.transplanted(BayesOptimal(config.arms, config.pulls, config.seed))
    greedy = next(m for m in found if m.name == "greedy")
    evaluations = [m.own for m in found]
    metrics = {m.name: as_metrics(m, greedy, bayes, scale) for m in found}
    summary = {
        "question": question(sys.modules[__name__]),
        "verdicts": verdicts(found, metrics),
        "reading": scale.how + ". What an agent carries is read, written, edited and moved in the tables below.",
        "world": "Bandit-v0", "options": config.options, "seed": config.seed,
        "agents": [summarize(e, scale.floor, scale.ceiling, trained=e.agent == "gru") for e in evaluations],
        "tables": [table_of_probes(found, laboratory.floors), table_of_use(metrics), table_of_maps(found)],
        "metrics": {name: [m.row() | {"used": used} for m, used in rows] for name, rows in metrics.items()},
    }  # fmt: skip
    return finish_run(out, NAME, asdict(config), Config(), summary, evaluations)


class Deaf(Random):
    """Keeps the counts, as every scripted agent here does, and pulls any arm: what it carries is not used."""


def agents(config: Config, ppo: PPOConfig, trained: Agent) -> dict[str, tuple[str, Agent]]:
    """Name → (nature, agent)."""
    env = MesaVectorEnv("Bandit-v0", 1, history=True, num_threads=1, **config.options)
    fields = field_shapes(env.fields)
    size = (config.arms, config.pulls, config.seed)
    return {
        "gru": ("recurrent", trained),
        **{
            f"untrained-{i}": ("untrained", new_agent(replace(ppo, seed=10_000 * config.seed + i), fields, config.arms))
            for i in range(1, config.untrained + 1)
        },
        "greedy": ("learner", Greedy(*size)),
        "deaf": ("keeps counts, acts at random", Deaf(*size)),
    }  # fmt: skip


def as_metrics(m: Measured, greedy: Measured, bayes: Transplant, scale: baselines.Scale) -> list[tuple[Metric, bool]]:
    """What an agent's carry does, each with floor and ceiling, and whether that reads as the carry being used."""
    rows: list[tuple[Metric, bool]] = []
    for what, found, best in (
        (f"change of the probability of an arm given {EDITED_BY} more successes", m.lift, greedy.lift),
        (f"change of the probability of the arm pulled, given {EDITED_BY} more failures", m.drop, greedy.drop),
    ):
        ceiling = best.effect.mean
        edited = Metric(what, *found.effect[:2], found.random.mean, ceiling, found.tasks)
        rows.append((edited, found.used(ceiling)))
    moved = Metric("preference that moves with the carry", *m.moved.moved[:2], 0.0, bayes.moved.mean, m.moved.pairs)
    rows.append((moved, moved.above_floor and moved.fraction >= USED_FROM))
    reward = metric(
        "reward, its memory written from its task's counts", m.rewritten.returns, scale.floor, scale.ceiling
    )
    rows.append((reward, beyond_doubt(estimate(m.rewritten.returns - m.mistaken.returns))))
    return rows


def verdicts(found: list[Measured], metrics: dict[str, list[tuple[Metric, bool]]]) -> list[str]:
    """What the numbers say, in sentences."""
    gru, untrained = found[0], [m for m in found if m.nature == "untrained"]
    said = []
    for (experience, statistic), fit in gru.probes.items():
        others = [m.probes[experience, statistic] for m in untrained]
        mean = float(np.mean([other.r2.mean for other in others]))
        said.append(
            f"{statistic}, on the {experience} episodes: R² {fit.r2.mean:.3f}, untrained networks {mean:.3f}, excess "
            f"{excess(fit, others)}: {reading(fit, others)}."
        )
    for m in (gru, *(m for m in found if m.name in ("greedy", "deaf"))):
        uses = sum(used for _, used in metrics[m.name])
        said.append(f"{m.name}: {uses} of {len(metrics[m.name])} interventions say that what it carries is used.")
    fooled = sum(used for m in untrained for _, used in metrics[m.name])
    said.append(f"Untrained networks: {fooled} of {sum(len(metrics[m.name]) for m in untrained)} say so.")
    return said


def table_of_probes(found: list[Measured], floors: dict[tuple[str, str, str], Fit]) -> dict[str, Any]:
    untrained = [m for m in found if m.nature == "untrained"]
    rows = []
    for m in found:
        others = [other for other in untrained if other is not m]
        for (experience, statistic), fit in m.probes.items():
            controls = [other.probes[experience, statistic] for other in others]
            above = [str(excess(fit, controls)), reading(fit, controls)] if len(controls) > 1 else ["", ""]
            floor = [f"{floors[experience, statistic, kind].r2.mean:.3f}" for kind in ("inputs", "shuffled")]
            rows.append([m.name, experience, statistic, str(fit.r2), *floor, "1.000", *above])
    head = [
        "agent", "episodes", "statistic", "R²", "floor: present observation", "floor: shuffled", "ceiling",
        "above untrained networks", "reading",
    ]  # fmt: skip
    note = (
        "R² on tasks the probe was not fitted to, about the mean at each step. Every network is shown the same episodes; an "
        "untrained network is held against the other untrained ones."
    )
    return {"title": "What can be read from the carry", "head": head, "rows": rows, "note": note}


def table_of_use(metrics: dict[str, list[tuple[Metric, bool]]]) -> dict[str, Any]:
    rows = [
        [name, m.definition, f"{m.value:.4f} ± {m.se:.4f}", f"{m.floor:.3f}", f"{m.ceiling:.3f}", f"{m.fraction:.3f}",
         f"{m.n:,}", "yes" if used else "no"]
        for name, found in metrics.items() for m, used in found
    ]  # fmt: skip
    head = ["agent", "intervention", "value", "floor", "ceiling", "fraction", "tasks", "used?"]
    note = (
        "Edits: floor: random directions of the same length; ceiling: the scripted greedy agent. Preference: right in the "
        "donor's task minus right in the host's, halved, with the donor's carry minus without; ceiling: the Bayes-optimal "
        "agent. Reward: used, if more than when written from another task's counts; ceiling: the exact optimum."
    )
    return {"title": "Whether what is carried is used", "head": head, "rows": rows, "note": note}


def table_of_maps(found: list[Measured]) -> dict[str, Any]:
    rows = [
        [m.name, str(m.reverse.r2), str(m.outputs.agreement), f"{m.outputs.divergence.mean:.2g}",
         f"{m.outputs.divergence_of_others.mean:.2g}", str(estimate(m.own.returns)), str(estimate(m.rewritten.returns)),
         str(estimate(m.mistaken.returns))]
        for m in found
    ]  # fmt: skip
    head = [
        "agent", "counts → carry, R²", "same next action", "KL, nats", "KL, another task's", "own reward",
        "reward, written from its counts", "reward, from another task's",
    ]  # fmt: skip
    note = (
        "The reverse map, from the exact counts to the carry in its principal directions (as many as counts), and what the "
        "agent puts out next from the image of the counts. A network that puts out nearly the same whatever it carries "
        "agrees with itself too: read these beside the table above."
    )
    return {"title": "The reverse map, and outputs after mapping", "head": head, "rows": rows, "note": note}
