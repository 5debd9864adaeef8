"""From the fields of an observation to numbers a network takes: labels become one-hot, bounded quantities go to [0, 1],
the rest is left as it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from mesasim.agents.base import Observation

HISTORY_FIELDS = ("previous_action", "previous_reward", "trial_start")


class FieldShape(NamedTuple):
    """What an encoder must know of a field; plain numbers, so that a checkpoint can hold it."""

    name: str
    shape: tuple[int, ...]
    low: float
    high: float
    categories: int

    @property
    def width(self) -> int:
        return math.prod(self.shape) * max(1, self.categories)


def field_shapes(fields: Sequence) -> list[FieldShape]:
    """Native fields → FieldShapes."""
    return [FieldShape(f.name, tuple(f.shape), f.low, f.high, f.categories) for f in fields]


class Encoder(nn.Module):
    """obs[field][T, N, *shape] → float32 [T, N, width]."""

    def __init__(self, fields: Sequence[FieldShape]) -> None:
        super().__init__()
        if not fields:
            raise ValueError("fields: got none, allowed: at least one field of the observation")
        self.fields = list(fields)
        self.width = sum(field.width for field in self.fields)

    def forward(self, obs: Observation) -> Tensor:
        return torch.cat([self._encode(field, obs[field.name]) for field in self.fields], dim=-1)

    @staticmethod
    def _encode(field: FieldShape, value: Tensor) -> Tensor:
        steps, slots = value.shape[:2]
        if field.categories:  # a label below 0 means "none" and is all zeros
            labels = torch.arange(field.categories, dtype=value.dtype, device=value.device)
            return (value.unsqueeze(-1) == labels).float().reshape(steps, slots, field.width)
        flat = value.reshape(steps, slots, field.width).float()
        if math.isinf(field.low) or math.isinf(field.high):
            return flat
        return (flat - field.low) / (field.high - field.low or 1.0)


FORBIDDEN = -1e9  # log-odds that no action survives, and whose product with its probability 0 is 0, not NaN


def within_mask(logits: Tensor, obs: Observation) -> Tensor:
    """Log-odds [T, N, actions], FORBIDDEN where the world's `action_mask` is False (at an episode's end, when it allows
    nothing, and in worlds without one: as they are)."""
    if "action_mask" not in obs:
        return logits
    mask = obs["action_mask"]
    return logits.masked_fill(~mask & mask.any(dim=-1, keepdim=True), FORBIDDEN)
