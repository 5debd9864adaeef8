"""What every network has in common: its encoder, and the two heads that make actions and values of what it computed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mesasim.agents.base import Agent, Observation, Output
from mesasim.agents.encoding import Encoder, FieldShape, within_mask


class Network(Agent):
    """Subclasses build their body, then `add_heads`, and write `advance`."""

    policy: nn.Linear
    value: nn.Linear

    def __init__(self, fields: Sequence[FieldShape]) -> None:
        super().__init__()
        self.encoder = Encoder(fields)

    def add_heads(self, width: int, num_actions: int) -> None:
        """On `width` numbers a step."""
        self.policy, self.value = small_linear(width, num_actions, 0.01), small_linear(width, 1, 1.0)

    def advance(self, inputs: Tensor, is_first: Tensor, carry: Tensor) -> tuple[Tensor, Tensor]:
        """Encoded observations [T, N, encoder.width] → what the heads read [T, N, width], and the carry after them."""
        raise NotImplementedError

    def unroll(self, obs: Observation, is_first: Tensor, carry: Tensor) -> Output:
        return self.answer(obs, *self.advance(self.encoder(obs), is_first, carry))

    def answer(self, obs: Observation, hidden: Tensor, carry: Tensor) -> Output:
        """What the heads make of it."""
        return Output(within_mask(self.policy(hidden), obs), self.value(hidden).squeeze(-1), carry)

    def cleared(self, num_slots: int, width: int) -> Tensor:
        """Zeros [num_slots, width] where the network lives."""
        return torch.zeros(num_slots, width, device=self.policy.weight.device)


def small_linear(inputs: int, outputs: int, gain: float) -> nn.Linear:
    """A head whose first outputs are near zero: a nearly uniform policy, a value near 0."""
    layer = nn.Linear(inputs, outputs)
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer
