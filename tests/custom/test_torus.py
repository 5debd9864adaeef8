"""A world that uses all that a world in Python may (arrays in its record, every type of option, fields of two axes, every draw)
against its rules written again in plain Python."""

import numpy as np
import pytest
from custom.twins import SIDE
from plain.draws import PLACEMENT, STEP, TASK, Draws

import mesasim
from mesasim import _core
from mesasim.testing import check_vector_env, scripted_actions

SLOTS, STEPS, SEED = 40, 90, 6


class Rules:
    """One slot."""

    def __init__(self, slot, episode=0, *, kind="floor", slip=0.25, spread=1.5, tires=True):
        self.kind, self.slip, self.tires, self.key = kind, slip, tires, (SEED, slot, episode)
        self.row, self.col = divmod(Draws(self.key, PLACEMENT).below(SIDE * SIDE), SIDE)
        self.worth = float(_core.normal_quantile(Draws(self.key, TASK).uniform())) * spread
        self.visits = np.zeros((SIDE, SIDE), int)
        self.visits[self.row, self.col] = 1
        self.slips, self.tired = 0, False

    def step(self, action):
        """(reward, terminated, trial over)"""
        draws = Draws(self.key, STEP)
        slipped = [draws.uniform() for _ in range(self.visits.sum())][-1] < self.slip
        if slipped:
            self.slips, self.worth = self.slips + 1, self.worth * 0.75 + 0.125
        elif action == 0:
            self.row = (self.row - 1) % SIDE
        elif action == 1:
            self.col = (self.col + 1) % SIDE
        self.visits[self.row, self.col] += 1
        self.tired = self.tires and self.slips > 2
        reward = self.worth if self.visits[self.row, self.col] == 1 else -0.5
        return np.float32(reward), self.kind == "pit" and self.row == self.col == 0, slipped


@pytest.mark.parametrize("options", [{}, {"kind": "pit", "slip": 0.1}, {"slip": 1, "tires": False, "spread": 0}])
def test_every_step_follows_the_rules(options):
    env = mesasim.make_vec("Torus-v0", SLOTS, seed=SEED, history=True, num_threads=1, **options)
    env.reset()
    slots, over, ended = [Rules(slot, **options) for slot in range(SLOTS)], [False] * SLOTS, 0
    for step in range(STEPS):
        actions = scripted_actions(env, step)
        seen, reward, terminated, truncated, _ = env.step(actions)
        for slot, rules in enumerate(slots):
            if over[slot]:
                rules = slots[slot] = Rules(slot, rules.key[2] + 1, **options)
                expected = (0.0, False, True)
            else:
                expected = rules.step(int(actions[slot]))
            assert (reward[slot], terminated[slot], seen["trial_start"][slot]) == expected
            assert np.array_equal(seen["map"][slot], rules.visits) and seen["tired"][slot] == rules.tired
            assert seen["worth"][slot].tolist() == [np.float32(rules.worth), rules.slips]
            over[slot] = bool(terminated[slot] | truncated[slot])
            ended += over[slot]
    assert ended > SLOTS


def test_its_single_form_and_its_picture():
    check_vector_env(mesasim.MesaVectorEnv("Torus-v0", 4, output="numpy", autoreset_mode="SameStep"))
    env = mesasim.make_vec("Torus-v0", 3, render_mode="ansi", seed=1)
    seen, _ = env.reset()
    for frame, visits in zip(env.render(), seen["map"], strict=True):
        assert frame.replace("\n", "").index("A") == int(visits.flatten().argmax()) and frame.count("A") == 1
    pixels = mesasim.make_vec("Torus-v0", 1, render_mode="rgb_array", seed=1)
    pixels.reset()
    assert (pixels.render_slot(0) == [1, 2, 3]).all(axis=2).sum() == 64 and pixels.render_slot(0).max() == 200


def test_options_are_checked_as_a_native_worlds():
    with pytest.raises(ValueError, match="slip: got 2, allowed: 0 to 1"):
        mesasim.make_vec("Torus-v0", slip=2)
    with pytest.raises(ValueError, match="kind: got 'lava', allowed: 'floor', 'pit'"):
        mesasim.make_vec("Torus-v0", kind="lava")
    with pytest.raises(TypeError, match="tires: got 1, allowed: True or False"):
        mesasim.make_vec("Torus-v0", tires=1)
    with pytest.raises(
        TypeError, match="arms: got 3, but Torus-v0 has no such option; allowed: kind, slip, spread, tires"
    ):
        mesasim.make_vec("Torus-v0", arms=3)
    with pytest.raises(ValueError, match="levels: got list, but Torus-v0 takes none"):
        mesasim.make_vec("Torus-v0", levels=[1])
    with pytest.raises(ValueError, match="num_threads: got 0, allowed: 1 to 1024"):
        mesasim.make_vec("Torus-v0", num_threads=0)
    with pytest.raises(ValueError, match="first_slot: got 4294967295, allowed: 0 to 4294967294"):
        mesasim.make_vec("Torus-v0", 2, first_slot=2**32 - 1)
