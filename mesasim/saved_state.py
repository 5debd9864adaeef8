"""A batch's memory as bytes: a magic word, a JSON header saying whose they are, the buffers, a checksum. What is read
back is never trusted: sizes, identity and checksum are checked, then the engine checks every slot, before one byte of
the batch changes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mesasim.buffers import Buffers
from mesasim.engines import Engine

MAGIC = b"MESASIM STATE 1\n"
DIGEST_BYTES = 32


def pack_state(identity: dict[str, Any], buffers: Buffers) -> bytes:
    return _written(identity, {name: _as_bytes(tensor) for name, tensor in buffers.items()})


def unpack_state(state: bytes, identity: dict[str, Any], buffers: Buffers, native: Engine) -> None:
    saved_identity, sizes, data = _read(state)
    if saved_identity != identity:
        raise ValueError(f"state: it was saved from {saved_identity}, but this environment is {identity}")
    expected = [(name, tensor.numel() * tensor.element_size()) for name, tensor in buffers.items()]
    if sizes != [list(entry) for entry in expected] or len(data) != sum(size for _, size in expected):
        raise ValueError("state: its buffers are not this environment's")
    pieces = _pieces(sizes, data)
    bad = native.invalid_slot(bytes(pieces["core/state"]))
    if bad >= 0:
        raise ValueError(f"state: slot {bad} holds values its world cannot have")
    for name, tensor in buffers.items():
        if tensor.dtype == torch.bool and max(pieces[name], default=0) > 1:  # torch takes such bytes for neither
            raise ValueError(f"state: {name} holds a byte that is no bool, allowed: 0 and 1")
    for name, tensor in buffers.items():
        raw = torch.frombuffer(bytearray(pieces[name]), dtype=torch.uint8)
        tensor.copy_(raw.view(tensor.dtype).view(tensor.shape))


def part_of_state(state: bytes, first: int, count: int) -> bytes:
    """The state of slots first … first + count - 1 of a batch's, as `get_state` of a batch of those would be; each goes on as
    it would have in the whole. ValueError where the batch has no such slots."""
    identity, sizes, data = _read(state)
    slots = identity["num_envs"]
    if not (first >= 0 and count >= 1 and first + count <= slots):
        raise ValueError(f"state: got slots {first} to {first + count - 1}, allowed: 0 to {slots - 1}")
    parts = {}
    for name, piece in _pieces(sizes, data).items():
        each = len(piece) // slots
        parts[name] = piece[first * each : (first + count) * each]
    return _written({**identity, "num_envs": count}, parts)


def join_states(states: Sequence[bytes]) -> bytes:
    """The state of one batch that has the slots of several in turn: the inverse of `part_of_state`. ValueError where they are not
    of one world, options and settings."""
    read = [_read(state) for state in states]
    identity = {**read[0][0], "num_envs": sum(each["num_envs"] for each, _, _ in read)}
    for each, _, _ in read:
        if {**each, "num_envs": 0} != {**identity, "num_envs": 0}:
            raise ValueError(f"states: got {each} beside {read[0][0]}, allowed: those of one environment's slots")
    pieces = [_pieces(sizes, data) for _, sizes, data in read]
    return _written(identity, {name: b"".join(piece[name] for piece in pieces) for name in pieces[0]})


def _written(identity: dict[str, Any], pieces: Mapping[str, bytes | memoryview]) -> bytes:
    sizes = [[name, len(piece)] for name, piece in pieces.items()]
    header = json.dumps({"identity": identity, "buffers": sizes}).encode()
    body = b"".join([MAGIC, len(header).to_bytes(8, "little"), header, *pieces.values()])
    return body + hashlib.sha256(body).digest()


def _pieces(sizes: list[Any], data: memoryview) -> dict[str, memoryview]:
    """Each buffer's bytes."""
    pieces = {}
    for name, size in sizes:
        pieces[name], data = data[:size], data[size:]
    return pieces


def _read(state: bytes) -> tuple[dict[str, Any], list[Any], memoryview]:
    """Whose it is, its buffers' names and sizes, and their bytes, if they are those that were written."""
    if not isinstance(state, (bytes, bytearray)):
        raise TypeError(f"state: got {type(state).__name__}, allowed: bytes from get_state()")
    body, digest = bytes(state[:-DIGEST_BYTES]), bytes(state[-DIGEST_BYTES:])
    if not body.startswith(MAGIC):
        raise ValueError("state: these bytes are not a saved state of this version of mesasim")
    if hashlib.sha256(body).digest() != digest:
        raise ValueError("state: the checksum does not match; the bytes are damaged or cut short")
    start = len(MAGIC) + 8
    length = int.from_bytes(body[len(MAGIC) : start], "little")
    try:
        header = json.loads(body[start : start + length])
        identity, sizes = header["identity"], header["buffers"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError("state: the header cannot be read") from error
    return identity, sizes, memoryview(body)[start + length :]


def _as_bytes(tensor: Tensor) -> bytes:
    return tensor.cpu().contiguous().view(torch.uint8).numpy().tobytes()
