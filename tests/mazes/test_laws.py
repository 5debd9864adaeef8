"""Every algorithm draws mazes by its exact law: chi-square against its choices exhausted (plain/maze_laws.py), transfer currents
at real sizes, and reference statistics. Each kind of check is shown to catch planted defects."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from plain import maze_laws as laws
from scipy import stats

from mesasim import mazes

N = 100_000
HALF = Fraction(1, 2)


G3, G24 = laws.Grid(3, 3), laws.Grid(2, 4)


def drawn(algorithm, grid=G3, count=N, seed=11, **options):
    """How often each maze came: int64 [2^connections]."""
    connections = mazes.generate(count, (grid.rows, grid.cols), algorithm, seed=seed, **options).connections
    down, right = connections[:, 0, :-1].flatten(1), connections[:, 1, :, :-1].flatten(1)
    bits = torch.cat([down, right], 1).long()
    return torch.bincount((bits << torch.arange(bits.shape[1])).sum(1), minlength=1 << bits.shape[1]).numpy()


def p_value(counts, law):
    """Chi-square of drawn mazes against a law, mazes expected less than 5 times put together; 0 if one came that the law
    forbids."""
    expected = np.array([float(law.get(maze, 0)) for maze in range(len(counts))]) * counts.sum()
    if counts[expected == 0].any():
        return 0.0
    rare, seen = (expected > 0) & (expected < 5), expected >= 5
    observed, wanted = list(counts[seen]), list(expected[seen])
    if expected[rare].sum() > 0:
        observed.append(counts[rare].sum())
        wanted.append(expected[rare].sum())
    if len(observed) == 1:
        return 1.0
    return stats.chisquare(observed, np.array(wanted) * sum(observed) / sum(wanted)).pvalue


LAWS = {
    "depth_first": ({}, lambda: laws.depth_first(G3), G3),
    "wilson": ({}, lambda: laws.uniform(G3), G3),
    "aldous_broder": ({}, lambda: laws.uniform(G3), G3),
    "kruskal": ({}, lambda: laws.kruskal(G3), G3),
    "prim_edge": ({}, lambda: laws.prim_edge(G3), G3),
    "prim_cell": ({}, lambda: laws.prim_cell(G3), G3),
    "growing_tree": ({}, lambda: laws.growing_tree(G24), G24),
    "growing_tree, newest=0": ({"newest": 0}, lambda: laws.growing_tree(G3, Fraction(0)), G3),
    "growing_tree, newest=1": ({"newest": 1.0}, lambda: laws.depth_first(G3), G3),
    "recursive_division": ({}, lambda: laws.recursive_division(G3), G3),
    "hunt_and_kill": ({}, lambda: laws.hunt_and_kill(G3), G3),
    "binary_tree": ({}, lambda: laws.binary_tree(G3), G3),
    "sidewinder": ({}, lambda: laws.sidewinder(G3), G3),
    "eller": ({}, lambda: laws.eller(G3), G3),
    "percolation": ({"p": 0.3}, lambda: laws.percolated(G3, {0: Fraction(1)}, Fraction(3, 10)), G3),
    "depth_first_percolation": (
        {"p": 0.25}, lambda: laws.percolated(G24, laws.depth_first(G24), Fraction(1, 4)), G24
    ),
    "wilson, braided": ({"braid": 0.75}, lambda: laws.braided(G24, laws.uniform(G24), Fraction(3, 4)), G24),
    "depth_first, from a corner": ({"start_row": 0, "start_col": 0}, lambda: laws.depth_first(G3, [(0, 0)]), G3),
}  # fmt: skip


def test_every_algorithm_has_a_law():
    assert {name.split(",")[0] for name in LAWS} == set(mazes.algorithms())


@pytest.mark.parametrize("name", LAWS)
def test_mazes_have_their_algorithms_exact_law(name):
    options, law, grid = LAWS[name]
    law = law()
    assert p_value(drawn(name.split(",")[0], grid, **options), law) > 0.001


def test_the_exhausted_laws_are_those_known():
    """Kirchhoff's counts, and what was found elsewhere: trees possible, distance from uniform, extremes."""
    for rows, cols in ((2, 2), (2, 4), (3, 3)):
        grid = laws.Grid(rows, cols)
        laplacian = np.zeros((len(grid.cells),) * 2)
        for a, b in grid.edges:
            i, j = grid.cells.index(a), grid.cells.index(b)
            laplacian[i, i] += 1
            laplacian[j, j] += 1
            laplacian[i, j] = laplacian[j, i] = -1
        assert round(np.linalg.det(laplacian[1:, 1:])) == len(grid.trees())
    trees = G3.trees()
    assert len(trees) == 192

    def from_uniform(law):
        return sum(abs(law.get(tree, 0) - Fraction(1, 192)) for tree in trees) / 2

    backtracker, kruskal = laws.depth_first(G3), laws.kruskal(G3)
    assert len(backtracker) == 88 and round(float(from_uniform(backtracker)), 3) == 0.542
    assert round(float(from_uniform(kruskal)), 3) == 0.066
    assert round(float(max(kruskal.values()) * 192), 2) == 1.31
    assert round(float(from_uniform(laws.prim_edge(G3))), 3) == 0.224
    assert round(float(from_uniform(laws.prim_cell(G3))), 3) == 0.211


INNER = [(r, c) for r, c in G3.cells if r < 2 and c < 2]  # never the last row or column, as in a library in use
DIAGONAL = [(r, c) for r, c in G3.cells if r == c]  # one draw used for row and column
DEFECTS = {
    "depth_first: start never in the last row or column": ("depth_first", lambda: laws.depth_first(G3, INNER)),
    "depth_first: start on the diagonal": ("depth_first", lambda: laws.depth_first(G3, DIAGONAL)),
    "depth_first: prefers to go right": (
        "depth_first", lambda: laws.depth_first(G3, weight=lambda a, b: 11 if b[1] > a[1] else 10)
    ),
    "prim_edge: start never in the last row or column": ("prim_edge", lambda: laws.prim_edge(G3, INNER)),
    "prim_cell: start on the diagonal": ("prim_cell", lambda: laws.prim_cell(G3, DIAGONAL)),
    "prim_edge taken for prim_cell": ("prim_edge", lambda: laws.prim_cell(G3)),
    "kruskal taken for uniform": ("kruskal", lambda: laws.uniform(G3)),
    "wilson taken for kruskal": ("wilson", lambda: laws.kruskal(G3)),
    "growing tree of another mixture": ("growing_tree", lambda: laws.growing_tree(G24, Fraction(11, 20))),
    "percolation of another p": ("percolation", lambda: laws.percolated(G3, {0: Fraction(1)}, Fraction(51, 100))),
}  # fmt: skip


@pytest.mark.parametrize("name", DEFECTS)
def test_planted_defects_of_the_law_are_caught(name):
    """The chi-square of sound mazes against the defective law: as far apart as defective mazes from the sound law."""
    algorithm, law = DEFECTS[name]
    grid = G24 if algorithm == "growing_tree" else G3
    assert p_value(drawn(algorithm, grid), law()) < 1e-6


def test_defective_mazes_are_caught_by_the_sound_law():
    """The other way round: mazes drawn from defective laws, held against the right one."""
    rng = np.random.default_rng(0)
    right = laws.depth_first(G3)
    for starts, weight in ((INNER, None), (DIAGONAL, None), (None, lambda a, b: 11 if b[1] > a[1] else 10)):
        law = laws.depth_first(G3, starts, weight or (lambda a, b: 1))
        counts = np.zeros(1 << 12, dtype=np.int64)
        counts[list(law)] = rng.multinomial(N, [float(p) for p in law.values()])
        assert p_value(counts, right) < 1e-6
        assert p_value(counts, law) > 0.001  # and the check itself is content with them


# Any size: a uniform spanning tree's connections are a determinantal process


def transfer_current(rows, cols):
    """K = Bᵀ L⁺ B (Burton and Pemantle 1993): P(e in tree) = K_ee, cov(e, f) = -K_ef²."""
    grid = laws.Grid(rows, cols)
    place = {cell: k for k, cell in enumerate(grid.cells)}
    incidence = np.zeros((len(grid.cells), len(grid.edges)))
    for k, (a, b) in enumerate(grid.edges):
        incidence[place[a], k], incidence[place[b], k] = 1, -1
    return incidence.T @ np.linalg.pinv(incidence @ incidence.T) @ incidence


def uniform_tree_p_value(algorithm, size, count):
    """Mahalanobis chi-square of how often each connection is in a maze, under the uniform law."""
    current = transfer_current(size, size)
    connections = mazes.generate(count, size, algorithm, seed=3).connections
    down, right = connections[:, 0, :-1].flatten(1), connections[:, 1, :, :-1].flatten(1)
    off = torch.cat([down, right], 1).double().sum(0).numpy() - count * np.diag(current)
    covariance = np.diag(np.diag(current)) - current**2
    return stats.chi2.sf(off @ np.linalg.pinv(covariance * count) @ off, len(off) - 1)


@pytest.mark.parametrize("size", [8, 16])
@pytest.mark.parametrize("algorithm", ["wilson", "aldous_broder"])
def test_connections_of_a_uniform_tree_come_as_often_as_currents_say(algorithm, size):
    assert uniform_tree_p_value(algorithm, size, 20_000) > 0.001


@pytest.mark.parametrize("algorithm", ["kruskal", "prim_edge", "depth_first"])
def test_trees_that_are_not_uniform_are_caught_by_their_currents(algorithm):
    assert uniform_tree_p_value(algorithm, 8, 20_000) < 1e-6


# Reference statistics at real sizes (dead-end fraction, mean corner-to-corner path), found independently

REFERENCE = {
    "depth_first": {8: (0.1287, 24.2), 16: (0.1082, 79.2), 32: (0.1026, 264), 64: (0.1005, 873)},
    "wilson": {8: (0.2945, 17.9), 16: (0.2903, 44.6), 32: (0.2910, 108), 64: (0.2925, 258)},
    "aldous_broder": {8: (0.2945, 17.9), 16: (0.2903, 44.6)},
    "kruskal": {8: (0.3078, 17.5), 16: (0.3026, 42.8), 32: (0.3036, 102), 64: (0.3052, 233)},
    "prim_edge": {8: (0.3351, 15.2), 16: (0.3238, 33.7), 32: (0.3223, 71.1), 64: (0.3226, 144)},
}
COUNT = {8: 20_000, 16: 8_000, 32: 3_000, 64: 1_000}


@pytest.mark.parametrize("algorithm", REFERENCE)
def test_dead_ends_and_paths_are_as_often_and_as_long_as_found_elsewhere(algorithm):
    for size, (dead_ends, path) in REFERENCE[algorithm].items():
        made = mazes.generate(COUNT[size], size, algorithm, seed=6)
        fraction = made.dead_ends().double().mean(dim=(1, 2))
        length = made.distances(size * size - 1)[:, 0, 0].double()
        # The references carry about three digits (half a unit of the last) and an error of their own like ours.
        for found, reference, unit in ((fraction, dead_ends, 5e-4), (length, path, 0.005 * path)):
            error = float(found.std() / len(found) ** 0.5)
            assert abs(float(found.mean()) - reference) < 4 * 2**0.5 * error + unit


def test_dead_ends_of_uniform_trees_are_as_many_as_the_exact_expectation():
    for size, exact in ((3, 0.38194), (5, 0.31365), (8, 0.29506), (16, 0.29023)):
        fraction = mazes.generate(40_000, size, "wilson", seed=9).dead_ends().double().mean(dim=(1, 2))
        assert abs(float(fraction.mean()) - exact) < 4 * float(fraction.std()) / 200
