"""Exact values of the two-step task (TwoStep-v0): the Bayes optimum, what knows the good state, what sees nothing, and
the best policy that remembers one trial.

A trial's outcome, whichever state it was had in, says with probability `reward` which state is good (a reward here, or
none there) and otherwise the contrary. So no choice is more informative than another, and betting on the likelier state
in every trial is Bayes-optimal.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

Beliefs = NDArray[np.float64]
BINS = 2**14  # of the belief, where it takes too many values to follow them all


def floor(trials: int = 100) -> float:
    """Expected reward of any policy that sees nothing: half the trials pay."""
    return trials / 2


def knowing(trials: int = 100, common: float = 0.75, reward: float = 0.9) -> float:
    """Expected reward of an agent told the good state before every trial."""
    return trials * _right(common, reward)


def optimum(trials: int = 100, common: float = 0.75, reward: float = 0.9, switching: float = 0.0) -> float:
    """Bayes-optimal expected reward of an episode; the middle of `optimum_bounds`."""
    low, high = optimum_bounds(trials, common, reward, switching)
    return (low + high) / 2


def optimum_bounds(
    trials: int = 100, common: float = 0.75, reward: float = 0.9, switching: float = 0.0
) -> tuple[float, float]:
    """Numbers the Bayes-optimal expected reward lies between; one number twice where switching is 0.

    Without switching the evidence is a count. With it the belief p follows p' = Bayes(p), then (1 - h) p' + h (1 - p'),
    and takes up to 2^t values, which are kept in BINS. The expected reward to come is convex in the belief. So each bin's
    beliefs merged at their mean are worth no more, and moved out to the bin's edges, with their mean kept, no less.
    """
    _check(trials, common, reward, switching)
    right, wrong = _right(common, reward), 1 - _right(common, reward)
    if switching == 0:
        likelier = sum(_majority(seen, reward) for seen in range(trials))
        value = trials * wrong + (right - wrong) * likelier
        return value, value
    low, high = (
        trials * wrong + (right - wrong) * _bets_won(trials, reward, switching, keep) for keep in (_merge, _spread)
    )
    return float(low), float(high)


def _majority(seen: int, reward: float) -> float:
    """Probability that the majority of `seen` signs points to the good state; a tie does half the time."""
    less, tie = binom.cdf((seen - 1) // 2, seen, reward), binom.pmf(seen / 2, seen, reward) if seen % 2 == 0 else 0.0
    return float(1 - less - tie / 2)


def _bets_won(trials: int, reward: float, switching: float, keep: Callable[[Beliefs, Beliefs], Any]) -> float:
    belief, weight = np.array([0.5]), np.array([1.0])  # in state 1, before a trial
    won = 0.0
    for _ in range(trials):
        won += float(weight @ np.maximum(belief, 1 - belief))
        for_it = belief * reward + (1 - belief) * (1 - reward)  # probability of a sign for state 1
        after = np.concatenate([belief * reward / for_it, _share(belief * (1 - reward), 1 - for_it)])
        weight = np.concatenate([weight * for_it, weight * (1 - for_it)])
        belief, weight = keep((1 - switching) * after + switching * (1 - after), weight)
    return won


def _share(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full_like(part, 0.5), where=whole > 0)


def _merge(belief: Beliefs, weight: Beliefs) -> tuple[Any, Any]:
    place = np.minimum((belief * BINS).astype(int), BINS - 1)
    total = np.bincount(place, weight, BINS)
    held = total > 0
    return np.clip(np.bincount(place, weight * belief, BINS)[held] / total[held], 0, 1), total[held]


def _spread(belief: Beliefs, weight: Beliefs) -> tuple[Any, Any]:
    place = np.minimum((belief * BINS).astype(int), BINS - 1)
    upper = belief * BINS - place
    total = np.bincount(place, weight * (1 - upper), BINS + 1) + np.bincount(place + 1, weight * upper, BINS + 1)
    held = total > 0
    return np.arange(BINS + 1)[held] / BINS, total[held]


class MemoryOfOne(NamedTuple):
    """The best deterministic policy of (last action, its transition, its reward), the same in every trial."""

    value: float
    stay: NDArray[np.bool_]  # [action, common, reward]: whether it repeats the action


def memory_of_one(trials: int = 100, common: float = 0.75, reward: float = 0.9, switching: float = 0.0) -> MemoryOfOne:
    """The thermostat's ceiling: the best of all 256 such policies.

    None that tosses coins or knows the trial's number does better where switching is 0: let x be the probability of being
    at the right action; whatever the memory tells, the outcomes that lead away from the wrong one are at most
    reward / (1 - reward) times as likely as those that lead away from the right one, so that x never passes `reward`,
    where the policy that follows the last outcome stands from the second trial on.
    """
    _check(trials, common, reward, switching)
    policies = np.array(list(product((False, True), repeat=8))).reshape(-1, 2, 2, 2)
    values = memory_of_one_values(policies, trials, common, reward, switching)
    best = int(values.argmax())
    return MemoryOfOne(float(values[best]), policies[best])


def memory_of_one_values(
    stay: NDArray[np.bool_] | NDArray[np.float64],
    trials: int = 100,
    common: float = 0.75,
    reward: float = 0.9,
    switching: float = 0.0,
) -> NDArray[np.float64]:
    """Expected reward of policies that repeat action a after (a, transition, reward) with probability
    stay[n, a, common, reward], float or bool [N, 2, 2, 2]; the first action is drawn."""
    stay = np.asarray(stay, dtype=np.float64)
    if stay.ndim != 4 or stay.shape[1:] != (2, 2, 2) or not ((stay >= 0) & (stay <= 1)).all():
        raise ValueError(f"stay: got shape {stay.shape}, allowed: probabilities [N, 2, 2, 2]")
    outcome = np.zeros((2, 2, 2, 2))  # [good, action, common, reward]: probability of the last two
    for good, action, way, pay in np.ndindex(2, 2, 2, 2):
        to_good = (action == good) == bool(way)
        paid = reward if to_good else 1 - reward
        outcome[good, action, way, pay] = (common if way else 1 - common) * (paid if pay else 1 - paid)
    again = np.einsum("gawr,nawr->nga", outcome, stay)  # probability of staying
    at = np.full((len(stay), 2, 2), 0.25)  # [n, good, action]
    pays = outcome[..., 1].sum(axis=-1)
    total = np.zeros(len(stay))
    for _ in range(trials):
        total += (at * pays).sum(axis=(1, 2))
        at = at * again + (at * (1 - again))[..., ::-1]
        at = (1 - switching) * at + switching * at[:, ::-1]
    return total


def _right(common: float, reward: float) -> float:
    """Probability of a reward after the choice that commonly leads to the good state."""
    return common * reward + (1 - common) * (1 - reward)


def _check(trials: int, common: float, reward: float, switching: float) -> None:
    if not isinstance(trials, (int, np.integer)) or isinstance(trials, bool) or trials < 1:
        raise ValueError(f"trials: got {trials!r}, allowed: integers from 1")
    for name, value, low in (("common", common, 0.5), ("reward", reward, 0.5), ("switching", switching, 0.0)):
        if not low <= value <= 1:
            raise ValueError(f"{name}: got {value!r}, allowed: {low} to 1")
