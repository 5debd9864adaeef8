"""Definitions give hand-computed numbers, and planted agents read as what they are."""

import numpy as np
import pytest
from scipy import stats

from mesasim.agents.bandit_references import LastTen, Random, Thompson, WinStayLoseShift
from mesasim.evaluate import Evaluation, evaluate_agent
from mesasim.metrics import (
    Estimate,
    Metric,
    beyond_doubt,
    doubt,
    estimate,
    frozen_weights_slope,
    metric,
    rises,
    thermostat_test,
    welch,
    window_curve,
)

TWO_ARMS = {"world": "Bandit-v0", "options": {"arms": 2, "pulls": 100}, "tasks": 4000, "seed": 5, "num_threads": 1}


def test_a_metric_knows_its_place_between_floor_and_ceiling():
    found = metric("reward", np.array([1.0, 2.0, 3.0]), floor=1.0, ceiling=5.0)
    assert (found.value, found.n, found.fraction) == (2.0, 3, 0.25)
    assert found.se == pytest.approx(1 / np.sqrt(3))
    assert not found.above_floor, "one unit at .58 standard error is within chance"
    assert Metric("reward", 2.0, 0.2, 1.0, 5.0, 1000).above_floor
    assert not Metric("reward", 2.0, 0.2, 1.0, 5.0, 3).above_floor, "five standard errors of three tasks are not much"


def test_a_loss_has_its_ceiling_below_its_floor():
    found = Metric("loss", 0.6, 0.01, floor=0.7, ceiling=0.5, n=100)
    assert found.fraction == pytest.approx(0.5) and found.above_floor
    assert not Metric("loss", 0.8, 0.01, floor=0.7, ceiling=0.5, n=100).above_floor


def test_a_metric_without_a_scale_is_refused():
    with pytest.raises(ValueError, match="ceiling"):
        Metric("reward", 1.0, 0.1, 2.0, 2.0, 10)
    with pytest.raises(ValueError, match="nan"):
        Metric("reward", float("nan"), 0.1, 0.0, 2.0, 10)
    with pytest.raises(ValueError, match="at least one task"):
        metric("reward", np.zeros(0), 0.0, 1.0)


def test_a_difference_of_unknown_error_is_never_beyond_doubt():
    assert not beyond_doubt(Estimate(5.0, float("nan")))
    assert not beyond_doubt(estimate(np.array([5.0])))


def test_few_values_that_happen_to_be_alike_are_not_certain():
    assert not beyond_doubt(estimate(np.ones(2))) and not beyond_doubt(estimate(np.ones(29)))
    assert beyond_doubt(estimate(np.ones(30))) and beyond_doubt(Estimate(1.0, 0.0)), "known exactly"


def test_an_agent_that_earns_the_same_in_every_trial_rises_over_steps_and_not_over_trials():
    """Only the second step of each trial pays, as in the two-step task."""
    paid = np.random.default_rng(0).random((5000, 20)) < 0.5
    rewards = np.stack([np.zeros_like(paid), paid], axis=2).reshape(5000, 40).astype(np.float32)
    found = Evaluation("", "", rewards, np.full(5000, 40), {}, "", "", 0.0, trials=np.arange(40) // 2)
    assert frozen_weights_slope(rewards).mean > 4 * frozen_weights_slope(np.tile(rewards, (20, 1))).se
    assert not rises(frozen_weights_slope(found.rewards_by_trial))
    assert np.array_equal(found.rewards_by_trial, paid)
    found.rewards[:, :20] = 0  # ten trials that are not paid
    assert found.rewards_by_trial.shape == (5000, 10)


@pytest.mark.parametrize("n", [3, 6, 30])
def test_nothing_reads_as_a_difference_as_rarely_of_few_values_as_of_many(n):
    """What is beyond doubt is a share of all draws, so it is tried where that share can be counted: doubt at 2 standard errors
    of a normal distribution, 2.3 %."""
    draws = np.random.default_rng(n).normal(size=(200_000, n))
    t = draws.mean(axis=1) / (draws.std(axis=1, ddof=1) / np.sqrt(n))
    expected = stats.norm.sf(2.0)
    found = (t > stats.t.isf(expected, n - 1)).mean()
    assert found == pytest.approx(expected, abs=4 * np.sqrt(expected / 200_000))
    assert (t > doubt(n - 1)).mean() < 2e-4, "and next to none beyond doubt"
    if n <= 6:
        assert (t > 4.0).mean() > 2e-3, "where four standard errors would let many through"


def test_errors_of_two_estimates_are_known_as_well_as_the_larger_of_them():
    assert welch(Estimate(0, 1.0, 9), Estimate(0, 1e-6, 3)) == pytest.approx(9)
    assert welch(Estimate(0, 1.0, 9), Estimate(0, 1.0, 9)) == pytest.approx(18)
    assert welch(Estimate(0, 1.0), Estimate(0, 2.0)) == np.inf


@pytest.fixture(scope="module")
def played():
    """Agent → returns on the same tasks, two arms and 100 pulls."""
    agents = {
        "random": Random(2, 100, 1),
        "win_stay_lose_shift": WinStayLoseShift(2, 100, 2),
        "last_ten": LastTen(2, 100, 3),
        "thompson": Thompson(2, 100, 4),
        "another last_ten": LastTen(2, 100, 13),
    }
    return {name: evaluate_agent(agent, name, "", **TWO_ARMS).returns for name, agent in agents.items()}


@pytest.mark.parametrize(
    ("agent", "verdict"),
    [
        ("random", "not above chance"),
        ("win_stay_lose_shift", "not above a thermostat"),
        ("another last_ten", "not above a thermostat"),
        ("thompson", "learner"),
    ],
)
def test_planted_agents_read_as_what_they_are(played, agent, verdict):
    thermostats = {name: played[name] for name in ("win_stay_lose_shift", "last_ten")}
    found = thermostat_test(played[agent], thermostats, chance=50.0)
    assert found.verdict == verdict, found
    assert found.above_chance.mean == pytest.approx(played[agent].mean() - 50.0)


def test_the_thermostat_test_is_paired_by_task():
    """An agent a tenth above a thermostat on every task is a learner, however much the tasks differ."""
    luck = np.random.default_rng(0).normal(60, 20, size=200)
    assert thermostat_test(luck + 0.1, {"reflex": luck}, chance=50.0).verdict == "learner"
    assert estimate(luck + 0.1).se > 1.0


def test_the_thermostat_test_names_the_one_an_agent_is_least_surely_above():
    rng = np.random.default_rng(0)
    returns = rng.normal(60, 1, size=500)
    beaten = {"nearer, surely": returns - 0.3, "further, barely": returns - 1 + rng.normal(0, 30, size=500)}
    found = thermostat_test(returns, beaten, chance=50.0)
    assert found.hardest == "further, barely" and found.verdict == "not above a thermostat"
    assert thermostat_test(returns, beaten, chance=70.0).verdict == "below chance"


def test_the_thermostat_test_refuses_other_tasks_and_rewards_that_are_no_numbers():
    with pytest.raises(ValueError, match="reflex"):
        thermostat_test(np.zeros(5), {"reflex": np.zeros(4)}, 0.0)
    with pytest.raises(ValueError, match="returns"):
        thermostat_test(np.full(5, np.nan), {"reflex": np.zeros(5)}, 0.0)
    with pytest.raises(ValueError, match="thermostats"):
        thermostat_test(np.zeros(5), {}, 0.0)


def coin_window_loss(c):
    """Exact loss in nats of the best predictor that sees the last c flips of a coin with p ~ U(0, 1): the number of heads
    among them is uniform on 0 … c, and the next is heads with (heads + 1) / (c + 2)."""
    p = (np.arange(c + 1) + 1) / (c + 2)
    return float(-(p * np.log(p) + (1 - p) * np.log(1 - p)).mean())


def test_exact_window_ceilings_are_the_published_curve():
    assert [round(coin_window_loss(c), 5) for c in (1, 2, 4, 16, 64)] == [0.63651, 0.60594, 0.57346, 0.52621, 0.50741]


def test_a_window_curve_tells_predictors_that_use_their_window_from_those_that_use_one_flip():
    rng = np.random.default_rng(1)
    flips = rng.random((20000, 17)) < rng.random((20000, 1))

    def losses(c):
        p = (flips[:, -1 - c : -1].sum(axis=1) + 1) / (c + 2)
        return -np.log(np.where(flips[:, -1], p, 1 - p))

    ceilings = {c: coin_window_loss(c) for c in (1, 4, 16)}
    whole = window_curve({c: losses(c) for c in ceilings}, ceilings, floor=np.log(2))
    flat = window_curve({c: losses(1) for c in ceilings}, ceilings, floor=np.log(2))
    for found in whole:
        assert abs(found.value - found.ceiling) < 4 * found.se and found.above_floor
    assert [m.definition for m in whole] == ["window of 1", "window of 4", "window of 16"]
    assert flat[2].fraction < 0.5 < whole[2].fraction


def test_a_window_curve_without_its_ceilings_is_refused():
    with pytest.raises(ValueError, match="ceilings"):
        window_curve({1: np.zeros(3), 2: np.zeros(3)}, {1: 1.0}, 0.0)
    with pytest.raises(ValueError, match="values"):
        window_curve({0: np.zeros(3)}, {0: 1.0}, 0.0)
