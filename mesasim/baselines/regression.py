"""LinearRegression-v0: naming 0 at the floor; at the ceiling the value nearest the best prediction there is."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from mesasim.agents.regression_references import REFERENCES, Reference
from mesasim.baselines.setting import Evaluate, Scale, Setting
from mesasim.evaluate import Evaluation


def agents(world: str) -> dict[str, Reference]:
    return REFERENCES


def references(setting: Setting) -> Iterator[tuple[str, Evaluate]]:
    for name, reference in REFERENCES.items():
        if reference.fits(setting.full_options()):
            yield name, partial(_evaluate, setting, name, reference)


def _evaluate(setting: Setting, name: str, reference: Reference) -> Evaluation:
    return setting.evaluate(reference.make(setting.full_options(), setting.seed), name, reference.nature)


def scale(setting: Setting, evaluations: list[Evaluation]) -> Scale:
    by_name = {e.agent: float(e.returns.mean()) for e in evaluations}
    if "oracle_follower" not in by_name:
        raise ValueError(
            f"num_tasks: got {setting.full_options()['num_tasks']}, whose best prediction the world does not know; allowed: "
            "up to 1024, or 0"
        )
    best = "discrete MMSE" if setting.full_options()["num_tasks"] else "ridge regression"
    return Scale(
        by_name["zero"], by_name["oracle_follower"],
        f"ceiling: the value nearest the prediction of {best}, the best there is; floor: always 0; both on these tasks",
    )  # fmt: skip
