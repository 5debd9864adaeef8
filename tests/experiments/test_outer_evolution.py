"""The experiment on evolution: planted and evolved learners are found where they live."""

import pytest

from mesasim.experiments import outer_evolution
from mesasim.results import read_summary


def test_evolved_and_planted_genomes_learn_where_they_should(tmp_path):
    config = outer_evolution.Config(generations=120, tasks=2000, seeds=1, num_threads=1)
    outer_evolution.run(config, tmp_path / "run", quiet=True)
    summary = read_summary(tmp_path / "run")
    assert summary["places"] == {
        "GRU 1": "activations", "rule 1": "plastic", "rule by hand": "plastic", "zero rule": "nowhere", "drawn GRU": "nowhere",
    }  # fmt: skip
    rows = {row["agent"]: row for row in summary["agents"]}
    assert rows["GRU 1"]["fraction"] > 0.85 and rows["rule 1"]["fraction"] > 0.85
    assert rows["GRU 1, plastic weights frozen"]["reward_mean"] == rows["GRU 1"]["reward_mean"]
    assert abs(rows["rule 1, plastic weights frozen"]["fraction"]) < 0.1


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="pulls"):
        outer_evolution.Config(arms=10, pulls=500)
    with pytest.raises(ValueError, match="seeds"):
        outer_evolution.Config(seeds=0)
