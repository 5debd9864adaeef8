"""Kernels of worlds in Python compile for GPUs, where there is a CUDA toolkit and no GPU: everything stays in registers, and no
product is merged with a sum."""

import shutil
from pathlib import Path

import pytest
from custom.test_cuda_form import run

COMPILATION = """
    import re, subprocess, sys, types, numba, numpy as np
    from numba import cuda
    import numba.cuda.dispatcher
    from custom import twins
    import mesasim
    engine = mesasim.make_vec("Torus-v0", 4)._native
    for name, major, minor in (("step", 7, 5), ("step", 9, 0), ("reset", 9, 0)):
        capability = types.SimpleNamespace(compute_capability=(major, minor))
        numba.cuda.dispatcher.get_current_device = lambda: capability  # Numba asks the GPU, and there is none
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
        print(name, f"sm_{major}{minor}", registers, spilled, merged, sep="\\t")
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


PRODUCTS = """
    import re, types, numba
    from numba import cuda
    import numba.cuda.dispatcher
    from mesasim import custom
    numba.cuda.dispatcher.get_current_device = lambda: types.SimpleNamespace(compute_capability=(9, 0))
    def kernel(a, b, out):
        out[0] = custom.product(a[0], b[0]) + a[1]
    for one, other, result in (("float32", "float32", "float32"), ("float64", "float64", "float64"),
                               ("float32", "float64", "float64"), ("float32", "int64", "float64"),
                               ("int64", "int64", "int64")):
        given = tuple(getattr(numba, kind)[::1] for kind in (one, other, result))
        ptx, _ = cuda.compile_ptx(kernel, given, cc=(9, 0))
        print(one, other, *sorted(set(re.findall(r"\\b(?:mul\\.rn|mul\\.lo|fma|mad)\\S*", ptx))))
"""


@pytest.fixture
def cuda_home(tmp_path):
    """(the toolkit's folder, ptxas)"""
    found = toolkit(tmp_path / "cuda")
    if found is None:
        pytest.skip("no CUDA toolkit with libnvvm and ptxas was found")
    return found


def test_products_are_rounded_as_what_they_are_of(cuda_home):
    assert run(PRODUCTS, CUDA_HOME=str(cuda_home[0])).splitlines() == [
        "float32 float32 mul.rn.f32",
        "float64 float64 mul.rn.f64",
        "float32 float64 mul.rn.f64",
        "float32 int64 mul.rn.f64",
        "int64 int64 mul.lo.s64",
    ]


def test_kernels_compile_for_gpus_without_spilling_or_merging_products_and_sums(cuda_home, tmp_path):
    said = run(COMPILATION, str(tmp_path), str(cuda_home[1]), CUDA_HOME=str(cuda_home[0])).splitlines()
    print(*said, sep="\n")
    assert len(said) == 3
    for line in said:
        _, _, registers, spilled, merged = line.split("\t")
        assert int(registers) <= 128 and int(spilled) == 0 and int(merged) == 0, line
