"""What a world's results are held against: its reference agents, its floor and its ceiling, and how both are known. No
metric without its ceiling, and none that falls back to another kind of ceiling without saying so.

A module here for each world that has any: `agents`, its reference agents by name, for lists; `references(setting)`, those
that fit the setting; `scale(setting, evaluations)`, or ValueError where no ceiling is known."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Protocol, cast

from mesasim.baselines.setting import Evaluate, Scale, Setting
from mesasim.evaluate import Evaluation

MODULES = {
    "Bandit-v0": "bandit",
    "Deception-v0": "deception",
    "LinearRegression-v0": "regression",
    "Maze-v0": "maze",
    "OneWay-v0": "one_way",
    "Sequence-v0": "sequence",
    "TabularMDP-v0": "tabular_mdp",
    "Tour-v0": "tour",
    "TourEdit-v0": "tour",
    "TwoStep-v0": "two_step",
}


class Described(Protocol):
    """What a list says of a reference agent; `what` it does, too, where it has one."""

    nature: str  # random, reflex, thermostat, learner, planner, optimal …


class Baselines(Protocol):
    """What a world's module holds."""

    def agents(self, world: str) -> Mapping[str, Described]: ...

    def references(self, setting: Setting) -> Iterator[tuple[str, Evaluate]]: ...

    def scale(self, setting: Setting, evaluations: list[Evaluation]) -> Scale: ...


def of(world: str) -> Baselines:
    """The module of a world that is in MODULES."""
    return cast(Baselines, importlib.import_module(f"{__name__}.{MODULES[world]}"))


def references(setting: Setting) -> Iterator[tuple[str, Evaluate]]:
    """Names of the reference agents that fit the setting, each with what evaluates it; those with a free parameter are
    tuned first, on other tasks."""
    return of(setting.world).references(setting) if setting.world in MODULES else iter(())


def scale(setting: Setting, evaluations: list[Evaluation]) -> Scale:
    """Floor and ceiling of an episode's reward; exact where the world can be solved, else from evaluations (which must
    then hold the agent named in `how`)."""
    if setting.world not in MODULES:
        raise ValueError(
            f"world: got {setting.world!r}, whose ceiling is not known here; allowed: {', '.join(MODULES)}"
        )
    return of(setting.world).scale(setting, evaluations)


__all__ = ["MODULES", "Baselines", "Scale", "Setting", "of", "references", "scale"]
