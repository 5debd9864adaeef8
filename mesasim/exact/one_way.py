"""Exact values of the one-way-function game (OneWay-v0): the functions as tables, how often a memoryless player inverts
them, and what a player is paid by an opponent that knows its distribution. No torch.

A player that keeps no memory between saying y and saying z must find a z with f(z) = y again. For a random function on
2^n points and b independent tries that is as likely as the closed form says; for the functions of the world themselves it
is counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from math import exp

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from mesasim import _core

MOST_BITS = 24
MOST_TABLE_BITS = 20  # a table of a million entries, about a second for SHA-256
TAPS = 5
MOST_KEY = 2**31 - 1
TAP_SEED = int.from_bytes(b"oneway", "big")
FUNCTIONS = ("sha256", "local")
ORDERS = ("independent", "distinct", "counting")


# The functions


@lru_cache(maxsize=32)
def table(n: int, f: str = "sha256", key: int = 0) -> NDArray[np.int64]:
    """f(z) for every z from 0 to 2^n - 1, int64 [2^n], n up to 20; read-only, and kept for the next caller."""
    _integer("n", n, 1, MOST_TABLE_BITS)
    found = images(n, np.arange(1 << n), f, key)
    found.flags.writeable = False
    return found


def images(n: int, z: ArrayLike, f: str = "sha256", key: int = 0) -> NDArray[np.int64]:
    """f(z) of numbers of n bits, int64.

    "sha256": the first n bits of SHA-256 (FIPS 180-4) of key and z, four bytes each, the most significant first. "local":
    Goldreich's candidate (2000) with the predicate of Mossel, Shpilka and Trevisan (2003): bit i is a ^ b ^ c ^ (d & e) of
    the bits of z at `taps(n, key)[i]`.
    """
    _integer("n", n, 1, MOST_BITS)
    _integer("key", key, 0, MOST_KEY)
    if f not in FUNCTIONS:
        raise ValueError(f"f: got {f!r}, allowed: {', '.join(map(repr, FUNCTIONS))}")
    numbers = np.asarray(z)
    if not np.issubdtype(numbers.dtype, np.integer):
        raise TypeError(f"z: got dtype {numbers.dtype}, allowed: integers")
    if numbers.size and not 0 <= int(numbers.min()) <= int(numbers.max()) < 1 << n:
        raise ValueError(f"z: got {numbers.min()} to {numbers.max()}, allowed: 0 to {(1 << n) - 1}")
    numbers = numbers.astype(np.int64)
    if f == "sha256":
        digest = (hashlib.sha256((key << 32 | int(one)).to_bytes(8, "big")).digest()[:4] for one in numbers.ravel())
        words = np.frombuffer(b"".join(digest), dtype=">u4").astype(np.int64)
        return (words >> (32 - n)).reshape(numbers.shape)
    result = np.zeros_like(numbers)
    for a, b, c, d, e in taps(n, key):
        bit = [numbers >> (n - 1 - place) & 1 for place in (a, b, c, d, e)]
        result = result << 1 | (bit[0] ^ bit[1] ^ bit[2] ^ (bit[3] & bit[4]))
    return result


@lru_cache(maxsize=32)
def taps(n: int, key: int = 0) -> tuple[tuple[int, ...], ...]:
    """The five places of z, the most significant bit being place 0, that each bit of local f depends on."""
    _integer("n", n, TAPS, MOST_BITS)
    _integer("key", key, 0, MOST_KEY)
    found = []
    for bit in range(n):
        words = [
            word
            for index in range((2 * TAPS + 3) // 4)
            for word in _core.philox4x32_10([index, bit, n, 2], [TAP_SEED & 0xFFFFFFFF, TAP_SEED >> 32 ^ key])
        ]
        place = list(range(n))
        for i in range(TAPS):
            other = i + ((words[2 * i] << 32 | words[2 * i + 1]) * (n - i) >> 64)
            place[i], place[other] = place[other], place[i]
        found.append(tuple(place[:TAPS]))
    return tuple(found)


def preimage_counts(n: int, f: str = "sha256", key: int = 0) -> NDArray[np.int64]:
    """How many z have f(z) = y, for every y, int64 [2^n]."""
    return np.bincount(table(n, f, key), minlength=1 << n)


# Inversion


def closed_form(budget: float, n: int) -> float:
    """B's pay against any x, if z is uniform and f a random function: y is f of a z drawn and forgotten, and each of
    `budget` independent uniform tries may find a z with f(z) = y.

    y has 1 + Poisson(1) preimages, each missed by all tries with probability e^-beta, beta = budget / 2^n: the pay is
    (1 - e^-beta exp(e^-beta - 1)) / 2.
    """
    miss = exp(-_budget(budget) / 2 ** _integer("n", n, 1, MOST_BITS))
    return 0.5 * (1 - miss * exp(miss - 1))


def naive_form(budget: float, n: int) -> float:
    """The same if y had exactly one preimage, (1 - (1 - 2^-n)^budget) / 2: too low, since a y said has more."""
    return 0.5 * (1 - (1 - 2.0 ** -_integer("n", n, 1, MOST_BITS)) ** _budget(budget))


def inversion_probability(budget: int, n: int, f: str = "sha256", order: str = "independent", key: int = 0) -> float:
    """Probability that a z with f(z) = y is found, y = f(z0) for a uniform z0: counted over every y, no randomness.

    Args:
        budget: tries, 0 or more.
        order: "independent" uniform tries; "distinct" ones, uniform among those not yet tried; "counting" 0, 1, 2 …
    """
    return float(found_distribution(budget, n, f, order, key).sum())


def found_distribution(
    budget: int, n: int, f: str = "sha256", order: str = "independent", key: int = 0
) -> NDArray[np.float64]:
    """Probability that the z found is each of 0 … 2^n - 1, float64 [2^n]; what is missing to 1, that none is found."""
    budget = int(_budget(budget))
    if order not in ORDERS:
        raise ValueError(f"order: got {order!r}, allowed: {', '.join(map(repr, ORDERS))}")
    values, size = table(n, f, key), 1 << n
    counts = preimage_counts(n, f, key)
    if order == "counting":
        first = np.full(size, size)
        np.minimum.at(first, values, np.arange(size))  # the smallest z of every y
        found = np.zeros(size)
        hit = first[(first < budget) & (counts > 0)]
        found[hit] = counts[values[hit]] / size
        return found
    if order == "distinct":
        tries = min(budget, size)
        rest = np.maximum(size - counts - tries, 0)
        log_missed = gammaln(size - counts + 1) - gammaln(rest + 1) + gammaln(size - tries + 1) - gammaln(size + 1)
        missed = np.where(counts + tries > size, 0.0, np.exp(log_missed))
    else:
        missed = (1 - counts / size) ** budget
    return (1 - missed)[values] / size  # a y is said by its counts / size, each of its z found equally often


def exact_pay(budget: int, n: int, f: str = "sha256", order: str = "independent", key: int = 0) -> float:
    """B's pay against a uniform x: half the probability of inversion."""
    return 0.5 * inversion_probability(budget, n, f, order, key)


def coin_pay(n: int, f: str = "sha256", key: int = 0, x: int | None = None) -> float:
    """Pay of a round to a B that says coins and has y computed from its draft (`tool=True`): one uniform try at f of
    another. x: what A always writes; None: it writes uniformly. Where B says y itself, coins pay 2^-n / 2 against any x.
    """
    found = found_distribution(1, n, f, "independent", key)
    if x is None:
        return float(found.sum() / 2)
    _integer("x", x, 0, (1 << n) - 1)
    differing = sum((np.arange(1 << n) ^ x) >> place & 1 for place in range(n))
    return float(found @ differing / n)


# An opponent that can be foreseen


def most_against_fictitious_play(paid: int, practice: int = 0) -> float:
    """The most an episode can pay against `opponent="adaptive"`, to a B that remembers its z's and finds f(z): A writes the
    majority of every bit, so the minority pays 1 and brings the next majority one nearer to a tie, at which any bit pays
    1/2. Unpaid rounds build up a majority of as many, which is then said against.

    Args:
        paid, practice: rounds that are paid, and unpaid ones before them.
    """
    paid, practice = _integer("paid", paid, 1, 1000), _integer("practice", practice, 0, 999)
    left = paid - min(paid, practice)
    return paid - 0.5 * ((left + 1) // 2)


# An opponent that knows B


def best_response(found: ArrayLike) -> tuple[int, float]:
    """What an opponent writes that knows how often B says each z with f(z) = y, and B's pay then.

    A's score is a sum over bits, so the likelier value of each bit is an exact best response, and B is paid
    sum_i min(P(f(z) = y, z_i = 0), P(f(z) = y, z_i = 1)) / n.

    Args:
        found: float [2^n], probabilities (or counts divided by all rounds played) that sum to at most 1.
    """
    weights = np.asarray(found, dtype=np.float64)
    n = max(1, int(weights.size).bit_length() - 1)
    if weights.ndim != 1 or weights.size != 1 << n:
        raise ValueError(f"found: got shape {weights.shape}, allowed: [2^n]")
    if not (weights >= 0).all() or weights.sum() > 1 + 1e-9:
        raise ValueError(f"found: got a sum of {weights.sum()}, allowed: probabilities that sum to at most 1")
    x, pay = 0, 0.0
    for place in range(n):
        one = float(weights[(np.arange(weights.size) >> (n - 1 - place) & 1) == 1].sum())
        x = x << 1 | int(one > weights.sum() - one)
        pay += min(one, float(weights.sum()) - one) / n
    return x, pay


def best_x(said: Sequence[int] | NDArray[np.int64], n: int) -> int:
    """The best response to z's that were said, a sample: the majority of every bit, 0 where there is none."""
    z = np.asarray(said, dtype=np.int64)
    x = 0
    for place in range(_integer("n", n, 1, MOST_BITS)):
        x = x << 1 | int(2 * (z >> (n - 1 - place) & 1).sum() > z.size)
    return x


def _integer(name: str, value: int, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name}: got {value!r}, allowed: an integer")
    if not low <= value <= high:
        raise ValueError(f"{name}: got {value}, allowed: {low} to {high}")
    return int(value)


def _budget(budget: float) -> float:
    if not 0 <= budget <= 1e12:  # not NaN, either
        raise ValueError(f"budget: got {budget}, allowed: 0 to 1e12")
    return budget
