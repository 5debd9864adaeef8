"""Sequence-v0: chance, and the exact filter's reward on the same sequences (it predicts the likeliest symbol, which no
predictor that sees the symbols alone can beat on average)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mesasim.agents.sequence_references import REFERENCES, Reference, Task
from mesasim.baselines.setting import Evaluate, Scale, Setting
from mesasim.evaluate import Evaluation
from mesasim.exact.sequences import MAX_NGRAM_CELLS
from mesasim.spec import load_spec


def agents(world: str) -> dict[str, Reference]:
    return REFERENCES


def task_of(setting: Setting) -> Task:
    options = dict(setting.options)
    process, length = (setting.full_options()[name] for name in ("process", "length"))
    law = {name: value for name, value in options.items() if name not in ("process", "length")}
    num_symbols = len(load_spec(setting.world, options).actions)
    return Task(process, law, num_symbols, length, setting.seed + 1)


def references(setting: Setting) -> Iterator[tuple[str, Evaluate]]:
    task = task_of(setting)

    def evaluate(name: str, reference: Reference) -> Evaluate:
        return lambda: setting.evaluate(reference.make(task), name, reference.nature)

    for name, reference in REFERENCES.items():
        if task.num_symbols ** (reference.order + 1) <= MAX_NGRAM_CELLS:
            yield name, evaluate(name, reference)


def scale(setting: Setting, evaluations: list[Evaluation]) -> Scale:
    task = task_of(setting)
    known = {e.agent: e for e in evaluations}
    if "bayes_filter" not in known:
        raise ValueError("evaluations: got none called bayes_filter, allowed: with it, for it is the ceiling")
    return Scale(
        task.length / task.num_symbols, float(np.mean(known["bayes_filter"].returns)),
        "ceiling: the exact Bayes filter's likeliest symbol, on these sequences; floor: exact chance of a random prediction",
    )  # fmt: skip
