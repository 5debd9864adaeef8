"""TabularMDP-v0: chance, exact, at the floor; at the ceiling the optimal policy of each task, which must be learned."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from mesasim.agents.tabular_mdp_references import REFERENCES, Reference
from mesasim.baselines.setting import Evaluate, Scale, Setting
from mesasim.baselines.tuning import evaluate_tuned
from mesasim.evaluate import Evaluation
from mesasim.exact import tabular_mdp


def agents(world: str) -> dict[str, Reference]:
    return REFERENCES


def references(setting: Setting) -> Iterator[tuple[str, Evaluate]]:
    for name, reference in REFERENCES.items():
        make = partial(reference.make, setting.full_options(), setting.seed, **reference.params)
        yield name, partial(evaluate_tuned, setting, name, reference.nature, make, reference.grid)


def scale(setting: Setting, evaluations: list[Evaluation]) -> Scale:
    """Needs one evaluation, of any agent: the world tells each task's optimal value."""
    trial = evaluations[0].oracle["optimal_value"][:, 0].astype(np.float64).mean()
    return Scale(
        tabular_mdp.floor(setting.full_options()), float(trial * setting.full_options()["trials"]),
        "ceiling: the optimal policy of every task, exact, which no agent can know at the start; floor: exact chance",
    )  # fmt: skip
