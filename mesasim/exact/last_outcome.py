"""The best policies that see only the last action and reward, with or without the number of pulls made, on Bernoulli
arms that are independent and U(0, 1). What they earn needs no learning: a learner must earn more.

Arm means are integrated out by Gauss-Legendre quadrature, which is exact here: expected rewards are polynomials in them.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.polynomial.legendre import leggauss
from numpy.typing import NDArray
from scipy.optimize import minimize

from mesasim.exact.bandit import _integer, memory_of_one

MAX_POINTS = 200_000  # of quadrature, all arms together


class Best(NamedTuple):
    value: float  # expected reward of an episode
    policy: NDArray[np.int64]  # [pulls, arms, 2]: the arm to pull after that arm's reward of 0 or 1; at pull 0 unused


class Stay(NamedTuple):
    value: float
    after_reward: float
    after_none: float


def best_stay(arms: int, pulls: int) -> Stay:
    """The best probabilities of staying after a reward and after none, switching to the next arm in a cycle: a local
    search from the corners, over `mesasim.exact.bandit.memory_of_one`."""
    arms, pulls = _integer("arms", arms, 2), _integer("pulls", pulls, 1)

    def loss(stay: NDArray[np.float64]) -> float:
        return -memory_of_one(arms, pulls, stay_after_reward=float(stay[0]), stay_after_none=float(stay[1]))

    best = Stay(-np.inf, 0.0, 0.0)
    for start in product((0.0, 1.0), repeat=2):
        inward = np.clip(start, 0.1, 0.9)
        for x in (np.array(start), minimize(loss, inward, bounds=[(0, 1)] * 2, method="L-BFGS-B").x):
            value = -loss(np.clip(x, 0, 1))
            if value > best.value + 1e-9:
                best = Stay(value, float(x[0]), float(x[1]))
    return best


def enumerate_policies(pulls: int) -> Best:
    """The best deterministic policy of two arms that sees the last (action, reward): all 16 valued exactly."""
    arms, pulls = 2, _integer("pulls", pulls, 1)
    means, weight = _quadrature(arms, pulls)
    best = Best(-np.inf, np.zeros((pulls, 2, 2), np.int64))
    for moves in product(range(2), repeat=4):
        policy = np.broadcast_to(np.array(moves).reshape(2, 2), (pulls, 2, 2))
        value = _forward(policy, means, weight)[0]
        if value > best.value + 1e-12:
            best = Best(value, policy.copy())
    return best


def best_with_clock(arms: int, pulls: int, *, searches: int = 64, seed: int = 0) -> Best:
    """The best policy found that sees the last (action, reward) and the number of pulls made.

    Policy iteration on the policy's own statistics: going back from the last pull, each pull's moves are made the best
    against the joint weight of (last action, reward, arm means) that the moves before it lead to, and the moves after it
    that were just improved. No sweep lowers the value, and it ends at a policy that no change at one pull improves. There
    are many such ends (win-stay lose-shift is one), so the search goes on from the best with a tenth of its moves drawn
    anew, `searches` times in all. The value is that policy's, exact up to rounding; the optimum is at least this.

    Raises:
        ValueError: where quadrature over `arms` arms takes over MAX_POINTS points; win-stay lose-shift's value
            (`mesasim.exact.bandit.memory_of_one`) is known for any number.
    """
    arms, pulls = _integer("arms", arms, 2), _integer("pulls", pulls, 1)
    means, weight = _quadrature(arms, pulls)
    rng = np.random.default_rng(seed)
    policy = np.empty((pulls, arms, 2), np.int64)
    policy[:, :, 1], policy[:, :, 0] = np.arange(arms), (np.arange(arms) + 1) % arms
    best = Best(-np.inf, policy)
    for search in range(_integer("searches", searches, 1)):
        redrawn = rng.random(policy.shape) < (0.1 if search else 0.0)
        policy = np.where(redrawn, rng.integers(arms, size=policy.shape), best.policy)
        value = -np.inf
        while True:
            earned, joint = _forward(policy, means, weight)
            if earned <= value + 1e-12:
                break
            value = earned
            _improve(policy, means, joint)
        if value > best.value:
            best = Best(value, policy.copy())
    return best


def _quadrature(arms: int, pulls: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points of arm means [points, arms] and their weights."""
    nodes = pulls // 2 + 1
    if nodes**arms > MAX_POINTS:
        raise ValueError(
            f"arms, pulls: got {arms}, {pulls}, which take {nodes**arms} points of quadrature, allowed: {MAX_POINTS}; "
            "memory_of_one(arms, pulls), win-stay lose-shift, is known for any number"
        )
    x, w = leggauss(nodes)
    x, w = (x + 1) / 2, w / 2
    means = np.stack([axis.ravel() for axis in np.meshgrid(*[x] * arms, indexing="ij")], axis=1)
    return means, np.prod(np.stack([axis.ravel() for axis in np.meshgrid(*[w] * arms, indexing="ij")]), axis=0)


def _forward(
    policy: NDArray[np.int64], means: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Expected reward, and before each pull the joint weight of the last arm, its reward and the means, arm 0 first."""
    pulls, arms, _ = policy.shape
    joint = np.zeros((pulls, arms, 2, len(means)))
    total, pulled = 0.0, np.zeros((arms, len(means)))
    pulled[0] = weight
    for t in range(pulls):
        if t:
            pulled = np.zeros_like(pulled)
            for arm in range(arms):
                for reward in range(2):
                    pulled[policy[t, arm, reward]] += joint[t, arm, reward]
        success = pulled * means.T
        total += float(success.sum())
        if t + 1 < pulls:
            joint[t + 1, :, 1], joint[t + 1, :, 0] = success, pulled - success
    return total, joint


def _improve(policy: NDArray[np.int64], means: NDArray[np.float64], joint: NDArray[np.float64]) -> None:
    pulls, arms, _ = policy.shape
    later = np.zeros((arms, 2, len(means)))  # reward to come after (arm, reward), by means
    for t in range(pulls - 1, 0, -1):
        pull = means.T * (1 + later[:, 1]) + (1 - means.T) * later[:, 0]  # [arm pulled, points]
        gain = joint[t].reshape(-1, len(means)) @ pull.T
        kept = policy[t].reshape(-1)
        better = gain.max(axis=1) > gain[np.arange(len(kept)), kept] + 1e-14
        policy[t] = np.where(better, gain.argmax(axis=1), kept).reshape(arms, 2)
        later = pull[policy[t]]
