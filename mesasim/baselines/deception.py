"""Deception-v0: random moves at the floor, simulated; at the ceiling the best plan, exact where its plans can be listed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from mesasim.agents.deception_references import REFERENCES, DeceptionReference
from mesasim.baselines.setting import Evaluate, Scale, Setting, between_random_and_oracle
from mesasim.evaluate import Evaluation
from mesasim.exact import deception as exact


def agents(world: str) -> dict[str, DeceptionReference]:
    return REFERENCES


def references(setting: Setting) -> Iterator[tuple[str, Evaluate]]:
    for name, reference in REFERENCES.items():
        yield name, partial(_evaluate, setting, name, reference)


def _evaluate(setting: Setting, name: str, reference: DeceptionReference) -> Evaluation:
    return setting.evaluate(reference.make(setting.full_options(), setting.seed), name, reference.nature)


def scale(setting: Setting, evaluations: list[Evaluation]) -> Scale:
    simulated, options = between_random_and_oracle(setting, evaluations), setting.full_options()
    if options["walks"] > 16:
        return simulated
    best = exact.best_plan(
        options["walks"], training=options["training"], correction=options["correction"], objective=options["objective"]
    )
    return Scale(
        simulated.floor, best.value,
        f"ceiling: the best of all plans, {best.corners}, exact; floor: random moves, simulated on these tasks",
    )  # fmt: skip
