"""Scripted agents of the maze world: explorers, reflexes, searchers of known depth and a planted misgeneraliser. Their
rules are native (csrc/maze/agents.h); what each sees and remembers is listed here. None but the last sees the oracle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mesasim import _core
from mesasim.agents.base import Observation, OracleFollower, ScriptedAgent
from mesasim.buffers import address
from mesasim.machine import integer, machine
from mesasim.spec import load_spec

WINDOW, GRID, ORACLE = "window", "grid", "oracle"


@dataclass(frozen=True)
class MazeReference:
    """A reference agent: its nature, what it sees, and what it does."""

    nature: str
    sight: str  # WINDOW: tiles around it; GRID: the whole grid; ORACLE: the world's own answer
    what: str


REFERENCES = {
    "random": MazeReference("random", WINDOW, "every action uniformly at random"),
    "wall_follower_left": MazeReference("reflex", WINDOW, "keeps its left hand on the wall; remembers its heading"),
    "wall_follower_right": MazeReference("reflex", WINDOW, "keeps its right hand on the wall; remembers its heading"),
    "depth_first_explorer": MazeReference(
        "explorer", WINDOW, "remembers where it was; goes where it was not, else back"
    ),
    "frontier_explorer": MazeReference(
        "searcher", WINDOW, "draws a map; breadth-first to the goal on it, else to the nearest side not yet seen"
    ),
    "greedy": MazeReference("reflex", GRID, "to the open neighbour nearest to the goal as the crow flies"),
    "lookahead": MazeReference(
        "searcher", GRID, "of the cells within `depth` steps, towards the one nearest to the goal as the crow flies"
    ),
    "breadth_first_planner": MazeReference("searcher", GRID, "a shortest way to the goal, searched anew at every step"),
    "corner_seeker": MazeReference(
        "misgeneraliser", GRID, "a shortest way to the top-right corner, where the goal was in training"
    ),
    "oracle_follower": MazeReference("oracle", ORACLE, "the first action the world calls optimal"),
}
NATIVE = tuple(name for name, reference in REFERENCES.items() if reference.sight != ORACLE)  # in the engine's order


def needed_options(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """The world's options under which the agent sees what it must; the tasks stay the same, since sight draws nothing."""
    sight, view = REFERENCES[name].sight, options.get("view", _default("view"))
    if sight == GRID:
        return {**options, "view": 0}
    return {**options, "view": 5} if sight == WINDOW and view == 0 else dict(options)


def _default(option: str) -> Any:
    return next(o.default for o in load_spec("Maze-v0").options if o.name == option)


class NativeMazeAgent(ScriptedAgent):
    """One of `REFERENCES` by name.

    Args:
        name: any but "oracle_follower".
        size: cells a side of the world's mazes, 3 to 64.
        seed: of the random agent's actions.
        depth: steps the lookahead looks ahead, 1 to 4096.
        region: side of the corner region the corner-seeker was trained on, 1 to size.
        num_threads: CPU threads; default: every core.

    The observation must hold `view` as `needed_options(name, …)` sets it, and `trial_start` (the engine's history) if
    there are several trials. The carry is uint8 [N, bytes]: the agent's map. Actions are compass moves, and an explorer
    reckons where it is from those it made: it is lost on a slippery floor.
    """

    def __init__(
        self, name: str, size: int, seed: int = 0, depth: int = 8, region: int = 1, num_threads: int | None = None,
        num_actions: int = 4,
    ) -> None:  # fmt: skip
        if name not in NATIVE:
            raise ValueError(f"name: got {name!r}, allowed: {', '.join(NATIVE)}")
        self.size = integer("size", size, 3, 64)
        super().__init__(num_actions, _core.maze_agent_memory_bytes(self.size), seed)
        self.kind, self.whole = NATIVE.index(name), REFERENCES[name].sight == GRID
        self.depth, self.region = integer("depth", depth, 1, 4096), integer("region", region, 1, self.size)
        self.seed, self.num_threads = integer("seed", seed, 0, 2**64 - 1), num_threads

    def initial_carry(self, num_slots: int) -> Tensor:
        return torch.zeros(num_slots, self.carry_width, dtype=torch.uint8)

    def act(self, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        view = obs["view"].contiguous()
        side = view.shape[1]
        if view.dtype != torch.uint8 or view.dim() != 3 or view.shape[2] != side:
            raise ValueError(f"view: got {view.dtype} {tuple(view.shape)}, allowed: torch.uint8 (N, side, side)")
        if self.whole and side != 2 * self.size + 1:
            raise ValueError(f"view: got side {side}, allowed: {2 * self.size + 1}, the whole grid")
        if not self.whole and side % 2 == 0:
            raise ValueError(f"view: got side {side}, allowed: odd, the agent in the middle")
        starts = obs["trial_start"].contiguous() if "trial_start" in obs else None
        memory = carry.clone(memory_format=torch.contiguous_format)
        action = torch.empty(len(view), dtype=torch.int32, device=view.device)
        _core.maze_agents_act(
            kind=self.kind, size=self.size, side=side, relayout=False, depth=self.depth, region=self.region,
            seed=self.seed, count=len(view), view=address(view), trial_start=address(starts), memory=address(memory),
            action=address(action), machine=machine(view.device, self.num_threads),
        )  # fmt: skip
        return action.long(), memory


def make_reference(name: str, options: dict[str, Any], seed: int = 0) -> ScriptedAgent:
    """The reference agent for a maze world with these options."""
    if name == "oracle_follower":
        return OracleFollower(num_actions=4, seed=seed)
    return NativeMazeAgent(name, options.get("size", _default("size")), seed)
