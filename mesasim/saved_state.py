"""A batch's memory as bytes: a magic word, a JSON header saying whose they are, the buffers, a checksum. What is read
back is never trusted: sizes, identity and checksum are checked, then the engine checks every slot, before one byte of
the batch changes."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch
from torch import Tensor

from mesasim.buffers import Buffers
from mesasim.engines import Engine

MAGIC = b"MESASIM STATE 1\n"
DIGEST_BYTES = 32


def pack_state(identity: dict[str, Any], buffers: Buffers) -> bytes:
    sizes = [[name, tensor.numel() * tensor.element_size()] for name, tensor in buffers.items()]
    header = json.dumps({"identity": identity, "buffers": sizes}).encode()
    parts = [MAGIC, len(header).to_bytes(8, "little"), header]
    parts += [_as_bytes(tensor) for _, tensor in buffers.items()]
    body = b"".join(parts)
    return body + hashlib.sha256(body).digest()


def unpack_state(state: bytes, identity: dict[str, Any], buffers: Buffers, native: Engine) -> None:
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
        saved_identity, sizes = header["identity"], header["buffers"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError("state: the header cannot be read") from error
    if saved_identity != identity:
        raise ValueError(f"state: it was saved from {saved_identity}, but this environment is {identity}")
    expected = [(name, tensor.numel() * tensor.element_size()) for name, tensor in buffers.items()]
    data = memoryview(body)[start + length :]
    if sizes != [list(entry) for entry in expected] or len(data) != sum(size for _, size in expected):
        raise ValueError("state: its buffers are not this environment's")
    pieces = {}
    for name, size in expected:
        pieces[name], data = data[:size], data[size:]
    bad = native.invalid_slot(bytes(pieces["core/state"]))
    if bad >= 0:
        raise ValueError(f"state: slot {bad} holds values its world cannot have")
    for name, tensor in buffers.items():
        raw = torch.frombuffer(bytearray(pieces[name]), dtype=torch.uint8)
        tensor.copy_(raw.view(tensor.dtype).view(tensor.shape))


def _as_bytes(tensor: Tensor) -> bytes:
    return tensor.cpu().contiguous().view(torch.uint8).numpy().tobytes()
