"""Exact bandit solutions against the rules written again in plain Python, hand-worked cases and published numbers."""

from functools import lru_cache
from itertools import product

import numpy as np
import pytest

from mesasim.exact.bandit import (
    BernoulliBandit,
    GittinsTable,
    dependent_regret,
    dependent_value,
    fits,
    floor,
    gittins_table,
    memory_of_one,
    solved,
)


def brute_force(arms, pulls, alpha=1.0, beta=1.0):
    """(value, action values by counts): the recursion over every history, no symmetry used."""

    @lru_cache(None)
    def action_values(counts):  # ((s, f), ...) one pair an arm
        left = pulls - sum(map(sum, counts))
        values = []
        for arm, (s, f) in enumerate(counts):
            mean = (alpha + s) / (alpha + beta + s + f)
            won, lost = ((*counts[:arm], pair, *counts[arm + 1 :]) for pair in ((s + 1, f), (s, f + 1)))
            to_come = mean * max(action_values(won)) + (1 - mean) * max(action_values(lost)) if left > 1 else 0.0
            values.append(mean + to_come)
        return tuple(values)

    return max(action_values(((0, 0),) * arms)), action_values


def all_counts(arms, pulls):
    """Every count of successes and failures an agent can choose at."""
    return [
        tuple(zip(flat[::2], flat[1::2], strict=True))
        for flat in product(range(pulls), repeat=2 * arms)
        if sum(flat) < pulls
    ]


def calibration_index(s, f, m, alpha=1.0, beta=1.0):
    """The definition: bisect for the pay that makes pulling at least once worth pay * m."""

    def worth(pay):
        @lru_cache(None)
        def pull(s, f, m):
            mean = (alpha + s) / (alpha + beta + s + f)
            if m == 1:
                return mean
            later = [max(pay * (m - 1), pull(*counts, m - 1)) for counts in ((s + 1, f), (s, f + 1))]
            return mean * (1 + later[0]) + (1 - mean) * later[1]

        return pull(s, f, m) - pay * m

    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if worth(middle) > 0 else (low, middle)
    return low


@pytest.mark.parametrize(("arms", "pulls"), [(2, 1), (2, 2), (2, 5), (3, 4), (4, 3), (5, 2)])
@pytest.mark.parametrize("prior", [(1.0, 1.0), (0.5, 3.0)])
def test_dynamic_programming_equals_recursion_over_all_counts(arms, pulls, prior):
    value, action_values = brute_force(arms, pulls, *prior)
    bandit = BernoulliBandit(arms, pulls, *prior)
    assert bandit.value == pytest.approx(value, abs=1e-12)
    counts = all_counts(arms, pulls)
    batch = np.array(counts)
    expected = np.array([action_values(each) for each in counts])
    np.testing.assert_allclose(bandit.action_values(batch[:, :, 0], batch[:, :, 1]), expected, atol=1e-12, rtol=0)
    optimal = expected >= expected.max(axis=1, keepdims=True) - 1e-10
    np.testing.assert_array_equal(bandit.actions(batch[:, :, 0], batch[:, :, 1]), optimal)


def test_value_is_the_expectation_of_its_own_policy():
    arms, pulls = 3, 8
    bandit = BernoulliBandit(arms, pulls)
    chance = {((0, 0),) * arms: 1.0}  # of each count
    total = 0.0
    for _ in range(pulls):
        batch = np.array(list(chance))
        choices = bandit.actions(batch[:, :, 0], batch[:, :, 1]).argmax(axis=1)
        following = {}
        for (counts, probability), arm in zip(chance.items(), choices, strict=True):
            s, f = counts[arm]
            mean = (1 + s) / (2 + s + f)
            total += probability * mean
            for pair, share in (((s + 1, f), mean), ((s, f + 1), 1 - mean)):
                then = (*counts[:arm], pair, *counts[arm + 1 :])
                following[then] = following.get(then, 0.0) + probability * share
        chance = following
    assert bandit.value == pytest.approx(total, abs=1e-12)


@pytest.mark.parametrize(
    ("arms", "pulls", "value"),
    [(5, 10, 6.6600), (10, 10, 6.7140), (50, 10, 6.7140), (2, 10, 6.0218), (2, 30, 18.9199), (2, 100, 64.9184)],
)
def test_value_equals_the_one_computed_elsewhere(arms, pulls, value):
    assert solved(arms, pulls).value == pytest.approx(value, abs=5.1e-5)
    assert solved(arms, pulls) is solved(arms, pulls)


def test_two_pulls_of_two_arms_by_hand():
    bandit = BernoulliBandit(2, 2)  # won: pull it again, 2/3; lost: pull the other, 1/2
    assert bandit.value == pytest.approx(1 / 2 + 1 / 2 * 2 / 3 + 1 / 2 * 1 / 2)
    assert bandit.actions([[0, 0], [1, 0], [0, 0]], [[0, 0], [0, 0], [1, 0]]).tolist() == [
        [True, True],
        [True, False],
        [False, True],
    ]


def test_more_arms_than_pulls_change_nothing():
    few, many = BernoulliBandit(3, 3), BernoulliBandit(100, 3)
    assert many.value == few.value
    counts = np.zeros((1, 100), int)
    counts[0, 97] = 1
    values = many.action_values(counts, 0 * counts)
    assert values.argmax() == 97
    assert len(np.unique(np.delete(values, 97))) == 1


def test_a_bandit_that_does_not_fit_is_refused_with_both_numbers():
    assert fits(2, 100)
    assert fits(5, 30)
    assert not fits(5, 100)
    assert not fits(128, 10000)
    with pytest.raises(ValueError, match="got 5, 100, which need 362657193216 states, allowed: 50000000 states"):
        BernoulliBandit(5, 100)
    with pytest.raises(ValueError, match="at least"):
        BernoulliBandit(2, 5000)


def test_index_by_hand():
    table = gittins_table(5)
    for s, f in product(range(3), range(2)):
        assert table.index(s, f, 1) == pytest.approx((1 + s) / (2 + s + f), abs=1e-14)  # the posterior mean
    # Two left: pull, go on only if it paid: (mean + mean * mean after a success) / (1 + mean).
    mean, after = 1 / 2, 2 / 3
    assert table.index(0, 0, 2) == pytest.approx(mean * (1 + after) / (1 + mean), abs=1e-14)
    assert table.index(0, 0, 2) == pytest.approx(5 / 9, abs=1e-14)
    mean, after = 2 / 5, 3 / 6
    assert table.index(1, 2, 2) == pytest.approx(mean * (1 + after) / (1 + mean), abs=1e-14)


@pytest.mark.parametrize("prior", [(1.0, 1.0), (0.5, 3.0)])
def test_index_equals_calibration_by_bisection(prior):
    pulls = 9
    table = GittinsTable(pulls, *prior)
    places = set()
    for horizon in range(1, pulls + 1):
        for used in range(horizon):
            for s in range(used + 1):
                f, m = used - s, horizon - used
                assert table.index(s, f, m) == pytest.approx(calibration_index(s, f, m, *prior), abs=1e-9)
                places.add(table.place(s, f, m))
    assert places == set(range(len(table.packed)))


def test_index_of_a_long_task_equals_calibration_by_bisection():
    table = gittins_table(100)
    for s, f, m in [(0, 0, 100), (3, 5, 80), (40, 10, 20)]:
        assert table.index(s, f, m) == pytest.approx(calibration_index(s, f, m), abs=1e-6)


def test_index_rises_with_pulls_left_and_with_successes():
    table = gittins_table(40)
    assert (np.diff(table.index(0, 0, np.arange(1, 41))) > 0).all()
    assert (np.diff(table.index(np.arange(10), 9 - np.arange(10), 30)) > 0).all()


def test_dependent_value_equals_recursion_with_two_hypotheses():
    """The optimum over all policies, not only greedy ones: probability of {p = good} in place of counts."""

    def best(good, belief, left):
        if left == 0:
            return 0.0
        values = []
        for first, second in ((good, 1 - good), (1 - good, good)):  # this arm's mean if p = good, if p = 1 - good
            won = belief * first + (1 - belief) * second
            values.append(won)
            if left > 1:
                values[-1] += won * best(good, belief * first / won, left - 1)
                values[-1] += (1 - won) * best(good, belief * (1 - first) / (1 - won), left - 1)
        return max(values)

    for prior, good in (("dependent_easy", 0.9), ("dependent_medium", 0.75), ("dependent_hard", 0.6)):
        assert dependent_value(6, prior) == pytest.approx(best(good, 0.5, 6), abs=1e-12)


def test_dependent_optimum_equals_the_one_computed_elsewhere():
    assert dependent_value(100, "dependent_uniform") == pytest.approx(73.7786, abs=5.1e-5)
    assert dependent_regret(30, "dependent_uniform") == pytest.approx(0.9260, abs=5.1e-5)
    for prior, regret in (("dependent_easy", 0.6250), ("dependent_medium", 1.0), ("dependent_hard", 2.3121)):
        assert dependent_regret(100, prior) == pytest.approx(regret, abs=5.1e-5)


def test_memory_of_one_by_hand():
    # Two pulls: stay after a reward (mean 2/3 then), else an arm not tried (mean 1/2).
    assert memory_of_one(2, 2) == pytest.approx(BernoulliBandit(2, 2).value, abs=1e-12)
    # It forgets all but that: three pulls of two arms; after two failures it is back at the first arm, (1/3).
    # win: 1/2 * (1 + E[2 pulls | won]); E = 2/3 + P(won twice | won) 3/4 + P(then lost | won) 1/2
    won = 2 / 3 * (1 + 3 / 4) + 1 / 3 * 1 / 2
    lost = 1 / 2 * (1 + 2 / 3) + 1 / 2 * 1 / 3
    assert memory_of_one(2, 3) == pytest.approx(1 / 2 * (1 + won) + 1 / 2 * lost, abs=1e-12)


@pytest.mark.parametrize("switch", ["next", "uniform"])
def test_memory_of_one_equals_simulation(switch):
    arms, pulls, tasks = 4, 12, 100_000
    rng = np.random.default_rng(0)
    mean, rows, arm = rng.random((tasks, arms)), np.arange(tasks), np.zeros(tasks, int)
    total = np.zeros(tasks)
    for _ in range(pulls):
        reward = rng.random(tasks) < mean[rows, arm]
        total += reward
        stay = rng.random(tasks) < np.where(reward, 0.9, 0.2)
        arm = np.where(stay, arm, (arm + (1 if switch == "next" else rng.integers(1, arms, tasks))) % arms)
    value = memory_of_one(arms, pulls, switch=switch, stay_after_reward=0.9, stay_after_none=0.2)
    assert abs(total.mean() - value) < 4 * total.std() / tasks**0.5


@pytest.mark.parametrize(("arms", "pulls"), [(2, 100), (5, 10)])
def test_win_stay_lose_shift_is_the_best_memory_of_one(arms, pulls):
    steps = np.linspace(0, 1, 5)
    values = {(a, b): memory_of_one(arms, pulls, stay_after_reward=a, stay_after_none=b) for a in steps for b in steps}
    assert max(values, key=values.get) == (1.0, 0.0)


def test_memory_of_one_that_switches_uniformly_equals_the_one_computed_elsewhere():
    """Those numbers were simulated: 6.29, 67.98, 6.44 and 72.66, two decimals, standard errors not given."""
    for arms, pulls, value, apart in [
        (5, 10, 6.29, 0.02), (5, 100, 67.98, 0.15), (10, 10, 6.44, 0.02), (10, 100, 72.66, 0.15)
    ]:  # fmt: skip
        assert memory_of_one(arms, pulls, switch="uniform") == pytest.approx(value, abs=apart)
    assert memory_of_one(2, 100) == pytest.approx(58.92, abs=0.15)


def test_floor_is_the_prior_mean_a_pull():
    assert floor(10) == 5.0
    assert floor(10, 1, 3) == 2.5


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: gittins_table(0), "pulls: got 0, allowed: 1 to 500"),
        (lambda: gittins_table(501), "pulls: got 501, allowed: 1 to 500"),
        (lambda: gittins_table(3, alpha=0.0), "alpha: got 0.0, allowed: 0.001 to 1000000"),
        (lambda: gittins_table(3).index(1, 1, 2), r"successes \+ failures \+ remaining: got 4, allowed: at most 3"),
        (lambda: gittins_table(3).index(1, -1, 2), "failures: got -1, allowed: at least 0"),
        (lambda: gittins_table(3).index(1, 1, 0), "remaining: got 0, allowed: at least 1"),
        (lambda: BernoulliBandit(1, 3), "arms: got 1, allowed: at least 2"),
        (lambda: BernoulliBandit(2, 0), "pulls: got 0, allowed: at least 1"),
        (lambda: BernoulliBandit(2, 2.5), "pulls: got 2.5, allowed: an integer"),
        (lambda: BernoulliBandit(2, 3, beta=float("nan")), "beta: got nan, allowed"),
        (lambda: BernoulliBandit(2, 3).actions([[0, 0, 0]], [[0, 0, 0]]), "successes: got another shape"),
        (lambda: BernoulliBandit(2, 3).actions([[0, 0]], [[0, 0], [0, 0]]), "failures: got another shape"),
        (lambda: BernoulliBandit(2, 3).actions([[0, 0], [2, 0]], [[0, 0], [0, 1]]), "row 1 .* at most 2"),
        (lambda: BernoulliBandit(2, 3).actions([[0.5, 0]], [[0, 0]]), "successes: got dtype float64"),
        (lambda: fits(0, 3), "arms: got 0, allowed: at least 2"),
        (lambda: dependent_value(3, "uniform"), "prior: got 'uniform', allowed: 'dependent_uniform'"),
        (lambda: memory_of_one(2, 3, switch="back"), "switch: got 'back', allowed: 'next', 'uniform'"),
        (lambda: memory_of_one(2, 3, stay_after_none=2), "stay_after_none: got 2, allowed: 0 to 1"),
        (lambda: floor(-1), "pulls: got -1, allowed: at least 1"),
    ],
)
def test_a_wrong_argument_is_named_with_what_is_allowed(call, named):
    with pytest.raises(ValueError, match=named):
        call()
