"""`mesasim generate sequences`: its signature is its flags, its docstring its help."""

# No `from __future__ import annotations`: tyro reads the annotations.
from pathlib import Path
from typing import Literal

from mesasim.mazes.command import OptionTexts
from mesasim.progress import bars, say_what_was_made, shard_bar
from mesasim.sequences.datasets import SequenceDatasetConfig, generate_dataset
from mesasim.sequences.generation import options, processes
from mesasim.shards import shard_size_for
from mesasim.spec import parse_given


def sequences(
    out: Path, count: int = 10000, process: str = "coin", length: int = 64, option: OptionTexts = (), seed: int = 0,
    give: tuple[Literal["filter", "oracle", "filter_log", "oracle_log", "hidden"], ...] = (),
    shard_size: int | None = None, shards: int | None = None, format: Literal["parquet", "safetensors"] = "parquet",
    workers: int = 1, backend: Literal["local", "ray"] = "local", num_threads: int | None = None, device: str = "cpu",
    resume: bool = False, overwrite: bool = False,
) -> None:  # fmt: skip
    """Write a data set of sequences of symbols, with the exact Bayes filter's predictions if asked for: shards by number range
    and a manifest.

    Args:
        out: folder of the data set.
        count: sequences.
        process: `mesasim list sequences` prints them and their options.
        length: symbols of each, 1 to 2^20.
        seed: of the sequences.
        give: what to keep beside the symbols: the exact filter's or the oracle's chances of every symbol (filter, oracle), the
            logarithm of those of the symbol that came (filter_log, oracle_log), the regime or task in force (hidden).
        shard_size: sequences a shard; default: 100,000.
        shards: how many shards at most, instead of shard_size, which is then count / shards, rounded up.
        format: of the shards.
        workers: processes that make shards side by side; the data set is the same.
        backend: where they run: processes of this machine, or Ray (mesasim[ray]).
        num_threads: CPU threads, of each worker where there are several; default: every core, and 1 a worker.
        device: cpu or cuda[:i].
        resume: go on with an interrupted data set at the shards that are missing.
        overwrite: replace the data set in that folder.
    """
    if process not in processes():
        raise ValueError(f"process: got {process!r}, allowed: {', '.join(processes())}")
    config = SequenceDatasetConfig(
        count=count, process=process, length=length, options=parse_given(f"process {process}", options(), option),
        give=give, seed=seed, shard_size=shard_size_for(count, shards, shard_size), format=format,
    )  # fmt: skip
    with bars() as progress:
        manifest = generate_dataset(
            config, out, num_threads=num_threads, device=device, resume=resume, overwrite=overwrite, workers=workers,
            backend=backend, report=shard_bar(progress, f"{process} of {length}", count),
        )  # fmt: skip
    say_what_was_made(manifest, "sequences", "mesasim.sequences", out)
