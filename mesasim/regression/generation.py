"""Regressions in batches, out of the native draws of LinearRegression-v0 (csrc/regression/draws.h). Sequence i of a seed
depends on (seed, i, options) alone: not on how many are made, on how many threads or on which device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mesasim import _core
from mesasim.buffers import address
from mesasim.devices import check_device
from mesasim.machine import allot, integer, machine, portions

MAX_COUNT = 2**31
NORMALS_A_NUMBER = 8  # what `portions` calls a cell takes about an eighth of a normal draw


@dataclass(frozen=True)
class Regressions:
    """Sequences of examples, a task each.

    Attributes:
        x: float32 [count, points, dim].
        y: float32 [count, points]: w.x + noise.
        w: float32 [count, dim], the task.
        task: int32 [count], its number in the fixed set; -1: w is a fresh draw.
        noise_std: of y around w.x.
    """

    x: Tensor
    y: Tensor
    w: Tensor
    task: Tensor
    noise_std: float

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, which: Any) -> Regressions:
        """Some of them: a slice, or a tensor of indices or bool."""
        return Regressions(self.x[which], self.y[which], self.w[which], self.task[which], self.noise_std)

    def __repr__(self) -> str:
        return (
            f"Regressions({len(self)}, points={self.y.shape[1]}, dim={self.w.shape[1]}, noise_std={self.noise_std:g})"
        )


def generate(
    count: int,
    dim: int = 8,
    points: int = 16,
    *,
    noise_std: float = 0.5,
    num_tasks: int = 0,
    task_seed: int = 0,
    seed: int = 0,
    first: int = 0,
    num_threads: int | None = None,
    device: str | torch.device = "cpu",
) -> Regressions:
    """Sequences first … first + count - 1 of a seed. Sequence i is what slot i of LinearRegression-v0 shows in its first
    episode under the same seed and options.

    Args:
        count: sequences, 0 to 2^31.
        dim, points, noise_std, num_tasks, task_seed: the world's options, with its ranges. num_tasks = 0: a fresh
            w ~ N(0, I) for every sequence; else one of `task_set(num_tasks, dim, task_seed)`, each as likely.
        seed: 0 to 2^64 - 1.
        first: number of the first sequence, 0 to 2^63.
        num_threads: CPU threads; default: every core this process may use.
        device: "cpu" or "cuda[:i]", where the tensors are to be; a missing device raises.

    Raises:
        TypeError, ValueError: an argument of the wrong kind or out of range, by name.
        RuntimeError: a device that cannot be used here.
    """
    count = integer("count", count, 0, MAX_COUNT)
    seed, first = integer("seed", seed, 0, 2**64 - 1), integer("first", first, 0, 2**63)
    options = _options(dim=dim, points=points, noise_std=noise_std, num_tasks=num_tasks, task_seed=task_seed)
    on = check_device(device)
    where = machine(on, num_threads)
    data = Regressions(
        allot("count", (count, points, dim), torch.float32, on), torch.empty(count, points, device=on),
        torch.empty(count, dim, device=on), torch.empty(count, dtype=torch.int32, device=on), float(noise_std),
    )  # fmt: skip
    for begin, end in portions(count, NORMALS_A_NUMBER * points * (dim + 1)):
        part = data[begin:end]
        _core.draw_regressions(
            options=options, seed=seed, first=first + begin, count=end - begin, task=address(part.task),
            w=address(part.w), x=address(part.x), y=address(part.y), machine=where,
        )  # fmt: skip
    return data


def task_set(num_tasks: int, dim: int = 8, task_seed: int = 0, *, device: str | torch.device = "cpu") -> Tensor:
    """The fixed tasks of a seed, float32 [num_tasks, dim], each drawn from N(0, I). Those of a smaller set are the first of
    a larger one. `num_tasks`: 1 to 2^20."""
    integer("num_tasks", num_tasks, 1, 2**20)
    options = _options(dim=dim, num_tasks=num_tasks, task_seed=task_seed)
    on = check_device(device)
    tasks = torch.empty(num_tasks, dim, device=on)
    _core.draw_regression_tasks(options=options, w=address(tasks), machine=machine(on, 1))
    return tasks


def _options(**options: Any) -> dict[str, Any]:
    """The world's options, refused as the world refuses them before memory is taken."""
    _core.spec("LinearRegression-v0", options)
    return options
