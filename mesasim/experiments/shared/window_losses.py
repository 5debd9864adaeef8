"""What predictors of a coin lose once their window is full, beside the exact predictor of the same window, and how that is told.
Not an experiment itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mesasim.evaluate import Evaluation
from mesasim.exact.sequences import coin_loss, window_loss
from mesasim.metrics import Estimate, beyond_doubt, estimate, frozen_weights_slope, window_curve

CONTEXTS = (0, 1, 2, 4, 8, 16, 32, 64)
KINDS = {"transformer": "transformer", "window": "windowed", "gru": "recurrent, truncated"}


def window_predictor(symbols: np.ndarray, context: int) -> np.ndarray:
    """Log-chance [tasks, T] that the exact predictor with a window of `context` symbols gave to each symbol that came: after k
    ones among the last n symbols, chance (k + 1) / (n + 2) of a one (Laplace's rule; the prior is uniform)."""
    ones = np.concatenate([np.zeros((len(symbols), 1), np.int64), symbols.cumsum(axis=1, dtype=np.int64)], axis=1)
    now = np.arange(symbols.shape[1])
    begin = np.maximum(0, now - context)
    chance = (ones[:, now] - ones[:, begin] + 1) / (now - begin + 2)
    return np.log(np.where(symbols == 1, chance, 1 - chance))


def exact_evaluation(name: str, nature: str, rewards: np.ndarray) -> Evaluation:
    lengths = np.full(len(rewards), rewards.shape[1])
    return Evaluation(name, nature, rewards.astype(np.float32), lengths, {}, "", "", 0.0)


def full_window(evaluation: Evaluation, context: int) -> np.ndarray:
    """Loss a symbol of each task, over the steps at which the window is full."""
    return -evaluation.rewards[:, context:].mean(axis=1, dtype=np.float64)


@dataclass
class Reading:
    """What a predictor with a full window loses."""

    context: int
    loss: Estimate  # nats a symbol
    behind: Estimate  # the exact window predictor, on the same symbols
    slope: Estimate  # of reward on step, while the window is full

    @property
    def flat(self) -> bool:
        """No slope is told from none."""
        return not beyond_doubt(self.slope._replace(mean=abs(self.slope.mean)))


def read(evaluation: Evaluation, exact: Evaluation, context: int) -> Reading:
    loss = full_window(evaluation, context)
    behind = estimate(loss - full_window(exact, context))
    return Reading(context, estimate(loss), behind, frozen_weights_slope(evaluation.rewards[:, context:]))


def readings(found: dict[str, Evaluation]) -> dict[str, Reading]:
    """Of every predictor whose window is limited."""
    result = {}
    for name, evaluation in found.items():
        if "c=" in name:
            context = int(name.rpartition("c=")[2])
            result[name] = read(evaluation, found[f"exact c={context}"], context)
    return result


def nats(estimate: Estimate, form: str = ".5f") -> str:
    return f"{estimate.mean:{form}} ± {estimate.se:.5f} nats"


def coin_verdicts(read_off: dict[str, Reading]) -> list[str]:
    said = []
    for kind in KINDS:
        own = {name: reading for name, reading in read_off.items() if name.startswith(kind)}
        worst = max(own.values(), key=lambda reading: reading.behind.mean)
        one = own[f"{kind} c=1"]
        said.append(
            f"Coin, {kind}: furthest behind the best predictor with its window at c = {worst.context} "
            f"of the {len(own)} measured, by {nats(worst.behind)} a symbol. "
            f"With c = 1 it loses {nats(one.loss)} (expected of the best "
            f"{window_loss('coin', 1):.4f}, chance {np.log(2):.4f}), and its reward "
            f"{'is not told from flat' if one.flat else 'changes'} after the first symbol: "
            f"{one.slope.mean:+.6f} ± {one.slope.se:.6f} a step."
        )
    return said


def whole_history_verdict(found: dict[str, Evaluation], seconds: dict[str, float]) -> str:
    names = ("gru, whole history", "transformer, whole history")
    behind = {n: estimate((found["filter"].rewards - found[n].rewards).mean(axis=1, dtype=np.float64)) for n in names}
    difference = estimate((found[names[0]].rewards - found[names[1]].rewards).mean(axis=1, dtype=np.float64))
    each = ", ".join(f"{n.split(',')[0]} {nats(behind[n])} ({seconds[n]:.0f} CPU seconds)" for n in names)
    return (
        f"Coin, whole history, a symbol behind the Bayes filter, after as many symbols learned from: {each}; the GRU is "
        f"{nats(difference, '+.5f')} ahead of the transformer."
    )


def loss_table(read_off: dict[str, Reading], found: dict[str, Evaluation]) -> dict[str, Any]:
    rows = []
    for context in CONTEXTS:
        exact = read_off[f"exact c={context}"]
        each = [read_off["c=0"]] * len(KINDS) if context == 0 else [read_off[f"{kind} c={context}"] for kind in KINDS]
        shown = [f"{r.loss.mean:.4f} ({r.behind.mean:+.4f} ± {r.behind.se:.4f})" for r in each]
        formula = window_loss("coin", context)
        rows.append([str(context), f"{formula:.5f}", f"{exact.loss.mean:.4f} ± {exact.loss.se:.4f}", *shown])
    late = slice(max(CONTEXTS), None)
    filter_loss = -found["filter"].rewards[:, late].mean(axis=1, dtype=np.float64)
    shown = []
    for name in ("transformer, whole history", None, "gru, whole history"):
        if name is None:
            shown.append("-")
            continue
        loss = -found[name].rewards[:, late].mean(axis=1, dtype=np.float64)
        behind = estimate(loss - filter_loss)
        shown.append(f"{loss.mean():.4f} ({behind.mean:+.4f} ± {behind.se:.4f})")
    own = estimate(filter_loss)
    rows.append([f"all, from {max(CONTEXTS)} on", f"→ {coin_loss():.5f}", f"{own.mean:.4f} ± {own.se:.4f}", *shown])
    tasks, length = found["filter"].rewards.shape
    return {
        "title": "Coin: loss with a full window of c symbols, nats a symbol",
        "head": ["c", "exact", "exact, on these sequences", *KINDS],
        "rows": rows,
        "note": f"{tasks:,} sequences of {length}; in brackets behind the exact predictor on the same symbols ± "
        "standard error over sequences. With c = 0 there is one network, for which all kinds are the same.",
    }


def won_table(found: dict[str, Evaluation]) -> dict[str, Any]:
    """The window curve of every kind, and of the exact predictor of each window: a row a window."""
    windows = CONTEXTS[1:]
    ceilings = {c: window_loss("coin", c) for c in windows}
    curves = {
        kind: window_curve({c: full_window(found[f"{kind} c={c}"], c) for c in windows}, ceilings, float(np.log(2)))
        for kind in ("exact", *KINDS)
    }
    rows = [
        [str(c), *(f"{own[i].fraction:.3f} ± {own[i].se / (np.log(2) - ceilings[c]):.3f}" for own in curves.values())]
        for i, c in enumerate(windows)
    ]
    note = "1: a predictor loses what the exact one with its window loses on average; 0: ln 2, a window of nothing."
    return {"title": "Coin: share won of what a window can win", "head": ["c", *curves], "rows": rows, "note": note}


def curve(found: dict[str, Evaluation]) -> dict[str, Any]:
    series = []
    for name in (
        "transformer c=1",
        "transformer c=8",
        "transformer, whole history",
        "gru, whole history",
        "exact c=1",
        "filter",
    ):
        losses = -found[name].rewards
        eights = losses[:, : losses.shape[1] // 8 * 8].reshape(len(losses), -1, 8).mean(axis=2, dtype=np.float64)
        se = eights.std(axis=0, ddof=1) / np.sqrt(len(eights))
        steps = (8 * np.arange(eights.shape[1]) + 4).tolist()
        series.append({"name": name, "x": steps, "y": eights.mean(axis=0).tolist(), "se": se.tolist()})
    return {
        "title": "Coin: loss within the sequence, eight symbols a point",
        "x": "symbol",
        "y": "nats",
        "series": series,
    }
