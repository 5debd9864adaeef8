"""The page says what was found, and not what was not."""

import numpy as np
import pytest

from mesasim.evaluate import Evaluation
from mesasim.report import write_report
from mesasim.results import summarize, write_summary


@pytest.mark.parametrize(("gain", "cell"), [(1.0, "yes"), (0.0, "not shown")])
def test_a_slope_that_is_not_told_from_none_is_not_said_to_be_none(tmp_path, gain, cell):
    rewards = np.random.default_rng(1).normal(0, 0.1, (50, 4)) + gain * np.arange(4)
    row = summarize(Evaluation("planted", "learner", rewards, np.full(50, 4), {}, "", "", 0.0), 0.0, 10.0)
    write_summary(tmp_path, {"agents": [row]})
    page = write_report([tmp_path], tmp_path / "report.html").read_text()
    assert f"<td>{cell}</td>" in page and "<td>no</td>" not in page
