"""Scripted agents for Maze-v0, of known nature: a random walker, wall-followers (reflexes with a heading), and a
breadth-first planner (full knowledge)."""

from __future__ import annotations

import torch
from torch import Tensor

from mesasim.agents.base import Observation, ScriptedAgent

ROW_STEP = torch.tensor([-1, 0, 1, 0])  # up, right, down, left
COL_STEP = torch.tensor([0, 1, 0, -1])


class RandomWalker(ScriptedAgent):
    """Every action uniformly at random."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__(4, 0, seed)

    def act(self, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        return torch.randint(4, (carry.shape[0],), generator=self.generator), carry


class WallFollower(ScriptedAgent):
    """Keeps one hand on the wall: of the open ways, takes the first in the order hand side, ahead, other side, back.
    Sees only the four tiles around it; remembers only its heading (carry [N, 1]). In a perfect maze it walks the tree's
    contour and reaches every goal within 2 (cells - 1) steps."""

    def __init__(self, side: str = "right", seed: int = 0) -> None:
        if side not in ("left", "right"):
            raise ValueError(f"side: got {side!r}, allowed: 'left', 'right'")
        super().__init__(4, 1, seed)
        turn = 1 if side == "right" else 3
        self.preference = torch.tensor([turn, 0, 4 - turn, 2])

    def act(self, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        view = obs["view"]
        middle = view.shape[1] // 2
        open_ways = torch.stack(
            [view[:, middle + r, middle + c] != 0 for r, c in zip(ROW_STEP, COL_STEP, strict=True)], 1
        )
        order = (carry.long() + self.preference) % 4  # [N, 4]: directions, best first
        choice = open_ways.gather(1, order).float().argmax(dim=1)
        action = order.gather(1, choice[:, None])
        return action.squeeze(1), action.float()


class Planner(ScriptedAgent):
    """Breadth-first planner: takes the first action that shortens the way to the goal, known to the world's oracle."""

    needs_oracle = True

    def __init__(self, seed: int = 0) -> None:
        super().__init__(4, 0, seed)

    def act(self, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        return obs["oracle/optimal_actions"].float().argmax(dim=1), carry


REFERENCES = {
    "random": ("random", RandomWalker),
    "wall_follower_left": ("reflex", lambda seed=0: WallFollower("left", seed)),
    "wall_follower_right": ("reflex", lambda seed=0: WallFollower("right", seed)),
    "breadth_first_planner": ("searcher", Planner),
}
