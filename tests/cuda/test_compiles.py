"""Every .cu file is compiled for a current architecture and for the oldest, and the figures that are kept of kernels are
those ptxas gives."""

import importlib.util
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from mesasim import _core

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("bench_kernels", ROOT / "bench" / "kernels.py")
kernels = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = kernels  # where dataclasses look their module up
spec.loader.exec_module(kernels)

FILES = sorted((ROOT / "csrc").rglob("*.cu"))


def test_no_cuda_file_is_left_out_of_the_build():
    listed = (ROOT / "CMakeLists.txt").read_text().split()
    assert [str(path.relative_to(ROOT)) for path in FILES if str(path.relative_to(ROOT)) not in listed] == []


@pytest.mark.skipif(
    "," not in _core.CUDA_ARCHITECTURES,
    reason=f"this build is compiled for these GPUs alone: {_core.CUDA_ARCHITECTURES or 'none'}",
)
def test_every_cuda_file_and_world_holds_code_for_sm_75_and_sm_90():
    embedded = kernels.embedded(Path(_core.__file__))
    assert len(embedded) == len(FILES) + len(_core.world_ids())
    for sizes in embedded:
        assert sizes.keys() >= {"sm_75", "sm_90"} and min(sizes.values()) > 0


def architectures(tmp_path, asked, nvidia_smi=None):
    """What cmake/cuda_architectures.cmake makes of a setting, with an nvidia-smi that prints that, or fails."""
    folder = tmp_path / "bin"
    folder.mkdir()
    tool = folder / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\necho '{nvidia_smi or 'NVIDIA-SMI has failed'}'; exit {0 if nvidia_smi else 9}\n")
    tool.chmod(0o755)
    script = tmp_path / "print.cmake"
    script.write_text(
        f"include({ROOT}/cmake/cuda_architectures.cmake)\n"
        'execute_process(COMMAND ${CMAKE_COMMAND} -E echo "${CMAKE_CUDA_ARCHITECTURES}")\n'
    )
    path = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    command = ["cmake", *asked, "-P", str(script)]
    return subprocess.run(command, env=path, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    ("asked", "nvidia_smi", "compiled_for"),
    [
        ("release", None, "75-real;80-real;86-real;89-real;90"),
        ("release", "GPU 0: one", "75-real;80-real;86-real;89-real;90"),
        ("development", "GPU 0: one", "native"),
        ("development", None, "75-real;90-real"),
        ("development", "No devices were found", "75-real;90-real"),
        ("86;89-virtual", None, "86;89-virtual"),
        ("native", None, "native"),
    ],
)
def test_the_setting_of_architectures_means_what_it_says(tmp_path, asked, nvidia_smi, compiled_for):
    assert architectures(tmp_path, [f"-DMESASIM_CUDA_ARCHITECTURES={asked}"], nvidia_smi) == compiled_for


def test_architectures_given_to_cmake_itself_stand(tmp_path):
    asked = ["-DMESASIM_CUDA_ARCHITECTURES=release", "-DCMAKE_CUDA_ARCHITECTURES=72"]
    assert architectures(tmp_path, asked) == "72"


SAID = """\
ptxas info    : 0 bytes gmem, 24 bytes cmem[4]
ptxas info    : Compiling entry function '_ZN4mesa4stepEv' for 'sm_75'
ptxas info    : Function properties for _ZN4mesa4stepEv
    160 bytes stack frame, 20 bytes spill stores, 56 bytes spill loads
ptxas info    : Used 64 registers, used 1 barriers, 160 bytes cumulative stack size, 2048 bytes smem, 400 bytes cmem[0]
ptxas info    : Function properties for _ZN4mesa6calledEv
    8 bytes stack frame, 4 bytes spill stores, 4 bytes spill loads
ptxas info    : Compile time = 32.963 ms
ptxas info    : Compiling entry function '_ZN4mesa5resetEv' for 'sm_90'
ptxas info    : Function properties for _ZN4mesa5resetEv
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 255 registers, used 0 barriers
"""


def test_registers_stack_spills_and_shared_memory_are_read_off_what_ptxas_says():
    step, reset = kernels.parse("a.cu", SAID)
    assert step == kernels.Kernel("a.cu", "_ZN4mesa4stepEv", "sm_75", 64, 160, 20, 56, 2048)
    assert reset == kernels.Kernel("a.cu", "_ZN4mesa5resetEv", "sm_90", 255, 0, 0, 0, 0)
    files = [kernels.Compiled("a.cu", 2.0, 1.0, 2048)]
    table = kernels.markdown([step, reset], files, {"date": "today", "nvcc": "nvcc V1", "commit": "c0"})
    assert "nvcc V1, commit c0" in table
    assert "| a.cu | `_ZN4mesa4stepEv` | 64, 160, 20+56, 2048 shared | – |" in table.splitlines()
    assert "| a.cu | `_ZN4mesa5resetEv` | – | 255, 0, 0+0 |" in table.splitlines()
    assert "| a.cu | 2.0 | 2 |" in table.splitlines()


def test_a_builds_log_tells_kernels_file_by_file():
    said = [
        f"[{n}/9] Building CUDA object CMakeFiles/_core.dir/{file}.o\n"
        f"ptxas info    : Compiling entry function '{name}' for 'sm_90'\n"
        f"ptxas info    : Used {registers} registers, used 1 barriers\n"
        for n, file, name, registers in ((7, "csrc/a.cu", "_Z1fv", 12), (8, "worlds/b.cu", "_Z1gv", 64))
    ]
    log = "[6/9] Building CXX object CMakeFiles/_core.dir/c.cpp.o\n" + "".join(said)
    found = [(k.file, k.name, k.registers) for k in kernels.from_log(log)]
    assert found == [("csrc/a.cu", "_Z1fv", 12), ("worlds/b.cu", "_Z1gv", 64)]


@pytest.mark.parametrize(
    ("signature", "short"),
    [
        (
            "void mesa::(anonymous namespace)::job_kernel<mesa::MazeDistances>(mesa::MazeDistances, long, unsigned char*)",
            "job_kernel<MazeDistances>",
        ),
        ("void mesa::step_kernel<mesa::Tour>(mesa::Batch<mesa::Tour>, mesa::SharedFault*)", "step_kernel<Tour>"),
        ("void mesa::_GLOBAL__N__44b0_7_a_cu_beae::k<f(int)>(int)", "k<f(int)>"),
    ],
)
def test_a_kernel_is_named_without_its_namespaces_and_arguments(signature, short):
    assert kernels.shortened(signature) == short


def entry(kind, architecture, payload):
    return struct.pack("<HHIQ12xI32x", kind, 257, 64, len(payload), architecture) + payload


def test_device_code_is_counted_by_file_and_architecture(tmp_path):
    code, ptx = kernels.MACHINE_CODE, kernels.PTX
    first = entry(code, 75, b"x" * 24) + entry(code, 90, b"y" * 8) + entry(ptx, 90, b"z" * 16)
    second = entry(code, 75, b"x" * 40)
    module = tmp_path / "module.so"
    blocks = [struct.pack("<IHHQ", kernels.FATBIN, 1, 16, len(block)) + block for block in (first, second)]
    stray = struct.pack("<I", kernels.FATBIN) + b"\xff" * 20
    module.write_bytes(b"ELF" + blocks[0] + stray + b"between" + blocks[1])
    assert kernels.embedded(module) == [{"sm_75": 24, "sm_90": 8, "compute_90": 16}, {"sm_75": 40}]
