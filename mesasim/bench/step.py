"""Steps a second of a world through the Python call, autoreset on, a fresh random action for every slot and step taken
from a pool drawn beforehand (copying it in is part of the time)."""

from __future__ import annotations

import gc
import statistics
import time
from typing import Any

import torch

from mesasim.devices import check_device
from mesasim.progress import counter
from mesasim.vector import MesaVectorEnv

POOL_ENTRIES = 1 << 20
CPU_TICK = 1e-6  # seconds; a round shorter than what the clock tells apart
LEAST_STEPS = 100  # of every round, so that each holds whole episodes with their resets


class StepBenchmark:
    """One row of the table, measured a round at a time so that rows can be interleaved."""

    def __init__(
        self,
        world: str,
        options: dict[str, Any],
        num_envs: int,
        num_threads: int,
        device: str,
        settings: dict[str, Any],
    ) -> None:
        self.env = MesaVectorEnv(
            world,
            num_envs,
            num_threads=num_threads,
            device=device,
            seed=1,
            autoreset_mode="SameStep",
            **settings,
            **options,
        )
        self.options, self.settings = options, settings
        generator = torch.Generator().manual_seed(1)
        rows = max(2, min(64, POOL_ENTRIES // num_envs))
        actions = len(self.env.world_spec.actions)
        self.pool = torch.randint(actions, (rows, num_envs), generator=generator, dtype=torch.int32).to(self.env.device)
        self.env.reset()
        self.wall: list[float] = []
        self.cpu: list[float] = []
        self._steps(LEAST_STEPS)  # warm

    def _steps(self, count: int) -> None:
        env, pool = self.env, self.pool
        for k in range(count):
            env.actions.copy_(pool[k % len(pool)])
            env.step(env.actions)
        if env.device.type == "cuda":
            torch.cuda.synchronize(env.device)

    def round(self, seconds: float) -> None:
        """Steps for about `seconds` and notes the rates."""
        torch.set_num_threads(
            1
        )  # copying large actions on more leaves OpenMP's threads spinning on the simulator's cores
        batch, steps = max(LEAST_STEPS, 200000 // self.env.num_envs), 0
        gc.disable()
        wall, cpu = time.perf_counter(), time.process_time()
        while time.perf_counter() - wall < seconds:
            self._steps(batch)
            steps += batch
        wall, cpu = time.perf_counter() - wall, max(time.process_time() - cpu, CPU_TICK)
        gc.enable()
        self.wall.append(steps * self.env.num_envs / wall)
        self.cpu.append(steps * self.env.num_envs / cpu)

    def row(self) -> dict[str, Any]:
        """Medians over rounds. bytes_per_step: action in, observation, reward, flags and oracle out; bytes_per_slot: all
        memory of a slot."""
        groups = self.env.buffers.group
        moved = {**groups["core"], **groups["observation"], **groups["oracle"]}
        del moved["state"]
        return {
            "world": self.env.world_id,
            "options": self.options,
            "num_envs": self.env.num_envs,
            "num_threads": self.env.num_threads,
            "device": str(self.env.device),
            **self.settings,
            "steps_per_second": statistics.median(self.wall),
            "steps_per_cpu_second": statistics.median(self.cpu),
            "nanoseconds_per_step": 1e9 / statistics.median(self.wall),
            "bytes_per_step": sum(tensor[0].numel() * tensor.element_size() for tensor in moved.values()),
            "bytes_per_slot": self.env.buffers.bytes_per_slot,
            "rounds": len(self.wall),
            "steps_per_second_range": [min(self.wall), max(self.wall)],
        }


def bench_step(
    worlds: dict[str, dict[str, Any]], num_envs: list[int], num_threads: list[int], *, device: str = "cpu",
    seconds: float = 0.5, rounds: int = 5, history: bool = False, oracle: bool = False, max_episode_steps: int | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Rows for every world × num_envs × num_threads; rounds are interleaved over threads and worlds of one size."""
    check_device(device)
    if rounds < 1 or seconds <= 0:
        raise ValueError(f"rounds, seconds: got {rounds}, {seconds}, allowed: at least 1 and above 0")
    settings = {"history": history, "oracle": oracle, "max_episode_steps": max_episode_steps}
    rows, done = [], counter("bench step", len(num_envs) * len(worlds) * len(num_threads) * rounds)
    for slots in num_envs:
        benchmarks = [
            StepBenchmark(world, options, slots, threads, device, settings)
            for world, options in worlds.items()
            for threads in num_threads
        ]
        for _ in range(rounds):
            for benchmark in benchmarks:
                benchmark.round(seconds)
                done(benchmark.env.world_id)
        rows += [benchmark.row() for benchmark in benchmarks]
    return rows
