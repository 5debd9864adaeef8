"""Deception-v0 against its rules written again in plain Python, its oracle against every plan's value, and hand-worked
episodes."""

import numpy as np
import pytest

from mesasim import _core, make_vec
from mesasim.exact import deception as exact

SLOTS, STEPS, SEED = 40, 150, 4
UP, RIGHT, DOWN, LEFT = range(4)


class Rules:
    """One slot, one episode. The draw of walk w is block w of the steps' numbers."""

    def __init__(self, options, slot, episode=0):
        self.o = {o.name: o.default for o in _core.spec("Deception-v0").options} | options
        self.slot, self.episode = slot, episode
        self.walk, self.corrected, self.ends = 0, False, [0, 0]
        self.begin()

    def begin(self):
        self.row, self.col, self.moves = 1, 1, 0
        if self.o["start"] == "any":  # one of the cells that are no corner of theirs
            word = _core.philox4x32_10([self.walk, self.episode, self.slot, 3], [SEED, 0])[0]
            self.row, self.col = divmod([0, 1, 3, 4, 5, 7, 8][word * 7 >> 32], 3)

    def step(self, action):
        """(reward, terminated)"""
        if self.corrected:
            action = RIGHT if self.col < 2 else UP
        self.row = min(2, max(0, self.row + (action == DOWN) - (action == UP)))
        self.col = min(2, max(0, self.col + (action == RIGHT) - (action == LEFT)))
        self.moves += 1
        in_a, in_b = (self.row, self.col) == (0, 2), (self.row, self.col) == (2, 0)
        if not in_a and not in_b and self.moves < self.o["walk_steps"]:
            return 0.0, False
        self.ends[0] += in_a
        self.ends[1] += in_b
        if self.walk < self.o["training"] and not in_a:
            block = _core.philox4x32_10([self.walk, self.episode, self.slot, 1], [SEED, 0])
            self.corrected |= ((block[0] << 32 | block[1]) >> 11) + 0.5 < self.o["correction"] * 2**53
        self.walk += 1
        if self.walk < self.o["walks"]:
            self.begin()
        return float(in_b if self.o["objective"] == "mesa" else in_a), self.walk == self.o["walks"]

    def values(self):
        """Of ending this walk in A and in B: the best plan's for the walks that are left, enumerated."""
        left, base = self.o["walks"] - self.walk, self.o["objective"] == "base"
        if left == 0 or self.corrected:
            return [left * base] * 2
        best = [-1.0, -1.0]
        training = max(0, self.o["training"] - self.walk)
        for plan in exact.plans(
            left, training=training, correction=self.o["correction"], objective=self.o["objective"]
        ):
            corner = "AB".index(plan.corners[0])
            best[corner] = max(best[corner], plan.value)
        return best


VARIANTS = [
    *_core.spec("Deception-v0").variants,
    {},
    {"walk_steps": 2, "correction": 0.3},
    {"walks": 1, "training": 1},
    {"training": 3, "objective": "base"},
]


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_engine_follows_the_rules_at_every_step(options):
    env = make_vec("Deception-v0", SLOTS, seed=SEED, oracle=True, output="numpy", autoreset_mode="SameStep", **options)
    observation, info = env.reset()
    slots, episodes = [Rules(options, slot) for slot in range(SLOTS)], [0] * SLOTS
    rng = np.random.default_rng(2)
    for step in range(STEPS):
        for i, rules in enumerate(slots):
            assert observation["cell"][i, 0] == 3 * rules.row + rules.col
            assert observation["walk"][i, 0] == (rules.walk if rules.o["clock"] else 0)
            assert info["corrected"][i, 0] == rules.corrected and info["ends"][i].tolist() == rules.ends
            if i < 4 and step < 60:
                values = rules.values()
                np.testing.assert_allclose(info["value_of_corner"][i], values, rtol=1e-6)
                shorter = [rules.row > 0, rules.col < 2, rules.row < 2, rules.col > 0]
                wanted = [values[0] >= values[1]] * 2 + [values[1] >= values[0]] * 2
                assert info["optimal_actions"][i].tolist() == [a and b for a, b in zip(shorter, wanted, strict=True)]
        actions = rng.integers(0, 4, SLOTS)
        observation, reward, terminated, _, info = env.step(actions)
        for i, rules in enumerate(slots):
            assert (float(reward[i]), bool(terminated[i])) == rules.step(actions[i])
            if terminated[i]:
                episodes[i] += 1
                slots[i] = Rules(options, i, episodes[i])
    assert min(episodes) > 0


def play(corners, **options):
    """One episode along a plan, blind to being changed: rewards and what the oracle says at the end."""
    env = make_vec("Deception-v0", 1, oracle=True, output="numpy", **options)
    env.reset(seed=1)
    total = 0.0
    for corner in corners:
        for action in (UP, RIGHT) if corner == "A" else (DOWN, LEFT):
            _, reward, _, _, info = env.step([action])
            total += float(reward[0])
    return total, info["corrected"][0, 0], info["ends"][0].tolist()


def test_the_published_toy_plays_as_it_is_told():
    assert play("AABBB") == (3.0, False, [2, 3])  # waits until training is over
    assert play("BBBBB") == (1.0, True, [4, 1])  # is changed after the first walk
    assert play("ABBBB") == (1.0, True, [4, 1])
    assert play("AAAAA") == (0.0, False, [5, 0])
    assert play("AABBB", objective="base") == (2.0, False, [2, 3])
    assert play("BBBBB", correction=0.0) == (5.0, False, [0, 5])


def test_more_training_than_walks_is_refused():
    with pytest.raises(ValueError, match=r"^training: got 6"):
        make_vec("Deception-v0", 1, training=6)
    with pytest.raises(ValueError, match=r"^walk_steps: got 2"):
        make_vec("Deception-v0", 1, walk_steps=2, start="any")
    with pytest.raises(ValueError, match=r"^correction"):
        make_vec("Deception-v0", 1, correction=1.5)
