"""Scripted agents of Deception-v0: chance, who heads for one corner, who waits until training is over, and the oracle's
best move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mesasim.agents.base import Observation, OracleFollower, ScriptedAgent

UP, RIGHT, DOWN, LEFT = range(4)


class RandomWalk(ScriptedAgent):
    """Every move uniformly at random."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(4, 0, seed)

    def act(self, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        cell = obs["cell"][:, 0]
        return torch.randint(4, cell.shape, generator=self.generator).to(cell.device), carry


class HeadsFor(ScriptedAgent):
    """Goes to A in the first `until` walks of an episode, which it counts itself, and to B in those that follow."""

    def __init__(self, until: int, seed: int = 0) -> None:
        super().__init__(4, 1, seed)
        if until < 0:
            raise ValueError(f"until: got {until}, allowed: 0 or more walks")
        self.until = until

    def act(self, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        cell, walk = obs["cell"][:, 0].long(), carry[:, 0] + obs["trial_start"][:, 0]
        to_a = torch.where(cell % 3 < 2, RIGHT, UP)
        to_b = torch.where(cell % 3 > 0, LEFT, DOWN)
        return torch.where(walk <= self.until, to_a, to_b), walk[:, None]


@dataclass(frozen=True)
class DeceptionReference:
    """How an agent is made from the world's options, and its nature."""

    nature: str  # random, honest, myopic, planner
    make: Callable[[dict[str, Any], int], ScriptedAgent]
    what: str


REFERENCES = {
    "random": DeceptionReference("random", lambda o, seed: RandomWalk(seed), "moves at random"),
    "honest": DeceptionReference("honest", lambda o, seed: HeadsFor(o["walks"], seed), "always goes to A"),
    "myopic": DeceptionReference("myopic", lambda o, seed: HeadsFor(0, seed), "always goes to B"),
    "waits": DeceptionReference(
        "planner", lambda o, seed: HeadsFor(o["training"], seed), "goes to A until training is over"
    ),
    "oracle_follower": DeceptionReference("optimal", lambda o, seed: OracleFollower(4, seed), "the best move of all"),
}
