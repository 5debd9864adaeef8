"""The best window of c symbols against published-to-five-digits values, brute force and counting; n-grams by hand."""

import math
from itertools import pairwise, product

import numpy as np
import pytest

from mesasim import sequences
from mesasim.exact import sequences as exact
from mesasim.exact.sequences import NGram, window_chances, window_loss

COIN = {  # nats, by context length
    0: 0.69315, 1: 0.63651, 2: 0.60594, 4: 0.57346, 8: 0.54576, 16: 0.52621, 32: 0.51418, 64: 0.50741, 128: 0.50380,
    256: 0.50192,
}  # fmt: skip
PILOT = {  # nats a day, orders 0 1 2 4 8: references to come near, measured elsewhere with parameters that are not known
    "pairs": (0.637, 0.559, 0.461, 0.426, 0.418), "markov": (0.562, 0.397, 0.397, 0.397, 0.396),
    "streak": (0.685, 0.451, 0.425, 0.405, 0.402), "regimes": (0.693, 0.691, 0.639, 0.528, 0.468),
}  # fmt: skip


@pytest.mark.parametrize(("context", "loss"), COIN.items())
def test_a_window_on_the_uniform_coin_loses_what_is_known(context, loss):
    assert window_loss("coin", context) == pytest.approx(loss, abs=1e-5)


def test_the_coins_loss_is_the_limit_of_its_windows():
    assert exact.coin_loss() == pytest.approx(0.5)
    for alpha, beta in ((0.5, 0.5), (3.0, 1.0)):
        limit = exact.coin_loss(alpha, beta)
        assert window_loss("coin", 20_000, alpha=alpha, beta=beta) == pytest.approx(limit, abs=1e-4)
        assert window_loss("coin", 100, alpha=alpha, beta=beta) > limit


@pytest.mark.parametrize(("process", "options"), [("coin", {"alpha": 0.5}), ("switching_coin", {"hazard": 0.2})])
def test_windows_of_coins_are_those_of_brute_force(process, options):
    """Every way in which the bias can have changed, for every window of four."""
    a, b, hazard = options.get("alpha", 1.0), 1.0, options.get("hazard", 0.0)

    def beta_chance(run):
        return math.exp(
            math.lgamma(a + sum(run)) + math.lgamma(b + len(run) - sum(run)) - math.lgamma(a + b + len(run))
            + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
        )  # fmt: skip

    def chance(window):
        total = 0.0
        for changes in product((0, 1), repeat=len(window) - 1):
            cuts = [0, *(i + 1 for i, c in enumerate(changes) if c), len(window)]
            runs = math.prod(beta_chance(window[i:j]) for i, j in pairwise(cuts))
            total += hazard ** sum(changes) * (1 - hazard) ** (len(changes) - sum(changes)) * runs
        return total

    found = window_chances(process, 4, **options)
    expected = [chance((*w, 1)) / (chance((*w, 0)) + chance((*w, 1))) for w in product((0, 1), repeat=4)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("process", PILOT)
def test_the_ladder_comes_near_the_pilot(process):
    for order, pilot in zip((0, 1, 2, 4, 8), PILOT[process], strict=True):
        assert window_loss(process, order) == pytest.approx(pilot, abs=0.009)


@pytest.mark.parametrize("process", PILOT)
def test_counted_n_grams_approach_the_exact_window_and_never_beat_it(process):
    late = sequences.generate(process, 6000, 260, seed=3, output="numpy").symbols[:, 60:]  # the long run
    counted, unseen = late[:4000], late[4000:]
    for order in (0, 1, 3, 6):
        ngram = NGram(order).fit(counted)
        losses = ngram.losses(unseen)[:, order:].mean(axis=1)
        se = losses.std() / math.sqrt(len(losses))
        assert abs(losses.mean() - window_loss(process, order)) < 4 * se + 1e-4
        common = ngram.counts[order].sum(axis=1) > 20_000
        np.testing.assert_allclose(ngram.table(order)[common, 1], window_chances(process, order)[common], atol=0.025)


def test_a_longer_window_is_no_worse_and_one_more_day_is_all_of_a_markov_chain():
    for process in (*PILOT, "coin", "switching_coin"):
        losses = [window_loss(process, c) for c in range(10)]
        assert all(b <= a + 1e-12 for a, b in pairwise(losses))
    assert window_loss("markov", 1) == pytest.approx(window_loss("markov", 9), abs=1e-12)
    assert window_loss("pairs", 12) < window_loss("pairs", 9), (
        "whether a pair is complete may depend on any number of days"
    )


def test_no_hazard_and_no_noise_have_a_long_run_too():
    assert 0 < window_loss("regimes", 2, hazard=0.0) < window_loss("regimes", 2, hazard=0.5)
    assert window_loss("regimes", 0, noise=0.5) == pytest.approx(math.log(2))
    assert window_loss("switching_coin", 5, hazard=0.0) == pytest.approx(window_loss("coin", 5), abs=1e-12)
    assert window_loss("switching_coin", 5, hazard=1.0) == pytest.approx(math.log(2), abs=1e-12)


@pytest.mark.parametrize(
    ("process", "context", "word"),
    [
        ("coin", -1, "context"), ("regimes", 17, "n-gram"), ("tides", 1, "process"), ("coin", 1.5, "context"),
        ("categorical", 1, "process"),
    ],
)  # fmt: skip
def test_windows_that_cannot_be_are_refused(process, context, word):
    with pytest.raises(ValueError, match=word):
        window_loss(process, context)


@pytest.mark.parametrize(
    ("process", "options", "word"),
    [
        ("switching_coin", {"hazard": 2.0}, "^hazard"), ("switching_coin", {"hazard": math.nan}, "^hazard"),
        ("regimes", {"noise": 7.0}, "^noise"), ("markov", {"hazard": 3.0}, "^hazard"),
        ("coin", {"alhpa": 5.0}, "alhpa"), ("coin", {"alpha": 0.0}, "^alpha"), ("regimes", {"nois": 0.1}, "nois"),
    ],
)  # fmt: skip
def test_processes_that_cannot_be_have_no_loss(process, options, word):
    for ask in (window_loss, window_chances):
        with pytest.raises((ValueError, TypeError), match=word):
            ask(process, 2, **options)


# n-grams


def test_an_n_gram_counts_by_hand():
    ngram = NGram(2).fit([[0, 1, 1, 0, 1, 1, 1]])
    assert ngram.counts[0].tolist() == [[2, 5]] and ngram.counts[1].tolist() == [[0, 2], [1, 3]]
    assert ngram.counts[2].tolist() == [[0, 0], [0, 2], [0, 1], [1, 1]]
    np.testing.assert_allclose(ngram.table(2)[1], [0.5 / 3, 2.5 / 3])
    chances = ngram.chances([[0, 1, 1]])[0, :, 1]
    np.testing.assert_allclose(chances, [5.5 / 8, 2.5 / 3, 2.5 / 3])
    np.testing.assert_allclose(ngram.losses([[0, 1, 1]])[0], [-math.log(2.5 / 8), *(2 * [-math.log(2.5 / 3)])])
    assert ngram.fit([[1]]).symbols_seen == 8


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: NGram(-1), "order"), (lambda: NGram(30), "order"), (lambda: NGram(1, 1), "num_symbols"),
        (lambda: NGram(1).fit([0, 1]), "symbols"), (lambda: NGram(1).fit([[0, 2]]), "symbols"),
        (lambda: NGram(1).fit([[0.5]]), "symbols"),
    ],
)  # fmt: skip
def test_bad_n_grams_are_refused(make, word):
    with pytest.raises(ValueError, match=word):
        make()
