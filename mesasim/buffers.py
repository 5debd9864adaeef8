"""Allocates torch tensors from what the engine lists, checks those a caller brings, and hands the engine their
addresses: the only data_ptr in the package."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from mesasim.engines import Engine
from mesasim.machine import check_room
from mesasim.spec import TORCH_DTYPES

STATE_ALIGNMENT = 8  # bytes; a slot's state holds 64-bit numbers


class Buffers:
    """The memory of a batch: `group[name]` is a tensor [num_envs, *field.shape], written in place by every step."""

    def __init__(
        self,
        native: Engine,
        num_envs: int,
        device: torch.device,
        given: dict[str, Tensor] | None = None,
        levels: Tensor | None = None,
    ) -> None:
        self.group: dict[str, dict[str, Tensor]] = {
            "core": {}, "observation": {}, "oracle": {}, "final_observation": {}, "final_oracle": {}, "levels": {}
        }  # fmt: skip
        self.bytes_per_slot = 0
        listed = native.buffers()
        of_slots = [entry.field for entry in listed if (entry.group, entry.field.name) != ("levels", "bytes")]
        size = sum(math.prod(field.shape) * TORCH_DTYPES[field.dtype].itemsize for field in of_slots)
        check_room("num_envs", num_envs, num_envs * size, device)
        if given is not None and not isinstance(given, dict):
            raise TypeError(f"buffers: got {type(given).__name__}, allowed: a dict of torch tensors")
        remaining = dict(given or {})
        tensors = []
        for entry in listed:
            field = entry.field
            if (entry.group, field.name) == ("levels", "bytes"):  # read only, one array for all slots
                assert levels is not None
                self.group["levels"]["bytes"] = levels
                tensors.append(levels)
                continue
            shape = (num_envs, *field.shape)
            name = field.name if entry.group == "core" else f"{entry.group}/{field.name}"
            if name not in remaining:
                tensor = torch.zeros(shape, dtype=TORCH_DTYPES[field.dtype], device=device)
            else:
                tensor = remaining.pop(name)
                check_tensor(name, tensor, shape, TORCH_DTYPES[field.dtype], device)
                if entry.group == "core" and field.name == "state":
                    tensor.zero_()  # no slot is live before its first reset; stepping garbage would not be safe
            self.group[entry.group][field.name] = tensor
            self.bytes_per_slot += tensor[0].numel() * tensor.element_size()
            tensors.append(tensor)
        if remaining:
            known = [e.field.name if e.group == "core" else f"{e.group}/{e.field.name}" for e in listed]
            raise KeyError(f"buffers: got {sorted(remaining)}, allowed: {known}")
        check_apart(self.items())
        native.bind([tensor.data_ptr() for tensor in tensors])

    def items(self) -> list[tuple[str, Tensor]]:
        """Every array a slot has a part in; not the levels themselves, which are the caller's and only read."""
        named = [
            (f"{group}/{name}", tensor) for group, tensors in self.group.items() for name, tensor in tensors.items()
        ]
        return [(name, tensor) for name, tensor in named if name != "levels/bytes"]


def check_tensor(name: str, tensor: object, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> None:
    """Refuses memory the engine must not write to or read from."""
    if not isinstance(tensor, Tensor):
        raise TypeError(f"{name}: got {type(tensor).__name__}, allowed: a torch tensor")
    if tensor.dtype != dtype:
        raise TypeError(f"{name}: got dtype {tensor.dtype}, allowed: {dtype}")
    if tuple(tensor.shape) != shape:
        raise ValueError(f"{name}: got shape {tuple(tensor.shape)}, allowed: {shape}")
    if tensor.device != device:
        raise ValueError(f"{name}: got a tensor on {tensor.device}, allowed: {device}")
    if not tensor.is_contiguous():
        raise ValueError(f"{name}: got a non-contiguous tensor with strides {tensor.stride()}, allowed: contiguous")
    alignment = STATE_ALIGNMENT if name == "state" else tensor.element_size()
    if tensor.data_ptr() % alignment:
        raise ValueError(f"{name}: got memory at {tensor.data_ptr():#x}, allowed: at a multiple of {alignment} bytes")


def check_apart(named: list[tuple[str, Tensor]]) -> None:
    """Refuses buffers that share memory: writing one would change another, a slot's state among them."""
    spans = sorted((t.data_ptr(), t.data_ptr() + t.numel() * t.element_size(), name) for name, t in named)
    for (_, end, name), (start, _, other) in itertools.pairwise(spans):
        if start < end:
            raise ValueError(f"buffers: got {name} and {other} in overlapping memory, allowed: memory apart")


def address(tensor: Tensor | None) -> int:
    """Where a checked tensor starts; 0 for none."""
    return 0 if tensor is None else tensor.data_ptr()
