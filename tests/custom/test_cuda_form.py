"""The CUDA form of worlds in Python tells the CPU form's story: run by Numba's simulator, and on a GPU where there is one."""

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from custom.twins import example  # noqa: F401  registers both worlds

import mesasim
from mesasim.testing import record

STORIES = [
    (world, options, mode)
    for world, options in (("PyCorridor-v0", {"length": 3}), ("Torus-v0", {"kind": "pit", "max_episode_steps": 9}))
    for mode in ("NextStep", "SameStep", "Disabled")
]
ARGUMENTS = {"history": True, "oracle": True, "num_threads": 1}
SLOTS, STEPS = 5, 30


def run(source, *args, **environment):
    """Standard output of a fresh interpreter that sees the same mesasim and tests."""
    command = [
        sys.executable,
        "-W",
        "error",
        "-c",
        f"import sys; sys.path[:] = {sys.path!r}\n" + textwrap.dedent(source),
    ]
    variables = {**os.environ, **environment}
    done = subprocess.run([*command, *args], env=variables, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout


SIMULATION = """
    import sys, numpy as np, mesasim
    from custom.test_cuda_form import ARGUMENTS, SLOTS, STEPS, STORIES
    from mesasim.custom.cuda import CudaLoops
    from mesasim.testing import record
    for number, (world, options, mode) in enumerate(STORIES):
        env = mesasim.make_vec(world, SLOTS, autoreset_mode=mode, **ARGUMENTS, **options)
        assert isinstance(env._native.loops, CudaLoops)
        np.savez(f"{sys.argv[1]}/{number}.npz", **record(env, STEPS, seed=2**64 - 1))
    seeded = mesasim.make_vec("PyCorridor-v0", 3, oracle=True)
    seeded.reset(seed=[5, 6, 7])
    seeded.reset(seed=9, options={"reset_mask": np.array([False, True, False])})
    open(f"{sys.argv[1]}/seeded", "wb").write(seeded.get_state())
    seeded.set_state(seeded.get_state())
    try:
        seeded.step([0, 0, 2])
    except ValueError as error:
        print(error)
"""


def test_the_simulated_gpu_tells_the_cpus_story(tmp_path):
    said = run(SIMULATION, str(tmp_path), NUMBA_ENABLE_CUDASIM="1")
    assert said.strip() == "actions: slot 2 got 2, allowed: 0 to 1; the slot is unchanged"
    for number, (world, options, mode) in enumerate(STORIES):
        env = mesasim.make_vec(world, SLOTS, autoreset_mode=mode, **ARGUMENTS, **options)
        expected, found = record(env, STEPS, seed=2**64 - 1), np.load(tmp_path / f"{number}.npz")
        assert expected.keys() == set(found)
        for name in expected:
            assert expected[name].tobytes() == found[name].tobytes(), (world, mode, name)
    seeded = mesasim.make_vec("PyCorridor-v0", 3, oracle=True)
    seeded.reset(seed=[5, 6, 7])
    seeded.reset(seed=9, options={"reset_mask": np.array([False, True, False])})
    assert (tmp_path / "seeded").read_bytes() == seeded.get_state()


@pytest.mark.parametrize(("world", "options", "mode"), STORIES)
def test_the_gpu_tells_the_cpus_story(device, world, options, mode):
    if device == torch.device("cpu"):
        pytest.skip("the CPU is what others are compared with")
    on_cpu, on_gpu = (
        record(mesasim.make_vec(world, 300, device=d, autoreset_mode=mode, **ARGUMENTS, **options), STEPS, seed=3)
        for d in ("cpu", device)
    )
    for name in on_cpu:
        assert on_cpu[name].tobytes() == on_gpu[name].tobytes(), name
