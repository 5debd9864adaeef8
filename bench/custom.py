"""Steps a CPU second of a world in Python beside its twin in C++, through the same Python call, measured in turn: a Markdown
table of medians. `python bench/custom.py`, under a minute; its first line says what compiling cost."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

from mesasim.bench.step import StepBenchmark

TWINS = ("Corridor-v0", "PyCorridor-v0")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.3, help="of each round")
    parser.add_argument("--rounds", type=int, default=7, help="whose median is given")
    parser.add_argument("--num-threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()

    sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
    begun = time.process_time()
    import custom_world  # noqa: F401  registers the twin

    StepBenchmark(TWINS[1], {}, 64, 1, given.device, {})
    print(f"Numba imported and the world compiled in {time.process_time() - begun:.1f} CPU s\n")
    print("| slots | history, oracle | C++, million steps/CPU s | Python, million steps/CPU s | C++ / Python |")
    print("|---|---|---|---|---|")
    for num_envs in (64, 1024, 4096, 65536):
        for full in (False, True):
            settings = {"history": full, "oracle": full}
            pair = [StepBenchmark(world, {}, num_envs, given.num_threads, given.device, settings) for world in TWINS]
            for _ in range(given.rounds):
                for row in pair:
                    row.round(given.seconds)
            native, python = (statistics.median(row.cpu) / 1e6 for row in pair)
            print(f"| {num_envs:,} | {full} | {native:.1f} | {python:.1f} | {native / python:.2f} |", flush=True)


if __name__ == "__main__":
    main()
