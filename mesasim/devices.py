"""Which devices can be used, and the refusal of those that cannot. Nothing falls back silently."""

from __future__ import annotations

import os

import torch

from mesasim import _core


def devices() -> dict[str, str]:
    """Usable devices by name, with a description: always "cpu", and "cuda:i" for each GPU that both the engine and
    torch can use. What is missing is explained by `missing_cuda()`."""
    threads = usable_cores()
    found = {"cpu": f"{threads} core{'s' * (threads != 1)}, instruction set {_core.instruction_set()}"}
    _, names, _ = _core.cuda_status()
    if torch.cuda.is_available():
        found |= {f"cuda:{index}": name for index, name in enumerate(names)}
    return found


def missing_cuda() -> str:
    """Why no CUDA device can be used; empty if one can."""
    _, names, reason = _core.cuda_status()
    if not names:
        return reason
    return "" if torch.cuda.is_available() else "this torch was built without CUDA"


def usable_cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_device(device: str | torch.device) -> torch.device:
    """`device` as torch knows it, with its index; raises RuntimeError if it cannot be used here."""
    try:
        parsed = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"device: got {device!r}, allowed: {', '.join(devices())}") from error
    if parsed.type == "cuda" and parsed.index is None:
        parsed = torch.device("cuda", 0)
    name = "cpu" if parsed.type == "cpu" else str(parsed)
    if name not in devices():
        why = f" ({missing_cuda()})" if parsed.type == "cuda" and missing_cuda() else ""
        raise RuntimeError(f"device: got {device!r}, but only {', '.join(devices())} can be used here{why}")
    return torch.device(name)
