"""The table of docs/tours.md: how much longer than optimal each heuristic's tours are, and its time on one thread; beside the
gaps of Kool, van Hoof and Welling 2019, "Attention, learn to solve routing problems!", Table 1.

`python bench/heuristics.py [SHARE]`: uniform instances, solved to proof first; SHARE of the counts below (1)."""

import sys
import time

import numpy as np
import torch

from mesasim import tsp

KOOL = {  # percent at n = 20, 50, 100, of 10,000 instances
    "nearest_neighbour": (17.23, 22.94, 24.73),
    "nearest_insertion": (12.91, 19.03, 21.82),
    "random_insertion": (4.36, 7.65, 9.69),
    "farthest_insertion": (2.36, 5.53, 7.59),
}
SIZES = (20, 50, 100)
COUNTS = (10_000, 4_000, 1_000)
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


def measured(make, options: dict, points: np.ndarray) -> tuple[torch.Tensor, float]:
    """Lengths, and microseconds an instance."""
    if "kicks" in options:
        options = options | {"kicks": options["kicks"] * points.shape[1]}
    begun = time.process_time()
    found = make(points, num_threads=1, seed=3, **options)
    return found.length, (time.process_time() - begun) / len(points) * 1e6


def main() -> None:
    torch.set_num_threads(1)
    share = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    counts = [int(share * count) for count in COUNTS]
    instances = [np.random.default_rng([7, n]).random((count, n, 2)) for n, count in zip(SIZES, counts, strict=True)]
    optima = []
    for points in instances:
        solved = tsp.solve(points)
        optima.append(solved.length)
        print(
            f"n = {points.shape[1]}: {len(points)} instances, mean length {float(solved.length.mean()):.4f}, "
            f"{float(solved.optimal.double().mean()):.1%} proved optimal"
        )
    print("| heuristic | " + " | ".join(f"n = {n}: gap % | µs" for n in SIZES) + " | Kool et al. | off by at most |")
    print("|---|" + "---:|" * (2 * len(SIZES) + 2))
    for name, make, options in ROWS:
        gaps, cells = [], []
        for points, best in zip(instances, optima, strict=True):
            lengths, took = measured(make, options, points)
            each = 100 * (lengths / best - 1)
            gaps.append(100 * float(lengths.mean() / best.mean() - 1))  # of mean lengths, as Kool et al. have it
            cells.append(f"{gaps[-1]:.2f} ± {float(each.std()) / len(points) ** 0.5:.2f} | {took:.1f}")
        theirs = KOOL.get(name)
        off = "" if theirs is None else f"{max(abs(a - b) for a, b in zip(gaps, theirs, strict=True)):.2f}"
        print(
            f"| {name} | {' | '.join(cells)} | {'' if theirs is None else ' / '.join(map(str, theirs))} | {off} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
