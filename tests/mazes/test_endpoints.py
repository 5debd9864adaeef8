"""Starts and goals keep their rules and have their law."""

import pytest
import torch
from scipy import stats

from mesasim import mazes

COUNT = 40_000


def same(made, i, count=COUNT):
    """Maze i, `count` times."""
    return made[torch.full((count,), i)]


def allowed_pairs(made, i, rule, least, most, not_equal):
    """{(start, goal): probability}: the goal uniform over those with a start, the start uniform over its."""
    dead_ends = made.dead_ends()[i].flatten()
    cells = [c for c in range(dead_ends.numel()) if rule == "uniform" or dead_ends[c]]
    partners = {}
    for goal in cells:
        steps = made.distances(goal)[i].flatten()
        found = [c for c in cells if least <= steps[c] <= most and steps[c] >= 0 and (c != goal or not not_equal)]
        if found:
            partners[goal] = found
    return {(s, g): 1 / len(partners) / len(found) for g, found in partners.items() for s in found}


@pytest.mark.parametrize(
    ("algorithm", "options", "rule", "least", "most", "not_equal"),
    [
        ("wilson", {}, "uniform", 0, 99, True), ("wilson", {}, "uniform", 0, 99, False),
        ("wilson", {}, "dead_ends", 0, 99, True), ("depth_first", {}, "uniform", 5, 6, True),
        ("percolation", {"p": 0.45}, "uniform", 2, 99, True), ("prim_edge", {"braid": 0.3}, "dead_ends", 3, 99, True),
    ],
)  # fmt: skip
def test_endpoints_have_their_exact_law(algorithm, options, rule, least, most, not_equal):
    made = mazes.generate(1, (3, 4), algorithm, seed=3, **options)
    law = allowed_pairs(made, 0, rule, least, most, not_equal)
    start, goal = same(made, 0).endpoints(seed=1, rule=rule, min_distance=least, max_distance=most, not_equal=not_equal)
    counts = torch.bincount(start.long() * 12 + goal.long(), minlength=144)
    expected = torch.zeros(144, dtype=torch.float64)
    for (s, g), probability in law.items():
        expected[s * 12 + g] = probability * COUNT
    assert not counts[expected == 0].any()
    assert stats.chisquare(counts[expected > 0], expected[expected > 0]).pvalue > 0.001


def test_rules_are_kept_on_every_kind_of_maze(kind):
    algorithm, options = kind
    made = mazes.generate(300, (8, 9), algorithm, seed=2, **options)
    start, goal = made.endpoints(seed=5, min_distance=3, max_distance=9, on_impossible="mask")
    kept = start >= 0
    assert torch.equal(kept, goal >= 0)
    length = made[kept].solve(start[kept], goal[kept]).length
    assert ((length >= 3) & (length <= 9)).all()
    diameter = torch.stack([made.distances(cell).flatten(1).max(1).values for cell in range(72)]).max(0).values
    assert torch.equal(kept, diameter >= 3)


def test_given_ends_are_kept_and_portions_change_nothing():
    made = mazes.generate(500, 10, "kruskal", seed=2)
    start, goal = made.endpoints(seed=5, goal=(0, 9), min_distance=4)
    assert (goal == 9).all() and (made.solve(start, goal).length >= 4).all()
    fixed, free = made.endpoints(seed=5, start=torch.arange(500) % 100)
    assert torch.equal(fixed, (torch.arange(500) % 100).int()) and (free != fixed).all()
    whole = made.endpoints(seed=7)
    parts = [made[a:b].endpoints(seed=7, first=a) for a, b in ((0, 123), (123, 500))]
    for k in range(2):
        assert torch.equal(whole[k], torch.cat([part[k] for part in parts]))
    assert not torch.equal(whole[0], made.endpoints(seed=8)[0])


def test_rules_that_cannot_be_kept_are_refused_with_their_mazes_or_masked():
    made = mazes.generate(30, 5, "depth_first", seed=1)
    longest = torch.stack([made.distances(cell).flatten(1).max(1).values for cell in range(25)]).max(0).values
    short = longest < 18
    assert 0 < short.sum() < 30
    with pytest.raises(ValueError, match=rf"{int(short.sum())} mazes \({int(short.nonzero()[0])}, "):
        made.endpoints(min_distance=18)
    start, _ = made.endpoints(min_distance=18, on_impossible="mask")
    assert torch.equal(start < 0, short)
    with pytest.raises(ValueError, match="endpoints"):
        made.endpoints(start=3, goal=3)


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ({"rule": "corners"}, ValueError), ({"min_distance": -1}, ValueError), ({"max_distance": 2.5}, TypeError),
        ({"max_distance": 2, "min_distance": 3}, ValueError), ({"seed": -1}, ValueError), ({"first": "0"}, TypeError),
        ({"start": 25}, ValueError), ({"goal": (0, 5)}, ValueError), ({"not_equal": 1}, TypeError),
        ({"on_impossible": "skip"}, ValueError), ({"num_threads": 0}, ValueError),
    ],
)  # fmt: skip
def test_bad_rules_are_named(bad, error):
    made = mazes.generate(2, 5, seed=1)
    with pytest.raises(error, match=next(iter(bad)).split("_")[0]):
        made.endpoints(**bad)


@pytest.mark.parametrize(("least", "most"), [(0, 2), (3, 99)])
def test_with_a_start_given_the_goal_is_uniform_over_those_allowed(least, most):
    made = mazes.generate(1, (3, 4), "prim_edge", seed=3, braid=0.5)
    steps = made.distances(5)[0].flatten()
    fits = (steps >= least) & (steps <= most) & (torch.arange(12) != 5)
    start, goal = same(made, 0).endpoints(seed=2, start=5, min_distance=least, max_distance=most)
    counts = torch.bincount(goal.long(), minlength=12)
    assert (start == 5).all() and fits.sum() > 1 and not counts[~fits].any()
    assert stats.chisquare(counts[fits]).pvalue > 0.001


def test_rules_hard_to_keep_are_decided_in_time():
    """Trying every pair takes some 10^10 steps for the first and the second."""
    made = mazes.generate(2, 256, "depth_first", seed=1)
    assert (made.endpoints(min_distance=256 * 256, on_impossible="mask")[0] < 0).all()
    start, goal = made.endpoints(seed=1, start=(0, 0), max_distance=2)
    assert (made.solve(start, goal).length <= 2).all()
    longest = made.distances(0).flatten(1).max(1).values
    start, goal = made.endpoints(seed=1, min_distance=int(longest.min()))
    assert (made.solve(start, goal).length >= longest.min()).all()
