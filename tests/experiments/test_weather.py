"""The weather experiment's index, on predictors whose nature is known: the filter is a learner, n-grams and the exact window are
conditional models, the oracle is told, and on W0 to W2 eight days are all there is to know."""

import numpy as np
import pytest

from mesasim.experiments import weather
from mesasim.experiments.weather import Config, index, read


@pytest.fixture(scope="module")
def losses():
    config = Config(tasks=600, counted=3000, num_threads=1)
    found = {}
    for name, process in weather.LADDER.items():
        evaluations = weather.evaluate(config, process, {})
        found[name] = {agent: -e.rewards.mean(axis=1, dtype=np.float64) for agent, e in evaluations.items()}
    return found


def test_planted_predictors_read_as_what_they_are(losses):
    readings = {name: row["reading"] for name, row in read(losses["W3"]).items()}
    assert readings.pop("filter") == "learner" and readings.pop("regime oracle") == "told"
    assert set(readings.values()) == {"conditional model"}, readings
    assert {"order-0", "order-4", "order-8", "best window of 4", "chance"} <= readings.keys()


def test_only_the_changing_regimes_need_more_than_eight_days(losses):
    for name in ("W0", "W1", "W2"):
        rows = read(losses[name])
        assert {row["reading"] for row in rows.values()} == {"nothing to learn"}
        assert rows["order-8"]["behind_filter"].mean < weather.READ_AT / 2
    assert read(losses["W3"])["order-4"]["behind_filter"].mean > 0.06
    assert read(losses["W3"])["order-8"]["behind_filter"].mean > 2 * weather.READ_AT


def test_a_gap_or_an_index_that_errs_across_its_limit_reads_as_nothing():
    """Planted: gaps half READ_AT away from it and a predictor that makes up for .4 of one: few sequences cannot tell."""
    rng = np.random.default_rng(0)

    def reading(count, gap, share=1.0):
        best, noise = 0.5 + 0.1 * rng.standard_normal(count), rng.standard_normal((2, count))
        ngram = best + gap + weather.READ_AT * noise[0]
        given = {
            "gru": ngram - share * gap + weather.READ_AT * noise[1],
            "order-4": ngram,
            "order-8": ngram,
            "filter": best,
        }
        rows = read(given)
        return rows["gru"]["reading"], rows["gru"]["index"] is not None, weather.verdict("W3", given, rows)

    for gap, share, known in (
        (1.5 * weather.READ_AT, 1.0, ("learner", True)),
        (0.5 * weather.READ_AT, 1.0, ("nothing to learn", False)),
        (2.0 * weather.READ_AT, 0.4, ("conditional model", True)),
    ):
        assert reading(4000, gap, share)[:2] == known and known[0] in reading(4000, gap, share)[2]
        few = reading(25, gap, share)
        assert few[0] == "not told apart" and "not told apart" in few[2] and "nothing to learn" not in few[2]


def test_the_index_is_nothing_for_the_n_gram_all_for_the_filter_and_half_between(losses):
    ngram, best = losses["W3"]["order-4"], losses["W3"]["filter"]
    assert index(ngram, ngram, best)[:2] == (0.0, 0.0)
    assert index(best, ngram, best).mean == 1.0 and index(best, ngram, best).se < 1e-12
    half = index((ngram + best) / 2, ngram, best)
    assert half.mean == pytest.approx(0.5) and half.se < 1e-12
    window = index(losses["W3"]["best window of 4"], ngram, best)
    assert abs(window.mean) < 0.05, "what an n-gram counts is the exact window"
    assert index(losses["W3"]["order-2"], ngram, best).mean < -1


def test_its_standard_error_is_that_of_other_sequences(losses):
    ngram, best, other = (losses["W3"][name] for name in ("order-4", "filter", "order-8"))
    rng = np.random.default_rng(0)
    again = [index(other[k], ngram[k], best[k]).mean for k in (rng.integers(600, size=600) for _ in range(300))]
    assert np.std(again) == pytest.approx(index(other, ngram, best).se, rel=0.25)


def test_bad_settings_are_refused_by_name():
    for name in ("days", "tasks", "counted", "iterations", "batch"):
        with pytest.raises(ValueError, match=name):
            Config(**{name: 0})
