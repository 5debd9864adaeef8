"""How far back must an agent see to learn within an episode, and does it matter where it keeps what it has seen? Transformers,
windowed and recurrent networks that see exactly the last c steps learn to predict a coin of unknown bias and to play a bandit,
are frozen, and are held against the best that can be done with that window; networks that see the whole history stand beside.

Coin: reward is the logarithm of the chance given to what came (nats, minus the loss). Ceiling: the Bayes filter; floor: chance,
ln 2 a symbol. Planted controls: the exact predictor of each window, and the filter. Expected: with a window of c symbols the
loss is the exact one (.6365 for c = 1, falling to .5 with c) and flat once the window is full: to see one symbol helps, but
nothing is learned after it. Over the whole history a GRU and a transformer of equal budget do the same. Bandit: ceiling: the
Bayes-optimal value; floor: chance; planted controls: the Bayes-optimal agent, win-stay-lose-shift, random. Expected: with c = 1
no more than the best policy that remembers one outcome. Source: thread on mesa-optimization (a context window of one token
cannot meta-learn; recurrent state or full history make no difference); Ortega et al. 2019.
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from mesasim import baselines
from mesasim.agents import NetworkConfig
from mesasim.agents.base import Agent
from mesasim.evaluate import Evaluation
from mesasim.exact.last_outcome import enumerate_policies
from mesasim.experiments import question
from mesasim.experiments.bandit_learning import recipe
from mesasim.experiments.shared.comparing import Comparison, Learner, evaluate_all, train_learners
from mesasim.experiments.shared.settings import experiment_settings
from mesasim.experiments.shared.window_losses import (
    CONTEXTS,
    KINDS,
    coin_verdicts,
    curve,
    exact_evaluation,
    loss_table,
    readings,
    whole_history_verdict,
    window_predictor,
    won_table,
)  # fmt: skip
from mesasim.integrity import weights_hash
from mesasim.progress import bars, supervised_bar
from mesasim.results import summarize
from mesasim.runs import finish_run, start_run
from mesasim.sequences import SequenceSource, as_examples, generate
from mesasim.train import prediction
from mesasim.train.prediction import Examples, Prediction, Source
from mesasim.train.sources import Blind, Pieces
from mesasim.train.supervised import SupervisedConfig, train

NAME = "context-window"
BANDIT_CONTEXTS = (1, 4)  # outcomes; besides them the whole episode
ARMS, PULLS = 2, 20
BANDIT_CONTROLS = ("bayes_optimal", "win_stay_lose_shift", "random")


@experiment_settings(iterations=2, bandit_iterations=1, tasks=50, bandit_tasks=100, batch=2, hidden=8)
@dataclass
class Config:
    """Flags of the experiment."""

    length: int = 128
    """Symbols of a sequence, a multiple of 64."""
    tasks: int = 1000
    """Unseen sequences that predictors are evaluated on."""
    iterations: int = 400
    """Batches that every predictor learns from."""
    batch: int = 32
    """Sequences a batch."""
    hidden: int = 32
    """Units of every hidden layer; numbers a step of a transformer."""
    layers: int = 1
    """Blocks of a transformer."""
    learning_rate: float = 5e-3
    """AdamW's, at its highest."""
    bandit_iterations: int = 60
    """PPO iterations of every agent on the bandit; 0: leave the bandit out."""
    bandit_tasks: int = 20000
    """Unseen bandits that agents are evaluated on."""
    seed: int = 1
    """Seed of weights, training and evaluation."""
    quick: bool = False
    """A small form that only shows that everything runs: 2 batches, 1 PPO iteration, 50 tasks."""
    num_threads: int | None = None
    """Threads; default: every core this process may use."""
    device: str = "cpu"
    """cpu or cuda[:i], of training and of evaluations of networks; all else is measured on the CPU."""

    def __post_init__(self) -> None:
        if self.length % max(CONTEXTS) or self.length <= max(CONTEXTS):
            raise ValueError(f"length: got {self.length}, allowed: 128, 192, 256 …")
        if self.bandit_iterations < 0:
            raise ValueError(f"bandit_iterations: got {self.bandit_iterations}, allowed: at least 0")


@dataclass
class Predictor:
    """One to be trained."""

    context: int | None  # symbols it sees; None: all
    kind: str
    nature: str
    network: NetworkConfig
    source: Source


def predictors(config: Config) -> dict[str, Predictor]:
    """Name → what to train."""
    whole = SequenceSource("coin", config.length, config.num_threads)
    base = NetworkConfig(hidden=config.hidden, layers=config.layers, heads=2)
    chosen = {"c=0": Predictor(0, "stateless", "stateless", NetworkConfig("mlp", hidden=8, layers=1), Blind(whole))}
    for context in CONTEXTS[1:]:
        for kind, nature in KINDS.items():
            if kind == "window":  # sees no further by construction, and is trained on whole sequences
                network = replace(base, kind=kind, window=context, layers=2)
                chosen[f"{kind} c={context}"] = Predictor(context, kind, nature, network, whole)
            else:
                network = replace(base, kind=kind, window=context, strict=True)
                chosen[f"{kind} c={context}"] = Predictor(context, kind, nature, network, Pieces(whole, context))
    looking_back = replace(base, kind="transformer", window=config.length)
    chosen["transformer, whole history"] = Predictor(None, "transformer", "transformer", looking_back, whole)
    chosen["gru, whole history"] = Predictor(None, "gru", "recurrent", replace(base, kind="gru"), whole)
    return chosen


# The coin


def training(config: Config, one: Predictor) -> SupervisedConfig:
    iterations = max(3, config.iterations // 4) if one.context == 0 else config.iterations
    return SupervisedConfig(
        iterations=iterations, batch=config.batch, learning_rate=config.learning_rate, warm_up=min(50, iterations // 5),
        weight_decay=0.0, seed=config.seed, num_threads=config.num_threads, device=config.device,
    )  # fmt: skip


def train_predictor(
    config: Config, name: str, one: Predictor, out: Path, progress: Progress, resume: bool
) -> tuple[Agent, float]:
    """The network at its last weights, and the CPU seconds this took."""
    how, started = training(config, one), time.process_time()
    folder = out / name.replace("=", "").replace(",", "").replace(" ", "-")
    report = supervised_bar(progress, name, how.iterations)
    agent = train(how, Prediction(one.network, one.source), folder, resume=resume, report=report)
    assert isinstance(agent, Agent)
    return agent, time.process_time() - started


def predict(config: Config, name: str, one: Predictor, agent: Agent, examples: Examples) -> Evaluation:
    """The trained predictor, frozen, on unseen sequences."""
    before, started = weights_hash(agent), time.process_time()
    rewards = -prediction.evaluate(agent, Blind.shown(examples) if one.context == 0 else examples).numpy()
    after = weights_hash(agent)
    lengths = np.full(len(rewards), config.length)
    return Evaluation(name, one.nature, rewards, lengths, {}, before, after, time.process_time() - started)


def coin(config: Config, out: Path, progress: Progress, resume: bool) -> tuple[dict[str, Evaluation], dict[str, float]]:
    """Every predictor on the same sequences: trained and exact; and the CPU seconds of training."""
    unseen = generate(
        "coin", config.tasks, config.length, seed=1000 + config.seed, output="numpy", give=("filter_log",)
    )
    symbols = np.asarray(unseen.symbols)
    examples, found, seconds = as_examples(unseen.symbols), {}, {}
    for name, one in predictors(config).items():
        agent, seconds[name] = train_predictor(config, name, one, out, progress, resume)
        found[name] = predict(config, name, one, agent, examples)
    for context in CONTEXTS:
        nature = "exact, chance" if context == 0 else "exact, window"
        found[f"exact c={context}"] = exact_evaluation(f"exact c={context}", nature, window_predictor(symbols, context))
    found["filter"] = exact_evaluation("filter", "exact, learner", np.asarray(unseen.filter_log))
    return found, seconds


# The bandit


def bandit_learners(config: Config) -> dict[str, Learner]:
    options = {"arms": ARMS, "pulls": PULLS}
    slots = 32 if config.quick else 512
    ppo = recipe(
        options,
        iterations=config.bandit_iterations,
        num_envs=slots,
        num_threads=config.num_threads,
        device=config.device,
    )
    # Begun with a long horizon, agents of short memory stay at chance: that staying after a reward and leaving after none pays
    # shows in the next reward, and is lost in the sum of twenty.
    ppo = replace(ppo, first_discount=0.0, discount=0.9)
    base = NetworkConfig(hidden=config.hidden, layers=1, heads=2)
    chosen = {}

    def add(name: str, nature: str, network: NetworkConfig) -> None:
        chosen[name] = Learner(nature, replace(ppo, network=network))

    for context in BANDIT_CONTEXTS:
        for kind, nature in KINDS.items():
            # One block sees no further than its window, and an episode's start is told by what is observed.
            strict, layers = kind == "gru", 2 if kind == "window" else 1
            network = replace(base, kind=kind, window=context, strict=strict, layers=layers)
            add(f"bandit, {kind} c={context}", nature, network)
    add("bandit, transformer, whole history", "transformer", replace(base, kind="transformer", window=PULLS))
    add("bandit, gru, whole history", "recurrent", replace(base, kind="gru"))
    return chosen


def bandit(config: Config, out: Path, progress: Progress, resume: bool) -> Comparison:
    chosen = bandit_learners(config)
    setting = baselines.Setting(
        "Bandit-v0",
        {"arms": ARMS, "pulls": PULLS},
        config.bandit_tasks,
        1000 + config.seed,
        config.num_threads,
        device=config.device,
    )
    trained = train_learners(chosen, [config.seed], out, progress, resume=resume)
    natures = {name: learner.nature for name, learner in chosen.items()}
    return evaluate_all(setting, natures, trained, progress, references=BANDIT_CONTROLS)


def run(
    config: Config, out: Path, *, resume: bool = False, overwrite: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Trains, freezes, evaluates and writes the report; returns the summary."""
    begun = time.process_time()
    for one in predictors(config).values():
        training(config, one)  # refuses bad settings
    if config.bandit_iterations:
        bandit_learners(config)
    start_run(out, NAME, asdict(config), resume=resume, overwrite=overwrite)
    with bars(quiet) as progress:
        found, seconds = coin(config, out, progress, resume)
        comparison = bandit(config, out, progress, resume) if config.bandit_iterations else None
    floor, ceiling = -config.length * np.log(2), float(found["filter"].returns.mean())
    rows = [summarize(e, floor, ceiling, trained=name in seconds) for name, e in found.items()]
    for row, evaluation in zip(rows, found.values(), strict=True):
        row["agent"] = evaluation.agent = "coin, " + row["agent"]
    read_off = readings(found)
    said = [*coin_verdicts(read_off), whole_history_verdict(found, seconds)]
    evaluations, tables = list(found.values()), [loss_table(read_off, found), won_table(found)]
    if comparison:
        rows, evaluations = rows + comparison.rows, evaluations + comparison.evaluations
        said.append(bandit_verdict(comparison))
        tables.append(bandit_table(comparison))
    summary = {
        "question": question(sys.modules[__name__]),
        "verdicts": said,
        "reading": "coin: reward is the log-chance given to what came, nats, summed over the sequence; ceiling: the Bayes filter "
        f"on the same sequences; floor: ln 2 a symbol. All took {time.process_time() - begun:.0f} CPU seconds.",
        "world": "sequences, Bandit-v0", "options": {"length": config.length}, "seed": config.seed, "agents": rows,
        "tables": tables, "curves": [curve(found)],
        "readings": {name: asdict(reading) | {"flat": reading.flat} for name, reading in read_off.items()},
    }  # fmt: skip
    return finish_run(out, NAME, asdict(config), Config(), summary, evaluations)


# What the numbers say


def bandit_verdict(comparison: Comparison) -> str:
    best = enumerate_policies(PULLS).value

    def earned(seen: str) -> str:
        names = [name for name in comparison.trained if name.endswith(seen)]
        return ", ".join(f"{name.split(', ')[1]} {comparison.over_tasks(name)}" for name in names)

    return (
        f"Bandit of {ARMS} arms, {PULLS} pulls: the best policy that remembers one outcome earns {best:.3f}; with c = 1 "
        f"{earned('c=1')}; with the whole history {earned('whole history')} (± standard error over tasks); Bayes-optimal "
        f"{comparison.scale.ceiling:.3f}."
    )


def bandit_table(comparison: Comparison) -> dict[str, Any]:
    rows = [
        [row["agent"], f"{row['reward_mean']:.3f} ± {row['reward_se']:.3f}", f"{row['fraction']:.3f}",
         f"{row['slope']:+.5f} ± {row['slope_se']:.5f}", f"{row['training_cpu_seconds']:.0f}" if row["trained"] else "-"]
        for row in comparison.rows
    ]  # fmt: skip
    note = f"{comparison.scale.how}. Slope: reward gained a pull within the episode."
    return {
        "title": f"Bandit of {ARMS} arms, {PULLS} pulls", "head": ["agent", "reward", "fraction", "slope", "training CPU s"],
        "rows": rows, "note": note,
    }  # fmt: skip
