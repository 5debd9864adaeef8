"""Bad input is refused at the door, by name."""

import pytest
import torch

from mesasim.curriculum import colouring, knapsack, satisfiability, subset_sum

NAN = float("nan")


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        ({"count": -1}, ValueError, "count"), ({"count": 1.5}, TypeError, "count"), ({"count": True}, TypeError, "count"),
        ({"n": 0}, ValueError, "n: got 0"), ({"n": 257}, ValueError, "n: got 257"), ({"n": "8"}, TypeError, "n"),
        ({"seed": -1}, ValueError, "seed"), ({"seed": 2**64}, ValueError, "seed"), ({"first": 2**63}, ValueError, "first"),
        ({"num_threads": 0}, ValueError, "num_threads"), ({"nonsense": 1}, TypeError, "nonsense"),
    ],
)  # fmt: skip
def test_what_no_family_generates(case, arguments, error, named):
    family, options = case
    with pytest.raises(error, match=named):
        family.generate(**{"count": 1, "n": 12} | arguments, **options)


@pytest.mark.parametrize(
    ("family", "options", "error", "named"),
    [
        (subset_sum, {"density": 0.1}, ValueError, "density: got 0.1.* with n=12, allowed: 0.2"),
        (subset_sum, {"density": 13.0}, ValueError, "density"), (subset_sum, {"density": NAN}, ValueError, "density"),
        (subset_sum, {"density": "1"}, TypeError, "density"), (subset_sum, {"target": "whole"}, ValueError, "target.*planted"),
        (knapsack, {"correlation": "strong"}, ValueError, "correlation.*weakly_correlated"),
        (knapsack, {"range": 9}, ValueError, "range"), (knapsack, {"range": 10.5}, TypeError, "range"),
        (knapsack, {"capacity": 1.1}, ValueError, "capacity"), (knapsack, {"k": 3}, TypeError, "k: .*family 'knapsack'"),
        (satisfiability, {"k": 1}, ValueError, "k: got 1"), (satisfiability, {"k": 9}, ValueError, "k: got 9"),
        (satisfiability, {"ratio": -1.0}, ValueError, "ratio"), (satisfiability, {"planted": 1}, TypeError, "planted"),
        (colouring, {"density": 1.5}, ValueError, "density"), (colouring, {"colours": 65}, ValueError, "colours"),
        (colouring, {"planted": True}, ValueError, "planted: got True with colours=0"),
    ],
)  # fmt: skip
def test_options_out_of_range(family, options, error, named):
    with pytest.raises(error, match=named):
        family.generate(1, 12, **options)


def test_sizes_a_family_cannot_have():
    with pytest.raises(ValueError, match="k: got 3, allowed: 2 to n, which is 2"):
        satisfiability.generate(1, 2)
    with pytest.raises(ValueError, match="ratio: got 300"):
        satisfiability.generate(1, 256, ratio=300.0)
    with pytest.raises(ValueError, match="n: got 65, allowed: 1 to 64"):
        colouring.generate(1, 65)


def test_arguments_of_solve(case):
    family, options = case
    instances = family.generate(2, 12, **options)
    for bad, error in ((0, ValueError), (-1, ValueError), (2**63, ValueError), (1.0, TypeError), ("9", TypeError)):
        with pytest.raises(error, match="node_limit"):
            family.solve(instances, node_limit=bad)
    for call in (family.solve, family.greedy):
        with pytest.raises(TypeError, match="instances: got list"):
            call([1, 2])
        with pytest.raises(ValueError, match="num_threads"):
            call(instances, num_threads=0)
    with pytest.raises(TypeError, match="a batch of one"):
        instances[0]


GOOD = torch.ones(2, 3, dtype=torch.int64)
LOOP, ONE_WAY = torch.eye(3, dtype=torch.bool)[None], torch.ones(3, 3, dtype=torch.bool).triu(1)[None]


@pytest.mark.parametrize(
    ("make", "error", "named"),
    [
        (lambda: subset_sum.Instances([[1.5]], [1]), TypeError, "weights: got dtype"),
        (lambda: subset_sum.Instances([1, 2], [1]), ValueError, r"weights: got shape \(2,\), allowed: 2 dim"),
        (lambda: subset_sum.Instances([[1, 2], [3, 0]], [1, 1]), ValueError, "weights: got 0 in instance 1"),
        (lambda: subset_sum.Instances([[2**56 + 1]], [1]), ValueError, "weights"),
        (lambda: subset_sum.Instances(GOOD, [1]), ValueError, r"target: got shape \(1,\), allowed: \(2,\)"),
        (lambda: subset_sum.Instances(GOOD, [1, -1]), ValueError, "target: got -1 in instance 1"),
        (lambda: subset_sum.Instances(torch.ones(1, 65).long(), [1]), ValueError, "n: got 65"),
        (lambda: knapsack.Instances(GOOD, GOOD[:, :2], [1, 1]), ValueError, "profits: got shape"),
        (lambda: knapsack.Instances(GOOD, -GOOD, [1, 1]), ValueError, "profits: got -1"),
        (lambda: knapsack.Instances(GOOD * 2**31, GOOD, [1, 1]), ValueError, "weights: got 2147483648"),
        (lambda: knapsack.Instances(GOOD, GOOD, [1, 2**63 - 1]), ValueError, "capacity"),
        (lambda: satisfiability.Instances([[[1, 0]]], 2), ValueError, "clauses: got 0 in instance 0, allowed.*without 0"),
        (lambda: satisfiability.Instances([[[1, 2]], [[1, -3]]], 2), ValueError, "clauses: got -3 in instance 1"),
        (lambda: satisfiability.Instances([[[1, -1]]], 2), ValueError, r"clauses: got \[1, -1\].*different variables"),
        (lambda: satisfiability.Instances([[[1]]], 257), ValueError, "n: got 257"),
        (lambda: satisfiability.Instances(torch.ones(1, 0, 3).int(), 3), ValueError, "clauses: got shape"),
        (lambda: satisfiability.Instances([[list(range(1, 10))]], 9), ValueError, "clauses: got shape"),
        (lambda: colouring.Instances(LOOP), ValueError, "adjacent: .*diagonal"),
        (lambda: colouring.Instances(ONE_WAY), ValueError, "adjacent: .*either end"),
        (lambda: colouring.Instances(ONE_WAY.int()), TypeError, "adjacent: got dtype"),
        (lambda: colouring.Instances(ONE_WAY[:, :2]), ValueError, "adjacent: got shape"),
        (lambda: colouring.Instances(~LOOP, 65), ValueError, "colours"),
    ],
)  # fmt: skip
def test_tensors_that_are_no_instances(make, error, named):
    with pytest.raises(error, match=named):
        make()
