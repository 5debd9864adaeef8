"""Steps a second of every world by the number of slots, autoreset on and a fresh random action for each slot and step, and
the time of a step against that of the bytes it cannot avoid moving.

On a GPU the steps are replayed from a CUDA graph, so that what is timed is the device's work and not Python's; the row says
so. A step's bytes are those of the actions copied in, the actions read, what the world shows (observation, reward, flags),
and of the slots' state the 32-byte sectors that change in a step, read and written. That is a lower bound: what a
step reads of its state and does not change is not counted, nor are the final observations of episodes that end."""

from __future__ import annotations

import statistics
import sys

import torch
from part import Part, summary

from mesasim import MesaVectorEnv, _core

SECTOR = 32  # bytes; the least a GPU's memory moves
WORLDS = {"Maze-v0": {"size": 15, "view": 5}}  # options by world; else the world's own defaults
STEPS = 64  # in a graph
MEMORY_SHARE = 0.6  # of what is free, for a world's slots


def sectors_changed(world: str, options: dict, slots: int = 1024, steps: int = 64) -> float:
    """Bytes of state a step changes in a slot, in whole sectors: a mean over slots and steps, on the CPU."""
    env = MesaVectorEnv(world, slots, num_threads=1, seed=1, autoreset_mode="SameStep", **options)
    env.reset()
    pool, state = actions(env, steps), env.buffers.group["core"]["state"]
    changed = 0
    for row in pool:
        before = state.clone()
        env.step(row)
        flat = (state != before).flatten()
        whole = torch.nn.functional.pad(flat, (0, -len(flat) % SECTOR))
        changed += int(whole.unflatten(0, (-1, SECTOR)).any(1).sum())
    return SECTOR * changed / (slots * steps)


def actions(env: MesaVectorEnv, rows: int) -> torch.Tensor:
    """int32 [rows, slots], uniform."""
    generator = torch.Generator().manual_seed(1)
    shape = (rows, env.num_envs)
    drawn = torch.randint(len(env.world_spec.actions), shape, generator=generator, dtype=torch.int32)
    return drawn.to(env.device)


def bytes_shown(env: MesaVectorEnv) -> int:
    """A slot's observation, reward, flags and action, and the flags read and the mask written that step() makes of them."""
    groups = env.buffers.group
    moved = {**groups["observation"], **groups["core"]}
    del moved["state"]
    return sum(t[0].numel() * t.element_size() for t in moved.values()) + 3


def steps_per_call(part: Part, env: MesaVectorEnv):
    """(a call, steps it takes, how): a graph's replay on a GPU, a loop on a CPU or where capture is refused."""
    rows = actions(env, max(2, min(STEPS, (1 << 26) // env.num_envs)))

    def loop() -> None:
        for row in rows:
            env.actions.copy_(row)
            env.step(env.actions)

    if not part.cuda:
        return loop, len(rows), "loop"
    loop()
    part.wait()
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            loop()
    except RuntimeError as error:
        part.fail(f"{env.world_id}: a step cannot be captured in a CUDA graph: {str(error).splitlines()[0]}")
        torch.cuda.synchronize(env.device)
        return loop, len(rows), "loop"
    return graph.replay, len(rows), "graph"


def measure(part: Part, world: str, slots: int, touched: float) -> None:
    options = WORLDS.get(world, {})
    env = MesaVectorEnv(world, slots, device=part.device, seed=1, autoreset_mode="SameStep", **options)
    env.reset()
    call, steps, how = steps_per_call(part, env)
    seconds = part.seconds_of(call, budget=0.02 if part.quick else 0.15)
    a_step = statistics.median(seconds) / steps
    part.row(
        world=world, options=options, slots=slots, how=how, steps_a_call=steps, steps_per_second=slots / a_step,
        nanoseconds_per_batch_step=1e9 * a_step, bytes_per_step=4 + 4 + bytes_shown(env) + 2 * touched,
        state_bytes=env.buffers.group["core"]["state"].shape[1], bytes_per_slot=env.buffers.bytes_per_slot, **summary(seconds),
    )  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    part = Part(__doc__, argv)
    sizes = (64, 256) if part.quick else tuple(1 << k for k in range(14, 23, 2))
    worlds = _core.world_ids()
    touched = {}
    for world in worlds:
        touched[world] = sectors_changed(world, WORLDS.get(world, {}), *((64, 8) if part.quick else ()))
    for slots in sizes:
        for world in worlds:
            name = f"{world} at {slots:,} slots"
            if not part.in_time(name):
                continue
            if part.cuda:
                probe = MesaVectorEnv(world, 1, num_threads=1, **WORLDS.get(world, {}))
                free = torch.cuda.mem_get_info(part.device)[0]
                if slots * (probe.buffers.bytes_per_slot + 4 * STEPS) > MEMORY_SHARE * free:
                    part.leave_out(f"{name}: {probe.buffers.bytes_per_slot:,} bytes a slot do not fit {free >> 30} GiB")
                    continue
            try:
                measure(part, world, slots, touched[world])
            except (RuntimeError, ValueError) as error:
                part.fail(f"{name}: {str(error).splitlines()[0]}")
    return part.finish()


if __name__ == "__main__":
    sys.exit(main())
