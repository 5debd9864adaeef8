"""What does a memoryless network learn when its weights are its memory, and why does the well-known inner learning rate
of .5 leave MAML at chance on bandits?

MAML (Finn et al. 2017) with REINFORCE inside on Bandit-v0: adapt on `adapt_pulls` pulls of a task, then `TEST` more that
count. A softmax of nothing but logits, and MLPs over a constant input; inner rate fixed or learned, one inner step or four.
Floor: chance. Ceiling: always the best arm, k/(k+1) a pull, which no one can know at the start.
Planted controls: logits that are the sufficient statistic by hand (fit 1), a policy of the last reward alone (fit near 0),
explore-then-commit, random. Expected: one step of the softmax is the statistic s - b n itself (fit 1), since REINFORCE's
mean over n pulls moves an arm's logit by rate/n (s - b n): at .5 by hundredths, so that the return is 50.7 of 83.3; a rate
100 times as large, which training finds if it is let, reaches 80. Sources: vlad_m's proposal (the weights that encode the
sufficient statistics), github.com/tristandeleu/pytorch-maml-rl issue 57.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mesasim.agents.base import Agent
from mesasim.evaluate import Evaluation, evaluate_agent
from mesasim.experiments import question
from mesasim.experiments.shared.comparing import beside
from mesasim.experiments.shared.explorers import PLANTED, Planted, fit_to_statistic
from mesasim.experiments.shared.settings import experiment_settings
from mesasim.metrics import Estimate, estimate
from mesasim.progress import bars, iteration_bar
from mesasim.results import summarize
from mesasim.runs import finish_run, start_run
from mesasim.spec import load_spec
from mesasim.train.maml import Adapting, MAMLConfig, adapt, new_learner, train
from mesasim.vector import MesaVectorEnv

NAME = "maml"
TEST = 100  # pulls after adapting
# Return per 100 pulls after one step of the softmax on 100 pulls, by arms and inner rate: an earlier simulation, to check
# against (references.md, section 4; its standard errors are not known).
EARLIER: dict[int, dict[float, float]] = {
    5: {0.1: 50.2, 0.5: 50.7, 1: 51.0, 5: 56.7, 10: 62.4, 20: 70.3, 50: 78.9, 100: 80.6, 1000: 81.2},
    10: {20: 63.9, 50: 76.7, 200: 84.9},
}


@experiment_settings(iterations=3, tasks=300, curve_tasks=300, train_tasks=64)
@dataclass
class Config:
    """Flags of the experiment."""

    arms: int = 5
    """Arms of the bandit, 2 to 128."""
    adapt_pulls: int = 100
    """Pulls to adapt on; a multiple of 4."""
    tasks: int = 10000
    """Unseen tasks every learner is evaluated on."""
    curve_tasks: int = 20000
    """Tasks of each point of the curve over inner rates."""
    iterations: int = 300
    """Outer updates of every learner."""
    train_tasks: int = 1024
    """Tasks an outer update."""
    seed: int = 1
    """Seed of weights, training and evaluation."""
    quick: bool = False
    """A small form that only shows that everything runs: 3 iterations, 300 tasks."""
    num_threads: int | None = None
    """Threads; default: every core this process may use."""
    device: str = "cpu"
    """cpu or cuda[:i], of training; all else is measured on the CPU."""

    def __post_init__(self) -> None:
        if self.adapt_pulls < 4 or self.adapt_pulls % 4:
            raise ValueError(f"adapt_pulls: got {self.adapt_pulls}, allowed: multiples of 4")


def learners(config: Config) -> dict[str, MAMLConfig]:
    """What is trained: name → how."""

    def maml(network: str, rates: str, steps: int = 1) -> MAMLConfig:
        return MAMLConfig(
            options={"arms": config.arms}, network=network, rates=rates, inner_steps=steps, hidden=16,
            adapt_pulls=config.adapt_pulls, tasks=config.train_tasks, iterations=config.iterations, seed=config.seed,
            num_threads=config.num_threads, device=config.device,
        )  # fmt: skip

    return {
        "softmax, rate .5": maml("softmax", "fixed"),
        "softmax, learned rate": maml("softmax", "scalar"),
        "softmax, learned rate, 4 steps": maml("softmax", "scalar", 4),
        "dead MLP, rate .5": maml("mlp_dead", "fixed"),
        "MLP, rate .5": maml("mlp", "fixed"),
        "MLP, learned rate": maml("mlp", "scalar"),
        "MLP, learned rates, 4 steps": maml("mlp", "parameter", 4),
    }


# Measurements


@dataclass
class Point:
    """One step of the zero-logit softmax at an inner rate."""

    value: Estimate  # expected return per 100 pulls afterwards, given the arms: no luck of the test pulls in it
    step: float  # root mean square over tasks and arms of the logits' change, its mean over arms taken off
    fit: float


def one_step(arms: int, rate: float, config: Config) -> Point:
    learner = new_learner(MAMLConfig(inner_rate=rate, adapt_pulls=config.adapt_pulls, rates="fixed"), arms)
    env = MesaVectorEnv(
        "Bandit-v0", config.curve_tasks, seed=2000 + config.seed, num_threads=config.num_threads, oracle=True, arms=arms,
        pulls=config.adapt_pulls + 1,
    )  # fmt: skip
    env.reset()
    means = env.buffers.group["oracle"]["arm_means"].clone()
    with torch.no_grad():
        adapted = adapt(learner, env, torch.Generator().manual_seed(config.seed))
    change = adapted.logits[1] - adapted.logits[0]
    value = 100 * (adapted.logits[1].softmax(1) * means).sum(1) - 100 * (means.mean(1) - 0.5)
    centred = change - change.mean(1, keepdim=True)
    fit = fit_to_statistic(change, adapted.pulls[0], adapted.sums[0])
    return Point(estimate(value.numpy()), float(centred.square().mean().sqrt()), fit)


def watch(agent: Agent, name: str, nature: str, config: Config) -> tuple[Evaluation, dict[str, Any]]:
    """The pulls after adapting as an evaluation, and what adapting did: reward before, fit, size of the step."""
    whole = evaluate_agent(
        agent, name, nature, world="Bandit-v0", options={"arms": config.arms, "pulls": config.adapt_pulls + TEST},
        tasks=config.tasks, seed=1000 + config.seed, num_threads=config.num_threads, sample_actions=True,
        device=config.device,
    )  # fmt: skip
    before, after = np.split(whole.rewards, [config.adapt_pulls], axis=1)
    more: dict[str, Any] = {"reward_before_per_100": 100 * float(before.mean())}
    more |= _what_changed(agent, config)
    more["by_pull"] = whole.rewards
    return Evaluation(
        name, nature, after, np.full(len(after), TEST), {}, whole.hash_before, whole.hash_after, whole.cpu_seconds
    ), more


def _what_changed(agent: Agent, config: Config) -> dict[str, float]:
    """Lets the agent adapt to some tasks once more, and looks at its log-odds."""
    tasks = min(config.tasks, 2000)
    env = MesaVectorEnv(
        "Bandit-v0", tasks, seed=3000 + config.seed, num_threads=config.num_threads, history=True, oracle=True,
        arms=config.arms, pulls=config.adapt_pulls + 1,
    )  # fmt: skip
    env.reset()
    generator = torch.Generator().manual_seed(config.seed)
    carry, is_first = agent.initial_carry(tasks), torch.ones(1, tasks, dtype=torch.bool)
    seen, logits = env.buffers.group["observation"], []
    with torch.no_grad():
        for t in range(config.adapt_pulls + 1):
            out = agent.unroll({n: v.unsqueeze(0) for n, v in seen.items()}, is_first & (t == 0), carry)
            carry = out.carry
            logits.append(out.logits[0])
            if t < config.adapt_pulls:
                env.step(logits[-1].softmax(1).multinomial(1, generator=generator)[:, 0])
    oracle = env.buffers.group["oracle"]
    change = logits[-1] - logits[0]
    centred = change - change.mean(1, keepdim=True)
    fit = fit_to_statistic(change, oracle["pull_counts"].float(), oracle["reward_sums"])
    return {"statistic_fit": fit, "logit_step": float(centred.square().mean().sqrt())}


def run(
    config: Config, out: Path, *, resume: bool = False, overwrite: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Trains, freezes, adapts to unseen tasks and writes the report; returns the summary."""
    load_spec("Bandit-v0", {"arms": config.arms, "pulls": config.adapt_pulls + TEST})  # refuses bad options
    chosen = learners(config)
    start_run(out, NAME, asdict(config), resume=resume, overwrite=overwrite)
    torch.set_num_threads(config.num_threads or torch.get_num_threads())
    todo: dict[str, tuple[str, Agent, dict[str, Any]]] = {}
    with bars(quiet) as progress:
        for name, maml in chosen.items():
            report = iteration_bar(progress, name, maml.iterations, "reward_after")
            learner = train(maml, out / name.replace(" ", "-").replace(",", ""), resume=resume, report=report)
            learner.requires_grad_(False)
            rate = float(torch.cat([r.flatten() for r in learner.log_rates.values()]).mean().exp())
            settings = {"trained": True, "inner_rate": rate, "inner_steps": maml.inner_steps}
            todo[name] = "weights as memory", Adapting(learner), settings
        for name, (nature, policy) in PLANTED.items():
            todo[name] = nature, Planted(config.arms, config.adapt_pulls, policy), {"trained": False}
        bar = progress.add_task("evaluate", total=len(todo), detail="")
        evaluations, rows, curves = [], [], []
        floor, ceiling = TEST / 2, TEST * config.arms / (config.arms + 1)
        for name, (nature, agent, settings) in todo.items():
            progress.update(bar, detail=name)
            evaluation, more = watch(agent, name, nature, config)
            curves.append((name, more.pop("by_pull").mean(0)))
            evaluations.append(evaluation)
            rows.append(summarize(evaluation, floor, ceiling, **settings, **more))
            progress.advance(bar)
        points = {}
        known = [(arms, rate) for arms, rates in EARLIER.items() for rate in rates]
        bar = progress.add_task("inner rates", total=len(known), detail="")
        for arms, rate in known:
            points[arms, rate] = one_step(arms, rate, config)
            progress.advance(bar)
    summary = {
        "question": question(sys.modules[__name__]),
        "verdicts": verdicts(config, rows, evaluations, points),
        "reading": f"reward is that of {TEST} pulls after adapting on {config.adapt_pulls}; floor: exact chance; ceiling: always "
        "the best arm, exact, k/(k+1) a pull. Learners' own weights are frozen: what adapts is each task's copy.",
        "world": "Bandit-v0", "options": {"arms": config.arms, "pulls": config.adapt_pulls + TEST}, "seed": config.seed,
        "agents": rows, "tables": [table_of_learners(rows), table_of_rates(points, config)],
        "curves": [curve_of_rates(points), curve_by_pull(curves)],
        "points": [
            {"arms": arms, "rate": rate, "return": p.value.mean, "se": p.value.se, "logit_step": p.step, "fit": p.fit}
            for (arms, rate), p in points.items()
        ],
    }  # fmt: skip
    return finish_run(out, NAME, asdict(config), Config(), summary, evaluations)


# The report


def table_of_learners(rows: list[dict[str, Any]]) -> dict[str, Any]:
    head = ["learner", "inner rate", "steps", "per 100 pulls before", "after", "logits' change", "fit to s - b n (R²)"]
    cells = [
        [
            row["agent"], f"{row['inner_rate']:.3g}" if row["trained"] else "", str(row.get("inner_steps", "")),
            f"{row['reward_before_per_100']:.1f}", f"{row['reward_mean']:.2f} ± {row['reward_se']:.2f}",
            f"{row['logit_step']:.3g}", f"{row['statistic_fit']:.4f}",
        ]
        for row in rows
    ]  # fmt: skip
    note = (
        "Inner rate: where each weight has its own, the geometric mean. Logits' change: root mean square over tasks and arms of "
        "what adapting did to the log-odds (less their mean over arms). Fit: of that change to the sufficient statistic of "
        "the pulls adapted on, one slope for all tasks; commitment to the best mean is scaled by 10,000 and no statistic."
    )
    return {"title": "Learners", "head": head, "rows": cells, "note": note}


def table_of_rates(points: dict[tuple[int, float], Point], config: Config) -> dict[str, Any]:
    cells = []
    for (arms, rate), p in points.items():
        comparable = config.adapt_pulls == 100
        earlier = EARLIER[arms][rate]
        difference = p.value.mean - earlier
        cells.append(
            [
                str(arms), f"{rate:g}", f"{p.value.mean:.2f} ± {p.value.se:.2f}", f"{earlier:.1f}" if comparable else "",
                f"{difference:+.2f}" if comparable else "", f"{p.step:.4f}", f"{p.fit:.6f}",
            ]
        )  # fmt: skip
    head = ["arms", "inner rate", "per 100 pulls after", "earlier", "difference", "logits' change", "fit (R²)"]
    note = (
        f"One step on {config.adapt_pulls} pulls from logits 0, {config.curve_tasks:,} tasks: expected return given the arms, "
        "less their luck (the excess of their mean over 1/2), so that the standard error is of the learner. Earlier: another "
        "simulation, whose standard errors are not known."
    )
    return {"title": "One step of the softmax, by inner rate", "head": head, "rows": cells, "note": note}


def curve_of_rates(points: dict[tuple[int, float], Point]) -> dict[str, Any]:
    series = []
    for arms in EARLIER:
        mine = sorted((rate, p) for (k, rate), p in points.items() if k == arms)
        x = [float(np.log10(rate)) for rate, _ in mine]
        values = [p.value for _, p in mine]
        series.append({"name": f"{arms} arms", "x": x, "y": [v.mean for v in values], "se": [v.se for v in values]})
    return {
        "title": "Return per 100 pulls after one step of the softmax", "x": "log10 of the inner rate",
        "y": "return per 100 pulls", "series": series,
    }  # fmt: skip


def curve_by_pull(curves: list[tuple[str, np.ndarray]]) -> dict[str, Any]:
    def smooth(reward: np.ndarray) -> list[float]:
        return reward.reshape(-1, 4).mean(1).tolist()

    series = [
        {"name": name, "x": list(range(2, len(reward), 4)), "y": smooth(reward), "se": [0.0] * (len(reward) // 4)}
        for name, reward in curves
    ]
    return {"title": "Reward by pull, means of four", "x": "pull", "y": "reward", "series": series}


def verdicts(
    config: Config, rows: list[dict[str, Any]], evaluations: list[Evaluation], points: dict[tuple[int, float], Point]
) -> list[str]:
    by_name, returns = {row["agent"]: row for row in rows}, {e.agent: e.returns for e in evaluations}

    def moved(name: str) -> str:
        row = by_name[name]
        return f"{name} (logits move by {row['logit_step']:.3g}, {row['reward_mean']:.2f} ± {row['reward_se']:.2f})"

    def against(name: str, other: str) -> str:
        return beside(estimate(returns[name] - returns[other]), other)

    def fit(name: str) -> str:
        return f"{name} {by_name[name]['statistic_fit']:.4f}"

    half, learned, four = "softmax, rate .5", "softmax, learned rate", "softmax, learned rate, 4 steps"
    dead, mlp, commit = "dead MLP, rate .5", "MLP, rate .5", "explore then commit"
    said = [
        f"Per {TEST} pulls, of at most {by_name[half]['ceiling']:.1f}, on the same tasks: {moved(half)} is "
        f"{against(half, 'random')}.",
        f"{moved(learned)}, whose rate went from .5 to {by_name[learned]['inner_rate']:.3g}, is {against(learned, half)} and "
        f"{against(learned, commit)}; {moved(four)} is {against(four, learned)}.",
        f"{moved(dead)} is {against(dead, half)}; {moved(mlp)} is {against(mlp, half)}.",
        "R² of the change of logits on the sufficient statistic: "
        + ", ".join(fit(name) for name in (learned, four, "MLP, learned rate"))
        + "; planted: "
        + ", ".join(fit(name) for name in ("statistic by hand", "last reward alone"))
        + ".",
    ]
    if config.adapt_pulls == 100:
        worst = max(points, key=lambda p: abs(points[p].value.mean - EARLIER[p[0]][p[1]]))
        gap = points[worst].value.mean - EARLIER[worst[0]][worst[1]]
        said.append(
            f"Of {len(points)} earlier figures of the curve over inner rates, the furthest off is that at {worst[0]} arms and "
            f"rate {worst[1]:g}: {gap:+.2f} (standard error here {points[worst].value.se:.2f})."
        )
    return said
