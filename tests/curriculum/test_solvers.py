"""Solvers find the optimum, prove it, and arrive at the nodes the rules say; greedy answers are what they claim."""

import numpy as np
import pytest
import torch

from mesasim.curriculum import FAMILIES, colouring, knapsack, satisfiability, subset_sum

SIZES = {"subset_sum": (2, 3, 6, 10), "knapsack": (1, 2, 6, 10), "satisfiability": (5, 7, 9), "colouring": (1, 4, 7, 9)}
COUNT = 60  # instances a size and kind


def name_of(family):
    return family.__name__.rpartition(".")[2]


def edges_of(adjacent):
    return {(a, b) for a, b in adjacent.nonzero().tolist()}


def optimum(plain, instances, i):
    """Instance i's value by exhaustion, and (value, nodes) of the search in plain Python."""
    name, n = type(instances).__module__.rpartition(".")[2], instances.size.n
    data = [getattr(instances, array)[i].tolist() for array in instances.arrays]
    if name == "satisfiability":
        data = [data[0], n]
    if name == "colouring":
        data = [edges_of(instances.adjacent[i]), n, instances.size.colours]
    search = getattr(plain, f"{name}_search")(*data)
    return getattr(plain, f"{name}_optimum")(*data), (search.value, search.nodes)


def value_of(instances, answer, i):
    """What an answer is worth, recomputed; None if it is no answer at all."""
    chosen = answer[i].long()
    if isinstance(instances, subset_sum.Instances):
        value = int((instances.weights[i] * chosen).sum())
        return value if value <= instances.target[i] else None
    if isinstance(instances, knapsack.Instances):
        fits = (instances.weights[i] * chosen).sum() <= instances.capacity[i]
        return int((instances.profits[i] * chosen).sum()) if fits else None
    if isinstance(instances, satisfiability.Instances):
        literals = instances.clauses[i].long()
        return int(((literals > 0) == chosen.bool()[literals.abs() - 1]).any(1).sum())
    same = chosen[:, None] == chosen[None]
    return None if (same & instances.adjacent[i]).any() else len(set(chosen.tolist()))


def asked(instances, value):
    """bool [count]: whether an answer worth this solves the problem."""
    if isinstance(instances, subset_sum.Instances):
        return value == instances.target
    if isinstance(instances, satisfiability.Instances):
        return value == instances.size.clauses
    colours = instances.size.colours
    return (value >= 0) & (value <= colours) if colours else value >= 0


def test_every_value_is_the_optimum_and_every_node_is_accounted_for(case, plain):
    family, options = case
    for n in SIZES[name_of(family)]:
        instances = family.generate(COUNT, n, seed=n, **options)
        solved = family.solve(instances)
        assert solved.optimal.all()
        for i in range(COUNT):
            best, searched = optimum(plain, instances, i)
            limited = family is colouring and instances.size.colours > 0  # any colouring within the limit will do
            assert solved.feasible[i] == (best >= 0) if limited else solved.value[i] == best
            assert (int(solved.value[i]), int(solved.nodes[i])) == searched


def test_answers_are_worth_their_value(case):
    family, options = case
    instances = family.generate(300, 12, seed=3, **options)
    for found in (family.solve(instances), family.solve(instances, node_limit=3), family.greedy(instances)):
        for i in range(300):
            if found.value[i] < 0:
                assert (found.answer[i] == -1).all()
            else:
                assert value_of(instances, found.answer, i) == found.value[i]
        assert torch.equal(found.feasible, asked(instances, found.value))


def test_greed_is_never_better_and_sometimes_worse(case):
    family, options = case
    instances = family.generate(500, 30 if family is colouring else 14, seed=4, **options)
    solved, greedy = family.solve(instances), family.greedy(instances)
    assert not (greedy.feasible & ~solved.feasible).any()
    both = greedy.feasible & solved.feasible
    sign = -1 if family is colouring else 1
    assert (sign * greedy.value[both] <= sign * solved.value[both]).all()
    worse = (solved.feasible & ~greedy.feasible) | (both & (greedy.value != solved.value))
    assert worse.sum() < 500 and (worse.any() or options.get("density") == 0.6)  # hardly ever three colours there
    assert not greedy.optimal.any() and not greedy.nodes.any()


def test_greedy_satisfaction_keeps_johnsons_guarantee():
    for k in (2, 3, 5):
        instances = satisfiability.generate(200, 12, k=k, ratio=30.0)
        assert (satisfiability.greedy(instances).value >= (1 - 2**-k) * instances.size.clauses).all()


def test_a_node_limit_stops_the_search_there_and_only_there(case):
    family, options = case
    instances = family.generate(200, 12, seed=5, **options)
    whole = family.solve(instances)
    before = None
    for limit in (1, 2, 5, 20, int(whole.nodes.max())):
        cut = family.solve(instances, node_limit=limit)
        ended = whole.nodes <= limit
        assert torch.equal(cut.nodes, whole.nodes.clamp(max=limit))
        assert torch.equal(cut.optimal, ended)
        for name in ("answer", "value", "feasible"):
            assert torch.equal(getattr(cut, name)[ended], getattr(whole, name)[ended])
        if before is not None and family is not colouring:
            assert (cut.value >= before).all()
        before = cut.value
    assert cut.optimal.all()


def test_threads_and_portions_change_no_answer(case):
    family, options = case
    instances = family.generate(700, 13, seed=6, **options)
    alone, team = (family.solve(instances, num_threads=k) for k in (1, 3))
    parts = [family.solve(instances[a:b]) for a, b in ((0, 1), (1, 500), (500, 700))]
    for name in ("answer", "value", "feasible", "optimal", "nodes"):
        assert torch.equal(getattr(alone, name), getattr(team, name))
        assert torch.equal(getattr(alone, name), torch.cat([getattr(part, name) for part in parts]))
    shuffled = torch.randperm(700, generator=torch.Generator().manual_seed(1))
    assert torch.equal(family.solve(instances[shuffled]).nodes, alone.nodes[shuffled])


@pytest.mark.parametrize(
    ("n", "correlation"), [(60, "uncorrelated"), (60, "weakly_correlated"), (30, "strongly_correlated")]
)
def test_larger_knapsacks_agree_with_dynamic_programming(n, correlation):
    made = knapsack.generate(100, n, correlation=correlation, range=100)
    solved = knapsack.solve(made)
    assert solved.optimal.all()
    for weights, profits, capacity, value in zip(
        made.weights.tolist(), made.profits.tolist(), made.capacity.tolist(), solved.value.tolist(), strict=True
    ):
        most = np.zeros(capacity + 1, np.int64)  # by the weight that may be taken
        for weight, profit in zip(weights, profits, strict=True):
            if weight <= capacity:
                most[weight:] = np.maximum(most[weight:], most[: capacity + 1 - weight] + profit)
        assert most[capacity] == value


@pytest.mark.parametrize(("k", "ratio"), [(2, 1.0), (3, 4.26), (3, 5.2), (4, 10.5)])
def test_formulas_of_twelve_variables_agree_with_every_assignment(k, ratio):
    n, made = 12, satisfiability.generate(500, 12, k=k, ratio=ratio, seed=9)
    everything = (1 << 2**n) - 1  # a bit an assignment, in whose number bit v is variable v
    holds = [sum(1 << a for a in range(2**n) if a >> v & 1) for v in range(n)]
    solved = satisfiability.solve(made)
    for clauses, feasible in zip(made.clauses.tolist(), solved.feasible.tolist(), strict=True):
        left = everything
        for clause in clauses:
            some = 0
            for literal in clause:
                some |= holds[literal - 1] if literal > 0 else everything ^ holds[-literal - 1]
            left &= some
        assert feasible == (left > 0)
    assert solved.optimal.all() and 0 < solved.feasible.sum() < 500


# Worked by hand, at the edges


def test_hand_worked_subset_sums():
    solved = subset_sum.solve(subset_sum.Instances([[3, 5, 7]] * 5, [12, 11, 0, 2, 99]))
    assert solved.value.tolist() == [12, 10, 0, 0, 15]
    assert solved.feasible.tolist() == [True, False, True, False, False]
    assert solved.answer[0].tolist() == [0, 1, 1] and solved.answer[4].tolist() == [1, 1, 1]
    assert solved.nodes[4] == 1  # all fit: nothing to decide
    largest = subset_sum.Instances([[2**56] * 64], [2**62])
    assert subset_sum.solve(largest).feasible.all()


def test_a_hand_worked_knapsack_where_greed_fails():
    instances = knapsack.Instances([[1, 10]], [[2, 10]], [10])
    assert knapsack.greedy(instances).value.tolist() == [2] and knapsack.solve(instances).value.tolist() == [10]
    nothing = knapsack.solve(knapsack.Instances([[5, 5]], [[1, 1]], [0]))
    assert nothing.value.tolist() == [0] and nothing.feasible.all() and not nothing.answer.any()
    most = 2**31 - 1
    assert knapsack.solve(knapsack.Instances([[most] * 256], [[most] * 256], [2**62])).value.tolist() == [256 * most]


def test_hand_worked_formulas():
    every_sign = [[a, 2 * b, 3 * c] for a in (1, -1) for b in (1, -1) for c in (1, -1)]
    assert satisfiability.solve(satisfiability.Instances([every_sign], 3)).value.tolist() == [-1]
    one_left = satisfiability.solve(satisfiability.Instances([every_sign[1:]], 3))
    assert one_left.answer[0].tolist() == [0, 0, 0] and one_left.value.tolist() == [7]
    units = satisfiability.solve(satisfiability.Instances([[[1], [-2]], [[1], [-1]]], 2))
    assert units.feasible.tolist() == [True, False] and units.optimal.all() and units.nodes.tolist() == [1, 1]
    assert units.answer[0].tolist() == [1, 0]


@pytest.mark.parametrize("n", [1, 2, 7, 64])
def test_complete_and_empty_graphs(n):
    complete = torch.ones(1, n, n, dtype=torch.bool) & ~torch.eye(n, dtype=torch.bool)
    assert colouring.solve(colouring.Instances(complete)).value.tolist() == [n]
    assert colouring.solve(colouring.Instances(torch.zeros_like(complete))).value.tolist() == [1]
    if n > 1:
        short = colouring.solve(colouring.Instances(complete, n - 1))
        assert short.value.tolist() == [-1] and short.optimal.all() and not short.feasible.any()


def test_known_chromatic_numbers():
    def graph(n, edges):
        adjacent = torch.zeros(1, n, n, dtype=torch.bool)
        for a, b in edges:
            adjacent[0, a, b] = adjacent[0, b, a] = True
        return adjacent

    cycle = [(v, (v + 1) % 5) for v in range(5)]
    petersen = cycle + [(v, v + 5) for v in range(5)] + [(5 + v, 5 + (v + 2) % 5) for v in range(5)]
    groetzsch = cycle + [(5 + v, (v + s) % 5) for v in range(5) for s in (1, 4)] + [(10, 5 + v) for v in range(5)]
    for n, edges, number in ((5, cycle, 3), (10, petersen, 3), (11, groetzsch, 4)):
        assert colouring.solve(colouring.Instances(graph(n, edges))).value.tolist() == [number]
    queens = [(a, b) for a in range(36) for b in range(a) if
              a // 6 == b // 6 or a % 6 == b % 6 or abs(a // 6 - b // 6) == abs(a % 6 - b % 6)]  # fmt: skip
    assert colouring.solve(colouring.Instances(graph(36, queens))).value.tolist() == [7]  # DIMACS queen6_6


def test_families_share_one_face():
    for name, family in FAMILIES.items():
        assert name_of(family) == name and {"generate", "solve", "greedy", "options", "Instances"} <= set(
            family.__all__
        )
        empty = family.generate(0, 10)
        assert len(family.solve(empty)) == len(empty) == 0 and family.solve(empty).answer.shape == (0, 10)
