"""TabularMDP-v0 against its rules written again in plain Python, then its distributions and cases worked by hand."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from plain.draws import LAYOUT, STEP, TASK, Draws, unit
from scipy import stats

import mesasim
from mesasim import _core
from mesasim.exact import tabular_mdp

# The rules, once more


class PlainMDP:
    """One slot, one episode."""

    def __init__(self, options, key):
        self.o = {o.name: o.default for o in _core.spec("TabularMDP-v0").options} | options
        states, actions = self.o["states"], self.o["actions"]
        self.key, self.state, self.time, self.trial, self.regret, self.previous = key, 0, 0, 0, 0.0, 0
        draws = Draws(key, LAYOUT)
        drawn = [np.float32(self.o["mean"] + self.o["mean_std"] * draws.normal()) for _ in range(states * actions)]
        self.means = np.array(drawn, np.float64).reshape(states, actions)
        draws, rows = Draws(key, TASK), []
        for _ in range(states * actions):
            if self.o["alpha"] == 1:  # the gaps between uniform words
                cuts = sorted(draws.u32() / 2**32 for _ in range(states - 1))
            else:
                gamma = np.array([draws.gamma(self.o["alpha"]) for _ in range(states)])
                cuts = list(np.cumsum(gamma)[:-1] / gamma.sum())
            rows.append(np.diff([0.0, *cuts, 1.0]))
        self.chances = np.array(rows).reshape(states, actions, states)
        solved = tabular_mdp.solve(self.means[None], self.chances[None], self.o["horizon"])
        self.values, self.action_values = solved.values[0], solved.action_values[0]

    def step(self, action):
        draws = Draws(self.key, STEP).block(self.trial * self.o["horizon"] + self.time)
        reward = self.means[self.state, action] + self.o["reward_std"] * NormalDist().inv_cdf(
            unit(draws[0] << 32 | draws[1])
        )
        self.regret += self.values[self.time, self.state] - self.action_values[self.time, self.state, action]
        cuts, self.previous = self.chances[self.state, action].cumsum()[:-1], self.state
        self.state, self.time = int((cuts <= draws[2] / 2**32).sum()), self.time + 1
        if self.time < self.o["horizon"]:
            return reward, False, False
        self.state = self.time = 0
        self.trial += 1
        return reward, self.trial == self.o["trials"], True


VARIANTS = [
    *_core.spec("TabularMDP-v0").variants,
    {"states": 4, "actions": 3, "horizon": 5, "trials": 2, "alpha": 20.0, "mean": -3.0, "mean_std": 0.1},
    {"states": 25, "actions": 2, "horizon": 3, "trials": 4, "reward_std": 0.1},
]


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_engine_follows_the_rules_at_every_step(options):
    for seed, first_slot in ((0, 0), (2**63 + 12345, 2**32 - 3)):
        settings = dict(first_slot=first_slot, history=True, output="numpy", **options)
        env = mesasim.make_vec("TabularMDP-v0", 3, oracle=True, **settings)
        unseen = mesasim.make_vec("TabularMDP-v0", 3, **settings)  # which leaves its cuts as they were drawn
        observation, info = env.reset(seed=seed)
        unseen.reset(seed=seed)
        episodes, ended = [0, 0, 0], [False] * 3
        plain = [PlainMDP(options, (seed, first_slot + slot, 0)) for slot in range(3)]
        rng = np.random.default_rng(seed)
        for _ in range(40):
            for slot, mdp in enumerate(plain):
                assert observation["state"][slot, 0] == mdp.state
                if mdp.o["clock"]:
                    assert observation["step"][slot, 0] == mdp.time
                if mdp.o["previous"]:
                    assert observation["previous_state"][slot, 0] == mdp.previous
                np.testing.assert_allclose(info["optimal_value"][slot, 0], mdp.values[0, 0], rtol=1e-5)
                np.testing.assert_allclose(info["mean_rewards"][slot], mdp.means, rtol=1e-6)
                np.testing.assert_allclose(info["transitions"][slot], mdp.chances, atol=2e-7)
                np.testing.assert_allclose(info["expected_regret"][slot, 0], mdp.regret, rtol=1e-4, atol=1e-5)
                quality = mdp.action_values[mdp.time, mdp.state]
                tied = np.isclose(quality, quality.max(), rtol=1e-9, atol=1e-9)  # arms of one mean all are
                assert np.array_equal(info["optimal_actions"][slot], tied)
            actions = rng.integers(env.single_action_space.n, size=3)
            observation, reward, terminated, truncated, info = env.step(actions)
            assert not truncated.any()
            for name, array in unseen.step(actions)[0].items():
                assert np.array_equal(array, observation[name])
            for slot in range(3):
                if ended[slot]:
                    episodes[slot] += 1
                    plain[slot] = PlainMDP(options, (seed, first_slot + slot, episodes[slot]))
                    expected, end, trial_over = 0.0, False, True
                else:
                    expected, end, trial_over = plain[slot].step(int(actions[slot]))
                np.testing.assert_allclose(reward[slot], expected, rtol=2e-6, atol=2e-6)
                assert terminated[slot] == end and observation["trial_start"][slot, 0] == trial_over
                ended[slot] = end


# Distributions: p > 0.001


def tasks(num_envs=2000, seed=1, **options):
    env = mesasim.make_vec("TabularMDP-v0", num_envs, oracle=True, output="numpy", **options)
    return env, env.reset(seed=seed)[1]


@pytest.mark.parametrize("alpha", [1.0, 0.3, 5.0])
def test_transitions_are_dirichlet(alpha):
    _, info = tasks(alpha=alpha, states=6, actions=3)
    rows = info["transitions"].reshape(-1, 6).astype(np.float64)
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-6)
    for state in (0, 3, 5):  # each share of a Dirichlet is Beta(alpha, 5 alpha), and so are the sums of its halves
        assert stats.kstest(rows[:, state], stats.beta(alpha, 5 * alpha).cdf).pvalue > 0.001
        assert stats.kstest(rows[:, state], stats.beta(1.1 * alpha, 5.5 * alpha).cdf).pvalue < 0.001  # it sees 10 %
    assert stats.kstest(rows[:, [0, 2, 4]].sum(axis=1), stats.beta(3 * alpha, 3 * alpha).cdf).pvalue > 0.001


def test_mean_rewards_are_normal_and_independent():
    _, info = tasks(mean=2.0, mean_std=0.5, states=3, actions=2)
    means = info["mean_rewards"].reshape(-1, 6)
    assert stats.kstest(means.ravel(), stats.norm(2, 0.5).cdf).pvalue > 0.001
    assert abs(np.corrcoef(means.T) - np.eye(6)).max() < 0.1


def test_steps_come_as_often_as_the_transitions_say_and_rewards_are_normal():
    env, info = tasks(20_000, states=4, actions=2, horizon=3, reward_std=0.7)
    means, chances = info["mean_rewards"].copy(), info["transitions"].copy()
    slots = np.arange(20_000)
    observation = np.zeros(20_000, int)
    for action in (0, 1):
        before = observation
        observation, reward, *_ = env.step(np.full(20_000, action))
        observation = observation[:, 0].copy()
        row = chances[slots, before, action].astype(np.float64)
        for state in range(4):
            gap = (observation == state) - row[:, state]
            assert abs(gap.sum()) < 4 * np.sqrt((row[:, state] * (1 - row[:, state])).sum())
        assert stats.kstest(reward - means[slots, before, action], stats.norm(0, 0.7).cdf).pvalue > 0.001


def test_the_optimal_value_of_the_published_setting():
    """21.84 ± .04 for a trial of 10 steps, 10 states, 5 actions: measured before with other code."""
    _, info = tasks(8000, seed=3)
    value = info["optimal_value"].astype(np.float64)
    assert abs(value.mean() - 21.84) < 4 * math.hypot(0.04, value.std() / math.sqrt(len(value)))


# Cases worked by hand


def test_with_one_step_the_best_action_is_that_of_the_highest_mean():
    env, info = tasks(50, horizon=1, trials=3)
    means = info["mean_rewards"][:, 0]
    np.testing.assert_allclose(info["optimal_value"][:, 0], means.max(axis=1), rtol=1e-6)
    assert np.array_equal(info["optimal_actions"].argmax(axis=1), means.argmax(axis=1))
    info = env.step(means.argmin(axis=1))[4]
    np.testing.assert_allclose(info["expected_regret"][:, 0], means.max(axis=1) - means.min(axis=1), rtol=1e-5)


def test_what_is_optimal_earns_the_optimal_value():
    env, info = tasks(4000, reward_std=0.0)
    value, total = info["optimal_value"][:, 0].copy(), np.zeros(4000)
    for _ in range(100):
        _, reward, _, _, info = env.step(info["optimal_actions"].argmax(axis=1))
        total += reward
    assert (info["expected_regret"] == 0).all()
    gap = total - 10 * value
    assert abs(gap.mean()) < 4 * gap.std() / math.sqrt(4000)


def test_a_trial_starts_in_state_0_and_an_episode_keeps_its_mdp():
    env, info = tasks(8, horizon=2, trials=2, clock=True)
    first, states, clocks = info["mean_rewards"].copy(), [], []
    for step in range(4):
        observation, _, terminated, _, info = env.step(np.zeros(8, int))
        states.append(observation["state"][:, 0].copy())
        clocks.append(int(observation["step"][0, 0]))
        assert terminated.all() == (step == 3) and np.array_equal(info["mean_rewards"], first)
    assert clocks == [1, 0, 1, 0] and not states[1].any() and not states[3].any()
    assert not np.array_equal(env.step(np.zeros(8, int))[4]["mean_rewards"], first)


@pytest.mark.parametrize(
    "options",
    [{"states": 1}, {"actions": 1}, {"horizon": 0}, {"alpha": 0.0}, {"mean": float("nan")}, {"mean_std": -1.0}],
)
def test_impossible_options_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        mesasim.make_vec("TabularMDP-v0", 1, **options)
