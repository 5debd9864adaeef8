"""The experiment on MAML: planted controls land where they should, and so do short trainings."""

import numpy as np
import pytest
import torch

from mesasim.experiments import maml
from mesasim.results import read_summary


def test_the_fit_is_one_for_the_statistic_and_nothing_for_what_is_not_it():
    rng = torch.Generator().manual_seed(0)
    pulls = torch.randint(1, 30, (500, 5), generator=rng).float()
    sums = (pulls * torch.rand(500, 5, generator=rng)).round()
    b = sums.sum(1, keepdim=True) / pulls.sum(1, keepdim=True)
    odds, failures = b / (1 - b), pulls - sums
    statistic = (1 - b) * (sums - odds * failures)  # s - b n, by successes and failures
    assert maml.fit_to_statistic(3 * statistic + 7, pulls, sums) == pytest.approx(1, abs=1e-9)
    assert maml.fit_to_statistic(statistic.roll(1, 0), pulls, sums) < 0.02
    assert maml.fit_to_statistic(pulls, pulls, sums) < 0.3
    assert maml.fit_to_statistic(torch.ones(500, 5), pulls, sums) == 0


@pytest.fixture(scope="module")
def adapted(tmp_path_factory):
    out = tmp_path_factory.mktemp("maml") / "run"
    config = maml.Config(
        arms=3, adapt_pulls=48, tasks=1000, curve_tasks=3000, iterations=60, train_tasks=256, num_threads=1
    )
    maml.run(config, out, quiet=True)
    return read_summary(out), (out / "report.html").read_text()


def test_planted_and_trained_learners_of_maml_land_where_they_should(adapted):
    summary, page = adapted
    rows = {row["agent"]: row for row in summary["agents"]}
    assert rows["statistic by hand"]["statistic_fit"] == pytest.approx(1, abs=1e-6)
    assert rows["softmax, learned rate"]["statistic_fit"] == pytest.approx(1, abs=1e-5)
    assert rows["last reward alone"]["statistic_fit"] < 0.2 and rows["random"]["statistic_fit"] == 0
    assert rows["explore then commit"]["fraction"] > 0.85 > 0.3 > abs(rows["last reward alone"]["fraction"])
    assert abs(rows["random"]["fraction"]) < 0.1 and rows["softmax, rate .5"]["fraction"] < 0.15
    assert rows["softmax, learned rate"]["fraction"] > 0.6 and rows["softmax, learned rate"]["inner_rate"] > 5
    assert rows["dead MLP, rate .5"]["statistic_fit"] == pytest.approx(1, abs=1e-5)
    assert "One step of the softmax, by inner rate" in page and all(row["weights_unchanged"] for row in rows.values())


def test_the_step_of_the_softmax_is_its_closed_form():
    """An arm's logit moves by rate / n (s - b n), about rate / k (p - mean p): a small rate earns rate / k of the arms'
    variance (k - 1) / 12 k more than chance, a pull, to first order."""
    config = maml.Config(curve_tasks=4000, num_threads=1)
    for arms, rate in ((5, 0.5), (10, 1.0)):
        point = maml.one_step(arms, rate, config)
        expected = 50 + 100 * rate / arms * (arms - 1) / (12 * arms)
        assert point.value.mean == pytest.approx(expected, abs=4 * point.value.se + 0.02)
        assert point.step == pytest.approx(rate / arms * np.sqrt((arms - 1) / (12 * arms)), rel=0.25)
        assert point.fit == pytest.approx(1, abs=1e-6)


def test_pulls_that_four_steps_cannot_share_are_refused():
    with pytest.raises(ValueError, match="adapt_pulls"):
        maml.Config(adapt_pulls=10)
