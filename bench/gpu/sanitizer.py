"""compute-sanitizer over small.py: bad accesses (memcheck), races in shared memory (racecheck), misused barriers
(synccheck). Where the tool is missing or refuses the device, that is said; a tool that finds something or is not done in
time fails the part; without a GPU small.py runs by itself.

racecheck sees shared memory only: lanes that race in global memory, where solvers and mazes have their scratch, are found by
no tool here, but by the emulator's two orders (csrc/emulator) and by parity."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from part import Part

TOOLS = ("memcheck", "racecheck", "synccheck")
SMALL = Path(__file__).with_name("small.py")
FOUND = 66  # the status compute-sanitizer is told to exit with
REFUSED = ("Device not supported", "No CUDA-capable device", "Unable to find injection library")
TOOL_SECONDS = 90  # each


def find_tool() -> str | None:
    """On the path, or where CUDA's installers put it."""
    home = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda"))
    places = (home / "bin/compute-sanitizer", home / "compute-sanitizer/compute-sanitizer")
    return shutil.which("compute-sanitizer") or next((str(place) for place in places if place.exists()), None)


def main(argv: list[str] | None = None) -> int:
    part = Part(__doc__, argv, complete=True)
    if not part.cuda:
        run(part, "none", [])
        part.leave_out("compute-sanitizer: there is no GPU")
        return part.finish()
    tool = find_tool()
    for name in TOOLS:
        if tool is None:
            part.leave_out(f"{name}: no compute-sanitizer was found")
        elif part.in_time(name):
            run(part, name, [tool, "--tool", name, "--error-exitcode", str(FOUND), "--print-limit", "20"])
    return part.finish()


def run(part: Part, name: str, command: list[str]) -> None:
    begun = time.monotonic()
    # Without torch's cache every tensor is an allocation of its own, whose ends the tool sees.
    environment = {**os.environ, "PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}
    limit = min(TOOL_SECONDS, part.seconds_left())
    process = subprocess.Popen(
        [*command, sys.executable, str(SMALL), "--device", str(part.device)], env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        output, errors = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # the tool and the Python it has started, which holds the pipes open
        process.communicate()
        part.fail(f"{name}: not done in {limit:.0f} s")
        return
    said = output + errors
    refusal = next((words for words in REFUSED if words in said), None)
    if refusal:
        part.leave_out(f"{name}: {refusal}")
        return
    clean = process.returncode == 0 and "done" in output.splitlines()
    part.row(tool=name, clean=clean, took=round(time.monotonic() - begun, 1))
    if not clean:
        tail = " | ".join(said.strip().splitlines()[-12:])
        part.fail(f"{name}: status {process.returncode}: {tail[-1500:]}")


if __name__ == "__main__":
    sys.exit(main())
