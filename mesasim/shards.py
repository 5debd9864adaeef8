"""Data sets by the million on disk: shards by number range and a manifest. A shard is whole or absent; what was interrupted
goes on at the missing shards. Memory stays that of a shard. Knows nothing of what the instances are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import Dataset

from mesasim.integrity import write_whole
from mesasim.machine import integer

FORMAT = 1
MANIFEST = "manifest.json"
SUFFIX = {"parquet": "parquet", "safetensors": "safetensors"}

Shard = dict[str, Tensor]  # each [kept, …]; `number` int64 says which instances of the seed were kept


class Sharded:
    """What the settings of a data set are beside a dataclass: numbers 0 … count - 1 in shards of `shard_size`."""

    noun: ClassVar[str]  # of the instances, plural
    count: int
    shard_size: int
    format: str

    def check_shards(self) -> None:
        """Refuses a count, a shard_size or a format that cannot be."""
        self.count = integer("count", self.count, 1, 2**40)
        self.shard_size = integer("shard_size", self.shard_size, 1, 2**24)
        one_of("format", self.format, SUFFIX)

    @classmethod
    def kind(cls) -> str:
        return f"mesasim {cls.noun}"

    @staticmethod
    def check_manifest(content: dict[str, Any]) -> None:
        """Raises ValueError, TypeError or KeyError where a manifest lacks what reading needs."""

    def ranges(self) -> list[tuple[int, int]]:
        """(first, count) of each shard's numbers."""
        return [(f, min(self.shard_size, self.count - f)) for f in range(0, self.count, self.shard_size)]

    def shard_name(self, first: int, count: int) -> str:
        return f"{self.noun}-{first:012d}-{first + count:012d}.{SUFFIX[self.format]}"

    def settings(self) -> dict[str, Any]:
        given = asdict(self)  # type: ignore[call-overload]  # of the dataclass
        return json.loads(json.dumps({"format_version": FORMAT, "kind": self.kind(), **given}))


def one_of(name: str, value: Any, allowed: Any) -> None:
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name}: got {value!r}, allowed: {', '.join(map(repr, allowed))}")


# Files


def write_parquet(shard: Shard, file: Path) -> None:
    """Rows of bytes as fixed-size binary, rows of other numbers as fixed-size lists."""
    arrays = {}
    for name, tensor in shard.items():
        flat = tensor.flatten(1).numpy() if tensor.dim() > 1 else tensor.numpy()
        if flat.ndim == 1:
            arrays[name] = pa.array(flat)
        elif flat.dtype == np.uint8:
            kind = pa.binary(flat.shape[1])
            buffer = pa.py_buffer(np.ascontiguousarray(flat))
            arrays[name] = pa.FixedSizeBinaryArray.from_buffers(kind, len(flat), [None, buffer])
        else:
            arrays[name] = pa.FixedSizeListArray.from_arrays(pa.array(flat.reshape(-1)), flat.shape[1])
    pq.write_table(pa.table(arrays), file, compression="zstd", use_dictionary=False)


def _read_parquet(file: Path) -> Shard:
    table = pq.read_table(file)
    shard = {}
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        if pa.types.is_fixed_size_binary(column.type):
            raw = np.frombuffer(column.buffers()[1], dtype=np.uint8).reshape(-1, column.type.byte_width)
            values = raw[column.offset : column.offset + len(column)]
        elif pa.types.is_fixed_size_list(column.type):
            values = column.flatten().to_numpy().reshape(-1, column.type.list_size)
        else:
            values = column.to_numpy()
        shard[name] = torch.from_numpy(values.copy())
    return shard


def read_shard(path: Path, noun: str, shaped: Callable[[Shard], Shard]) -> Shard:
    """One shard's tensors; `shaped` gives rows, flat as Parquet has them, their shape. ValueError for a file that is none."""
    try:
        return shaped(_read_parquet(path) if path.suffix == ".parquet" else load_file(path))
    except (pa.ArrowException, SafetensorError, KeyError, RuntimeError, OSError, ValueError) as error:
        raise ValueError(f"path: got {path}, which is no shard of {noun} ({error})") from error


def write_shard(form: str, shard: Shard, path: Path) -> str:
    """Writes a shard whole; its SHA-256."""
    if form == "parquet":
        write_whole(path, lambda file: write_parquet(shard, file))
    else:
        write_whole(path, lambda file: save_file({name: t.contiguous() for name, t in shard.items()}, file))
    return sha256(path)


def sha256(path: Path) -> str:
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            hasher.update(chunk)
    return hasher.hexdigest()


def _write_manifest(folder: Path, config: Sharded, shards: dict[str, Any]) -> None:
    import mesasim

    content = {**config.settings(), "mesasim": mesasim.__version__, "shards": shards}
    content["complete"] = len(shards) == len(config.ranges())
    text = json.dumps(content, indent=1)
    write_whole(folder / MANIFEST, lambda file: file.write_text(text))


def read_manifest(folder: Path, of: type[Sharded]) -> dict[str, Any]:
    """The manifest of a data set; ValueError for a folder or a file that is none."""
    path = Path(folder) / MANIFEST
    try:
        content = json.loads(path.read_text())
        if content["kind"] != of.kind() or content["format_version"] != FORMAT:
            raise KeyError("another kind or format")
        of.check_manifest(content)
        if not isinstance(content["shards"], dict) or content["format"] not in SUFFIX:
            raise KeyError("shards")
        for shard in content["shards"].values():
            integer("kept", shard["kept"], 0, shard["count"])
            shard["first"], shard["sha256"]
    except FileNotFoundError:
        raise FileNotFoundError(f"path: got {folder}, which holds no {MANIFEST}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"path: got {folder}, whose {MANIFEST} is not that of {of.noun} ({error})") from error
    return content


# Writing


def write_shards(
    config: Sharded, folder: Path, make: Callable[[int, int], Shard], *, resume: bool = False, overwrite: bool = False,
    report: Callable[[int, int], None] | None = None, pass_over: Callable[[Path], object] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Writes a data set whose settings were checked, and gives its manifest.

    A folder that holds one already is refused, unless `resume` (goes on at the shards that are missing or damaged; the
    settings must be the same) or `overwrite` (starts anew).

    Args:
        make: (first, count) → what of these numbers is kept.
        report: called with (numbers, kept) after every shard.
        pass_over: called with every whole shard that is passed over, in order, where a shard depends on all before it; the
            shards after one that is not whole are then made anew.
    """
    if resume and overwrite:
        raise ValueError("overwrite: got True with resume, allowed: one of them")
    folder = Path(folder)
    shards: dict[str, Any] = {}
    left = [*folder.glob(f".{config.noun}-*.tmp"), *folder.glob(f".{MANIFEST}.*.tmp")]  # of a run that was killed
    if (folder / MANIFEST).exists():
        if not (resume or overwrite):
            raise FileExistsError(
                f"out: got {folder}, which holds a data set already; allowed: --resume or --overwrite"
            )
        if resume:
            shards = _whole_shards(config, folder, in_order=pass_over is not None)
        else:
            for name in read_manifest(folder, type(config))["shards"]:
                (folder / Path(name).name).unlink(missing_ok=True)
    elif folder.exists() and not set(folder.iterdir()) <= set(left):
        raise FileExistsError(f"out: got {folder}, which is not empty; allowed: a new or empty folder")
    for file in left:
        file.unlink(missing_ok=True)
    _write_manifest(folder, config, shards)
    for first, count in config.ranges():
        name = config.shard_name(first, count)
        if name in shards and pass_over is not None:
            pass_over(folder / name)
        elif name not in shards:
            shard = make(first, count)
            digest = write_shard(config.format, shard, folder / name)
            shards[name] = {"first": first, "count": count, "kept": len(shard["number"]), "sha256": digest}
            shards = dict(sorted(shards.items()))
            _write_manifest(folder, config, shards)
        if report is not None:
            report(count, shards[name]["kept"])
    return read_manifest(folder, type(config))


def _whole_shards(config: Sharded, folder: Path, *, in_order: bool) -> dict[str, Any]:
    """The manifest's shards that are there, undamaged; in order: only those before the first that is not."""
    manifest = read_manifest(folder, type(config))
    for name, value in config.settings().items():
        if manifest.get(name) != value:
            raise ValueError(f"{name}: got {value!r}, but {folder} was made with {manifest.get(name)!r}")
    found: dict[str, Any] = {}
    for first, count in config.ranges():
        name = config.shard_name(first, count)
        entry, path = manifest["shards"].get(name), folder / name
        if entry is not None and path.exists() and sha256(path) == entry["sha256"]:
            found[name] = entry
        elif in_order:
            break
    return found


# Reading


class ShardedDataset(Dataset):
    """A data set as torch's map-style Dataset; what an item is, a subclass says.

    Keeps one shard in memory: read in order, shuffle within shards, or ask for a `batch`, when it is large.
    `verify=True` holds every shard's SHA-256 against the manifest when it is first read.
    """

    of: ClassVar[type[Sharded]]

    def __init__(self, path: str | Path, verify: bool = True) -> None:
        self.folder, self.verify = Path(path), verify
        self.manifest = read_manifest(self.folder, self.of)
        if not self.manifest.get("complete"):
            raise ValueError(f"path: got {path}, which is not complete; generate it again with --resume")
        self.names = sorted(self.manifest["shards"])
        kept = [self.manifest["shards"][name]["kept"] for name in self.names]
        self.ends = np.cumsum(kept)
        self._verified: set[int] = set()
        self._held: tuple[int, Shard] | None = None

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    @property
    def num_shards(self) -> int:
        return len(self.names)

    def shaped(self, shard: Shard) -> Shard:
        """A shard as read, with its rows in shape."""
        return shard

    def tensors(self, k: int) -> Shard:
        """All of shard k's tensors."""
        if self._held is None or self._held[0] != k:
            path = self.folder / Path(self.names[k]).name
            if self.verify and k not in self._verified:
                if not path.exists() or sha256(path) != self.manifest["shards"][self.names[k]]["sha256"]:
                    raise ValueError(f"path: got {path}, which is missing or damaged")
                self._verified.add(k)
            self._held = (k, read_shard(path, self.of.noun, self.shaped))
        return self._held[1]

    def gather(self, which: Any) -> Shard:
        """The tensors of some indices, in that order. Each shard they lie in is read once, so that indices from anywhere
        cost a read a shard, not a read an instance."""
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
            at = torch.from_numpy(index[place] - (self.ends[k - 1] if k else 0))
            parts.append({name: tensor[at] for name, tensor in self.tensors(k).items()})
            places.append(place)
        back = torch.from_numpy(np.argsort(np.concatenate(places)))
        return {name: torch.cat([part[name] for part in parts])[back] for name in parts[0]}
