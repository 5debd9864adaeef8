"""Linear maps between what an agent carries and what a Bayes-optimal agent would keep, both ways, judged on tasks they were
not fitted to. After Mikulik et al. 2020 (arXiv 2010.11223), who compare the states of meta-trained agents with those of
Bayes-optimal ones.

R^2 is about the mean at each step: what follows from the clock alone counts 0, and one map serves all steps. Splits are by
task, never by step. A high R^2 alone is no evidence of learning: over short episodes a recurrent network at its first,
random weights remembers everything too (docs/measurements.md). Hence `excess`, which is what training added.

The ridge regression is ten lines of torch over one eigendecomposition for all penalties; scikit-learn would be a
dependency for nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mesasim.metrics import Estimate, beyond_doubt, estimate, welch

PENALTIES = tuple(10.0**k for k in range(-9, 3))  # per row, of features scaled to variance 1


@dataclass(frozen=True)
class LinearMap:
    """target = target_mean[t] + (feature - feature_mean[t]) @ weight."""

    feature_mean: Tensor  # [T, F]
    target_mean: Tensor  # [T, D]
    weight: Tensor  # [F, D]
    penalty: float

    def __call__(self, features: Tensor) -> Tensor:
        """[..., T, F] → [..., T, D]."""
        return self.target_mean + (features.double() - self.feature_mean) @ self.weight

    def at(self, step: int, features: Tensor) -> Tensor:
        """[tasks, F] of one step → [tasks, D]."""
        return self.target_mean[step] + (features.double() - self.feature_mean[step]) @ self.weight


@dataclass(frozen=True)
class Fit:
    """Held-out errors of a probe, task by task."""

    error: np.ndarray  # [tasks]: squared error over steps and dimensions
    total: np.ndarray  # [tasks]: squared distance to the step's mean, likewise
    map: LinearMap  # fitted to all tasks, at the penalty most often best

    @property
    def r2(self) -> Estimate:
        """Share of the variance explained, 1 at best; its standard error is over tasks (of a ratio, by linearisation)."""
        return _ratio(self.total - self.error, self.total)


def probe(
    features: Tensor, targets: Tensor, running: Tensor, *, folds: int = 5, penalties: Sequence[float] = PENALTIES
) -> Fit:
    """Cross-validated ridge regression of targets on features.

    Each fold's map is fitted to the other folds; its penalty is the best on one of those, left out in turn.

    Args:
        features: [tasks, T, F]; F may be 0 (then R^2 is that of the steps' means).
        targets: [tasks, T, D], D at least 1.
        running: [tasks, T] bool: the rows that count.
    """
    tasks, steps = running.shape
    for name, given in (("features", features), ("targets", targets)):
        if given.ndim != 3 or tuple(given.shape[:2]) != (tasks, steps):
            raise ValueError(f"{name}: got shape {tuple(given.shape)}, allowed: [{tasks}, {steps}, width]")
        if not bool(torch.isfinite(given[running]).all()):
            raise ValueError(f"{name}: got nan or infinite numbers, allowed: finite ones")
    if folds < 3 or tasks < 4 * folds:
        raise ValueError(f"folds: got {folds} for {tasks} tasks, allowed: at least 3, of at least 4 tasks each")
    if not penalties or min(penalties) <= 0:
        raise ValueError(f"penalties: got {list(penalties)}, allowed: at least one, above 0")
    features, targets = features.double(), targets.double()
    fold = torch.arange(tasks) % folds
    error, total, chosen = torch.zeros(tasks, dtype=torch.float64), torch.zeros(tasks, dtype=torch.float64), []
    for held in range(folds):
        inner = (held + 1) % folds
        choosing, fitting, testing = fold == inner, fold != held, fold == held
        candidates = _fit_maps(features, targets, running, fitting & ~choosing, penalties)
        scores = [_squares(m, features, targets, running, choosing)[0].sum().item() for m in candidates]
        chosen.append(penalties[int(np.argmin(scores))])
        (best,) = _fit_maps(features, targets, running, fitting, [chosen[-1]])
        error[testing], total[testing] = _squares(best, features, targets, running, testing)
    if not bool((total > 0).any()):
        raise ValueError("targets: got the same value in every task at every step, allowed: some that vary")
    everywhere = torch.ones(tasks, dtype=torch.bool)
    penalty = max(set(chosen), key=chosen.count)
    return Fit(error.numpy(), total.numpy(), _fit_maps(features, targets, running, everywhere, [penalty])[0])


def _fit_maps(
    features: Tensor, targets: Tensor, running: Tensor, tasks: Tensor, penalties: Sequence[float]
) -> list[LinearMap]:
    x, y, counts = features[tasks], targets[tasks], running[tasks].double().unsqueeze(-1)
    rows = counts.sum(dim=0).clamp(min=1)
    x_mean, y_mean = (x * counts).sum(dim=0) / rows, (y * counts).sum(dim=0) / rows
    x, y = ((x - x_mean) * counts).flatten(0, 1), ((y - y_mean) * counts).flatten(0, 1)
    n = counts.sum()
    scale = (x.square().sum(dim=0) / n).sqrt()
    scale = torch.where(scale > 1e-12, scale, torch.inf)  # a unit that never moves explains nothing
    x = x / scale
    values, vectors = torch.linalg.eigh(x.T @ x / n)
    along = vectors.T @ (x.T @ y / n)
    return [
        LinearMap(x_mean, y_mean, vectors @ (along / (values.clamp(min=0) + p)[:, None]) / scale[:, None], p)
        for p in penalties
    ]


def _squares(
    fitted: LinearMap, features: Tensor, targets: Tensor, running: Tensor, tasks: Tensor
) -> tuple[Tensor, Tensor]:
    x, y, counts = features[tasks], targets[tasks], running[tasks].unsqueeze(-1)
    error = ((fitted(x) - y) * counts).square().sum(dim=(1, 2))
    return error, ((y - fitted.target_mean) * counts).square().sum(dim=(1, 2))


def difference(one: Fit, other: Fit) -> Estimate:
    """R^2 of one probe minus that of another of the same targets and tasks, paired by task."""
    if not np.allclose(one.total, other.total):
        raise ValueError("other: got a probe of other targets or tasks, allowed: the same")
    return _ratio(other.error - one.error, one.total)


def excess(fit: Fit, untrained: Sequence[Fit]) -> Estimate:
    """R^2 of an agent's probe minus the mean of untrained networks' of the same shape, shown the same episodes: what training
    added to what any network of this shape remembers. An untrained network, held against others, has 0 but for chance:
    the standard error holds both the spread among untrained networks, of which one more could have been drawn, and that
    among tasks. Few networks leave the former ill known, and what is beyond doubt far off (metrics.doubt): take ten or
    more."""
    if len(untrained) < 2:
        raise ValueError(f"untrained: got {len(untrained)} networks, allowed: at least 2")
    differences = [difference(fit, other) for other in untrained]
    r2 = np.array([other.r2.mean for other in untrained])
    between = float(r2.std(ddof=1)) * np.sqrt(1 + 1 / len(r2))
    within = float(np.mean([d.se for d in differences]))
    df = welch(Estimate(0.0, between, len(r2) - 1.0), Estimate(0.0, within, differences[0].df))
    return Estimate(float(np.mean([d.mean for d in differences])), float(np.hypot(between, within)), df)


SATURATED = 0.95  # R^2 of untrained networks from which a probe cannot show that anything was learned


def reading(fit: Fit, untrained: Sequence[Fit]) -> str:
    """What `excess` says: "cannot tell" (untrained networks hold nearly all of it already), else "learned" (beyond doubt above
    them) or "not told from untrained"."""
    if np.mean([other.r2.mean for other in untrained]) > SATURATED:
        return "cannot tell"
    return "learned" if beyond_doubt(excess(fit, untrained)) else "not told from untrained"


def shuffled(targets: Tensor) -> Tensor:
    """Every task given another's targets: a probe of them must explain nothing."""
    return targets.roll(1, dims=0)


def principal(carry: Tensor, running: Tensor, width: int) -> Tensor:
    """The carry in its `width` directions of largest variance about the steps' means, [tasks, T, width] float64: what
    Mikulik et al. bring to the width of the Bayes-optimal agent's state before mapping it."""
    if not 1 <= width <= carry.shape[-1]:
        raise ValueError(f"width: got {width}, allowed: 1 to {carry.shape[-1]}")
    counts = running.double().unsqueeze(-1)
    centred = (carry.double() - (carry * counts).sum(dim=0) / counts.sum(dim=0).clamp(min=1)) * counts
    flat = centred.flatten(0, 1)
    _, vectors = torch.linalg.eigh(flat.T @ flat)
    return centred @ vectors.flip(1)[:, :width]


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> Estimate:
    value = float(numerator.sum() / denominator.sum())
    spread = estimate((numerator - value * denominator) / denominator.mean())
    return Estimate(value, spread.se, spread.df)
