"""The transfer matrix says of a network that it stands above or below another only where the same tasks tell them apart."""

import numpy as np
import pytest

from mesasim import baselines
from mesasim.evaluate import Evaluation
from mesasim.experiments import transfer
from mesasim.experiments.shared.comparing import Comparison, Trained, outcome
from mesasim.metrics import Estimate

TASKS = 2000
OWN, *ELSEWHERE = (f"trained on {kind}" for kind in transfer.KINDS)


def comparison(seeds=1):
    """Planted networks, by how much better each is than the one trained on independent arms, beside the luck of the tasks, which
    all share; the luck of a seed is as large as the first two differences."""
    rng = np.random.default_rng(1)
    better = dict(zip((OWN, *ELSEWHERE, "thompson"), (0.0, 0.1, -0.1, 0.0, 0.0, -0.05), strict=True))
    luck, evaluations, trained = rng.normal(20, 5, TASKS), [], {}
    for name, gain in better.items():
        for seed in range(1, 1 + (seeds if name != "thompson" else 1)):
            called = name if seeds == 1 or name == "thompson" else f"{name}, seed {seed}"
            of_seed = 0.1 * rng.normal() if seeds > 1 else 0.0
            returns = luck + gain + of_seed + rng.normal(0, 0.2, TASKS)
            evaluations.append(Evaluation(called, "", returns[:, None], np.ones(TASKS), {}, "", "", 0.0))
            if name != "thompson":
                trained[called] = Trained(name, seed, None, 0.0)
    setting = baselines.Setting("Bandit-v0", {"arms": 2, "pulls": 30}, TASKS, 1)
    return Comparison(setting, trained, evaluations, baselines.Scale(15, 25, ""))


def test_networks_stand_above_below_or_are_not_told_apart_by_differences_on_the_same_tasks():
    column = comparison()
    uniform, easy, medium, hard = ELSEWHERE
    found = transfer.standings(OWN, ELSEWHERE, column)
    assert {word: list(names) for word, names in found.items()} == {
        "above": [uniform], "below": [easy], "not told apart": [medium, hard],
    }  # fmt: skip
    assert found["above"][uniform].mean == pytest.approx(0.01, abs=0.003)
    assert found["above"][uniform].se == pytest.approx(0.2 * 2**0.5 / TASKS**0.5 / 10, rel=0.1)
    said = transfer.verdict("independent", column)
    assert (
        f"are above it: {uniform} (+0.0" in said
        and f"below it: {easy} (-0.0" in said
        and f"from it: {medium} (" in said
    )
    assert "Of these networks, one a kind and not the kinds in general," in said
    assert column.over_tasks(OWN).se > 10 * column.difference(OWN, easy).se


def test_of_several_seeds_the_seeds_are_what_differs():
    column = comparison(seeds=3)
    assert not transfer.standings(OWN, ELSEWHERE[:2], column)["above"]
    assert "Over 3 seeds, those trained elsewhere" in transfer.verdict("independent", column)
    over_seeds = column.difference(ELSEWHERE[0], OWN)
    assert (over_seeds.df, column.difference("thompson", OWN).df) == (2, 2), "seeds less one, not tasks"
    means = [[column.evaluation(f"{name}, seed {s}").returns.mean() for s in (1, 2, 3)] for name in (ELSEWHERE[0], OWN)]
    assert over_seeds.se == pytest.approx(np.std(np.subtract(*means), ddof=1) / 3**0.5)
    beside_one = column.difference("thompson", OWN)
    assert beside_one.se == pytest.approx(np.std(means[1], ddof=1) / 3**0.5)


@pytest.mark.parametrize(("seeds", "errors"), [(3, 126), (5, 17), (10, 7)])
def test_a_verdict_over_seeds_needs_the_standard_errors_that_the_docs_say(seeds, errors):
    def said(by):
        return outcome(Estimate(by * 0.01, 0.01, seeds - 1))

    assert said(errors + 1) == "above" and said(-errors - 1) == "below" and said(errors - 1) == "not told apart"
