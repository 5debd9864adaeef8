"""Tour-v0 against its rules written again in plain Python, then its exact oracle against every permutation and another
dynamic programme, and cities and lengths checked from outside."""

from itertools import combinations, permutations

import numpy as np
import pytest
import torch
from plain import tour_rules as rules
from plain.draws import PLACEMENT, Draws
from scipy import stats

import mesasim
from mesasim import _core

DEFAULTS = {option.name: option.default for option in _core.spec("Tour-v0").options}
VARIANTS = [dict(variant) for variant in _core.spec("Tour-v0").variants]
UNIT = np.float32(1 / rules.GRID)


# The rules, once more


class PlainTour:
    """One episode; lengths in steps of the grid."""

    def __init__(self, options, key, points=None):
        self.o = {**DEFAULTS, **options}
        self.n = self.o["n"]
        self.points = points or rules.draw_points(self.o, key)
        first = Draws(key, PLACEMENT).below(self.n) if self.o["start"] == "random" else 0
        self.order, self.length, self.way = [first], 0, rules.shortest_ways(self.points, first)

    def left(self):
        return frozenset(range(self.n)) - set(self.order)

    def to(self, city):
        return rules.length(self.points[self.order[-1]], self.points[city])

    def step(self, action):
        """(reward in steps of the grid, terminated)"""
        if action in self.order:
            if self.o["on_visited"] == "stay":
                return np.float32(self.o["visited_reward"]) / UNIT, False
            action = next(c % self.n for c in range(action, action + self.n) if c % self.n not in self.order)
        added = self.to(action)
        self.order.append(action)
        if not self.left():
            added += self.to(self.order[0])
        self.length += added
        return -added, not self.left()

    def fields(self):
        left, now = self.left(), self.order[-1]
        shown = {
            "coordinates": [[np.float32(x) * UNIT, np.float32(y) * UNIT] for x, y in self.points],
            "action_mask": [city in left for city in range(self.n)], "current": [now], "first": [self.order[0]],
            "length": [np.float32(self.length) * UNIT],
            "nearest": [rules.nearest(self.points, now, left) if left else -1],
        }  # fmt: skip
        if self.n > 16:
            return shown
        to_come = self.way(now, left) if left else 0
        optimal = self.way(self.order[0], frozenset(range(self.n)) - {self.order[0]})
        best = [c in left and self.to(c) + self.way(c, left - {c}) == to_come for c in range(self.n)]
        return shown | {
            "optimal_length": [np.float32(optimal) * UNIT], "gap": [np.float32((self.length + to_come - optimal) / optimal)],
            "optimal_return": [-np.float32(to_come) * UNIT], "extendable": [self.length + to_come == optimal],
            "optimal_actions": best,
        }  # fmt: skip


def shown_by(env, slot):
    groups = env.buffers.group
    return {name: tensor[slot].numpy() for g in ("observation", "oracle") for name, tensor in groups[g].items()}


def assert_shows(env, slot, plain):
    shown, expected = shown_by(env, slot), plain.fields()
    assert shown.keys() == expected.keys()
    for name, value in expected.items():
        assert np.array_equal(shown[name], np.array(value, dtype=shown[name].dtype)), name


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_every_step_follows_the_rules(options):
    slots, seed, rng = 3, 2**40 + 17, np.random.default_rng(0)
    env = mesasim.make_vec("Tour-v0", slots, seed=seed, oracle=True, num_threads=1, **options)
    env.reset()
    n = env.world_spec.observation[0].shape[0]
    episode, over = [0] * slots, [False] * slots
    plain = [PlainTour(options, (seed, slot, 0)) for slot in range(slots)]
    for _ in range(3 * n + 9):
        for slot in range(slots):
            assert_shows(env, slot, plain[slot])
        actions = rng.integers(n, size=slots)
        _, reward, terminated, truncated, _ = env.step(actions)
        for slot in range(slots):
            if over[slot]:
                episode[slot] += 1
                plain[slot], over[slot] = PlainTour(options, (seed, slot, episode[slot])), False
                continue
            expected, over[slot] = plain[slot].step(int(actions[slot]))
            assert reward[slot].item() == np.float32(expected) * UNIT
            assert terminated[slot].item() == over[slot] and not truncated[slot]
    assert min(episode) >= 1


# The exact oracle


def test_oracle_knows_what_every_permutation_says():
    """Each prefix of each of 720 tours: the best of the tours that begin with it."""
    env = mesasim.make_vec("Tour-v0", 720, oracle=True, num_threads=1, n=7, start="random")
    for seed in range(3):
        env.reset(seed=[seed] * 720)
        points = [(int(x), int(y)) for x, y in shown_by(env, 0)["coordinates"] * rules.GRID]
        first = int(shown_by(env, 0)["first"][0])
        tours = [(first, *rest) for rest in permutations(set(range(7)) - {first})]
        lengths = {tour: rules.tour_length(points, tour) for tour in tours}
        optimal, best = min(lengths.values()), {}
        for tour, length in lengths.items():
            for k in range(1, 8):
                best[tour[:k]] = min(length, best.get(tour[:k], length))
        for k in range(1, 8):
            oracle = env.buffers.group["oracle"]
            expected = np.array([best[tour[:k]] for tour in tours])
            assert np.array_equal(oracle["extendable"][:, 0].numpy(), expected == optimal)
            assert np.array_equal(oracle["gap"][:, 0].numpy(), ((expected - optimal) / optimal).astype(np.float32))
            if k < 7:
                kept = [[best.get((*t[:k], c), 0) == best[t[:k]] for c in range(7)] for t in tours]
                assert np.array_equal(oracle["optimal_actions"].numpy(), kept)
                env.step([tour[k] for tour in tours])
        assert np.array_equal(oracle["length"][:, 0].numpy(), np.float32(list(lengths.values())) * UNIT)


def optimal_by_layers(points):
    """Held and Karp from city 0 forwards, a size of sets at a time: another order of events than the engine's."""
    n = len(points)
    d = np.array([[rules.length(a, b) for b in points] for a in points])
    ways = {frozenset([j]): {j: d[0, j]} for j in range(1, n)}
    for size in range(2, n):
        layer = {}
        for cities in combinations(range(1, n), size):
            whole = frozenset(cities)
            layer[whole] = {}
            for j in cities:
                before = ways[whole - {j}]
                layer[whole][j] = min(before[i] + d[i, j] for i in before)
        ways = layer
    return min(way + d[j, 0] for j, way in next(iter(ways.values())).items())


@pytest.mark.parametrize("n,tasks", [(5, 20), (10, 4), (12, 2)])
@pytest.mark.parametrize("distribution", ["uniform", "clustered"])
def test_optimal_length_is_another_programmes(n, tasks, distribution):
    env = mesasim.make_vec("Tour-v0", tasks, seed=4, oracle=True, num_threads=1, n=n, distribution=distribution)
    obs, info = env.reset()
    for slot in range(tasks):
        points = [(int(x), int(y)) for x, y in obs["coordinates"][slot].numpy() * rules.GRID]
        assert info["optimal_length"][slot, 0] == np.float32(optimal_by_layers(points)) * UNIT


@pytest.mark.parametrize("n", [3, 4, 9, 16])
def test_optimal_actions_lead_to_the_optimum_and_others_away_from_it(n):
    slots, rng = 40, np.random.default_rng(1)
    env = mesasim.make_vec("Tour-v0", slots, seed=6, oracle=True, num_threads=1, n=n, start="random", copy=True)
    for follows in (True, False):
        _, info = env.reset(seed=6)
        total, gap = torch.zeros(slots, dtype=torch.float64), torch.zeros(slots)
        for step in range(n - 1):
            best = info["optimal_actions"]
            assert best.any(dim=1).all() and torch.equal(info["extendable"], info["gap"] == 0)
            mask = env.buffers.group["observation"]["action_mask"]
            assert not (best & ~mask).any()
            lots = torch.from_numpy(rng.random((slots, n)))
            action = (lots * (best if follows else mask)).argmax(dim=1)
            kept = best.gather(1, action[:, None])[:, 0]
            _, reward, terminated, _, info = env.step(action)
            total += reward
            assert torch.equal(info["gap"][:, 0] == gap, kept) and (info["gap"][:, 0] >= gap).all()
            gap = info["gap"][:, 0]
            assert terminated.all().item() == (step == n - 2) == terminated.any().item()
        assert torch.equal(-total.float(), info["length"][:, 0])
        assert torch.equal(info["length"], info["optimal_length"]) or not follows
        assert (gap > 0).any() or follows or n == 3


def test_cities_on_one_spot_on_one_line_and_in_a_ring_have_the_optima_they_must():
    line, turn = np.linspace(0, 1, 13), np.arange(13) * 2 * np.pi / 13
    levels = np.stack([
        np.full((13, 2), 0.5), np.stack([line, line * 0], 1)[np.random.default_rng(0).permutation(13)],
        np.stack([0.5 + 0.5 * np.cos(turn), 0.5 + 0.5 * np.sin(turn)], 1), np.repeat([[0.0, 0], [1, 1]], [6, 7], axis=0),
    ])  # fmt: skip
    env = mesasim.make_vec("Tour-v0", 4, levels=levels, oracle=True, num_threads=1)
    _, info = env.reset()
    assert np.allclose(info["optimal_length"][:, 0], [0, 2, 13 * np.sin(np.pi / 13), 2 * 2**0.5], atol=1e-5)
    for _ in range(12):
        assert info["extendable"][[0, 2, 3]].all()  # the ring in order; any way through equal spots
        assert info["optimal_actions"][0].equal(env.buffers.group["observation"]["action_mask"][0])
        _, *_, info = env.step(env.buffers.group["observation"]["action_mask"].int().argmax(dim=1))
    assert not info["gap"][[0, 2, 3]].any() and not info["optimal_actions"].any()


def test_where_the_optimum_is_not_known_nothing_is_said_of_it():
    names = {n: [f.name for f in _core.spec("Tour-v0", {"n": n}).oracle] for n in (16, 17)}
    assert names[17] == ["length", "nearest"] and set(names[16]) > set(names[17])


# Cities and lengths, seen from outside


def coordinates(count, **options):
    obs, _ = mesasim.make_vec("Tour-v0", count, seed=12, num_threads=1, **options).reset()
    return obs["coordinates"].numpy().astype(np.float64)


def test_uniform_cities_are_uniform_and_independent():
    points = coordinates(4000, n=5)
    assert stats.kstest(points.ravel(), "uniform").pvalue > 1e-4
    assert np.abs(np.corrcoef(points.reshape(4000, 10).T) - np.eye(10)).max() < 0.08
    assert stats.kstest(points.ravel() * 0.97, "uniform").pvalue < 1e-4  # what the test is there to see


def test_clustered_cities_stand_around_as_many_centres_as_asked_for():
    points = coordinates(300, n=64, distribution="clustered", clusters=2, spread=0.01)
    from_first = np.abs(points - points[:, :1]).max(axis=2)
    near_first = (from_first < 0.1).mean(axis=1)
    assert abs(near_first.mean() - 0.5) < 0.05  # half the cities share the first one's centre, but where two are close
    one = coordinates(300, n=64, distribution="clustered", clusters=1, spread=0.02)
    inside = (np.abs(one - 0.5) < 0.3).all(axis=(1, 2))
    assert abs(one[inside].std(axis=1).mean() / 0.02 - 1) < 0.02
    wide = coordinates(300, n=64, distribution="clustered", clusters=1, spread=1.0)
    assert wide.min() == 0 and wide.max() < 1


def test_a_length_is_the_distance_to_half_a_step_of_the_grid():
    env = mesasim.make_vec("Tour-v0", 3000, seed=2, num_threads=1, n=3)
    obs, _ = env.reset()
    points = (obs["coordinates"].numpy().astype(np.float64) * rules.GRID).astype(np.int64)
    _, reward, *_ = env.step([1] * 3000)
    steps = -reward.numpy().astype(np.float64) * rules.GRID
    assert np.array_equal(steps, np.round(steps))
    exact = np.hypot(*(points[:, 0] - points[:, 1]).T)
    assert np.abs(steps - exact).max() <= 0.5 + 1e-9


def test_levels_are_shown_as_given_and_played_in_order():
    given = np.random.default_rng(3).random((7, 5, 2))
    env = mesasim.make_vec("Tour-v0", 3, levels=given, start="random", num_threads=1, autoreset_mode="SameStep")
    obs, info = env.reset(seed=1)
    seen = []
    for _ in range(3 * 4):
        for slot in range(3):
            number = int(info["level"][slot])
            if number >= 0:
                seen.append(number)
                assert np.abs(obs["coordinates"][slot].numpy() - given[number]).max() <= 0.5 / rules.GRID
        obs, *_, info = env.step([0, 1, 2])
    assert sorted(set(seen)) == list(range(7)) and all(seen.count(number) == 4 for number in range(7))
    exact = torch.tensor([[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]])
    obs, _ = mesasim.make_vec("Tour-v0", 1, levels=exact).reset()
    assert torch.equal(obs["coordinates"], exact)


def test_levels_and_options_that_cannot_be_played_are_refused():
    good = np.full((2, 5, 2), 0.5)
    cases = [
        ({"n": 2}, ValueError, "n: got 2"), ({"n": 65}, ValueError, "n: got 65"), ({"start": "one"}, ValueError, "start"),
        ({"visited_reward": 1001.0}, ValueError, "visited_reward"), ({"clusters": 0}, ValueError, "clusters"),
        ({"levels": 3}, TypeError, "levels: got int"), ({"levels": good[0]}, ValueError, r"levels: got shape \(5, 2\)"),
        ({"levels": good[:0]}, ValueError, "levels: got shape"), ({"levels": good * 3}, ValueError, "outside 0 to 1 in level 0"),
        ({"levels": good * [1, np.nan]}, ValueError, "outside 0 to 1"), ({"levels": good, "n": 6}, ValueError, "n: got 6"),
        ({"levels": good[:, :2]}, ValueError, "n: got 2"), ({"levels": good > 0}, TypeError, "dtype"),
        ({"levels": (good, good)}, TypeError, "levels: got tuple"), ({"levels": [[1], [2, 3]]}, ValueError, "levels: got"),
    ]  # fmt: skip
    for options, error, message in cases:
        with pytest.raises(error, match=message):
            mesasim.make_vec("Tour-v0", 2, **options)
    mesasim.make_vec("Tour-v0", 2, levels=good)
