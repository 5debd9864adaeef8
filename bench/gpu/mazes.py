"""Mazes a second on the device: every algorithm at 16×16, and one algorithm's distances and paths, new mazes every call."""

from __future__ import annotations

import sys

from part import Part

from mesasim.bench.mazes import MODES, bench_mazes
from mesasim.mazes import algorithms

SIDE = 16
SOLVED = "depth_first"  # of which distances and paths are measured too


def main(argv: list[str] | None = None) -> int:
    part = Part(__doc__, argv)
    size, count, seconds, rounds = (8, 32, 0.01, 1) if part.quick else (SIDE, 1 << 17, 0.1, 3)
    rows = [(SOLVED, mode) for mode in MODES] + [(name, "generate") for name in algorithms() if name != SOLVED]
    for name, mode in rows:
        if not part.in_time(f"{name}, {mode}"):
            continue
        try:
            (row,) = bench_mazes(
                [name], [size], [mode], count, [1], device=str(part.device), seconds=seconds, rounds=rounds
            )
        except (RuntimeError, ValueError) as error:
            part.fail(f"{name}, {mode}: {str(error).splitlines()[0]}")
            continue
        part.row(**row)
    return part.finish()


if __name__ == "__main__":
    sys.exit(main())
