"""Corridor-v0 against its rules written again in plain Python."""

import numpy as np
import pytest

from mesasim import _core, make_vec

SLOTS, STEPS, SEED = 50, 120, 4


class Rules:
    """One slot: the goal's end is the top bit of the task's first random word; a walk ends at either end."""

    def __init__(self, length, trials, slot, episode=0):
        self.length, self.trials = length, trials
        word = _core.philox4x32_10([0, episode, slot, 0], [SEED, 0])[0]
        self.goal = length - 1 if word >> 31 else 0
        self.cell, self.trial = length // 2, 0

    def step(self, action):
        """(reward, terminated)"""
        self.cell += 1 if action == 1 else -1
        if self.cell not in (0, self.length - 1):
            return 0.0, False
        reward = float(self.cell == self.goal)
        self.trial += 1
        if self.trial < self.trials:
            self.cell = self.length // 2
        return reward, self.trial == self.trials


@pytest.mark.parametrize(("length", "trials"), [(7, 4), (3, 1), (5, 3)])
def test_every_step_follows_the_rules(length, trials):
    env = make_vec(
        "Corridor-v0", SLOTS, seed=SEED, oracle=True, autoreset_mode="SameStep", length=length, trials=trials
    )
    env.reset()
    episodes = [0] * SLOTS
    slots = [Rules(length, trials, slot) for slot in range(SLOTS)]
    rng = np.random.default_rng(1)
    for _ in range(STEPS):
        actions = rng.integers(0, 2, SLOTS)
        cell, reward, terminated, _, info = env.step(actions)
        for i, rules in enumerate(slots):
            expected = rules.step(actions[i])
            if expected[1]:
                assert info["final_obs"][i, 0] == rules.cell
                episodes[i] += 1
                slots[i] = rules = Rules(length, trials, i, episodes[i])
            assert (float(reward[i]), bool(terminated[i])) == expected
            assert cell[i, 0] == rules.cell and info["goal_cell"][i, 0] == rules.goal
    assert min(episodes) > 0


def test_both_ends_hold_the_goal_equally_often():
    _, info = make_vec("Corridor-v0", 10000, seed=1, oracle=True).reset()
    assert abs((info["goal_cell"] == 0).float().mean() - 0.5) < 0.02  # four standard errors


def test_an_even_corridor_is_refused():
    with pytest.raises(ValueError, match="length: got 8, allowed: an odd number"):
        make_vec("Corridor-v0", 1, length=8)
