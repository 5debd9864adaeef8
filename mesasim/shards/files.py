"""One shard's file: written whole, checked before a byte of it is believed, read a group of rows at a time. No pickle."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mesasim.integrity import write_whole
from mesasim.shards.pages import check_pages

SUFFIX = {"parquet": "parquet", "safetensors": "safetensors"}
GROUP = (
    8192  # rows read at once: what one instance from anywhere costs, against some bytes of header a group and column
)
OVERHEAD = 1 << 20  # bytes that headers may add to what a shard's rows take

NOT_PLAIN = "not a plain file: links are not followed"

Shard = dict[str, Tensor]  # each [kept, …]; `number` int64 says which instances of the seed were kept


class Column(NamedTuple):
    dtype: torch.dtype
    shape: tuple[int, ...]  # of a row

    @property
    def width(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def bytes(self) -> int:
        return self.width * self.dtype.itemsize

    def arrow(self) -> pa.DataType:
        kind = pa.from_numpy_dtype(np.dtype(str(self.dtype).removeprefix("torch.")))
        if not self.shape:
            return kind
        return pa.binary(self.width) if self.dtype == torch.uint8 else pa.list_(kind, self.width)


Columns = Mapping[str, Column]


def columns_of(shard: Shard) -> dict[str, Column]:
    """What the rows of a shard are; one without rows says as much."""
    return {name: Column(tensor.dtype, tuple(tensor.shape[1:])) for name, tensor in shard.items()}


def sha256(path: Path) -> str:
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            hasher.update(chunk)
    return hasher.hexdigest()


# Writing


def write_parquet(shard: Shard, file: Path) -> None:
    """Rows of bytes as fixed-size binary, rows of other numbers as fixed-size lists."""
    arrays = []
    columns = columns_of(shard)
    for name, column in columns.items():
        flat = np.ascontiguousarray(shard[name].numpy()).reshape(-1)
        if isinstance(column.arrow(), pa.FixedSizeBinaryType):
            array = pa.FixedSizeBinaryArray.from_buffers(column.arrow(), len(shard[name]), [None, pa.py_buffer(flat)])
        elif column.shape:
            array = pa.FixedSizeListArray.from_arrays(pa.array(flat), column.width)
        else:
            array = pa.array(flat)
        arrays.append(array)
    table = pa.table(arrays, names=list(columns))
    pq.write_table(table, file, compression="zstd", use_dictionary=False, row_group_size=GROUP)


def write_shard(form: str, shard: Shard, path: Path) -> str:
    """Writes a shard whole; its SHA-256."""
    if form == "parquet":
        write_whole(path, lambda file: write_parquet(shard, file))
    else:
        # Not save_file, which writes beside the file given under a name of its own, left behind when the process is killed
        write_whole(path, lambda file: file.write_bytes(save({name: t.contiguous() for name, t in shard.items()})))
    return sha256(path)


# Reading


class ShardFile:
    """A shard's file, whose columns and number of rows are as expected: ValueError otherwise, raised before anything is
    allocated for its rows. `groups` are the (begin, end) of rows that are read at once; `rows` reads one."""

    def __init__(self, path: Path, columns: Columns, kept: int) -> None:
        self.columns, self.kept = columns, kept
        self.file: Any
        if path.suffix == ".parquet":
            self.file = pq.ParquetFile(path, memory_map=False, pre_buffer=False)
            self._check_parquet()
            check_pages(path, self.file.metadata)
            sizes = [self.file.metadata.row_group(g).num_rows for g in range(self.file.num_row_groups)]
        else:
            self.file = safe_open(path, framework="pt")
            self._check_safetensors()
            sizes = [min(GROUP, kept - begin) for begin in range(0, kept, GROUP)]
        if any(size < 0 for size in sizes) or sum(sizes) != kept:
            raise ValueError(f"groups of {sizes[:8]} rows, expected {kept} together")
        ends = np.cumsum(sizes, dtype=np.int64).tolist()
        self.groups = list(zip([0, *ends[:-1]], ends, strict=False))

    def _check_parquet(self) -> None:
        meta = self.file.metadata
        found = {field.name: field.type for field in self.file.schema_arrow}
        expected = {name: column.arrow() for name, column in self.columns.items()}
        if len(found) != len(self.file.schema_arrow):
            raise ValueError("two columns of one name")
        for name in found.keys() | expected.keys():
            if not _same_type(found.get(name), expected.get(name)):
                raise ValueError(f"column {name} is {found.get(name)}, expected {expected.get(name)}")
        if meta.num_rows != self.kept:
            raise ValueError(f"{meta.num_rows} rows, expected {self.kept}")
        # What decompression may allocate, for check_pages holds the pages to it; levels take a few bytes a value of a list.
        most = 2 * self.kept * sum(column.bytes for column in self.columns.values()) + OVERHEAD
        said = sum(meta.row_group(g).total_byte_size for g in range(meta.num_row_groups))
        if not 0 <= said <= most:
            raise ValueError(f"{said} bytes unpacked, expected at most {most}")

    def _check_safetensors(self) -> None:
        names = set(self.file.keys())
        if names != set(self.columns):
            raise ValueError(f"columns {sorted(names)}, expected {sorted(self.columns)}")
        for name, column in self.columns.items():
            part = self.file.get_slice(name)
            shape, dtype = tuple(part.get_shape()), part[:0].dtype
            if shape != (self.kept, *column.shape) or dtype != column.dtype:
                raise ValueError(f"{name} is {dtype} {shape}, expected {column.dtype} {(self.kept, *column.shape)}")

    def rows(self, group: int) -> Shard:
        """The tensors of one group's rows."""
        begin, end = self.groups[group]
        if not isinstance(self.file, pq.ParquetFile):
            return {name: self.file.get_slice(name)[begin:end] for name in self.columns}
        table = self.file.read_row_group(group, use_threads=False)
        return {name: _tensor(name, table.column(name), column, end - begin) for name, column in self.columns.items()}


def _same_type(found: pa.DataType | None, expected: pa.DataType | None) -> bool:
    if isinstance(found, pa.FixedSizeListType) and isinstance(expected, pa.FixedSizeListType):
        return found.list_size == expected.list_size and found.value_type == expected.value_type
    return found == expected


def _tensor(name: str, chunked: pa.ChunkedArray, column: Column, rows: int) -> Tensor:
    array = chunked.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # of no chunks
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], chunked.type)
    inner = array.flatten() if isinstance(array, pa.FixedSizeListArray) else array
    nulls = max(array.null_count, inner.null_count)
    if len(array) != rows or nulls:
        raise ValueError(f"column {name} has {nulls} nulls in {len(array)} rows of {rows}")
    if isinstance(array, pa.FixedSizeBinaryArray):
        raw = np.frombuffer(array.buffers()[1], dtype=np.uint8) if rows else np.empty(0, np.uint8)
        values = raw[array.offset * column.width : (array.offset + rows) * column.width]
    else:
        values = inner.to_numpy()
    return torch.from_numpy(values.copy()).view(rows, *column.shape)


UNREADABLE = (pa.ArrowException, SafetensorError, KeyError, RuntimeError, OSError, ValueError, TypeError, OverflowError)


def open_shard(path: Path, noun: str, columns: Columns, kept: int) -> ShardFile:
    """ValueError, naming the file, for one that is not a shard of these columns and as many rows, or is a link."""
    try:
        if not is_shard(path):
            raise ValueError(NOT_PLAIN)
        return ShardFile(path, columns, kept)
    except UNREADABLE as error:
        raise ValueError(f"path: got {path}, which is no shard of {noun} ({error})") from error


def read_json(path: Path, limit: int) -> Any:
    """What a JSON file of at most `limit` bytes holds; ValueError for one that names a thing twice or is none, a link, a pipe or
    a device among them."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise ValueError("a link, expected a file") from None
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        os.close(handle)
        raise ValueError("a folder, a pipe or a device, expected a file")
    with open(handle, "rb") as file:
        text = file.read(limit + 1) if status.st_size <= limit else b""
    if max(len(text), status.st_size) > limit:
        raise ValueError(f"{max(len(text), status.st_size)} bytes, allowed: {limit}")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name that is given twice")
        return found

    try:
        return json.loads(text.decode(), object_pairs_hook=once)
    except RecursionError:
        raise ValueError("nested too deep") from None


def is_shard(path: Path) -> bool:
    """Whether a file is there, and no link, pipe or device, which nothing may read."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False
