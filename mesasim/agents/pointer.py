"""A GPT-style decoder that writes a tour city by city and points at the city to come (after Vinyals et al. 2015, "Pointer
networks"; Kool et al. 2019). Not an Agent of base.py: it reads whole prefixes, so that training sees a tour in one pass.

The sequence is [the cities, the prefix], through one stack of layers. The cities are a set: nothing says in which order they
were given. A city sees the cities; a prefix token sees the cities and the prefix up to itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mesasim.agents.blocks import Block, check_heads

# (points [B, n, 2], prefix [B, T] of cities) → log-odds [B, T, n] of the city after prefix[:, : t + 1]; -inf where visited.
Policy = Callable[[Tensor, Tensor], Tensor]


@dataclass
class PointerConfig:
    """How large a Pointer is."""

    width: int = 64
    """Numbers a token."""
    layers: int = 3
    """Transformer blocks."""
    heads: int = 4
    """Attention heads; they divide the width."""

    def __post_init__(self) -> None:
        for name in ("width", "layers", "heads"):
            value = getattr(self, name)
            if not isinstance(value, int) or not 1 <= value <= 4096:
                raise ValueError(f"{name}: got {value!r}, allowed: 1 to 4096")
        check_heads(self.width, self.heads)


class Pointer(nn.Module):
    """A Policy with weights, for any number of cities."""

    def __init__(self, config: PointerConfig) -> None:
        super().__init__()
        width = config.width
        self.embed = nn.Sequential(nn.Linear(2, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.role = nn.Parameter(torch.randn(4, width) * 0.02)  # a city, the first city; its prefix token, any other
        self.blocks = nn.ModuleList(Block(width, config.heads) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.query, self.key = nn.Linear(width, width, bias=False), nn.Linear(width, width, bias=False)

    def forward(self, points: Tensor, prefix: Tensor) -> Tensor:
        n, prefix = points.shape[1], prefix.long()
        gone = visited(prefix, n)
        embedded = self.embed(points.float() - 0.5)  # the unit square, centred
        first = torch.zeros_like(embedded[..., :1]).scatter(1, prefix[:, :1, None], 1.0)
        cities = embedded + torch.lerp(self.role[0], self.role[1], first)
        written = embedded.gather(1, prefix[..., None].expand(-1, -1, embedded.shape[-1]))
        written = written + torch.cat([self.role[2:3], self.role[3:].expand(prefix.shape[1] - 1, -1)])
        x, seen = torch.cat([cities, written], dim=1), may_see(n, prefix.shape[1]).to(points.device)
        for block in self.blocks:
            x = block(x, seen)
        x = self.norm(x)
        logits = self.query(x[:, n:]) @ self.key(x[:, :n]).transpose(1, 2) / x.shape[-1] ** 0.5
        return logits.masked_fill(gone, -torch.inf)


def visited(prefix: Tensor, cities: int) -> Tensor:
    """prefix [B, T] → bool [B, T, cities]: whether a city is in prefix[:, : t + 1]."""
    return functional.one_hot(prefix.long(), cities).cumsum(1).bool()


def may_see(cities: int, steps: int) -> Tensor:
    """Attention's mask, bool [n + T, n + T]: who sees whom."""
    seen = torch.ones(cities + steps, cities + steps, dtype=torch.bool).tril()
    seen[:cities, :cities] = True
    return seen
