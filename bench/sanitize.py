"""The engine's programs under AddressSanitizer with UndefinedBehaviorSanitizer, and under ThreadSanitizer: threads at work on
everything at once (csrc/checks/threads.cpp), on each instruction set the machine has, and every kept input of the native fuzz
targets. `make sanitize`; `make sanitize QUICK=1`, on the least set and the widest, is what CI runs. Each tool is first shown
to find the faults that are planted for it.

Not here: the Python module under a sanitizer (flavours.py), the search for new inputs (fuzz/run.py)."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from builds import ROOT, programs

CORPUS = ROOT / "fuzz/corpus"
NATIVE = sorted(path.stem for path in (ROOT / "csrc/checks").glob("fuzz_*.cpp"))
PLANTED = {  # fault → what the tool says of it
    "asan": {
        "overflow": "heap-buffer-overflow",
        "undefined": "signed integer overflow",
        "leak": "LeakSanitizer: detected memory leaks",
    },
    "tsan": {"race": "data race"},
}
OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1 second_deadlock_stack=1",
}
TIMEOUT_S = 3600  # of one program; a hang is a failure


def run(command: list[str]) -> tuple[int, str]:
    """Exit status (124: no end in TIMEOUT_S) and what was said."""
    try:
        done = subprocess.run(
            command, env={"PATH": "/usr/bin:/bin", **OPTIONS}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=TIMEOUT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        return 124, (error.stdout or b"").decode(errors="replace")
    return done.returncode, done.stdout.decode(errors="replace")


def check(name: str, command: list[str], expected: str | None = None) -> bool:
    """Runs a program that must succeed, or must fail saying `expected`; prints a line."""
    begun = time.monotonic()
    status, said = run(command)
    ok = status == 0 if expected is None else status != 0 and expected in said
    print(f"{name:44} {'ok' if ok else 'FAILED':7} {time.monotonic() - begun:6.1f} s", flush=True)
    if not ok:
        print(f"exit status {status}\n{said[-8000:]}")
    return ok


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer variants and steps")
    parser.add_argument("--only", choices=PLANTED, action="append", help="one of the tools")
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--build", type=Path, default=ROOT / "build/sanitize", help="where to build; kept between runs")
    flags = parser.parse_args()
    good = True
    for tool in flags.only or PLANTED:
        begun = time.monotonic()
        folder = flags.build / tool
        made = programs(folder, flags.compiler, tool, ["threads", *(NATIVE if tool == "asan" else [])])
        threads = str(made["threads"])
        print(f"{tool + ': built':44} {'':7} {time.monotonic() - begun:6.1f} s", flush=True)
        for plant, words in PLANTED[tool].items():
            good &= check(f"{tool}: finds the planted {plant}", [threads, "--plant", plant], words)
        sets = run([threads, "--sets"])[1].split()
        for instructions in sets[:: max(len(sets) - 1, 1)] if flags.quick else sets:  # the least, the widest
            quick = ["--quick"] if flags.quick else []
            good &= check(f"{tool}: threads, {instructions}", [threads, *quick, instructions])
        for name in NATIVE if tool == "asan" else []:
            kept = CORPUS / name.removeprefix("fuzz_")
            good &= check(f"{tool}: {name}, {len(list(kept.glob('*')))} kept inputs", [str(made[name]), str(kept)])
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
