"""Agents that see the last k observations, history fields and all, and nothing older. k = 1 remembers one action and
reward (the floor a learner must beat); k = a whole episode forgets nothing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mesasim.agents.encoding import FieldShape
from mesasim.agents.network import Network
from mesasim.agents.stateless import trunk


class Window(Network):
    """An MLP over the last `window` observations; those from before the episode's first step are zeros. The carry holds
    the window - 1 encodings before the present one, the newest last."""

    def __init__(
        self, fields: Sequence[FieldShape], num_actions: int, hidden: int = 64, layers: int = 2, window: int = 1
    ) -> None:
        super().__init__(fields)
        if window < 1:
            raise ValueError(f"window: got {window}, allowed: 1 or more steps")
        self.window = window
        self.trunk = trunk(window * self.encoder.width, hidden, layers)
        self.add_heads(hidden, num_actions)

    def initial_carry(self, num_slots: int) -> Tensor:
        return self.cleared(num_slots, (self.window - 1) * self.encoder.width)

    def advance(self, inputs: Tensor, is_first: Tensor, carry: Tensor) -> tuple[Tensor, Tensor]:
        steps, slots = is_first.shape
        past = carry.reshape(slots, self.window - 1, self.encoder.width).transpose(0, 1)
        seen = torch.cat([past, inputs])  # [window - 1 + T, N, F]
        # The step at which the episode under way at t began; what lies before is not to be seen.
        index = torch.arange(steps, device=is_first.device)[:, None]
        began = torch.where(is_first, index, -self.window).cummax(dim=0).values
        lags = []
        for lag in reversed(range(self.window)):
            visible = (index - lag >= began).unsqueeze(-1)
            start = self.window - 1 - lag
            lags.append(seen[start : start + steps] * visible)
        return self.trunk(torch.cat(lags, dim=-1)), self._next_carry(seen, began[-1], steps)

    def _next_carry(self, seen: Tensor, began: Tensor, steps: int) -> Tensor:
        kept = seen[steps:]  # the last window - 1 encodings, of steps `steps - window + 1` to `steps - 1`
        step_of = torch.arange(steps - self.window + 1, steps, device=seen.device)[:, None]
        kept = kept * (step_of >= began).unsqueeze(-1)
        return kept.transpose(0, 1).reshape(seen.shape[1], -1)
