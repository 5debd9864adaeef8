"""Which work of a peer is put beside which of ours. A peer runs with the number of environments, and in the mode, that a sweep
found fastest for it (most: 256 to 65,536 environments, MiniGrid: 32; loops compiled or called step by step)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

GROUPS = ("stepping", "mazes", "tours", "training")
UNITS = {"stepping": "steps", "mazes": "mazes", "tours": "tours", "training": "steps"}


@dataclass(frozen=True)
class Pair:
    """A row of the table: `theirs` and `ours` are works as the workers take them; ours is None where nothing here is
    comparable."""

    peer: str
    what: str
    """The peer's environment, algorithm or method."""
    theirs: dict[str, Any] = field(repr=False)
    ours: dict[str, Any] | None = field(repr=False)
    beside: str
    """Ours, in words."""
    aim: float | None = None
    """Times as many units a CPU second as the peer."""
    note: str = ""
    longer: float = 1
    """A round of it is as many times as long as of others: a training's call takes a second."""

    @property
    def group(self) -> str:
        return self.theirs["kind"]


def pairs(
    groups: tuple[str, ...] = GROUPS, *, maze_sizes: tuple[int, ...] = (16,), cities: tuple[int, ...] = (10, 20, 50)
) -> list[Pair]:
    """Every row of the groups."""
    for group in groups:
        if group not in GROUPS:
            raise ValueError(f"only: got {group!r}, allowed: {', '.join(GROUPS)}")
    made = {
        "stepping": stepping, "mazes": lambda: mazes(maze_sizes), "tours": lambda: tours(cities), "training": training,
    }  # fmt: skip
    return [pair for group in groups for pair in made[group]()]


def _world(world: str, num_envs: int = 4096, max_episode_steps: int | None = None, **options: Any) -> dict[str, Any]:
    return {
        "kind": "stepping", "world": world, "options": options, "num_envs": num_envs,
        "max_episode_steps": max_episode_steps,
    }  # fmt: skip


def _env(env: str, num_envs: int, **settings: Any) -> dict[str, Any]:
    return {"kind": "stepping", "env": env, "num_envs": num_envs, **settings}


def stepping() -> list[Pair]:
    """Random actions, automatic reset; ours draws a maze or task anew for every episode."""
    bandit = _world("Bandit-v0", 65536, arms=2, pulls=100, clock=True)
    gaussian = _world("Bandit-v0", 65536, arms=2, pulls=100, clock=True, reward="gaussian")
    window = _world("Maze-v0", 4096, 1922, size=15, view=11)
    room = {"algorithm": "percolation", "p": 1.0}
    open_room = _world("Maze-v0", 4096, 44, size=5, view=0, **room)
    small = _world("Maze-v0", 4096, 100, size=5, view=0)
    four_rooms = _world("Maze-v0", 4096, 100, size=9, view=7, moves="facing")
    empty = _world("Maze-v0", 4096, 256, size=4, view=7, moves="facing", **room)
    meta_maze = _world("Maze-v0", 4096, 200, size=6, view=3, trials=1000)
    small_window = _world("Maze-v0", 4096, 500, size=6, view=3)
    objects = _world("Maze-v0", 4096, 243, size=4, view=5, moves="facing", objects=2)
    corridor = _world("Corridor-v0", 65536)
    tour = _world("Tour-v0", 4096, n=20)
    in_place = "theirs is edited in place, 2 bytes a step; its own horizon differs with the target"
    one_maze = "its maze is one and the same"
    return [
        Pair(
            "pufferlib", "squared", _env("squared", 256), open_room, "Maze 11×11 tiles without walls, seen whole",
            note=in_place,
        ),
        Pair(
            "pufferlib", "grid, mazes 31×31, view 11×11",
            _env("grid", 1024, options={"max_size": 31, "map_size": 31}), window, "Maze 31×31 tiles, view 11×11", aim=4,
            note="theirs: one of 1,000 mazes made beforehand; ours: a new maze an episode",
        ),
        Pair("pufferlib", "cartpole", _env("cartpole", 4096, options={"report_interval": 128}), None, ""),
        Pair(
            "gymnax", "BernoulliBandit", _env("BernoulliBandit-misc", 16384, mode="calls"), bandit,
            "Bandit, 2 arms × 100 pulls, clock shown", aim=5,
        ),
        Pair(
            "gymnax", "GaussianBandit", _env("GaussianBandit-misc", 16384, mode="scan"), gaussian,
            "Bandit, 2 arms × 100 pulls, gaussian, clock shown",
        ),
        Pair(
            "gymnax", "MetaMaze", _env("MetaMaze-misc", 16384, mode="scan"), meta_maze,
            "Maze 13×13 tiles, view 3×3, 200 steps of trials", note=one_maze,
        ),
        Pair(
            "gymnax", "FourRooms", _env("FourRooms-misc", 16384, mode="scan"), small_window,
            "Maze 13×13 tiles, view 3×3", note=f"{one_maze}; theirs sees coordinates",
        ),
        Pair(
            "jumanji", "Maze, its own auto-reset", _env("Maze-v0", 1024, mode="scan"), small,
            "Maze 11×11 tiles, seen whole, 100 steps", aim=100,
        ),
        Pair(
            "jumanji", "Maze, reset only where due", _env("Maze-v0", 16384, mode="calls", reset="lazy"), small,
            "Maze 11×11 tiles, seen whole, 100 steps", note="a reset written for it here",
        ),
        Pair("jumanji", "TSP, 20 cities", _env("TSP-v1", 16384, mode="scan"), tour, "Tour, 20 cities"),
        Pair(
            "xland-minigrid", "MiniGrid-FourRooms", _env("MiniGrid-FourRooms", 256, mode="scan"), four_rooms,
            "Maze 19×19 tiles, 7×7 ahead, 100 steps",
        ),
        Pair(
            "xland-minigrid", "MiniGrid-Empty-8x8", _env("MiniGrid-Empty-8x8", 1024, mode="scan"), empty,
            "Maze 9×9 tiles without walls, 7×7 ahead",
        ),
        Pair(
            "xland-minigrid", "XLand R1 9×9", _env("XLand-MiniGrid-R1-9x9", 1024, mode="calls"), objects,
            "Maze 9×9 tiles, 2 objects, 5×5 ahead",
        ),
        Pair(
            "minigrid", "FourRooms", _env("MiniGrid-FourRooms-v0", 32), four_rooms,
            "Maze 19×19 tiles, 7×7 ahead, 100 steps", aim=100,
        ),
        Pair(
            "minigrid", "Empty-8x8", _env("MiniGrid-Empty-8x8-v0", 32), empty,
            "Maze 9×9 tiles without walls, 7×7 ahead", aim=100,
        ),
        Pair("envpool", "FrozenLake", _env("FrozenLake-v1", 1024), corridor, "Corridor", note="both see one number"),
        Pair(
            "envpool", "Jumanji/Maze", _env("Jumanji/Maze-v0", 256), small, "Maze 11×11 tiles, seen whole, 100 steps",
            note="16 % of theirs have no solution",
        ),
        Pair("envpool", "Jumanji/TSP, 20 cities", _env("Jumanji/TSP-v1", 256), tour, "Tour, 20 cities"),
        Pair(
            "envpool", "MiniGrid-FourRooms", _env("MiniGrid-FourRooms-v0", 256), four_rooms,
            "Maze 19×19 tiles, 7×7 ahead, 100 steps",
        ),
        Pair("envpool", "Catch", _env("Catch-v0", 4096), None, ""),
        Pair("envpool", "CartPole", _env("CartPole-v1", 4096), None, ""),
        Pair("pgx", "tic_tac_toe", _env("tic_tac_toe", 16384, mode="scan"), None, ""),
    ]  # fmt: skip


MAZES = {
    "maze-dataset": (
        "depth_first", "wilson", "kruskal", "prim_cell", "recursive_division", "percolation", "depth_first_percolation",
    ),
    "mazelib": (
        "depth_first", "wilson", "kruskal", "prim_cell", "aldous_broder", "hunt_and_kill", "binary_tree", "sidewinder",
        "eller", "recursive_division", "growing_tree",
    ),
}  # fmt: skip
MAZE_OPTIONS = {"percolation": {"p": 0.6}, "depth_first_percolation": {"p": 0.1}}  # ours, as the workers set theirs


def mazes(sizes: tuple[int, ...]) -> list[Pair]:
    """New mazes, alone and with a shortest path between opposite corners."""
    made = []
    for peer, algorithms in MAZES.items():
        for algorithm in algorithms:
            for mode in ("generate", "solve"):
                for size in sizes:
                    asked = {"kind": "mazes", "algorithm": algorithm, "mode": mode, "size": size}
                    ours = {**asked, "count": 4096, "options": MAZE_OPTIONS.get(algorithm, {})}
                    path = ", with a path" if mode == "solve" else ""
                    made.append(Pair(peer, f"{algorithm} {size}×{size}{path}", asked, ours, "the same"))
    return made


METHODS = {  # peer → method → the most cities it is asked for
    "ortools": {"CP-SAT AddCircuit": 20, "routing, cheapest arc": 256, "routing, guided 1 s": 100},
    "elkai": {"LKH, 1 run": 256, "LKH, 10 runs": 50},
    "pyvrp": {"0.5 s": 100},
    "python-tsp": {
        "dynamic programming": 10, "branch and bound": 10, "local search": 20, "Lin–Kernighan": 10,
    },
    "fast-tsp": {"find_tour 1 ms": 256, "find_tour 10 ms": 256, "solve_tsp_exact": 15},
    "highspy": {"lazy subtours": 50},
}  # fmt: skip
INSTANCES = 100


def points(n: int) -> list[list[list[float]]]:
    """INSTANCES × n points, uniform in the unit square."""
    drawn = torch.rand(INSTANCES, n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(n))
    return drawn.tolist()


def tours(cities: tuple[int, ...]) -> list[Pair]:
    """Uniform instances; ours proves that its tours are optimal, and solves those that the peer just did."""
    made = []
    for peer, methods in METHODS.items():
        for method, most in methods.items():
            for n in cities:
                if n <= most:
                    asked = {"kind": "tours", "n": n, "points": points(n)}
                    theirs = {**asked, "method": method}
                    made.append(Pair(peer, f"{method}, n = {n}", theirs, asked, "solve, proof included"))
    return made


def training() -> list[Pair]:
    """PPO on a bandit of 5 arms × 10 pulls: 20,480 steps an iteration, 4 epochs, 4 minibatches, 64 units, linear heads.
    Aims are of equal networks alone."""
    same = {"kind": "training", "epochs": 4, "minibatches": 4, "hidden": 64}
    at_once = {**same, "num_envs": 2048, "rollout_steps": 10}
    ours = {**at_once, "hide": ["pull"]}  # always 0 without a clock, and no input of theirs
    peers = (
        # 512 × 40: 36 thousand steps a CPU second; 2,048 × 10: 32; 64 × 320: 29
        ("sb3-contrib", "RecurrentPPO, LSTM-64", {**same, "num_envs": 512, "rollout_steps": 40}, 10),
        ("pufferlib", "PuffeRL, LSTM-64", at_once, 1.5),
    )
    return [
        Pair(peer, f"{what} beside our {network.upper()}", theirs, {**ours, "network": network},
             f"PPO, {network.upper()}-64", aim if network == "lstm" else None, longer=5)
        for peer, what, theirs, aim in peers
        for network in ("lstm", "gru")
    ]  # fmt: skip
