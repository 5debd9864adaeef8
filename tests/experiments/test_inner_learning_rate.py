"""In its quick form the experiment reads planted learning rates: what the network's is takes training."""

import pytest

from mesasim.experiments import inner_learning_rate
from mesasim.metrics import Estimate


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    config = inner_learning_rate.Config(quick=True, num_threads=1)
    summary = inner_learning_rate.run(config, tmp_path_factory.mktemp("rates") / "run", quiet=True)
    return {row["agent"]: row for row in summary["agents"]}


def near(row, volatility, rate):
    mean, se = row["learning_rate"][volatility]
    return abs(mean - rate) < max(4 * se, 0.1)


def test_one_rate_is_recovered_in_both_volatilities(rows):
    row = rows["rescorla_wagner 0.5"]
    assert near(row, "low", 0.5) and near(row, "high", 0.5) and not row["adapts"]


def test_two_rates_are_recovered_and_told_from_one(rows):
    row = rows["rescorla_wagner 0.2 or 0.7"]
    assert near(row, "low", 0.2) and near(row, "high", 0.7) and row["adapts"]
    assert min(row["bic_by_volatility"], key=row["bic_by_volatility"].get) == "ab"


@pytest.mark.parametrize("sign", [1, -1])
def test_a_rate_is_said_to_adapt_by_the_degrees_of_freedom_of_the_difference(sign):
    def found(standard_errors, df):
        difference = Estimate(sign * 0.01 * standard_errors, 0.01, df)
        return inner_learning_rate.Fitted({}, difference, {}, {"b": 10.0, "ab": 0.0})

    assert not inner_learning_rate.adapts(found(6, 3.0)), "6 standard errors of two blocks each say little"
    assert inner_learning_rate.adapts(found(6, 38.0)) and not inner_learning_rate.adapts(found(4.1, 38.0))


def test_rates_and_their_difference_are_a_mean_and_a_standard_error(rows):
    for row in rows.values():
        assert {len(row["learning_rate_difference"]), *map(len, row["learning_rate"].values())} == {2}


def test_the_filter_is_the_ceiling_and_random_the_floor(rows):
    assert rows["bayes_optimal"]["fraction"] == pytest.approx(1)
    assert abs(rows["random"]["fraction"]) < 4 * rows["random"]["fraction_se"]
    assert not rows["random"]["rises"]


@pytest.mark.parametrize("settings", [{"low": 0.3}, {"blocks": 1}])
def test_bad_settings_are_refused_by_name(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        inner_learning_rate.Config(**settings)


def test_too_few_episodes_for_the_blocks_are_refused(tmp_path):
    config = inner_learning_rate.Config(quick=True, num_threads=1)
    config.tasks = 30
    with pytest.raises(ValueError, match="tasks"):
        inner_learning_rate.run(config, tmp_path / "run", quiet=True)
