"""Sequences by the million on disk, in shards (mesasim/shards): what is written of each, and how it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import torch

from mesasim.devices import check_device
from mesasim.machine import integer
from mesasim.sequences.generation import GIVE, Sequences, generate, law_of
from mesasim.shards import Columns, Shard, Sharded, ShardedDataset, columns_of, threads_each, write_shards


@dataclass
class SequenceDatasetConfig(Sharded):
    """What is in a data set: sequences 0 … count - 1 of a seed.

    Attributes:
        count: sequences, 1 or more.
        process: one of mesasim.sequences.processes().
        length: symbols of each, 1 to 2^20.
        options: the process's.
        give: what is kept beside the symbols, of mesasim.sequences.GIVE.
        seed: of the sequences.
        shard_size: sequences a shard.
        format: "parquet" or "safetensors".
    """

    noun: ClassVar[str] = "sequences"

    count: int = 10000
    process: str = "coin"
    length: int = 64
    options: dict[str, Any] = field(default_factory=dict)
    give: tuple[str, ...] = ()
    seed: int = 0
    shard_size: int = 100_000
    format: str = "parquet"

    def check(self) -> None:
        """Refuses what cannot be made, before anything is."""
        self.check_shards()
        self.length = integer("length", self.length, 1, 2**20)
        if not isinstance(self.give, (list, tuple)) or not all(name in GIVE for name in self.give):
            raise ValueError(f"give: got {self.give!r}, allowed: a list of some of {', '.join(GIVE)}")
        self.give = tuple(name for name in GIVE if name in self.give)  # one order, since settings are compared
        make_shard(self, 0, 0, 1)

    @cached_property
    def columns(self) -> Columns:
        return columns_of(make_shard(self, 0, 0, 1))

    @cached_property
    def num_symbols(self) -> int:
        return law_of(self.process, self.options).num_symbols


def make_shard(
    config: SequenceDatasetConfig, first: int, count: int, num_threads: int | None, device: str | torch.device = "cpu"
) -> Shard:
    """`number` int64, `symbols` uint8 [count, length], and what config.give names, as Sequences has it."""
    made = generate(
        config.process, count, config.length, seed=config.seed, first=first, give=config.give, num_threads=num_threads,
        device=device, **config.options,
    )  # fmt: skip
    columns = {name: torch.as_tensor(getattr(made, name)).cpu() for name in ("symbols", *config.give)}
    return {"number": torch.arange(first, first + count), **columns}


def generate_dataset(
    config: SequenceDatasetConfig, folder: Path, *, num_threads: int | None = None, resume: bool = False,
    overwrite: bool = False, report: Callable[[int, int], None] | None = None, device: str | torch.device = "cpu",
    workers: int = 1, backend: str = "local",
) -> dict[str, Any]:  # fmt: skip
    """Writes a data set and gives its manifest. `report(made, kept)` is called after every shard. Workers, where there is more
    than one, are processes of num_threads threads each, by default 1 (see mesasim.shards.write_shards).

    A folder that holds one already is refused, unless `resume` (goes on at the shards that are missing or damaged; the
    settings must be the same) or `overwrite` (starts anew).
    """
    on = check_device(device)
    config.check()
    threads = threads_each(num_threads, workers, backend)
    return write_shards(
        config, folder, partial(make_shard, config, num_threads=threads, device=on), resume=resume,
        overwrite=overwrite, report=report, workers=workers, backend=backend,
    )  # fmt: skip


class SequenceDataset(ShardedDataset):
    """A data set of sequences (see ShardedDataset). Item i: a dict with `number`, `symbols` and what the set has beside them. A
    batch: Sequences."""

    of = SequenceDatasetConfig
    config: SequenceDatasetConfig

    def shaped(self, rows: Shard) -> Shard:
        if (rows["symbols"] >= self.config.num_symbols).any():
            raise ValueError(f"symbols outside 0 to {self.config.num_symbols - 1}")
        for name in self.config.give:
            if rows[name].is_floating_point() and not rows[name].isfinite().all():
                raise ValueError(f"{name} that is not finite")
        return rows

    def batch_of(self, rows: Shard) -> Sequences:
        return Sequences(**{name: tensor for name, tensor in rows.items() if name != "number"})

    def shard(self, k: int) -> Sequences:
        """Shard k's sequences."""
        return self.batch_of(self.tensors(k))

    def item(self, rows: Shard) -> dict[str, Any]:
        return {"number": int(rows["number"]), **{name: rows[name][0] for name in ("symbols", *self.config.give)}}


def load(path: str | Path, verify: bool = True) -> SequenceDataset:
    """The data set in a folder that `mesasim generate sequences` wrote."""
    return SequenceDataset(path, verify)
