"""Networks trained by reinforcement on one world, frozen, and held against the world's references on the same unseen tasks:
what experiments that compare rewards have in common. Not an experiment itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.progress import Progress

from mesasim import baselines
from mesasim.agents import Agent
from mesasim.evaluate import Evaluation
from mesasim.metrics import Estimate, beyond_doubt, estimate, fraction
from mesasim.progress import training_bar
from mesasim.results import below_optimum, summarize
from mesasim.train.logs import METRICS, read_rows
from mesasim.train.ppo import PPOConfig, train


class Learner(NamedTuple):
    """A network to be trained: what it is by construction, and how."""

    nature: str  # recurrent, transformer, memory of one, stateless …
    ppo: PPOConfig


def privileges(learners: Mapping[str, Learner]) -> str:
    """A sentence on what learners were given in training that no agent sees, or ""."""
    told = [name for name, learner in learners.items() if learner.ppo.told == "regret"]
    valued = [name for name, learner in learners.items() if learner.ppo.critic == "oracle"]
    said = [f"{', '.join(told)} told the regret of each action instead of its reward"] if told else []
    said += [f"{', '.join(valued)} given values by a critic that sees the oracle"] if valued else []
    return f"In training, and there alone: {'; '.join(said)}." if said else ""


class Trained(NamedTuple):
    """One network of one seed at its last weights."""

    learner: str  # its name in the comparison
    seed: int
    agent: Agent
    cpu_seconds: float  # of its training, over all of its resumptions


@dataclass
class Comparison:
    """Everything that was evaluated on a setting. Agents are called by their learner's name; where there are several
    seeds, "name, seed s"."""

    setting: baselines.Setting
    trained: dict[str, Trained]
    evaluations: list[Evaluation]
    scale: baselines.Scale
    rows: list[dict[str, Any]] = field(default_factory=list)

    def evaluation(self, agent: str) -> Evaluation:
        return next(e for e in self.evaluations if e.agent == agent)

    def row(self, agent: str) -> dict[str, Any]:
        return next(row for row in self.rows if row["agent"] == agent)

    def of(self, learner: str) -> list[str]:
        """Agents of a learner, a seed each."""
        return [name for name, trained in self.trained.items() if trained.learner == learner]

    def over_seeds(self, learner: str) -> Estimate:
        """Mean reward over a learner's seeds and its standard error: over seeds where there are several, else over
        tasks."""
        means = [self.evaluation(name).returns.mean() for name in self.of(learner)]
        if len(means) == 1:
            return self.over_tasks(self.of(learner)[0])
        return estimate(np.array(means))

    def over_tasks(self, agent: str) -> Estimate:
        """Mean reward of one agent and its standard error over tasks."""
        return estimate(self.evaluation(agent).returns)

    def difference(self, agent: str, other: str) -> Estimate:
        """An agent's reward minus another's on the same tasks, task by task; where one is a learner of several seeds, seed by
        seed (an agent without seeds stands beside each). Of one seed it speaks of these two networks: how far another
        seed's would differ is not in its error. Of several it speaks of their kinds of training; with few of them little
        is beyond doubt (metrics.doubt: 126 standard errors of 3 seeds, 17 of 5, 7 of 10)."""
        mine, others = (
            [self.evaluation(name).returns for name in self.of(one) or [one]] for one in (agent, other)
        )  # fmt: skip
        if len(mine) == len(others) == 1:
            return estimate(mine[0] - others[0])
        number = max(len(mine), len(others))
        if not {len(mine), len(others)} <= {1, number}:
            raise ValueError(
                f"other: got {len(others)} seeds of {other!r}, allowed: {len(mine)}, as of {agent!r}, or 1"
            )
        return estimate(np.array([(mine[i % len(mine)] - others[i % len(others)]).mean() for i in range(number)]))


def outcome(difference: Estimate) -> str:
    """What a difference says, beyond doubt or not at all: "above", "below" or "not told apart". It says so of what the
    difference is an error over: tasks (these two agents) or seeds (their kinds; see Comparison.difference)."""
    if beyond_doubt(difference):
        return "above"
    return "below" if beyond_doubt(difference._replace(mean=-difference.mean)) else "not told apart"


def beside(difference: Estimate, other: str) -> str:
    """An outcome in words, its difference with it: "above OTHER (+0.100 ± 0.010)", "not told apart from OTHER (…)"."""
    word = outcome(difference)
    return f"{word}{' from' * (word == 'not told apart')} {other} ({difference.mean:+.3f} ± {difference.se:.3f})"


def train_learners(
    learners: Mapping[str, Learner], seeds: Iterable[int], out: Path, progress: Progress, *, resume: bool,
    limits: tuple[float, float] | None = None,
) -> dict[str, Trained]:  # fmt: skip
    """Trains every learner from every seed in `out`/NAME (`out`/NAME-seed-S where there are several). `limits`: floor and
    ceiling of an episode's reward, for the bars."""
    seeds, trained = list(seeds), {}
    if not seeds:
        raise ValueError("seeds: got 0, allowed: at least 1")
    for name, learner in learners.items():
        for seed in seeds:
            called = name if len(seeds) == 1 else f"{name}, seed {seed}"
            folder = out / (name if len(seeds) == 1 else f"{name}-seed-{seed}")
            report = training_bar(progress, called, learner.ppo.iterations, *(limits or (None, None)))
            agent = train(replace(learner.ppo, seed=seed), folder, resume=resume, report=report)
            spent = sum(row["cpu_seconds"] for row in read_rows(folder / METRICS))
            trained[called] = Trained(name, seed, agent, spent)
    return trained


def evaluate_all(
    setting: baselines.Setting, natures: Mapping[str, str], trained: Mapping[str, Trained], progress: Progress, *,
    references: bool | Iterable[str] = True, planted: Iterable[Evaluation] = (),
) -> Comparison:  # fmt: skip
    """Evaluates trained agents (`natures`: learner → nature) and the world's reference agents (all that fit, none, or
    those named), adds what is `planted` besides, and makes their rows. Agents of several seeds are rows of their own."""
    wanted = references if isinstance(references, bool) else set(references)
    todo = [
        (name, evaluate)
        for name, evaluate in (baselines.references(setting) if wanted else ())
        if wanted is True or name in wanted  # type: ignore[operator]
    ]
    bar = progress.add_task("evaluate", total=len(trained) + len(todo), detail="")
    evaluations = []
    for name, one in trained.items():
        progress.update(bar, detail=name)
        evaluations.append(setting.evaluate(one.agent, name, natures[one.learner]))
        progress.advance(bar)
    for name, evaluate in todo:
        progress.update(bar, detail=name)
        evaluations.append(evaluate())
        progress.advance(bar)
    evaluations += planted
    scale = baselines.scale(setting, evaluations)
    comparison = Comparison(setting, dict(trained), evaluations, scale)
    for evaluation in evaluations:
        own = trained.get(evaluation.agent)
        training = {"training_cpu_seconds": own.cpu_seconds, "seed": own.seed} if own else {}
        comparison.rows.append(
            summarize(evaluation, scale.floor, scale.ceiling, trained=own is not None, **training)
        )  # fmt: skip
    below_optimum(comparison.rows, evaluations)
    return comparison


def seeds_table(title: str, comparisons: Mapping[str, Comparison], note: str = "") -> dict[str, Any]:
    """A row a learner and setting: mean over seeds, its standard error, floor, ceiling, fraction, CPU seconds of training
    a seed (median)."""
    head = ["setting", "agent", "seeds", "reward", "± SE", "floor", "ceiling", "fraction", "training CPU s a seed"]
    rows = []
    for label, comparison in comparisons.items():
        for learner in dict.fromkeys(trained.learner for trained in comparison.trained.values()):
            mean, se, _ = comparison.over_seeds(learner)
            floor, ceiling = comparison.scale.floor, comparison.scale.ceiling
            spent = np.median([comparison.trained[name].cpu_seconds for name in comparison.of(learner)])
            rows.append(
                [label, learner, len(comparison.of(learner)), f"{mean:.3f}", f"{se:.3f}", f"{floor:.3f}", f"{ceiling:.3f}",
                 f"{fraction(mean, floor, ceiling):.3f}", f"{spent:.0f}"]
            )  # fmt: skip
    return {"title": title, "head": head, "rows": rows, "note": note}
