"""Fuzzer's bytes as numbers and choices; past the end every number is 0."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class Reading:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def byte(self) -> int:
        first, self.data = self.data[:1], self.data[1:]
        return first[0] if first else 0

    def number(self, width: int = 2) -> int:
        taken, self.data = self.data[:width], self.data[width:]
        return int.from_bytes(taken, "little")

    def choice(self, of: Sequence[T]) -> T:
        return of[self.byte() % len(of)]

    def rest(self) -> bytes:
        taken, self.data = self.data, b""
        return taken


def changed(valid: bytes, reading: Reading) -> bytes:
    """`valid` with the changes that `reading` asks for: up to seven, each a byte set, bytes put in, taken out or doubled."""
    made = bytearray(valid)
    for _ in range(reading.byte() % 8):
        at, how, width = reading.number() % (len(made) + 1), reading.byte() % 4, reading.byte() % 16
        if how == 0:
            made[at : at + 1] = bytes([reading.byte()])
        elif how == 1:
            made[at:at] = reading.data[:width]
            reading.data = reading.data[width:]
        elif how == 2:
            del made[at : at + width]
        else:
            made[at:at] = made[at : at + width]
    return bytes(made)


FOLDER = tempfile.TemporaryDirectory(prefix="mesasim-fuzz-")


def as_file(data: bytes, name: str = "input") -> Path:
    """The bytes in a file, which the next call writes anew."""
    path = Path(FOLDER.name) / name
    path.write_bytes(data)
    return path


def require(holds: Any, what: str) -> None:
    """As assert, which optimised Python leaves out."""
    if not holds:
        raise AssertionError(what)
