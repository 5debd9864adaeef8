"""The experiment on MAML: planted controls land where they should, and so do short trainings."""

import numpy as np
import pytest
import torch

from mesasim.evaluate import Evaluation
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


def test_what_is_said_of_learners_follows_from_differences_on_the_same_tasks():
    config = maml.Config(adapt_pulls=48, num_threads=1)
    names = [*maml.learners(config), *maml.PLANTED]
    known = {
        "ceiling": 83.3,
        "reward_mean": 50.0,
        "reward_se": 1.0,
        "inner_rate": 0.5,
        "logit_step": 0.1,
        "statistic_fit": 0.5,
    }
    rows = [known | {"agent": name} for name in names]

    def said(**gains):
        rng = np.random.default_rng(0)
        luck = rng.normal(50, 10, 1000)  # of the tasks, which all share
        returns = {name: luck + rng.normal(gains.get(name.split(",")[0].split()[0], 0), 1, 1000) for name in names}
        evaluations = [Evaluation(n, "", r[:, None], np.ones(1000), {}, "", "", 0.0) for n, r in returns.items()]
        return " ".join(maml.verdicts(config, rows, evaluations, {}))

    nothing = said()
    assert "above" not in nothing and "below" not in nothing and nothing.count("not told apart from") == 6
    assert "is above softmax, rate .5 (+" in said(dead=1.0) and "is below softmax, rate .5 (-" in said(MLP=-1.0)
    assert "is above random (+" in said(softmax=1.0)


def test_pulls_that_four_steps_cannot_share_are_refused():
    with pytest.raises(ValueError, match="adapt_pulls"):
        maml.Config(adapt_pulls=10)
