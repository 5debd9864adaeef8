"""Agents that look back over their episode: a causal transformer (GPT) over its last `window` steps.

A window of a whole episode forgets nothing. In longer episodes keys and values are kept as they were computed, as language models
are run: with L blocks, steps up to L (window - 1) back still move an answer. For an agent that sees exactly `window` steps
take one block, or Truncated (truncated.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from mesasim import waits
from mesasim.agents.blocks import Block, check_heads, turning
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
        tags, period = index - began + 1, len(self.rotation)
        return torch.where(tags > period, period + 1 + (tags - 1) % period, tags)

    def forward(
        self, inputs: Tensor, tags: Tensor, past: Tensor, *, write: bool = False
    ) -> tuple[Tensor, list[Tensor]]:
        """Hidden numbers [B, T, width], and keys and values in turn, block by block, each [B, T, width].

        `past` [B, S, layers * 2 * width] holds those of the S steps before. With `write` it is [B, S + T, …], and the new
        ones are written into it.
        """
        steps, layers = tags.shape[1], len(self.blocks)
        kept = past.shape[1] - steps if write else past.shape[1]
        rotation = self.rotation[(tags.long() - 1) % len(self.rotation)]
        index = torch.arange(-kept, steps, device=tags.device)
        age = index[kept:, None] - index
        seen = ((age >= 0) & (age < tags.clamp(max=self.window)[..., None])).unsqueeze(1)  # [B, 1, T, S + T]
        x = self.embed(inputs) + (tags == 1).unsqueeze(-1) * self.first
        made = []
        for layer, block in enumerate(self.blocks):
            assert isinstance(block, Block)
            q, k, v = block.project(x, rotation)
            made += [k.flatten(2), v.flatten(2)]
            if past.shape[1]:
                held = past.unflatten(2, (layers, 2, block.heads, -1))[:, :, layer]
                if write:
                    held[:, kept:] = torch.stack([k, v], dim=2)
                    k, v = held.unbind(2)
                else:
                    k, v = torch.cat([held[:, :, 0], k], dim=1), torch.cat([held[:, :, 1], v], dim=1)
            x = block.mix(x, q, k, v, seen)
        return self.norm(x), made


class Room:
    """Memory [N, rows, row_width] in which carries lie one row apart, so that a step adds a row and copies none. Only the carry
    that ends at `end` may grow into what follows; nothing that a carry shows is ever overwritten."""

    def __init__(self, rows: Tensor, end: int) -> None:
        self.rows, self.end = rows, end


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

    def advance(self, inputs: Tensor, is_first: Tensor, carry: Tensor) -> tuple[Tensor, Tensor]:
        first, rows = is_first.transpose(0, 1), carry.unflatten(1, (self.kept, self.row_width))
        inputs, last = inputs.transpose(0, 1), rows[:, -1, 0]
        tags = self.history.tags(first, last)
        seen, readable = self.window - 1, waits.readable(last)
        if readable:  # a block at whose start every slot's episode begins has no past to take along
            seen = int(torch.where(first[:, 0], 0.0, last).amax().clamp(max=self.window - 1))
        past = rows[:, self.kept - seen :]
        if len(is_first) > 1 or torch.is_grad_enabled() or not readable:  # room() looks at values
            hidden, made = self.history(inputs, tags, past[..., 1:])
            return hidden.transpose(0, 1), self.packed(past, [tags.unsqueeze(-1), *made], first)
        room = self.room(carry, past, first)
        room.rows[:, room.end, 0] = tags[:, 0]
        room.end += 1
        hidden = self.history(inputs, tags, room.rows[:, room.end - seen - 1 : room.end, 1:], write=True)[0]
        return hidden.transpose(0, 1), self.lying(room)

    def room(self, carry: Tensor, past: Tensor, first: Tensor) -> Room:
        """Where the carry lies with an empty row after it: as it is, if nothing else has grown from it; else a copy."""
        found, end = getattr(carry, "room", (None, 0))
        if found is not None and found.end == end < found.rows.shape[1] and not bool(first.any()):
            return found
        rows = carry.new_empty(len(carry), 2 * self.kept + 1, self.row_width)
        empty = self.kept - past.shape[1]
        rows[:, :empty] = 0.0
        torch.mul(past, ~first[:, :, None], out=rows[:, empty : self.kept])
        return Room(rows, self.kept)

    def lying(self, room: Room) -> Tensor:
        """The carry that ends where the room's rows now end."""
        carry = room.rows[:, room.end - self.kept : room.end].flatten(1)
        carry.room = room, room.end  # type: ignore[attr-defined]
        return carry

    def packed(self, past: Tensor, made: list[Tensor], first: Tensor) -> Tensor:
        """The carry after a block: of what was seen and what was made in it [N, T, …], the last rows, cleared of what lies
        before the present episodes."""
        rows = torch.cat([m[:, -self.kept :] for m in made], dim=-1)
        count = min(self.kept, past.shape[1] + rows.shape[1])
        if count > rows.shape[1]:
            rows = torch.cat([past[:, rows.shape[1] - count :], rows], dim=1)
        if not waits.readable(first) or bool(first[:, 1:].any()) or (past.shape[1] and bool(first.any())):
            age = torch.arange(count - 1, -1, -1, device=rows.device)
            rows = rows * (age < rows[:, -1:, 0]).unsqueeze(-1)
        return functional.pad(rows, (0, 0, self.kept - count, 0)).flatten(1) if count < self.kept else rows.flatten(1)
