"""The maze's scripted agents are what they are called."""

import numpy as np
import pytest

from mesasim.agents.maze_references import Planner, RandomWalker, WallFollower
from mesasim.evaluate import evaluate_agent

SETTING = {"world": "Maze-v0", "options": {"size": 6, "view": 3}, "tasks": 300, "seed": 5}


def test_the_planner_takes_the_shortest_way():
    evaluation = evaluate_agent(Planner(), "planner", "searcher", **SETTING)
    assert np.all(evaluation.oracle["goal_distance"] == 0)
    env_distances = first_distances()
    assert np.array_equal(evaluation.lengths, env_distances)


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_wall_follower_reaches_every_goal_along_the_contour(side):
    evaluation = evaluate_agent(WallFollower(side), side, "reflex", **SETTING)
    assert np.all(evaluation.returns == 1)
    assert evaluation.lengths.max() <= 2 * (36 - 1)
    assert evaluation.lengths.mean() > first_distances().mean()


def test_a_random_walker_is_slower_than_a_wall_follower():
    walker = evaluate_agent(RandomWalker(), "random", "random", **SETTING)
    follower = evaluate_agent(WallFollower(), "right", "reflex", **SETTING)
    assert walker.lengths.mean() > 1.5 * follower.lengths.mean()


def first_distances():
    from mesasim import make_vec

    env = make_vec("Maze-v0", SETTING["tasks"], seed=5, oracle=True, **SETTING["options"])
    _, info = env.reset()
    return info["goal_distance"][:, 0].numpy().astype(np.int64)


def test_a_wrong_side_is_refused():
    with pytest.raises(ValueError, match="side"):
        WallFollower("up")
