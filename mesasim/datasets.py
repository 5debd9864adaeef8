"""Data sets that `mesasim generate` wrote, whatever they hold, for training: `load` gives torch's map-style Dataset, any
instance by its index; `stream` an IterableDataset, every instance once, shared out over ranks and workers, in flat memory."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.distributed
from torch.utils.data import IterableDataset, get_worker_info

from mesasim.machine import integer
from mesasim.shards import Shard, ShardedDataset, joined
from mesasim.shards.files import read_json
from mesasim.shards.manifest import MANIFEST, MANIFEST_BYTES

KINDS = {
    "mesasim mazes": ("mesasim.mazes.datasets", "MazeDataset"),
    "mesasim tours": ("mesasim.tsp.datasets", "TourDataset"),
    "mesasim sequences": ("mesasim.sequences.datasets", "SequenceDataset"),
}

OF_SHARDS, OF_GROUPS, OF_INSTANCES = 1, 2, 3  # what is shuffled


def load(path: str | Path, *, verify: bool = True, cache: int = 4) -> ShardedDataset:
    """The data set in a folder, of whatever kind its manifest says.

    Args:
        verify: hold every shard's SHA-256 against the manifest before its first rows are read, once a process.
        cache: groups of 8,192 rows kept in memory.

    FileNotFoundError for a folder without a manifest; ValueError, here or when a shard is first read, for one that contradicts
    itself or its files.
    """
    try:
        kind = read_json(Path(path) / MANIFEST, MANIFEST_BYTES)["kind"]
        module, name = KINDS[kind]
    except FileNotFoundError:
        raise FileNotFoundError(f"path: got {path}, which holds no {MANIFEST}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"path: got {path}, whose {MANIFEST} is of no kind known here ({error})") from error
    return getattr(importlib.import_module(module), name)(path, verify=verify, cache=cache)


def stream(
    path: str | Path, *, shuffle: bool = False, seed: int = 0, buffer: int = 65536, batch_size: int | None = None,
    rank: int | None = None, world_size: int | None = None, equal: bool = False, verify: bool = True,
) -> Stream:  # fmt: skip
    """The data set in a folder as torch's IterableDataset: each epoch, every instance once over all ranks and all of a
    DataLoader's workers.

    Args:
        shuffle: another order each epoch (`set_epoch`): of the shards, of the groups of rows in them, and of the instances
            within a buffer. The order depends on seed, epoch, rank, world_size and the number of workers, on nothing else.
        seed: of the order.
        buffer: instances held to draw the next from; each time it is full, half of it is handed out.
        batch_size: None: items, as the map-style data set gives them. Else batches of so many (the last of each worker: what is
            left), as its `batch` does; give the DataLoader batch_size=None then. Much faster.
        rank, world_size: default: torch.distributed's, where that is initialised, else 0 of 1.
        equal: leave out up to world_size - 1 instances, so that every rank has as many, and as many batches: those of an epoch
            that come last. Ranks that average gradients would wait for each other for ever otherwise.
        verify: as in `load`.
    """
    return Stream(load(path, verify=verify), shuffle, seed, buffer, batch_size, rank, world_size, equal)


class Stream(IterableDataset):
    """See `stream`. The instances of an epoch are those of all shards, in the epoch's order of shards, one after another; each
    rank, and each worker in it, reads one run of them, as long as every other's to within one."""

    def __init__(
        self, data: ShardedDataset, shuffle: bool, seed: int, buffer: int, batch_size: int | None, rank: int | None,
        world_size: int | None, equal: bool,
    ) -> None:  # fmt: skip
        if (rank is None) is not (world_size is None):
            raise ValueError(f"rank: got {rank} with world_size {world_size}, allowed: both, or neither")
        if rank is None or world_size is None:
            together = torch.distributed.is_available() and torch.distributed.is_initialized()
            rank = torch.distributed.get_rank() if together else 0
            world_size = torch.distributed.get_world_size() if together else 1
        self.data, self.shuffle, self.equal = data, shuffle, equal
        self.seed = integer("seed", seed, 0, 2**63 - 1)
        self.buffer = integer("buffer", buffer, 1, 2**31 - 1)
        self.batch_size = None if batch_size is None else integer("batch_size", batch_size, 1, 2**31 - 1)
        self.world_size = integer("world_size", world_size, 1, 2**31 - 1)
        self.rank = integer("rank", rank, 0, self.world_size - 1)
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # persistent workers see it change

    def set_epoch(self, epoch: int) -> None:
        """Before an epoch's iteration begins: which order it has."""
        self._epoch.fill_(integer("epoch", epoch, 0, 2**63 - 1))

    @property
    def instances(self) -> int:
        """How many instances this rank has in an epoch, over all its workers."""
        begin, end = self._part(1, 0)
        return end - begin

    def _part(self, workers: int, worker: int) -> tuple[int, int]:
        """The run [begin, end) of an epoch's instances that one worker of this rank reads."""
        total = len(self.data)
        if self.equal:
            total -= total % self.world_size
        begin, end = (total * r // self.world_size for r in (self.rank, self.rank + 1))
        return begin + (end - begin) * worker // workers, begin + (end - begin) * (worker + 1) // workers

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        workers, worker = (info.num_workers, info.id) if info else (1, 0)
        begin, end = self._part(workers, worker)
        blocks = self._blocks(begin, end)
        if self.shuffle:
            blocks = _shuffled(blocks, self.buffer, self._drawn(OF_INSTANCES, self.rank, worker))
        if self.batch_size is not None:
            yield from (self.data.batch_of(rows) for rows in _cut(blocks, self.batch_size))
        else:
            yield from (self.data.item(row) for block in blocks for row in _cut(iter([block]), 1))

    def _drawn(self, use: int, *of: int) -> np.random.Generator:
        """Random numbers of this epoch, for one use of one thing. The use comes first, and each number in two words of 32 bits:
        numpy fills what is short with zeros, so that without either, two uses might share their numbers."""
        words = [word for number in (self.seed, int(self._epoch), *of) for word in (number & 0xFFFFFFFF, number >> 32)]
        return np.random.default_rng([use, *words])

    def _blocks(self, begin: int, end: int) -> Iterator[Shard]:
        """The instances at places begin … end - 1 of the epoch, a group of rows, or a part of one, at a time."""
        drawn = self._drawn(OF_SHARDS)
        shards = drawn.permutation(self.data.num_shards) if self.shuffle else np.arange(self.data.num_shards)
        ends = np.cumsum(self.data.kept[shards])
        at = int(np.searchsorted(ends, begin, side="right"))
        while at < len(shards) and ends[at] - self.data.kept[shards[at]] < end:
            k, first = int(shards[at]), int(ends[at] - self.data.kept[shards[at]])
            groups = self.data.file(k).groups if self.data.kept[k] else []
            order = self._drawn(OF_GROUPS, k).permutation(len(groups)) if self.shuffle else np.arange(len(groups))
            for g in order.tolist():
                low, high = groups[g]
                here = slice(max(begin - first - low, 0), min(end - first, high) - low)
                if here.start < here.stop and here.start < high - low:
                    yield {name: tensor[here] for name, tensor in self.data.rows(k, g).items()}
            at += 1


def _rows(shard: Shard) -> int:
    return len(cast(torch.Tensor, shard["number"]))


def _shuffled(blocks: Iterator[Shard], buffer: int, drawn: np.random.Generator) -> Iterator[Shard]:
    pool: list[Shard] = []
    held = 0
    for block in blocks:
        pool.append(block)
        held += _rows(block)
        if held >= buffer:
            whole, order = joined(pool), torch.from_numpy(drawn.permutation(held))
            out, stay = order[: held - buffer // 2], order[held - buffer // 2 :]
            yield {name: tensor[out] for name, tensor in whole.items()}
            pool, held = [{name: tensor[stay] for name, tensor in whole.items()}], len(stay)
    if held:
        order = torch.from_numpy(drawn.permutation(held))
        yield {name: tensor[order] for name, tensor in joined(pool).items()}


def _cut(blocks: Iterator[Shard], size: int) -> Iterator[Shard]:
    """The same rows, `size` at a time; each piece in memory of its own, for a view would drag its block between processes."""
    rest: Shard | None = None
    for block in blocks:
        rows = block if rest is None else joined([rest, block])
        whole = _rows(rows) // size * size
        for begin in range(0, whole, size):
            yield {name: tensor[begin : begin + size].clone() for name, tensor in rows.items()}
        rest = {name: tensor[whole:].clone() for name, tensor in rows.items()} if whole < _rows(rows) else None
    if rest is not None:
        yield rest
