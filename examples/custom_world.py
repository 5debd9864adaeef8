"""A world in Python: Corridor-v0 (csrc/worlds/corridor.h) over again, to the bit. The file to copy for a world of your own;
docs/custom_worlds.md says what the functions may use."""

import mesasim
from mesasim import custom


def describe(config):
    if config.length % 2 == 0:
        raise ValueError(f"length: got {config.length}, allowed: an odd number from 3 to 1001")
    return custom.Description(
        state=[("cell", "i4"), ("goal", "i4"), ("trial", "i4"), ("unused", "i4")],  # unused: as in the C++ State
        observation=[custom.observed("cell", "int32", 0, config.length - 1, help="where the agent stands")],
        oracle=[custom.observed("goal_cell", "int32", 0, config.length - 1, help="where the goal is")],
        actions=["left", "right"],
        max_episode_steps=4 * config.length * config.trials,
    )


def reset(config, state, key):
    state.cell = config.length // 2
    state.goal = config.length - 1 if custom.u32(key, custom.TASK, 0) >> 31 else 0


def step(config, state, action, key):
    state.cell += 1 if action == 1 else -1
    if state.cell != 0 and state.cell != config.length - 1:
        return 0.0, False, False
    reward = 1.0 if state.cell == state.goal else 0.0
    state.trial += 1
    terminated = state.trial >= config.trials
    if not terminated:
        state.cell = config.length // 2  # the last trial's end stays to be seen
    return reward, terminated, True


def observe(config, state, out):
    out.cell[0] = state.cell


def oracle(config, state, out):
    out.goal_cell[0] = state.goal


def valid(config, state, done):
    placed = 0 <= state.cell < config.length and (state.goal == 0 or state.goal == config.length - 1)
    return placed and 0 <= state.trial <= config.trials and (done or state.trial < config.trials)


custom.register(
    "PyCorridor-v0", help="Corridor-v0, written in Python", variants=[{}, {"length": 5, "trials": 1}, {"length": 9, "trials": 3}],
    describe=describe, reset=reset, step=step, observe=observe, oracle=oracle, valid=valid,
    options=[
        custom.integer("length", 7, 3, 1001, "cells, an odd number; the walk starts in the middle"),
        custom.integer("trials", 4, 1, 1000, "walks with the goal at the same end; they make one episode"),
    ],
)  # fmt: skip


def main(num_envs: int = 1024, steps: int = 100) -> float:
    """Mean reward a step of a walker that always goes right."""
    env = mesasim.make_vec("PyCorridor-v0", num_envs, seed=0)
    env.reset()
    env.actions.fill_(1)
    mean = sum(float(env.step(env.actions)[1].mean()) for _ in range(steps)) / steps
    print(f"mean reward a step: {mean:.3f}")
    return mean


if __name__ == "__main__":
    main()
