"""Tour-v0 and TourEdit-v0: random actions at the floor; at the ceiling the oracle's, which must know the optimal tour."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from mesasim.agents.tour_references import REFERENCES, TourReference
from mesasim.baselines.setting import Evaluate, Scale, Setting, between_random_and_oracle
from mesasim.evaluate import Evaluation
from mesasim.spec import load_spec


def agents(world: str) -> dict[str, TourReference]:
    return REFERENCES[world]


def references(setting: Setting) -> Iterator[tuple[str, Evaluate]]:
    for name, reference in REFERENCES[setting.world].items():
        if reference.fits(setting.full_options()):
            yield name, partial(_evaluate, setting, name, reference)


def _evaluate(setting: Setting, name: str, reference: TourReference) -> Evaluation:
    actions = len(load_spec(setting.world, setting.options).actions)
    return setting.evaluate(reference.make(setting.full_options(), actions, setting.seed), name, reference.nature)


def scale(setting: Setting, evaluations: list[Evaluation]) -> Scale:
    if setting.world == "TourEdit-v0" and "optimal_length" in evaluations[0].oracle:
        left = evaluations[0].oracle["best_gap" if setting.full_options()["reward"] == "best" else "gap"]
        above = evaluations[0].returns + (left * evaluations[0].oracle["optimal_length"])[:, 0]  # of the first tours
        by_name = {e.agent: e for e in evaluations}
        return Scale(
            float(by_name["random"].returns.mean()), float(above.mean()),
            "ceiling: from the first tours to optimal ones, exact, which few edits may not reach; floor: random edits, "
            "simulated; both on these tasks",
        )  # fmt: skip
    return between_random_and_oracle(setting, evaluations)
