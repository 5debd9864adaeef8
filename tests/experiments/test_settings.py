"""Settings of experiments: what is refused at the door, before anything is trained or written; what a recipe obeys."""

from dataclasses import asdict, fields

import pytest

from mesasim.experiments import experiments
from mesasim.experiments.bandit_learning import recipe
from mesasim.experiments.shared.settings import LEAST
from mesasim.experiments.task_location import Config as TaskLocation
from mesasim.experiments.task_location import kinds


@pytest.mark.parametrize("name", sorted(experiments()))
def test_a_count_that_means_nothing_is_refused_by_name(name):
    config = experiments()[name].Config
    counts = [field.name for field in fields(config) if field.name in LEAST]
    assert "tasks" in counts or name == "regression-references"
    for count in counts:
        for bad in (LEAST[count] - 1, -1, 2.5, True, "3"):
            with pytest.raises(ValueError, match=rf"^{count}: got .* allowed: an integer of at least {LEAST[count]}"):
                config(quick=True, **{count: bad})


@pytest.mark.parametrize("given", [{"arms": 7}, {"pulls": 3}, {"prior": "dependent_easy"}])
@pytest.mark.parametrize("grid", ["rl2", "wang", "all"])
def test_a_bandit_is_not_given_beside_a_grid_of_bandits(grid, given):
    config = experiments()["bandit-learning"].Config
    with pytest.raises(ValueError, match=f"^{next(iter(given))}: got .* beside grid='{grid}'"):
        config(grid=grid, **given)
    assert config(grid=grid, quick=True).grid == grid and config(**({"arms": 2} | given))


@pytest.mark.parametrize(
    ("name", "given", "word"),
    [
        ("bandit-learning", {"num_envs": 2}, "minibatches: got 4"),
        ("context-window", {"hidden": 3}, "heads: got 2"),
        ("context-window", {"learning_rate": -1.0}, "learning_rate: got -1"),
        ("inner-learning-rate", {"tasks": 20}, "tasks: got 20, of which 11 are of low and 9 of high volatility"),
        ("ledger", {"alpha": -1.0}, "alpha: got -1"),
        ("ledger", {"pulls": 100}, "pulls: got 100 of 5 arms"),
        ("maml", {"arms": 1}, "arms: got 1"),
        ("maml", {"train_tasks": 0}, "tasks: got 0"),
        ("outer-evolution", {"pulls": 1000}, "pulls: got 1000 of 2 arms"),
        ("simulation", {"pulls": 2}, "pulls: got 2"),
        ("simulation", {"pulls": 100}, "pulls: got 100 of 5 arms"),
        ("simulation", {"tasks": 39}, "tasks: got 39"),
        ("tabular-mdp", {"num_envs": 4}, "minibatches: got 8"),
        ("task-location", {"network": "x"}, "kind: got 'x'"),
        ("transfer", {"pulls": 1}, "pulls: got 1"),
        ("tsp-tour", {"width": 0}, "width: got 0"),
        ("two-step", {"tasks": 19}, "tasks: got 19 of 10 trials"),
        ("two-step", {"trials": 1}, "trials: got 1"),
        ("two-step", {"tasks": 2, "trials": 100}, "tasks: got 2, whose good state is the same"),
        ("weather", {"learning_rate": -1.0}, "learning_rate: got -1"),
        ("why-it-emerges", {"iterations": 0}, "iterations: got 0"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_written(name, given, word, tmp_path):
    module = experiments()[name]
    with pytest.raises(ValueError, match=word):
        module.run(module.Config(quick=True, num_threads=1, **given), tmp_path / "run", quiet=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "given"),
    [("simulation", {"pulls": 3, "tasks": 40}), ("two-step", {"trials": 2, "tasks": 100}), ("ledger", {"pulls": 2, "tasks": 2})],
)  # fmt: skip
def test_the_least_that_is_allowed_runs(name, given, tmp_path):
    module = experiments()[name]
    module.run(module.Config(quick=True, num_threads=1, **given), tmp_path / "run", quiet=True)


def test_a_recipe_obeys_every_setting_given_and_chooses_where_none_is():
    zeros = {"seed": 0, "entropy": 0.0, "gae_lambda": 0.0, "discount": 0.0, "learning_rate": 0.0}
    for pulls in (10, 100):
        options = {"arms": 5, "pulls": pulls}
        obeyed = asdict(recipe(options, **zeros))
        assert {name: obeyed[name] for name in zeros} == zeros
        assert recipe(options, iterations=None, num_envs=None) == recipe(options)
        with pytest.raises(ValueError, match="iterations: got 0"):
            recipe(options, iterations=0)


def test_seed_0_of_task_location_is_its_bandits_seed_too():
    bandits = next(kind for kind, _ in kinds(TaskLocation(seed=0, num_threads=1)) if kind.name == "bandits")
    assert recipe(bandits.options(0), **bandits.settings).seed == 0
