"""The estimators' table: one draw of the set scatters as it says, and each estimator is best on its own tasks."""

import numpy as np
import pytest

from mesasim.experiments import regression_references
from mesasim.results import read_summary


def test_a_pilot_of_one_draw_is_as_far_away_as_chance_has_it():
    rng = np.random.default_rng(3)
    deviations = []
    for _ in range(300):
        loss = rng.normal(size=(20, 1)) * 0.3 + rng.normal(size=(20, 200)) + 5
        pilot = 5 + 0.3 * rng.normal() + rng.normal() / np.sqrt(regression_references.PILOT_SEQUENCES)
        ours, deviation = regression_references.compare(loss, pilot)
        assert abs(ours.mean - 5) < 6 * ours.se
        deviations.append(deviation)
    assert 0.85 < np.std(deviations) < 1.25


def test_each_estimator_is_best_on_its_own_tasks(tmp_path):
    config = regression_references.Config(most=64, sequences=200, draws=24, num_threads=1)
    regression_references.run(config, tmp_path / "run", quiet=True)
    summary = read_summary(tmp_path / "run")
    rows = {row["agent"]: row for row in summary["agents"]}
    fractions = [rows[f"dMMSE, {m} tasks"]["fraction"] for m in (2, 8, 32, 64)]
    assert fractions == sorted(fractions) and fractions[-1] < rows["ridge"]["fraction"] == pytest.approx(1)
    assert max(map(abs, summary["deviations"])) < 4
    table = summary["tables"][0]["rows"]
    for row in table:  # sequences of one draw share its set, and ridge's are the same for every number of tasks
        planted = rows[f"dMMSE, {row[0]} tasks"]
        assert planted["tasks"] == rows["ridge"]["tasks"] == 24
        assert planted["reward_se"] == pytest.approx(float(row[4].split()[2]), abs=1e-4)
        assert rows["ridge"]["reward_se"] == pytest.approx(float(row[5].split()[2]), abs=1e-4)
    known = [[float(cell.split()[0]) for cell in row[2:4]] for row in table]
    assert all(mmse < ridge for mmse, ridge in known)
    assert all(mmse > 0.03125 for mmse, _ in known)


@pytest.mark.parametrize("bad", [{"most": 1}, {"most": 2**16}, {"sequences": 2}, {"draws": 1}], ids=str)
def test_settings_that_cannot_be_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        regression_references.Config(**bad)
