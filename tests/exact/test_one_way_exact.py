"""The one-way-function game: closed form, counting and simulation agree, and the best response is the best of all."""

import math
from functools import lru_cache

import numpy as np
import pytest

from mesasim.exact import one_way as exact


@pytest.mark.parametrize(("share", "measured"), [(1.0, 0.402), (0.5, 0.295), (0.25, 0.188)])
def test_closed_form_gives_the_published_values(share, measured):
    assert exact.closed_form(share * 4096, 12) == pytest.approx(measured, abs=5e-4)


@pytest.mark.parametrize(("share", "naive"), [(1.0, 0.316), (0.5, 0.197), (0.25, 0.111)])
def test_naive_form_is_the_published_one_and_too_low(share, naive):
    assert exact.naive_form(share * 4096, 12) == pytest.approx(naive, abs=5e-4)
    assert exact.exact_pay(int(share * 4096), 12) > naive + 0.05


def test_closed_form_is_the_mean_over_functions_and_sha256_is_one_of_them():
    # P(found) = 1 - sum_y (c_y / N) (1 - c_y / N)^b; over random functions c_y is nearly Poisson(1).
    size, budget, rng = 4096, 2048, np.random.default_rng(0)
    found = []
    for _ in range(200):
        counts = np.bincount(rng.integers(size, size=size), minlength=size)
        found.append(0.5 * (1 - (counts / size * (1 - counts / size) ** budget).sum()))
    mean, spread = np.mean(found), np.std(found)
    assert exact.closed_form(budget, 12) == pytest.approx(mean, abs=4 * spread / math.sqrt(200) + 1 / size)
    assert abs(exact.exact_pay(budget, 12) - mean) < 4 * spread


@pytest.mark.parametrize("order", exact.ORDERS)
@pytest.mark.parametrize("f", exact.FUNCTIONS)
def test_counting_agrees_with_playing_it_out(order, f):
    n, budget, plays = 6, 20, 40_000
    rng, values = np.random.default_rng(3), exact.table(n, f)
    y = values[rng.integers(64, size=plays)]
    if order == "independent":
        tries = rng.integers(64, size=(plays, budget))
    elif order == "distinct":
        tries = rng.random((plays, 64)).argsort(axis=1)[:, :budget]
    else:
        tries = np.tile(np.arange(budget), (plays, 1))
    hit = values[tries] == y[:, None]
    found = hit.any(axis=1)
    z = tries[np.arange(plays), hit.argmax(axis=1)]
    expected = exact.found_distribution(budget, n, f, order)
    assert abs(found.mean() - expected.sum()) < 4 * math.sqrt(0.25 / plays)
    counts = np.bincount(z[found], minlength=64) / plays
    assert np.abs(counts - expected).max() < 5 * math.sqrt(expected.max() / plays)


@pytest.mark.parametrize("f", exact.FUNCTIONS)
def test_enough_distinct_tries_invert_everything_and_none_nothing(f):
    for order in ("distinct", "counting"):
        assert exact.inversion_probability(512, 9, f, order) == pytest.approx(1.0)
    for order in exact.ORDERS:
        assert exact.inversion_probability(0, 9, f, order) == 0.0
    more = [exact.inversion_probability(b, 9, f, "distinct") - exact.inversion_probability(b, 9, f) for b in (64, 512)]
    assert 0 < more[0] < more[1], "without repetition one finds more"


def test_best_response_is_the_best_of_every_x():
    rng, n = np.random.default_rng(1), 4
    found = rng.dirichlet(np.ones(16)) * 0.7
    z = np.arange(16)
    pays = [sum(found * [bin(x ^ one).count("1") / n for one in z]) for x in range(16)]
    x, pay = exact.best_response(found)
    assert pay == pytest.approx(min(pays)) and pays[x] == pytest.approx(pay)
    assert exact.best_x(rng.choice(16, p=found / found.sum(), size=100_000), n) == x


def test_best_response_takes_all_from_a_fixed_z_and_half_from_a_uniform_one():
    assert exact.best_response(np.eye(8)[5]) == (5, 0.0)
    assert exact.best_response(np.full(8, 1 / 8))[1] == pytest.approx(0.5)
    # Tries in counting order say small numbers: the high bits are foreseen.
    counting = exact.found_distribution(1024, 12, order="counting")
    assert exact.best_response(counting)[1] < 0.9 * counting.sum() / 2
    assert exact.best_response(exact.found_distribution(1024, 12))[1] > 0.95 * 0.5 * exact.inversion_probability(
        1024, 12
    )


def test_twenty_bits_are_counted():
    assert exact.exact_pay(1 << 20, 20) == pytest.approx(exact.closed_form(1 << 20, 20), abs=1e-3)


@pytest.mark.parametrize(
    ("call", "error", "named"),
    [
        (lambda: exact.table(21), ValueError, "n: got 21"), (lambda: exact.table(4, "local"), ValueError, "n: got 4"),
        (lambda: exact.table(3, "md5"), ValueError, "f: got"), (lambda: exact.table(2.0), TypeError, "n: got"),
        (lambda: exact.closed_form(float("nan"), 4), ValueError, "budget"),
        (lambda: exact.exact_pay(-1, 4), ValueError, "budget"),
        (lambda: exact.exact_pay(1, 4, order="best"), ValueError, "order"),
        (lambda: exact.images(3, [8]), ValueError, "z: got"), (lambda: exact.images(3, [0.5]), TypeError, "z: got"),
        (lambda: exact.best_response([0.5, 0.6]), ValueError, "found"),
        (lambda: exact.best_response([0.1, 0.2, 0.3]), ValueError, "found"),
    ],
)  # fmt: skip
def test_bad_input_is_named(call, error, named):
    with pytest.raises(error, match=f"^{named}"):
        call()


# Opponents that can be foreseen, and coins


@pytest.mark.parametrize(("paid", "practice"), [(1, 0), (2, 0), (7, 1), (5, 2), (4, 9), (6, 3)])
def test_most_against_fictitious_play_equals_a_search_over_all_margins(paid, practice):
    @lru_cache(None)
    def best(rounds, ahead):  # rounds left; by how many one value of a bit was said more often
        if rounds == 0:
            return 0.0
        worth = rounds <= paid
        same = worth * (0.5 if ahead == 0 else 0.0) + best(rounds - 1, ahead + 1)
        other = worth * 1.0 + best(rounds - 1, ahead - 1) if ahead else 0.0
        return max(same, other, best(rounds - 1, ahead))  # the last: f(z) is not y

    assert exact.most_against_fictitious_play(paid, practice) == best(paid + practice, 0)


@pytest.mark.parametrize("f", exact.FUNCTIONS)
@pytest.mark.parametrize("x", [None, 5])
def test_coins_are_paid_for_the_collisions_of_f(f, x):
    n, total = 5, 0.0
    values, xs = exact.table(n, f), range(1 << n) if x is None else [x]
    for draft in range(1 << n):
        for z in range(1 << n):
            if values[z] == values[draft]:
                total += sum((z ^ one).bit_count() for one in xs) / len(xs) / n
    assert exact.coin_pay(n, f, x=x) == pytest.approx(total / 4**n, abs=1e-15)
