"""Every experiment runs in its quick form and writes all of its files; those on bandits tell planted agents apart."""

import pyarrow.parquet as pq
import pytest

from mesasim.experiments import experiments
from mesasim.results import read_summary


@pytest.fixture(scope="module", params=sorted(experiments()))
def finished(request, tmp_path_factory):
    module = experiments()[request.param]
    out = tmp_path_factory.mktemp(request.param) / "run"
    module.run(module.Config(quick=True, num_threads=1), out, quiet=True)
    return module, out


def test_an_experiment_writes_all_its_files(finished):
    module, out = finished
    summary = read_summary(out)
    assert (
        summary["experiment"] == module.NAME
        and summary["question"].endswith(("?", "."))
        and summary["command"].startswith("mesasim run")
    )
    wanted = {
        "agent",
        "reward_mean",
        "reward_se",
        "floor",
        "ceiling",
        "fraction",
        "reward_by_step",
        "weights_hash_before",
        "weights_hash_after",
        "cpu_seconds",
    }
    for row in summary["agents"]:
        assert wanted <= row.keys() and row["weights_hash_before"] == row["weights_hash_after"]
    table = pq.read_table(out / "evaluation.parquet")
    assert table.num_rows == sum(row["tasks"] for row in summary["agents"])
    page = (out / "report.html").read_text()
    assert all(row["agent"] in page for row in summary["agents"]) and "data:image/png;base64," in page
    assert "src='http" not in page and "href=" not in page


def test_a_folder_with_a_run_is_kept_unless_told_otherwise(finished):
    module, out = finished
    before = (out / "summary.json").read_bytes()
    with pytest.raises(FileExistsError, match="out"):
        module.run(module.Config(quick=True, num_threads=1), out, quiet=True)
    with pytest.raises(ValueError, match="other settings"):
        module.run(module.Config(quick=True, num_threads=1, seed=7), out, resume=True, quiet=True)
    assert (out / "summary.json").read_bytes() == before
    module.run(module.Config(quick=True, num_threads=1), out, resume=True, quiet=True)


def test_planted_agents_land_where_they_should(finished):
    module, out = finished
    if not module.NAME.startswith("bandit"):
        pytest.skip("an experiment on another subject plants its own, in a test of its own")
    rows = {row["agent"]: row for row in read_summary(out)["agents"]}
    assert not rows["random"].get("rises"), "a random agent does not learn"
    assert rows["thompson"]["slope"] > rows["random"]["slope"]
    assert (
        rows["bayes_optimal"]["below_optimum"]
        == 0
        < rows["random"]["below_optimum"] - 4 * rows["random"]["below_optimum_se"]
    )
    assert rows["bayes_optimal"]["fraction"] > 0.8 > rows["random"]["fraction"]
