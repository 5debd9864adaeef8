"""Coupled-token designs: every token's cost depends on every other's (each wing on each engine), so that what is written early
cannot be right but by luck. Their exact optima, and the problem that a masked model learns. Not an experiment itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mesasim.agents.masked import Masked, MaskedConfig
from mesasim.train.supervised import home

TOKENS, VALUES = 8, 5  # references.md section 7: the pilot's
AT_ONCE = 4  # designs solved at once: their tables stay in the cache


@dataclass
class Designs:
    """Instances: the cost of x is the sum over i < j of couplings[i, j, x_i, x_j]."""

    couplings: Tensor  # [B, L, L, K, K] float32, couplings[i, j, a, b] = couplings[j, i, b, a], 0 where i = j
    heat = (2.0, 0.5)  # temperatures that annealing goes through: the best of five pairs tried (docs/log.md)

    @property
    def places(self) -> int:
        return self.couplings.shape[1]

    def cost(self, tokens: Tensor) -> Tensor:
        """[B, L] → [B]."""
        return 0.5 * self.messages(tokens).sum(2).gather(2, tokens[..., None]).sum((1, 2))

    def messages(self, tokens: Tensor) -> Tensor:
        """What token j's value costs each value of token i, [B, i, j, K]."""
        index = tokens[:, None, :, None, None].expand(*self.couplings.shape[:4], 1)
        return self.couplings.gather(4, index).squeeze(4)

    def fillings(self, tokens: Tensor, place: Tensor) -> Tensor:
        """Cost of each value at `place` [B], the rest as it is, but for a constant: [B, K]."""
        rows = torch.arange(len(tokens))
        here = self.couplings[rows, place]  # [B, L, K, K]
        return here.gather(3, tokens[:, :, None, None].expand(-1, -1, here.shape[2], 1)).sum((1, 3))

    def fill(self, tokens: Tensor, place: Tensor, value: Tensor) -> Tensor:
        return tokens.scatter(1, place[:, None], value[:, None])

    def chance(self) -> Tensor:
        """Expected cost of random tokens, [B]."""
        return 0.5 * self.couplings.mean((3, 4)).sum((1, 2))


def draw(count: int, seed: int, tokens: int = TOKENS, values: int = VALUES) -> Designs:
    """Instances with independent standard normal couplings."""
    generator = torch.Generator().manual_seed(seed)
    upper = torch.randn(count, tokens, tokens, values, values, generator=generator)
    upper = upper * torch.ones(tokens, tokens).triu(1)[:, :, None, None]
    return Designs(upper + upper.permute(0, 2, 1, 4, 3))


def solve(designs: Designs) -> Tensor:
    """An optimal design each, int64 [B, L], by looking at all of them: the halves' own costs, and a product for the rest."""
    return torch.cat([_solve(Designs(part)) for part in designs.couplings.split(AT_ONCE)])


def _solve(designs: Designs) -> Tensor:
    length, values = designs.places, designs.couplings.shape[-1]
    halves = [torch.cartesian_prod(*[torch.arange(values)] * size) for size in (length // 2, length - length // 2)]
    ends = [0, length // 2, length]
    one_hot = [functional.one_hot(half, values).flatten(1).float() for half in halves]

    def block(a: int, b: int) -> Tensor:
        part = designs.couplings[:, ends[a] : ends[a + 1], ends[b] : ends[b + 1]].permute(0, 1, 3, 2, 4)
        return part.flatten(3, 4).flatten(1, 2)  # [B, tokens of a × K, tokens of b × K]

    own = [0.5 * ((one_hot[h] @ block(h, h)) * one_hot[h]).sum(-1) for h in (0, 1)]
    across = one_hot[0] @ block(0, 1) @ one_hot[1].T
    best = (own[0][:, :, None] + own[1][:, None] + across).flatten(1).argmin(1)
    return torch.cat([halves[0][best // len(halves[1])], halves[1][best % len(halves[1])]], dim=1)


def write_greedily(designs: Designs) -> Tensor:
    """Left to right, each token the cheapest beside those already written; int64 [B, L]."""
    tokens = torch.zeros(len(designs.couplings), designs.places, dtype=torch.int64)
    for place in range(designs.places):
        before = designs.messages(tokens)[:, place, :place].sum(1)
        tokens[:, place] = before.argmin(1)
    return tokens


class TokenInPlace:
    """The supervised problem: name an optimal design's token at a place from some of the others, of which a share (drawn anew
    for each example, up to half) is wrong: an editor meets designs that are not optimal."""

    def __init__(self, network: MaskedConfig, designs: Designs, optimal: Tensor, origin: dict[str, Any]) -> None:
        self.network, self.designs, self.optimal, self.origin = network, designs, optimal, origin

    def describe(self) -> dict[str, Any]:
        return {"network": asdict(self.network), "examples": len(self.optimal), **self.origin}

    def model(self) -> nn.Module:
        return Masked(self.network, self.designs.couplings.shape[-1])

    def loss(self, model: nn.Module, batch: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        def uniform(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator)

        chosen = torch.randint(len(self.optimal), (batch,), generator=generator)
        couplings, target = self.designs.couplings[chosen], self.optimal[chosen]
        length, values = target.shape[1], couplings.shape[-1]
        wrong = uniform(batch, length) < 0.5 * uniform(batch, 1)
        shown = torch.where(wrong, torch.randint(values, target.shape, generator=generator), target)
        # Half of the examples show everything else, as an editor sees it; half a random part, as a writer does.
        known = uniform(batch, length) < torch.where(uniform(batch, 1) < 0.5, 1.0, uniform(batch, 1))
        couplings, shown, known, target = (drawn.to(home(model)) for drawn in (couplings, shown, known, target))
        logits = model(couplings, shown, known)
        loss = functional.cross_entropy(logits.flatten(0, 1), target.flatten())
        return loss, {"accuracy": (logits.argmax(-1) == target).float().mean().detach()}
