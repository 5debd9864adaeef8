"""The parts of bench/gpu.sh after the build: each a process of its own with a time budget, so that one that fails, hangs or
brings its GPU context down leaves the rest to go on. The results' file is written after every part."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from table import table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# In this order; seconds each may take at most. All of them and the build have --seconds, so the last ones get what is left.
PARTS = {
    "parity": 100, "bandwidth": 10, "worlds": 60, "mazes": 30, "tours": 35, "sanitizer": 280, "training": 40
}  # fmt: skip
GRACE = 15  # seconds beyond its budget, in which a part ends the row it is at
EMPTY = {"rows": [], "left_out": []}
CLOCKS = "clocks.sm,clocks.mem,clocks.max.sm,power.draw,temperature.gpu"


def run_part(script: Path, device: str, quick: bool, seconds: float) -> dict[str, Any]:
    """What the part found, how it ended and how long it took."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "found.json"
        command = [sys.executable, str(script), "--device", device, "--out", str(out), "--seconds", f"{seconds:g}"]
        begun = time.monotonic()
        ended = ""
        process = subprocess.Popen(
            [*command, *["--quick"] * quick], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip
        try:
            _, errors = process.communicate(timeout=seconds + GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # and what it has started
            process.communicate()
            ended = f"stopped after {seconds + GRACE:g} s"
        else:
            if process.returncode:
                last = errors.strip().splitlines()[-3:]
                ended = f"status {process.returncode}" + (f": {' | '.join(last)}" if last else "")
        found = json.loads(out.read_text()) if out.exists() else {**EMPTY, "failures": []}
    if ended and not found["failures"]:
        found["failures"].append(ended)
    if not ended and not found.get("finished"):
        found["failures"].append("ended before its report did")
    return {"ok": not found["failures"], "took": round(time.monotonic() - begun, 1), **found}


def about(device: str) -> dict[str, Any]:
    """What the figures were measured with."""
    import torch

    import mesasim
    from mesasim import _core

    known: dict[str, Any] = {
        "device": device, "gpu": None, "date": datetime.date.today().isoformat(), "mesasim": mesasim.__version__,
        "commit": _said("git", "rev-parse", "--short", "HEAD"), "python": platform.python_version(),
        "torch": torch.__version__, "nvcc": (re.findall(r"V[\d.]+", _said("nvcc", "--version")) or [""])[0],
        "module_bytes": Path(_core.__file__).stat().st_size,
    }  # fmt: skip
    if device.startswith("cuda"):
        at = torch.device(device).index or 0
        properties = torch.cuda.get_device_properties(at)
        known |= {
            "gpu": properties.name, "multiprocessors": properties.multi_processor_count,
            "memory_bytes": properties.total_memory,
            "driver": _said("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader", f"--id={at}"),
        }  # fmt: skip
    return known


def _said(*command: str) -> str:
    """What a program prints; nothing if it fails or there is none."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False, cwd=ROOT)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def clocks(device: str) -> str:
    """As nvidia-smi gives them now: what `CLOCKS` lists, in its order."""
    if not device.startswith("cuda"):
        return ""
    at = device.partition(":")[2] or 0
    return _said("nvidia-smi", f"--query-gpu={CLOCKS}", "--format=csv,noheader", f"--id={at}")


def results_file(gpu: str | None) -> Path:
    """bench/results/<gpu>.json."""
    return ROOT / "bench" / "results" / (re.sub(r"\W+", "-", (gpu or "cpu").lower()).strip("-") + ".json")


def run_all(
    parts: dict[str, float], scripts: Path, results: dict[str, Any], out: Path, device: str, quick: bool, seconds: float
) -> bool:
    """Runs the parts into `results`, writing them after each; whether all went well. `seconds`: for all of them."""
    deadline = time.monotonic() + seconds
    for name, budget in parts.items():
        left = deadline - time.monotonic()
        if left <= 0:
            results["parts"][name] = {"ok": False, "took": 0, **EMPTY, "failures": ["no time was left"]}
        else:
            print(f"{name} …", flush=True)
            results["parts"][name] = run_part(scripts / f"{name}.py", device, quick, min(budget, left))
            results["parts"][name]["clocks"] = clocks(device)
        write(results, out)
        for failure in results["parts"][name]["failures"][:10]:
            print(f"  FAILED: {failure}", flush=True)
    return all(part["ok"] for part in results["parts"].values())


def write(results: dict[str, Any], out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_suffix(".part")
    beside.write_text(json.dumps(results, indent=1) + "\n")
    os.replace(beside, out)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda:0", help="cuda[:i] or cpu")
    parser.add_argument("--quick", action="store_true", help="small sizes, to run every line on a CPU")
    parser.add_argument("--only", action="append", choices=PARTS, help="a part; may be repeated; default: all")
    parser.add_argument("--seconds", type=float, default=450.0, help="for everything, the build included")
    parser.add_argument("--build-seconds", type=float, default=0.0, help="what the build took")
    parser.add_argument("--out", type=Path, help="default: bench/results/<gpu>.json")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    flags = parser().parse_args(argv)
    known = about(flags.device)
    out = flags.out or results_file(known["gpu"])
    results = {"about": {**known, "quick": flags.quick, "build_seconds": flags.build_seconds}, "parts": {}}
    write(results, out)
    parts = {name: PARTS[name] for name in PARTS if name in (flags.only or PARTS)}
    well = run_all(parts, HERE, results, out, flags.device, flags.quick, flags.seconds - flags.build_seconds)
    print(table(results))
    print(f"Everything: {out}")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
