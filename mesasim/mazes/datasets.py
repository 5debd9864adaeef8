"""Mazes by the million on disk: shards by number range and a manifest. A shard is whole or absent; what was interrupted
goes on at the missing shards. Memory stays that of a shard."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import Dataset

from mesasim.integrity import write_whole
from mesasim.mazes.batch import Mazes, check_size, row_bytes
from mesasim.mazes.generation import generate
from mesasim.mazes.machine import integer
from mesasim.mazes.selection import select
from mesasim.mazes.solving import Solutions

FORMAT = 1
KIND = "mesasim mazes"
MANIFEST = "manifest.json"
SUFFIX = {"parquet": "parquet", "safetensors": "safetensors"}
ENDPOINTS = ("uniform", "dead_ends", "none")


@dataclass
class DatasetConfig:
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
        self.count = integer("count", self.count, 1, 2**40)
        self.shard_size = integer("shard_size", self.shard_size, 1, 2**24)
        self.size = check_size(tuple(self.size))
        for name, allowed in (("endpoints", ENDPOINTS), ("format", tuple(SUFFIX))):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name}: got {getattr(self, name)!r}, allowed: {', '.join(map(repr, allowed))}")
        integer("min_distance", self.min_distance, 0, 2**31 - 1)
        if self.unique and self.endpoints == "none":
            raise ValueError("unique: got True with endpoints 'none', allowed: with endpoints only")
        generate(0, self.size, self.algorithm, seed=self.seed, **self.options)

    def ranges(self) -> list[tuple[int, int]]:
        """(first, count) of each shard's numbers."""
        return [(f, min(self.shard_size, self.count - f)) for f in range(0, self.count, self.shard_size)]

    def shard_name(self, first: int, count: int) -> str:
        return f"mazes-{first:012d}-{first + count:012d}.{SUFFIX[self.format]}"


Shard = dict[
    str, Tensor
]  # number int64, packed uint8 [n, 2, rows, row_bytes], and start, goal, length int32, moves uint8


def make_shard(
    config: DatasetConfig, first: int, count: int, seen: set[bytes] | None, num_threads: int | None
) -> Shard:
    """The mazes of numbers first … first + count - 1 that the filters keep."""
    mazes = generate(
        count, config.size, config.algorithm, seed=config.seed, first=first, num_threads=num_threads, **config.options
    )
    number = torch.arange(first, first + count)
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


def _write_parquet(shard: Shard, file: Path) -> None:
    arrays = {}
    for name, tensor in shard.items():
        flat = tensor.flatten(1).numpy() if tensor.dim() > 1 else tensor.numpy()
        if flat.ndim == 1:
            arrays[name] = pa.array(flat)
        else:
            kind = pa.binary(flat.shape[1])
            arrays[name] = pa.FixedSizeBinaryArray.from_buffers(
                kind, len(flat), [None, pa.py_buffer(np.ascontiguousarray(flat))]
            )
    pq.write_table(pa.table(arrays), file, compression="zstd", use_dictionary=False)


def _read_parquet(file: Path, rows: int, cols: int) -> Shard:
    table = pq.read_table(file)
    shard = {}
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        if pa.types.is_fixed_size_binary(column.type):
            raw = np.frombuffer(column.buffers()[1], dtype=np.uint8).reshape(-1, column.type.byte_width)
            raw = raw[column.offset : column.offset + len(column)]
            shard[name] = torch.from_numpy(raw.copy())
        else:
            shard[name] = torch.from_numpy(column.to_numpy().copy())
    shard["packed"] = shard["packed"].view(-1, 2, rows, row_bytes(cols))
    return shard


def _save_safetensors(shard: Shard, file: Path) -> None:
    save_file({name: tensor.contiguous() for name, tensor in shard.items()}, file)


def _write_shard(config: DatasetConfig, shard: Shard, path: Path) -> str:
    """Writes a shard whole; its SHA-256."""
    write = _write_parquet if config.format == "parquet" else _save_safetensors
    write_whole(path, lambda file: write(shard, file))
    return sha256(path)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _sha256(file)


def _sha256(file: Any) -> str:
    hasher = hashlib.sha256()
    while chunk := file.read(1 << 20):
        hasher.update(chunk)
    return hasher.hexdigest()


def _settings(config: DatasetConfig) -> dict[str, Any]:
    return json.loads(json.dumps({"format_version": FORMAT, "kind": KIND, **asdict(config)}))


def _write_manifest(folder: Path, config: DatasetConfig, shards: dict[str, Any]) -> None:
    import mesasim

    content = {**_settings(config), "mesasim": mesasim.__version__, "shards": shards}
    content["complete"] = len(shards) == len(config.ranges())
    text = json.dumps(content, indent=1)
    write_whole(folder / MANIFEST, lambda file: file.write_text(text))


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a data set; ValueError for a folder or a file that is none."""
    path = Path(folder) / MANIFEST
    try:
        content = json.loads(path.read_text())
        if content["kind"] != KIND or content["format_version"] != FORMAT:
            raise KeyError("another kind or format")
        check_size(tuple(content["size"]))
        if not isinstance(content["shards"], dict) or content["format"] not in SUFFIX:
            raise KeyError("shards")
        for shard in content["shards"].values():
            integer("kept", shard["kept"], 0, shard["count"])
            shard["first"], shard["sha256"]
    except FileNotFoundError:
        raise FileNotFoundError(f"path: got {folder}, which holds no {MANIFEST}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"path: got {folder}, whose {MANIFEST} is not that of mazes ({error})") from error
    return content


def generate_dataset(
    config: DatasetConfig, folder: Path, *, num_threads: int | None = None, resume: bool = False, overwrite: bool = False,
    report: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Writes a data set and gives its manifest. `report(made, kept)` is called after every shard.

    A folder that holds one already is refused, unless `resume` (goes on at the shards that are missing or damaged; the
    settings must be the same) or `overwrite` (starts anew).
    """
    config.check()
    if resume and overwrite:
        raise ValueError("overwrite: got True with resume, allowed: one of them")
    folder = Path(folder)
    shards: dict[str, Any] = {}
    left = [*folder.glob(".mazes-*.tmp"), *folder.glob(f".{MANIFEST}.*.tmp")]  # of a run that was killed
    if (folder / MANIFEST).exists():
        if not (resume or overwrite):
            raise FileExistsError(
                f"out: got {folder}, which holds a data set already; allowed: --resume or --overwrite"
            )
        if resume:
            shards = _whole_shards(config, folder)
        else:
            for name in read_manifest(folder)["shards"]:
                (folder / Path(name).name).unlink(missing_ok=True)
    elif folder.exists() and not set(folder.iterdir()) <= set(left):
        raise FileExistsError(f"out: got {folder}, which is not empty; allowed: a new or empty folder")
    for file in left:
        file.unlink(missing_ok=True)
    _write_manifest(folder, config, shards)
    seen: set[bytes] | None = set() if config.dedupe else None
    for first, count in config.ranges():
        name = config.shard_name(first, count)
        if name in shards and seen is not None:  # its mazes are among those seen
            kept = read_shard(folder / name, *config.size)
            also = [kept[end] for end in ("start", "goal") if end in kept]
            Mazes(kept["packed"], config.size[1]).deduplicate(*also, seen=seen)
        elif name not in shards:
            shard = make_shard(config, first, count, seen, num_threads)
            digest = _write_shard(config, shard, folder / name)
            shards[name] = {"first": first, "count": count, "kept": len(shard["number"]), "sha256": digest}
            shards = dict(sorted(shards.items()))
            _write_manifest(folder, config, shards)
        if report is not None:
            report(count, shards[name]["kept"])
    return read_manifest(folder)


def _whole_shards(config: DatasetConfig, folder: Path) -> dict[str, Any]:
    """The manifest's shards that are there, undamaged. With `dedupe`, only those before the first that is not: what a
    shard keeps depends on all before it."""
    manifest = read_manifest(folder)
    for name, value in _settings(config).items():
        if manifest.get(name) != value:
            raise ValueError(f"{name}: got {value!r}, but {folder} was made with {manifest.get(name)!r}")
    found: dict[str, Any] = {}
    for first, count in config.ranges():
        name = config.shard_name(first, count)
        entry, path = manifest["shards"].get(name), folder / name
        if entry is not None and path.exists() and sha256(path) == entry["sha256"]:
            found[name] = entry
        elif config.dedupe:
            break
    return found


def read_shard(path: Path, rows: int, cols: int) -> Shard:
    """One shard's tensors; ValueError for a file that is none."""
    try:
        if path.suffix == ".parquet":
            return _read_parquet(path, rows, cols)
        return load_file(path)
    except (pa.ArrowException, SafetensorError, KeyError, RuntimeError, OSError, ValueError) as error:
        raise ValueError(f"path: got {path}, which is no shard of mazes ({error})") from error


def _solutions(mazes: Mazes, shard: Shard) -> Solutions:
    return Solutions(mazes, shard["start"], shard["goal"], shard["length"], None, shard["moves"], None)


class MazeDataset(Dataset):
    """A data set of mazes as torch's map-style Dataset. Item i: a dict with `number`, `connections` bool [2, rows, cols]
    and, where the set has endpoints, `start`, `goal`, `length` and `path` int32 [length + 1, 2].

    Keeps one shard in memory: read in order, shuffle within shards, or ask for a `batch`, when it is large.
    `verify=True` holds every shard's SHA-256 against the manifest when it is first read.
    """

    def __init__(self, path: str | Path, verify: bool = True) -> None:
        self.folder, self.verify = Path(path), verify
        self.manifest = read_manifest(self.folder)
        self.rows, self.cols = self.manifest["size"]
        if not self.manifest.get("complete"):
            raise ValueError(f"path: got {path}, which is not complete; generate it again with --resume")
        self.names = sorted(self.manifest["shards"])
        kept = [self.manifest["shards"][name]["kept"] for name in self.names]
        self.ends = np.cumsum(kept)
        self._verified: set[int] = set()
        self._held: tuple[int, Mazes, Shard] | None = None

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    @property
    def num_shards(self) -> int:
        return len(self.names)

    def shard(self, k: int) -> tuple[Mazes, Shard]:
        """Shard k's mazes and all its tensors."""
        if self._held is None or self._held[0] != k:
            path = self.folder / Path(self.names[k]).name
            if self.verify and k not in self._verified:
                if not path.exists() or sha256(path) != self.manifest["shards"][self.names[k]]["sha256"]:
                    raise ValueError(f"path: got {path}, which is missing or damaged")
                self._verified.add(k)
            shard = read_shard(path, self.rows, self.cols)
            self._held = (k, Mazes(shard["packed"], self.cols), shard)
        return self._held[1:]

    def solutions(self, k: int) -> Solutions:
        """Shard k's shortest paths, as Mazes.solve gives them (uniqueness is not kept). ValueError where the set was made
        without endpoints."""
        mazes, shard = self.shard(k)
        if "start" not in shard:
            raise ValueError(f"solutions: got {self.folder}, which was made with endpoints 'none'")
        return _solutions(mazes, shard)

    def batch(self, which: Any) -> tuple[Mazes, Solutions | None]:
        """The mazes of some indices, in that order, and their shortest paths (None without endpoints). Each shard they lie
        in is read once, so indices from anywhere cost a read a shard, not a read a maze."""
        index = np.asarray(which, dtype=np.int64).reshape(-1)
        wrong = (index < -len(self)) | (index >= len(self))
        if wrong.any():
            raise IndexError(f"index: got {index[wrong][0]}, allowed: 0 to {len(self) - 1}")
        index = np.where(index < 0, index + len(self), index)
        lies_in = np.searchsorted(self.ends, index, side="right")
        parts, places = [], []
        for k in np.unique(lies_in).tolist():
            place = np.flatnonzero(lies_in == k)
            at = torch.from_numpy(index[place] - (self.ends[k - 1] if k else 0))
            parts.append({name: tensor[at] for name, tensor in self.shard(k)[1].items()})
            places.append(place)
        if not parts:
            raise IndexError("index: got none, allowed: one or more")
        back = torch.from_numpy(np.argsort(np.concatenate(places)))
        joined = {name: torch.cat([part[name] for part in parts])[back] for name in parts[0]}
        mazes = Mazes(joined["packed"], self.cols, checked=True)
        return mazes, _solutions(mazes, joined) if "start" in joined else None

    def __getitem__(self, i: int) -> dict[str, Any]:
        if not -len(self) <= i < len(self):
            raise IndexError(f"index: got {i}, allowed: 0 to {len(self) - 1}")
        i %= len(self)
        k = int(np.searchsorted(self.ends, i, side="right"))
        mazes, shard = self.shard(k)
        at = i - (int(self.ends[k - 1]) if k else 0)
        item: dict[str, Any] = {"number": int(shard["number"][at]), "connections": mazes[at : at + 1].connections[0]}
        if "start" in shard:
            solved = _solutions(mazes[at : at + 1], {name: tensor[at : at + 1] for name, tensor in shard.items()})
            item |= {name: int(shard[name][at]) for name in ("start", "goal", "length")}
            item["path"] = solved.path(0)
        return item


def load(path: str | Path, verify: bool = True) -> MazeDataset:
    """The data set in a folder that `mesasim generate mazes` wrote."""
    return MazeDataset(path, verify)
