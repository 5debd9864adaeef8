"""Scripted agents of the tour worlds: chance, greed, and the world's own answer. None but the last sees the oracle; how
tours are solved elsewhere is another matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mesasim.agents.base import Observation, OracleFollower, ScriptedAgent

GRID = 2**20  # steps a side of the grid that cities stand on (csrc/worlds/tour/cities.h)
EXACT_CITIES = 16  # as far as the oracle knows the optimum (csrc/worlds/tour/completions.h)


class RandomTour(ScriptedAgent):
    """Every action uniformly at random; of those that `action_mask` allows, where there is one."""

    def __init__(self, num_actions: int, seed: int = 0) -> None:
        super().__init__(num_actions, 0, seed)

    def act(self, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        coordinates = obs["coordinates"]
        lots = torch.rand(len(coordinates), self.num_actions, generator=self.generator).to(coordinates.device)
        if "action_mask" in obs:
            lots = lots.masked_fill(~obs["action_mask"], -1.0)
        return lots.argmax(dim=1), carry


class NearestNeighbour(ScriptedAgent):
    """Tour-v0: the nearest city not yet visited, the first among equals, in the world's own whole numbers."""

    def __init__(self, num_actions: int, seed: int = 0) -> None:
        super().__init__(num_actions, 0, seed)

    def act(self, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        points = _points(obs)
        here = points.gather(1, obs["current"].long()[:, :, None].expand(-1, -1, 2))
        away = (points - here).square().sum(dim=2)
        return away.masked_fill(~obs["action_mask"], torch.iinfo(away.dtype).max).argmin(dim=1), carry


class SteepestDescent(ScriptedAgent):
    """TourEdit-v0 with 2-opt moves: the one that shortens the tour most, the first among equals; at a local optimum the
    one that lengthens it least."""

    def __init__(self, num_actions: int, n: int, seed: int = 0) -> None:
        super().__init__(num_actions, 0, seed)
        moves = [(i, j) for i in range(n) for j in range(i + 2, n) if (i, j) != (0, n - 1)]
        self.ends = torch.tensor(moves).T  # [2, moves]: edges (i, i + 1) and (j, j + 1) are replaced

    def act(self, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        order = obs["tour"].long()
        walk = _points(obs).gather(1, order[:, :, None].expand(-1, -1, 2))  # the points in the tour's order
        i, j = self.ends.to(walk.device)
        next_i, next_j = (i + 1) % order.shape[1], (j + 1) % order.shape[1]

        def length(a: Tensor, b: Tensor) -> Tensor:
            away = (walk[:, a] - walk[:, b]).square().sum(dim=2)
            return (away.double().sqrt() + 0.5).floor()

        saved = length(i, next_i) + length(j, next_j) - length(i, j) - length(next_i, next_j)
        return saved.argmax(dim=1), carry


def _points(obs: Observation) -> Tensor:
    """int64 [N, n, 2]: the cities in steps of the grid, exact."""
    return (obs["coordinates"] * GRID).long()


@dataclass(frozen=True)
class TourReference:
    """A reference agent: its nature, what it does, how it is made (options in full, seed), and where it can play."""

    nature: str
    what: str
    make: Callable[[dict[str, Any], int, int], ScriptedAgent]  # (options, number of actions, seed)
    fits: Callable[[dict[str, Any]], bool] = lambda options: True


REFERENCES = {
    "Tour-v0": {
        "random": TourReference("random", "any city not yet visited", lambda o, actions, seed: RandomTour(actions, seed)),
        "nearest_neighbour": TourReference(
            "reflex", "the nearest city not yet visited", lambda o, actions, seed: NearestNeighbour(actions, seed)
        ),
        "oracle_follower": TourReference(
            "oracle", f"the first action the world calls optimal; n <= {EXACT_CITIES}",
            lambda o, actions, seed: OracleFollower(actions, seed), lambda o: o["n"] <= EXACT_CITIES,
        ),
    },
    "TourEdit-v0": {
        "random": TourReference("random", "any edit", lambda o, actions, seed: RandomTour(actions, seed)),
        "steepest_descent": TourReference(
            "searcher", "the 2-opt move that shortens the tour most",
            lambda o, actions, seed: SteepestDescent(actions, o["n"], seed), lambda o: o["moves"] != "resample",
        ),
    },
}  # fmt: skip
