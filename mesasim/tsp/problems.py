"""Tour problems as the engine takes them: batches of points or of distance matrices of one size, checked at the door."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from mesasim import _core
from mesasim.arrays import as_tensor
from mesasim.buffers import address

METRICS = {"euclidean": 0, "EUC_2D": 1, "CEIL_2D": 2, "ATT": 3}
MIN_CITIES, MAX_CITIES = 3, _core.MAX_CITIES
TOO_LARGE_WHOLE = 2**49  # below it, whole numbers are exact: each is its own unit
LEAST_EXTENT = 2.0**-460  # of points: the squares of 2^-49 of it are still normal numbers
LEAST_LONGEST = 2.0**-1000  # of distances: likewise 2^-49 of it


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


def as_problems(
    instances: Any, metric: str = "euclidean", name: str = "instances", device: torch.device | None = None
) -> Problems:
    """One batch of one size.

    Args:
        instances: points [count, n, 2] or [n, 2], or symmetric distances [count, n, n] or [n, n], whose diagonal is not
            looked at; tensor, array (docs/arrays.md) or nested list, of floats (float32 distances of points are those of the
            points widened to float64) or whole numbers (distances below 2^49); n 3 … 256. Three points
            of two coordinates cannot be a matrix; a [2, 2] matrix has too few cities.
        metric: how distances follow from points: euclidean, or rounded as TSPLIB's EUC_2D, CEIL_2D, ATT.
        device: where they must be; None: wherever they are.

    Raises:
        TypeError, ValueError: what cannot be a batch of tour problems, with the first problem at fault.
    """
    code = check_metric(metric)
    tensor = as_tensor(name, instances, device=device, allowed="floats or whole numbers")
    if tensor.ndim == 2:
        tensor = tensor[None]
    shape = tuple(tensor.shape)
    if tensor.ndim != 3 or (shape[2] != 2 and shape[1] != shape[2]):
        raise ValueError(f"{name}: got shape {shape}, allowed: [count, n, 2] points or [count, n, n] distances")
    if not MIN_CITIES <= shape[1] <= MAX_CITIES:
        raise ValueError(f"{name}: got {shape[1]} cities, allowed: {MIN_CITIES} to {MAX_CITIES}")
    if shape[2] == 2:
        return Problems(_checked_points(tensor, name, metric), None, code)
    if metric != "euclidean":
        raise ValueError(f"metric: got {metric!r} with distances, allowed: with points only")
    return Problems(None, _checked_matrices(tensor, name), 0)


def as_batches(
    instances: Any, metric: str = "euclidean", device: torch.device | None = None
) -> tuple[list[Problems], list[Tensor]]:
    """Problems by size, and for each batch the places of its problems in what was given.

    A list or tuple of instances may mix sizes, and points with matrices; anything else is one batch.
    """
    if not isinstance(instances, (list, tuple)) or _is_one(instances):
        problems = as_problems(instances, metric, device=device)
        return [problems], [torch.arange(len(problems))]
    groups: dict[tuple[bool, int], list[int]] = {}
    single = []
    for index, instance in enumerate(instances):
        one = as_problems(instance, metric, f"instances[{index}]", device)
        if len(one) != 1:
            raise ValueError(f"instances[{index}]: got {len(one)} problems, allowed: one, [n, 2] or [n, n]")
        single.append(one)
        groups.setdefault((one.points is not None, one.n), []).append(index)
    if not groups:
        none = torch.zeros(0, MIN_CITIES, 2, dtype=torch.float64, device=device)
        return [Problems(none, None, check_metric(metric))], [torch.arange(0)]
    batches = []
    for (points, _), where in groups.items():
        stacked = torch.cat([single[i].tensor for i in where])
        code = single[where[0]].metric
        batches.append(Problems(stacked, None, code) if points else Problems(None, stacked, 0))
    return batches, [torch.tensor(where) for where in groups.values()]


def _is_one(value: Sequence[Any]) -> bool:
    """Whether a list is one instance, written as rows of numbers, rather than a list of instances."""
    row = value[0] if value else None
    if getattr(row, "ndim", 2) == 1:  # an array for each row
        return True
    return isinstance(row, Real) or (isinstance(row, (list, tuple)) and all(isinstance(x, Real) for x in row[:1]))


def _first(bad: Tensor) -> int:
    return int(bad.flatten(1).any(1).nonzero()[0])


def _checked_points(points: Tensor, name: str, metric: str) -> Tensor:
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
    extent = (points.amax(1) - points.amin(1)).amax(1, keepdim=True)
    bad = (extent > 0) & (extent < LEAST_EXTENT)
    if bad.any():
        raise ValueError(
            f"{name}: problem {_first(bad)} has points at most {extent[bad][0].item():g} apart in a coordinate, whose "
            "distances cannot be squared; allowed: 2^-460 or more, or all in one place"
        )
    bad = extent >= TOO_LARGE_WHOLE / 2
    if metric != "euclidean" and bad.any():
        raise ValueError(
            f"{name}: problem {_first(bad)} has points {extent[bad][0].item():g} apart in a coordinate, whose {metric} "
            "distances the scale of 2^49 units to the longest cannot hold as whole numbers; allowed: below 2^48"
        )
    return points


def _checked_matrices(matrices: Tensor, name: str) -> Tensor:
    whole = not matrices.is_floating_point()
    matrices = matrices.to(torch.float64).contiguous()
    if matrices.diagonal(dim1=1, dim2=2).any():
        matrices = matrices.clone()
        matrices.diagonal(dim1=1, dim2=2).zero_()  # no tour uses it, and it must not set the scale
    bad = ~matrices.isfinite()
    if bad.any():
        raise ValueError(
            f"{name}: problem {_first(bad)} has a distance {matrices[bad][0].item()}, allowed: finite numbers"
        )
    bad = matrices < 0
    if bad.any():
        raise ValueError(f"{name}: problem {_first(bad)} has a distance {matrices[bad][0].item()}, allowed: 0 or more")
    bad = matrices >= TOO_LARGE_WHOLE
    if whole and bad.any():
        raise ValueError(
            f"{name}: problem {_first(bad)} has a distance {matrices[bad][0].item():.0f}, which the scale of 2^49 units to "
            "the longest distance cannot hold as a whole number; allowed: below 2^49"
        )
    bad = matrices > 2.0**900
    if bad.any():
        raise ValueError(
            f"{name}: problem {_first(bad)} has a distance {matrices[bad][0].item():g}, allowed: up to 2^900"
        )
    longest = matrices.amax((1, 2))[:, None]
    bad = (longest > 0) & (longest < LEAST_LONGEST)
    if bad.any():
        raise ValueError(
            f"{name}: problem {_first(bad)} has {longest[bad][0].item():g} as its longest distance, which the scale of 2^49 "
            "units cannot divide; allowed: 2^-1000 or more, or all 0"
        )
    bad = matrices != matrices.transpose(1, 2)
    if bad.any():
        problem = _first(bad)
        a, b = (int(x) for x in bad[problem].nonzero()[0])
        raise ValueError(
            f"{name}: problem {problem} has distance {matrices[problem, a, b].item()} from {a} to {b} and "
            f"{matrices[problem, b, a].item()} back, allowed: symmetric distances"
        )
    return matrices
