"""The example, Corridor-v0 in Python, is Corridor-v0 in C++ to the bit: memory, observations, rewards, flags, in every mode."""

import gymnasium
import numpy as np
import pytest
import torch
from custom.twins import EXAMPLE, example

import mesasim
from mesasim.signature import world_signature
from mesasim.testing import record, scripted_actions

NATIVE, PYTHON = "Corridor-v0", "PyCorridor-v0"
MODES = ("NextStep", "SameStep", "Disabled")


def pair(num_envs, **kwargs):
    return [mesasim.make_vec(world, num_envs, **{"num_threads": 1, **kwargs}) for world in (NATIVE, PYTHON)]


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert a[name].tobytes() == b[name].tobytes(), name


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shown", [{"history": True, "oracle": True}, {}])
@pytest.mark.parametrize(
    "options", [{}, {"length": 3, "trials": 1}, {"length": 1001, "trials": 2, "max_episode_steps": 7}]
)
def test_every_byte_is_that_of_the_native_world(mode, shown, options):
    native, python = pair(150, autoreset_mode=mode, **shown, **options)
    assert_same(record(native, 400, seed=5), record(python, 400, seed=5))


@pytest.mark.parametrize("num_threads", [1, 2, 5])
def test_thousands_of_steps_on_any_number_of_threads(num_threads):
    native, python = pair(700, num_threads=num_threads, history=True, oracle=True, autoreset_mode="SameStep", seed=9)
    native.reset()
    python.reset()
    for step in range(3000):
        for env in (native, python):
            env.actions.copy_(scripted_actions(native, step))
            env.step(env.actions)
        if step % 100 == 99:
            for (name, a), (_, b) in zip(native.buffers.items(), python.buffers.items(), strict=True):
                assert torch.equal(a, b), (name, step)
    assert int(native.buffers.group["core"]["state"].view(torch.int32)[:, 3].min()) > 50  # episodes


def test_more_slots_than_16_bits_number_and_any_first_slot():
    native, python = pair(70_001, num_threads=2, oracle=True, first_slot=2**32 - 70_001)
    assert_same(record(native, 12, seed=2**64 - 1), record(python, 12, seed=2**64 - 1))


def test_buffers_are_listed_alike():
    for mode in MODES:
        native, python = pair(2, history=True, oracle=True, autoreset_mode=mode)
        about = [
            [(b.group, *(getattr(b.field, name) for name in ("name", "dtype", "shape", "low", "high", "categories", "help")))
             for b in env._native.buffers()]
            for env in (native, python)
        ]  # fmt: skip
        assert about[0] == about[1]


def test_resets_by_mask_and_by_seeds_are_those_of_the_native_world():
    envs = pair(5, oracle=True, history=True)
    states = []
    for env in envs:
        env.reset(seed=[3, 0, 2**64 - 1, 7, 7])
        for step in range(9):
            env.step(scripted_actions(env, step))
        env.reset(options={"reset_mask": np.array([True, False, True, False, False])})
        env.reset(seed=8, options={"reset_mask": np.array([False, True, False, False, True])})
        states.append([tensor.clone() for _, tensor in env.buffers.items()])
    assert all(torch.equal(a, b) for a, b in zip(*states, strict=True))


def test_signature_is_the_native_worlds():
    assert world_signature(PYTHON) == world_signature(NATIVE)


def test_invalid_slots_are_found_where_the_native_world_finds_them():
    native, python = pair(6, max_episode_steps=30)
    found = []
    for env in (native, python):
        env.reset(seed=1)
        core = env.buffers.group["core"]["state"]
        for byte in range(core.shape[1]):
            for value in (1, 2, 30, 31, 127, 255):
                changed = core.clone()
                changed[4, byte] = value
                found.append(env._native.invalid_slot(changed.numpy().tobytes()))
        found.append(env._native.invalid_slot(core.numpy().tobytes()[1:]))
    half = len(found) // 2
    assert found[:half] == found[half:] and {-1, 0, 4} == set(found)


def test_gymnasium_makes_both_forms():
    vector = gymnasium.make_vec(f"mesasim/{PYTHON}", num_envs=3, length=5)
    assert isinstance(vector, mesasim.MesaVectorEnv) and vector.output == "numpy"
    single = gymnasium.make(f"mesasim/{PYTHON}", length=5)
    assert vector.single_observation_space == single.observation_space
    assert single.reset(seed=4)[0] == gymnasium.make(f"mesasim/{NATIVE}", length=5).reset(seed=4)[0]


def test_example_runs_and_its_world_is_short():
    assert 0.1 < example.main(num_envs=256, steps=100) < 0.2  # right to the end in 3 steps, half the time rewarded
    source = EXAMPLE.read_text()
    world = source[source.index("def describe") : source.index("def main")]
    assert len([line for line in world.splitlines() if line.strip()]) <= 40
