"""The transformer's block and its rotary positions, for every network built of them. Who may see whom is the caller's."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class Block(nn.Module):
    """Attention, then an MLP of four times the width, each normalised before and added to what came in (GPT-2's order).
    x is [B, T, width]; queries, keys and values are [B, T, heads, width / heads]."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """`seen`, broadcast to bool [B, heads, T, T]: whether a row sees a column."""
        return self.mix(x, *self.project(x), seen)

    def project(self, x: Tensor, rotation: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values; the first two turned by `rotation` (see `turn`) where there is one."""
        q_and_k, v = self.qkv(self.before(x)).unflatten(-1, (3, self.heads, -1)).split([2, 1], dim=2)
        if rotation is not None:
            q_and_k = turn(q_and_k, rotation[:, :, None, None])
        return q_and_k[:, :, 0], q_and_k[:, :, 1], v[:, :, 0]

    def mix(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor, seen: Tensor) -> Tensor:
        """What becomes of x [B, T, width], whose queries are q, among S keys and values; `seen` is [..., T, S]."""
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        return x + self.mlp(self.after(x))


def check_heads(width: int, heads: int, *, rotary: bool = False) -> None:
    """Raises ValueError unless `heads` shares the width out evenly (with rotary positions, in pairs of numbers)."""
    if width % heads:
        raise ValueError(f"heads: got {heads}, allowed: a divisor of the width {width}")
    if rotary and width // heads % 2:
        raise ValueError(f"heads: got {heads}, allowed: such that width / heads = {width // heads} is even")


def turning(head_width: int, reach: int) -> Tensor:
    """Rotary positions (Su et al. 2021, "RoFormer"): complex64 [period, head_width / 2], by which positions 0 … period-1 turn
    pairs of numbers.

    What attention sees of two positions is their difference. The frequencies are whole numbers of turns a period, from
    1 to a radian a step, where RoFormer's are any: so positions count modulo the period, and a key turned once keeps its
    meaning however long the episode. The period is at least four times `reach`, the largest difference there is, so that
    no two differences look alike.
    """
    period = max(64, 4 * reach)
    fastest, count = period / (2 * math.pi), head_width // 2
    turns = torch.tensor([round(fastest ** (i / max(1, count - 1))) for i in range(count)])
    angle = (torch.arange(period)[:, None] * turns % period).double() * (2 * math.pi / period)
    return torch.polar(torch.ones_like(angle), angle).to(torch.complex64)


def turn(x: Tensor, rotation: Tensor) -> Tensor:
    """x [..., head_width], its pairs turned by rotation [..., head_width / 2]."""
    return torch.view_as_real(torch.view_as_complex(x.unflatten(-1, (-1, 2))) * rotation).flatten(-2)
