"""End-to-end environment steps a second of PPO, and where the time goes: simulator, the agent's forward passes (in the
rollout and in the update), backward passes with the optimiser's step. Networks are measured in turn, round by round. Steps a
second are by the host's clock up to the metrics, for which it waits; shares on a GPU are by events on its stream, and not
known where the work is recorded as CUDA graphs."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Sequence
from typing import Any

from mesasim.agents import NetworkConfig
from mesasim.devices import check_device
from mesasim.progress import counter
from mesasim.train.ppo import PPOConfig, Trainer
from mesasim.train.recording import WARM_UPS

SHARES = ("simulator_share", "forward_share", "backward_share", "rest_share")


def bench_train(
    worlds: dict[str, dict[str, Any]], networks: list[NetworkConfig], num_threads: list[int], *, num_envs: int,
    rollout_steps: int, epochs: int, minibatches: int, rounds: int, device: str = "cpu",
    cuda_graphs: Sequence[str] = ("auto",),
) -> list[dict[str, Any]]:  # fmt: skip
    """A row a world, network, number of threads and way with CUDA graphs; medians over `rounds` iterations after `uncounted`."""
    check_device(device)
    cases: list[tuple[PPOConfig, Trainer, list[dict[str, float]]]] = []
    for world, options in worlds.items():
        for network, threads, graphs in itertools.product(networks, num_threads, cuda_graphs):
            config = PPOConfig(
                world=world, options=options, network=network, num_envs=num_envs, rollout_steps=rollout_steps,
                epochs=epochs, minibatches=minibatches, num_threads=threads, iterations=rounds + uncounted(device),
                device=device, cuda_graphs=graphs,
            )  # fmt: skip
            cases.append((config, Trainer(config), []))
    done = counter("bench train", len(cases) * (rounds + uncounted(device)))
    for _ in range(rounds + uncounted(device)):
        for config, trainer, seen in cases:
            trainer.set_threads()
            spent = time.process_time()
            seen.append(trainer.iterate() | {"cpu_seconds": time.process_time() - spent})
            done(f"{config.network.kind}, {config.num_threads} threads")
    return [_row(config, seen[uncounted(device) :]) for config, _, seen in cases]


def uncounted(device: str) -> int:
    """Iterations in which libraries are loaded, and on a GPU steps and minibatches run a few times before they are recorded."""
    return 1 if device == "cpu" else 2 + WARM_UPS


def _row(config: PPOConfig, seen: list[dict[str, float]]) -> dict[str, Any]:
    def median(name: str) -> float:
        return statistics.median(metrics[name] for metrics in seen)

    steps = config.num_envs * config.rollout_steps
    row = {
        "world": config.world, "options": config.options, "network": config.network.kind, "hidden": config.network.hidden,
        "device": config.device, "cuda_graphs": config.recorded, "num_threads": config.num_threads,
        "num_envs": config.num_envs, "rollout_steps": config.rollout_steps, "epochs": config.epochs,
        "steps_per_second": median("steps_per_second"),
        "steps_per_cpu_second": steps / median("cpu_seconds"), "rounds": len(seen),
    }  # fmt: skip
    return row | {name: median(name) for name in SHARES}
