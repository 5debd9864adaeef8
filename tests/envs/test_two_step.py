"""TwoStep-v0 against its rules written again in plain Python, then its frequencies and cases worked by hand."""

import numpy as np
import pytest

import mesasim
from mesasim import _core

# The rules, once more


def words(seed, slot, episode, purpose, index):
    return _core.philox4x32_10([index, episode, slot, purpose], [seed & 0xFFFFFFFF, seed >> 32])


class PlainTwoStep:
    """One slot, one episode."""

    def __init__(self, options, key):
        self.o = {o.name: o.default for o in _core.spec("TwoStep-v0").options} | options
        self.key, self.trial, self.state, self.transition, self.regret = key, 0, 0, -1, 0.0
        self.good = 2 if words(*key, 0, 0)[0] >= 2**31 else 1
        self.weights = [0.5, 0.5]  # of state 1's and of state 2's being good

    def happens(self, word, chance):
        return word / 2**32 < chance

    def step(self, action):
        transition, reward, switch, _ = words(*self.key, 1, self.trial)
        if self.state == 0:
            common = self.happens(transition, self.o["common"])
            self.transition, self.state = int(common), action + 1 if common else 2 - action
            self.regret += (action + 1 != self.good) * (2 * self.o["common"] - 1) * (2 * self.o["reward"] - 1)
            return 0.0, False, False
        chance = self.o["reward"] if self.state == self.good else 1 - self.o["reward"]
        paid = self.happens(reward, chance)
        likely = [self.o["reward"] if (state + 1 == self.state) == paid else 1 - self.o["reward"] for state in (0, 1)]
        joint = [w * p for w, p in zip(self.weights, likely, strict=True)]
        h, total = self.o["switching"], sum(joint)
        self.weights = [((1 - h) * joint[i] + h * joint[1 - i]) / total for i in (0, 1)]
        self.trial, self.state = self.trial + 1, 0
        over = self.trial == self.o["trials"]
        if not over and self.happens(switch, h):
            self.good = 3 - self.good
        return float(paid), over, True

    def optimal(self):
        if self.state != 0 or self.o["common"] == 0.5:  # neither leads anywhere the other does not
            return [True, True]
        gap = self.weights[0] - self.weights[1]
        return [gap > -1e-9, gap < 1e-9]


VARIANTS = [
    *_core.spec("TwoStep-v0").variants,
    {"trials": 1},
    {"trials": 30, "common": 0.5},
    {"trials": 30, "reward": 1.0, "switching": 0.1},
    {"trials": 30, "common": 0.6, "reward": 0.7, "switching": 0.5},
]


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_engine_follows_the_rules_at_every_step(options):
    for seed, first_slot in ((0, 0), (2**63 + 12345, 2**32 - 3)):
        env = mesasim.make_vec(
            "TwoStep-v0", 3, first_slot=first_slot, oracle=True, history=True, output="numpy", **options
        )
        observation, info = env.reset(seed=seed)
        episodes, ended = [0, 0, 0], [False] * 3
        plain = [PlainTwoStep(options, (seed, first_slot + slot, 0)) for slot in range(3)]
        rng = np.random.default_rng(seed)
        for _ in range(70):
            for slot, task in enumerate(plain):
                assert observation["state"][slot, 0] == task.state
                assert info["good_state"][slot, 0] == task.good
                np.testing.assert_allclose(info["belief"][slot, 0], task.weights[0], rtol=1e-6, atol=1e-12)
                assert info["optimal_actions"][slot].tolist() == task.optimal()
                assert info["transition"][slot, 0] == task.transition
                np.testing.assert_allclose(info["expected_regret"][slot, 0], task.regret, rtol=1e-6, atol=1e-12)
            actions = rng.integers(2, size=3)
            observation, reward, terminated, _, info = env.step(actions)
            for slot in range(3):
                if ended[slot]:
                    episodes[slot] += 1
                    plain[slot] = PlainTwoStep(options, (seed, first_slot + slot, episodes[slot]))
                    paid, end, trial_over = 0.0, False, True
                else:
                    paid, end, trial_over = plain[slot].step(int(actions[slot]))
                assert (reward[slot], terminated[slot]) == (paid, end)
                assert observation["trial_start"][slot, 0] == trial_over
                ended[slot] = end


# Frequencies, over 20,000 slots: within 4 standard errors


def play(steps, choose, slots=20_000, **options):
    """[steps, slots] of each field before the action, and of the rewards after it."""
    env = mesasim.make_vec("TwoStep-v0", slots, seed=7, oracle=True, history=True, output="numpy", **options)
    observation, info = env.reset()
    seen = []
    for _ in range(steps):
        row = {"state": observation["state"][:, 0].copy(), "good": info["good_state"][:, 0].copy()}
        row["action"] = choose(row)
        observation, reward, _, _, info = env.step(row["action"])
        row |= {"reward": reward.copy(), "transition": info["transition"][:, 0].copy()}
        seen.append(row)
    return {name: np.stack([row[name] for row in seen]) for name in seen[0]}


def close(share, expected, count):
    return abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / count) + 1e-12


@pytest.mark.parametrize(("common", "reward"), [(0.75, 0.9), (0.6, 0.7), (1.0, 1.0)])
def test_transitions_and_rewards_come_as_often_as_said(common, reward):
    seen = play(2, lambda row: np.arange(20_000) % 2, common=common, reward=reward)
    toward = seen["state"][1] == seen["action"][0] + 1
    assert (seen["transition"][1] == toward).all()
    assert close(toward.mean(), common, 20_000) and close((seen["good"][0] == 1).mean(), 0.5, 20_000)
    at_good = seen["state"][1] == seen["good"][1]
    assert close(seen["reward"][1][at_good].mean(), reward, at_good.sum())
    assert close(seen["reward"][1][~at_good].mean(), 1 - reward, (~at_good).sum())
    assert not seen["reward"][0].any()


def test_the_good_state_switches_as_often_as_said_and_only_between_trials():
    seen = play(20, lambda row: np.zeros(20_000, int), switching=0.3, trials=10)
    changed = seen["good"][1:] != seen["good"][:-1]
    assert not changed[::2].any()  # from a first stage to its second stage
    assert close(changed[1::2].mean(), 0.3, changed[1::2].size)
    assert abs(np.corrcoef(changed[1::2].astype(float)) - np.eye(9)).max() < 0.05


def test_second_stage_actions_change_nothing():
    always = [play(20, lambda row, a=a: np.where(row["state"] == 0, 1, a), slots=500) for a in (0, 1)]
    for name in ("state", "reward", "good"):
        assert np.array_equal(always[0][name], always[1][name])


# Cases worked by hand


def test_the_belief_after_one_reward_is_nine_tenths():
    env = mesasim.make_vec("TwoStep-v0", 400, seed=3, oracle=True, history=True, output="numpy")
    env.reset()
    env.step(np.zeros(400, int))
    _, reward, _, _, info = env.step(np.zeros(400, int))
    toward = (reward > 0) == (info["transition"][:, 0] == 1)  # a reward in state 1 or none in state 2
    np.testing.assert_allclose(info["belief"][:, 0], np.where(toward, 0.9, 0.1), rtol=1e-6)
    assert np.array_equal(info["optimal_actions"], np.stack([toward, ~toward], 1))


def test_belief_calibrates():
    """Of the slots that believe state 1 good with probability p, a share of p is right, p far from 1/2 and near it."""
    env = mesasim.make_vec("TwoStep-v0", 20_000, seed=5, oracle=True, output="numpy", trials=12, switching=0.1)
    env.reset()
    for step in range(22):
        info = env.step(np.full(20_000, step % 4 // 2))[4]
    belief, right = info["belief"][:, 0].astype(float), info["good_state"][:, 0] == 1
    for low in np.arange(0, 1, 0.1):
        some = (belief >= low) & (belief < low + 0.1)
        if some.sum() > 50:
            assert abs((right - belief)[some].sum()) < 4 * np.sqrt((belief * (1 - belief))[some].sum())


@pytest.mark.parametrize(
    "options", [{"common": 0.4}, {"reward": 1.1}, {"switching": -0.1}, {"trials": 0}, {"reward": float("nan")}]
)
def test_impossible_probabilities_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        mesasim.make_vec("TwoStep-v0", 1, **options)
