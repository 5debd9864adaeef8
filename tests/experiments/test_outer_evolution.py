"""The experiment on evolution: planted and evolved learners are found where they live."""

import numpy as np
import pytest

from mesasim.evaluate import Evaluation
from mesasim.experiments import outer_evolution
from mesasim.experiments.outer_evolution import FROZEN
from mesasim.results import read_summary


def test_evolved_and_planted_genomes_learn_where_they_should(tmp_path):
    config = outer_evolution.Config(generations=120, tasks=2000, seeds=1, num_threads=1)
    outer_evolution.run(config, tmp_path / "run", quiet=True)
    summary = read_summary(tmp_path / "run")
    assert {name: found["lives"] for name, found in summary["places"].items()} == {
        "GRU 1": "activations", "rule 1": "plastic", "rule by hand": "plastic", "zero rule": "nowhere", "drawn GRU": "nowhere",
    }  # fmt: skip
    rows = {row["agent"]: row for row in summary["agents"]}
    assert rows["GRU 1"]["fraction"] > 0.85 and rows["rule 1"]["fraction"] > 0.85
    assert rows["GRU 1, plastic weights frozen"]["reward_mean"] == rows["GRU 1"]["reward_mean"]
    assert abs(rows["rule 1, plastic weights frozen"]["fraction"]) < 0.1


def test_a_learner_lives_where_freezing_it_costs_more_than_half_beyond_doubt():
    """Planted: tasks of much luck, which all share; a whole genome 1 above the memory of one; each place by what it costs."""

    def lives(activations, plastic, tasks=2000, whole=1.0):
        rng = np.random.default_rng(0)
        luck = rng.normal(12, 5, tasks)
        gains = {outer_evolution.MEMORY_OF_ONE: 0.0, "g": whole, "g" + FROZEN["activations"]: whole - activations,
                 "g" + FROZEN["plastic"]: whole - plastic}  # fmt: skip
        returns = {name: luck + gain + rng.normal(0, 1, tasks) for name, gain in gains.items()}
        evaluations = [Evaluation(n, "", r[:, None], np.ones(tasks), {}, "", "", 0.0) for n, r in returns.items()]
        return outer_evolution.where("g", evaluations)

    assert lives(1.0, 0.0).lives == "activations" and lives(0.0, 2.0).lives == "plastic"
    assert lives(1.0, 1.0).lives == "both" and lives(0.0, 0.1).lives == "elsewhere"
    assert lives(0.9, 0.0).lives == "activations", "what is left is above the memory of one, but little of it"
    assert lives(0.0, 0.0, whole=-1.0).lives == "nowhere"
    for undecided in (lives(0.5, 0.0), lives(1.0, 0.0, tasks=20), lives(0.0, 0.0, whole=0.0)):
        assert undecided.lives == "not told apart"
    assert lives(1.0, 0.0).lost["activations"][:2] == pytest.approx((1.0, 2**0.5 / 2000**0.5), rel=0.1)


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="pulls"):
        outer_evolution.Config(arms=10, pulls=500)
    with pytest.raises(ValueError, match="seeds"):
        outer_evolution.Config(seeds=0)
