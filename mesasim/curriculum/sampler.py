"""Which instances to train on when: batches of indices by difficulty and training progress. Knows nothing of what is
learned: a difficulty may be a solver's nodes, a size, a gap, and the instances tours, mazes or problems."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mesasim.arrays import as_tensor
from mesasim.machine import integer

SCHEDULES = ("uniform", "easy_to_hard", "hard_only")


class Curriculum:
    """Batches of indices into instances of known difficulty.

    Schedules, at a progress from 0 to 1:
        "uniform": every instance alike, always.
        "easy_to_hard": the easiest bucket at first; one more after every 1 / buckets of the progress, so that all are
            open in the last such part. Every instance of an open bucket alike.
        "hard_only": the hardest bucket, always.

    Attributes:
        bucket: int64 [count], each instance's bucket, 0 the easiest.
        buckets: how many there are.
    """

    def __init__(
        self, difficulty: Any, schedule: str = "easy_to_hard", *, buckets: int | Sequence[float] = 10, seed: int = 0
    ) -> None:
        """
        Args:
            difficulty: [count] numbers, finite; the larger the harder.
            buckets: how many, of equal size to within one, by rank (equal difficulties by index); or increasing edges e:
                bucket b holds e[b - 1] <= difficulty < e[b].
            seed: of the draws.

        Raises:
            TypeError, ValueError: an argument of the wrong kind or out of range, or a bucket that would be empty, by name.
        """
        values = _difficulties(difficulty)
        if schedule not in SCHEDULES:
            raise ValueError(f"schedule: got {schedule!r}, allowed: {', '.join(map(repr, SCHEDULES))}")
        self.schedule = schedule
        self.seed = integer("seed", seed, 0, 2**64 - 1)
        self.order = torch.sort(values, stable=True).indices  # the easiest first
        if isinstance(buckets, Sequence) and not isinstance(buckets, str):
            self._ends = _ends_by_edges(values[self.order], buckets)
        else:
            number = integer("buckets", buckets, 1, len(values))
            self._ends = [(b + 1) * len(values) // number for b in range(number)]
        self.buckets = len(self._ends)
        self.bucket = torch.empty(len(values), dtype=torch.int64)
        self.bucket[self.order] = torch.bucketize(torch.arange(len(values)), torch.tensor(self._ends), right=True)

    def __len__(self) -> int:
        return len(self.order)

    def open(self, progress: float) -> Tensor:
        """int64: the instances that may be drawn at this progress (0 to 1), the easiest first."""
        begin, end = self._range(progress)
        return self.order[begin:end]

    def batch(self, size: int, *, step: int, progress: float) -> Tensor:
        """int64 [size]: independent uniform draws among the open instances, with replacement. Depends on (seed, step) and
        what is open alone, so that a run resumed at a step draws what it would have drawn."""
        begin, end = self._range(progress)
        size, step = integer("size", size, 0, 2**40), integer("step", step, 0, 2**63 - 1)
        draws = np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, 0, step]))
        return self.order[torch.from_numpy(draws.integers(begin, end, size))]

    def batches(self, size: int, steps: int, *, start: int = 0) -> Iterator[Tensor]:
        """The batches of steps start … steps - 1 of a training of that many, its progress step / steps."""
        steps = integer("steps", steps, 0, 2**63 - 1)
        for step in range(integer("start", start, 0, steps), steps):
            yield self.batch(size, step=step, progress=step / steps)

    def _range(self, progress: float) -> tuple[int, int]:
        if isinstance(progress, bool) or not isinstance(progress, (int, float)):
            raise TypeError(f"progress: got {progress!r}, allowed: a number from 0 to 1")
        if not 0 <= progress <= 1:
            raise ValueError(f"progress: got {progress}, allowed: 0 to 1")
        if self.schedule == "hard_only":
            return ([0, *self._ends])[-2], len(self)
        last = min(math.floor(progress * self.buckets), self.buckets - 1) if self.schedule == "easy_to_hard" else -1
        return 0, self._ends[last]


def _difficulties(given: Any) -> Tensor:
    values = as_tensor("difficulty", given, device=torch.device("cpu"), allowed="integers or floats")
    if values.dim() != 1 or len(values) == 0:
        raise ValueError(f"difficulty: got shape {tuple(values.shape)}, allowed: (count,), count at least 1")
    if not torch.isfinite(values).all():
        which = int((~torch.isfinite(values)).nonzero()[0])
        raise ValueError(f"difficulty: got {float(values[which])} at {which}, allowed: finite numbers")
    return values


def _ends_by_edges(ascending: Tensor, edges: Sequence[float]) -> list[int]:
    """Where each bucket ends among difficulties in ascending order."""
    given = torch.tensor(list(edges), dtype=torch.float64)
    if given.isnan().any() or (given.diff() <= 0).any():
        raise ValueError(f"buckets: got edges {list(edges)}, allowed: increasing numbers")
    ends = [*torch.searchsorted(ascending.double(), given).tolist(), len(ascending)]
    for bucket, (begin, end) in enumerate(zip([0, *ends], ends, strict=False)):
        if begin == end:
            raise ValueError(f"buckets: got edges {list(edges)} that leave bucket {bucket} empty, allowed: none empty")
    return ends
