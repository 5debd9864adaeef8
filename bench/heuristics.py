"""The table of docs/tours.md: how much longer than optimal each heuristic's tours are, and its time on one thread; beside the
gaps of Kool, van Hoof and Welling 2019, "Attention, learn to solve routing problems!", Table 1.

`python bench/heuristics.py [COUNT]` (1,000 uniform instances a size). Up to 50 cities lengths are held against the proved
optimum; beyond, against the best of local searches of 50 n kicks from two seeds, which is said."""

import sys
import time

import numpy as np
import torch

from mesasim import tsp

PROVED_UP_TO = 50
KOOL = {  # percent at n = 20, 50, 100, of 10,000 instances
    "nearest_neighbour": (17.23, 22.94, 24.73),
    "nearest_insertion": (12.91, 19.03, 21.82),
    "random_insertion": (4.36, 7.65, 9.69),
    "farthest_insertion": (2.36, 5.53, 7.59),
}
SIZES = (20, 50, 100)
ROWS = [(method, tsp.construct, {"method": method}) for method in tsp.CONSTRUCTIONS]
ROWS += [
    (f"{method}, all starts", tsp.construct, {"method": method, "start": "all"})
    for method in ("nearest_neighbour", "nearest_insertion", "cheapest_insertion", "farthest_insertion")
]
ROWS += [
    (f"{method}, {reach}", tsp.improve, {"method": method, "neighbours": reach})
    for method in ("two_opt", "or_opt", "or_2opt")
    for reach in ("all", 10)
]
ROWS += [
    (f"local_search, {kicks} kicks" if kicks == 0 else f"local_search, {kicks} n kicks", tsp.improve,
     {"method": "local_search", "kicks": kicks}) for kicks in (0, 1, 10)
]  # fmt: skip
ROWS += [
    (f"annealing, {sweeps} sweeps", tsp.improve, {"method": "annealing", "sweeps": sweeps}) for sweeps in (100, 1000)
]


def shortest(points: np.ndarray) -> tuple[torch.Tensor, str]:
    n = points.shape[1]
    if n <= PROVED_UP_TO:
        solved = tsp.solve(points)
        assert solved.optimal.all()
        return solved.length, "proved"
    lengths = [tsp.improve(points, method="local_search", kicks=50 * n, seed=seed).length for seed in (1, 2)]
    agree = float((lengths[0] == lengths[1]).double().mean())
    return torch.minimum(*lengths), f"best of two local searches, which agree on {agree:.1%}"


def measured(make, options: dict, points: np.ndarray) -> tuple[torch.Tensor, float]:
    """Lengths, and microseconds an instance."""
    if "kicks" in options:
        options = options | {"kicks": options["kicks"] * points.shape[1]}
    begun = time.process_time()
    found = make(points, num_threads=1, seed=3, **options)
    return found.length, (time.process_time() - begun) / len(points) * 1e6


def main() -> None:
    torch.set_num_threads(1)
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    instances = [np.random.default_rng([7, n]).random((count, n, 2)) for n in SIZES]
    optima = []
    for points in instances:
        lengths, how = shortest(points)
        optima.append(lengths)
        print(f"n = {points.shape[1]}: {count} instances, mean length {float(lengths.mean()):.4f}, {how}")
    print("| heuristic | " + " | ".join(f"gap % n={n} | µs" for n in SIZES) + " | Kool et al. | largest difference |")
    print("|---|" + "---|" * (2 * len(SIZES) + 2))
    for name, make, options in ROWS:
        gaps, cells = [], []
        for points, best in zip(instances, optima, strict=True):
            lengths, took = measured(make, options, points)
            each = 100 * (lengths / best - 1)
            gaps.append(100 * float(lengths.mean() / best.mean() - 1))  # of mean lengths, as Kool et al. have it
            cells.append(f"{gaps[-1]:.2f} ± {float(each.std()) / count**0.5:.2f} | {took:.1f}")
        theirs = KOOL.get(name)
        off = "" if theirs is None else f"{max(abs(a - b) for a, b in zip(gaps, theirs, strict=True)):.2f}"
        print(
            f"| {name} | {' | '.join(cells)} | {'' if theirs is None else ' / '.join(map(str, theirs))} | {off} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
