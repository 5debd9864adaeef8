"""The maze's reference agents are what they are called: each against what its nature implies, the explorers and
searchers against themselves written again in plain Python."""

from collections import deque

import numpy as np
import pytest
import torch

from mesasim import make_vec
from mesasim.agents.maze_references import NATIVE, REFERENCES, NativeMazeAgent, make_reference, needed_options
from mesasim.evaluate import evaluate_agent

OPTIONS = {"size": 6, "view": 3}
MOVES = [(-1, 0), (0, 1), (1, 0), (0, -1)]


def evaluation(name, tasks=300, **options):
    options = {**OPTIONS, **options}
    agent = make_reference(name, options, 5)
    return evaluate_agent(agent, name, "", world="Maze-v0", options=needed_options(name, options), tasks=tasks, seed=5)


def first_distances(tasks=300, **options):
    _, info = make_vec("Maze-v0", tasks, seed=5, oracle=True, **{**OPTIONS, **options}).reset()
    return info["goal_distance"][:, 0].numpy().astype(np.int64)


@pytest.mark.parametrize("name", ["breadth_first_planner", "oracle_follower"])
def test_a_planner_takes_a_shortest_way(name):
    assert np.array_equal(evaluation(name).lengths, first_distances())


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_wall_follower_reaches_every_goal_along_the_contour(side):
    walk = evaluation(f"wall_follower_{side}")
    assert np.all(walk.returns == 1)
    assert walk.lengths.max() <= 2 * (36 - 1)
    assert walk.lengths.mean() > first_distances().mean()


def test_hands_differ():
    assert not np.array_equal(evaluation("wall_follower_left").lengths, evaluation("wall_follower_right").lengths)


@pytest.mark.parametrize("view", [3, 5, 7, 15])
@pytest.mark.parametrize("name", ["depth_first_explorer", "frontier_explorer"])
def test_an_explorer_finds_every_goal_and_crosses_no_connection_more_than_twice(name, view):
    walk = evaluation(name, view=view, size=9)
    assert np.all(walk.returns == 1)
    if name == "depth_first_explorer":
        assert walk.lengths.max() <= 2 * (81 - 1)


def test_a_map_saves_steps_and_a_wider_window_saves_more():
    lengths = {
        view: evaluation("frontier_explorer", view=view, size=9, tasks=1000).lengths.mean() for view in (3, 7, 13)
    }
    explorer = evaluation("depth_first_explorer", view=3, size=9, tasks=1000).lengths.mean()
    assert explorer == lengths[3]  # in a tree, the nearest unseen side is where backing up leads
    assert lengths[3] > lengths[7] > lengths[13] > first_distances(1000, size=9).mean()


def test_a_second_trial_in_the_same_maze_is_shorter_for_who_remembers_and_not_for_who_does_not():
    options = {"size": 8, "view": 5, "trials": 2}

    def steps_by_trial(name):
        agent = make_reference(name, options, 1)
        env = make_vec("Maze-v0", 500, seed=2, history=True, **needed_options(name, options))
        obs, _ = env.reset()
        carry, over = agent.initial_carry(500), torch.zeros(500, dtype=torch.bool)
        trial, steps = torch.zeros(500, dtype=torch.int64), torch.zeros(500, 2, dtype=torch.int64)
        reached = torch.zeros(500, 2, dtype=torch.bool)
        while not over.all():  # what a slot does after its first episode is not counted
            action, carry = agent.act(obs, carry)
            steps[torch.arange(500), trial] += ~over
            obs, reward, terminated, truncated, _ = env.step(action)
            reached[torch.arange(500), trial] |= (reward > 0) & ~over
            over |= terminated | truncated
            trial += (obs["trial_start"][:, 0] & ~over).long()
        both = reached.all(dim=1)
        return steps[both].double().mean(dim=0), int(both.sum())

    first, second = steps_by_trial("frontier_explorer")[0]
    assert second < 0.75 * first
    for forgetful in ("wall_follower_right", "depth_first_explorer"):
        first, second = steps_by_trial(forgetful)[0]
        assert abs(second - first) < 0.05 * first


def grid_of(tiles):
    size = len(tiles) // 2
    opened = {
        (r, c): [d for d, (y, x) in enumerate(MOVES) if tiles[2 * r + 1 + y, 2 * c + 1 + x] != 0]
        for r in range(size)
        for c in range(size)
    }
    agent, goal = (tuple(int(i[0]) // 2 for i in np.nonzero(tiles == kind)) for kind in (3, 2))
    return opened, agent, goal


def search(opened, begin):
    """{cell: (steps, first direction)}, breadth-first, in the order cells are reached."""
    found, queue = {begin: (0, None)}, deque([begin])
    while queue:
        cell = queue.popleft()
        for d in opened[cell]:
            there = (cell[0] + MOVES[d][0], cell[1] + MOVES[d][1])
            if there not in found:
                found[there] = (found[cell][0] + 1, d if cell == begin else found[cell][1])
                queue.append(there)
    return found


@pytest.mark.parametrize("depth", [1, 2, 5, 9, 64])
def test_the_lookahead_goes_where_its_rule_says(depth):
    agent = NativeMazeAgent("lookahead", 7, depth=depth)
    obs, _ = make_vec("Maze-v0", 200, seed=3, history=True, size=7, view=0).reset()
    actions, _ = agent.act(obs, agent.initial_carry(200))
    for tiles, action in zip(obs["view"].numpy(), actions.tolist(), strict=True):
        opened, at, goal = grid_of(tiles)
        found = [(cell, s, d) for cell, (s, d) in search(opened, at).items() if 0 < s <= depth]
        best = min(found, key=lambda f: (f[0][0] - goal[0]) ** 2 + (f[0][1] - goal[1]) ** 2)
        assert action == best[2]


def test_greed_is_a_lookahead_of_one_and_deep_lookahead_is_planning():
    obs, _ = make_vec("Maze-v0", 500, seed=4, history=True, size=8, view=0).reset()

    def actions(name, **how):
        agent = NativeMazeAgent(name, 8, **how)
        return agent.act(obs, agent.initial_carry(500))[0]

    assert torch.equal(actions("greedy"), actions("lookahead", depth=1))
    assert torch.equal(actions("breadth_first_planner"), actions("lookahead", depth=64))
    assert not torch.equal(actions("greedy"), actions("breadth_first_planner"))


def test_success_rises_with_the_depth_of_search():
    def success(depth):
        agent = NativeMazeAgent("lookahead", 8, depth=depth)
        options = {"size": 8, "view": 0}
        return evaluate_agent(agent, "", "", world="Maze-v0", options=options, tasks=500, seed=6).returns.mean()

    rates = [success(depth) for depth in (1, 4, 16, 64)]
    assert rates == sorted(rates) and rates[0] < 0.4 and rates[-1] == 1


def test_the_corner_seeker_ends_in_the_corner_where_the_goal_is_not():
    env = make_vec("Maze-v0", 300, seed=8, size=7, view=0, history=True)
    obs, _ = env.reset()
    agent = NativeMazeAgent("corner_seeker", 7)
    carry, over = agent.initial_carry(300), torch.zeros(300, dtype=torch.bool)
    for _ in range(49):
        action, carry = agent.act(obs, carry)
        obs, _, terminated, truncated, _ = env.step(action)
        over |= terminated | truncated
    away = (obs["view"][:, 1, -2] == 3) & ~over
    assert away.sum() > 150 and (away | over).all()  # what did not meet the goal on its way stands in the corner


def test_the_random_agent_draws_every_action_alike_and_is_its_seeds():
    agent = NativeMazeAgent("random", 6, seed=1)
    view = torch.zeros(40_000, 3, 3, dtype=torch.uint8)
    carry = agent.initial_carry(40_000)
    first, carry = agent.act({"view": view}, carry)
    second, _ = agent.act({"view": view}, carry)
    for counts in (torch.bincount(first), torch.bincount(second), torch.bincount(first * 4 + second) * 4):
        assert ((counts / 10_000 - 1).abs() < 0.1).all()
    assert not torch.equal(
        first, NativeMazeAgent("random", 6, seed=2).act({"view": view}, agent.initial_carry(40_000))[0]
    )


def test_threads_change_no_action():
    obs, _ = make_vec("Maze-v0", 1000, seed=4, history=True, size=8, view=0).reset()
    for name in ("breadth_first_planner", "random"):
        one, many = (NativeMazeAgent(name, 8, num_threads=n) for n in (1, 7))
        a, b = (agent.act(obs, agent.initial_carry(1000)) for agent in (one, many))
        assert torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])


def test_bad_arguments_are_named():
    for bad, error in (
        ({"name": "thermostat"}, ValueError), ({"size": 2}, ValueError), ({"size": 65}, ValueError),
        ({"depth": 0}, ValueError), ({"region": 7}, ValueError), ({"seed": -1}, ValueError), ({"size": "6"}, TypeError),
    ):  # fmt: skip
        with pytest.raises(error, match=next(iter(bad))):
            NativeMazeAgent(**{"name": "greedy", "size": 6, **bad})
    agent = NativeMazeAgent("breadth_first_planner", 6)
    with pytest.raises(ValueError, match="view"):
        agent.act({"view": torch.zeros(2, 5, 5, dtype=torch.uint8)}, agent.initial_carry(2))


def test_every_agent_is_listed_with_its_nature():
    assert set(NATIVE) | {"oracle_follower"} == set(REFERENCES)
    assert all(reference.nature and reference.what for reference in REFERENCES.values())
