"""Any network with a memory, cut to exactly the last `window` steps: what it kept is thrown away, and every answer is computed
from the last `window` observations alone, as though the episode had begun with them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from mesasim import waits
from mesasim.agents.network import Network

ROWS_AT_ONCE = 2**17  # of windows, so that those of a long evaluation fit in memory


class Truncated(Network):
    """`inner`, let loose on each step's window. A step costs up to `window` of inner's; while an episode is within its first
    `window` steps, a block of T steps costs what it costs inner.

    The carry holds the window - 1 encodings before the present one, the newest last, each after its tag: which step of its
    episode it is, from 1, at most `window`. What lies before the episode's start is zeros.
    """

    def __init__(self, inner: Network, window: int) -> None:
        super().__init__(inner.encoder.fields)
        if window < 1:
            raise ValueError(f"window: got {window}, allowed: 1 or more steps")
        self.window, self.kept, self.row_width = window, window - 1, 1 + inner.encoder.width
        self.inner = inner

    @property
    def policy(self) -> nn.Linear:  # type: ignore[override]
        """Inner's head, of which it is the only owner: a checkpoint holds every weight once."""
        return self.inner.policy

    @property
    def value(self) -> nn.Linear:  # type: ignore[override]
        return self.inner.value

    def initial_carry(self, num_slots: int) -> Tensor:
        return self.cleared(num_slots, self.kept * self.row_width)

    def advance(self, inputs: Tensor, is_first: Tensor, carry: Tensor) -> tuple[Tensor, Tensor]:
        steps, slots = is_first.shape
        kept = carry.reshape(slots, self.kept, self.row_width).transpose(0, 1)
        last = kept[-1, :, 0] if self.kept else torch.zeros(slots, device=inputs.device)
        index = torch.arange(steps, device=inputs.device)[:, None]
        began = torch.where(is_first, index, -last).cummax(dim=0).values
        tags = (index - began + 1).clamp(max=self.window)
        seen = self.kept
        if waits.readable(last):  # a block at whose start every slot's episode begins has nothing kept to take along
            seen = int(torch.where(is_first[0], 0.0, last).amax().clamp(max=self.kept))
        rows = torch.cat([kept[self.kept - seen :], torch.cat([tags.unsqueeze(-1), inputs], dim=-1)])  # [S + T, N, …]
        together = min(self.window, len(rows))  # rows that no window leaves behind
        hidden = self.alone(rows[:together])[seen:]
        if together < len(rows):
            windows = rows[1:].unfold(0, self.window, 1).permute(3, 0, 1, 2)  # [window, steps beyond, N, …]
            portions = windows.flatten(1, 2).split(max(1, ROWS_AT_ONCE // self.window), dim=1)
            late = torch.cat([self.alone(portion)[-1] for portion in portions])
            hidden = torch.cat([hidden, late.unflatten(0, windows.shape[1:3])])
        return hidden, self.packed(rows)

    def alone(self, rows: Tensor) -> Tensor:
        """What inner makes of rows [T, N, row_width] with nothing before them."""
        return self.inner.advance(rows[..., 1:], rows[..., 0] == 1, self.inner.initial_carry(rows.shape[1]))[0]

    def packed(self, rows: Tensor) -> Tensor:
        """The carry: the last rows, cleared of what lies before the present episodes."""
        count = min(self.kept, len(rows))
        age = torch.arange(count - 1, -1, -1, device=rows.device)[:, None]
        rows = rows[len(rows) - count :] * (age < rows[-1, :, 0]).unsqueeze(-1)
        return functional.pad(rows.transpose(0, 1), (0, 0, self.kept - count, 0)).flatten(1)
