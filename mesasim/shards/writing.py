"""Data sets by the million onto disk. A shard is whole or absent; what was interrupted goes on at the missing shards. Memory
stays that of a shard for each worker.

Each worker writes its shard, then beside it a mark with its checksum, both renamed when whole: no two processes ever write one
file, so that workers on several machines need a shared file system and nothing else. When all are there, the process that
started them writes the manifest from the marks and removes these. Rewriting a manifest after each shard would cost the square
of their number, and need a lock for each. One lock there is, on the folder (mesasim.integrity.held), of the process that was
started: another that clears what was left unfinished would clear what is in the making.

A restart believes no file for being there: whoever is given a shard first holds its bytes against the SHA-256 in its mark (or
the manifest) and makes it only if they differ. That reads what is whole once more, in the workers, at a small part of what
making it took (docs/datasets.md has figures); a size alone would pass over a flipped byte."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import torch

import mesasim
from mesasim.integrity import LOCK, held, write_whole
from mesasim.machine import check_room
from mesasim.shards.files import SUFFIX, Shard, is_shard, read_json, sha256, write_shard
from mesasim.shards.manifest import MANIFEST, Sharded, check_entry, read_manifest, write_manifest
from mesasim.workers import check_workers, each

MARK_BYTES = 4096
Item = tuple[int, int, dict[str, Any] | None]  # first, count, and the manifest's entry of the shard, where there is one


def write_shards(
    config: Sharded, folder: Path, make: Callable[[int, int], Shard], *, resume: bool = False, overwrite: bool = False,
    report: Callable[[int, int], None] | None = None, pass_over: Callable[[Path, int], object] | None = None, workers: int = 1,
    backend: str = "local",
) -> dict[str, Any]:  # fmt: skip
    """Writes a data set whose settings were checked, and gives its manifest. The files are the same, byte for byte, whatever
    the workers, and however often it was interrupted.

    A folder that another process works in is refused (BlockingIOError). So is one that holds a data set already, unless
    `resume` (goes on at the shards that are missing or damaged; the settings must be the same) or `overwrite` (starts anew).

    Args:
        make: (first, count) → what of these numbers is kept; picklable where there is more than one worker.
        report: called with (numbers, kept) after every shard.
        pass_over: called with (path, kept) of every whole shard that is passed over, in order, where a shard depends on all
            before it; the shards after one that is not whole are then made anew. With one worker only.
        workers: processes; one local worker is this process.
        backend: "local" or "ray".
    """
    check_workers(workers, backend)
    if resume and overwrite:
        raise ValueError("overwrite: got True with resume, allowed: one of them")
    folder = Path(folder).absolute()
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"out: got {folder}, which is a file; allowed: a new or empty folder")
    _check_room(config, workers if backend == "local" else 1)
    with held(folder):
        known = _claim(config, folder, resume, overwrite)
        return _write(config, folder, make, known, report, pass_over, workers, backend)


def threads_each(num_threads: int | None, workers: int, backend: str) -> int | None:
    """Threads of each process that makes shards: what is asked for, else one where they are workers (None: every core)."""
    return 1 if num_threads is None and (workers > 1 or backend != "local") else num_threads


def _write(
    config: Sharded, folder: Path, make: Callable[[int, int], Shard], known: dict[str, Any],
    report: Callable[[int, int], None] | None, pass_over: Callable[[Path, int], object] | None, workers: int, backend: str,
) -> dict[str, Any]:  # fmt: skip
    shards: dict[str, Any] = {}
    todo = _items(config, known)
    alone = workers == 1 and backend == "local"
    try:
        made = (
            _here(config, folder, make, todo, pass_over)
            if alone
            else _apart(config, folder, make, todo, workers, backend)
        )
        with closing(made):
            for entry in made:
                shards[config.shard_name(entry["first"], entry["count"])] = entry
                if report is not None:
                    report(entry["count"], entry["kept"])
    finally:
        _clear(folder, config, "tmp")  # of workers that were interrupted
    write_manifest(folder, config, shards)
    _clear(folder, config, "whole")
    return read_manifest(folder, type(config))[1]


def _items(config: Sharded, known: dict[str, Any]) -> Iterator[Item]:
    for k in range(config.num_shards):
        first, count = config.range(k)
        yield first, count, known.get(config.shard_name(first, count))


def _here(
    config: Sharded, folder: Path, make: Callable[[int, int], Shard], todo: Iterator[Item],
    pass_over: Callable[[Path, int], object] | None,
) -> Generator[dict[str, Any], None, None]:  # fmt: skip
    remade = False
    for first, count, entry in todo:
        found = None if remade and pass_over else whole(config, folder, first, count, entry)
        if found is None:
            remade, found = True, make_whole(config, folder, make, first, count)
        elif pass_over is not None:
            pass_over(folder / config.shard_name(first, count), found["kept"])
        yield found


def _apart(
    config: Sharded, folder: Path, make: Callable[[int, int], Shard], todo: Iterator[Item], workers: int, backend: str
) -> Generator[dict[str, Any], None, None]:
    with closing(each(partial(see_to, config, folder, make), todo, workers=workers, backend=backend)) as answers:
        for (first, count, _), answer in answers:
            if isinstance(answer, RuntimeError):
                name = config.shard_name(first, count)
                raise RuntimeError(f"{name}: {answer}. What is whole stays; go on with --resume") from answer
            if isinstance(answer, Exception):
                raise answer
            yield answer


# What a worker does


def see_to(config: Sharded, folder: Path, make: Callable[[int, int], Shard], item: Item) -> dict[str, Any]:
    """The manifest's entry of a shard, which is there and whole afterwards."""
    first, count, entry = item
    return whole(config, folder, first, count, entry) or make_whole(config, folder, make, first, count)


def whole(config: Sharded, folder: Path, first: int, count: int, entry: dict[str, Any] | None) -> dict[str, Any] | None:
    """The entry of a shard that is there, undamaged."""
    path = folder / config.shard_name(first, count)
    try:
        mark = read_json(_mark(path), MARK_BYTES)
        check_entry(config, path.name, mark)
        entry = mark
    except (OSError, ValueError, KeyError, TypeError):
        pass  # no mark, or half of one after a power failure: the manifest's entry counts, if there is one
    return entry if entry is not None and is_shard(path) and sha256(path) == entry["sha256"] else None


def make_whole(
    config: Sharded, folder: Path, make: Callable[[int, int], Shard], first: int, count: int
) -> dict[str, Any]:
    path = folder / config.shard_name(first, count)
    shard = {name: tensor.cpu() for name, tensor in make(first, count).items()}
    digest = write_shard(config.format, shard, path)
    entry = {"first": first, "count": count, "kept": len(shard["number"]), "sha256": digest}
    write_whole(_mark(path), lambda file: file.write_text(json.dumps(entry)))
    return entry


def _mark(path: Path) -> Path:
    return path.with_name(f".{path.name}.whole")


# The folder


def _check_room(config: Sharded, workers: int) -> None:
    """Refuses shards that could not be held in memory, before the folder is anyone's."""
    rows = min(config.shard_size, config.count) * min(workers, config.num_shards)
    size = rows * sum(column.bytes for column in config.columns.values())
    check_room("shard_size", f"{config.shard_size} with {workers} workers", size, torch.device("cpu"))


def _claim(config: Sharded, folder: Path, resume: bool, overwrite: bool) -> dict[str, Any]:
    """Makes the folder this data set's; the entries of its manifest, if it has one already."""
    if (folder / MANIFEST).exists():
        if not (resume or overwrite):
            raise FileExistsError(
                f"out: got {folder}, which holds a data set already; allowed: --resume or --overwrite"
            )
        was, content = read_manifest(folder, type(config))
        if resume:
            by = content.get("mesasim")
            if by != mesasim.__version__:
                raise ValueError(f"out: got {folder}, made by mesasim {by}, whose shards {mesasim.__version__} might not make "
                                 "the same; allowed: that version, or --overwrite")  # fmt: skip
            for name, value in config.settings().items():
                if content.get(name) != value:
                    raise ValueError(f"{name}: got {value!r}, but {folder} was made with {content.get(name)!r}")
            _clear(folder, config, "tmp")
            return content["shards"]
        for file in folder.glob(f"{was.noun}-*.{SUFFIX[was.format]}"):  # what is there, not what a manifest may count
            if re.fullmatch("[0-9]{12,}-[0-9]{12,}", file.stem.removeprefix(f"{was.noun}-")):
                file.unlink(missing_ok=True)
        _clear(folder, config, "whole")
    elif not set(folder.iterdir()) <= {folder / LOCK, *folder.glob(f".{MANIFEST}.*.tmp")}:
        raise FileExistsError(f"out: got {folder}, which is not empty; allowed: a new or empty folder")
    _clear(folder, config, "tmp")
    write_manifest(folder, config, {})
    return {}


def _clear(folder: Path, config: Sharded, suffix: str) -> None:
    """Removes marks, or what was in the making when a writer was killed."""
    for name in (*(f"{config.noun}-*.{form}" for form in SUFFIX.values()), MANIFEST):
        for file in folder.glob(f".*{name}*.{suffix}"):  # a mark in the making has two dots before its name
            file.unlink(missing_ok=True)
