"""Exact values of the two-step task: published and hand-worked figures, and enumeration of every history."""

from itertools import product

import numpy as np
import pytest

from mesasim.exact import two_step


def enumerated(trials, common, reward, switching):
    """The optimum by following both possible signs after every trial."""

    def won(belief, left):
        if left == 0:
            return 0.0
        value = max(belief, 1 - belief)
        for good, bad in ((reward, 1 - reward), (1 - reward, reward)):
            chance = belief * good + (1 - belief) * bad
            if chance > 0:
                after = belief * good / chance
                value += chance * won((1 - switching) * after + switching * (1 - after), left - 1)
        return value

    right = common * reward + (1 - common) * (1 - reward)
    return trials * (1 - right) + (2 * right - 1) * won(0.5, trials)


def test_the_known_optimum():
    assert two_step.optimum(100) == pytest.approx(69.688, abs=1e-3)
    assert two_step.optimum(20) == pytest.approx(13.688, abs=1e-3)
    assert two_step.floor(100) == 50 and two_step.knowing(100) == pytest.approx(70)


@pytest.mark.parametrize(
    ("common", "reward", "switching"),
    [(0.75, 0.9, 0.0), (0.75, 0.9, 0.025), (0.8, 0.7, 0.3), (1.0, 1.0, 0.1), (0.6, 0.95, 0.5), (0.7, 0.8, 1.0), (0.75, 1.0, 0.0)],
)  # fmt: skip
def test_the_optimum_is_that_of_all_histories(common, reward, switching):
    for trials in (1, 2, 5, 11):
        low, high = two_step.optimum_bounds(trials, common, reward, switching)
        exact = enumerated(trials, common, reward, switching)
        assert low - 1e-9 <= exact <= high + 1e-9 and high - low < 1e-4


def test_bounds_stay_close_over_a_whole_episode():
    low, high = two_step.optimum_bounds(100, 0.8, 0.9, 0.025)
    assert 0 < high - low < 1e-4


def test_the_best_memory_of_one_trial_follows_its_outcome():
    best = two_step.memory_of_one(100)
    assert best.stay.tolist() == [[[True, False], [False, True]]] * 2  # [action][common][reward]
    assert best.value == pytest.approx(0.5 + 99 * 0.66)  # right 9 times in 10 from the second trial on


def test_no_coin_tossing_memory_of_one_trial_does_better():
    rng = np.random.default_rng(0)
    stay = np.clip(rng.normal(0.5, 1.0, (20_000, 2, 2, 2)), 0, 1)
    assert two_step.memory_of_one_values(stay).max() <= two_step.memory_of_one(100).value + 1e-9


@pytest.mark.parametrize("switching", [0.0, 0.2])
def test_memory_of_one_is_the_expectation_over_all_histories(switching):
    rng = np.random.default_rng(1)
    stay, common, reward = rng.random((2, 2, 2)), 0.7, 0.85

    def to_come(good, action, left):
        if left == 0:
            return 0.0
        total = 0.0
        for way, pay in product((0, 1), repeat=2):
            at_good = (action == good) == bool(way)
            paid = reward if at_good else 1 - reward
            chance = (common if way else 1 - common) * (paid if pay else 1 - paid)
            again = stay[action, way, pay]
            for after, a in ((again, action), (1 - again, 1 - action)):
                for moved, g in ((1 - switching, good), (switching, 1 - good)):
                    if left > 1 and moved > 0:
                        total += chance * after * moved * to_come(g, a, left - 1)
            total += chance * pay
        return total

    exact = np.mean([to_come(good, action, 4) for good in (0, 1) for action in (0, 1)])
    value = two_step.memory_of_one_values(stay[None], 4, common, reward, switching)[0]
    assert value == pytest.approx(exact)


@pytest.mark.parametrize(
    ("name", "value"), [("trials", 0), ("trials", 2.5), ("common", 0.3), ("reward", 1.2), ("switching", float("nan"))]
)
def test_bad_input_is_named(name, value):
    with pytest.raises(ValueError, match=name):
        two_step.optimum(**{name: value})
    with pytest.raises(ValueError, match=name):
        two_step.memory_of_one(**{name: value})
    with pytest.raises(ValueError, match="stay"):
        two_step.memory_of_one_values(np.full((1, 2, 2), 0.5))
