"""The two Bayesian estimators of linear regression in context, for whole data sets in closed form, in float64 (Raventos et
al. 2023, arXiv 2306.15063, section 2; their code: mansheej/icl-task-diversity, icl/models.py). Each predicts y_k from x_k
and the k - 1 examples before it. The world's oracle computes the same, example by example (csrc/regression/posterior.h)."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from mesasim.arrays import as_tensor
from mesasim.metrics import Estimate, estimate

NUMBERS_AT_ONCE = 2**22  # float64s of one intermediate array: 32 MiB, of which a handful are held


def ridge(x: Any, y: Any, noise_std: float) -> Tensor:
    """Predictions w_k.x_k with w_k = (X'X + noise_std^2 I)^-1 X'y over the examples before k: the posterior mean if
    w ~ N(0, I), so the least expected squared error on weights that are fresh draws.

    Args:
        x: numbers [count, points, dim], in an array of any library (docs/arrays.md). y: numbers [count, points].
        noise_std: above 0.

    Returns:
        float64 [count, points], where x is.
    """
    x, y, variance = _checked(x, y, noise_std)
    points, dim = x.shape[1:]
    penalty = variance * torch.eye(dim, dtype=torch.float64, device=x.device)
    parts = []
    for xs, ys in _blocks(x, y, points * dim * dim):
        outer = _before(xs[..., :, None] * xs[..., None, :])
        moment = _before(xs * ys[..., None])
        weights = torch.linalg.solve(outer + penalty, moment[..., None]).squeeze(-1)
        parts.append((weights * xs).sum(-1))
    return torch.cat(parts)


def discrete_mmse(x: Any, y: Any, tasks: Any, noise_std: float) -> Tensor:
    """Predictions of the posterior mean over a finite set of tasks, each as likely at first: w_k = sum_i p_i w_i with p_i in
    proportion to exp(-sum_{j<k} (y_j - w_i.x_j)^2 / (2 noise_std^2)). The least expected squared error on those tasks.

    Sets of any size go through in blocks, joined by log-sum-exp, so memory does not grow with their number.

    Args:
        x, y, noise_std: as for `ridge`. tasks: floats [num_tasks, dim], at least one.

    Returns:
        float64 [count, points].
    """
    x, y, variance = _checked(x, y, noise_std)
    tasks = as_tensor("tasks", tasks, device=x.device)
    if tasks.ndim != 2 or not len(tasks) or tasks.shape[1] != x.shape[2]:
        raise ValueError(
            f"tasks: got shape {tuple(tasks.shape)}, allowed: [num_tasks, {x.shape[2]}], num_tasks at least 1"
        )
    points, at_once = x.shape[1], min(len(tasks), 4096)
    pieces = tasks.to(x).split(at_once)
    parts = []
    for xs, ys in _blocks(x, y, points * at_once):
        highest = torch.full_like(ys, -math.inf)  # of the log-likelihoods so far
        total, weighted = torch.zeros_like(ys), torch.zeros_like(ys)
        for some in pieces:
            named = xs @ some.T  # [block, points, tasks]
            loglikelihood = _before((ys[..., None] - named).square_()).div_(-2 * variance)
            top = torch.maximum(highest, loglikelihood.amax(-1))
            weight = loglikelihood.sub_(top[..., None]).exp_()
            kept = (highest - top).exp()
            total = total * kept + weight.sum(-1)
            weighted = weighted * kept + (weight * named).sum(-1)
            highest = top
        parts.append(weighted / total)
    return torch.cat(parts)


def squared_errors(predictions: Any, y: Any) -> Tensor:
    """A sequence's loss: (prediction - y)^2, noise and all, averaged over its points. float64 [count]."""
    predictions = as_tensor("predictions", predictions)
    y = as_tensor("y", y, device=predictions.device)
    _same_shape("predictions", predictions, y)
    return (predictions.double() - y.double()).square().mean(1)


def mean_difference(predictions: Any, others: Any, dim: int) -> Estimate:
    """How far two predictors are apart: Delta = mean over sequences and points of their squared difference / dim, which
    does not say which is right. Raventos et al. write Delta(PT, Ridge), Delta(PT, dMMSE)."""
    return estimate((squared_errors(predictions, others) / dim).cpu().numpy())


def _before(values: Tensor) -> Tensor:
    """Sums over the points before each, [block, points, ...]."""
    sums = values.cumsum(1)
    return torch.cat([torch.zeros_like(sums[:, :1]), sums[:, :-1]], dim=1)


def _blocks(x: Tensor, y: Tensor, numbers: int) -> zip:
    """Both in blocks of sequences whose intermediate arrays, so many numbers a sequence, stay bounded."""
    block = max(1, NUMBERS_AT_ONCE // numbers)
    return zip(x.split(block), y.split(block), strict=True)


def _checked(x: Any, y: Any, noise_std: float) -> tuple[Tensor, Tensor, float]:
    x = as_tensor("x", x)
    y = as_tensor("y", y, device=x.device)
    if x.ndim != 3 or 0 in x.shape[1:]:
        raise ValueError(f"x: got shape {tuple(x.shape)}, allowed: [count, points, dim]")
    _same_shape("y", y, x[..., 0])
    if isinstance(noise_std, bool) or not isinstance(noise_std, Real):
        raise TypeError(f"noise_std: got {type(noise_std).__name__}, allowed: a number above 0")
    if not 0 < noise_std < math.inf:
        raise ValueError(f"noise_std: got {noise_std!r}, allowed: finite, above 0")
    return x.double(), y.double(), float(noise_std) ** 2


def _same_shape(name: str, given: Tensor, other: Tensor) -> None:
    if given.shape != other.shape or given.ndim != 2:
        raise ValueError(f"{name}: got shape {tuple(given.shape)}, allowed: [count, points] = {tuple(other.shape)}")
