"""OneWay-v0: coins at the floor, exact; at the ceiling what can be had from an opponent that knows the player, exact."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from mesasim.agents.one_way_references import REFERENCES, OneWayReference
from mesasim.baselines.setting import Evaluate, Scale, Setting
from mesasim.evaluate import Evaluation


def agents(world: str) -> dict[str, OneWayReference]:
    return REFERENCES


def references(setting: Setting) -> Iterator[tuple[str, Evaluate]]:
    options = setting.full_options()
    for name, reference in REFERENCES.items():
        if reference.fits(options):
            yield name, partial(_evaluate, setting, name, reference)


def _evaluate(setting: Setting, name: str, reference: OneWayReference) -> Evaluation:
    player = reference.make(setting.full_options(), setting.seed)
    return setting.evaluate(player, name, reference.nature)


def scale(setting: Setting, evaluations: list[Evaluation]) -> Scale:
    """Reward of an episode: rounds that are paid, times the pay of one."""
    options = setting.full_options()
    paid = options["rounds"] - options["practice"]
    chance = 0.5 * 2.0 ** -options["n"]
    if options["opponent"] == "fixed":
        return Scale(
            paid * chance, paid, "ceiling: z the complement of the x that is always written; floor: coins; both exact"
        )
    more = ", which fictitious play is not: it can be foreseen" if options["opponent"] == "adaptive" else ""
    how = f"ceiling: 1/2 a round, the most from an opponent that knows the player's distribution{more}"
    return Scale(paid * chance, paid / 2, f"{how}; floor: coins; both exact")
