"""Which weather must be learned while it happens? On a ladder of four weathers networks learn by supervision to say the chance
of rain, are frozen, and are compared with counted n-grams and with the exact Bayes filter: rain in pairs (W0), each day after
the one before (W1), streaks (W2), regimes that change without notice (W3).

Reward is the logarithm of the chance given to what came (nats, minus the loss). Ceiling: the exact filter; floor: chance, ln 2 a
day. Beside them the oracle that knows the regime, which no predictor can reach. The mesa-learning index of a predictor against
order c is the share of [loss of the n-gram of order c - loss of the filter] that it makes up for, read only where that gap is
above .01 nats a day beyond doubt. A learner makes up for more than half of it at order 8, the longest counted, a conditional
model for less, beyond doubt either; loss alone cannot tell a learner from a conditional model of a still longer window.
Expected: the gap is there in W3 alone, where the GRU makes up for most of it and a network that sees four days for none.
Planted controls: the filter reads as a learner, n-grams of every order and the exact best window of four days as conditional
models. Source: the weather examples of the discussion this package answers to (docs/sequences.md); Ortega et al. 2019 (filters
as what is meta-learned).
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mesasim.agents import NetworkConfig
from mesasim.agents.base import Agent
from mesasim.agents.sequence_references import window_agent
from mesasim.evaluate import Evaluation
from mesasim.exact.sequences import NGram
from mesasim.experiments import question
from mesasim.experiments.shared.comparing import outcome
from mesasim.experiments.shared.settings import experiment_settings
from mesasim.integrity import weights_hash
from mesasim.metrics import Estimate, beyond_doubt, estimate
from mesasim.progress import bars, supervised_bar
from mesasim.results import summarize
from mesasim.runs import finish_run, start_run
from mesasim.sequences import SequenceSource, as_examples, generate
from mesasim.train import prediction
from mesasim.train.prediction import Prediction
from mesasim.train.supervised import SupervisedConfig, train

NAME = "weather"
LADDER = {"W0": "pairs", "W1": "markov", "W2": "streak", "W3": "regimes"}
ORDERS = (0, 1, 2, 4, 8)
# Nats a day between n-gram and filter, above which the index is read: half of what the n-gram of order 8 leaves in W3 (.021 at 60
# days, .024 at 200), and well above what it leaves elsewhere, counting errors and all (up to .004 at 60 days, .0015 at 200).
# Chosen after these gaps had been seen.
READ_AT = 0.01
WINDOW = 4  # days that the network without memory sees
LONGEST = ORDERS[-1]  # the n-gram that a learner must beat: one of order 8 makes up for most of order 4's gap
LEARNER_FROM = 0.5  # of the index against it


@experiment_settings(iterations=6, tasks=100, counted=500, batch=16, days=60)
@dataclass
class Config:
    """Flags of the experiment."""

    days: int = 200
    """Days of a sequence."""
    tasks: int = 2000
    """Unseen sequences of each weather."""
    counted: int = 20_000
    """Sequences that the n-grams count."""
    iterations: int = 1000
    """Batches of the GRU on W3; the other weathers and networks get a third."""
    batch: int = 64
    """Sequences a batch."""
    hidden: int = 64
    """Units of every hidden layer."""
    learning_rate: float = 5e-3
    """AdamW's, at its highest."""
    seed: int = 1
    """Seed of weights, training and evaluation."""
    quick: bool = False
    """A small form that only shows that everything runs: 6 batches, 100 sequences."""
    num_threads: int | None = None
    """Threads; default: every core this process may use."""
    device: str = "cpu"
    """cpu or cuda[:i], of training and of evaluations of networks; all else is measured on the CPU."""

    def __post_init__(self) -> None:
        if self.days < 10:
            raise ValueError(f"days: got {self.days}, allowed: at least 10")


def networks(config: Config) -> dict[str, tuple[str, NetworkConfig]]:
    """The networks trained on every weather: name → (nature, which)."""
    return {
        "gru": ("recurrent", NetworkConfig("gru", hidden=config.hidden)),
        f"window-{WINDOW}": (f"sees {WINDOW} days", NetworkConfig("window", hidden=config.hidden, window=WINDOW)),
    }


def training(config: Config, weather: str, network: str) -> SupervisedConfig:
    share = 1 if (weather, network) == ("W3", "gru") else 3
    iterations = max(1, config.iterations // share)
    return SupervisedConfig(
        iterations=iterations, batch=config.batch, learning_rate=config.learning_rate, warm_up=min(50, iterations // 5),
        weight_decay=0.0, seed=config.seed, num_threads=config.num_threads, device=config.device,
    )  # fmt: skip


def run(
    config: Config, out: Path, *, resume: bool = False, overwrite: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Trains, freezes, evaluates and writes the report; returns the summary."""
    begun = time.process_time()
    for weather in LADDER:
        for name in networks(config):
            training(config, weather, name)  # refuses bad settings
    start_run(out, NAME, asdict(config), resume=resume, overwrite=overwrite)
    evaluations: dict[str, dict[str, Evaluation]] = {}
    with bars(quiet) as progress:
        for weather, process in LADDER.items():
            trained: dict[str, tuple[str, Agent]] = {}
            for name, (nature, network) in networks(config).items():
                how = training(config, weather, name)
                report = supervised_bar(progress, f"{weather} {name}", how.iterations)
                problem = Prediction(network, SequenceSource(process, config.days, config.num_threads))
                agent = train(how, problem, out / f"{weather}-{name}", resume=resume, report=report)
                assert isinstance(agent, Agent)
                trained[name] = nature, agent
            evaluations[weather] = evaluate(config, process, trained)
    rows, flat = [], []
    for weather, of in evaluations.items():
        floor, ceiling = -config.days * np.log(2), float(of["filter"].returns.mean())
        for evaluation in of.values():
            row = summarize(evaluation, floor, ceiling, trained=evaluation.agent in networks(config))
            evaluation.agent = row["agent"] = f"{weather} {evaluation.agent}"
            rows.append(row)
            flat.append(evaluation)
    losses = {
        weather: {name: -e.rewards.mean(axis=1, dtype=np.float64) for name, e in of.items()}
        for weather, of in evaluations.items()
    }
    readings = {weather: read(of) for weather, of in losses.items()}
    summary = {
        "question": question(sys.modules[__name__]),
        "verdicts": [verdict(weather, losses[weather], readings[weather]) for weather in LADDER],
        "reading": "reward: log-chance given to what came, nats, summed over the sequence; ceiling: the exact filter, on the "
        f"same sequences; floor: ln 2 a day. Training and evaluation took {time.process_time() - begun:.0f} CPU seconds.",
        "world": "sequences", "options": {"days": config.days}, "seed": config.seed, "agents": rows,
        "tables": [loss_table(losses), index_table(losses)],
        "curves": [curve(evaluations["W3"])], "readings": readings,
    }  # fmt: skip
    return finish_run(out, NAME, asdict(config), Config(), summary, flat)


def evaluate(config: Config, process: str, trained: dict[str, tuple[str, Agent]]) -> dict[str, Evaluation]:
    """Every predictor on the same unseen sequences; rewards are log-chances of what came."""
    draw = partial(generate, process, length=config.days, num_threads=config.num_threads, output="numpy")
    unseen = draw(config.tasks, seed=1000 + config.seed, give=("filter_log", "oracle_log"))
    examples = as_examples(unseen.symbols)
    found: dict[str, Evaluation] = {}

    def add(name: str, nature: str, rewards: Any, agent: Agent | None = None, seconds: float = 0.0) -> None:
        weights = weights_hash(agent) if agent else ""
        length = np.full(config.tasks, config.days)
        found[name] = Evaluation(
            name, nature, np.asarray(rewards, dtype=np.float32), length, {}, weights, weights, seconds
        )

    def add_agent(name: str, nature: str, agent: Agent) -> None:
        before, started = weights_hash(agent), time.process_time()
        rewards = -prediction.evaluate(agent, examples).numpy()
        if weights_hash(agent) != before:
            raise RuntimeError(f"{name}: its weights changed during evaluation")
        add(name, nature, rewards, agent, time.process_time() - started)

    for name, (nature, agent) in trained.items():
        add_agent(name, nature, agent)
    add("filter", "learner, exact", unseen.filter_log)
    add("regime oracle", "oracle", unseen.oracle_log)
    counted = draw(config.counted, seed=2000 + config.seed).symbols
    for order in ORDERS:
        add(f"order-{order}", "conditional model", -NGram(order).fit(counted).losses(unseen.symbols))
    add_agent(f"best window of {WINDOW}", "conditional model, exact", window_agent(process, WINDOW))
    add("chance", "chance", np.full((config.tasks, config.days), -np.log(2)))
    return found


# What the losses say


def index(loss: np.ndarray, ngram: np.ndarray, filter_loss: np.ndarray) -> Estimate | None:
    """Mesa-learning index: (mean loss of the n-gram - mean loss of the predictor) / (mean loss of the n-gram - mean loss of the
    filter), each [tasks] on the same sequences; 0: no better than the n-gram, 1: as good as the exact filter. Its standard
    error is that of a ratio of paired means (delta method). None where the denominator is not above READ_AT beyond doubt."""
    gained, gap = estimate(ngram - loss), estimate(ngram - filter_loss)
    if not beyond_doubt(gap._replace(mean=gap.mean - READ_AT)):
        return None
    share = gained.mean / gap.mean
    return gained._replace(mean=share, se=estimate((ngram - loss) - share * (ngram - filter_loss)).se / gap.mean)


def read(losses: dict[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """Each predictor's loss, its index against the n-gram of order LONGEST, and its reading, beyond doubt: "learner" if the
    index is above LEARNER_FROM, "conditional model" if below; "told", who knows more than the past, if it is READ_AT ahead of the
    filter; "nothing to learn" if the gap is below READ_AT. Else "not told apart"."""
    gap = estimate(losses[f"order-{LONGEST}"] - losses["filter"])
    little = outcome(gap._replace(mean=gap.mean - READ_AT)) == "below"
    result = {}
    for name, loss in losses.items():
        share = index(loss, losses[f"order-{LONGEST}"], losses["filter"])
        ahead = estimate(losses["filter"] - loss)
        reading = "nothing to learn" if little else "not told apart"
        if share is not None:
            beside = outcome(share._replace(mean=share.mean - LEARNER_FROM))
            reading = {"above": "learner", "below": "conditional model"}.get(beside, beside)
            reading = "told" if beyond_doubt(ahead._replace(mean=ahead.mean - READ_AT)) else reading
        behind = estimate(loss - losses["filter"])
        result[name] = {"loss": estimate(loss), "index": share, "behind_filter": behind, "reading": reading}
    return result


def verdict(weather: str, losses: dict[str, np.ndarray], readings: dict[str, dict[str, Any]]) -> str:
    gru = readings["gru"]
    shorter, longer = (readings[f"order-{order}"]["behind_filter"] for order in (WINDOW, LONGEST))
    said = (
        f"{weather} ({LADDER[weather]}): behind the exact filter, in nats a day, are the n-gram of order {WINDOW} by {shorter}, "
        f"of order {LONGEST} by {longer}, the GRU by {gru['behind_filter']}. "
    )
    if gru["reading"] == "nothing to learn":
        return said + f"Less than {READ_AT} are to be had by more than {LONGEST} days' memory: nothing to learn."
    if gru["index"] is None:
        return (
            said + f"Whether more than {READ_AT} are to be had by more than {LONGEST} days' memory is not told apart."
        )
    reads = gru["reading"] if gru["reading"] == "not told apart" else f"a {gru['reading']}"
    return said + f"Of what {LONGEST} days cannot tell the GRU makes up for {gru['index']}: it reads as {reads}."


def loss_table(losses: dict[str, dict[str, np.ndarray]]) -> dict[str, Any]:
    rows = []
    for name in next(iter(losses.values())):
        each = [estimate(of[name]) for of in losses.values()]
        rows.append([name, *(f"{e.mean:.4f} ± {e.se:.4f}" for e in each)])
    return {
        "title": "Loss, nats a day", "head": ["predictor", *losses], "rows": rows,
        "note": "Mean over days of all sequences ± standard error over sequences; the same sequences in every row.",
    }  # fmt: skip


def index_table(losses: dict[str, dict[str, np.ndarray]]) -> dict[str, Any]:
    rows = []
    for weather, of in losses.items():
        for order in ORDERS:
            gap = estimate(of[f"order-{order}"] - of["filter"])
            shares = [index(of[name], of[f"order-{order}"], of["filter"]) for name in ("gru", f"window-{WINDOW}")]
            rows.append(
                [weather, str(order), f"{gap.mean:.4f} ± {gap.se:.4f}", *("-" if s is None else str(s) for s in shares)]
            )
    return {
        "title": "Mesa-learning index", "head": ["weather", "order c", "order c behind the filter", "gru", f"window-{WINDOW}"],
        "rows": rows,
        "note": f"Share of the gap made up for; not read (-) where the gap is not above {READ_AT} nats a day beyond doubt.",
    }  # fmt: skip


def curve(of: dict[str, Evaluation]) -> dict[str, Any]:
    series = []
    for name in ("gru", f"window-{WINDOW}", f"order-{WINDOW}", "filter"):
        losses = -of[name].rewards
        tens = losses[:, : losses.shape[1] // 10 * 10].reshape(len(losses), -1, 10).mean(axis=2)
        se = tens.std(axis=0, ddof=1) / np.sqrt(len(tens))
        days = (10 * np.arange(tens.shape[1]) + 5).tolist()
        series.append({"name": name, "x": days, "y": tens.mean(axis=0).tolist(), "se": se.tolist()})
    return {"title": "W3: loss within the sequence, ten days a point", "x": "day", "y": "nats a day", "series": series}


__all__ = ["Config", "index", "read", "run"]
