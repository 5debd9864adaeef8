"""Instances of many kinds, and their optima by a dynamic programme that shares nothing with the engine: all sets of
cities from city 0 on, in NumPy's int64, a batch at a time. No speed beyond what 20,000 instances need."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from mesasim import tsp

FINE_BITS = 49  # as mesasim.tsp.Tours.optimal promises


def distances_of(points: np.ndarray) -> np.ndarray:
    """Euclidean [count, n, n] of points [count, n, 2]: one rounding of each sum and square root, as the engine's."""
    apart = points[:, :, None] - points[:, None]
    return np.sqrt(apart[..., 0] * apart[..., 0] + apart[..., 1] * apart[..., 1])


def in_units(distances: np.ndarray) -> np.ndarray:
    """Distances [n, n] as the whole numbers the engine promises to solve exactly: themselves if they are whole, else
    multiples of 2^-49 of the power of two above the longest, rounded down. By Python's own arithmetic, through fractions."""
    off = distances[~np.eye(len(distances), dtype=bool)].tolist()
    longest = max(off)
    whole = all(float(x).is_integer() for x in off) and longest < 2**FINE_BITS
    shift = 0 if whole else FINE_BITS - math.frexp(longest)[1]

    def units(x: float) -> int:
        above, below = float(x).as_integer_ratio()
        return (above << shift) // below if shift >= 0 else above // (below << -shift)

    rows = [[0 if i == j else units(x) for j, x in enumerate(row)] for i, row in enumerate(distances.tolist())]
    return np.array(rows, dtype=np.int64)


def optimal_lengths(units: np.ndarray) -> np.ndarray:
    """int64 [count] of int64 [count, n, n], n to about 13: shortest[S][j], the shortest way from city 0 through all of S,
    ending in j of S, by size of S."""
    count, n, _ = units.shape
    m, far = n - 1, np.int64(2**60)
    between = units[:, 1:, 1:].transpose(1, 2, 0)  # [m, m, count]
    shortest = np.full((1 << m, m, count), far)
    sizes = np.array([bin(s).count("1") for s in range(1 << m)])
    for j in range(m):
        shortest[1 << j, j] = units[:, 0, j + 1]
    for size in range(2, m + 1):
        sets = np.flatnonzero(sizes == size)
        for j in range(m):
            here = sets[sets >> j & 1 == 1]
            shortest[here, j] = (shortest[here ^ (1 << j)] + between[:, j]).min(1)
    return (shortest[-1] + units[:, 1:, 0].T).min(0)


def unit_length(units: np.ndarray, order: np.ndarray) -> int:
    return int(units[order, np.roll(order, -1)].sum())


# Families: rng, count, n → points [count, n, 2] or distances [count, n, n]

Family = Callable[[np.random.Generator, int, int], np.ndarray]


def _symmetric(upper: np.ndarray) -> np.ndarray:
    upper = np.triu(upper, 1)
    return upper + upper.transpose(0, 2, 1)


def _uniform(rng: np.random.Generator, count: int, n: int) -> np.ndarray:
    return rng.random((count, n, 2))


def _clustered(rng: np.random.Generator, count: int, n: int) -> np.ndarray:
    centres = rng.random((count, 3, 2))
    which = rng.integers(3, size=(count, n))
    return np.take_along_axis(centres, which[..., None], 1) + 0.02 * rng.standard_normal((count, n, 2))


def _collinear(rng: np.random.Generator, count: int, n: int) -> np.ndarray:
    return rng.random((count, n, 1)) * rng.standard_normal((count, 1, 2)) + rng.random((count, 1, 2))


def _grid(rng: np.random.Generator, count: int, n: int) -> np.ndarray:
    cells = np.array([(x, y) for x in range(4) for y in range(4)], dtype=float)
    return cells[np.argsort(rng.random((count, 16)), 1)[:, :n]]


def _duplicates(rng: np.random.Generator, count: int, n: int) -> np.ndarray:
    return np.take_along_axis(rng.random((count, n, 2)), rng.integers(max(1, n // 2), size=(count, n))[..., None], 1)


def _one_place(rng: np.random.Generator, count: int, n: int) -> np.ndarray:
    return np.repeat(rng.random((count, 1, 2)), n, 1)


def _circle(rng: np.random.Generator, count: int, n: int) -> np.ndarray:
    turns = 2 * np.pi * np.argsort(rng.random((count, n)), 1) / n
    return np.stack([np.cos(turns), np.sin(turns)], 2)


def _equal(rng: np.random.Generator, count: int, n: int) -> np.ndarray:
    return _symmetric(np.repeat(rng.integers(0, 5, (count, 1)), n * n, 1).reshape(count, n, n))


def _whole(most: int) -> Family:
    return lambda rng, count, n: _symmetric(rng.integers(0, most, (count, n, n)))


def _floats(rng: np.random.Generator, count: int, n: int) -> np.ndarray:
    return _symmetric(rng.random((count, n, n)))


def _wide(rng: np.random.Generator, count: int, n: int) -> np.ndarray:
    """Over 30 powers of ten: most distances are a unit or none of the longest."""
    return _symmetric(10.0 ** rng.uniform(-15, 15, (count, n, n)))


def _near_ties(rng: np.random.Generator, count: int, n: int) -> np.ndarray:
    """Two values but for the last bits: nothing that is coarse tells the tours apart."""
    return _symmetric(rng.integers(1, 3, (count, n, n)) + rng.integers(0, 16, (count, n, n)) * 2.0**-47)


def _crossed(rng: np.random.Generator, count: int, n: int) -> np.ndarray:
    """Two halves far apart, near ties within: bounds leave a gap that only branching closes."""
    side = np.arange(n) % 2
    return _symmetric(rng.integers(1, 4, (count, n, n)) + 40 * (side[:, None] != side[None]))


def _scaled(family: Family, scale: float) -> Family:
    return lambda rng, count, n: scale * family(rng, count, n)


FAMILIES: dict[str, Family] = {
    "uniform": _uniform, "clustered": _clustered, "collinear": _collinear, "grid": _grid, "duplicates": _duplicates,
    "one place": _one_place, "circle": _circle, "equal": _equal, "0 and 1": _whole(2), "0 to 3": _whole(4),
    "0 to 999": _whole(1000), "to 2^49": _whole(2**49), "floats": _floats, "30 powers of ten": _wide, "near ties": _near_ties,
    "two halves": _crossed, "points × 1e-130": _scaled(_uniform, 1e-130), "points × 1e150": _scaled(_clustered, 1e150),
    "distances × 1e-300": _scaled(_floats, 1e-300), "distances × 1e150": _scaled(_near_ties, 1e150),
}  # fmt: skip


def faults(
    family: str, n: int, count: int, seed: int, method: str, solve: Callable[..., tsp.Tours] = tsp.solve
) -> list[str]:
    """What is wrong with the tours of `count` instances, in words: nothing, one hopes."""
    rng = np.random.default_rng([seed, n, *family.encode()])
    given = FAMILIES[family](rng, count, n)
    distances = distances_of(given) if given.shape[2] == 2 else given
    units = np.stack([in_units(d) for d in distances])
    optima = optimal_lengths(units)
    tours = solve(given, method, num_threads=1, seed=seed)
    found = []
    for i in range(count):
        order = tours.order[i].numpy()
        where = f"{family}, n = {n}, {method}, seed {seed}, number {i}"
        if sorted(order) != list(range(n)) or order[0] != 0 or order[1] > order[-1]:
            found.append(f"{where}: {order} is no tour in canonical order")
            continue
        # Beyond dynamic programming, tours of floats within two units a city of each other count as equal (Tours.optimal).
        exact = method == "held_karp" or np.array_equal(units[i], distances[i])
        if unit_length(units[i], order) - optima[i] not in range(1 if exact else 2 * n + 1):
            found.append(f"{where}: {unit_length(units[i], order)} units, but the optimum has {optima[i]}")
        summed = 0.0
        for a, b in zip(order, np.roll(order, -1), strict=True):
            summed += float(distances[i, a, b])
        if tours.length[i] != summed:
            found.append(f"{where}: length {tours.length[i]}, but its distances sum to {summed}")
        if not tours.optimal[i] or tours.lower_bound[i] != tours.length[i]:
            found.append(f"{where}: not proved, bound {tours.lower_bound[i]}")
    return found
