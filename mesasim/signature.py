"""Signatures: a SHA-256 over fixed rollouts of a world's variants, over fixed mazes of an algorithm with what is computed
about them, over problems, tours, sequences and regression data. Committed in tests/golden/signatures.json; every compiler,
instruction set, thread count and device must reproduce them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from mesasim import _core, mazes, regression, sequences, tsp
from mesasim.spec import load_spec
from mesasim.tsp.generation import GREEDY_HARD
from mesasim.vector import MesaVectorEnv

SLOTS, STEPS, SEED = 37, 160, 20260101


def fixed_actions(step: int, slots: int, num_actions: int) -> np.ndarray:
    """Arbitrary actions by integer arithmetic alone, the same on every machine: int64 [slots]."""
    x = (
        np.uint64(step) * np.uint64(0x9E3779B1) + np.arange(slots, dtype=np.uint64) * np.uint64(0x85EBCA77)
    ) & np.uint64(0xFFFFFFFF)
    x = ((x ^ (x >> np.uint64(15))) * np.uint64(0x2C1B3C6D)) & np.uint64(0xFFFFFFFF)
    return ((x ^ (x >> np.uint64(12))) % np.uint64(num_actions)).astype(np.int64)


def world_signature(world: str, device: str = "cpu", num_threads: int = 1) -> str:
    """Hex digest of everything the world's variants show in STEPS steps of SLOTS slots."""
    hasher = hashlib.sha256()
    for variant in load_spec(world).variants:
        options: dict[str, Any] = dict(variant)
        env = MesaVectorEnv(
            world,
            SLOTS,
            device=device,
            num_threads=num_threads,
            history=True,
            oracle=True,
            autoreset_mode="SameStep",
            **options,
        )
        env.reset(seed=SEED)
        for step in range(STEPS):
            env.step(fixed_actions(step, SLOTS, len(env.world_spec.actions)))
            for name, tensor in env.buffers.items():
                if name != "core/state":  # its bytes are the engine's business; what they lead to is not
                    hasher.update(tensor.cpu().numpy().tobytes())
    return hasher.hexdigest()


MAZE_SIZES = ((2, 2), (5, 7), (16, 16), (33, 20), (3, 200), (64, 64))


def maze_signature(algorithm: str, device: str = "cpu", num_threads: int = 1) -> str:
    """Hex digest of 37 mazes a size, plain and braided, and of every cell's distance to the last."""
    hasher = hashlib.sha256()
    for size in MAZE_SIZES:
        for options in ({}, {"braid": 0.3}):
            made = mazes.generate(
                SLOTS, size, algorithm, seed=SEED, first=5, device=device, num_threads=num_threads, **options
            )
            hasher.update(made.packed.cpu().numpy().tobytes())
            distances = made.distances(size[0] * size[1] - 1, num_threads=num_threads)
            hasher.update(distances.cpu().numpy().tobytes())
    return hasher.hexdigest()


def tours_signature(what: str, device: str = "cpu", num_threads: int = 1) -> str:
    """Hex digest of problems drawn ("drawn"), or of their tours as made ("constructed", "improved") or proved optimal
    ("held_karp", "branch_and_bound", with what the search counted)."""
    hasher = hashlib.sha256()
    where: dict[str, Any] = {"device": device, "num_threads": num_threads}

    def take(*tensors: Any) -> None:
        for tensor in tensors:
            hasher.update(tensor.cpu().numpy().tobytes())

    if what == "drawn":
        for name in sorted(set(tsp.distributions()) - {GREEDY_HARD}):  # which is for CPUs alone
            for n in (3, 17):
                take(tsp.generate(SLOTS, n, name, seed=SEED, first=5, **where))
        return hasher.hexdigest()
    sizes = {"held_karp": (3, 8, 11, 14), "branch_and_bound": (5, 13, 22)}.get(what, (3, 20))
    for n in sizes:
        for name in ("uniform", "grid"):
            given = tsp.generate(5, n, name, seed=SEED, **where)
            if what in ("constructed", "improved"):
                for method in tsp.CONSTRUCTIONS if what == "constructed" else tsp.IMPROVEMENTS:
                    call: Any = tsp.construct if what == "constructed" else tsp.improve
                    few = {"sweeps": 20} if method == "annealing" else {}
                    made = call(given, method=method, seed=SEED, **few, **where)
                    take(made.order, made.length)
            else:
                found = tsp.solve(given, what, seed=SEED, **where)
                take(found.order, found.length, found.lower_bound, found.optimal, found.nodes, found.one_trees)
    return hasher.hexdigest()


def sequences_signature(process: str, device: str = "cpu", num_threads: int = 1) -> str:
    """Hex digest of sequences and of what their exact filters know."""
    hasher = hashlib.sha256()
    give = ("filter", "oracle", "filter_log", "oracle_log", "hidden")
    made = sequences.generate(
        process, SLOTS, STEPS, seed=SEED, first=5, give=give, device=device, num_threads=num_threads
    )
    for name in ("symbols", *give):
        value = getattr(made, name)
        if value is not None:
            hasher.update(value.cpu().numpy().tobytes())
    return hasher.hexdigest()


def regression_signature(num_tasks: int, device: str = "cpu", num_threads: int = 1) -> str:
    """Hex digest of regression data with fresh (0) or `num_tasks` tasks."""
    made = regression.generate(SLOTS, num_tasks=num_tasks, seed=SEED, first=5, device=device, num_threads=num_threads)
    hasher = hashlib.sha256()
    for name in ("task", "w", "x", "y"):
        hasher.update(getattr(made, name).cpu().numpy().tobytes())
    return hasher.hexdigest()


TOURS = ("drawn", "constructed", "improved", "held_karp", "branch_and_bound")


def signed() -> dict[str, Callable[[str, int], str]]:
    """What is signed, by name: worlds by their id, and "mazes/…", "tours/…", "sequences/…", "regression/…". Each takes a
    device and a number of threads and gives its signature."""
    found: dict[str, Callable[[str, int], str]] = {name: partial(world_signature, name) for name in _core.world_ids()}
    found |= {f"mazes/{name}": partial(maze_signature, name) for name in mazes.algorithms()}
    found |= {f"tours/{what}": partial(tours_signature, what) for what in TOURS}
    found |= {f"sequences/{name}": partial(sequences_signature, name) for name in sequences.processes()}
    return found | {f"regression/{n}": partial(regression_signature, n) for n in (0, 8)}


def signatures(device: str = "cpu", num_threads: int = 1) -> dict[str, str]:
    """Name → signature of all that is signed."""
    return {name: signature(device, num_threads) for name, signature in signed().items()}
