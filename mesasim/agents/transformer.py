"""Agents that look back over their episode: a causal transformer (GPT) over its last `window` steps.

A window of a whole episode forgets nothing. In longer episodes "the last `window` steps" means two things, and there is a class
for each. `Transformer` keeps the keys and values it computed, as language models are run; what those were computed from may be
older, so that with L blocks steps up to L (window - 1) back still move it. `StrictTransformer` computes them anew from the
window alone and sees exactly `window` steps, at about `window` times the cost. With one block the two are the same function.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from mesasim.agents.base import Observation, Output
from mesasim.agents.blocks import Block, check_heads, turn, turning
from mesasim.agents.encoding import FieldShape
from mesasim.agents.network import Network


class History(nn.Module):
    """A stack of blocks over sequences [B, T, inputs], in which each step sees its episode's last `window` steps.

    A step goes by its *tag*: which step of its episode it is, counted from 1; far into an episode tags repeat with the
    rotation's period, above it. Positions are rotary, so that keys stay true while a window slides over them; how long
    the episode has lasted is told by the first step alone, which is marked, as long as it is in sight.
    """

    def __init__(self, inputs: int, width: int, layers: int, heads: int, window: int) -> None:
        super().__init__()
        check_heads(width, heads, rotary=True)
        self.window = window
        self.embed, self.first = nn.Linear(inputs, width), nn.Parameter(torch.randn(width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.register_buffer("rotation", turning(width // heads, window), persistent=False)
        self.rotation: Tensor

    def tags(self, is_first: Tensor, last: Tensor) -> Tensor:
        """The steps' tags [B, T], float32: is_first [B, T], `last` [B] the tag of the step before (0: there was none)."""
        index = torch.arange(is_first.shape[1], device=is_first.device, dtype=torch.float32)
        began = torch.where(is_first, index, -last[:, None]).cummax(dim=1).values
        tags, period = index - began + 1, self.rotation.shape[1]
        return torch.where(tags > period, period + 1 + (tags - 1) % period, tags)

    def forward(
        self, inputs: Tensor, tags: Tensor, past: Tensor | None = None, last: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Returns the last `last` steps' (default: all) hidden numbers [B, last, width], and keys and values of all steps
        [B, T, layers * 2 * width]; `past` [B, S, layers * 2 * width] holds those of the S steps before."""
        steps, kept, layers = tags.shape[1], past.shape[1] if past is not None else 0, len(self.blocks)
        rotation = self.rotation[:, (tags.long() - 1) % self.rotation.shape[1]]
        index = torch.arange(-kept, steps, device=tags.device)
        age = index[kept:, None] - index
        seen = ((age >= 0) & (age < tags.clamp(1, self.window)[..., None])).unsqueeze(1)  # [B, 1, T, S + T]
        x = self.embed(inputs) + (tags == 1).unsqueeze(-1) * self.first
        rows = []
        for layer, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            q, k, v = block.project(x)
            q, k = turn(q, rotation), turn(k, rotation)
            rows += [k.transpose(1, 2).flatten(2), v.transpose(1, 2).flatten(2)]
            if past is not None and kept:
                held = past.unflatten(2, (layers, 2, block.heads, -1))[:, :, layer].permute(2, 0, 3, 1, 4)
                k, v = torch.cat([held[0], k], dim=2), torch.cat([held[1], v], dim=2)
            if last is not None and layer == layers - 1:
                x, q, seen = x[:, -last:], q[:, :, -last:], seen[:, :, -last:]
            x = block.mix(x, q, k, v, seen)
        return self.norm(x), torch.cat(rows, dim=-1)


class Transformer(Network):
    """Keys and values are kept: a step of a rollout costs `window` comparisons a block, and nothing is computed twice.

    The carry holds, for each of the last window - 1 steps (at least one), the newest last: its tag, then keys and values,
    block by block, `1 + 2 * layers * hidden` numbers. What lies before the episode's start is zeros.
    """

    def __init__(
        self, fields: Sequence[FieldShape], num_actions: int, hidden: int = 64, layers: int = 2, window: int = 1,
        heads: int = 4,
    ) -> None:  # fmt: skip
        super().__init__(fields)
        if window < 1:
            raise ValueError(f"window: got {window}, allowed: 1 or more steps")
        self.window, self.kept = window, max(1, window - 1)
        self.history = History(self.encoder.width, hidden, layers, heads, window)
        self.row_width = 1 + 2 * layers * hidden
        self.add_heads(hidden, num_actions)

    def initial_carry(self, num_slots: int) -> Tensor:
        return self.cleared(num_slots, self.kept * self.row_width)

    def unroll(self, obs: Observation, is_first: Tensor, carry: Tensor) -> Output:
        first = is_first.transpose(0, 1)
        past, last = self.rows(carry, first)
        tags = self.history.tags(first, last)
        hidden, new = self.compute(self.encoder(obs).transpose(0, 1), tags, past)
        rows = torch.cat([past, torch.cat([tags.unsqueeze(-1), new], dim=-1)], dim=1)[:, -self.kept :]
        return self.answer(hidden.transpose(0, 1), obs, self.packed(rows, first))

    def compute(self, inputs: Tensor, tags: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden numbers [N, T, hidden] of new steps, and the rows to keep of them."""
        return self.history(inputs, tags, past[..., 1:])

    def rows(self, carry: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        """The carry's rows that a slot may still see [N, S, row_width], and the last tags [N]. A block that begins where
        every slot's episode begins has no past to carry through it."""
        rows = carry.unflatten(1, (self.kept, self.row_width))
        last = rows[:, -1, 0]
        seen = int(torch.where(first[:, 0], 0.0, last).amax().clamp(max=self.window - 1))
        return rows[:, self.kept - seen :], last

    def packed(self, rows: Tensor, first: Tensor) -> Tensor:
        """The carry of these rows, cleared of what lies before the present episodes."""
        count = rows.shape[1]
        if bool(first.any()):
            age = torch.arange(count - 1, -1, -1, device=rows.device)
            rows = rows * (age < rows[:, -1:, 0]).unsqueeze(-1)
        return functional.pad(rows, (0, 0, self.kept - count, 0)).flatten(1) if count < self.kept else rows.flatten(1)


class StrictTransformer(Transformer):
    """Nothing is kept but what was observed: the carry's rows are tags and encoded observations, `1 + encoder.width` numbers,
    and every step's window is computed anew (until an episode outgrows the window, all of a block's in one pass)."""

    def __init__(
        self, fields: Sequence[FieldShape], num_actions: int, hidden: int = 64, layers: int = 2, window: int = 1,
        heads: int = 4,
    ) -> None:  # fmt: skip
        super().__init__(fields, num_actions, hidden, layers, window, heads)
        self.row_width = 1 + self.encoder.width

    def compute(self, inputs: Tensor, tags: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        rows = torch.cat([past, torch.cat([tags.unsqueeze(-1), inputs], dim=-1)], dim=1)
        together = min(self.window, rows.shape[1])  # rows of which none has outlived the window
        hidden, _ = self.history(rows[:, :together, 1:], rows[:, :together, 0], last=together - past.shape[1])
        if together < rows.shape[1]:
            windows = (
                rows[:, 1:].unfold(1, self.window, 1).transpose(2, 3).flatten(0, 1)
            )  # [N * steps beyond, window, …]
            late, _ = self.history(windows[..., 1:], windows[..., 0], last=1)
            hidden = torch.cat([hidden, late.reshape(len(tags), -1, hidden.shape[-1])], dim=1)
        return hidden, inputs
