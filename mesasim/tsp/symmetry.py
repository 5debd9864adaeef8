"""Many ways of writing one tour problem, and one way of writing a tour: the square's symmetries and the canonical order."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mesasim.arrays import as_tensor

SYMMETRIES = 8


def canonical(order: Any) -> Tensor:
    """The one way of writing closed tours: from city 0 on, first to the one of its two neighbours with the smaller number.

    Args:
        order: [count, n] or [n] integers, each row the numbers 0 … n - 1 in some order.

    Returns:
        The same shape, dtype and device.
    """
    given = as_tensor("order", order, "integers")
    if given.dim() not in (1, 2) or given.shape[-1] < 1:
        raise ValueError(f"order: got shape {tuple(given.shape)}, allowed: [count, n] or [n]")
    rows = given.reshape(-1, given.shape[-1])
    n = rows.shape[1]
    bad = (rows.sort(1).values != torch.arange(n, device=rows.device)).any(1)
    if bad.any():
        raise ValueError(f"order: row {int(bad.nonzero()[0])} is no order of the cities 0 to {n - 1}")
    start = (rows == 0).int().argmax(1, keepdim=True)
    forwards = rows.gather(1, (start + torch.arange(n, device=rows.device)) % n)
    backwards = torch.cat([forwards[:, :1], forwards[:, 1:].flip(1)], dim=1)
    second = min(1, n - 1)
    kept = torch.where(forwards[:, second : second + 1] <= forwards[:, -1:], forwards, backwards)
    return kept.reshape(given.shape)


def augment(points: Any, which: Any = None) -> Tensor:
    """Points of the unit square under its eight symmetries, under which optimal tours stay optimal.

    Of points that `generate` made (as float64 or float32) the images are exact and no distance changes by a bit.

    Args:
        points: [count, n, 2], floats in 0 … 1.
        which: int [count], 0 … 7, one symmetry each: bit 0 reflects x, bit 1 reflects y, bit 2 then exchanges them (0: none).
            None: all eight of each.

    Returns:
        [count, n, 2], or [8 count, n, 2] with a problem's eight in a row.
    """
    points = as_tensor("points", points, "floats")
    if points.dim() != 3 or points.shape[2] != 2:
        raise ValueError(f"points: got shape {tuple(points.shape)}, allowed: [count, n, 2]")
    if points.numel() and not (points.amin() >= 0 and points.amax() <= 1):
        raise ValueError(f"points: got a range {points.amin():g} to {points.amax():g}, allowed: 0 to 1")
    if which is None:
        points = points.repeat_interleave(SYMMETRIES, 0)
        which = torch.arange(len(points), device=points.device) % SYMMETRIES
    else:
        which = as_tensor("which", which, "integers", device=points.device)
        if which.shape != points.shape[:1]:
            raise ValueError(f"which: got shape {tuple(which.shape)}, allowed: ({len(points)},), one a problem")
    if ((which < 0) | (which >= SYMMETRIES)).any():
        raise ValueError(f"which: got {int(which[(which < 0) | (which >= SYMMETRIES)][0])}, allowed: 0 to 7")
    bit = which[:, None, None] >> torch.arange(3, device=which.device) & 1  # [count, 1, 3]
    reflected = torch.where(bit[..., :2].bool(), 1 - points, points)
    return torch.where(bit[..., 2:].bool(), reflected.flip(-1), reflected)
