"""How much a Parquet file's pages say they unpack to, from their own headers: a decoder allocates by these, and nothing but a
reader makes the footer's totals true. The headers are Thrift's compact protocol (parquet.thrift, PageHeader)."""

from __future__ import annotations

import mmap
from pathlib import Path

import pyarrow.parquet as pq

STOP, TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(13)
UNPACKED, PACKED = 2, 3  # fields of a PageHeader: bytes of the page without its header
MAX_DEPTH = 8  # a PageHeader's statistics lie at 3


def check_pages(path: Path, meta: pq.FileMetaData) -> None:
    """ValueError where the pages of a column of a group of rows unpack to more than the footer says of it, or are none."""
    if not str(meta.created_by).startswith("parquet-cpp"):  # of others' old ones, readers read past a column's end
        raise ValueError(f"written by {meta.created_by!r}, expected 'parquet-cpp…'")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for group in range(meta.num_row_groups):
            for column in range(meta.num_columns):
                chunk = meta.row_group(group).column(column)
                start = chunk.data_page_offset
                if chunk.has_dictionary_page and chunk.dictionary_page_offset:
                    start = min(start, chunk.dictionary_page_offset)
                end = start + chunk.total_compressed_size
                if not 0 <= start <= end <= len(data):
                    raise ValueError(f"a column at {start} to {end} of {len(data)} bytes")
                unpacked = _unpacked(data, start, end)
                if unpacked > chunk.total_uncompressed_size:
                    raise ValueError(f"pages of {unpacked} bytes unpacked, expected {chunk.total_uncompressed_size}")


def _unpacked(data: mmap.mmap, at: int, end: int) -> int:
    """The pages of data[at:end], unpacked and with their headers."""
    total = 0
    while at < end:
        sizes, body = _struct(data, at, end, 0)
        unpacked, packed = sizes.get(UNPACKED, -1), sizes.get(PACKED, -1)
        if unpacked < 0 or not 0 <= packed <= end - body:
            raise ValueError(f"a page of {packed} bytes, {unpacked} unpacked, where {end - body} are left")
        total += unpacked + body - at
        at = body + packed
    return total


def _struct(data: mmap.mmap, at: int, end: int, depth: int) -> tuple[dict[int, int], int]:
    """The 32-bit integers of a struct by their field, and where it ends."""
    if depth > MAX_DEPTH:
        raise ValueError("a page's header nested too deep")
    found: dict[int, int] = {}
    field = 0
    while True:
        head, at = _byte(data, at, end), at + 1
        kind = head & 15
        if kind == STOP:
            return found, at
        if head >> 4:
            field += head >> 4
        else:
            field, at = _zigzag(data, at, end)
        if kind == I32:
            found[field], at = _zigzag(data, at, end)
        elif kind not in (TRUE, FALSE):
            at = _past(data, at, end, kind, depth)


def _past(data: mmap.mmap, at: int, end: int, kind: int, depth: int) -> int:
    """Where a value that nobody asked for ends."""
    if kind in (I16, I32, I64):
        return _varint(data, at, end)[1]
    if kind == BINARY:
        length, at = _varint(data, at, end)
        return at + length
    if kind == STRUCT:
        return _struct(data, at, end, depth + 1)[1]
    if kind in (BYTE, DOUBLE):
        return at + (1 if kind == BYTE else 8)
    raise ValueError(f"a page's header with a field of type {kind}")  # lists and maps: in no PageHeader


def _byte(data: mmap.mmap, at: int, end: int) -> int:
    if at >= end:
        raise ValueError("a page's header that goes on past its column")
    return data[at]


def _varint(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        byte = _byte(data, at, end)
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("a number of more than 64 bits in a page's header")


def _zigzag(data: mmap.mmap, at: int, end: int) -> tuple[int, int]:
    value, at = _varint(data, at, end)
    return value >> 1 ^ -(value & 1), at
