"""Signatures: a SHA-256 over fixed rollouts of a world's variants, and over fixed mazes of an algorithm with what is
computed about them. Committed in tests/golden/signatures.json; every compiler, instruction set, thread count and device
must reproduce them."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from mesasim import _core, mazes
from mesasim.spec import load_spec
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


def signatures(device: str = "cpu", num_threads: int = 1) -> dict[str, str]:
    """World id → signature, and "mazes/ALGORITHM" → signature."""
    found = {world: world_signature(world, device, num_threads) for world in _core.world_ids()}
    return found | {f"mazes/{name}": maze_signature(name, device, num_threads) for name in mazes.algorithms()}
