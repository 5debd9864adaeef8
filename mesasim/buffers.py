"""Allocates torch tensors from what the engine lists, checks those a caller brings, and hands the engine their
addresses: the only data_ptr in the package."""

from __future__ import annotations

import torch
from torch import Tensor

from mesasim import _core
from mesasim.spec import TORCH_DTYPES


class Buffers:
    """The memory of a batch: `group[name]` is a tensor [num_envs, *field.shape], written in place by every step."""

    def __init__(
        self, native: _core.Vector, num_envs: int, device: torch.device, given: dict[str, Tensor] | None = None
    ) -> None:
        self.group: dict[str, dict[str, Tensor]] = {
            "core": {}, "observation": {}, "oracle": {}, "final_observation": {}, "final_oracle": {}
        }  # fmt: skip
        self.bytes_per_slot = 0
        listed = native.buffers()
        remaining = dict(given or {})
        tensors = []
        for entry in listed:
            field = entry.field
            shape = (num_envs, *field.shape)
            name = field.name if entry.group == "core" else f"{entry.group}/{field.name}"
            tensor = remaining.pop(name, None)
            if tensor is None:
                tensor = torch.zeros(shape, dtype=TORCH_DTYPES[field.dtype], device=device)
            else:
                check_tensor(name, tensor, shape, TORCH_DTYPES[field.dtype], device)
            self.group[entry.group][field.name] = tensor
            self.bytes_per_slot += tensor[0].numel() * tensor.element_size()
            tensors.append(tensor)
        if remaining:
            known = [e.field.name if e.group == "core" else f"{e.group}/{e.field.name}" for e in listed]
            raise KeyError(f"buffers: got {sorted(remaining)}, allowed: {known}")
        native.bind([tensor.data_ptr() for tensor in tensors])

    def items(self) -> list[tuple[str, Tensor]]:
        return [(f"{group}/{name}", tensor) for group, named in self.group.items() for name, tensor in named.items()]


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


def address(tensor: Tensor | None) -> int:
    """Where a checked tensor starts; 0 for none."""
    return 0 if tensor is None else tensor.data_ptr()
