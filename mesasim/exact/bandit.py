"""Exact values and indices of Bernoulli bandits: ceilings and floors of Bandit-v0, tables for its agents."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.polynomial.legendre import leggauss
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom, qmc

from mesasim import _core

TIE = 1e-12  # action values closer than this, per pull to come, are equal: the solver's rounding is a thousandth of it
MAX_GITTINS_PULLS = 500  # about five minutes; 100 takes a fifth of a second
GOOD_ARM = {"dependent_easy": 0.9, "dependent_medium": 0.75, "dependent_hard": 0.6}
SOBOL_POINTS = 2**15  # of arm means; the values of memory_of_one(switch="uniform") are good to about 1e-3


def floor(pulls: int, alpha: float = 1.0, beta: float = 1.0) -> float:
    """Expected reward of any policy that sees nothing: pulls * prior mean."""
    _check_prior(alpha, beta)
    return _integer("pulls", pulls, 1) * alpha / (alpha + beta)


# Independent arms


class GittinsTable:
    """Finite-horizon Gittins indices of an arm with a Beta(alpha, beta) prior; see csrc/bandit/gittins.h.

    Args:
        pulls: indices are held for all s + f + m <= pulls.
    """

    def __init__(self, pulls: int, alpha: float = 1.0, beta: float = 1.0) -> None:
        self.pulls = _integer("pulls", pulls, 1, MAX_GITTINS_PULLS)
        _check_prior(alpha, beta)
        self.packed: NDArray[np.float64] = _core.gittins_indices(self.pulls, alpha, beta)

    @staticmethod
    def place(successes: Any, failures: Any, remaining: Any) -> Any:
        """Where `packed` holds the index after these counts with `remaining` pulls left: integers, or arrays or tensors
        of them."""
        used = successes + failures
        horizon = used + remaining
        return (horizon - 1) * horizon * (horizon + 1) // 6 + used * (used + 1) // 2 + successes

    def index(self, successes: ArrayLike, failures: ArrayLike, remaining: ArrayLike) -> NDArray[np.float64]:
        """The pay per pull of a known arm that is just as good; arguments broadcast."""
        s, f, m = (
            _counts(name, given, low)
            for name, given, low in (
                ("successes", successes, 0),
                ("failures", failures, 0),
                ("remaining", remaining, 1),
            )
        )
        most = int((s + f + m).max(initial=0))
        if most > self.pulls:
            raise ValueError(f"successes + failures + remaining: got {most}, allowed: at most {self.pulls}")
        return self.packed[self.place(s, f, m)]


@lru_cache(maxsize=4)
def gittins_table(pulls: int, alpha: float = 1.0, beta: float = 1.0) -> GittinsTable:
    """The indices for tasks of `pulls` pulls, kept for the next caller."""
    return GittinsTable(pulls, alpha, beta)


def fits(arms: int, pulls: int) -> bool:
    """Whether `BernoulliBandit(arms, pulls)` can be solved here."""
    states = _core.bayes_optimal_states(_integer("arms", arms, 2), _integer("pulls", pulls, 1))
    return bool(states <= _core.BayesOptimalBandit.max_states)


class BernoulliBandit:
    """The Bayes-optimal policy of `arms` independent Bernoulli arms with Beta(alpha, beta) priors.

    Raises:
        ValueError: also where `fits(arms, pulls)` is False; it names the states needed and allowed.
    """

    def __init__(self, arms: int, pulls: int, alpha: float = 1.0, beta: float = 1.0) -> None:
        self.arms, self.pulls = _integer("arms", arms, 2), _integer("pulls", pulls, 1)
        _check_prior(alpha, beta)
        self._native = _core.BayesOptimalBandit(self.arms, self.pulls, alpha, beta)

    @property
    def value(self) -> float:
        """Expected reward of a whole task."""
        return float(self._native.value)

    def action_values(self, successes: ArrayLike, failures: ArrayLike) -> NDArray[np.float64]:
        """Expected reward to come if each arm is pulled now; counts and result are [N, arms]."""
        return self._native.action_values(_counts("successes", successes), _counts("failures", failures))

    def actions(self, successes: ArrayLike, failures: ArrayLike) -> NDArray[np.bool_]:
        """Which arms are optimal to pull now, bool [N, arms]; at least one True a row."""
        values = self.action_values(successes, failures)
        return values >= values.max(axis=1, keepdims=True) - TIE * self.pulls


@lru_cache(maxsize=2)
def solved(arms: int, pulls: int, alpha: float = 1.0, beta: float = 1.0) -> BernoulliBandit:
    """The solution, kept for the next caller."""
    return BernoulliBandit(arms, pulls, alpha, beta)


# Dependent arms


def dependent_value(pulls: int, prior: str) -> float:
    """Bayes-optimal expected reward with two arms of means p and 1 - p.

    Both arms tell as much about p, so pulling the arm of higher posterior mean is optimal: a reward from arm 0 and none
    from arm 1 are the same evidence, and its count among t pulls is Binomial(t, p).

    Args:
        prior: "dependent_uniform" (p ~ U(0, 1)), "dependent_easy" (.9 or .1), "dependent_medium" (.75 or .25) or
            "dependent_hard" (.6 or .4), as in Bandit-v0.
    """
    pulls = _integer("pulls", pulls, 1)
    if prior == "dependent_uniform":
        return float(sum(_better(np.arange(1, t + 2) / (t + 2)).mean() for t in range(pulls)))
    good = GOOD_ARM[_choice("prior", prior, ("dependent_uniform", *GOOD_ARM))]
    total = 0.0
    for t in range(pulls):
        if_good, if_bad = binom.pmf(np.arange(t + 1), t, good), binom.pmf(np.arange(t + 1), t, 1 - good)
        arm_0, arm_1 = good * if_good + (1 - good) * if_bad, (1 - good) * if_good + good * if_bad
        total += 0.5 * float(np.maximum(arm_0, arm_1).sum())
    return total


def dependent_regret(pulls: int, prior: str) -> float:
    """Expected regret of the policy whose reward is `dependent_value(pulls, prior)`."""
    value = dependent_value(pulls, prior)
    return pulls * GOOD_ARM.get(prior, 0.75) - value


def _better(mean: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(mean, 1 - mean)


# Memory of one


def memory_of_one(
    arms: int, pulls: int, *, switch: str = "next", stay_after_reward: float = 1.0, stay_after_none: float = 0.0
) -> float:
    """Expected reward of a policy that sees only its last action and reward, arms independent and U(0, 1).

    After a reward it stays with probability `stay_after_reward`, after none with `stay_after_none`, else it switches.
    The defaults, win-stay lose-shift, are the best of these stay probabilities wherever that was searched.

    Args:
        switch: "next", to the arm after this one in a fixed order (never back to one just left; exact up to rounding),
            or "uniform", to any other arm (by quasi-Monte Carlo over arm means, to about 1e-3). With two arms they are
            one, and exact.
    """
    arms, pulls = _integer("arms", arms, 2), _integer("pulls", pulls, 1)
    _choice("switch", switch, ("next", "uniform"))
    for name, value in (("stay_after_reward", stay_after_reward), ("stay_after_none", stay_after_none)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name}: got {value!r}, allowed: 0 to 1")
    by_switch = _switch_to_next if switch == "next" or arms == 2 else _switch_to_any
    return by_switch(arms, pulls, stay_after_reward, stay_after_none)


def _switch_to_next(arms: int, pulls: int, stay_after_reward: float, stay_after_none: float) -> float:
    """Visit j is to arm j mod arms and lasts a geometric time given that arm's mean p. So times spent in different
    arms are independent, and E[p at pull t] = sum over visits of E[p; visit begun by t] - E[p; visit over by t]."""
    p, weight = leggauss(pulls // 2 + 2)  # exact: integrands are polynomials in p of degree at most pulls + 1
    p, weight = (p + 1) / 2, weight / 2
    stay = stay_after_reward * p + stay_after_none * (1 - p)
    most = pulls // arms + 2
    time = np.zeros((most + 1, pulls))  # [v, t]: probability that v visits to an arm last t pulls in all
    mean_time = np.zeros((most + 1, pulls))  # [v, t]: expectation of p over that event
    density = np.zeros((len(p), pulls))
    density[:, 0] = 1
    for visits in range(most + 1):
        time[visits], mean_time[visits] = weight @ density, (weight * p) @ density
        longer = np.zeros_like(density)
        for t in range(1, pulls):
            longer[:, t] = longer[:, t - 1] * stay + density[:, t - 1] * (1 - stay)
        density = longer
    total = 0.0
    for visit in range(pulls):
        before, arm = divmod(visit, arms)  # arms below `arm` have had one visit more than `before`
        elapsed = mean_time[before] - mean_time[before + 1]
        for other in range(arms - 1):
            elapsed = np.convolve(elapsed, time[before + (other < arm)])[:pulls]
        total += float(np.cumsum(elapsed).sum())
    return total


def _switch_to_any(arms: int, pulls: int, stay_after_reward: float, stay_after_none: float) -> float:
    mean = qmc.Sobol(arms, rng=np.random.default_rng(0)).random(SOBOL_POINTS)
    leave = 1 - stay_after_reward * mean - stay_after_none * (1 - mean)
    where = np.full_like(mean, 1 / arms)  # probability of standing at each arm
    total = 0.0
    for _ in range(pulls):
        total += float((where * mean).sum(axis=1).mean())
        left = where * leave
        where = where - left + (left.sum(axis=1, keepdims=True) - left) / (arms - 1)
    return total


# Checks


def _integer(name: str, value: Any, low: int, high: int | None = None) -> int:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise ValueError(f"{name}: got {value!r}, allowed: an integer")
    if value < low or (high is not None and value > high):
        allowed = f"at least {low}" if high is None else f"{low} to {high}"
        raise ValueError(f"{name}: got {value}, allowed: {allowed}")
    return int(value)


def _choice(name: str, value: str, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise ValueError(f"{name}: got {value!r}, allowed: {', '.join(map(repr, allowed))}")
    return value


def _check_prior(alpha: float, beta: float) -> None:
    for name, value in (("alpha", alpha), ("beta", beta)):
        if not 1e-3 <= value <= 1e6:
            raise ValueError(f"{name}: got {value!r}, allowed: 0.001 to 1000000")


def _counts(name: str, given: ArrayLike, low: int = 0) -> NDArray[np.int64]:
    array = np.asarray(given)
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name}: got dtype {array.dtype}, allowed: integers")
    if array.size and array.min() < low:
        raise ValueError(f"{name}: got {array.min()}, allowed: at least {low}")
    return array.astype(np.int64)
