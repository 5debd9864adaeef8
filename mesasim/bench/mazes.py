"""Mazes a second, generated and solved, through the Python call."""

from __future__ import annotations

import gc
import statistics
import time
from typing import Any

import torch

from mesasim.devices import check_device
from mesasim.mazes import algorithms, generate
from mesasim.progress import counter

SIZES = (5, 8, 16, 32, 64)
MODES = ("generate", "distances", "solve")


class MazeBenchmark:
    """One row of the table, measured a round at a time so that rows can be interleaved."""

    def __init__(
        self, algorithm: str, size: int, mode: str, count: int, num_threads: int, device: str,
        options: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self.algorithm, self.size, self.mode, self.count = algorithm, size, mode, count
        self.options = options or {}
        self.num_threads, self.device = num_threads, device
        self.first = 0
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self._call()  # warm

    def _call(self) -> None:
        made = generate(
            self.count, self.size, self.algorithm, seed=1, first=self.first, device=self.device,
            num_threads=self.num_threads, **self.options,
        )  # fmt: skip
        self.first += self.count
        last = self.size * self.size - 1
        if self.mode == "distances":
            made.distances(last, num_threads=self.num_threads)
        elif self.mode == "solve":
            made.solve(0, last, on_impossible="mask", num_threads=self.num_threads)
        if made.device.type == "cuda":
            torch.cuda.synchronize(made.device)

    def round(self, seconds: float) -> None:
        """Calls for about `seconds` and notes the rates."""
        torch.set_num_threads(1)  # torch's own threads, spinning after a large tensor, would take the generator's cores
        calls = 0
        gc.disable()
        wall, cpu = time.perf_counter(), time.process_time()
        while calls == 0 or time.perf_counter() - wall < seconds:
            self._call()
            calls += 1
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        gc.enable()
        self.wall.append(calls * self.count / wall)
        self.cpu.append(calls * self.count / cpu)

    def row(self) -> dict[str, Any]:
        """Medians over rounds."""
        return {
            "algorithm": self.algorithm, "size": self.size, "mode": self.mode, "count": self.count, "options": self.options,
            "num_threads": self.num_threads, "device": self.device,
            "mazes_per_second": statistics.median(self.wall), "mazes_per_cpu_second": statistics.median(self.cpu),
            "rounds": len(self.wall), "mazes_per_second_range": [min(self.wall), max(self.wall)],
        }  # fmt: skip


def bench_mazes(
    names: list[str], sizes: list[int], modes: list[str], count: int, num_threads: list[int], *, device: str = "cpu",
    seconds: float = 0.3, rounds: int = 5,
) -> list[dict[str, Any]]:  # fmt: skip
    """Rows for every algorithm (none given: all) × size × mode × num_threads; rounds are interleaved over modes and
    threads."""
    check_device(device)
    if rounds < 1 or seconds <= 0 or count < 1:
        raise ValueError(
            f"rounds, seconds, count: got {rounds}, {seconds}, {count}, allowed: at least 1, above 0, at least 1"
        )
    for mode in modes:
        if mode not in MODES:
            raise ValueError(f"mode: got {mode!r}, allowed: {', '.join(MODES)}")
    rows, chosen = [], names or list(algorithms())
    done = counter("bench mazes", len(chosen) * len(sizes) * len(modes) * len(num_threads) * rounds)
    for name in chosen:
        for size in sizes:
            benchmarks = [
                MazeBenchmark(name, size, mode, count, threads, device) for mode in modes for threads in num_threads
            ]
            for _ in range(rounds):
                for benchmark in benchmarks:
                    benchmark.round(seconds)
                    done(f"{name} {size}×{size}")
            rows += [benchmark.row() for benchmark in benchmarks]
    return rows
