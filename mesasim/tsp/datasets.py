"""Optimal tours by the million on disk, in shards (mesasim/shards): what is written of each, and how it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from mesasim.devices import check_device
from mesasim.shards import Columns, Shard, Sharded, ShardedDataset, columns_of, one_of, threads_each, write_shards
from mesasim.tsp.generation import GREEDY_HARD, LabelledTours, generate, labelled
from mesasim.tsp.solving import METHODS

STORED = {"problems": torch.float32, "order": torch.uint8}  # exact: coordinates are of 24 bits, cities below 256
ON_A_GPU = ("held_karp", "branch_and_bound")
DIFFICULTIES = ("n", "gap", "two_opt_gap", "nodes", "one_trees")


@dataclass
class TourDatasetConfig(Sharded):
    """What is in a data set: problems 0 … count - 1 of a seed with their optimal tours.

    Attributes:
        count: problems, 1 or more.
        n: cities, 3 to 256.
        distribution: one of mesasim.tsp.distributions().
        options: the distribution's.
        method: of mesasim.tsp.solve; branch_and_bound counts nodes for few cities too.
        seed: of the problems.
        shard_size: problems a shard.
        format: "parquet" or "safetensors".
    """

    noun: ClassVar[str] = "tours"

    count: int = 10000
    n: int = 20
    distribution: str = "uniform"
    options: dict[str, Any] = field(default_factory=dict)
    method: str = "auto"
    seed: int = 0
    shard_size: int = 100_000
    format: str = "parquet"

    def check(self) -> None:
        """Refuses what cannot be made, before anything is."""
        self.check_shards()
        one_of("method", self.method, METHODS)
        generate(0, self.n, self.distribution, seed=self.seed, first=0, num_threads=1, device="cpu", **self.options)
        labelled(0, self.n, method=self.method)

    @cached_property
    def columns(self) -> Columns:
        return columns_of(make_shard(self, 0, 0, 1))


def make_shard(
    config: TourDatasetConfig, first: int, count: int, num_threads: int | None, device: str | torch.device = "cpu"
) -> Shard:
    """`number` int64 and LabelledTours' tensors, problems as float32 and order as uint8."""
    made = labelled(
        count, config.n, config.distribution, method=config.method, seed=config.seed, first=first, num_threads=num_threads,
        device=device, **config.options,
    )  # fmt: skip
    shard = {f.name: getattr(made, f.name).to(STORED.get(f.name)).cpu() for f in fields(made)}
    return {"number": torch.arange(first, first + count), **shard}


def generate_dataset(
    config: TourDatasetConfig, folder: Path, *, num_threads: int | None = None, resume: bool = False,
    overwrite: bool = False, report: Callable[[int, int], None] | None = None, device: str | torch.device = "cpu",
    workers: int = 1, backend: str = "local",
) -> dict[str, Any]:  # fmt: skip
    """Writes a data set and gives its manifest. `report(made, kept)` is called after every shard. The method "auto" is of the
    CPU: on a GPU it takes other ways, and what a data set holds must not depend on where it was made. Workers, where there is
    more than one, are processes of num_threads threads each, by default 1 (see mesasim.shards.write_shards).

    A folder that holds one already is refused, unless `resume` (goes on at the shards that are missing or damaged; the
    settings must be the same) or `overwrite` (starts anew).
    """
    on = check_device(device)
    config.check()
    if on.type == "cuda" and config.distribution == GREEDY_HARD:
        raise ValueError(f"device: got {on} for {GREEDY_HARD}, allowed: cpu")
    if on.type == "cuda" and config.method not in ON_A_GPU:
        raise ValueError(f"method: got {config.method!r} on {on}, allowed: {', '.join(ON_A_GPU)}")
    threads = threads_each(num_threads, workers, backend)
    return write_shards(
        config, folder, partial(make_shard, config, num_threads=threads, device=on), resume=resume,
        overwrite=overwrite, report=report, workers=workers, backend=backend,
    )  # fmt: skip


class TourDataset(ShardedDataset):
    """A data set of optimal tours (see ShardedDataset). Item i: a dict with `number` and what LabelledTours has of it."""

    of = TourDatasetConfig
    config: TourDatasetConfig

    def shaped(self, rows: Shard) -> Shard:
        if (rows["order"] >= self.config.n).any():
            raise ValueError(f"order outside 0 to {self.config.n - 1}")
        if not rows["problems"].isfinite().all():
            raise ValueError("problems that are not finite")
        return {**rows, "problems": rows["problems"].double(), "order": rows["order"].int()}

    def batch_of(self, rows: Shard) -> LabelledTours:
        return _tours(rows)

    def shard(self, k: int) -> LabelledTours:
        """Shard k's tours."""
        return _tours(self.tensors(k))

    def difficulty(self, by: str) -> Tensor:
        """[len(self)]: how hard each is, for `mesasim.curriculum.Curriculum`.

        Args:
            by: n: cities; gap, two_opt_gap: how far greed is from the optimum; nodes, one_trees: of the search.
        """
        one_of("by", by, DIFFICULTIES)
        if by == "n":
            return torch.full((len(self),), self.config.n)
        return torch.cat([getattr(self.shard(k), by) for k in range(self.num_shards)])

    def item(self, rows: Shard) -> dict[str, Any]:
        tours = _tours(rows)
        item = {name: tensor[0] if tensor.dim() > 1 else tensor[0].item() for name, tensor in rows.items()}
        return {**item, "gap": float(tours.gap), "two_opt_gap": float(tours.two_opt_gap)}


def _tours(shard: Shard) -> LabelledTours:
    return LabelledTours(*(shard[f.name] for f in fields(LabelledTours)))


def load(path: str | Path, verify: bool = True) -> TourDataset:
    """The data set in a folder that `mesasim generate tours` wrote."""
    return TourDataset(path, verify)
