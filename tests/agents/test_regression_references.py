"""Reference agents of LinearRegression-v0 say what the estimators say, and stand in the order of what they know."""

import itertools

import numpy as np
import pytest
import torch

from mesasim import baselines, regression
from mesasim.agents.regression_references import REFERENCES, DiscreteMMSE, Ridge
from mesasim.spec import load_spec

OPTIONS = {"dim": 3, "points": 10, "num_tasks": 8, "task_seed": 1}


def full(**options):
    return {option.name: option.default for option in load_spec("LinearRegression-v0").options} | options


@pytest.mark.parametrize("name", ["ridge", "discrete_mmse"])
def test_an_agent_names_the_value_nearest_its_estimator(name):
    options = full(**OPTIONS)
    data = regression.generate(200, 3, 10, num_tasks=8, task_seed=1, seed=3)
    tasks = regression.task_set(8, 3, 1)
    expected = (
        regression.ridge(data.x, data.y, 0.5)
        if name == "ridge"
        else regression.discrete_mmse(data.x, data.y, tasks, 0.5)
    )
    agent = {"ridge": Ridge, "discrete_mmse": DiscreteMMSE}[name](options)
    previous = torch.cat([torch.zeros(200, 1), data.y[:, :-1]], dim=1)
    obs = {"x": data.x.transpose(0, 1), "previous_y": previous.T[..., None]}
    is_first = torch.zeros(10, 200, dtype=torch.bool)
    is_first[0] = True
    dirty = torch.full_like(agent.initial_carry(200), 7.0)  # of an episode before
    named = agent.named[agent.unroll(obs, is_first, dirty).logits.argmax(-1).T]
    spacing = float(agent.named[1] - agent.named[0])
    assert ((named - expected.clamp(-8, 8)).abs() <= spacing / 2 + 1e-5).all()


@pytest.mark.parametrize("num_tasks", [0, 8])
def test_agents_stand_in_the_order_of_what_they_know(num_tasks):
    setting = baselines.Setting("LinearRegression-v0", OPTIONS | {"num_tasks": num_tasks}, 3000, 5, 1)
    found = {name: evaluate() for name, evaluate in baselines.references(setting)}
    best = "discrete_mmse" if num_tasks else "ridge"
    assert ("discrete_mmse" in found) == bool(num_tasks)
    np.testing.assert_allclose(found[best].returns.mean(), found["oracle_follower"].returns.mean(), rtol=1e-3)
    order = [*(["discrete_mmse"] if num_tasks else []), "ridge", "last_example"]
    means = [found[name].returns.mean() for name in order]
    assert all(better > worse + 1 for better, worse in itertools.pairwise(means))
    scale = baselines.scale(setting, list(found.values()))
    assert scale.ceiling > scale.floor > found["random"].returns.mean()


def test_without_a_ceiling_the_scale_says_so():
    setting = baselines.Setting("LinearRegression-v0", {"num_tasks": 2000}, 50, 5, 1)
    found = {name: evaluate() for name, evaluate in baselines.references(setting)}
    assert set(found) == {"random", "zero", "last_example", "ridge"}
    with pytest.raises(ValueError, match="num_tasks: got 2000"):
        baselines.scale(setting, list(found.values()))
    with pytest.raises(ValueError, match="num_tasks: got 0"):
        REFERENCES["discrete_mmse"].make(full(), 1)
