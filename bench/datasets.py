"""What a billion labelled instances would take: instances a CPU second of one thread made, written, hashed and read, and bytes
each, as docs/datasets.md gives them; and the memory that streaming a large set takes.

    python bench/datasets.py                 all three kinds, the middle of 5 repeats
    python bench/datasets.py --only mazes --repeats 3
    python bench/datasets.py --memory        2 million mazes of 64 × 64, written to a temporary folder and streamed"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from mesasim import mazes, tsp
from mesasim.mazes import datasets as maze_sets
from mesasim.shards.files import ShardFile, sha256, write_parquet
from mesasim.tsp import datasets as tour_sets

KINDS: dict[str, tuple[Any, Callable[[Any, int], Any]]] = {
    "mazes 16 × 16": (mazes.DatasetConfig(count=100_000, size=(16, 16)),
                      lambda config, count: maze_sets.make_shard(config, 0, count, None, 1)),
    "tours, n = 20": (tsp.TourDatasetConfig(count=16_384, n=20),
                      lambda config, count: tour_sets.make_shard(config, 0, count, 1)),
    "tours, n = 50": (tsp.TourDatasetConfig(count=1_000, n=50),
                      lambda config, count: tour_sets.make_shard(config, 0, count, 1)),
}  # fmt: skip


def measure(config: Any, make: Callable[[Any, int], Any], repeats: int, folder: Path) -> dict[str, float]:
    """Instances a CPU second at each step, the middle of the repeats, and bytes an instance."""
    config.check()
    path, kept = folder / "shard.parquet", config.count
    seconds: dict[str, list[float]] = {"made": [], "written": [], "hashed": [], "read": []}

    def timed(step: str, work: Callable[[], Any]) -> Any:
        began = time.process_time()
        found = work()
        seconds[step].append(time.process_time() - began)
        return found

    def read() -> None:
        file = ShardFile(path, config.columns, kept)
        for group in range(len(file.groups)):
            file.rows(group)

    _ = config.columns  # worked out once, by making a shard of none
    for _ in range(repeats):
        shard = timed("made", lambda: make(config, config.count))
        kept = len(shard["number"])
        timed("written", lambda shard=shard: write_parquet(shard, path))
        timed("hashed", lambda: sha256(path))
        timed("read", read)
    rates = {step: config.count / statistics.median(times) for step, times in seconds.items()}
    return {**rates, "bytes": path.stat().st_size / config.count}


# In a process of its own: what the allocator keeps of an earlier stream would count as this one's.
STREAMED = """
import sys, time
from mesasim import datasets
folder, buffer = sys.argv[1], int(sys.argv[2])
def used():
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(status["RssAnon"].split()[0]) * 1024
stream = datasets.stream(folder, batch_size=64, shuffle=True, buffer=buffer)
before = most = used()
began, rows, quarters = time.monotonic(), 0, []
for mazes, _ in stream:
    rows += mazes.packed.numel()
    most = max(most, used())
    if len(quarters) < 4 * rows // (len(stream.data) * mazes.packed[0].numel()):
        quarters.append(f"{(most - before) / 1e6:.0f}")
seconds = time.monotonic() - began
print(f"buffer {buffer:,}: {rows / 1e6:,.0f} MB of rows; grown by at most {', '.join(quarters)} MB after each quarter; "
      f"{rows / 1e6 / seconds:.0f} MB/s")
"""


def memory(count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = mazes.DatasetConfig(count=count, size=(64, 64), endpoints="none", algorithm="binary_tree")
        maze_sets.generate_dataset(config, Path(folder) / "d", num_threads=1)
        for buffer in (2000, 65536):
            command = [sys.executable, "-c", STREAMED, str(Path(folder) / "d"), str(buffer)]
            subprocess.run(command, check=True, cwd="/", env={**os.environ, "OMP_NUM_THREADS": "1"})


def main(only: str, repeats: int) -> None:
    torch.set_num_threads(1)
    for name, (config, make) in KINDS.items():
        if only not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = measure(config, make, repeats, Path(folder))
        took = [1 / found[step] for step in ("made", "written", "hashed")]
        rates = " | ".join(f"{found[step]:,.0f}" for step in ("made", "written", "hashed", "read"))
        print(f"| {name} | {rates} | {found['bytes']:.1f} | {took[1] / sum(took):.1%} | {sum(took) * 1e9 / 3600:.1f} | "
              f"{found['bytes']:.0f} GB |", flush=True)  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="kinds with this in their name")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--memory", action="store_true", help="only that: what streaming takes")
    parser.add_argument("--count", type=int, default=2_000_000, help="mazes streamed")
    given = parser.parse_args()
    memory(given.count) if given.memory else main(given.only, given.repeats)
