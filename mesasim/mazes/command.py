"""`mesasim generate mazes`: its signature is its flags, its docstring its help."""

# No `from __future__ import annotations`: tyro reads the annotations.
from pathlib import Path
from typing import Annotated, Literal

import tyro

from mesasim.mazes.datasets import DatasetConfig, generate_dataset
from mesasim.mazes.generation import algorithms
from mesasim.progress import bars, say_what_was_made, shard_bar
from mesasim.shards import shard_size_for
from mesasim.spec import parse_given

OptionTexts = Annotated[
    tyro.conf.UseAppendAction[tuple[str, ...]],
    tyro.conf.arg(
        name="option", aliases=["-o"], metavar="NAME=VALUE", help="an option of what is generated; may be repeated"
    ),
]


def mazes(
    out: Path, count: int = 10000, size: tuple[int, ...] = (16,), algorithm: str = "depth_first", option: OptionTexts = (),
    seed: int = 0, endpoints: Literal["uniform", "dead_ends", "none"] = "uniform", min_distance: int = 1,
    unique: bool = False, dedupe: bool = False, shard_size: int | None = None, shards: int | None = None,
    format: Literal["parquet", "safetensors"] = "parquet", workers: int = 1, backend: Literal["local", "ray"] = "local",
    num_threads: int | None = None, device: str = "cpu",
    resume: bool = False, overwrite: bool = False,
) -> None:  # fmt: skip
    """Write a data set of mazes with their shortest paths: shards by number range and a manifest.

    Args:
        out: folder of the data set.
        count: mazes laid out; filters keep as many or fewer.
        size: cells a side, or rows and columns; 2 to 256.
        algorithm: `mesasim list mazes` prints them and their options.
        seed: of mazes and endpoints.
        endpoints: how start and goal are drawn; none: mazes alone.
        min_distance: least steps from start to goal; mazes without such a pair are left out.
        unique: keep mazes with one shortest path only.
        dedupe: keep the first of equal mazes only, over all shards.
        shard_size: mazes laid out a shard; default: 100,000.
        shards: how many shards at most, instead of shard_size, which is then count / shards, rounded up.
        format: of the shards.
        workers: processes that make shards side by side; the data set is the same.
        backend: where they run: processes of this machine, or Ray (mesasim[ray]).
        num_threads: CPU threads, of each worker where there are several; default: every core, and 1 a worker.
        device: cpu or cuda[:i], where the mazes are made; the data set is the same.
        resume: go on with an interrupted data set at the shards that are missing.
        overwrite: replace the data set in that folder.
    """
    if len(size) not in (1, 2):
        raise ValueError(f"size: got {len(size)} numbers, allowed: one, or rows and columns")
    known = algorithms()
    if algorithm not in known:
        raise ValueError(f"algorithm: got {algorithm!r}, allowed: {', '.join(known)}")
    config = DatasetConfig(
        count=count, size=(size[0], size[-1]), algorithm=algorithm, seed=seed, endpoints=endpoints,
        options=parse_given(f"algorithm {algorithm}", known[algorithm][1], option), min_distance=min_distance,
        unique=unique, dedupe=dedupe, shard_size=shard_size_for(count, shards, shard_size), format=format,
    )  # fmt: skip
    with bars() as progress:
        manifest = generate_dataset(
            config, out, num_threads=num_threads, device=device, resume=resume, overwrite=overwrite,
            workers=workers, backend=backend,
            report=shard_bar(progress, f"{algorithm} {config.size[0]}×{config.size[1]}", count),
        )  # fmt: skip
    say_what_was_made(manifest, "mazes", "mesasim.mazes", out)
