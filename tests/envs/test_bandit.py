"""Bandit-v0 against its rules written again in plain Python, then its distributions and cases worked by hand."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from plain.draws import DRIFT, LAYOUT, MASK32, PLACEMENT, STEP, TASK, TIE, Draws, unit
from scipy import stats

import mesasim
from mesasim import _core

# The rules, once more


class PlainBandit:
    """One slot, one episode."""

    def __init__(self, options, key):
        self.o = {o.name: o.default for o in _core.spec("Bandit-v0").options} | options
        self.key, self.pull, self.regret = key, 0, 0.0
        self.gaussian, self.dependent = self.o["reward"] == "gaussian", self.o["prior"].startswith("dependent")
        self.task_number, task = None, key
        if self.o["num_tasks"]:
            self.task_number = Draws(key, PLACEMENT).below(self.o["num_tasks"])
            task = (self.o["task_seed"], self.task_number, MASK32)  # (seed, stream, episode)
        self.means = self.kept(self.draw_means(Draws(task, TASK)))
        if self.o["drift"] != "none":
            self.volatility = self.o["volatility"][Draws(task, LAYOUT).below(len(self.o["volatility"]))]
        self.counts, self.sums = [0] * self.o["arms"], [0.0] * self.o["arms"]

    def draw_means(self, draws):
        arms, prior = self.o["arms"], self.o["prior"]
        if self.dependent:
            u = draws.uniform()
            high = {"dependent_easy": 0.9, "dependent_medium": 0.75, "dependent_hard": 0.6}.get(prior)
            p = u if high is None else high if u < 0.5 else 1 - high
            return [p, 1 - p]
        if prior == "informative":
            target = draws.below(arms - 1)
            return [5.0 if arm == target else 1.0 for arm in range(arms - 1)] + [(target + 1) / (arms - 1)]
        if prior == "uniform" and not self.gaussian:  # 32 bits each, the threshold itself
            return [draws.u32() / 2**32 for _ in range(arms)]
        return [self.draw_mean(arm, draws) for arm in range(arms)]

    def draw_mean(self, arm, draws):
        if self.o["prior"] == "beta":
            alphas, betas = (self.o[n + "s"] or [self.o[n]] * self.o["arms"] for n in ("alpha", "beta"))
            return draws.beta(alphas[arm], betas[arm])
        if self.o["prior"] == "normal":
            return self.o["prior_mean"] + self.o["prior_std"] * draws.normal()
        return draws.uniform()

    def kept(self, means):
        """A Gaussian arm keeps its mean as a float32, a Bernoulli arm as 32 bits of threshold."""
        keep = np.float32 if self.gaussian else lambda mean: min(int(mean * 2**32), MASK32) / 2**32
        return [float(keep(mean)) for mean in means]

    def walked(self, mean, step):
        if self.gaussian:
            return mean + step
        folded = abs(mean + step) % 2
        return 2 - folded if folded > 1 else folded

    def drift(self):
        kind = self.o["drift"]
        for arm in range(1 if self.dependent or kind == "swap" else self.o["arms"]):
            draws = Draws(self.key, DRIFT)
            draws.index = 64 * (self.pull * self.o["arms"] + arm)
            if kind == "walk":
                to = self.walked(self.means[arm], self.volatility * draws.normal())
                self.means[: 2 if self.dependent else 0] = [to, 1 - to] if self.dependent else []
                self.means[arm] = to
            elif draws.uniform() < self.volatility:
                if kind == "swap":
                    self.means.reverse()
                elif self.dependent:
                    self.means = self.draw_means(draws)
                else:
                    self.means[arm] = self.draw_mean(arm, draws)
        self.means = self.kept(self.means)

    def step(self, arm):
        if self.gaussian:
            block = Draws(self.key, STEP).block(self.pull)
            noise = NormalDist().inv_cdf(unit(block[0] << 32 | block[1]))
            reward = np.float32(self.means[arm] + self.o["reward_std"] * noise)
        else:  # a 32-bit uniform below the threshold: its top byte first, the rest only in a tie
            limit = int(self.means[arm] * 2**32)
            byte = Draws(self.key, STEP).block(self.pull // 16)[self.pull % 16 // 4] >> self.pull % 4 * 8 & 255
            tie = Draws(self.key, TIE).block(self.pull)[0] >> 8
            reward = float((byte, tie) < (limit >> 24, limit & 0xFFFFFF))
        self.pull += 1
        self.counts[arm] += 1
        self.sums[arm] += reward
        self.regret += max(self.means) - self.means[arm]
        if self.o["drift"] != "none" and self.pull < self.o["pulls"]:
            self.drift()
        return reward, self.pull == self.o["pulls"]

    def observation(self):
        return self.pull if self.o["clock"] else 0


VARIANTS = [
    *_core.spec("Bandit-v0").variants,
    {"arms": 2, "prior": "dependent_easy", "pulls": 40},
    {"arms": 2, "prior": "dependent_medium", "reward": "gaussian"},
    {"prior": "beta", "alpha": 0.05, "beta": 0.05, "reward": "gaussian", "reward_std": 0.0},
    {"prior": "normal", "reward": "gaussian", "prior_mean": -3.0, "prior_std": 0.0, "pulls": 1, "arms": 3},
    {"arms": 128, "pulls": 50, "clock": True},
    {"arms": 3, "drift": "walk", "volatility": [0.0, 0.1, 2.5], "pulls": 30},
    {"arms": 2, "prior": "dependent_medium", "drift": "walk", "volatility": [0.3], "reward": "gaussian"},
    {"arms": 2, "prior": "dependent_uniform", "drift": "redraw", "volatility": [0.5], "num_tasks": 1},
    {"arms": 2, "drift": "swap", "volatility": [0.5], "reward": "gaussian"},
    {"prior": "beta", "alpha": 0.2, "beta": 0.3, "drift": "redraw", "volatility": [0.9]},
    {"prior": "normal", "reward": "gaussian", "num_tasks": 2, "task_seed": 2**31 - 1},
    {"arms": 4, "prior": "informative", "reward": "gaussian", "num_tasks": 5},
]


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_engine_follows_the_rules_at_every_step(options):
    for seed, first_slot in ((0, 0), (2**63 + 12345, 2**32 - 3)):
        env = mesasim.make_vec("Bandit-v0", 3, first_slot=first_slot, oracle=True, output="numpy", **options)
        observation, info = env.reset(seed=seed)
        episodes = [0, 0, 0]
        plain = [PlainBandit(options, (seed, first_slot + slot, 0)) for slot in range(3)]
        rng = np.random.default_rng(seed)
        ended = [False] * 3
        for _ in range(35 if options.get("arms", 0) < 100 else 60):
            for slot, bandit in enumerate(plain):
                assert observation[slot, 0] == bandit.observation()
                np.testing.assert_allclose(info["arm_means"][slot], bandit.means, rtol=1e-6, atol=1e-9)
                assert info["best_arm"][slot, 0] == bandit.means.index(max(bandit.means))
                assert info["pull_counts"][slot].tolist() == bandit.counts
                if "volatility" in info:
                    assert info["volatility"][slot, 0] == np.float32(bandit.volatility)
                if "task_number" in info:
                    assert info["task_number"][slot, 0] == bandit.task_number
                np.testing.assert_allclose(info["reward_sums"][slot], bandit.sums, rtol=1e-4, atol=1e-5)
                np.testing.assert_allclose(info["expected_regret"][slot, 0], bandit.regret, rtol=1e-5, atol=1e-6)
            actions = rng.integers(env.single_action_space.n, size=3)
            observation, reward, terminated, truncated, info = env.step(actions)
            assert not truncated.any()
            for slot in range(3):
                expected, end = (0.0, False) if ended[slot] else plain[slot].step(int(actions[slot]))
                np.testing.assert_allclose(reward[slot], expected, rtol=2e-6, atol=1e-6)
                assert terminated[slot] == end
                if ended[slot]:
                    episodes[slot] += 1
                    plain[slot] = PlainBandit(options, (seed, first_slot + slot, episodes[slot]))
                ended[slot] = end


# Distributions: 20,000 tasks, p > 0.001


def tasks(num_envs=20_000, seed=1, **options):
    env = mesasim.make_vec("Bandit-v0", num_envs, oracle=True, output="numpy", **options)
    return env, env.reset(seed=seed)[1]["arm_means"]


def p_value(sample, law):
    return stats.kstest(sample.astype(np.float64).ravel()[:50_000], law).pvalue


@pytest.mark.parametrize("reward", ["bernoulli", "gaussian"])
def test_uniform_prior_is_uniform_and_its_arms_independent(reward):
    _, means = tasks(reward=reward)
    assert p_value(means, stats.uniform.cdf) > 0.001
    assert p_value(means, stats.uniform(0, 1.02).cdf) < 0.001  # the test sees 2 %
    assert abs(np.corrcoef(means.T) - np.eye(5)).max() < 0.04


@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 3.0), (1.0, 1.0), (20.0, 5.0), (0.3, 0.3)])
def test_beta_prior_is_beta(alpha, beta):
    _, means = tasks(prior="beta", alpha=alpha, beta=beta)
    assert p_value(means, stats.beta(alpha, beta).cdf) > 0.001
    assert p_value(means, stats.beta(alpha * 1.1, beta).cdf) < 0.001


def test_normal_prior_is_normal():
    _, means = tasks(prior="normal", reward="gaussian", prior_mean=2.0, prior_std=3.0)
    assert p_value(means, stats.norm(2, 3).cdf) > 0.001
    assert p_value(means, stats.norm(2.1, 3).cdf) < 0.001


def test_dependent_arms_sum_to_one():
    _, means = tasks(prior="dependent_uniform", arms=2)
    assert p_value(means[:, 0], stats.uniform.cdf) > 0.001
    for prior, high in (("dependent_easy", 0.9), ("dependent_medium", 0.75), ("dependent_hard", 0.6)):
        _, pairs = tasks(prior=prior, arms=2)
        np.testing.assert_allclose(pairs.sum(axis=1), 1, atol=1e-6)
        np.testing.assert_allclose(pairs.max(axis=1), high, atol=1e-6)
        first_is_high = int((pairs[:, 0] > 0.5).sum())
        assert stats.binomtest(first_is_high, len(pairs)).pvalue > 0.001


def test_bernoulli_rewards_come_as_often_as_the_mean_says():
    env, means = tasks(pulls=20)
    rewards = np.zeros(len(means))
    for pull in range(20):
        arm = pull % 5
        reward = env.step(np.full(len(means), arm))[1]
        assert set(np.unique(reward)) <= {0.0, 1.0}
        rewards += reward
        p = means[:, arm].astype(np.float64)
        z = (reward - p).sum() / math.sqrt((p * (1 - p)).sum())
        assert abs(z) < 4
        for low in np.arange(0, 1, 0.1):  # and in each tenth of means by itself
            some = (p >= low) & (p < low + 0.1)
            z = (reward - p)[some].sum() / math.sqrt((p * (1 - p))[some].sum())
            assert abs(z) < 4.5
    expected, variance = 4 * means.sum(axis=1), 4 * (means * (1 - means)).sum(axis=1)
    assert abs(((rewards - expected) ** 2).sum() / variance.sum() - 1) < 0.05  # pulls do not depend on one another


def test_gaussian_rewards_are_normal_around_the_mean():
    env, means = tasks(reward="gaussian", reward_std=0.7, pulls=3)
    noise = [env.step(np.full(len(means), 2))[1] - means[:, 2] for _ in range(3)]
    for one in noise:
        assert stats.kstest(one, stats.norm(0, 0.7).cdf).pvalue > 0.001
    assert abs(np.corrcoef(noise) - np.eye(3)).max() < 0.04


# Cases worked by hand


def test_regret_of_the_best_arm_is_nothing_and_of_others_adds_up():
    env, means = tasks(1, prior="normal", reward="gaussian", prior_mean=1.0, arms=3, pulls=4)
    best, worst = int(means[0].argmax()), int(means[0].argmin())
    gap = float(means[0, best]) - float(means[0, worst])
    seen = [env.step([arm])[4]["expected_regret"][0, 0] for arm in (best, worst, best, worst)]
    np.testing.assert_allclose(seen, [0, gap, gap, 2 * gap], rtol=1e-5)


def test_among_equal_arms_the_first_is_best():
    _, means = tasks(4, prior="normal", reward="gaussian", prior_std=0.0, prior_mean=0.5)
    env, _ = tasks(4, prior="normal", reward="gaussian", prior_std=0.0, prior_mean=0.5)
    assert (means == 0.5).all()
    assert (env.step([1, 2, 3, 4])[4]["best_arm"] == 0).all()


def test_without_noise_a_gaussian_arm_pays_its_mean():
    env, means = tasks(6, reward="gaussian", reward_std=0.0)
    assert np.array_equal(env.step([3] * 6)[1], means[:, 3])


def test_an_episode_is_pulls_pulls_and_the_next_a_new_task():
    env, means = tasks(2, pulls=3, clock=True)
    clocks, ends = [], []
    for _ in range(4):
        observation, _, terminated, _, info = env.step([0, 0])
        clocks.append(observation[0, 0])
        ends.append(bool(terminated[0]))
    assert clocks == [1, 2, 3, 0] and ends == [False, False, True, False]
    assert not np.array_equal(info["arm_means"], means) and not info["pull_counts"].any()


def test_one_informative_arm_says_which_arm_pays():
    env, means = tasks(3000, arms=6, pulls=2, prior="informative", reward="gaussian", reward_std=0.0)
    target = means[:, :5].argmax(axis=1)
    assert stats.chisquare(np.bincount(target, minlength=5)).pvalue > 0.001
    told = env.step(np.full(3000, 5))[1]
    np.testing.assert_allclose(told, (target + 1) / 5, rtol=1e-6)
    assert (env.step((told * 5).round().astype(int) - 1)[1] == 5).all()


def test_a_set_of_tasks_is_played_evenly_and_is_nobody_elses():
    options = {"num_tasks": 7, "task_seed": 1}
    env = mesasim.make_vec("Bandit-v0", 7000, oracle=True, output="numpy", **options)
    _, info = env.reset(seed=1)
    numbers = info["task_number"][:, 0]
    assert stats.chisquare(np.bincount(numbers, minlength=7)).pvalue > 0.001
    played = {number: np.unique(info["arm_means"][numbers == number], axis=0) for number in range(7)}
    assert all(len(rows) == 1 for rows in played.values()) and len(np.unique(info["arm_means"], axis=0)) == 7
    again = mesasim.make_vec("Bandit-v0", 50, oracle=True, output="numpy", **options).reset(seed=2)[1]
    assert all(
        np.array_equal(row, played[n][0]) for n, row in zip(again["task_number"][:, 0], again["arm_means"], strict=True)
    )
    fresh = tasks(7, seed=1)[1]
    assert not any(np.isclose(fresh, rows).any() for rows in played.values())
    other = mesasim.make_vec("Bandit-v0", 50, oracle=True, output="numpy", num_tasks=7, task_seed=2).reset(seed=1)[1]
    assert not np.isin(other["arm_means"], info["arm_means"]).any()


def test_restless_arms_move_as_far_and_as_often_as_their_volatility():
    def moved(**options):
        env, before = tasks(4000, pulls=3, **options)
        info = env.step(np.zeros(4000, int))[4]
        return before.astype(np.float64), info["arm_means"].astype(np.float64), info

    before, after, _ = moved(reward="gaussian", prior="normal", drift="walk", volatility=[0.3])
    assert stats.kstest((after - before).ravel()[:10_000], stats.norm(0, 0.3).cdf).pvalue > 0.001
    before, after, _ = moved(drift="walk", volatility=[0.3])
    assert p_value(after, stats.uniform.cdf) > 0.001  # reflection keeps the uniform law
    before, after, info = moved(drift="redraw", volatility=[0.1, 0.6])
    for volatility in (0.1, 0.6):
        slots = np.isclose(info["volatility"][:, 0], volatility)
        assert stats.binomtest(int(slots.sum()), 4000).pvalue > 0.001
        changed = (before != after)[slots]
        assert stats.binomtest(int(changed.sum()), changed.size, volatility).pvalue > 0.001
    before, after, _ = moved(arms=2, drift="swap", volatility=[0.25])
    swapped = (before[:, ::-1] == after).all(axis=1)
    assert (swapped | (before == after).all(axis=1)).all()
    assert stats.binomtest(int(swapped.sum()), 4000, 0.25).pvalue > 0.001


def test_regret_follows_the_best_arm_of_the_moment():
    env, means = tasks(50, arms=2, pulls=30, prior="dependent_easy", drift="swap", volatility=[1.0])
    best = means.argmax(axis=1)
    for _ in range(15):  # they change places after every pull: arm `best` is best at even pulls alone
        env.step(best)
        info = env.step(best)[4]
    np.testing.assert_allclose(info["expected_regret"][:, 0], 15 * 0.8, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"prior": "informative"}, "reward"),
        ({"prior": "informative", "reward": "gaussian", "arms": 2}, "arms"),
        ({"prior": "informative", "reward": "gaussian", "drift": "walk", "volatility": [0.1]}, "drift"),
        ({"alphas": [1.0] * 5}, "alphas"),
        ({"prior": "beta", "alphas": [1.0] * 4}, "alphas"),
        ({"prior": "beta", "betas": [0.0] * 5}, "betas"),
        ({"prior": "beta", "alphas": [1.0] * 17, "arms": 17}, "alphas"),
        ({"drift": "walk"}, "volatility"),
        ({"volatility": [0.1]}, "volatility"),
        ({"drift": "redraw", "volatility": [1.5]}, "volatility"),
        ({"drift": "swap", "volatility": [0.5]}, "arms"),
        ({"num_tasks": -1}, "num_tasks"),
    ],
    ids=str,
)
def test_impossible_bandits_are_refused_by_name(options, name):
    with pytest.raises(ValueError, match=name):
        mesasim.make_vec("Bandit-v0", 1, **options)
