"""One slot of a batch, in Python: reset, step with time limit and autoreset, observe. What csrc/core/batch.h does, over again;
both backends' loops call what `slot_rules` returns and nothing else, and tests/custom/test_twin.py holds the two together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mesasim.custom.compiling import inner
from mesasim.custom.draws import Key

DISABLED, SAME_STEP = 2, 1  # autoreset (csrc/core/batch.h: Autoreset)
NO_FAULT, ACTION_OUT_OF_RANGE, STEP_AFTER_DONE, NEVER_RESET = 0, 1, 2, 3  # Fault

HEADER = np.dtype(  # SlotHeader
    [("seed", "u8"), ("stream", "u4"), ("episode", "u4"), ("step", "i4"), ("live", "u1"), ("done", "u1"), ("unused", "u1", 2)],
    align=True,
)  # fmt: skip


class History(NamedTuple):
    """The engine's own fields, [num_slots, 1]; empty where history is off."""

    previous_action: Any
    previous_reward: Any
    trial_start: Any


class Batch(NamedTuple):
    """Arrays with a row a slot, and settings. Handed to kernels by value."""

    header: Any  # records of HEADER
    state: Any  # records of the world's own, behind the headers
    memory: Any  # uint8 [num_slots, stride]: both
    action: Any
    reward: Any
    terminated: Any
    truncated: Any
    observation: Any  # a named tuple of arrays [num_slots, ...]
    oracle: Any
    history: Any
    final_observation: Any  # same-step autoreset only
    final_oracle: Any
    final_history: Any
    config: Any  # a named tuple of the options' values
    num_slots: Any
    first_slot: Any
    num_actions: Any
    max_episode_steps: Any  # 0: no limit
    autoreset: Any
    shows_history: Any
    shows_oracle: Any


class SlotRules(NamedTuple):
    reset_if_asked: Callable[..., None]
    step: Callable[..., int]
    is_valid: Callable[..., bool]


def row_of(group: Any) -> Any:
    """A function (group, slot) → the slot's rows, for a class of named tuples. Written out: a tuple's length is part of its
    type, and compiled code has no other way to build one."""
    rows = ", ".join(f"group[{index}][slot]" for index in range(len(group._fields)))
    names: dict[str, Any] = {"Group": group}
    exec(f"def row(group, slot):\n    return Group({rows})", names)
    return inner(names["row"])


def slot_rules(world: Any, observation: Any, oracle: Any) -> SlotRules:
    """The rules of a slot of `world` (its `functions` compiled), whose fields are the named tuples `observation`, `oracle`."""
    reset_world, step_world, observe, show_oracle, valid = (
        world.functions[name] for name in ("reset", "step", "observe", "oracle", "valid")
    )
    observation_row, oracle_row = row_of(observation), row_of(oracle)

    @inner
    def show(batch, slot, state, seen, known, history, action, reward, trial_start):
        observe(batch.config, state, observation_row(seen, slot))
        if batch.shows_oracle:
            show_oracle(batch.config, state, oracle_row(known, slot))
        if batch.shows_history:
            history.previous_action[slot, 0] = action
            history.previous_reward[slot, 0] = reward
            history.trial_start[slot, 0] = trial_start

    @inner
    def begin_episode(batch, slot):
        header, state = batch.header[slot], batch.state[slot]
        header.step = 0
        header.live = 1
        header.done = 0
        for byte in range(HEADER_BYTES, batch.memory.shape[1]):
            batch.memory[slot, byte] = 0
        reset_world(batch.config, state, Key(header.seed, header.stream, header.episode))
        show(batch, slot, state, batch.observation, batch.oracle, batch.history, -1, np.float32(0), True)

    @inner
    def write_result(batch, slot, reward, terminated, truncated):
        batch.reward[slot] = reward
        batch.terminated[slot] = terminated
        batch.truncated[slot] = truncated

    @inner
    def reset(batch, slot):
        header = batch.header[slot]
        if header.live:
            header.episode += np.uint32(1)
        begin_episode(batch, slot)
        write_result(batch, slot, np.float32(0), False, False)

    @inner
    def reset_if_asked(batch, mask, seeds, has_seed, seed, slot):
        """Empty mask: every slot. Empty seeds: `seed` for every slot, if has_seed."""
        if len(mask) > 0 and not mask[slot]:
            return
        header = batch.header[slot]
        if len(seeds) > 0 or has_seed:
            header.seed = seeds[slot] if len(seeds) > 0 else seed
            header.stream = 0 if len(seeds) > 0 else batch.first_slot + slot
            header.episode = 0
            header.live = 0
        reset(batch, slot)

    @inner
    def step(batch, slot):
        """The fault; a slot that has one is as it was."""
        header, state = batch.header[slot], batch.state[slot]
        if not header.live:
            return NEVER_RESET
        if header.done:
            if batch.autoreset == DISABLED:
                return STEP_AFTER_DONE
            reset(batch, slot)  # next-step mode: the action is ignored
            return NO_FAULT
        action = batch.action[slot]
        if action < 0 or action >= batch.num_actions:
            return ACTION_OUT_OF_RANGE
        given, terminated, trial_over = step_world(
            batch.config, state, action, Key(header.seed, header.stream, header.episode)
        )
        reward = np.float32(given)
        header.step += np.int32(1)
        truncated = not terminated and header.step == batch.max_episode_steps
        done = terminated or truncated
        write_result(batch, slot, reward, terminated, truncated)
        if done and batch.autoreset == SAME_STEP:
            show(
                batch, slot, state, batch.final_observation, batch.final_oracle, batch.final_history, action, reward,
                trial_over,
            )  # fmt: skip
            header.episode += np.uint32(1)
            begin_episode(batch, slot)
        else:
            header.done = done
            show(batch, slot, state, batch.observation, batch.oracle, batch.history, action, reward, trial_over)
        return NO_FAULT

    @inner
    def is_valid(config, header, state, max_episode_steps):
        """Whether a slot's memory, come from outside, holds values its world can have."""
        if header.live > 1 or header.done > 1 or header.step < 0:
            return False
        if max_episode_steps > 0 and header.step > max_episode_steps:
            return False
        if not header.live:
            return True
        if max_episode_steps > 0 and header.step == max_episode_steps and not header.done:
            return False
        return valid(config, state, header.done != 0)

    return SlotRules(reset_if_asked, step, is_valid)


HEADER_BYTES = HEADER.itemsize
