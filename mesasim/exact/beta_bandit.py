"""The Bayes-optimal value and actions of Bernoulli arms each with a Beta prior of its own, by backward induction over all
counts. Arms of one and the same prior are interchangeable and have far fewer states: mesasim.exact.bandit.BernoulliBandit."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mesasim.exact.bandit import TIE, _check_prior, _counts, _integer

# States: a byte each is kept, and while the last pull's are worked out they take 40 each: 2.4 GB at most. Two arms reach
# 123 pulls, three 26.
MAX_STATES = 60_000_000


def fits(arms: int, pulls: int) -> bool:
    """Whether `BetaBandit` of so many arms can be solved here."""
    return arms <= 8 and _states(arms, pulls) <= MAX_STATES


def _states(arms: int, pulls: int) -> int:
    return sum((t + 1) ** (2 * arms - 1) for t in range(pulls)) if pulls <= 1000 else MAX_STATES + 1


class BetaBandit:
    """Arm i has the prior Beta(alphas[i], betas[i]).

    Raises:
        ValueError: also where `fits(arms, pulls)` is False; it names the states needed and allowed.
    """

    def __init__(self, alphas: Sequence[float], betas: Sequence[float], pulls: int) -> None:
        if len(alphas) != len(betas) or len(alphas) < 2:
            raise ValueError(f"betas: got {len(betas)} values for {len(alphas)} alphas, allowed: as many, at least 2")
        for alpha, beta in zip(alphas, betas, strict=True):
            _check_prior(alpha, beta)
        self.arms, self.pulls = len(alphas), _integer("pulls", pulls, 1)
        if not fits(self.arms, self.pulls):
            raise ValueError(
                f"arms, pulls: got {self.arms}, {pulls}, which need {_states(self.arms, self.pulls)} states or more, "
                f"allowed: {MAX_STATES} states and 8 arms; the Gittins index policy stands in for it"
            )
        self._optimal: list[NDArray[np.uint8]] = [np.empty(0, np.uint8)] * self.pulls  # [t]: a bit an arm, by counts
        later = np.broadcast_to(0.0, (self.pulls + 1,) * (2 * self.arms - 1))  # nothing is left after the last pull
        for t in reversed(range(self.pulls)):
            later, self._optimal[t] = self._solve(t, later, alphas, betas)
        self.value = float(later.reshape(-1)[0])

    def _solve(
        self, t: int, later: NDArray[np.float64], alphas: Sequence[float], betas: Sequence[float]
    ) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
        """Axes: successes and failures of every arm but the last, then the last's successes; its failures are what is
        left of t. Cells of more than t pulls are no state, and what they hold is not read by any that is."""
        axes = np.ogrid[tuple(slice(0, t + 1) for _ in range(2 * self.arms - 1))]
        last = t - sum(axes[:-1])  # pulls of the last arm

        def value(arm: int) -> NDArray[np.float64]:
            s = axes[2 * arm]
            used = s + axes[2 * arm + 1] if arm < self.arms - 1 else last
            p = np.clip((alphas[arm] + s) / np.maximum(alphas[arm] + betas[arm] + used, 1e-3), 0, 1)
            paid, unpaid = (later[_window(t, later.ndim, axis)] for axis in (2 * arm, 2 * arm + 1))
            found = 1 + paid - unpaid
            found *= p
            found += unpaid
            return np.asarray(found)

        # Every arm's value is found twice: kept, they would be as many arrays as there are arms.
        best = value(0)
        for arm in range(1, self.arms):
            np.maximum(best, value(arm), out=best)
        optimal = np.zeros(best.shape, np.uint8)
        for arm in range(self.arms):
            short = value(arm)
            short -= best
            optimal |= (short >= -TIE * self.pulls).view(np.uint8) << arm
        return best, optimal

    def actions(self, successes: ArrayLike, failures: ArrayLike) -> NDArray[np.bool_]:
        """Which arms are optimal to pull now, bool [N, arms]; at least one True a row."""
        s, f = _counts("successes", successes), _counts("failures", failures)
        made = (s + f).sum(axis=1)
        if (made >= self.pulls).any():
            raise ValueError(f"successes + failures: got {made.max()} pulls, allowed: at most {self.pulls - 1}")
        index = np.stack([s, f], axis=2).reshape(len(s), -1)[:, :-1]
        bits = np.zeros(len(s), np.uint8)
        for t in np.unique(made):
            rows = made == t
            bits[rows] = self._optimal[t][tuple(index[rows].T)]
        return (bits[:, None] >> np.arange(self.arms) & 1).astype(bool)


def _window(t: int, axes: int, raised: int) -> tuple[slice, ...]:
    """Cells of t + 1 pulls, one more along `raised`; the last arm's failures are no axis."""
    return tuple(slice(1, t + 2) if axis == raised else slice(0, t + 1) for axis in range(axes))


@lru_cache(maxsize=2)
def solved(alphas: tuple[float, ...], betas: tuple[float, ...], pulls: int) -> BetaBandit:
    """The solution, kept for the next caller."""
    return BetaBandit(alphas, betas, pulls)
