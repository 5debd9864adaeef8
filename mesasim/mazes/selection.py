"""Which mazes to keep: by their solutions, and each once."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from mesasim.machine import integer

if TYPE_CHECKING:
    from mesasim.mazes.batch import Mazes
    from mesasim.mazes.solving import Solutions

DIGEST_BYTES = 16


def select(
    solutions: Solutions, *, min_length: int | None = None, max_length: int | None = None,
    min_apart: int | None = None, max_apart: int | None = None, unique: bool = False, sole: bool = False,
    min_lookahead: int | None = None, max_lookahead: int | None = None,
    percentile: tuple[float, float] | None = None,
) -> Tensor:  # fmt: skip
    """bool [count]: which solved mazes to keep; `mazes[select(...)]` are they. A maze without a way is never kept.

    Args:
        min_length, max_length: steps of the shortest path.
        min_apart, max_apart: rows plus columns between start and goal.
        unique: one shortest path only.
        sole: one simple path only.
        min_lookahead, max_lookahead: of Mazes.lookahead.
        percentile: (low, high), 0 to 100: path lengths between these percentiles of the mazes that have a way.
    """
    kept = solutions.length >= 0
    mazes = solutions.mazes

    def within(name: str, values: Tensor, low: int | None, high: int | None) -> None:
        nonlocal kept
        if low is not None:
            kept = kept & (values >= integer(f"min_{name}", low, 0, 2**31 - 1))
        if high is not None:
            kept = kept & (values <= integer(f"max_{name}", high, 0, 2**31 - 1))

    within("length", solutions.length, min_length, max_length)
    rows, cols = (torch.stack([c // mazes.cols, c % mazes.cols]) for c in (solutions.start, solutions.goal))
    within("apart", (rows - cols).abs().sum(0), min_apart, max_apart)
    if unique:
        if solutions.unique is None:
            raise ValueError("unique: got True for solutions read from a file, which do not keep it; solve them again")
        kept = kept & solutions.unique
    if sole:
        kept = kept & solutions.sole
    if min_lookahead is not None or max_lookahead is not None:
        within("lookahead", mazes.lookahead(solutions.start, solutions.goal), min_lookahead, max_lookahead)
    if percentile is not None:
        low, high = percentile
        if not 0 <= low <= high <= 100:
            raise ValueError(f"percentile: got {percentile}, allowed: (low, high) with 0 <= low <= high <= 100")
        lengths = solutions.length[solutions.length >= 0].double()
        if len(lengths):
            least, most = _percentiles(lengths, low, high)
            kept = kept & (solutions.length >= least) & (solutions.length <= most)
    return kept


def _percentiles(values: Tensor, *shares: float) -> list[float]:
    """Each share (0 to 100) of the values, interpolated as torch.quantile does, which takes 2^24 values and no more."""
    ascending = values.sort().values
    found = []
    for share in shares:
        place = share / 100 * (len(values) - 1)
        below, above = (float(ascending[i]) for i in (math.floor(place), math.ceil(place)))
        found.append(below + (place - math.floor(place)) * (above - below))
    return found


def digests(mazes: Mazes, *also: Tensor) -> list[bytes]:
    """A 128-bit BLAKE2b digest a maze: equal mazes have equal digests, others (but for one chance in 2^64 of
    a collision among 2^32 mazes) differ. `also`: tensors [count] that are part of what must be equal, such as endpoints."""
    for t in also:
        if t.is_floating_point() or t.shape != (len(mazes),):
            raise ValueError(f"also: got {t.dtype} {tuple(t.shape)}, allowed: integers ({len(mazes)},)")
    rows = mazes.packed.flatten(1).cpu().numpy()
    parts = [rows, *(np.ascontiguousarray(t.cpu().numpy().astype("<i8")).view(np.uint8).reshape(-1, 8) for t in also)]
    joined = np.ascontiguousarray(np.concatenate(parts, axis=1))
    size = f"{mazes.rows}x{mazes.cols}".encode()  # mazes of two sizes may be the same bytes
    return [hashlib.blake2b(row, digest_size=DIGEST_BYTES, person=size).digest() for row in joined]


def first_of_each(mazes: Mazes, *also: Tensor, seen: set[bytes] | None = None) -> Tensor:
    """bool [count]: whether a maze is the first of its kind, here and among the digests `seen` (to which the new ones are
    added: pass one set for all shards)."""
    seen = set() if seen is None else seen
    kept = torch.zeros(len(mazes), dtype=torch.bool)
    for i, digest in enumerate(digests(mazes, *also)):
        if digest not in seen:
            seen.add(digest)
            kept[i] = True
    return kept.to(mazes.device)
