"""compute-sanitizer over small.py: bad accesses (memcheck), races in shared memory (racecheck), misused barriers
(synccheck). Where the tool is missing or refuses the device, that is said; without a GPU small.py runs by itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from part import Part

TOOLS = ("memcheck", "racecheck", "synccheck")
SMALL = Path(__file__).with_name("small.py")
FOUND = 66  # the status compute-sanitizer is told to exit with
REFUSED = ("Device not supported", "No CUDA-capable device", "Unable to find injection library")
TOOL_SECONDS = 45  # each


def find_tool() -> str | None:
    """On the path, or where CUDA's installers put it."""
    home = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda"))
    places = (home / "bin/compute-sanitizer", home / "compute-sanitizer/compute-sanitizer")
    return shutil.which("compute-sanitizer") or next((str(place) for place in places if place.exists()), None)


def main(argv: list[str] | None = None) -> int:
    part = Part(__doc__, argv)
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
    try:
        done = subprocess.run(
            [*command, sys.executable, str(SMALL), "--device", str(part.device)],
            env=environment, capture_output=True, text=True, timeout=TOOL_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        part.leave_out(f"{name}: not done in {TOOL_SECONDS} s")
        return
    said = done.stdout + done.stderr
    refusal = next((words for words in REFUSED if words in said), None)
    if refusal:
        part.leave_out(f"{name}: {refusal}")
        return
    clean = done.returncode == 0 and "done" in done.stdout.splitlines()
    part.row(tool=name, clean=clean, took=round(time.monotonic() - begun, 1))
    if not clean:
        tail = " | ".join(said.strip().splitlines()[-12:])
        part.fail(f"{name}: status {done.returncode}: {tail[-1500:]}")


if __name__ == "__main__":
    sys.exit(main())
