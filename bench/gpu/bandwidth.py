"""Bytes a second of a device-to-device copy, read and written bytes counted: what the worlds' steps are held against."""

from __future__ import annotations

import statistics
import sys

import torch
from part import Part, summary

GIB = 1 << 30


def main(argv: list[str] | None = None) -> int:
    part = Part(__doc__, argv)
    size = (16 << 20) if part.quick else GIB
    pairs = [torch.randint(0, 256, (2, size), dtype=torch.uint8, device=part.device) for _ in range(2)]
    turn = iter(range(1 << 30))

    def copy() -> None:
        source, target = pairs[next(turn) % len(pairs)]
        target.copy_(source)

    seconds = part.seconds_of(copy, budget=0.1 if part.quick else 1.0, least=10)
    part.row(bytes=2 * size, bytes_per_second=2 * size / statistics.median(seconds), **summary(seconds))
    for source, target in pairs:
        if not torch.equal(source, target):
            part.fail("a copy differs from what was copied")
    return part.finish()


if __name__ == "__main__":
    sys.exit(main())
