"""Tours a second, proved, through the Python call: what each instance costs, and what the search did for it."""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch
from torch import Tensor

from mesasim.devices import check_device
from mesasim.machine import integer
from mesasim.progress import counter
from mesasim.tsp import solve
from mesasim.tsp.problems import MAX_CITIES, MIN_CITIES
from mesasim.tsp.solving import METHOD_NAMES

SIZES = (10, 12, 15, 20, 30, 50, 75, 100)
LEAST_S, LEAST_BATCH_S = 0.002, 0.1  # of one measurement: what is shorter is solved again and again


def points(count: int, n: int, seed: int) -> Tensor:
    """Uniform in the unit square, float64 [count, n, 2]: the same whatever is measured."""
    return torch.rand(count, n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed * 1000 + n))


def _each(instances: Tensor, method: str, node_limit: int | None) -> list[float]:
    """CPU milliseconds of each instance, solved alone on one thread."""
    took = []
    for instance in instances:
        calls, begun = 0, time.process_time()
        while calls == 0 or time.process_time() - begun < LEAST_S:
            solve(instance, method, node_limit=node_limit, num_threads=1)
            calls += 1
        took.append(1000 * (time.process_time() - begun) / calls)
    return took


def _batch(
    instances: Tensor, method: str, node_limit: int | None, num_threads: int, device: str
) -> tuple[float, float]:
    """Wall and CPU seconds of all instances in one call."""
    calls, wall, cpu = 0, time.perf_counter(), time.process_time()
    while calls == 0 or time.perf_counter() - wall < LEAST_BATCH_S:
        solve(instances, method, node_limit=node_limit, num_threads=num_threads, device=device)
        if instances.is_cuda:
            torch.cuda.synchronize(instances.device)
        calls += 1
    return (time.perf_counter() - wall) / calls, (time.process_time() - cpu) / calls


def bench_tours(
    sizes: list[int], count: int, num_threads: list[int], *, method: str = "auto", node_limit: int | None = None,
    device: str = "cpu", rounds: int = 3, each: bool = True, seed: int = 0,
) -> list[dict[str, Any]]:  # fmt: skip
    """A row a size: CPU milliseconds an instance (median, mean and most over `count` uniform instances, each solved alone;
    each=False leaves them out), the batch's by its number of threads (least of interleaved rounds), and the search's counts."""
    on = check_device(device)
    integer("count", count, 1, 1 << 24)
    integer("rounds", rounds, 1, 1000)
    rows, done = [], counter("bench tsp", len(sizes) * rounds * len(num_threads))
    torch.set_num_threads(1)  # torch's own threads, spinning after a large tensor, would take the solver's cores
    for n in sizes:
        instances = points(count, integer("n", n, MIN_CITIES, MAX_CITIES), seed).to(on)
        tours = solve(instances, method, node_limit=node_limit, device=device)
        found = {"n": n, "count": count, "method": method, "device": device, "seed": seed}
        batches: dict[int, list[tuple[float, float]]] = {threads: [] for threads in num_threads}
        for _ in range(rounds):
            for threads, measured in batches.items():
                measured.append(_batch(instances, method, node_limit, threads, device))
                done(f"n={n}")
        wall = {threads: min(wall for wall, _ in measured) for threads, measured in batches.items()}
        first = num_threads[0]
        found |= {
            "batch_cpu_ms": 1000 * min(cpu for _, cpu in batches[first]) / count, "rounds": rounds,
            "instances_per_second": {str(threads): count / seconds for threads, seconds in wall.items()},
            "times_as_many": {str(threads): wall[first] / seconds for threads, seconds in wall.items()},
        }  # fmt: skip
        if each and on.type == "cpu":
            took = _each(instances, method, node_limit)
            found |= {
                "cpu_ms_median": statistics.median(took), "cpu_ms_mean": statistics.fmean(took), "cpu_ms_most": max(took)
            }  # fmt: skip
        for name in ("nodes", "one_trees", "cuts"):
            counted = getattr(tours, name).double()
            found |= {f"{name}_median": counted.median().item(), f"{name}_mean": counted.mean().item()}
            found[f"{name}_most"] = counted.max().item()
        found["proved_share"] = tours.optimal.double().mean().item()
        found["methods"] = {
            METHOD_NAMES[int(code)]: int((tours.method == code).sum()) for code in tours.method.unique()
        }  # fmt: skip
        rows.append(found)
    return rows
