"""Mazes depend on seed, number and options alone; trees are trees; options do what they say; bad input is named."""

import pytest
import torch

from mesasim import mazes

TREES = [n for n in mazes.algorithms() if "percolation" not in n]


def made_of(kind, count, size, **more):
    algorithm, options = kind
    return mazes.generate(count, size, algorithm, **{"seed": 9, **options, **more})


@pytest.mark.parametrize("size", [(5, 7), (16, 16)])
def test_threads_and_portions_change_no_byte(kind, size):
    whole = made_of(kind, 1000, size, num_threads=1).packed
    for threads in (2, 7):
        assert torch.equal(made_of(kind, 1000, size, num_threads=threads).packed, whole)
    parts = [made_of(kind, n, size, first=f).packed for f, n in ((0, 1), (1, 2), (3, 0), (3, 500), (503, 497))]
    assert torch.equal(torch.cat(parts), whole)
    assert not torch.equal(made_of(kind, 1000, size, seed=10).packed, whole) or kind[1].get("p") == 1.0


def test_numbers_beyond_32_bits_are_mazes_of_their_own():
    ends = [mazes.generate(2, 8, seed=1, first=2**k - 1).packed for k in (20, 32, 40, 62)]
    assert len(torch.unique(torch.cat(ends).flatten(1), dim=0)) == 8


@pytest.mark.parametrize("size", [(2, 2), (2, 256), (256, 2), (3, 7), (17, 16), (33, 31), (64, 64), (256, 256)])
@pytest.mark.parametrize("algorithm", TREES)
def test_a_tree_algorithm_makes_spanning_trees(algorithm, size):
    made = mazes.generate(3 if max(size) > 100 else 40, size, algorithm, seed=1)
    assert (made.connections.flatten(1).sum(1) == size[0] * size[1] - 1).all()
    assert (made.components()[1] == 1).all()


def test_bits_of_no_cell_are_zero(kind):
    made = made_of(kind, 50, (5, 11))
    assert torch.equal(mazes.Mazes.from_connections(made.connections).packed, made.packed)


# Options


def test_options_that_bend_nothing_change_nothing():
    plain = mazes.generate(300, (9, 12), seed=3).packed
    for options in ({"max_tree_depth": 108}, {"accessible_cells": 108}, {"branching": 1}):
        assert torch.equal(mazes.generate(300, (9, 12), seed=3, **options).packed, plain)


def test_the_walk_stops_after_as_many_cells_as_asked_and_no_deeper():
    made = mazes.generate(200, 12, seed=1, accessible_cells=40)
    assert (made.connections.flatten(1).sum(1) == 39).all()
    shallow = mazes.generate(200, 12, seed=1, max_tree_depth=9, start_row=4, start_col=5)
    depth = shallow.distances((4, 5)).flatten(1)
    assert (depth.max(1).values == 9).all() and (shallow.connections.flatten(1).sum(1) == (depth >= 0).sum(1) - 1).all()
    path = mazes.generate(200, 12, seed=1, forks=False)
    assert (path.degrees() <= 2).all() and (path.dead_ends().flatten(1).sum(1) == 2).all()


def test_a_walk_that_does_not_branch_goes_straight_until_it_must_turn():
    def turns(branching):
        degrees, connections = (m := mazes.generate(300, 16, seed=2, branching=branching)).degrees(), m.connections
        down = connections[:, 0]
        straight = down & torch.nn.functional.pad(down, (0, 0, 1, 0))[:, :-1]
        right = connections[:, 1]
        straight |= right & torch.nn.functional.pad(right, (1, 0))[:, :, :-1]
        return float((~straight[degrees == 2]).double().mean())

    rates = [turns(b) for b in (0, 0.25, 0.5, 1)]
    assert rates == sorted(rates) and rates[0] < 0.4 < rates[3]


def test_braiding_leaves_no_dead_end_and_adds_only():
    for algorithm in ("depth_first", "binary_tree", "wilson"):
        plain, braided = (mazes.generate(100, (9, 14), algorithm, seed=4, braid=b) for b in (0, 1))
        assert not braided.dead_ends().any()
        assert (braided.connections >= plain.connections).all()
        some = mazes.generate(100, (9, 14), algorithm, seed=4, braid=0.5)
        assert 0 < int(some.dead_ends().sum()) < int(plain.dead_ends().sum())


def test_percolation_opens_as_many_as_it_should():
    for p in (0, 0.1, 1 / 3, 0.5, 0.9, 1):
        opened = mazes.generate(500, 20, "percolation", seed=1, p=p).connections.double().sum() / 500 / 760
        assert abs(float(opened) - p) <= 4 * (p * (1 - p) / 380_000) ** 0.5


# Bad input


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        ({"size": 1}, ValueError, "size: got 1, allowed: 2 to 256"), ({"size": 257}, ValueError, "size: got 257"),
        ({"size": (4, 300)}, ValueError, "size: got 300"), ({"size": (4, 4, 4)}, ValueError, "size"),
        ({"size": 4.0}, TypeError, "size"), ({"size": "4"}, TypeError, "size"), ({"size": True}, TypeError, "size"),
        ({"count": -1}, ValueError, "count"), ({"count": 2**41}, ValueError, "count"), ({"count": None}, TypeError, "count"),
        ({"algorithm": "maze"}, ValueError, "algorithm: got 'maze', allowed: 'depth_first'"),
        ({"seed": -1}, ValueError, "seed"), ({"seed": 2**64}, ValueError, "seed"), ({"first": 2**63}, ValueError, "first"),
        ({"algorithm": "percolation", "p": 1.5}, ValueError, "p: got 1.5, allowed: 0 to 1"),
        ({"algorithm": "percolation", "p": float("nan")}, ValueError, "p: got nan"),
        ({"algorithm": "percolation", "p": "half"}, TypeError, "p"), ({"p": 0.5}, TypeError, "p: got 0.5, but algorithm"),
        ({"braid": -0.1}, ValueError, "braid"), ({"forks": 1}, TypeError, "forks"),
        ({"start_row": 4}, ValueError, "start_row: got 4, allowed: -1 to 3 with rows=4"),
        ({"accessible_cells": 17}, ValueError, "accessible_cells: got 17, allowed: 0 to 16"),
        ({"num_threads": 0}, ValueError, "num_threads"), ({"num_threads": 1025}, ValueError, "num_threads"),
        ({"device": "tpu"}, ValueError, "device"), ({"device": "cuda:99"}, RuntimeError, "device"),
    ],
)  # fmt: skip
def test_bad_input_is_named(bad, error, message):
    with pytest.raises(error, match=message):
        mazes.generate(**{"count": 1, "size": 4, **bad})


def test_no_mazes_are_a_batch_too():
    none = mazes.generate(0, 5)
    assert len(none) == 0 and none.connections.shape == (0, 2, 5, 5)
    assert none.distances(0).shape == (0, 5, 5) and len(none.solve(0, 1)) == 0
