"""Tour problems are what their distribution says, to the bit of a plain rewriting and in law; greedy-hard ones are hard."""

import math
from dataclasses import fields

import numpy as np
import pytest
import torch
from plain.draws import LAYOUT, TASK

from mesasim import tsp
from mesasim.curriculum import Curriculum

OPTIONS = {
    "uniform": {}, "clustered": {"clusters": 5, "spread": 0.2}, "explosion": {"push": 0.3, "least_radius": 0.2},
    "grid": {"jitter": 0.9}, "ring": {"radius": 0.3, "width": 0.1}, "random_matrix": {},
}  # fmt: skip


def p_of_chi_square(counts, expected):
    """Wilson and Hilferty's approximation of the upper tail, for many cells."""
    counts, expected = np.broadcast_arrays(np.asarray(counts, float).ravel(), np.asarray(expected, float).ravel())
    freedom = len(counts) - 1
    statistic = ((counts - expected) ** 2 / expected).sum()
    z = ((statistic / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / math.sqrt(2 / (9 * freedom))
    return 0.5 * math.erfc(z / math.sqrt(2))


def p_of_uniform(values, low=0.0, high=1.0, bins=50):
    counts, _ = np.histogram(np.asarray(values).ravel(), bins, (low, high))
    return p_of_chi_square(counts, np.asarray(values).size / bins)


@pytest.mark.parametrize("options", [False, True])
@pytest.mark.parametrize("name", OPTIONS)
def test_problems_are_those_of_the_rules_in_plain_python(plain_data, name, options):
    given = OPTIONS[name] if options else {}
    for n, number in ((3, 0), (7, 1), (30, 2**32 + 5), (100, 3)):
        made = tsp.generate(1, n, name, seed=2**40 + 7, first=number, **given)[0]
        rule = getattr(plain_data, name)(n, plain_data.Words(2**40 + 7, number, LAYOUT), **given)
        # libm's last bits may put a point into the next cell of 2^-23
        assert np.abs(made.numpy() - np.array(rule)).max() <= (
            2**-23 if name in ("clustered", "explosion", "ring") else 0
        )


@pytest.mark.parametrize("name", [*OPTIONS, "greedy_hard"])
def test_a_problem_depends_on_seed_and_number_alone(name):
    whole = tsp.generate(60, 8, name, seed=5, num_threads=1)
    parts = [tsp.generate(k, 8, name, seed=5, first=f, num_threads=3) for f, k in ((0, 1), (1, 0), (1, 30), (31, 29))]
    assert torch.equal(whole, torch.cat(parts))
    assert len(whole.flatten(1).unique(dim=0)) == 60
    assert not torch.equal(whole, tsp.generate(60, 8, name, seed=6))


@pytest.mark.parametrize("name", OPTIONS)
def test_a_problem_is_the_same_on_every_device(name, device):
    made = tsp.generate(300, 17, name, seed=8, first=2**33, device=device, **OPTIONS[name])
    assert made.device.type == device.type
    assert torch.equal(made.cpu(), tsp.generate(300, 17, name, seed=8, first=2**33, **OPTIONS[name]))


@pytest.mark.parametrize("name", OPTIONS)
def test_coordinates_are_odd_multiples_exact_as_float32(name):
    made = tsp.generate(50, 16, name, **OPTIONS[name])
    if name == "random_matrix":
        assert torch.equal(made, made.transpose(1, 2)) and not made.diagonal(dim1=1, dim2=2).any()
        made = made[:, ~torch.eye(16, dtype=torch.bool)]
    scaled = made * 2**24
    assert torch.equal(scaled % 2, torch.ones_like(made)) and made.min() > 0 and made.max() < 1
    assert torch.equal(made, made.float().double())


def test_uniform_points_are_uniform_and_independent():
    points = tsp.generate(4000, 20, seed=1).numpy()
    cells = (points * 8).astype(int)
    counts = np.bincount((cells[..., 0] * 8 + cells[..., 1]).ravel(), minlength=64)
    assert p_of_chi_square(counts, points[..., 0].size / 64) > 1e-3
    low_bits = (points * 2**24).astype(int) // 2 % 50
    assert p_of_uniform(low_bits / 50 + 0.01) > 1e-3
    following = (cells[:, :-1, 0] * 8 + cells[:, 1:, 0]).ravel()
    assert p_of_chi_square(np.bincount(following, minlength=64), len(following) / 64) > 1e-3
    assert p_of_uniform(points**1.02) < 1e-6  # a planted defect


def test_clusters_have_the_spread_and_number_asked_for():
    alone = tsp.generate(3000, 50, "clustered", clusters=1, spread=0.02, seed=2).numpy()
    centre = alone.mean(1)
    inside = ((centre > 0.1) & (centre < 0.9)).all(1)
    spread = alone[inside].std(1, ddof=1)
    assert abs((spread**2).mean() - 0.02**2) < 4 * 0.02**2 * math.sqrt(2 / (spread.size * 49))
    assert p_of_uniform(centre[inside], 0.1, 0.9, 20) > 1e-3
    tight = tsp.generate(2000, 100, "clustered", clusters=4, spread=0.0, seed=2)
    sizes = [c for problem in tight for c in problem.unique(dim=0, return_counts=True)[1].tolist()]
    assert len(sizes) == 4 * 2000  # spread 0: every city at one of four places
    assert abs(np.var(sizes) - 100 * 0.25 * 0.75) < 1.5


def test_an_explosion_leaves_a_hole():
    """Its centre is looked for as the place farthest from all points."""
    at = torch.cartesian_prod(*[torch.linspace(0.3, 0.7, 41, dtype=torch.float64)] * 2)

    def holes(name, **options):
        problems = tsp.generate(300, 256, name, seed=3, **options)
        return torch.stack([torch.cdist(at, points).amin(1).max() for points in problems])

    exploded = holes("explosion", least_radius=0.25, most_radius=0.25, push=0.0)
    assert exploded.max() < 0.25 + 1e-6  # the rim
    assert (
        0.13 < (exploded > 0.24).double().mean() < 0.26
    )  # about the share of centres near the middle: 0.4², and edges
    assert holes("uniform").max() < 0.2  # a planted defect: no explosion


def test_grid_points_lie_in_different_cells_any_of_them():
    points = tsp.generate(3000, 20, "grid", jitter=0.5, seed=4).numpy()
    cells = (points * 5).astype(int)
    number = cells[..., 0] * 5 + cells[..., 1]
    assert all(len(set(row)) == 20 for row in number)
    assert p_of_chi_square(np.bincount(number.ravel(), minlength=25), 3000 * 20 / 25) > 1e-3
    offset = points * 5 - cells - 0.5
    assert np.abs(offset).max() <= 0.25 + 1e-5 and p_of_uniform(offset, -0.25, 0.25) > 1e-3
    assert tsp.generate(1, 16, "grid", jitter=0)[0].unique(dim=0).shape == (16, 2)


def test_ring_points_have_radius_width_and_any_direction():
    around = tsp.generate(2000, 20, "ring", radius=0.3, width=0.03, seed=5).numpy() - 0.5
    radius = np.hypot(around[..., 0], around[..., 1])
    assert abs(radius.mean() - 0.3) < 4 * 0.03 / 200 and abs(radius.std() - 0.03) < 4 * 0.03 / 280
    angle = np.arctan2(around[..., 1], around[..., 0])
    assert p_of_uniform(angle, -math.pi, math.pi) > 1e-3
    square = np.random.default_rng(1).uniform(-1, 1, around.shape)  # a planted defect: no rejection outside the disc
    assert p_of_uniform(np.arctan2(square[..., 1], square[..., 0]), -math.pi, math.pi) < 1e-6


@pytest.mark.parametrize(
    ("n", "options"),
    [(7, {"gap": 0.06}), (7, {"gap": 0.04, "base": "clustered", "spread": 0.1}), (6, {"gap": 0.1, "base": "random_matrix"}),
     (8, {"gap": 0.0, "two_opt_gap": 0.01}), (8, {"gap": 0.05, "two_opt_gap": 0.01})],
    ids=str,
)  # fmt: skip
def test_greedy_hard_is_the_first_hard_draw_of_its_own_stream(plain_data, n, options):
    made = tsp.labelled(3, n, "greedy_hard", seed=9, first=4, **options)
    wanted, wanted_after = options["gap"], options.get("two_opt_gap", 0.0)
    law = {name: value for name, value in options.items() if name not in ("gap", "two_opt_gap", "base")}
    base = options.get("base", "uniform")
    for i in range(3):
        for trial in range(int(made.trials[i])):
            words = plain_data.Words(9, 4 + i, TASK, 4096 * trial)
            problem = getattr(plain_data, base)(n, words, **law)
            d = plain_data.distances(problem)
            best, greedy = plain_data.optimum(d), plain_data.nearest_neighbour(d)
            gap = plain_data.length(d, greedy) / best - 1
            after = plain_data.length(d, plain_data.two_opt(d, greedy)) / best - 1
            hard = gap >= wanted - 1e-9 and (wanted_after == 0 or after >= wanted_after - 1e-9)
            assert hard == (trial == made.trials[i] - 1)
        assert np.abs(made.problems[i].numpy() - np.array(problem)).max() <= 2**-23
        assert float(made.length[i]) == pytest.approx(best, abs=1e-5)
        assert float(made.gap[i]) == pytest.approx(gap, abs=1e-5)
        assert float(made.two_opt_gap[i]) == pytest.approx(after, abs=1e-5)


def test_any_draw_is_hard_enough_for_no_gap():
    made = tsp.labelled(500, 6, "greedy_hard", gap=0.0)
    assert (made.trials == 1).all() and (
        made.gap == 0
    ).double().mean() > 0.5  # the same tour has the same length to the bit
    base = tsp.generate(500, 6)
    assert not torch.isin(made.problems.flatten(), base.flatten()).any()  # a stream of its own


def test_portions_of_greedy_hard_do_not_matter(monkeypatch):
    whole = tsp.labelled(50, 9, "greedy_hard", gap=0.05)
    monkeypatch.setattr(tsp.generation, "AT_ONCE", 130)
    monkeypatch.setattr(tsp.generation, "DRAWS_A_CALL", 9**3 * 5)
    parts = tsp.labelled(50, 9, "greedy_hard", gap=0.05)
    assert all(torch.equal(getattr(whole, f.name), getattr(parts, f.name)) for f in fields(whole))


def test_greedy_hard_of_twenty_cities_is_hard(plain_data):
    made = tsp.labelled(40, 20, "greedy_hard", gap=0.12, two_opt_gap=0.02, seed=1)
    again = tsp.solve(made.problems)
    assert torch.equal(made.length, again.length) and torch.equal(made.order, again.order) and again.optimal.all()
    assert made.gap.min() >= 0.12 and made.two_opt_gap.min() >= 0.02 and made.trials.max() > 10
    for i in range(40):
        d = plain_data.distances(made.problems[i].tolist())
        greedy = plain_data.nearest_neighbour(d)
        assert plain_data.length(d, greedy) == pytest.approx(float(made.nearest_neighbour[i]), rel=1e-12)
        assert plain_data.length(d, plain_data.two_opt(d, greedy)) == pytest.approx(float(made.two_opt[i]), rel=1e-12)
        assert plain_data.length(d, made.order[i].tolist()) == pytest.approx(float(made.length[i]), rel=1e-12)


def test_the_acceptance_rate_is_the_bases_share_of_hard_instances():
    base = tsp.labelled(4000, 12, seed=11)
    share = float((base.gap >= 0.1).double().mean())
    trials = tsp.labelled(600, 12, "greedy_hard", gap=0.1, seed=12).trials.double()
    assert abs(1 / trials.mean() - share) < 4 * share * math.sqrt(1 / 600 + 1 / (4000 * share))
    assert abs(trials.std() / trials.mean() - 1) < 0.25  # geometric


def test_labels_are_the_optimum_and_greed(plain_data):
    for name, n in (("uniform", 8), ("random_matrix", 7), ("grid", 8), ("clustered", 3)):
        made = tsp.labelled(6, n, name, seed=3)
        assert (made.gap >= 0).all() and (made.two_opt <= made.nearest_neighbour).all() and (made.trials == 1).all()
        assert torch.equal(tsp.canonical(made.order), made.order)
        for i in range(6):
            d = plain_data.distances(made.problems[i].tolist())
            assert plain_data.optimum(d) == pytest.approx(float(made.length[i]), rel=1e-12)
            greedy = plain_data.nearest_neighbour(d)
            assert plain_data.length(d, greedy) == pytest.approx(float(made.nearest_neighbour[i]), rel=1e-12)
    assert len(made[:2]) == 2 and len(tsp.labelled(0, 9)) == 0 and len(tsp.labelled(0, 9, "greedy_hard")) == 0


def test_cities_in_one_place_have_no_gap():
    made = tsp.labelled(3, 9, "clustered", clusters=1, spread=0.0)
    assert not made.length.any() and not made.gap.any()
    with pytest.raises(RuntimeError, match="instance 0 of seed 0 was given up after 50 draws of clustered"):
        tsp.generate(2, 9, "greedy_hard", base="clustered", clusters=1, spread=0.0, max_trials=50)


def test_nodes_grade_a_curriculum():
    made = tsp.labelled(300, 30, method="branch_and_bound", seed=2)
    assert made.nodes.min() >= 1 and made.one_trees.max() > made.one_trees.min()
    by_gap = Curriculum(made.gap, "hard_only", buckets=3)
    assert made.gap[by_gap.open(0.5)].min() >= made.gap.quantile(2 / 3) - 1e-12
    assert Curriculum(made.one_trees, buckets=4).buckets == 4


def test_symmetries_are_eight_and_change_no_length_by_a_bit():
    points = tsp.generate(5, 11, "ring", seed=8)
    images = tsp.augment(points)
    assert images.shape == (40, 11, 2) and len(images.flatten(1).unique(dim=0)) == 40
    assert torch.equal(images[::8], points)
    solved = tsp.solve(images)
    assert torch.equal(solved.length.view(5, 8), solved.length[::8, None].expand(5, 8))
    assert torch.equal(tsp.augment(points, torch.arange(5)), torch.stack([images[8 * i + i] for i in range(5)]))
    assert torch.equal(tsp.augment(points.float()).double(), images)
    turned = torch.stack([points[..., 1], 1 - points[..., 0]], -1)  # by a quarter
    assert torch.equal(tsp.augment(points, torch.full((5,), 5)), turned) or torch.equal(
        tsp.augment(points, torch.full((5,), 6)), turned
    )


def test_a_tour_has_one_canonical_order():
    order = torch.tensor([[3, 1, 0, 2, 4]])
    ways = torch.cat([torch.roll(o, k, 1) for o in (order, order.flip(1)) for k in range(5)])
    assert (tsp.canonical(ways) == torch.tensor([0, 1, 3, 4, 2])).all()
    assert tsp.canonical([2, 0, 1]).tolist() == [0, 1, 2] and tsp.canonical(order.to(torch.uint8)).dtype == torch.uint8
    for bad, error in (
        ([0, 1, 1], ValueError),
        ([1, 2, 3], ValueError),
        ([0.0, 1.0], TypeError),
        ([[[0]]], ValueError),
    ):
        with pytest.raises(error, match="order"):
            tsp.canonical(bad)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n": 2}, ValueError, "n: got 2"), ({"n": 257}, ValueError, "n: got 257"), ({"count": -1}, ValueError, "count"),
        ({"n": 5.0}, TypeError, "n: got 5.0"), ({"seed": -1}, ValueError, "seed"), ({"first": 2**63}, ValueError, "first"),
        ({"distribution": "normal"}, ValueError, "distribution: got 'normal'.*greedy_hard"),
        ({"distribution": 3}, ValueError, "distribution: got 3"), ({"spread": 0.1}, TypeError, "spread.*no such option"),
        ({"distribution": "clustered", "spread": 0.6}, ValueError, "spread: got 0.6"),
        ({"distribution": "clustered", "clusters": 0}, ValueError, "clusters: got 0"),
        ({"distribution": "ring", "width": float("nan")}, ValueError, "width: got nan"),
        ({"distribution": "explosion", "least_radius": 0.45}, ValueError, "most_radius: got 0.4"),
        ({"distribution": "greedy_hard", "gap": -0.1}, ValueError, "gap: got -0.1"),
        ({"distribution": "greedy_hard", "gap": "much"}, TypeError, "gap"),
        ({"distribution": "greedy_hard", "base": "greedy_hard"}, ValueError, "base: got 'greedy_hard'"),
        ({"distribution": "greedy_hard", "clusters": 2}, TypeError, "clusters.*no such option"),
        ({"distribution": "greedy_hard", "max_trials": 0}, ValueError, "max_trials"),
        ({"distribution": "greedy_hard", "base": "random_matrix", "n": 200}, ValueError, "n: got 200"),
        ({"distribution": "greedy_hard", "n": 2}, ValueError, "n: got 2"),
        ({"num_threads": 0}, ValueError, "num_threads"), ({"device": "abacus"}, ValueError, "device"),
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused_by_name(arguments, error, message):
    for count in (0, 3):
        with pytest.raises(error, match=message):
            tsp.generate(**{"count": count, "n": 8, **arguments})


def test_what_cannot_be_augmented_is_refused():
    points = tsp.generate(2, 5)
    for given, error in (
        (points.long(), TypeError),
        (points[0], ValueError),
        (2 * points, ValueError),
        ([[0.5]], ValueError),
    ):
        with pytest.raises(error, match="points"):
            tsp.augment(given)
    for which in (torch.tensor([0]), torch.tensor([0, 8])):
        with pytest.raises(ValueError, match="which"):
            tsp.augment(points, which)
