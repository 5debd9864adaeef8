"""Every CUDA kernel's registers, stack, spills and shared memory as ptxas reports them, and what compiling each file costs:
bench/results/kernels.md, with the same figures in kernels.json beside it. `python bench/kernels.py`; needs nvcc, no GPU.

The build's own commands are run, one at a time, with -Xptxas=-v added; no object is kept. With --log the kernels are read
from what a build said (CUDAFLAGS=-Xptxas=-v PIP_LOG=FILE pip install …); what files cost is then not known."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import resource
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENTRY = re.compile(r"Compiling entry function '(\w+)' for '(sm_\w+)'")
STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers(?:.*?(\d+) bytes smem)?")


@dataclass
class Kernel:
    """One kernel on one architecture; stack is local memory, in bytes, as are spills and shared memory."""

    file: str
    name: str
    architecture: str
    registers: int = 0
    stack: int = 0
    spill_stores: int = 0
    spill_loads: int = 0
    shared: int = 0


@dataclass
class Compiled:
    """One file: seconds of CPU and of wall, and the bytes of its object."""

    file: str
    cpu_seconds: float
    wall_seconds: float
    object_bytes: int


def parse(file: str, said: str) -> list[Kernel]:
    """The kernels in what `nvcc -Xptxas=-v` says, under their mangled names. ptxas also reports on functions that kernels
    call; those are part of their kernel's stack and are passed over."""
    kernels: list[Kernel] = []
    of_entry = False
    for line in said.splitlines():
        if entry := ENTRY.search(line):
            kernels.append(Kernel(file, entry[1], entry[2]))
        elif "Function properties for" in line:
            of_entry = bool(kernels) and line.split()[-1] == kernels[-1].name
        elif of_entry and (stack := STACK.search(line)):
            kernels[-1].stack, kernels[-1].spill_stores, kernels[-1].spill_loads = map(int, stack.groups())
        elif kernels and (used := USED.search(line)):
            kernels[-1].registers, kernels[-1].shared = int(used[1]), int(used[2] or 0)
    return kernels


def from_log(said: str) -> list[Kernel]:
    """The kernels of every file in a build's log, whose files Ninja reports on one after the other."""
    found: list[Kernel] = []
    for report in re.split(r"\[\d+/\d+\] ", said):
        if built := re.match(r"Building CUDA object \S*?_core\.dir/(\S+)\.o", report):
            found += parse(built[1], report)
    return found


def shortened(demangled: str) -> str:
    """`job_kernel<MazeDistances>` of a full signature."""
    name = re.sub(r"\(anonymous namespace\)::|_GLOBAL__N__\w+::|\bmesa::", "", demangled)
    name = name.removeprefix("void ")
    depth = 0
    for at, letter in enumerate(name):  # the arguments begin at the first parenthesis outside the template's
        depth += (letter == "<") - (letter == ">")
        if letter == "(" and depth == 0:
            return name[:at]
    return name


def demangle(names: list[str]) -> dict[str, str]:
    tool = shutil.which("cu++filt") or shutil.which("c++filt")
    if tool is None:
        return {name: name for name in names}
    said = subprocess.run([tool], input="\n".join(names), capture_output=True, text=True, check=True).stdout
    return dict(zip(names, map(shortened, said.splitlines()), strict=True))


def commands(build: Path, architectures: str) -> list[tuple[str, list[str]]]:
    """(file, command) of every .cu, from a build configured for the purpose."""
    import pybind11

    configure = [
        "cmake", "-S", str(ROOT), "-B", str(build), "-DMESASIM_CUDA=ON", f"-DMESASIM_CUDA_ARCHITECTURES={architectures}",
        "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", f"-DPython_EXECUTABLE={sys.executable}",
        f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
    ]  # fmt: skip
    subprocess.run(configure, check=True, stdout=subprocess.DEVNULL)
    listed = json.loads((build / "compile_commands.json").read_text())
    found = [(entry["file"], shlex.split(entry["command"])) for entry in listed if entry["file"].endswith(".cu")]
    return [(os.path.relpath(file, build if build in Path(file).parents else ROOT), command) for file, command in found]


def compile_one(file: str, command: list[str], build: Path) -> tuple[Compiled, list[Kernel]]:
    target = build / command[command.index("-o") + 1]
    target.parent.mkdir(parents=True, exist_ok=True)
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run([*command, "-Xptxas=-v"], cwd=build, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{file} does not compile:\n{done.stderr[-4000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Compiled(file, cpu, time.monotonic() - wall, target.stat().st_size), parse(file, done.stdout + done.stderr)


def markdown(kernels: list[Kernel], files: list[Compiled], about: dict[str, str]) -> str:
    """Two tables: kernels by architecture, and files."""
    architectures = sorted({kernel.architecture for kernel in kernels}, key=lambda name: int(re.sub(r"\D", "", name)))
    rows: dict[tuple[str, str], dict[str, Kernel]] = {}
    for kernel in kernels:
        rows.setdefault((kernel.file, kernel.name), {})[kernel.architecture] = kernel
    lines = [
        "# Kernels", "",
        f"`python bench/kernels.py{'' if files else ' --log FILE'}` on {about['date']}: {about['nvcc']}, commit "
        f"{about['commit']}. In each cell: registers a thread, bytes of stack, bytes of spill stores + loads, and bytes of "
        "static shared memory where there is any.", "",
        f"| file | kernel | {' | '.join(architectures)} |", "|---|---|" + "---|" * len(architectures),
    ]  # fmt: skip
    for (file, name), by_architecture in rows.items():
        cells = [cell(by_architecture.get(architecture)) for architecture in architectures]
        lines.append(f"| {Path(file).name} | `{name}` | {' | '.join(cells)} |")
    if not files:
        return "\n".join(lines) + "\n"
    total = sum(f.cpu_seconds for f in files)
    lines += ["", f"Compiling all of them, one after the other, took {total:.0f} CPU seconds.", ""]
    lines += ["| file | CPU s | object, KiB |", "|---|---|---|"]
    for file in sorted(files, key=lambda f: -f.cpu_seconds):
        lines.append(f"| {Path(file.file).name} | {file.cpu_seconds:.1f} | {file.object_bytes / 1024:,.0f} |")
    return "\n".join(lines) + "\n"


def cell(kernel: Kernel | None) -> str:
    if kernel is None:
        return "–"
    shared = f", {kernel.shared} shared" if kernel.shared else ""
    return f"{kernel.registers}, {kernel.stack}, {kernel.spill_stores}+{kernel.spill_loads}{shared}"


FATBIN = 0xBA55ED50  # the magic number of one file's device code, in the section .nv_fatbin
PTX, MACHINE_CODE = 1, 2  # kinds of entry


def embedded(module: Path) -> list[dict[str, int]]:
    """For each .cu linked into a module, bytes by architecture: sm_90 of machine code, compute_90 of PTX; as cuobjdump
    would list them (which not every machine with nvcc has)."""
    data, at = module.read_bytes(), 0
    found: list[dict[str, int]] = []
    while (at := data.find(struct.pack("<I", FATBIN), at)) >= 0:
        header, size = struct.unpack_from("<HQ", data, at + 6)
        entry, end = at + header, at + header + size
        at += 4
        if header != 16 or end > len(data):
            continue  # four bytes that happen to be the number
        sizes: dict[str, int] = {}
        while entry < end:
            kind, _, own_header, payload = struct.unpack_from("<HHIQ", data, entry)
            (architecture,) = struct.unpack_from("<I", data, entry + 28)
            name = f"{'compute' if kind == PTX else 'sm'}_{architecture}"
            sizes[name] = sizes.get(name, 0) + payload
            entry += own_header + payload
        if sizes:
            found.append(sizes)
    return found


def provenance() -> dict[str, str]:
    def first(pattern: str, *command: str) -> str:
        said = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT).stdout
        match = re.search(pattern, said)
        return match[0] if match else "unknown"

    nvcc = os.environ.get("CUDACXX", "nvcc")
    return {
        "nvcc": "nvcc " + first(r"V[\d.]+", nvcc, "--version"), "commit": first(r"\w+", "git", "rev-parse", "--short", "HEAD"),
        "date": datetime.date.today().isoformat(),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--architectures", default="75-real;90-real", help="as MESASIM_CUDA_ARCHITECTURES")
    parser.add_argument("--only", default="", help="files whose name holds this")
    parser.add_argument("--out", type=Path, default=ROOT / "bench" / "results" / "kernels.md")
    parser.add_argument("--module", type=Path, help="only print the bytes of device code in this _core…so")
    parser.add_argument("--log", type=Path, help="a build's log to read instead of compiling")
    flags = parser.parse_args()
    if flags.module:
        sizes: dict[str, int] = {}
        for of_file in embedded(flags.module):
            for name, size in of_file.items():
                sizes[name] = sizes.get(name, 0) + size
        print(f"{flags.module.name}: {flags.module.stat().st_size:,} bytes, device code {json.dumps(sizes)}")
        return 0
    kernels: list[Kernel] = []
    files: list[Compiled] = []
    about = provenance()
    if flags.log:
        kernels = from_log(flags.log.read_text(errors="replace"))
        names = demangle([kernel.name for kernel in kernels])
        kernels = [replace(kernel, name=names[kernel.name]) for kernel in kernels]
        if not kernels:
            raise SystemExit(f"--log: got {flags.log}, in which ptxas reports on no kernel")
        write(kernels, files, about, flags.out)
        print(f"{flags.out}: {len(kernels)} kernels and architectures")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        for file, command in commands(Path(folder), flags.architectures):
            if flags.only in file:
                compiled, found = compile_one(file, command, Path(folder))
                print(f"{file}: {len(found)} kernels, {compiled.cpu_seconds:.1f} CPU s", flush=True)
                files.append(compiled)
                names = demangle([kernel.name for kernel in found])
                kernels += [replace(kernel, name=names[kernel.name]) for kernel in found]
                write(kernels, files, about, flags.out)  # after every file: an interrupt loses one
    print(f"{flags.out}: {len(kernels)} kernels and architectures in {len(files)} files")
    return 0


def write(kernels: list[Kernel], files: list[Compiled], about: dict[str, str], out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(markdown(kernels, files, about))
    figures = {**about, "kernels": [asdict(k) for k in kernels], "files": [asdict(f) for f in files]}
    out.with_suffix(".json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
