"""Saved states from strangers, as bytes: the header, the sizes, the checksum, which is made right again so that it does not
hide the rest. (What the engine makes of the slots themselves is csrc/checks/fuzz_state.cpp's.)"""

from __future__ import annotations

import hashlib
from functools import cache

import mesasim
from fuzz.targets.reading import Reading, changed, require
from mesasim import MesaVectorEnv, _core


@cache
def _environment(world: str) -> tuple[MesaVectorEnv, bytes]:
    env = mesasim.make_vec(world, 2, num_threads=1, history=True, oracle=True, autoreset_mode="SameStep")
    env.reset(seed=1)
    env.step([0, 1])
    return env, env.get_state()


def one_input(data: bytes) -> None:
    reading = Reading(data)
    env, valid = _environment(reading.choice(_core.world_ids()))
    env.set_state(valid)
    keeps_checksum = reading.byte() % 8 == 0
    state = changed(valid if keeps_checksum else valid[:-32], reading)
    if not keeps_checksum:
        state += hashlib.sha256(state).digest()
    try:
        env.set_state(state)
    except ValueError:
        require(env.get_state() == valid, "a state that is refused changes nothing")
        return
    for k in range(5):
        observation, *_ = env.step([k % 2, 1])
        for tensor in observation.values() if isinstance(observation, dict) else [observation]:
            tensor.sum()
    env.set_state(env.get_state())
