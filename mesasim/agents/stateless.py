"""Agents without memory. Their carry has width zero; same interface, so a trainer never branches on memory."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from mesasim.agents.encoding import HISTORY_FIELDS, FieldShape
from mesasim.agents.network import Network


def trunk(inputs: int, hidden: int, layers: int) -> nn.Sequential:
    """`layers` of Linear + tanh."""
    parts: list[nn.Module] = []
    for layer in range(layers):
        parts += [nn.Linear(inputs if layer == 0 else hidden, hidden), nn.Tanh()]
    return nn.Sequential(*parts)


class MLP(Network):
    """Sees the present observation of the world and nothing else: the engine's history fields are withheld, since the
    last action and reward are already a memory of one."""

    def __init__(self, fields: Sequence[FieldShape], num_actions: int, hidden: int = 64, layers: int = 2) -> None:
        super().__init__([field for field in fields if field.name not in HISTORY_FIELDS])
        self.trunk = trunk(self.encoder.width, hidden, layers)
        self.add_heads(hidden, num_actions)

    def initial_carry(self, num_slots: int) -> Tensor:
        return self.cleared(num_slots, 0)

    def advance(self, inputs: Tensor, is_first: Tensor, carry: Tensor) -> tuple[Tensor, Tensor]:
        return self.trunk(inputs), carry
