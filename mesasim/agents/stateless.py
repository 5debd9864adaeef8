"""Agents without memory. Their carry has width zero; same interface, so a trainer never branches on memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mesasim.agents.base import Agent, Observation, Output
from mesasim.agents.encoding import HISTORY_FIELDS, Encoder, FieldShape, small_linear, within_mask


def trunk(inputs: int, hidden: int, layers: int) -> nn.Sequential:
    """`layers` of Linear + tanh."""
    parts: list[nn.Module] = []
    for layer in range(layers):
        parts += [nn.Linear(inputs if layer == 0 else hidden, hidden), nn.Tanh()]
    return nn.Sequential(*parts)


class MLP(Agent):
    """Sees the present observation of the world and nothing else: the engine's history fields are withheld, since the
    last action and reward are already a memory of one."""

    def __init__(self, fields: Sequence[FieldShape], num_actions: int, hidden: int = 64, layers: int = 2) -> None:
        super().__init__()
        self.encoder = Encoder([field for field in fields if field.name not in HISTORY_FIELDS])
        self.trunk = trunk(self.encoder.width, hidden, layers)
        self.policy, self.value = small_linear(hidden, num_actions, 0.01), small_linear(hidden, 1, 1.0)

    def initial_carry(self, num_slots: int) -> Tensor:
        return torch.zeros(num_slots, 0, device=self.policy.weight.device)

    def unroll(self, obs: Observation, is_first: Tensor, carry: Tensor) -> Output:
        hidden = self.trunk(self.encoder(obs))
        return Output(within_mask(self.policy(hidden), obs), self.value(hidden).squeeze(-1), carry)
