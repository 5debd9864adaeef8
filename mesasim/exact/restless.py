"""The exact Bayes filter of a restless Bernoulli bandit (Bandit-v0's `drift`), volatility fixed or drawn by episode: what
every arm's mean may now be, jointly with which volatility this episode has. Also of arms that stand still, which is how
dependent arms get their posterior.

Given the volatility, independent arms stay independent, so a belief is a weight for each volatility and, for each, a
distribution of every arm's mean over points. A walk is over cells of equal width, so that belief is good to the cell
(`points`); all else is exact up to rounding: quadrature of the prior, or the two values that dependent arms can have.
Two dependent arms are one unknown p. They tell as much about it, so the arm of highest mean is then Bayes-optimal; among
independent arms it is myopic.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigvalsh_tridiagonal
from scipy.stats import beta as beta_law
from scipy.stats import norm

from mesasim import _core
from mesasim.exact.bandit import GOOD_ARM, _check_prior, _choice, _integer

LEAST_POINTS, MOST_POINTS = 100, 1000
FORGETFUL_STEP = 3.0  # of a walk that ends anywhere, but for exp(-(3 pi)^2 / 2), its first Fourier term
Array = NDArray[np.float64]


class RestlessFilter:
    """Beliefs are arrays [N, width]: the volatilities' weights, then [volatility, unknown, point].

    Args:
        options: of Bandit-v0, all of them or some (the others at their defaults): arms, reward (0/1 only), prior (but for
            normal and informative), alpha, beta, alphas, betas, drift, volatility, pulls.
        points: of each unknown's distribution; by default at least 100, and as many as the smallest step of a walk needs
            (half of it a cell), at most 1000.

    Raises:
        TypeError, ValueError: for options that Bandit-v0 refuses, and those this filter is not exact for: Bandit-v0's
            independent arms that swap are not independent in the belief, and a walk smaller than .002 is beyond
            MOST_POINTS.
    """

    def __init__(self, options: dict[str, Any], points: int | None = None) -> None:
        o = {option.name: option.default for option in _core.spec("Bandit-v0", options).options} | options
        self.arms = o["arms"]
        if o["reward"] != "bernoulli":
            raise ValueError(f"reward: got {o['reward']!r}, allowed: 'bernoulli'")
        priors = ("uniform", "beta", "dependent_uniform", *GOOD_ARM)
        self.prior = _choice("prior", o["prior"], priors)
        self.drift = o["drift"]
        self.dependent = self.prior.startswith("dependent")
        if self.drift == "swap" and not self.dependent:
            raise ValueError(f"prior: got {self.prior!r} with drift='swap', allowed: a dependent one")
        self.volatility = np.array(o["volatility"] if self.drift != "none" else [0.0], dtype=np.float64)
        points = points if points is None else _integer("points", points, 2, 10_000)
        self.nodes, self.start = self._nodes(o, points)  # both [unknowns, points]
        self.unknowns, self.points = self.nodes.shape
        if self.drift == "walk":
            self.walks = np.stack([walk_matrix(self.points, step) for step in self.volatility])
        self.width = len(self.volatility) * (1 + self.unknowns * self.points)

    def _nodes(self, o: dict[str, Any], points: int | None) -> tuple[Array, Array]:
        alphas, betas = [1.0], [1.0]  # of p, where two arms depend on it
        if self.prior == "uniform":
            alphas, betas = [1.0] * self.arms, [1.0] * self.arms
        elif self.prior == "beta":
            alphas, betas = o["alphas"] or [o["alpha"]] * self.arms, o["betas"] or [o["beta"]] * self.arms
        if self.drift == "walk":
            points = points or _cells(self.volatility)
            edges, centres = np.linspace(0, 1, points + 1), (np.arange(points) + 0.5) / points
            start = [np.diff(beta_law.cdf(edges, a, b)) for a, b in zip(alphas, betas, strict=True)]
            if self.prior in GOOD_ARM:
                start = [sum(_split(p, points) for p in (GOOD_ARM[self.prior], 1 - GOOD_ARM[self.prior])) / 2]
            return np.tile(centres, (len(start), 1)), np.stack(start)
        if self.prior in GOOD_ARM:
            good = GOOD_ARM[self.prior]
            return np.array([[1 - good, good]]), np.full((1, 2), 0.5)
        points = points or max(LEAST_POINTS, o["pulls"] // 2 + 1)  # enough for an exact posterior after all pulls
        rules = [beta_quadrature(points, a, b) for a, b in zip(alphas, betas, strict=True)]
        return np.stack([nodes for nodes, _ in rules]), np.stack([weights for _, weights in rules])

    def initial(self, slots: int) -> Array:
        """The belief before the first pull."""
        density = np.broadcast_to(self.start, (len(self.volatility), *self.start.shape))
        one = np.concatenate([np.full(len(self.volatility), 1 / len(self.volatility)), density.ravel()])
        return np.tile(one, (slots, 1))

    def _parts(self, belief: Array) -> tuple[Array, Array]:
        count = len(self.volatility)
        return belief[:, :count], belief[:, count:].reshape(len(belief), count, self.unknowns, self.points)

    def update(self, belief: Array, arm: ArrayLike, reward: ArrayLike) -> Array:
        """After a pull of `arm` [N] paid `reward` [N] (0 or 1), and the drift that follows it. Rows whose arm is below 0
        stay as they are."""
        weight, density = (part.copy() for part in self._parts(belief))
        arm, success = np.asarray(arm), np.asarray(reward) > 0.5
        rows = np.flatnonzero(arm >= 0)
        unknown = np.zeros(len(rows), np.int64) if self.dependent else arm[rows]
        p = self.nodes[unknown]
        if self.dependent:
            p = np.where(arm[rows, None] == 1, 1 - p, p)
        seen = density[rows, :, unknown] * np.where(success[rows, None], p, 1 - p)[:, None]
        evidence = seen.sum(axis=2)  # [rows, volatility]
        density[rows, :, unknown] = seen / np.maximum(evidence, 1e-300)[:, :, None]
        joint = weight[rows] * evidence
        weight[rows] = joint / joint.sum(axis=1, keepdims=True)
        density[rows] = self._drifted(density[rows])
        return np.concatenate([weight, density.reshape(len(belief), -1)], axis=1)

    def _drifted(self, density: Array) -> Array:
        if self.drift == "walk":
            return np.stack([density[:, v] @ walk for v, walk in enumerate(self.walks)], axis=1)
        hazard = self.volatility[:, None, None]
        if self.drift == "redraw":
            return (1 - hazard) * density + hazard * self.start
        if self.drift == "swap":  # p becomes 1 - p, and the points are symmetric
            return (1 - hazard) * density + hazard * density[..., ::-1]
        return density

    def means(self, belief: Array) -> Array:
        """Probability that the next pull of each arm pays, [N, arms]."""
        weight, density = self._parts(belief)
        mean = np.einsum("nv,nvup,up->nu", weight, density, self.nodes)
        return np.concatenate([mean, 1 - mean], axis=1) if self.dependent else mean

    def volatility_weights(self, belief: Array) -> Array:
        """Posterior probability of each volatility, [N, volatilities]."""
        return self._parts(belief)[0].copy()


@lru_cache(maxsize=4)
def beta_quadrature(points: int, alpha: float, beta: float) -> tuple[Array, Array]:
    """Nodes in [0, 1] and weights, float64 [points] each, that sum to 1: the mean under Beta(alpha, beta) of a polynomial of
    degree below 2 points. The nodes are the eigenvalues of the Jacobi polynomials' recurrence (Golub and Welsch 1969), a
    weight one over the sum of squares of the orthonormal polynomials at its node, in logarithms where those grow large.

    Raises:
        ValueError: for parameters outside .001 to 1e6, or whose weights are not finite or miss the prior's mean by 1e-6.
    """
    _check_prior(alpha, beta)
    a, b = beta - 1, alpha - 1  # Jacobi's parameters, of 1 - x and of 1 + x
    n = np.arange(1, points, dtype=np.float64)
    twice, ratio = 2 * n + a + b, np.ones(points - 1)  # the ratio is 1 for n = 1, also where it would be 0 / 0
    ratio[1:] = (n[1:] + a + b) / (twice[1:] - 1)
    centre = np.concatenate([[(b - a) / (a + b + 2)], (b * b - a * a) / (twice * (twice + 2))])
    off = np.sqrt(4 * n * (n + a) * (n + b) * ratio / (twice * twice * (twice + 1)))
    nodes = eigvalsh_tridiagonal(centre, off)
    before, now = np.zeros(points), np.ones(points)  # two successive polynomials at each node
    squares, shift = np.ones(points), np.zeros(points)  # to a factor exp(-2 shift)
    for k in range(points - 1):
        before, now = now, ((nodes - centre[k]) * now - (off[k - 1] * before if k else 0)) / off[k]
        squares += now * now
        large = squares > 1e200
        if large.any():
            before[large], now[large], squares[large] = (
                before[large] / 1e100,
                now[large] / 1e100,
                squares[large] / 1e200,
            )
            shift[large] += np.log(1e100)
    logs = -np.log(squares) - 2 * shift
    weights = np.exp(logs - logs.max())
    nodes, weights = np.clip((nodes + 1) / 2, 0, 1), weights / weights.sum()
    if not abs(weights @ nodes - alpha / (alpha + beta)) < 1e-6:  # not NaN, either
        raise ValueError(f"alpha, beta: got {alpha}, {beta}, allowed: a prior whose {points} points can be found")
    nodes.flags.writeable = weights.flags.writeable = False
    return nodes, weights


def walk_matrix(cells: int, step: float) -> Array:
    """One step of a walk reflected into [0, 1]: [from, to], from a cell's centre to anywhere in a cell."""
    if step == 0:
        return np.eye(cells)
    if step >= FORGETFUL_STEP:
        return np.full((cells, cells), 1 / cells)
    edges, centres = np.linspace(0, 1, cells + 1), (np.arange(cells) + 0.5)[:, None] / cells
    total = np.zeros((cells, cells))
    for k in range(-int(4 * step) - 2, int(4 * step) + 3):  # the line folds onto [0, 1] as 2k + p and 2k - p
        total += np.diff(norm.cdf((2 * k + edges - centres) / step), axis=1)
        total += np.diff(-norm.cdf((2 * k - edges - centres) / step), axis=1)
    return total / total.sum(axis=1, keepdims=True)


def _cells(steps: Sequence[float] | Array) -> int:
    smallest = min((step for step in steps if step > 0), default=1.0)
    if smallest < 2 / MOST_POINTS:
        raise ValueError(f"volatility: got {smallest}, allowed: 0, or from {2 / MOST_POINTS} for a walk's exact filter")
    return int(max(LEAST_POINTS, np.ceil(2 / smallest)))


def _split(p: float, cells: int) -> Array:
    """All weight at p, shared between the two nearest centres so that the mean is p."""
    place = p * cells - 0.5
    low = int(np.clip(np.floor(place), 0, cells - 2))
    weight = np.zeros(cells)
    weight[low], weight[low + 1] = low + 1 - place, place - low
    return weight
