"""The finite-horizon solver: cases worked by hand, and every policy of small MDPs tried."""

from itertools import product

import numpy as np
import pytest

from mesasim.exact import tabular_mdp


def random_mdps(tasks, states, actions, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(1, 1, (tasks, states, actions)), rng.dirichlet(np.ones(states), (tasks, states, actions))


def test_two_states_by_hand():
    """Action 1 in state 0 pays nothing and leads to state 1, which pays 10 once and for ever stays."""
    rewards = np.array([[[1.0, 0.0], [10.0, 10.0]]])
    chances = np.array([[[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]]])
    solved = tabular_mdp.solve(rewards, chances, 3)
    assert solved.values[0, :, 0].tolist() == [20, 10, 1, 0]
    assert solved.action_values[0, :, 0].tolist() == [[11, 20], [2, 10], [1, 0]]


def test_no_policy_of_all_does_better():
    tasks, states, actions, horizon = 5, 2, 2, 3
    rewards, chances = random_mdps(tasks, states, actions)
    solved = tabular_mdp.solve(rewards, chances, horizon)
    best = np.full((tasks, states), -np.inf)
    for policy in product(range(actions), repeat=horizon * states):
        table, value = np.array(policy).reshape(horizon, states), np.zeros((tasks, states))
        for step in reversed(range(horizon)):
            chosen = table[step]
            where = np.arange(states)
            value = rewards[:, where, chosen] + np.einsum("nst,nt->ns", chances[:, where, chosen], value)
        best = np.maximum(best, value)
    np.testing.assert_allclose(solved.values[:, 0], best)


def test_many_mdps_are_solved_as_each_alone():
    rewards, chances = random_mdps(7, 4, 3)
    together = tabular_mdp.solve(rewards, chances, 6)
    for task in range(7):
        alone = tabular_mdp.solve(rewards[task : task + 1], chances[task : task + 1], 6)
        np.testing.assert_allclose(together.values[task], alone.values[0])


def test_the_floor_is_what_random_actions_earn():
    rewards, chances = random_mdps(4000, 10, 5)
    value = np.zeros((4000, 10))
    for _ in range(10):
        value = rewards.mean(axis=2) + np.einsum("nsat,nt->ns", chances, value) / 5
    floor = tabular_mdp.floor({"mean": 1.0, "horizon": 10, "trials": 1})
    assert abs(value[:, 0].mean() - floor) < 4 * value[:, 0].std() / np.sqrt(4000)


@pytest.mark.parametrize("name", ["transitions", "mean_rewards", "horizon"])
def test_bad_input_is_named(name):
    rewards, chances = random_mdps(2, 3, 2)
    bad = {
        "transitions": [(rewards, chances * 1.1, 3), (rewards, chances[:, :, :1], 3)],
        "mean_rewards": [(np.full_like(rewards, np.nan), chances, 3)],
        "horizon": [(rewards, chances, 0), (rewards, chances, 1.5)],
    }
    for arguments in bad[name]:
        with pytest.raises(ValueError, match=name):
            tabular_mdp.solve(*arguments)
