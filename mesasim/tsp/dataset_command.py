"""`mesasim generate tours`: its signature is its flags, its docstring its help."""

# No `from __future__ import annotations`: tyro reads the annotations.
from pathlib import Path
from typing import Literal

from mesasim.mazes.command import OptionTexts
from mesasim.progress import bars, say_what_was_made, shard_bar
from mesasim.shards import shard_size_for
from mesasim.spec import parse_given
from mesasim.tsp.datasets import TourDatasetConfig, generate_dataset
from mesasim.tsp.generation import GREEDY_HARD, distributions


def tours(
    out: Path, count: int = 10000, n: int = 20, distribution: str = "uniform", option: OptionTexts = (), seed: int = 0,
    method: Literal["auto", "held_karp", "branch_and_bound", "branch_and_cut"] = "auto", shard_size: int | None = None,
    shards: int | None = None, format: Literal["parquet", "safetensors"] = "parquet", workers: int = 1,
    backend: Literal["local", "ray"] = "local", num_threads: int | None = None, device: str = "cpu",
    resume: bool = False, overwrite: bool = False,
) -> None:  # fmt: skip
    """Write a data set of optimal tours, each with what makes it hard: shards by number range and a manifest.

    Args:
        out: folder of the data set.
        count: problems.
        n: cities, 3 to 256.
        distribution: `mesasim list tours` prints them and their options; greedy_hard takes base=… and the base's too.
        seed: of the problems.
        method: auto is the quickest; branch_and_bound counts nodes for few cities too.
        shard_size: problems a shard; default: 100,000.
        shards: how many shards at most, instead of shard_size, which is then count / shards, rounded up.
        format: of the shards.
        workers: processes that make shards side by side; the data set is the same.
        backend: where they run: processes of this machine, or Ray (mesasim[ray]).
        num_threads: CPU threads, of each worker where there are several; default: every core, and 1 a worker.
        device: cpu or cuda[:i], where the method must be named and greedy_hard is not made.
        resume: go on with an interrupted data set at the shards that are missing.
        overwrite: replace the data set in that folder.
    """
    known = distributions()
    if distribution not in known:
        raise ValueError(f"distribution: got {distribution!r}, allowed: {', '.join(known)}")
    config = TourDatasetConfig(
        count=count, n=n, distribution=distribution, options=_options(distribution, option), method=method, seed=seed,
        shard_size=shard_size_for(count, shards, shard_size), format=format,
    )  # fmt: skip
    with bars() as progress:
        manifest = generate_dataset(
            config, out, num_threads=num_threads, device=device, resume=resume, overwrite=overwrite,
            workers=workers, backend=backend,
            report=shard_bar(progress, f"{distribution} n={n}", count),
        )  # fmt: skip
    say_what_was_made(manifest, "tours", "mesasim.tsp", out)


def _options(distribution: str, given: tuple[str, ...]) -> dict[str, object]:
    known = distributions()
    if distribution != GREEDY_HARD:
        return parse_given(f"distribution {distribution}", known[distribution][1], given)
    bases = [text.partition("=")[2] for text in given if text.partition("=")[0] == "base"]
    base = bases[-1] if bases else "uniform"
    if base not in known or base == GREEDY_HARD:
        raise ValueError(f"base: got {base!r}, allowed: {', '.join(name for name in known if name != GREEDY_HARD)}")
    rest = tuple(text for text in given if text.partition("=")[0] != "base")
    return {"base": base, **parse_given(f"distribution {distribution}", known[distribution][1] + known[base][1], rest)}
