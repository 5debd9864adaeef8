"""Instances have the law their options say, and depend on (seed, number, n, options) alone."""

import hashlib

import numpy as np
import pytest
import torch
from scipy import stats

from mesasim.curriculum import colouring, knapsack, satisfiability, subset_sum

MANY = 20_000


def same(a, b):
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in a.arrays)


def test_an_instance_depends_on_seed_and_number_alone(case):
    family, options = case
    whole = family.generate(1000, 12, seed=7, num_threads=1, **options)
    assert same(whole, family.generate(1000, 12, seed=7, num_threads=3, **options))
    for first, count in ((0, 10), (10, 1), (999, 1), (400, 600)):
        part = family.generate(count, 12, seed=7, first=first, **options)
        assert same(part, whole[first : first + count])
    far = family.generate(2, 12, seed=7, first=2**32 - 1, **options)  # the number's upper half counts
    assert not same(far[1:], whole[:1]) and not same(family.generate(1000, 12, seed=8, **options), whole)


def uniform_pvalue(counts):
    return stats.chisquare(np.asarray(counts)).pvalue


def test_subset_sum_numbers_are_uniform_and_planted_targets_are_sums_of_uniform_subsets():
    made = subset_sum.generate(MANY, 3, density=1.0, seed=1)
    assert made.weights.min() == 1 and made.weights.max() == 8
    assert uniform_pvalue(torch.bincount(made.weights.flatten())[1:]) > 0.001
    wide = subset_sum.generate(MANY, 3, density=3 / 40, seed=2)  # of numbers this wide no two subsets have one sum
    subsets = torch.tensor([[s >> j & 1 for j in range(3)] for s in range(8)])
    hits = (wide.weights @ subsets.T) == wide.target[:, None]
    assert (hits.sum(1) == 1).all() and uniform_pvalue(hits.sum(0)) > 0.001
    half = subset_sum.generate(50, 9, target="half")
    assert torch.equal(half.target, half.weights.sum(1) // 2)


@pytest.mark.parametrize(("n", "density"), [(40, 1.0), (28, 0.5), (56, 1.0), (20, 2.0)])
def test_subset_sum_density_sets_the_width_of_numbers(n, density):
    largest = subset_sum.generate(2000, n, density=density).weights.max()
    assert 0.999 * 2 ** (n / density) <= largest <= 2 ** (n / density) * (1 + 1e-12)


def test_knapsack_items_are_correlated_as_named():
    def drawn(correlation):
        made = knapsack.generate(500, 40, correlation=correlation, range=100, seed=3)
        return made.weights.flatten(), made.profits.flatten(), made

    weights, profits, made = drawn("uncorrelated")
    assert uniform_pvalue(torch.bincount(weights)[1:]) > 0.001 and uniform_pvalue(torch.bincount(profits)[1:]) > 0.001
    assert len(torch.bincount(weights)) == len(torch.bincount(profits)) == 101
    assert abs(np.corrcoef(weights, profits)[0, 1]) < 4 / len(weights) ** 0.5
    assert torch.equal(made.capacity, made.weights.sum(1) // 2)
    weights, profits, _ = drawn("weakly_correlated")
    inner = weights > 10
    assert uniform_pvalue(torch.bincount((profits - weights)[inner] + 10)) > 0.001
    assert ((profits - weights).abs() <= 10).all() and profits.min() == 1
    weights, profits, _ = drawn("strongly_correlated")
    assert torch.equal(profits, weights + 10) and uniform_pvalue(torch.bincount(weights)[1:]) > 0.001
    weights, profits, _ = drawn("inverse_strongly_correlated")
    assert torch.equal(weights, profits + 10)
    for share in (0.0, 0.25, 1.0):
        made = knapsack.generate(20, 10, capacity=share)
        assert torch.equal(made.capacity, (made.weights.sum(1) * share).long())


def test_clauses_are_uniform_over_variables_and_signs():
    made = satisfiability.generate(MANY // 4, 5, k=3, ratio=4 / 5, seed=4)
    literals = made.clauses.flatten(0, 1).long()
    variables = (literals.abs() - 1).sort(1).values
    triples = torch.bincount(variables @ torch.tensor([25, 5, 1]))
    triples = triples[triples > 0]
    assert len(triples) == 10 and uniform_pvalue(triples) > 0.001
    signs = torch.bincount((literals > 0).long() @ torch.tensor([4, 2, 1]), minlength=8)
    assert uniform_pvalue(signs) > 0.001


def test_planted_formulas_are_satisfiable_beyond_the_threshold_and_others_are_not():
    assert satisfiability.solve(satisfiability.generate(200, 20, ratio=12.0, planted=True)).feasible.all()
    assert not satisfiability.solve(satisfiability.generate(200, 20, ratio=12.0)).feasible.any()
    # The hidden assignment is uniform: where every literal is of the hidden value or not, both signs come as often.
    made = satisfiability.generate(MANY, 3, ratio=1 / 3, planted=True, seed=5)
    assert uniform_pvalue(torch.bincount((made.clauses > 0).flatten().long())) > 0.001


@pytest.mark.parametrize(
    ("k", "ratio"), [(2, 1.0), (3, 4.26), (4, 9.93), (5, 21.12), (6, 43.37), (7, 87.79), (8, 176.5)]
)
def test_the_ratio_is_the_threshold_by_default(k, ratio):
    assert satisfiability.generate(1, 30, k=k).size.clauses == round(30 * ratio)
    assert satisfiability.generate(1, 30, k=k, ratio=0.5).size.clauses == 15


def test_the_threshold_divides_formulas():
    below, above = (
        satisfiability.solve(satisfiability.generate(200, 60, ratio=r)).feasible.double().mean() for r in (3.4, 5.4)
    )
    assert below > 0.95 and above < 0.05


def test_edges_are_independent_and_of_the_density_asked():
    made = colouring.generate(MANY, 4, density=0.3, seed=6)
    row, col = torch.triu_indices(4, 4, 1)
    upper = made.adjacent[:, row, col]
    graphs = torch.bincount(upper.long() @ 2 ** torch.arange(6), minlength=64)
    edges = torch.tensor([bin(g).count("1") for g in range(64)])
    expected = (
        MANY * torch.tensor(0.3, dtype=torch.float64) ** edges * torch.tensor(0.7, dtype=torch.float64) ** (6 - edges)
    )
    assert stats.chisquare(graphs, expected).pvalue > 0.001
    assert not colouring.generate(5, 9, density=0.0).adjacent.any()
    assert colouring.generate(5, 9, density=1.0).adjacent.sum() == 5 * 72


def test_planted_graphs_can_be_coloured_and_their_hidden_colours_are_uniform():
    dense = colouring.generate(200, 30, colours=4, density=0.9, planted=True)
    assert colouring.solve(dense).feasible.all()
    assert not colouring.solve(colouring.generate(200, 30, colours=4, density=0.9)).feasible.any()
    joined = colouring.generate(MANY, 2, colours=4, density=1.0, planted=True).adjacent[:, 0, 1].sum()
    assert stats.binomtest(int(joined), MANY, 3 / 4).pvalue > 0.001


def test_planted_defects_are_caught():
    weights = subset_sum.generate(MANY, 3, density=1.0, seed=1).weights.flatten()
    lowered = torch.where(torch.rand(len(weights), generator=torch.Generator().manual_seed(1)) < 0.1, 1, weights)
    assert uniform_pvalue(torch.bincount(lowered)[1:]) < 1e-6  # a tenth of the draws lost
    made = satisfiability.generate(MANY // 4, 5, k=3, ratio=4 / 5, seed=4).clauses.flatten(0, 1).long()
    signs = (made > 0).long()
    signs[::10, 1] = signs[::10, 0]  # one draw for two signs, every tenth time
    assert uniform_pvalue(torch.bincount(signs @ torch.tensor([4, 2, 1]), minlength=8)) < 1e-6
    replaced = made.abs()
    replaced[::10, 2] = 1  # a variable preferred
    triples = torch.bincount((replaced - 1).sort(1).values @ torch.tensor([25, 5, 1]), minlength=125)
    assert triples[[7, 8, 9, 13, 14, 19, 38, 39, 44, 69]].min() > 0 and uniform_pvalue(triples[triples > 0]) < 1e-6


@pytest.mark.parametrize(
    ("family", "nodes", "digest"),
    [
        (subset_sum, 172614, "4f3d20b3a69d2f3e"),
        (knapsack, 3282, "5db42337c71059f5"),
        (satisfiability, 869, "77aaf8ebf9b7b38d"),
        (colouring, 1799, "d534e9d3fd3f3fd0"),
    ],
)
def test_instances_and_nodes_are_those_of_every_other_machine(family, nodes, digest):
    made = family.generate(100, 16, seed=2**63 + 1, first=2**32 - 50)
    parts = [getattr(made, name).numpy().tobytes() for name in made.arrays]
    assert (int(family.solve(made).nodes.sum()), hashlib.sha256(b"".join(parts)).hexdigest()[:16]) == (nodes, digest)
