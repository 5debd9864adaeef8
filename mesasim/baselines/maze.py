"""Maze-v0: random actions at the floor, the oracle's at the ceiling."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from mesasim.agents.maze_references import REFERENCES, MazeReference, make_reference, needed_options
from mesasim.baselines.setting import Evaluate, Scale, Setting, between_random_and_oracle
from mesasim.evaluate import Evaluation


def agents(world: str) -> dict[str, MazeReference]:
    return REFERENCES


def references(setting: Setting) -> Iterator[tuple[str, Evaluate]]:
    for name in REFERENCES:
        yield name, partial(_evaluate, setting, name)


def _evaluate(setting: Setting, name: str) -> Evaluation:
    options = needed_options(name, setting.options)
    agent = make_reference(name, setting.full_options(), setting.seed)
    return replace(setting, options=options).evaluate(agent, name, REFERENCES[name].nature)


def scale(setting: Setting, evaluations: list[Evaluation]) -> Scale:
    return between_random_and_oracle(setting, evaluations)
