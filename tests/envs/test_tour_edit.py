"""TourEdit-v0 against its rules written again in plain Python, then moves, first tours and the anytime best seen from
outside."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from plain import tour_rules as rules
from plain.draws import PLACEMENT, STEP, Draws
from scipy import stats

import mesasim
from mesasim import _core

DEFAULTS = {option.name: option.default for option in _core.spec("TourEdit-v0").options}
VARIANTS = [dict(variant) for variant in _core.spec("TourEdit-v0").variants]
UNIT = np.float32(1 / rules.GRID)


# The rules, once more


def along_curve(x, y, side=rules.GRID):
    """How far along Hilbert's curve from the lower left to the lower right corner a point of the grid is."""
    if side == 1:
        return 0
    half = side // 2
    quarter = half * half
    if x < half and y < half:
        return along_curve(y, x, half)  # the first quarter lies on its side
    if x < half:
        return quarter + along_curve(x, y - half, half)
    if y >= half:
        return 2 * quarter + along_curve(x - half, y - half, half)
    return 3 * quarter + along_curve(half - 1 - y, side - 1 - x, half)


class PlainTourEdit:
    """One episode; lengths in steps of the grid."""

    def __init__(self, options, key):
        self.o, self.key = {**DEFAULTS, **options}, key
        n = self.n = self.o["n"]
        self.points = rules.draw_points(self.o, key)
        edges = [(i, j) for i in range(n) for j in range(i + 2, n) if (i, j) != (0, n - 1)]
        self.moves = edges if self.o["moves"] != "resample" else []
        self.tour = getattr(self, "start_" + self.o["initial"])()
        self.best, self.edits = list(self.tour), 0
        others = frozenset(range(1, n))
        self.optimal = rules.shortest_ways(self.points, 0)(0, others) if n <= 16 else None

    def start_random(self):
        tour, draws = list(range(self.n)), Draws(self.key, PLACEMENT)
        for i in range(self.n - 1, 0, -1):
            k = draws.below(i + 1)
            tour[i], tour[k] = tour[k], tour[i]
        return tour

    def start_nearest(self):
        tour = [0]
        while len(tour) < self.n:
            tour.append(rules.nearest(self.points, tour[-1], set(range(self.n)) - set(tour)))
        return tour

    def start_curve(self):
        return sorted(range(self.n), key=lambda city: along_curve(*self.points[city]))

    def length(self, tour):
        return rules.tour_length(self.points, tour)

    def moved(self, move):
        i, j = self.moves[move]
        return self.tour[: i + 1] + self.tour[i + 1 : j + 1][::-1] + self.tour[j + 1 :]

    def resampled(self, place):
        other = Draws(self.key, STEP, self.edits).below(self.n - 1)
        other += other >= place
        tour = list(self.tour)
        tour[place], tour[other] = tour[other], tour[place]
        return tour

    def step(self, action):
        """(reward in steps of the grid, terminated)"""
        moves = len(self.moves)
        tour = self.moved(action) if action < moves else self.resampled(action - moves)
        before, best = self.length(self.tour), self.length(self.best)
        if self.o["accept"] == "always" or self.length(tour) < before:
            self.tour = tour
        if self.length(self.tour) < best:
            self.best = list(self.tour)
        self.edits += 1
        now = best - self.length(self.best) if self.o["reward"] == "best" else before - self.length(self.tour)
        return now, self.edits == self.o["edits"]

    def fields(self):
        length, best = self.length(self.tour), self.length(self.best)
        shown = {
            "coordinates": [[np.float32(x) * UNIT, np.float32(y) * UNIT] for x, y in self.points], "tour": self.tour,
            "length": [np.float32(length) * UNIT], "best_length": [np.float32(best) * UNIT],
            "edits_left": [self.o["edits"] - self.edits], "best_tour": self.best,
        }  # fmt: skip
        if self.moves:
            gains = [length - self.length(self.moved(move)) for move in range(len(self.moves))]
            shown["best_move"] = [int(np.argmax(gains)) if max(gains) > 0 else -1]
        if self.optimal is not None:
            shown["optimal_length"] = [np.float32(self.optimal) * UNIT]
            shown["gap"] = [np.float32((length - self.optimal) / self.optimal)]
            shown["best_gap"] = [np.float32((best - self.optimal) / self.optimal)]
        return shown


def shown_by(env, slot):
    groups = env.buffers.group
    return {name: tensor[slot].numpy() for g in ("observation", "oracle") for name, tensor in groups[g].items()}


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_every_step_follows_the_rules(options):
    options = {"edits": 25, **options} if options.get("n") != 64 else {**options, "edits": 5}
    slots, seed, rng = 3, 2**40 + 17, np.random.default_rng(0)
    env = mesasim.make_vec("TourEdit-v0", slots, seed=seed, oracle=True, num_threads=1, **options)
    env.reset()
    episode, over = [0] * slots, [False] * slots
    plain = [PlainTourEdit(options, (seed, slot, 0)) for slot in range(slots)]
    for _ in range(2 * options["edits"] + 3):
        due = [episode.fields() for episode in plain]
        for slot in range(slots):
            shown = shown_by(env, slot)
            assert shown.keys() == due[slot].keys()
            for name, value in due[slot].items():
                assert np.array_equal(shown[name], np.array(value, dtype=shown[name].dtype)), name
        actions = rng.integers(len(env.world_spec.actions), size=slots)
        for slot in range(slots):  # chance alone finds few better tours
            best_move = due[slot].get("best_move", [-1])[0]
            if best_move >= 0 and rng.integers(2):
                actions[slot] = best_move
        _, reward, terminated, truncated, _ = env.step(actions)
        for slot in range(slots):
            if over[slot]:
                episode[slot] += 1
                plain[slot], over[slot] = PlainTourEdit(options, (seed, slot, episode[slot])), False
                continue
            expected, over[slot] = plain[slot].step(int(actions[slot]))
            assert reward[slot].item() == np.float32(expected) * UNIT
            assert terminated[slot].item() == over[slot] and not truncated[slot]
    assert min(episode) >= 1


# Moves


@pytest.mark.parametrize("n", [4, 5, 9, 64])
def test_two_opt_moves_are_all_the_tours_two_edges_away_each_once(n):
    moves = n * (n - 3) // 2
    env = mesasim.make_vec("TourEdit-v0", moves, n=n, moves="two_opt", num_threads=1, edits=1)
    before = env.reset(seed=[3] * moves)[0]["tour"].clone()
    after = env.step(torch.arange(moves, dtype=torch.int32))[0]["tour"]

    def edges(tour):
        cities = tour.tolist()
        return frozenset(frozenset(edge) for edge in pairwise([*cities, cities[0]]))

    reached = {edges(tour) for tour in after}
    assert len(reached) == moves == len(env.world_spec.actions)
    assert all(len(edges(before[0]) - tour) == 2 for tour in reached)
    name = env.world_spec.actions[moves - 1]
    begin, end = (int(word) for word in name.split()[1::2])
    expected = torch.cat([before[0, :begin], before[0, begin : end + 1].flip(0), before[0, end + 1 :]])
    assert torch.equal(after[-1], expected)


def test_a_resampled_position_gets_each_other_city_equally_often():
    env = mesasim.make_vec("TourEdit-v0", 20000, n=6, moves="resample", num_threads=1, seed=1)
    before = env.reset()[0]["tour"].clone()
    after = env.step([2] * 20000)[0]["tour"]
    changed = before != after
    assert (changed.sum(dim=1) == 2).all() and changed[:, 2].all()
    counts = changed.sum(dim=0)[[0, 1, 3, 4, 5]]
    assert stats.chisquare(counts).pvalue > 1e-4
    assert stats.chisquare(counts + torch.tensor([400, -100, -100, -100, -100])).pvalue < 1e-4  # seen, were it there


@pytest.mark.parametrize("moves", ["two_opt", "resample", "both"])
def test_what_is_accepted_only_if_better_never_makes_the_tour_longer(moves):
    options = {"n": 20, "moves": moves, "accept": "if_better", "edits": 200}
    rewards = {}
    for reward in ("best", "current"):
        env = mesasim.make_vec("TourEdit-v0", 50, num_threads=1, reward=reward, **options)
        obs, _ = env.reset(seed=5)
        first, got = obs["length"].clone(), torch.zeros(50)
        for step in range(200):
            obs, gained, *_ = env.step([(step * 7 + slot) % len(env.world_spec.actions) for slot in range(50)])
            assert (gained >= 0).all() and torch.equal(obs["length"], obs["best_length"])
            got += gained
        rewards[reward] = got
        assert torch.allclose(first[:, 0] - got, obs["best_length"][:, 0], atol=1e-5) and (got > 0).all()
    assert torch.equal(rewards["best"], rewards["current"])


def test_what_is_always_accepted_pays_for_the_best_or_for_the_present_tour():
    for reward, length in (("best", "best_length"), ("current", "length")):
        env = mesasim.make_vec("TourEdit-v0", 50, num_threads=1, reward=reward, n=12, oracle=True)
        obs, _ = env.reset(seed=5)
        first, got, worse = obs["length"].clone(), torch.zeros(50), False
        for step in range(50):
            obs, gained, terminated, _, info = env.step([(step * 11 + slot) % 66 for slot in range(50)])
            got += gained
            worse |= bool((gained < 0).any())
            assert (info["best_gap"] <= info["gap"]).all() and (info["best_gap"] >= 0).all()
        assert terminated.all() and worse == (reward == "current")
        assert torch.allclose(first[:, 0] - got, obs[length][:, 0], atol=1e-5)


# First tours


def test_nearest_and_curve_start_shorter_than_random_tours_do():
    lengths = {}
    for initial in ("random", "nearest", "curve"):
        env = mesasim.make_vec("TourEdit-v0", 500, n=50, initial=initial, num_threads=1)
        obs, _ = env.reset(seed=2)
        assert torch.equal(obs["tour"].sort(dim=1).values, torch.arange(50).expand(500, 50).int())
        lengths[initial] = float(obs["length"].mean())
    assert lengths["nearest"] / 5.69 == pytest.approx(
        1.24, abs=0.03
    )  # over the mean optimum (Kool et al. 2019, table 1)
    assert lengths["nearest"] < lengths["curve"] < 0.4 * lengths["random"]


def test_the_curve_passes_from_each_point_of_a_grid_to_one_beside_it():
    axis = (torch.arange(8) + 0.5) / 8
    points = torch.cartesian_prod(axis, axis)[torch.randperm(64, generator=torch.Generator().manual_seed(0))][None]
    obs, _ = mesasim.make_vec("TourEdit-v0", 1, levels=points, initial="curve").reset()
    walk = points[0][obs["tour"][0].long()]
    assert torch.equal((walk[1:] - walk[:-1]).norm(dim=1), torch.full((63,), 0.125))
    assert torch.equal(walk[0], axis[[0, 0]]) and torch.equal(walk[-1], axis[[7, 0]])


def test_levels_give_cities_and_tours():
    rng = np.random.default_rng(0)
    given, tours = rng.random((4, 6, 2)), np.stack([rng.permutation(6) for _ in range(4)])
    env = mesasim.make_vec("TourEdit-v0", 2, levels=(given, tours), edits=1, autoreset_mode="SameStep")
    obs, info = env.reset()
    for _ in range(2):
        for slot in range(2):
            number = int(info["level"][slot])
            assert np.abs(obs["coordinates"][slot].numpy() - given[number]).max() < 1e-6
            assert obs["tour"][slot].tolist() == tours[number].tolist()
        obs, *_, info = env.step([0, 0])
    assert (info["level"] == -1).all()


def test_levels_and_options_that_cannot_be_played_are_refused():
    points, tours = np.full((2, 5, 2), 0.5), np.arange(5) + np.zeros((2, 1), dtype=int)
    cases = [
        ({"n": 3}, ValueError, "n: got 3"), ({"edits": 0}, ValueError, "edits"), ({"moves": "swap"}, ValueError, "moves"),
        ({"levels": (points, tours[:1])}, ValueError, r"levels order: got shape \(1, 5\)"),
        ({"levels": (points, tours * 0)}, ValueError, r"got \[0, 0, 0, 0, 0\] as tour 0"),
        ({"levels": (points, tours + 1)}, ValueError, "as tour 0"), ({"levels": (points, tours - 1)}, ValueError, "tour 0"),
        ({"levels": (points, tours * 1.0)}, TypeError, "levels order: got dtype"),
        ({"levels": (points, 3)}, TypeError, "levels order: got int"),
        ({"levels": (points, tours), "initial": "curve"}, ValueError, "initial: got 'curve' with levels"),
    ]  # fmt: skip
    for options, error, message in cases:
        with pytest.raises(error, match=message):
            mesasim.make_vec("TourEdit-v0", 2, **options)
    mesasim.make_vec("TourEdit-v0", 2, levels=(points, tours))
