"""The CUDA form of worlds in Python: run by Numba's simulator it tells the CPU form's story; compiled for GPUs it keeps
everything in registers and merges no product and sum; on a GPU, where there is one, it tells that story too."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

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


COMPILATION = """
    import re, subprocess, sys, types, numba, numpy as np
    from numba import cuda
    import numba.cuda.dispatcher
    from custom.test_cuda_form import ARGUMENTS, STORIES
    import mesasim
    for world, name, major, minor in (("PyCorridor-v0", "step", 7, 5), ("Torus-v0", "step", 9, 0), ("Torus-v0", "reset", 9, 0)):
        capability = types.SimpleNamespace(compute_capability=(major, minor))
        numba.cuda.dispatcher.get_current_device = lambda: capability  # Numba asks the GPU, and there is none
        engine = mesasim.make_vec(world, 4, **ARGUMENTS)._native
        more = [np.zeros(3, np.int64)] if name == "step" else engine._reset_arguments()
        given = tuple(numba.typeof(argument) for argument in (engine.loops.batch, *more))
        ptx, _ = cuda.compile_ptx(engine.program.kernels[name], given, cc=(major, minor))
        path = f"{sys.argv[1]}/kernel.ptx"
        open(path, "w").write(ptx)
        ptxas = [sys.argv[2], f"-arch=sm_{major}{minor}", "-v", path, "-o", f"{path}.cubin"]
        said = subprocess.run(ptxas, check=True, capture_output=True, text=True).stderr
        spilled = sum(map(int, re.findall(r"(\\d+) bytes spill", said)))
        registers = re.search(r"Used (\\d+) registers", said)[1]
        merged = len(re.findall(r"\\bfma\\.", ptx))
        print(world, name, f"sm_{major}{minor}", registers, spilled, merged, sep="\\t")
"""


def toolkit(folder):
    """A folder laid out as Numba looks for a CUDA toolkit, and ptxas; None where the parts are missing."""
    nvcc = shutil.which("nvcc")
    roots = [Path(nvcc).resolve().parents[1], Path("/usr/local/cuda")] if nvcc else []
    for root in roots:
        libraries = [
            *root.glob("nvvm/lib64/libnvvm.so"),
            *root.glob("lib*/libnvvm.so.4"),
            *root.glob("lib*/libnvvm.so"),
        ]
        devices, ptxas = list(root.glob("nvvm/libdevice/libdevice*.bc")), root / "bin" / "ptxas"
        if libraries and devices and ptxas.exists():
            for part in ("nvvm/lib64", "nvvm/libdevice", "lib64"):
                (folder / part).mkdir(parents=True)
            (folder / "nvvm/lib64/libnvvm.so").symlink_to(libraries[0].resolve())
            (folder / "nvvm/libdevice" / devices[0].name).symlink_to(devices[0])
            return folder, ptxas
    return None


def test_kernels_compile_for_gpus_without_spilling_or_merging_products_and_sums(tmp_path):
    found = toolkit(tmp_path / "cuda")
    if found is None:
        pytest.skip("no CUDA toolkit with libnvvm and ptxas was found")
    said = run(COMPILATION, str(tmp_path), str(found[1]), CUDA_HOME=str(found[0])).splitlines()
    print(*said, sep="\n")
    assert len(said) == 3
    for line in said:
        _, _, _, registers, spilled, merged = line.split("\t")
        assert int(registers) <= 128 and int(spilled) == 0 and int(merged) == 0, line


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
