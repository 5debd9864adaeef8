"""OneWay-v0: coins at the floor; at the ceiling, exact, what can be had from the opponent there is."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from mesasim.agents.one_way_references import REFERENCES, OneWayReference
from mesasim.baselines.setting import Evaluate, Scale, Setting
from mesasim.evaluate import Evaluation
from mesasim.exact import one_way as exact
from mesasim.metrics import estimate


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
    paid, opponent = options["rounds"] - options["practice"], options["opponent"]
    floor, floor_how = _floor(setting, evaluations)
    if opponent == "fixed":
        return Scale(floor, paid, f"ceiling: z the complement of the x that is always written, exact; {floor_how}")
    if opponent == "adaptive":
        most = exact.most_against_fictitious_play(paid, options["practice"])
        how = (
            f"ceiling: the most from fictitious play, which can be foreseen, exact ({paid / 2:g}, 1/2 a round, is the most "
            "from an opponent that knows the player's distribution)"
        )
        return Scale(floor, most, f"{how}; {floor_how}")
    return Scale(
        floor, paid / 2, f"ceiling: 1/2 a round, which no z does better than against a uniform x, exact; {floor_how}"
    )


def _floor(setting: Setting, evaluations: list[Evaluation]) -> tuple[float, str]:
    """What coins earn, and how that is known. Where y is computed from a draft, f's own collisions decide."""
    o = setting.full_options()
    paid, coins = o["rounds"] - o["practice"], "floor: coins, exact"
    if not o["tool"]:
        return paid * 0.5 * 2.0 ** -o["n"], coins
    if o["n"] > exact.MOST_TABLE_BITS:
        return paid * exact.closed_form(1, o["n"]), "floor: coins, of a random function"
    if o["opponent"] != "adaptive":
        x = o["x"] if o["opponent"] == "fixed" else None
        return paid * exact.coin_pay(o["n"], o["f"], o["key"], x), coins
    by_name = {e.agent: e for e in evaluations}
    played = by_name.get("random") or _evaluate(setting, "random", REFERENCES["random"])
    return float(played.returns.mean()), f"floor: coins, simulated ({estimate(played.returns)})"
