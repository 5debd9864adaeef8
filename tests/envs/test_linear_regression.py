"""LinearRegression-v0 against its rules written again in plain Python, then its laws, its oracle and cases worked by hand."""

from functools import cache

import numpy as np
import pytest
import torch
from plain.draws import LAYOUT, STEP, TASK, Draws
from scipy import stats

import mesasim
from mesasim import _core, regression

# The rules, once more


def normals(draws, count):
    return [draws.normal() for _ in range(count)]


@cache
def fixed_task(task_seed, index, dim):
    return normals(Draws((task_seed, index, 0), LAYOUT), dim)


class PlainRegression:
    """One slot, one episode."""

    def __init__(self, options, key):
        self.o = {o.name: o.default for o in _core.spec("LinearRegression-v0").options} | options
        self.key, self.k, self.previous_y, self.xs, self.ys = key, 0, 0.0, [], []
        draws, dim, tasks = Draws(key, TASK), self.o["dim"], self.o["num_tasks"]
        self.task = draws.below(tasks) if tasks else -1
        self.w = np.array(self.fixed(self.task) if tasks else normals(draws, dim), np.float32).astype(float)
        self.draw()

    def fixed(self, index):
        return fixed_task(self.o["task_seed"], index, self.o["dim"])

    def draw(self):
        dim = self.o["dim"]
        numbers = normals(Draws(self.key, STEP, self.k * ((dim + 2) // 2)), dim + 1)
        self.x = np.array(numbers[:dim], np.float32).astype(float)
        self.y = float(np.float32(self.w @ self.x + self.o["noise_std"] * numbers[dim]))

    def named(self, action):
        return self.o["limit"] * (2 * action / (self.o["values"] - 1) - 1)

    def step(self, action):
        reward = -((self.named(action) - self.y) ** 2)
        self.xs.append(self.x)
        self.ys.append(self.y)
        self.previous_y, self.k = self.y, self.k + 1
        if self.k == self.o["points"]:
            self.x, self.y = np.zeros(self.o["dim"]), 0.0
            return reward, True
        self.draw()
        return reward, False

    def ridge(self):
        xs = np.array(self.xs).reshape(-1, self.o["dim"])
        a = xs.T @ xs + self.o["noise_std"] ** 2 * np.eye(self.o["dim"])
        return self.x @ np.linalg.solve(a, xs.T @ np.array(self.ys))

    def discrete_mmse(self):
        tasks = np.array([self.fixed(i) for i in range(self.o["num_tasks"])], np.float32).astype(float)
        xs = np.array(self.xs).reshape(-1, self.o["dim"])
        likelihood = stats.norm(0, self.o["noise_std"]).logpdf(np.array(self.ys)[:, None] - xs @ tasks.T).sum(0)
        weight = np.exp(likelihood - likelihood.max())
        return self.x @ (weight @ tasks) / weight.sum()


VARIANTS = [
    *_core.spec("LinearRegression-v0").variants,
    {"dim": 64, "points": 2, "num_tasks": 1},
    {"dim": 2, "points": 1, "values": 513, "noise_std": 100.0, "task_seed": 2**31 - 1, "num_tasks": 3},
]


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_engine_follows_the_rules_at_every_step(options):
    for seed, first_slot in ((0, 0), (2**63 + 12345, 2**32 - 2)):
        env = mesasim.make_vec("LinearRegression-v0", 2, first_slot=first_slot, oracle=True, output="numpy", **options)
        observation, info = env.reset(seed=seed)
        episodes, ended = [0, 0], [False] * 2
        plain = [PlainRegression(options, (seed, first_slot + slot, 0)) for slot in range(2)]
        rng = np.random.default_rng(seed)
        for _ in range(14):
            for slot, p in enumerate(plain):
                np.testing.assert_allclose(observation["x"][slot], p.x, rtol=1e-6, atol=1e-7)
                np.testing.assert_allclose(observation["previous_y"][slot, 0], p.previous_y, rtol=1e-6, atol=1e-6)
                np.testing.assert_allclose(info["w"][slot], p.w, rtol=1e-6, atol=1e-7)
                assert info["task"][slot, 0] == p.task
                np.testing.assert_allclose(info["y"][slot, 0], p.y, rtol=1e-6, atol=1e-6)
                best = p.ridge()
                np.testing.assert_allclose(info["ridge"][slot, 0], best, rtol=1e-5, atol=1e-5)
                if 0 < p.o["num_tasks"] <= _core.MAX_TASKS_IN_ORACLE:
                    best = p.discrete_mmse()
                    np.testing.assert_allclose(info["discrete_mmse"][slot, 0], best, rtol=1e-5, atol=1e-5)
                if p.o["num_tasks"] <= _core.MAX_TASKS_IN_ORACLE:
                    (chosen,) = np.flatnonzero(info["optimal_actions"][slot])
                    distance = np.abs(p.named(np.arange(p.o["values"])) - best)
                    assert distance[chosen] <= distance.min() + 1e-5
                else:
                    assert "optimal_actions" not in info and "discrete_mmse" not in info
            actions = rng.integers(env.single_action_space.n, size=2)
            observation, reward, terminated, truncated, info = env.step(actions)
            assert not truncated.any()
            for slot in range(2):
                expected, end = (0.0, False) if ended[slot] else plain[slot].step(int(actions[slot]))
                np.testing.assert_allclose(reward[slot], expected, rtol=1e-5, atol=1e-5)
                assert terminated[slot] == end
                if ended[slot]:
                    episodes[slot] += 1
                    plain[slot] = PlainRegression(options, (seed, first_slot + slot, episodes[slot]))
                ended[slot] = end


# Laws: p > 0.001, and the same test sees 3 %


def test_weights_inputs_and_noise_are_normal_and_independent():
    data = regression.generate(20_000, 3, 4, noise_std=0.7, seed=5)
    noise = (data.y.double() - (data.x.double() * data.w[:, None].double()).sum(-1)).numpy()
    for sample, std in ((data.w, 1.0), (data.x, 1.0), (noise, 0.7)):
        flat = np.asarray(sample, dtype=np.float64).ravel()[:60_000]
        assert stats.kstest(flat, stats.norm(0, std).cdf).pvalue > 0.001
        assert stats.kstest(flat, stats.norm(0.03, std).cdf).pvalue < 0.001
    columns = np.concatenate([data.w.numpy(), data.x.flatten(1).numpy(), noise], axis=1)
    assert abs(np.corrcoef(columns.T) - np.eye(columns.shape[1])).max() < 0.04


def test_fixed_tasks_are_normal_draws_each_as_likely_and_sets_are_nested():
    tasks = regression.task_set(4096, 8, task_seed=3)
    assert stats.kstest(tasks.double().numpy().ravel(), stats.norm.cdf).pvalue > 0.001
    assert torch.equal(regression.task_set(16, 8, 3), tasks[:16])
    assert not torch.equal(regression.task_set(16, 8, 4), tasks[:16])
    data = regression.generate(20_000, 8, 1, num_tasks=16, task_seed=3, seed=9)
    assert torch.equal(data.w, tasks[data.task.long()])
    assert stats.chisquare(torch.bincount(data.task, minlength=16).numpy()).pvalue > 0.001


def test_a_fresh_task_is_never_a_task_of_the_set_whatever_the_seeds():
    fresh = regression.generate(64, 4, 1, seed=3).w
    assert torch.cdist(fresh, regression.task_set(64, 4, task_seed=3)).min() > 1e-3


# The world is the data set


@pytest.mark.parametrize("num_tasks", [0, 32])
def test_slot_j_plays_sequence_j(num_tasks):
    options = {"dim": 3, "points": 5, "num_tasks": num_tasks, "task_seed": 2, "noise_std": 0.3}
    env = mesasim.make_vec("LinearRegression-v0", 50, first_slot=10, oracle=True, **options)
    data = regression.generate(50, seed=77, first=10, **options)
    ridge = regression.ridge(data.x, data.y, data.noise_std)
    if num_tasks:
        mmse = regression.discrete_mmse(data.x, data.y, regression.task_set(32, 3, 2), data.noise_std)
    observation, info = env.reset(seed=77)
    for k in range(5):
        assert torch.equal(observation["x"], data.x[:, k]) and torch.equal(info["y"][:, 0], data.y[:, k])
        assert torch.equal(info["w"], data.w) and torch.equal(info["task"][:, 0], data.task)
        torch.testing.assert_close(info["ridge"][:, 0].double(), ridge[:, k], rtol=1e-4, atol=1e-4)
        if num_tasks:
            torch.testing.assert_close(info["discrete_mmse"][:, 0].double(), mmse[:, k], rtol=1e-4, atol=1e-4)
        observation, *_, info = env.step(torch.zeros(50, dtype=torch.int64))


# Cases worked by hand


def test_naming_the_very_value_costs_nothing_and_a_level_off_its_square():
    env = mesasim.make_vec("LinearRegression-v0", 200, oracle=True, dim=2, points=2, limit=4.0, values=9)
    _, info = env.reset(seed=1)
    y = info["y"][:, 0].clone()
    nearest = ((y.clamp(-4, 4) + 4).round()).long()
    _, reward, *_ = env.step(nearest)
    torch.testing.assert_close(reward, -((nearest - 4.0 - y) ** 2), rtol=1e-5, atol=1e-6)
    assert (reward[y.abs() < 4] >= -0.25 - 1e-6).all()


def test_after_one_example_without_noise_the_weight_is_known():
    env = mesasim.make_vec("LinearRegression-v0", 20, oracle=True, dim=1, points=3, noise_std=0.001)
    _, info = env.reset(seed=1)
    assert (info["ridge"] == 0).all(), "nothing is known at first"
    first = env.buffers.group["observation"]["x"].clone()
    observation, *_, info = env.step(torch.zeros(20, dtype=torch.int64))
    told = (first.abs() > 0.1)[:, 0]
    torch.testing.assert_close(info["ridge"][told], (info["w"] * observation["x"])[told], rtol=0.02, atol=0.05)


def test_the_last_y_is_shown_at_the_end():
    env = mesasim.make_vec("LinearRegression-v0", 3, oracle=True, points=1)
    _, info = env.reset(seed=4)
    y = info["y"].clone()
    observation, _, terminated, _, info = env.step(torch.zeros(3, dtype=torch.int64))
    assert terminated.all() and torch.equal(observation["previous_y"], y)
    assert not observation["x"].any() and not info["y"].any()


@pytest.mark.parametrize(
    ("options", "error"),
    [({"dim": 0}, ValueError), ({"dim": 65}, ValueError), ({"noise_std": float("nan")}, ValueError),
     ({"noise_std": 0.0}, ValueError), ({"num_tasks": 2**20 + 1}, ValueError), ({"num_tasks": -1}, ValueError),
     ({"points": 2.5}, TypeError), ({"values": 1}, ValueError), ({"limit": float("inf")}, ValueError)],
)  # fmt: skip
def test_bad_options_are_refused_by_name(options, error):
    with pytest.raises(error, match=next(iter(options))):
        mesasim.make_vec("LinearRegression-v0", 2, **options)
