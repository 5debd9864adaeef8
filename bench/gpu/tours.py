"""Proved tours a second on the device by the number of cities, uniform points, by the method it takes by itself. Instances
left unproved take their time and are not counted."""

from __future__ import annotations

import sys

from part import Part

from mesasim.bench.tours import bench_tours

# Cities → instances in the batch; enough to fill a GPU, few enough to be done in a second.
COUNTS = {10: 1 << 18, 12: 1 << 17, 15: 1 << 16, 20: 1 << 16, 25: 1 << 15, 30: 1 << 14, 40: 1 << 13, 50: 1 << 12}
NODE_LIMIT = 200_000  # of an instance: one that is harder is left unproved, and proved_share says so


def main(argv: list[str] | None = None) -> int:
    part = Part(__doc__, argv)
    counts, rounds = ({10: 8, 14: 8}, 1) if part.quick else (COUNTS, 3)
    for n, count in counts.items():
        if not part.in_time(f"n = {n}"):
            continue
        try:
            (row,) = bench_tours(
                [n], count, [1], node_limit=NODE_LIMIT, device=str(part.device), rounds=rounds, each=False
            )
        except (RuntimeError, ValueError) as error:
            part.fail(f"n = {n}: {str(error).splitlines()[0]}")
            continue
        part.row(**row, node_limit=NODE_LIMIT, proved_per_second=row["instances_per_second"]["1"] * row["proved_share"])
    return part.finish()


if __name__ == "__main__":
    sys.exit(main())
