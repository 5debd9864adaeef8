"""Batches come from the buckets that are open, uniformly, and depend on seed and step alone."""

import pytest
import torch
from scipy import stats

from mesasim import curriculum
from mesasim.curriculum import Curriculum

DIFFICULTY = torch.tensor([5.0, 1.0, 9.0, 3.0, 7.0, 2.0, 8.0, 4.0, 6.0, 0.0])


def drawn(sampler, progress, size=20_000, step=0):
    return torch.bincount(sampler.batch(size, step=step, progress=progress), minlength=len(sampler))


def test_buckets_are_ranks_of_equal_size():
    sampler = Curriculum(DIFFICULTY, buckets=5)
    assert sampler.bucket.tolist() == [2, 0, 4, 1, 3, 1, 4, 2, 3, 0]
    sizes = torch.bincount(Curriculum(torch.rand(103, generator=torch.Generator().manual_seed(1)), buckets=10).bucket)
    assert len(sizes) == 10 and sizes.min() == 10 and sizes.max() == 11
    assert Curriculum(torch.zeros(6), buckets=3).bucket.tolist() == [0, 0, 1, 1, 2, 2]  # ties by index


def test_edges_divide_difficulties():
    sampler = Curriculum(DIFFICULTY.long(), "hard_only", buckets=[1, 6])
    assert sampler.bucket.tolist() == [1, 1, 2, 1, 2, 1, 2, 1, 2, 0]
    assert sorted(sampler.open(0.3).tolist()) == [2, 4, 6, 8]


@pytest.mark.parametrize(
    ("schedule", "progress", "most"),
    [("easy_to_hard", 0.0, 1), ("easy_to_hard", 0.19, 1), ("easy_to_hard", 0.2, 3), ("easy_to_hard", 0.79, 7),
     ("easy_to_hard", 0.8, 9), ("easy_to_hard", 1.0, 9), ("uniform", 0.0, 9), ("uniform", 1.0, 9)],
)  # fmt: skip
def test_open_instances_are_drawn_alike_and_no_others(schedule, progress, most):
    counts = drawn(Curriculum(DIFFICULTY, schedule, buckets=5), progress)
    may = most >= DIFFICULTY
    assert not counts[~may].any()
    assert stats.chisquare(counts[may]).pvalue > 0.001


def test_hard_only_draws_the_last_bucket_at_any_time():
    sampler = Curriculum(DIFFICULTY, "hard_only", buckets=5)
    for progress in (0.0, 0.5, 1.0):
        counts = drawn(sampler, progress)
        assert set(counts.nonzero().flatten().tolist()) == {2, 6} and stats.chisquare(counts[[2, 6]]).pvalue > 0.001
    assert drawn(Curriculum(DIFFICULTY, "hard_only", buckets=1), 0.0).all()


def test_a_batch_depends_on_seed_and_step_alone():
    sampler = Curriculum(DIFFICULTY, buckets=5, seed=3)
    whole = list(sampler.batches(16, 20))
    assert len(whole) == 20
    for k, batch in enumerate(sampler.batches(16, 20, start=7)):
        assert torch.equal(batch, whole[7 + k])
    assert torch.equal(Curriculum(DIFFICULTY, buckets=5, seed=3).batch(16, step=9, progress=9 / 20), whole[9])
    free = Curriculum(DIFFICULTY, "uniform", seed=3)
    batches = torch.stack([free.batch(16, step=s, progress=0.0) for s in range(300)])
    assert len(batches.unique(dim=0)) == 300
    assert not torch.equal(batches[0], Curriculum(DIFFICULTY, "uniform", seed=4).batch(16, step=0, progress=0.0))
    firsts = torch.bincount(batches.flatten(), minlength=10)
    assert stats.chisquare(firsts).pvalue > 0.001
    lagged = torch.bincount((batches[1:, 0] - batches[:-1, 0]) % 10, minlength=10)  # steps are independent
    assert stats.chisquare(lagged).pvalue > 0.001


def test_node_counts_make_a_curriculum():
    instances = curriculum.satisfiability.generate(500, 30, seed=1)
    nodes = curriculum.satisfiability.solve(instances).nodes
    sampler = Curriculum(nodes, buckets=4)
    means = [nodes[sampler.bucket == b].double().mean() for b in range(4)]
    assert means == sorted(means) and means[3] > 2 * means[0]
    easy = instances[sampler.batch(64, step=0, progress=0.0)]
    assert len(easy) == 64 and curriculum.satisfiability.solve(easy).nodes.max() <= nodes.median()


@pytest.mark.parametrize(
    ("make", "error", "named"),
    [
        (lambda: Curriculum([]), ValueError, "difficulty"), (lambda: Curriculum([[1.0]]), ValueError, "difficulty"),
        (lambda: Curriculum([1.0, float("nan")]), ValueError, "difficulty: got nan at 1"),
        (lambda: Curriculum([float("inf")]), ValueError, "difficulty"), (lambda: Curriculum([True]), TypeError, "difficulty"),
        (lambda: Curriculum(DIFFICULTY, "hard"), ValueError, "schedule: got 'hard', allowed: 'uniform'"),
        (lambda: Curriculum(DIFFICULTY, buckets=0), ValueError, "buckets"),
        (lambda: Curriculum(DIFFICULTY, buckets=11), ValueError, "buckets: got 11, allowed: 1 to 10"),
        (lambda: Curriculum(DIFFICULTY, buckets=2.5), TypeError, "buckets"),
        (lambda: Curriculum(DIFFICULTY, buckets="ab"), TypeError, "buckets"),
        (lambda: Curriculum(DIFFICULTY, buckets=[3, 3]), ValueError, "buckets.*increasing"),
        (lambda: Curriculum(DIFFICULTY, buckets=[5, 100]), ValueError, "leave bucket 2 empty"),
        (lambda: Curriculum(DIFFICULTY, seed=-1), ValueError, "seed"),
        (lambda: Curriculum(DIFFICULTY).batch(-1, step=0, progress=0), ValueError, "size"),
        (lambda: Curriculum(DIFFICULTY).batch(1, step=-1, progress=0), ValueError, "step"),
        (lambda: Curriculum(DIFFICULTY).batch(1, step=0, progress=1.01), ValueError, "progress"),
        (lambda: Curriculum(DIFFICULTY).batch(1, step=0, progress=float("nan")), ValueError, "progress"),
        (lambda: Curriculum(DIFFICULTY).open("1"), TypeError, "progress"),
        (lambda: next(Curriculum(DIFFICULTY).batches(1, 5, start=6)), ValueError, "start"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(make, error, named):
    with pytest.raises(error, match=named):
        make()
