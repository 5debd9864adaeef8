"""Builds of the engine other than the installed one: with another compiler, optimisation or sanitizer, as the Python module or
as programs without Python (cmake/programs.cmake). Used by flavours.py, sanitize.py and fuzz/run.py; the one place that knows
how."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Quick to compile, and reports name lines.
PLAIN = ["-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1 -g1"]
SANITIZERS = {"asan": "address,undefined", "tsan": "thread"}


def compile_in(folder: Path, compiler: str, flags: list[str], targets: list[str]) -> None:
    """Configures `folder` and builds targets in it; what was built there before is kept. RuntimeError says what failed."""
    import pybind11

    configure = [
        "cmake", "-S", str(ROOT), "-B", str(folder), f"-DCMAKE_CXX_COMPILER={compiler}", "-DMESASIM_CUDA=OFF",
        f"-DPython_EXECUTABLE={sys.executable}", f"-Dpybind11_DIR={pybind11.get_cmake_dir()}", *flags,
    ]  # fmt: skip
    if shutil.which("ccache"):
        configure.append("-DCMAKE_CXX_COMPILER_LAUNCHER=ccache")
    for command in (configure, ["cmake", "--build", str(folder), "--parallel", "--target", *targets]):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command[:4])}: {done.stdout[-4000:]}")


def package(folder: Path, compiler: str, flags: list[str]) -> Path:
    """A folder to put on PYTHONPATH: the Python sources beside a freshly built module."""
    compile_in(folder / "build", compiler, flags, ["_core"])
    shutil.copytree(ROOT / "mesasim", folder / "site" / "mesasim", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    (library,) = (folder / "build").glob("_core*.so")
    shutil.copy(library, folder / "site" / "mesasim")
    return folder / "site"


def programs(
    folder: Path, compiler: str, sanitizer: str, targets: list[str], *, fuzzer: bool = False
) -> dict[str, Path]:
    """Programs of cmake/programs.cmake by name, under a sanitizer of SANITIZERS."""
    flags = [
        "-DMESASIM_PROGRAMS=ON", f"-DMESASIM_SANITIZE={SANITIZERS[sanitizer]}",
        f"-DMESASIM_FUZZER={'ON' if fuzzer else 'OFF'}", *PLAIN,
    ]  # fmt: skip
    compile_in(folder, compiler, flags, targets)
    return {name: folder / name for name in targets}
