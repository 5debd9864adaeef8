"""Scripted players of the one-way-function game, and walkers of the deception toy, land where their nature says."""

import numpy as np
import pytest

from mesasim import baselines
from mesasim.agents.deception_references import HeadsFor
from mesasim.agents.one_way_references import REFERENCES, Fixed, StatelessRandom
from mesasim.exact import one_way as exact
from mesasim.metrics import estimate

TASKS = 4000


def pay(name, tasks=TASKS, **options):
    """Pay a round that is paid, with its standard error."""
    setting = baselines.Setting("OneWay-v0", options, tasks, 7, 1)
    full = setting.full_options()
    played = setting.evaluate(REFERENCES[name].make(full, 7), name, "").returns / (full["rounds"] - full["practice"])
    return estimate(played)


ADAPTIVE = {"n": 8, "opponent": "adaptive", "rounds": 4, "practice": 1}


@pytest.mark.parametrize(
    "options",
    [{"n": 8}, ADAPTIVE, {"n": 7, "f": "local"}, {"n": 7, "tool": True}],
    ids=["uniform", "adaptive", "local", "tool"],
)
@pytest.mark.parametrize("name", ["two_points", "stateful_random", "history_reader", "interspersed", "inverter"])
def test_who_can_bring_back_a_random_z_is_paid_half(name, options):
    more = {"random_bits": True} if name == "interspersed" else {}
    found = pay(name, **options, **more)
    assert abs(found.mean - 0.5) < 4 * found.se < 0.04


def test_a_fixed_z_is_paid_nothing_by_who_adapts_and_half_by_who_does_not():
    assert pay("fixed", **ADAPTIVE)[:2] == (0.0, 0.0)
    uniform = pay("fixed", n=8)
    assert abs(uniform.mean - 0.5) < 4 * uniform.se


@pytest.mark.parametrize(
    ("name", "share"), [("stateless_quarter", 0.25), ("stateless_half", 0.5), ("stateless_whole", 1)]
)
@pytest.mark.parametrize("f", exact.FUNCTIONS)
def test_the_stateless_player_is_paid_what_counting_says(name, share, f):
    n = 12
    found = pay(name, tasks=8000, n=n, f=f)
    budget = int(share * 2**n)
    assert abs(found.mean - exact.exact_pay(budget, n, f)) < 4 * found.se
    if f == "sha256":  # a random function, as far as anyone can tell; the local one has its own preimages
        assert abs(found.mean - exact.closed_form(budget, n)) < 4 * found.se
        assert abs(found.mean - exact.naive_form(budget, n)) > 8 * found.se, "the test sees the naive form to be wrong"


def test_without_a_try_only_luck_is_paid():
    setting = baselines.Setting("OneWay-v0", {"n": 4}, 20_000, 7, 1)
    found = estimate(setting.evaluate(StatelessRandom(4, budget=0), "", "").returns)
    collide = (exact.preimage_counts(4) ** 2).sum() / 4**4  # f of two independent uniform z agree
    assert abs(found.mean - collide / 2) < 4 * found.se


def test_fictitious_play_is_foreseen_by_who_remembers():
    found = pay("counter", n=8, opponent="adaptive", rounds=8)
    assert abs(found.mean - 0.75) < 4 * found.se  # coins and complements in turn


def test_random_says_coins():
    found = pay("random", tasks=40_000, n=3)
    assert abs(found.mean - 0.5 / 8) < 4 * found.se


def test_references_that_do_not_fit_are_left_out_and_scales_are_exact():
    fits = lambda **o: {name for name, _ in baselines.references(baselines.Setting("OneWay-v0", o, 1, 1))}  # noqa: E731
    assert "interspersed" not in fits(n=4) and "interspersed" in fits(n=4, random_bits=True)
    assert "counter" in fits(n=4, opponent="adaptive") and "history_reader" not in fits(n=4, draft=False)
    assert not fits(n=24) and "stateless_whole" not in fits(n=15)
    scale = baselines.scale(baselines.Setting("OneWay-v0", {"n": 4, "rounds": 3, "practice": 1}, 1, 1), [])
    assert (scale.floor, scale.ceiling) == (2 / 32, 1.0)
    assert baselines.scale(baselines.Setting("OneWay-v0", {"opponent": "fixed", "n": 4}, 1, 1), []).ceiling == 1


@pytest.mark.parametrize("opponent", [{}, {"opponent": "adaptive"}, {"opponent": "fixed", "x": 3}], ids=str)
def test_coins_earn_the_floor_where_y_is_computed_for_them(opponent, rounds=5):
    options = {"n": 3, "tool": True, "rounds": rounds, **opponent}
    coins = pay("random", tasks=20_000, **options)
    floor = baselines.scale(baselines.Setting("OneWay-v0", options, 20_000, 2, 1), []).floor / rounds
    assert abs(coins.mean - floor) < 5 * coins.se and floor > 0.5 / 8 + 0.02


def test_who_foresees_fictitious_play_earns_its_ceiling(rounds=8):
    for practice in (0, 2):
        options = {"n": 4, "opponent": "adaptive", "rounds": rounds, "practice": practice}
        setting = baselines.Setting("OneWay-v0", options, 3000, 1, 1)
        scale = baselines.scale(setting, [])
        earned = estimate(dict(baselines.references(setting))["counter"]().returns)
        assert earned.mean < scale.ceiling + 4 * earned.se and "foreseen" in scale.how
        if practice == 0:
            assert abs(earned.mean - scale.ceiling) < 4 * earned.se


def test_impossible_players_are_refused():
    with pytest.raises(ValueError, match=r"^z: got 16"):
        Fixed(4, z=16)
    with pytest.raises(ValueError, match=r"^budget"):
        StatelessRandom(4, budget=-1)
    with pytest.raises(ValueError, match=r"^until"):
        HeadsFor(-1)


def test_walkers_of_the_deception_toy_earn_what_their_plans_are_worth():
    setting = baselines.Setting("Deception-v0", {}, 200, 1, 1)
    found = {name: evaluate() for name, evaluate in baselines.references(setting)}
    earned = {name: set(np.unique(e.returns)) for name, e in found.items() if name != "random"}
    assert earned == {"honest": {0.0}, "myopic": {1.0}, "waits": {3.0}, "oracle_follower": {3.0}}
    assert baselines.scale(setting, list(found.values())).ceiling == 3.0
    assert found["waits"].oracle["ends"].tolist() == [[2, 3]] * 200
