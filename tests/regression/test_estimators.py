"""Ridge and discrete MMSE against NumPy, against each other where they must agree, and as the best there is on their own
tasks; the task-location index against predictors of known nature."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.special import logsumexp

from mesasim import regression
from mesasim.metrics import task_location_index
from mesasim.regression import estimators


@pytest.fixture(scope="module")
def fresh():
    return regression.generate(4000, 4, 8, seed=11, num_threads=1)


def losses(predictions, data):
    return regression.squared_errors(predictions, data.y).numpy()


def test_ridge_is_the_penalised_least_squares_solution(fresh):
    ours = regression.ridge(fresh.x, fresh.y, 0.5)
    for i in range(20):
        x, y = fresh.x[i].double().numpy(), fresh.y[i].double().numpy()
        for k in range(8):
            stacked = np.concatenate([x[:k], 0.5 * np.eye(4)])  # least squares with the penalty as four more rows
            w = np.linalg.lstsq(stacked, np.concatenate([y[:k], np.zeros(4)]), rcond=None)[0]
            assert ours[i, k].item() == pytest.approx(w @ x[k], abs=1e-9)


def test_discrete_mmse_is_the_posterior_mean(fresh):
    tasks = regression.task_set(6, 4, 5)
    ours = regression.discrete_mmse(fresh.x[:20], fresh.y[:20], tasks, 0.5)
    w = tasks.double().numpy()
    for i in range(20):
        x, y = fresh.x[i].double().numpy(), fresh.y[i].double().numpy()
        for k in range(8):
            log = stats.norm(0, 0.5).logpdf(y[:k, None] - x[:k] @ w.T).sum(0)
            assert ours[i, k].item() == pytest.approx(np.exp(log - logsumexp(log)) @ w @ x[k], abs=1e-9)


def test_blocks_of_tasks_and_of_sequences_change_nothing(fresh, monkeypatch):
    tasks = regression.task_set(9000, 4)
    x, y = fresh.x[:50], fresh.y[:50]
    named = x.double() @ tasks.double().T
    log = -estimators._before((y.double()[..., None] - named).square()) / 0.5
    direct = (log.softmax(-1) * named).sum(-1)
    torch.testing.assert_close(regression.discrete_mmse(x, y, tasks, 0.5), direct, rtol=0, atol=1e-11)
    ridge = regression.ridge(x, y, 0.5)
    monkeypatch.setattr(estimators, "NUMBERS_AT_ONCE", 100)
    torch.testing.assert_close(regression.discrete_mmse(x, y, tasks, 0.5), direct, rtol=0, atol=1e-11)
    torch.testing.assert_close(regression.ridge(x, y, 0.5), ridge, rtol=0, atol=0)


def test_far_from_every_task_the_likeliest_is_still_found():
    """Log-likelihoods below -1e6, where a plain exp would leave 0 / 0."""
    x, tasks = torch.ones(1, 3, 1), torch.tensor([[0.0], [1.0]])
    y = torch.full((1, 3), 400.0)
    assert regression.discrete_mmse(x, y, tasks, 0.1).tolist() == [[0.5, 1.0, 1.0]]


def test_without_examples_ridge_says_nothing_and_discrete_mmse_the_mean_task(fresh):
    tasks = regression.task_set(3, 4)
    assert not regression.ridge(fresh.x, fresh.y, 0.5)[:, 0].any()
    first = regression.discrete_mmse(fresh.x, fresh.y, tasks, 0.5)[:, 0]
    torch.testing.assert_close(first, (fresh.x[:, 0] @ tasks.mean(0)).double(), rtol=1e-4, atol=1e-5)


def test_ridge_expects_the_error_it_makes(fresh):
    """Its posterior variance x'(X'X / s^2 + I)^-1 x + s^2 is the mean squared error, point by point."""
    x = fresh.x.double()
    covariance = torch.linalg.inv(estimators._before(x[..., :, None] * x[..., None, :]) / 0.25 + torch.eye(4))
    expected = torch.einsum("nki,nkij,nkj->nk", x, covariance, x) + 0.25
    error = (regression.ridge(fresh.x, fresh.y, 0.5) - fresh.y).square()
    z = (error - expected).mean(0) / (error - expected).std(0) * math.sqrt(len(error))
    assert z.abs().max() < 4


def test_each_estimator_is_best_on_its_own_tasks():
    tasks = regression.task_set(32, 4)
    known = regression.generate(4000, 4, 8, num_tasks=32, seed=12, num_threads=1)
    fresh = regression.generate(4000, 4, 8, seed=12, num_threads=1)
    for data, sign in ((known, 1), (fresh, -1)):
        gap = losses(regression.ridge(data.x, data.y, 0.5), data) - losses(
            regression.discrete_mmse(data.x, data.y, tasks, 0.5), data
        )
        assert sign * gap.mean() > 10 * gap.std() / math.sqrt(len(gap))


def test_with_every_task_in_the_set_discrete_mmse_becomes_ridge(fresh):
    x, y = fresh.x[:200, :, :1], fresh.y[:200]  # one dimension, where 20,000 tasks are dense
    tasks = regression.task_set(20_000, 1)
    apart = regression.mean_difference(regression.ridge(x, y, 2.0), regression.discrete_mmse(x, y, tasks, 2.0), 1)
    assert apart.mean < 1e-3


def test_the_difference_of_predictors_is_by_dimension():
    a, b = torch.zeros(3, 2), torch.tensor([[2.0, 0.0]] * 3)
    assert regression.mean_difference(a, b, 4)[:2] == (0.5, 0.0)


# The index


def test_planted_natures_land_where_they_should(fresh):
    tasks = regression.task_set(16, 4)
    ridge = regression.ridge(fresh.x, fresh.y, 0.5)
    lookup = regression.discrete_mmse(fresh.x, fresh.y, tasks, 0.5)
    learning, location = losses(ridge, fresh), losses(lookup, fresh)
    assert task_location_index(location, learning, location)[:2] == (1.0, 0.0)
    assert task_location_index(learning, learning, location)[:2] == (0.0, 0.0)
    mixed = task_location_index(losses((ridge + lookup) / 2, fresh), learning, location)
    assert 0.1 < mixed.mean < 0.5 and 0 < mixed.se < 0.05
    other = regression.discrete_mmse(fresh.x, fresh.y, regression.task_set(16, 4, task_seed=1), 0.5)
    assert task_location_index(losses(other, fresh), learning, location).mean > 0.5, "a table of other tasks is a table"


def test_the_index_is_as_uncertain_as_it_says():
    """Over data sets the index scatters as its standard error says, within a quarter."""
    tasks, found = regression.task_set(8, 4), []
    for seed in range(40):
        data = regression.generate(500, 4, 8, seed=seed, num_threads=1)
        ridge = regression.ridge(data.x, data.y, 0.5)
        lookup = regression.discrete_mmse(data.x, data.y, tasks, 0.5)
        mixed = losses(0.7 * ridge + 0.3 * lookup, data)
        found.append(task_location_index(mixed, losses(ridge, data), losses(lookup, data), resamples=200))
    scatter = np.std([index.mean for index in found], ddof=1)
    assert 0.7 < scatter / np.mean([index.se for index in found]) < 1.4


def test_references_that_are_alike_have_no_index(fresh):
    learning = losses(regression.ridge(fresh.x, fresh.y, 0.5), fresh)
    with pytest.raises(ValueError, match="location"):
        task_location_index(learning, learning, learning + np.random.default_rng(0).normal(size=len(learning)))
    with pytest.raises(ValueError, match="learning"):
        task_location_index(learning, learning[:-1], learning)
    with pytest.raises(ValueError, match="model"):
        task_location_index(learning * math.nan, learning, learning + 1)


# Data sets


def test_a_data_set_does_not_depend_on_threads_or_portions():
    options = {"dim": 3, "points": 5, "num_tasks": 7, "seed": 2**63}
    whole = regression.generate(300, num_threads=1, **options)
    parts = [regression.generate(100, first=first, num_threads=2, **options) for first in (0, 100, 200)]
    for name in ("x", "y", "w", "task"):
        assert torch.equal(getattr(whole, name), torch.cat([getattr(part, name) for part in parts]))
    assert torch.equal(whole[100:200].x, parts[1].x) and len(whole[whole.task == 0]) < 300
    assert len(regression.generate(0)) == 0


@pytest.mark.parametrize(
    ("call", "error", "name"),
    [(lambda: regression.generate(-1), ValueError, "count"),
     (lambda: regression.generate(3, 0), ValueError, "dim"),
     (lambda: regression.generate(3, noise_std=math.nan), ValueError, "noise_std"),
     (lambda: regression.generate(3, num_tasks=2**21), ValueError, "num_tasks"),
     (lambda: regression.generate(3, points="4"), TypeError, "points"),
     (lambda: regression.generate(3, seed=-1), ValueError, "seed"),
     (lambda: regression.task_set(0), ValueError, "num_tasks"),
     (lambda: regression.ridge(torch.zeros(3, 4), torch.zeros(3, 4), 0.5), ValueError, "x"),
     (lambda: regression.ridge(torch.zeros(3, 4, 2), torch.zeros(3, 5), 0.5), ValueError, "y"),
     (lambda: regression.ridge(torch.zeros(3, 4, 2), torch.zeros(3, 4), math.nan), ValueError, "noise_std"),
     (lambda: regression.ridge("abc", torch.zeros(3, 4), 0.5), TypeError, "x"),
     (lambda: regression.discrete_mmse(torch.zeros(3, 4, 2), torch.zeros(3, 4), torch.zeros(5, 3), 0.5), ValueError,
      "tasks"),
     (lambda: regression.squared_errors(torch.zeros(3, 4), torch.zeros(3)), ValueError, "predictions")],
)  # fmt: skip
def test_bad_input_is_refused_by_name(call, error, name):
    with pytest.raises(error, match=f"^{name}: got"):
        call()
