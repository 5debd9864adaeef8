"""Mazes by the million on disk, in shards (mesasim/shards): which are kept, and how they are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import torch

from mesasim.devices import check_device
from mesasim.machine import integer
from mesasim.mazes.batch import Mazes, check_size
from mesasim.mazes.generation import generate
from mesasim.mazes.selection import select
from mesasim.mazes.solving import Solutions
from mesasim.shards import (
    Columns,
    Shard,
    Sharded,
    ShardedDataset,
    columns_of,
    one_of,
    read_whole,
    threads_each,
    write_shards,
)

ENDPOINTS = ("uniform", "dead_ends", "none")


@dataclass
class DatasetConfig(Sharded):
    """What is in a data set: of numbers 0 … count - 1 of a seed, the mazes that the filters keep.

    Attributes:
        count: mazes laid out, 1 or more.
        size: cells a side, or rows and columns; 2 to 256.
        algorithm: one of mesasim.mazes.algorithms().
        options: the algorithm's.
        seed: of mazes and endpoints.
        endpoints: "uniform" or "dead_ends" (Mazes.endpoints) with shortest paths, or "none": mazes alone.
        min_distance: least steps from start to goal.
        unique: keep mazes with one shortest path only.
        dedupe: keep the first of equal mazes (with equal endpoints) only, over all shards.
        shard_size: numbers a shard.
        format: "parquet" or "safetensors".
    """

    noun: ClassVar[str] = "mazes"

    count: int = 10000
    size: tuple[int, int] = (16, 16)
    algorithm: str = "depth_first"
    options: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    endpoints: str = "uniform"
    min_distance: int = 1
    unique: bool = False
    dedupe: bool = False
    shard_size: int = 100_000
    format: str = "parquet"

    def check(self) -> None:
        """Refuses what cannot be made, before anything is."""
        self.check_shards()
        self.size = check_size(self.size)
        one_of("endpoints", self.endpoints, ENDPOINTS)
        integer("min_distance", self.min_distance, 0, 2**31 - 1)
        if self.unique and self.endpoints == "none":
            raise ValueError("unique: got True with endpoints 'none', allowed: with endpoints only")
        generate(0, self.size, self.algorithm, seed=self.seed, first=0, num_threads=1, device="cpu", **self.options)

    @cached_property
    def columns(self) -> Columns:
        return columns_of(make_shard(self, 0, 0, None, 1))


def make_shard(
    config: DatasetConfig, first: int, count: int, seen: set[bytes] | None, num_threads: int | None,
    device: str | torch.device = "cpu",
) -> Shard:  # fmt: skip
    """The mazes of numbers first … first + count - 1 that the filters keep: number int64, packed uint8 [n, 2, rows,
    row_bytes], and start, goal, length int32, moves uint8; on the device they were made on."""
    mazes = generate(
        count, config.size, config.algorithm, seed=config.seed, first=first, num_threads=num_threads, device=device,
        **config.options,
    )  # fmt: skip
    number = torch.arange(first, first + count, device=mazes.device)
    if config.endpoints == "none":
        kept = mazes.deduplicate(seen=seen) if seen is not None else slice(None)
        return {"number": number[kept], "packed": mazes.packed[kept]}
    start, goal = mazes.endpoints(
        seed=config.seed, first=first, rule=config.endpoints, min_distance=config.min_distance, on_impossible="mask",
        num_threads=num_threads,
    )  # fmt: skip
    possible = start >= 0
    if not possible.all():
        mazes, start, goal, number = mazes[possible], start[possible], goal[possible], number[possible]
    solved = mazes.solve(start, goal, num_threads=num_threads)
    kept = select(solved, unique=config.unique)
    if seen is not None:
        first_of = torch.zeros_like(kept)
        first_of[kept] = mazes[kept].deduplicate(start[kept], goal[kept], seen=seen)
        kept = first_of
    shard = {"number": number, "packed": mazes.packed, "start": start, "goal": goal, "length": solved.length}
    shard["moves"] = solved.packed_moves
    return shard if bool(kept.all()) else {name: tensor[kept] for name, tensor in shard.items()}


def generate_dataset(
    config: DatasetConfig, folder: Path, *, num_threads: int | None = None, resume: bool = False, overwrite: bool = False,
    report: Callable[[int, int], None] | None = None, device: str | torch.device = "cpu", workers: int = 1,
    backend: str = "local",
) -> dict[str, Any]:  # fmt: skip
    """Writes a data set and gives its manifest. `report(made, kept)` is called after every shard. Workers, where there is more
    than one, are processes of num_threads threads each, by default 1 (see mesasim.shards.write_shards).

    A folder that holds one already is refused, unless `resume` (goes on at the shards that are missing or damaged; the
    settings must be the same) or `overwrite` (starts anew).
    """
    on = check_device(device)
    config.check()
    if config.dedupe and (workers != 1 or backend != "local"):
        raise ValueError(
            f"workers: got {workers} ({backend}) with dedupe, allowed: 1 (local): a shard depends on those before"
        )
    seen: set[bytes] | None = set() if config.dedupe else None

    def pass_over(path: Path, kept: int) -> None:  # its mazes are among those seen
        shard = read_whole(path, config, kept)
        also = [shard[end] for end in ("start", "goal") if end in shard]
        Mazes(shard["packed"], config.size[1]).deduplicate(*also, seen=seen)

    threads = threads_each(num_threads, workers, backend)
    return write_shards(
        config, folder, partial(make_shard, config, seen=seen, num_threads=threads, device=on),
        resume=resume, overwrite=overwrite, report=report, pass_over=pass_over if config.dedupe else None,
        workers=workers, backend=backend,
    )  # fmt: skip


def _solutions(mazes: Mazes, shard: Shard) -> Solutions:
    return Solutions(mazes, shard["start"], shard["goal"], shard["length"], None, shard["moves"], None)


class MazeDataset(ShardedDataset):
    """A data set of mazes (see ShardedDataset). Item i: a dict with `number`, `connections` bool [2, rows, cols] and, where
    the set has endpoints, `start`, `goal`, `length` and `path` int32 [length + 1, 2]."""

    of = DatasetConfig

    config: DatasetConfig

    @property
    def cols(self) -> int:
        return self.config.size[1]

    def shaped(self, rows: Shard) -> Shard:
        cells = self.config.size[0] * self.cols
        for name in ("start", "goal", "length"):
            if name in rows and ((rows[name] < 0) | (rows[name] >= cells)).any():
                raise ValueError(f"{name} outside 0 to {cells - 1}")
        return {**rows, "packed": Mazes(rows["packed"], self.cols).packed}

    def shard(self, k: int) -> tuple[Mazes, Shard]:
        """Shard k's mazes and all its tensors."""
        tensors = self.tensors(k)
        return Mazes(tensors["packed"], self.cols, checked=True), tensors

    def solutions(self, k: int) -> Solutions:
        """Shard k's shortest paths, as Mazes.solve gives them (uniqueness is not kept). ValueError where the set was made
        without endpoints."""
        mazes, shard = self.shard(k)
        if "start" not in shard:
            raise ValueError(f"solutions: got {self.folder}, which was made with endpoints 'none'")
        return _solutions(mazes, shard)

    def batch_of(self, rows: Shard) -> tuple[Mazes, Solutions | None]:
        """The mazes, and their shortest paths (None without endpoints)."""
        mazes = Mazes(rows["packed"], self.cols, checked=True)
        return mazes, _solutions(mazes, rows) if "start" in rows else None

    def item(self, rows: Shard) -> dict[str, Any]:
        mazes = Mazes(rows["packed"], self.cols, checked=True)
        item: dict[str, Any] = {"number": int(rows["number"]), "connections": mazes.connections[0]}
        if "start" in rows:
            item |= {name: int(rows[name]) for name in ("start", "goal", "length")}
            item["path"] = _solutions(mazes, rows).path(0)
        return item


def load(path: str | Path, verify: bool = True) -> MazeDataset:
    """The data set in a folder that `mesasim generate mazes` wrote."""
    return MazeDataset(path, verify)
