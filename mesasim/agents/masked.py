"""A small masked model of coupled-token designs: the odds of each place's token given any of the others. One model writes left
to right (later tokens unknown) and edits (all others known)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass
class MaskedConfig:
    """How large a Masked is."""

    width: int = 64
    """Numbers a place."""


class Masked(nn.Module):
    """couplings [B, L, L, K, K], tokens [B, L], known bool [B, L] → log-odds [B, L, K]; a place never sees its own token."""

    def __init__(self, config: MaskedConfig, values: int) -> None:
        super().__init__()
        width = config.width
        # Of another token: what its value costs each of ours; where it is unknown, the least and the mean it might.
        self.pair = nn.Sequential(nn.Linear(3 * values + 1, width), nn.GELU(), nn.Linear(width, width))
        self.place = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, values)
        )

    def forward(self, couplings: Tensor, tokens: Tensor, known: Tensor) -> Tensor:
        length = tokens.shape[1]
        index = tokens[:, None, :, None, None].expand(*couplings.shape[:4], 1)
        seen = known[:, None, :, None].float().expand(-1, length, -1, -1)  # [B, i, j, 1]
        given = couplings.gather(4, index).squeeze(4) * seen
        open_ = torch.cat([couplings.amin(4), couplings.mean(4)], dim=-1) * (1 - seen)
        others = ~torch.eye(length, dtype=torch.bool, device=tokens.device)[..., None]
        return self.place((self.pair(torch.cat([given, open_, seen], dim=-1)) * others).sum(2))
