"""Data sets from disk as torch's map-style Dataset: any instance, at the cost of the group of rows it lies in."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch.utils.data import Dataset

from mesasim.machine import integer
from mesasim.shards.files import NOT_PLAIN, UNREADABLE, Shard, ShardFile, is_shard, open_shard, sha256
from mesasim.shards.manifest import Sharded, read_manifest

OPEN_FILES = 4  # each keeps some MB of buffers


class ShardedDataset(Dataset):
    """A data set as torch's map-style Dataset; what an item is, a subclass says.

    Args:
        path: its folder.
        verify: hold every shard's SHA-256 against the manifest before its first rows are read (once a process).
        cache: groups of rows (shards.files.GROUP instances) kept in memory, those used last.
    """

    of: ClassVar[type[Sharded]]

    def __init__(self, path: str | Path, verify: bool = True, cache: int = 4) -> None:
        self.folder, self.verify, self.cache = Path(path), verify, integer("cache", cache, 1, 2**20)
        self.config, self.manifest = read_manifest(self.folder, self.of)
        if not self.manifest["complete"]:
            raise ValueError(f"path: got {path}, which is not complete; generate it again with --resume")
        self.names = [self.config.shard_name(*self.config.range(k)) for k in range(self.config.num_shards)]
        self.kept = np.array([self.manifest["shards"][name]["kept"] for name in self.names], dtype=np.int64)
        self.ends = np.cumsum(self.kept)
        self._forget()

    def _forget(self) -> None:
        self._verified: set[int] = set()
        self._open: OrderedDict[int, ShardFile] = OrderedDict()
        self._groups: OrderedDict[tuple[int, int], Shard] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:  # for DataLoader's workers: open files stay here
        return {name: value for name, value in self.__dict__.items() if name not in ("_verified", "_open", "_groups")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def __len__(self) -> int:
        return int(self.ends[-1])

    @property
    def num_shards(self) -> int:
        return len(self.names)

    def shaped(self, rows: Shard) -> Shard:
        """Rows as read, in the dtypes that are worked with; ValueError for values out of range."""
        return rows

    def item(self, rows: Shard) -> Any:
        """The item that one row is."""
        raise NotImplementedError

    def batch_of(self, rows: Shard) -> Any:
        """The batch that some rows are."""
        raise NotImplementedError

    def batch(self, which: Any) -> Any:
        """What some indices are, in that order, as one batch."""
        return self.batch_of(self.gather(which))

    def __getitem__(self, i: int) -> Any:
        return self.item(self.gather(i))

    def __getitems__(self, which: list[int]) -> list[Any]:
        """The items of a batch's indices, for a DataLoader: each group of rows they lie in is read once."""
        rows = self.gather(which)
        return [
            self.item({name: tensor[i : i + 1].clone() for name, tensor in rows.items()}) for i in range(len(which))
        ]

    def file(self, k: int) -> ShardFile:
        """Shard k, verified and open."""
        if k not in self._open:
            path = self.folder / self.names[k]
            if self.verify and k not in self._verified:
                if path.exists() and not is_shard(path):
                    raise ValueError(f"path: got {path}, which is {NOT_PLAIN}")
                if not is_shard(path) or sha256(path) != self.manifest["shards"][self.names[k]]["sha256"]:
                    raise ValueError(f"path: got {path}, which is missing or damaged")
                self._verified.add(k)
            self._open[k] = open_shard(path, self.of.noun, self.config.columns, int(self.kept[k]))
            if len(self._open) > OPEN_FILES:
                self._open.popitem(last=False)
        self._open.move_to_end(k)
        return self._open[k]

    def rows(self, k: int, group: int) -> Shard:
        """The tensors of one group of shard k's rows, read now."""
        file = self.file(k)
        try:
            rows = file.rows(group)
            first, count = self.config.range(k)
            number = rows["number"]
            if len(number) and (number[0] < first or number[-1] >= first + count or (number.diff() <= 0).any()):
                raise ValueError(f"numbers that do not rise within {first} to {first + count - 1}")
            return self.shaped(rows)
        except UNREADABLE as error:
            path = self.folder / self.names[k]
            raise ValueError(f"path: got {path}, which is no shard of {self.of.noun} ({error})") from error

    def tensors(self, k: int) -> Shard:
        """All of shard k's tensors."""
        groups = [self.rows(k, g) for g in range(len(self.file(k).groups))]
        return joined(groups) if groups else self.shaped(empty(self.config))

    def gather(self, which: Any) -> Shard:
        """The tensors of some indices, in that order. Each group of rows they lie in is read once, so that indices from
        anywhere cost a read a group, not a read an instance."""
        index = np.asarray(which, dtype=np.int64).reshape(-1)
        wrong = (index < -len(self)) | (index >= len(self))
        if wrong.any():
            raise IndexError(f"index: got {index[wrong][0]}, allowed: 0 to {len(self) - 1}")
        if not len(index):
            raise IndexError("index: got none, allowed: one or more")
        index = np.where(index < 0, index + len(self), index)
        lies_in = np.searchsorted(self.ends, index, side="right")
        parts, places = [], []
        for k in np.unique(lies_in).tolist():
            place = np.flatnonzero(lies_in == k)
            row = index[place] - (self.ends[k] - self.kept[k])
            group = np.searchsorted([end for _, end in self.file(k).groups], row, side="right")
            for g in np.unique(group).tolist():
                at = torch.from_numpy(row[group == g] - self.file(k).groups[g][0])
                parts.append({name: tensor[at] for name, tensor in self._held(k, g).items()})
                places.append(place[group == g])
        if len(parts) == 1:
            return parts[0]
        back = torch.from_numpy(np.argsort(np.concatenate(places)))
        return {name: tensor[back] for name, tensor in joined(parts).items()}

    def _held(self, k: int, group: int) -> Shard:
        if (k, group) not in self._groups:
            self._groups[k, group] = self.rows(k, group)
            if len(self._groups) > self.cache:
                self._groups.popitem(last=False)
        self._groups.move_to_end((k, group))
        return self._groups[k, group]


def read_whole(path: Path, config: Sharded, kept: int) -> Shard:
    """All rows of one shard, as they are in the file."""
    file = open_shard(path, config.noun, config.columns, kept)
    return joined([file.rows(g) for g in range(len(file.groups))] or [empty(config)])


def joined(parts: list[Shard]) -> Shard:
    return parts[0] if len(parts) == 1 else {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def empty(config: Sharded) -> Shard:
    """No rows."""
    return {name: torch.empty((0, *column.shape), dtype=column.dtype) for name, column in config.columns.items()}
