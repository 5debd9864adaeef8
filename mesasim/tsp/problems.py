"""Tour problems as the engine takes them: batches of points or of distance matrices of one size, checked at the door."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mesasim import _core
from mesasim.buffers import address

METRICS = {"euclidean": 0, "EUC_2D": 1, "CEIL_2D": 2, "ATT": 3}
MIN_CITIES, MAX_CITIES = 3, _core.MAX_CITIES
LARGEST_WHOLE = 2**49  # distances that are whole numbers are exact below it


@dataclass(frozen=True)
class Problems:
    """`count` problems of n cities: points float64 [count, n, 2] or matrices float64 [count, n, n]; the other is None."""

    points: Tensor | None
    matrices: Tensor | None
    metric: int

    @property
    def tensor(self) -> Tensor:
        chosen = self.points if self.points is not None else self.matrices
        assert chosen is not None
        return chosen

    @property
    def n(self) -> int:
        return self.tensor.shape[1]

    def __len__(self) -> int:
        return len(self.tensor)

    def addresses(self, begin: int, end: int) -> tuple[int, int]:
        """Where points and matrices of problems begin … end-1 are; 0 for what is not given."""
        part = address(self.tensor[begin:end])
        return (part, 0) if self.points is not None else (0, part)


def check_metric(metric: Any) -> int:
    if not isinstance(metric, str) or metric not in METRICS:
        raise ValueError(f"metric: got {metric!r}, allowed: {', '.join(METRICS)}")
    return METRICS[metric]


def as_problems(instances: Any, metric: str = "euclidean", name: str = "instances") -> Problems:
    """One batch of one size.

    Args:
        instances: points [count, n, 2] or [n, 2], or symmetric distances [count, n, n] or [n, n]; tensor or array, of
            floats (float32 distances of points are those of the points widened to float64) or whole numbers; n 3 … 256.
            Three points of two coordinates cannot be a matrix; a [2, 2] matrix has too few cities.
        metric: how distances follow from points: euclidean, or rounded as TSPLIB's EUC_2D, CEIL_2D, ATT.

    Raises:
        TypeError, ValueError: what cannot be a batch of tour problems, with the first problem at fault.
    """
    code = check_metric(metric)
    tensor = _as_tensor(instances, name)
    if tensor.ndim == 2:
        tensor = tensor[None]
    shape = tuple(tensor.shape)
    if tensor.ndim != 3 or (shape[2] != 2 and shape[1] != shape[2]):
        raise ValueError(f"{name}: got shape {shape}, allowed: [count, n, 2] points or [count, n, n] distances")
    if not MIN_CITIES <= shape[1] <= MAX_CITIES:
        raise ValueError(f"{name}: got {shape[1]} cities, allowed: {MIN_CITIES} to {MAX_CITIES}")
    if shape[2] == 2:
        return Problems(_checked_points(tensor, name), None, code)
    if metric != "euclidean":
        raise ValueError(f"metric: got {metric!r} with distances, allowed: with points only")
    return Problems(None, _checked_matrices(tensor, name), 0)


def as_batches(instances: Any, metric: str = "euclidean") -> tuple[list[Problems], list[Tensor]]:
    """Problems by size, and for each batch the places of its problems in what was given.

    A list or tuple of arrays may mix sizes, and points with matrices; anything else is one batch.
    """
    mixed = isinstance(instances, (list, tuple)) and not _is_numbers(instances)
    if not mixed:
        problems = as_problems(instances, metric)
        return [problems], [torch.arange(len(problems))]
    groups: dict[tuple[bool, int], list[int]] = {}
    single = []
    for index, instance in enumerate(instances):
        one = as_problems(instance, metric, f"instances[{index}]")
        if len(one) != 1:
            raise ValueError(f"instances[{index}]: got {len(one)} problems, allowed: one, [n, 2] or [n, n]")
        single.append(one)
        groups.setdefault((one.points is not None, one.n), []).append(index)
    batches = []
    for (points, _), where in groups.items():
        stacked = torch.cat([single[i].tensor for i in where])
        code = single[where[0]].metric
        batches.append(Problems(stacked, None, code) if points else Problems(None, stacked, 0))
    return batches, [torch.tensor(where) for where in groups.values()]


def _is_numbers(value: Sequence[Any]) -> bool:
    """Whether a list is nested numbers rather than a list of arrays."""
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return isinstance(value, (int, float))


def _as_tensor(value: Any, name: str) -> Tensor:
    if not isinstance(value, Tensor):
        try:
            array = np.asarray(value)
            value = torch.as_tensor(array) if array.dtype != object else None
        except (TypeError, ValueError):
            value = None
        if value is None:
            raise TypeError(f"{name}: got {type(value).__name__}, allowed: a tensor or array of numbers") from None
    if value.dtype == torch.bool or value.is_complex():
        raise TypeError(f"{name}: got {value.dtype}, allowed: floats or whole numbers")
    return value


def _first(bad: Tensor) -> int:
    return int(bad.flatten(1).any(1).nonzero()[0])


def _checked_points(points: Tensor, name: str) -> Tensor:
    points = points.to(torch.float64).contiguous()
    bad = ~points.isfinite()
    if bad.any():
        value = points[bad][0].item()
        raise ValueError(f"{name}: problem {_first(bad)} has a coordinate {value}, allowed: finite numbers")
    bad = points.abs() > 2.0**500
    if bad.any():
        raise ValueError(
            f"{name}: problem {_first(bad)} has a coordinate {points[bad][0].item():g}, whose distances cannot be squared; "
            "allowed: up to 2^500 in size"
        )
    return points


def _checked_matrices(matrices: Tensor, name: str) -> Tensor:
    whole = not matrices.is_floating_point()
    if whole:
        bad = matrices > LARGEST_WHOLE
        if bad.any():
            raise ValueError(
                f"{name}: problem {_first(bad)} has a distance {int(matrices[bad][0])}, which the scale of 2^49 units to the "
                "longest distance cannot hold as a whole number; allowed: up to 2^49"
            )
    matrices = matrices.to(torch.float64).contiguous()
    bad = ~matrices.isfinite()
    if bad.any():
        raise ValueError(f"{name}: problem {_first(bad)} has a distance {matrices[bad][0].item()}, allowed: finite numbers")
    off_diagonal = ~torch.eye(matrices.shape[1], dtype=torch.bool, device=matrices.device)
    bad = (matrices < 0) & off_diagonal
    if bad.any():
        raise ValueError(f"{name}: problem {_first(bad)} has a distance {matrices[bad][0].item()}, allowed: 0 or more")
    bad = matrices > 2.0**900
    if bad.any():
        raise ValueError(f"{name}: problem {_first(bad)} has a distance {matrices[bad][0].item():g}, allowed: up to 2^900")
    bad = matrices != matrices.transpose(1, 2)
    if bad.any():
        problem = _first(bad)
        a, b = (int(x) for x in bad[problem].nonzero()[0])
        raise ValueError(
            f"{name}: problem {problem} has distance {matrices[problem, a, b].item()} from {a} to {b} and "
            f"{matrices[problem, b, a].item()} back, allowed: symmetric distances"
        )
    return matrices
