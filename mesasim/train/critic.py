"""Where a trainer's values come from: the agent's own head, which has seen what the agent has, or a network on the world's
oracle (asymmetric actor-critic, Pinto et al. 2017, "Asymmetric actor critic for image-based robot learning"). The latter
serves training alone: no agent sees an oracle, and what is evaluated is the agent."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mesasim.agents.base import Observation
from mesasim.agents.encoding import Encoder, FieldShape
from mesasim.agents.network import small_linear
from mesasim.agents.stateless import trunk


class OwnCritic(nn.Module):
    """The agent's value head; it has no weights of its own."""

    horizon = 1.0

    def set_horizon(self, discount: float, steps: int) -> None:
        """Called before each update; `steps`: of a rollout."""

    def forward(self, own: Tensor, oracle: Observation) -> Tensor:
        """Values [T, N] from the agent's own [T, N] and the oracle's fields [T, N, *shape]."""
        return own


class OracleCritic(nn.Module):
    """An MLP on the oracle's fields. `horizon` scales its output, so that it learns numbers of about one reward whatever the
    discount."""

    def __init__(self, fields: Sequence[FieldShape], hidden: int = 64, layers: int = 2) -> None:
        super().__init__()
        self.encoder = Encoder(fields)
        self.net = nn.Sequential(trunk(self.encoder.width, hidden, layers), small_linear(hidden, 1, 1.0))
        self.register_buffer(
            "horizon", torch.ones(()), persistent=False
        )  # a tensor, since recorded updates find it changed
        self.horizon: Tensor

    def set_horizon(self, discount: float, steps: int) -> None:
        self.horizon.fill_(min(1 / (1 - discount), float(steps)) if discount < 1 else float(steps))

    def forward(self, own: Tensor, oracle: Observation) -> Tensor:
        return self.horizon * self.net(self.encoder(oracle)).squeeze(-1)
