"""Heuristics against the same rules in plain Python, move by brute force, law and contract."""

import itertools

import numpy as np
import pytest
import torch
from plain import tour_heuristics as plain
from scipy.stats import chi2

from mesasim import devices, tsp
from mesasim.devices import missing_cuda

KINDS = ["uniform", "grid", "clumps", "line", "one place", "matrix", "ties", "zeros and large"]


def points_of(kind, count, n, seed):
    generator = np.random.default_rng([seed, n, KINDS.index(kind)])
    if kind == "uniform":
        return generator.random((count, n, 2))
    if kind == "grid":  # equal distances and duplicates
        return generator.integers(0, 4, (count, n, 2)).astype(float)
    if kind == "clumps":
        return generator.integers(0, 3, (count, n, 2)) + 1e-6 * generator.integers(0, 3, (count, n, 2))
    if kind == "line":
        return generator.integers(0, 2 * n, (count, n, 1)) * np.array([1.0, 0.5])
    return np.full((count, n, 2), 0.25)


def instances_of(kind, count, n, seed=0):
    """Points, or distances without geometry, [count, n, 2 or n]."""
    if KINDS.index(kind) < 5:
        return points_of(kind, count, n, seed)
    generator = np.random.default_rng([seed, n, KINDS.index(kind)])
    if kind == "matrix":
        matrix = generator.random((count, n, n))
    else:
        high = 4 if kind == "ties" else 2
        matrix = generator.integers(0, high, (count, n, n)) * (1.0 if kind == "ties" else 2.0**48)
    matrix = np.triu(matrix, 1)
    return matrix + matrix.transpose(0, 2, 1)


def distances_of(instance):
    if instance.shape[0] == instance.shape[1]:
        return plain.in_units(instance.tolist())
    dx, dy = (instance[:, None, k] - instance[None, :, k] for k in (0, 1))
    return plain.in_units(np.sqrt(dx * dx + dy * dy).tolist())


def cases(count=8, sizes=(3, 4, 5, 6, 9, 14, 19)):
    """(instances, their distances in units) of every kind and size."""
    for kind, n in itertools.product(KINDS, sizes):
        instances = instances_of(kind, count, n)
        yield instances, [distances_of(instance) for instance in instances]


def assert_tours(found, instances, expected):
    assert found.order.tolist() == [plain.canonical(tour) for tour in expected]
    assert_lengths(found, instances)


def assert_lengths(found, instances):
    for instance, order, length in zip(instances, found.order.numpy(), found.length.tolist(), strict=True):
        after = np.roll(order, -1)
        if instance.shape[1] == 2 and instance.shape[0] != 2:
            steps = np.sqrt(((instance[order] - instance[after]) ** 2).sum(1))
        else:
            steps = instance[order, after]
        assert length == pytest.approx(steps.sum(), rel=1e-14)


@pytest.mark.parametrize("method", ["nearest_neighbour", "nearest", "farthest", "cheapest"])
def test_growing_tours_are_those_of_the_rule(method):
    name = method if method == "nearest_neighbour" else f"{method}_insertion"

    def rule(d, start):
        return plain.nearest_neighbour(d, start) if method == "nearest_neighbour" else plain.insertion(d, start, method)

    for instances, distances in cases():
        usual = [rule(d, plain.most_remote(d) if method == "farthest" else 0) for d in distances]
        assert_tours(tsp.construct(instances, name, num_threads=1), instances, usual)
        assert_tours(tsp.construct(instances, name, start=2, num_threads=1), instances, [rule(d, 2) for d in distances])
        tours = [[rule(d, start) for start in range(len(d))] for d in distances[:3]]
        best = [min(some, key=lambda tour: plain.length(d, tour)) for d, some in zip(distances, tours, strict=False)]
        assert_tours(tsp.construct(instances[:3], name, start="all", num_threads=1), instances[:3], best)
        drawn = [plain.Draws(9, 5 + i, plain.PLACEMENT).below(len(d)) for i, d in enumerate(distances)]
        found = tsp.construct(instances, name, start="random", seed=9, first=5, num_threads=1)
        assert_tours(found, instances, [rule(d, start) for d, start in zip(distances, drawn, strict=True)])


def test_greedy_edge_takes_the_shortest_distances_that_fit():
    for instances, distances in cases(count=12):
        found = tsp.construct(instances, "greedy_edge", num_threads=1)
        assert_tours(found, instances, [plain.greedy_edge(d) for d in distances])


def test_random_tours_and_random_insertion_follow_the_draws_of_seed_and_number():
    for instances, distances in cases(sizes=(3, 4, 8, 13)):
        drawn = [
            plain.random_tour(len(d), plain.Draws(2**40 + 1, 7 + i, plain.LAYOUT)) for i, d in enumerate(distances)
        ]
        options = {"seed": 2**40 + 1, "first": 7, "num_threads": 1}
        assert_tours(tsp.construct(instances, "random", **options), instances, drawn)
        inserted = [plain.insertion_in_order(d, order) for d, order in zip(distances, drawn, strict=True)]
        assert_tours(tsp.construct(instances, "random_insertion", **options), instances, inserted)


def chi_squared(counts, expected):
    return float(((counts - expected) ** 2 / expected).sum())


def test_every_random_tour_is_equally_likely():
    count = 24_000
    tours = tsp.construct(np.zeros((count, 5, 2)), "random", seed=1, num_threads=1).order
    counts = np.unique(tours.numpy(), axis=0, return_counts=True)[1]
    assert len(counts) == 12
    assert chi_squared(counts, np.full(12, count / 12)) < chi2.ppf(0.999, 11)


def sierpinski_tour(depth):
    """The unit square's corners, and the middle of each of the curve's triangles of a depth, in turn."""

    def middles(a, b, c, depth):  # the curve goes from a to c; the right angle is at b
        if depth == 0:
            return [(a + b + c) / 3]
        half = (a + c) / 2
        return middles(a, half, b, depth - 1) + middles(b, half, c, depth - 1)

    corners = [np.array(corner, float) for corner in ((0, 0), (0, 1), (1, 1), (1, 0))]
    around = []
    for a, b, c in (corners[:3], [corners[2], corners[3], corners[0]]):
        first, second = middles(a, (a + c) / 2, b, depth), middles(b, (a + c) / 2, c, depth)
        around += [a, *first, b, *second]
    return np.array(around)


def test_the_space_filling_curve_meets_points_in_the_order_of_sierpinskis():
    curve = sierpinski_tour(5)
    assert len(curve) == 132
    generator = np.random.default_rng(4)
    for _ in range(50):
        names = generator.permutation(132)
        points = np.empty((132, 2))
        points[names] = curve * 0.37 + 5.0
        found = tsp.construct(points, "space_filling_curve", num_threads=1)
        assert found.order[0].tolist() == plain.canonical(names.tolist())


def test_the_space_filling_curve_is_a_quarter_longer_and_takes_equal_points_by_number():
    points = np.random.default_rng(0).random((100, 200, 2))
    curve = tsp.construct(points, "space_filling_curve").length.mean()
    short = tsp.improve(points, method="local_search", kicks=400).length.mean()
    assert 1.2 < curve / short < 1.3
    assert tsp.construct(points_of("one place", 1, 9, 0), "space_filling_curve").order[0].tolist() == list(range(9))


MOVES = {"two_opt": {"two_opt": True, "or_opt": False}, "or_opt": {"two_opt": False, "or_opt": True},
         "or_2opt": {"two_opt": True, "or_opt": True}}  # fmt: skip


@pytest.mark.parametrize("method", MOVES)
def test_moves_are_those_of_the_rule(method):
    for instances, distances in cases(count=3, sizes=(3, 4, 5, 6, 8, 13, 17)):
        n = len(distances[0])
        begun = [plain.random_tour(n, plain.Draws(0, i, plain.LAYOUT)) for i in range(len(instances))]
        for reach in (None, 1, 4, 12):
            neighbours = "all" if reach is None else reach
            found = tsp.improve(instances, begun, method, neighbours=neighbours, num_threads=1)
            expected = [
                plain.Exchanges(d, plain.canonical(tour), reach=reach, **MOVES[method]).run()
                for d, tour in zip(distances, begun, strict=True)
            ]
            assert_tours(found, instances, expected)


@pytest.mark.parametrize("method", MOVES)
def test_with_every_city_in_reach_no_move_is_left(method):
    for instances, distances in cases(count=5, sizes=(4, 5, 6, 7, 10, 15)):
        for begun in (None, tsp.construct(instances, "random", seed=3).order):
            found = tsp.improve(instances, begun, method, neighbours="all", num_threads=1)
            for d, tour in zip(distances, found.order.tolist(), strict=True):
                assert not MOVES[method]["two_opt"] or plain.gain_of_two_opt(d, tour) == 0
                assert not MOVES[method]["or_opt"] or plain.gain_of_or_opt(d, tour) == 0


def test_the_brute_force_sees_moves_that_are_left():
    """By searches with a defect: too few cities in reach, or only some of the beginnings of a move tried."""
    left = {"two_opt": 0, "or_opt": 0, "or_opt without segments_into": 0}
    for kind in ("uniform", "matrix"):
        for d in map(distances_of, instances_of(kind, 20, 14, 1)):
            tour = plain.random_tour(14, plain.Draws(0, 0, 0))
            left["two_opt"] += plain.gain_of_two_opt(d, plain.Exchanges(d, tour, reach=2, **MOVES["two_opt"]).run()) > 0
            left["or_opt"] += plain.gain_of_or_opt(d, plain.Exchanges(d, tour, reach=1, **MOVES["or_opt"]).run()) > 0
            search = plain.Exchanges(d, tour, **MOVES["or_opt"])
            search.segments_into = lambda a, b: []
            left["or_opt without segments_into"] += plain.gain_of_or_opt(d, search.run()) > 0
    assert all(left.values()), left


@pytest.mark.parametrize(("method", "options"), [
    ("two_opt", {}), ("or_opt", {}), ("or_2opt", {"neighbours": 5}),
    ("local_search", {"kicks": 0}), ("local_search", {"kicks": 30}),
    ("annealing", {"sweeps": 30}), ("annealing", {"sweeps": 30, "cooling": "linear", "temperatures": (0.5, 0)}),
])  # fmt: skip
def test_improved_tours_are_tours_and_never_longer(method, options):
    for instances, distances in cases(count=5):
        begun = tsp.construct(instances, "random", seed=1)
        found = tsp.improve(instances, begun.order, method, num_threads=1, **options)
        assert_lengths(found, instances)
        for d, before, after in zip(distances, begun.order.tolist(), found.order.tolist(), strict=True):
            assert sorted(after) == list(range(len(d))) and after == plain.canonical(after)
            assert plain.length(d, after) <= plain.length(d, before)


def test_a_tour_is_improved_the_same_however_it_is_written():
    points = points_of("uniform", 40, 20, 2)
    order = tsp.construct(points, "random").order
    turned = order.flip(1).roll(7, 1)
    for method in tsp.IMPROVEMENTS:
        assert torch.equal(tsp.improve(points, order, method).order, tsp.improve(points, turned, method).order)


def test_local_search_with_kicks_finds_nearly_every_optimum_of_20_cities():
    points = points_of("uniform", 300, 20, 3)
    optimal = tsp.solve(points).length
    shares = [
        float(
            (tsp.improve(points, method="local_search", kicks=kicks, seed=1).length <= optimal * (1 + 1e-12))
            .double()
            .mean()
        )
        for kicks in (0, 200)
    ]
    assert shares[0] < 0.9 and shares[1] > 0.97


@pytest.mark.parametrize("n", [5, 6])
def test_annealing_at_one_temperature_ends_in_tours_by_boltzmanns_law(n):
    """After many sweeps from a fixed tour, tours are as exp(-length / temperature); at a tenth more they would not be."""
    count, hot = 40_000, 0.3
    points = points_of("uniform", 1, n, 5)
    greedy = float(tsp.construct(points).length[0]) / n
    everywhere = np.repeat(points, count, axis=0)
    found = tsp.improve(everywhere, method="annealing", sweeps=40, temperatures=(hot, hot), keep="last", seed=8)
    seen, counts = np.unique(found.order.numpy(), axis=0, return_counts=True)
    tours = [list((0, *rest)) for rest in itertools.permutations(range(1, n)) if rest[0] < rest[-1]]
    dx = points[0][:, None] - points[0][None]
    lengths = np.array([plain.length(np.sqrt((dx**2).sum(-1)), tour) for tour in tours])
    at = [tours.index(tour) for tour in seen.tolist()]
    observed = np.bincount(at, weights=counts, minlength=len(tours))

    def statistic(temperature):
        law = np.exp(-(lengths - lengths.min()) / (temperature * greedy))
        expected = count * law / law.sum()
        common = expected >= 5
        pooled = [np.append(x[common], x[~common].sum()) for x in (observed, expected)]
        return chi_squared(*pooled), common.sum()

    value, degrees = statistic(hot)
    assert degrees > 6 and value < chi2.ppf(0.999, degrees)
    assert statistic(1.1 * hot)[0] > chi2.ppf(0.999999, degrees)


def test_slow_cooling_beats_fast_and_both_beat_none():
    points = points_of("uniform", 60, 40, 6)
    mean = [
        float(tsp.improve(points, method="annealing", **options).length.mean())
        for options in ({"sweeps": 1000}, {"sweeps": 30}, {"sweeps": 1000, "temperatures": (1.0, 1.0)})
    ]
    assert mean[0] < mean[1] < mean[2]
    linear = tsp.improve(points, method="annealing", cooling="linear", temperatures=(0.5, 0)).length.mean()
    assert mean[0] * 0.95 < float(linear) < mean[1]


def everything(points, first=0, **options):
    found = [tsp.construct(points, method, seed=4, first=first, **options) for method in tsp.CONSTRUCTIONS]
    found += [tsp.construct(points, m, start="random", seed=4, first=first, **options) for m in ("nearest_neighbour",)]
    small = {"local_search": {"kicks": 20}, "annealing": {"sweeps": 20}}
    found += [
        tsp.improve(points, method=method, seed=4, first=first, **small.get(method, {}), **options)
        for method in tsp.IMPROVEMENTS
    ]
    return found


def test_tours_do_not_depend_on_threads_or_portions():
    points = points_of("uniform", 101, 18, 7)
    alone = everything(points, num_threads=1)
    shared = everything(points, num_threads=3)
    parts = [everything(points[begin : begin + 40], first=begin, num_threads=2) for begin in (0, 40, 80)]
    for k, tours in enumerate(alone):
        assert torch.equal(tours.order, shared[k].order) and torch.equal(tours.length, shared[k].length)
        assert torch.equal(tours.order, torch.cat([part[k].order for part in parts]))


@pytest.mark.skipif("cuda:0" not in devices(), reason=f"no CUDA device: {missing_cuda()}")
def test_the_gpu_gives_the_tours_of_the_cpu():
    for instances, _ in cases(count=40, sizes=(5, 18, 40)):
        geometric = instances.shape[1] != instances.shape[2]
        given = torch.as_tensor(instances)
        for method in tsp.CONSTRUCTIONS:
            if geometric or method != "space_filling_curve":
                here, there = (tsp.construct(given.to(at), method, seed=2, device=at) for at in ("cpu", "cuda"))
                assert torch.equal(here.order, there.order.cpu()) and torch.equal(here.length, there.length.cpu())
        for method, options in {
            name: {"sweeps": 5} if name == "annealing" else {} for name in tsp.IMPROVEMENTS
        }.items():
            here, there = (tsp.improve(given.to(at), None, method, device=at, **options) for at in ("cpu", "cuda"))
            assert torch.equal(here.order, there.order.cpu()) and torch.equal(here.length, there.length.cpu())


def test_a_list_of_sizes_gives_each_instance_the_tour_it_has_alone():
    mixed = [points_of("uniform", 1, n, 8)[0] for n in (7, 12, 7, 30, 12)]
    together = everything(mixed)
    for k, tours in enumerate(together):
        for i, instance in enumerate(mixed):
            alone = everything(instance, first=i)[k]
            assert torch.equal(tours.order[i], alone.order[0]) and tours.length[i] == alone.length[0]
    begun = tsp.construct(mixed, "random").order
    again = tsp.improve(mixed, begun, "or_2opt")
    assert torch.equal(again.order[3], tsp.improve(mixed[3], begun[3], "or_2opt").order[0])
    with pytest.raises(TypeError, match="order: got int"):
        tsp.improve(mixed, 5)
    with pytest.raises(ValueError, match="order: got 4 tours for 5 instances"):
        tsp.improve(mixed, begun[:4])
    with pytest.raises(ValueError, match=r"order: got shape \(7,\) for instance 1, allowed: \(12,\)"):
        tsp.improve(mixed, [begun[0], begun[0], *begun[2:]])
    alike = [mixed[1], mixed[4]]
    assert torch.equal(tsp.improve(alike, [begun[1], begun[4]]).order[1], tsp.improve(mixed[4], begun[4]).order[0])


def test_sizes_of_points_and_matrices_that_only_just_fit():
    for n in (3, 255, 256):
        for tours in everything(points_of("uniform", 2, n, 9)):
            assert tours.order.sort(1).values.tolist() == [list(range(n))] * 2
    assert len(tsp.construct([])) == 0 and len(tsp.improve(np.zeros((0, 5, 2)))) == 0


POINTS = points_of("uniform", 2, 6, 0)


@pytest.mark.parametrize(("arguments", "error", "named"), [
    ({"method": "christofides"}, ValueError, "method: got 'christofides', allowed: nearest_neighbour"),
    ({"start": 6}, ValueError, "start: got 6, allowed: 0 to 5"), ({"start": -1}, ValueError, "start"),
    ({"start": "every"}, ValueError, "start: got 'every'"), ({"start": 1.0}, TypeError, "start"),
    ({"method": "greedy_edge", "start": 0}, ValueError, "start: got 0 with greedy_edge"),
    ({"seed": -1}, ValueError, "seed"), ({"first": 2**63}, ValueError, "first"), ({"num_threads": 0}, ValueError, "num_threads"),
    ({"metric": "GEO"}, ValueError, "metric"), ({"instances": np.full((1, 5, 2), np.nan)}, ValueError, "finite"),
    ({"instances": POINTS[:, :2]}, ValueError, "2 cities"), ({"instances": np.zeros((1, 257, 2))}, ValueError, "257 cities"),
    ({"instances": np.ones((1, 4, 4)), "method": "space_filling_curve"}, ValueError, "space_filling_curve with distances"),
])  # fmt: skip
def test_what_is_not_constructed(arguments, error, named):
    with pytest.raises(error, match=named):
        tsp.construct(**{"instances": POINTS} | arguments)


@pytest.mark.parametrize(("arguments", "error", "named"), [
    ({"method": "3-opt"}, ValueError, "method: got '3-opt', allowed: two_opt"),
    ({"kicks": 5}, ValueError, "kicks: got 5 with two_opt, allowed: neighbours"),
    ({"method": "local_search", "kicks": -1}, ValueError, "kicks"),
    ({"method": "local_search", "neighbours": 11}, ValueError, "neighbours: got 11, allowed: 1 to 10"),
    ({"method": "local_search", "neighbours": "all"}, ValueError, "neighbours: got 'all'"),
    ({"neighbours": 0}, ValueError, "neighbours"), ({"neighbours": 2.5}, TypeError, "neighbours"),
    ({"method": "annealing", "sweeps": 0}, ValueError, "sweeps"),
    ({"method": "annealing", "cooling": "log"}, ValueError, "cooling"),
    ({"method": "annealing", "temperatures": (1, 0)}, ValueError, "temperatures.*geometric"),
    ({"method": "annealing", "temperatures": (1, -1)}, ValueError, "temperatures"),
    ({"method": "annealing", "temperatures": 1.0}, TypeError, "temperatures"),
    ({"method": "annealing", "temperatures": (float("nan"), 1.0)}, ValueError, "temperatures"),
    ({"method": "annealing", "keep": "first"}, ValueError, "keep"),
    ({"order": [[0, 1, 2, 3, 4, 4]] * 2}, ValueError, "order: tour 0 does not visit"),
    ({"order": [list(range(6)), [1, 2, 3, 4, 5, 6]]}, ValueError, "order: tour 1 does not visit"),
    ({"order": [[0, 1, 2]]}, ValueError, "order: got shape"), ({"order": torch.zeros(2, 6)}, TypeError, "order"),
    ({"order": "012345"}, TypeError, "order"),
])  # fmt: skip
def test_what_is_not_improved(arguments, error, named):
    with pytest.raises(error, match=named):
        tsp.improve(**{"instances": POINTS} | arguments)
