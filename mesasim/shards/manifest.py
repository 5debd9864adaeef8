"""What a data set holds, and which files: its settings and its manifest.json. Every name in a manifest is held against the
one that the settings give, so that no file elsewhere, and no range twice, can be meant."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from mesasim.integrity import write_whole
from mesasim.machine import integer
from mesasim.shards.files import SUFFIX, Columns, read_json

FORMAT = 1
MANIFEST = "manifest.json"
MANIFEST_BYTES = 1 << 28
MAX_SHARDS = 1_000_000  # of 230 bytes each, and as many marks in one folder

S = TypeVar("S", bound="Sharded")


def one_of(name: str, value: Any, allowed: Any) -> None:
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name}: got {value!r}, allowed: {', '.join(map(repr, allowed))}")


def shard_size_for(count: int, shards: int | None, shard_size: int | None, default: int = 100_000) -> int:
    """Numbers a shard, where at most `shards` are asked for, or so many each, or neither. The size is what a manifest keeps."""
    if shards is None:
        return default if shard_size is None else shard_size
    if shard_size is not None:
        raise ValueError(f"shards: got {shards} with shard_size {shard_size}, allowed: one of them")
    integer("count", count, 1, 2**40)
    return -(-count // integer("shards", shards, 1, count))


class Sharded:
    """What the settings of a data set are beside a dataclass: numbers 0 … count - 1 in shards of `shard_size`."""

    noun: ClassVar[str]  # of the instances, plural
    count: int
    shard_size: int
    format: str

    def check(self) -> None:
        """Refuses what cannot be made, before anything is: ValueError or TypeError."""
        raise NotImplementedError

    @cached_property
    def columns(self) -> Columns:
        """What the rows of its shards are."""
        raise NotImplementedError

    def check_shards(self) -> None:
        """Refuses a count, a shard_size or a format that cannot be."""
        self.count = integer("count", self.count, 1, 2**40)
        self.shard_size = integer("shard_size", self.shard_size, 1, 2**24)
        one_of("format", self.format, SUFFIX)
        if self.num_shards > MAX_SHARDS:
            least = -(-self.count // MAX_SHARDS)
            raise ValueError(f"shard_size: got {self.shard_size} with count {self.count}, allowed: {least} or more")

    @classmethod
    def kind(cls) -> str:
        return f"mesasim {cls.noun}"

    @property
    def num_shards(self) -> int:
        return -(-self.count // self.shard_size)

    def range(self, k: int) -> tuple[int, int]:
        """(first, count) of shard k's numbers."""
        first = k * self.shard_size
        return first, min(self.shard_size, self.count - first)

    def shard_name(self, first: int, count: int) -> str:
        return f"{self.noun}-{first:012d}-{first + count:012d}.{SUFFIX[self.format]}"

    def settings(self) -> dict[str, Any]:
        given = asdict(self)  # type: ignore[call-overload]  # of the dataclass
        return json.loads(json.dumps({"format_version": FORMAT, "kind": self.kind(), **given}))


def check_entry(config: Sharded, name: str, entry: Any) -> None:
    """Raises ValueError, TypeError or KeyError for what is not the manifest's entry of a shard of that name."""
    first = integer("first", entry["first"], 0, config.count - 1)
    if (first, entry["count"]) != config.range(first // config.shard_size):
        raise ValueError(f"shard {name!r} of numbers {first} to {first} + {entry['count']!r}")
    if name != config.shard_name(first, entry["count"]):
        raise ValueError(f"shard {name!r}, expected {config.shard_name(first, entry['count'])!r}")
    integer("kept", entry["kept"], 0, entry["count"])
    if not isinstance(entry["sha256"], str) or not re.fullmatch("[0-9a-f]{64}", entry["sha256"]):
        raise ValueError(f"shard {name!r} with sha256 {entry['sha256']!r}")


def write_manifest(folder: Path, config: Sharded, shards: dict[str, Any]) -> None:
    import mesasim

    content = {**config.settings(), "mesasim": mesasim.__version__, "shards": dict(sorted(shards.items()))}
    content["complete"] = len(shards) == config.num_shards
    text = json.dumps(content, indent=1)
    write_whole(folder / MANIFEST, lambda file: file.write_text(text))


def read_manifest(folder: Path, of: type[S]) -> tuple[S, dict[str, Any]]:
    """The settings of a data set and all its manifest says. FileNotFoundError for a folder without one, ValueError for one that
    is not of this kind, or contradicts itself, or was changed."""
    try:
        content = read_json(Path(folder) / MANIFEST, MANIFEST_BYTES)
        if content["kind"] != of.kind() or content["format_version"] != FORMAT:
            raise KeyError("another kind or format")
        config = of(**{field.name: content[field.name] for field in fields(of) if field.init})  # type: ignore[arg-type]
        config.check()
        if not isinstance(content["shards"], dict):
            raise TypeError("shards")
        for name, entry in content["shards"].items():
            check_entry(config, name, entry)
        if content["complete"] is not (len(content["shards"]) == config.num_shards):
            raise ValueError(
                f"complete: {content['complete']!r} with {len(content['shards'])} of {config.num_shards} shards"
            )
    except FileNotFoundError:
        raise FileNotFoundError(f"path: got {folder}, which holds no {MANIFEST}") from None
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"path: got {folder}, whose {MANIFEST} is not that of {of.noun} ({error})") from error
    return config, content
