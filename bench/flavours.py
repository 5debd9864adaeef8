"""Builds the engine with other compilers, optimisation levels and sanitizers, and compares every world's signature with
the committed one. Run as `make flavours`; `--only NAME` for one; a compiler that is missing is said to be."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from builds import ROOT, package

# Name → (compiler, flags, instruction sets to sign with)
FLAVOURS = {
    "g++ -O0": ("g++", ["-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_CXX_FLAGS_DEBUG=-O0"], False),
    "g++ -O3": ("g++", ["-DCMAKE_BUILD_TYPE=Release"], True),
    "clang++ -O3": ("clang++", ["-DCMAKE_BUILD_TYPE=Release"], True),
    "g++ ASan+UBSan": ("g++", ["-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DMESASIM_SANITIZE=address,undefined"], False),
}
SIGN = """
import json
from mesasim import _core
from mesasim.signature import signatures
found = {}
for name in _core.instruction_sets() if %r else [_core.instruction_set()]:
    _core.use_instruction_set(name)
    for threads in (1, 3):
        found[f"{name}, {threads} thread" + "s" * (threads > 1)] = signatures(num_threads=threads)
print(json.dumps(found))
"""


def environment(site: Path, sanitized: bool) -> dict[str, str]:
    env = {**os.environ, "PYTHONPATH": str(site)}
    if sanitized:  # the sanitizer's runtime must come before Python's own allocations
        where = subprocess.run(["g++", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
        # libstdc++ beside it: the runtime looks up __cxa_throw before any extension has brought it in.
        cxx = subprocess.run(["g++", "-print-file-name=libstdc++.so"], capture_output=True, text=True, check=True)
        env |= {
            "LD_PRELOAD": f"{where.stdout.strip()} {cxx.stdout.strip()}",
            "ASAN_OPTIONS": "detect_leaks=0",
            "UBSAN_OPTIONS": "print_stacktrace=1",
        }
    return env


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=FLAVOURS, action="append")
    chosen = parser.parse_args().only or list(FLAVOURS)
    kept = json.loads((ROOT / "tests/golden/signatures.json").read_text())
    differing = 0
    for name in chosen:
        compiler, flags, every_set = FLAVOURS[name]
        if shutil.which(compiler) is None:
            print(f"{name}: not run, no {compiler} here")
            continue
        with tempfile.TemporaryDirectory() as folder:
            site = package(Path(folder), compiler, flags)
            env = environment(site, "ASan" in name)
            done = subprocess.run(
                [sys.executable, "-c", SIGN % every_set],
                env=env,
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
        if done.returncode != 0:
            print(f"{name}: FAILED\n{done.stderr[-4000:]}")
            differing += 1
            continue
        for how, found in json.loads(done.stdout.strip().splitlines()[-1]).items():
            same = found == kept
            differing += not same
            print(f"{name}, {how}: {'equal' if same else f'DIFFERS {found}'}")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
