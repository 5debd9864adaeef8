"""Symbols a second of CPU time on one core, of every process: drawn alone, and with the exact filter, the regime oracle and both
logarithms. Not the world's steps: `mesasim bench step --world Sequence-v0`.

    python bench/sequences.py [LENGTH]
"""

import statistics
import sys
import time

from mesasim import sequences

SYMBOLS = 4_000_000  # of one measurement, and a twentieth of it with the filter
ROUNDS = 5


def rate(process: str, length: int, symbols: int, give: tuple[str, ...]) -> float:
    count = max(1, symbols // length)
    taken = []
    for _ in range(ROUNDS):
        begun = time.process_time()
        sequences.generate(process, count, length, seed=1, give=give, num_threads=1)
        taken.append(time.process_time() - begun)
    return count * length / statistics.median(taken)


if __name__ == "__main__":
    length = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    print(f"{'process':<16}{'symbols/s':>14}{'with filter':>14}   sequences of {length}, median of {ROUNDS}")
    for process in sequences.processes():
        alone = rate(process, length, SYMBOLS, ())
        watched = rate(process, length, SYMBOLS // 20, sequences.GIVE)
        print(f"{process:<16}{alone:>14,.0f}{watched:>14,.0f}")
