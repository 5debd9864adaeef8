"""`mesasim doctor`: what this installation is made of and runs on, and whether it works here. Facts are looked up, checks are
made; a check that does not pass says what to do."""

# No `from __future__ import annotations`: tyro reads the annotations.
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata, resources
from pathlib import Path
from typing import Any, NamedTuple

import torch
from packaging.requirements import Requirement

import mesasim
from mesasim import _core
from mesasim.bench.step import StepBenchmark
from mesasim.devices import devices, missing_cuda, usable_cores
from mesasim.hardware import cpu_quota, logical_cores, memory_gib, physical_cores
from mesasim.output import console, output
from mesasim.progress import counter, print_table
from mesasim.runs import cpu_name
from mesasim.signature import signed
from mesasim.train.checkpoint import git_commit

NEEDED = ("torch", "numpy", "gymnasium", "scipy", "pyarrow", "safetensors", "tensorboard", "tyro", "rich", "matplotlib")
QUICKLY_SIGNED = ("Bandit-v0", "Maze-v0", "TwoStep-v0", "tours/held_karp", "sequences/markov")
SLOW_STEPS = 5e6  # a second of the bandit on one thread: a core of 2015 makes ten times as many
ADVICE_BUILD = "rebuild from a clean checkout (`make clean test`); if it stays, report it with this page"


class Check(NamedTuple):
    """What came of a check: passed, warning or failed; what was found; what to do ("" where it passed)."""

    name: str
    state: str
    found: str
    advice: str = ""


def doctor() -> None:
    """Print the build, instruction sets, cores, threads, devices and versions, and check that they work: signatures, threads,
    writing, speed. Exit status 1 if a check fails."""
    found = facts()
    done, results = counter("check", len(CHECKS)), []
    for check in CHECKS:
        results.append(tried(check))
        done(results[-1].name)
    value = {**found, "checks": [result._asdict() for result in results]}
    output.result(value, lambda: show(found, results))
    if any(result.state == "failed" for result in results):
        sys.exit(1)


def show(found: dict[str, dict[str, Any]], results: list[Check]) -> None:
    for title, rows in found.items():
        named = [(key.replace("_", " ") if key.islower() else key, as_text(value)) for key, value in rows.items()]
        print_table(title, ("what", "here"), named)
        console.print()
    print_table("checks", ("check", "state", "found"), [(r.name, r.state, r.found) for r in results])
    for result in results:
        if result.advice:
            console.print(f"{result.state}: {result.name}: {result.advice}", soft_wrap=True, highlight=False)


def as_text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return "none" if value is None else f"{value:.1f}" if isinstance(value, float) else str(value)


# Facts


def facts() -> dict[str, dict[str, Any]]:
    """Groups of what there is; values are text, numbers, lists of text, or None: no limit, or none this machine tells."""
    compiled, names, _ = _core.cuda_status()
    return {
        "mesasim": {
            "version": mesasim.__version__, "commit": git_commit(), "folder": str(Path(mesasim.__file__).parent),
        },
        "build": {**_core.BUILD, "sanitizers": _core.BUILD["sanitizers"] or "none"},
        "machine": {
            "system": platform.platform(), "processor": cpu_name(), "logical_cores": logical_cores(),
            "physical_cores": physical_cores(), "usable_cores": usable_cores(), "cpu_quota": cpu_quota(),
            **memory_gib(),
        },
        "instruction sets": {"available": _core.instruction_sets(), "in_use_by_worlds": _core.instruction_set()},
        "threads": {
            "torch": torch.get_num_threads(), "torch_between_operators": torch.get_num_interop_threads(),
            **{name: os.environ.get(name, "not set") for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")},
        },
        "devices": {
            **devices(), "cuda_compiled": compiled, "gpus_seen_by_the_driver": len(names),
            "torch_cuda": torch.version.cuda or "no", "no_cuda_because": missing_cuda() or "it can be used",
        },
        "versions": {"Python": platform.python_version(), **{name: version(name) for name in NEEDED}},
        "extras": extras(),
    }  # fmt: skip


def version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def extras() -> dict[str, str]:
    """The optional parts as the package's own metadata names them: their packages' versions, or how to get them."""
    try:
        about = metadata.metadata("mesasim")
    except metadata.PackageNotFoundError:  # run from a source tree that was not installed
        return {"(unknown)": "mesasim is not installed as a package, so that its extras are not listed"}
    required = [Requirement(text) for text in about.get_all("Requires-Dist") or []]
    found = {}
    for extra in sorted(about.get_all("Provides-Extra") or []):
        wanted = [one.name for one in required if one.marker and one.marker.evaluate({"extra": extra})]
        missing = any(version(name) == "not installed" for name in wanted)
        hint = f"; for all of it: pip install 'mesasim[{extra}]'" if missing else ""
        found[extra] = ", ".join(f"{name} {version(name)}" for name in wanted) + hint
    return found


# Checks


def tried(check: Callable[[], Check]) -> Check:
    """A check's outcome; one that raises has failed."""
    try:
        return check()
    except Exception as error:
        name = check.__name__.replace("_", " ")
        return Check(name, "failed", f"{type(error).__name__}: {error}", ADVICE_BUILD)


def kept_signatures() -> dict[str, str] | None:
    """The committed ones: installed beside this file, or in the source tree this is run from."""
    places = [
        resources.files("mesasim") / "signatures.json",
        Path(mesasim.__file__).resolve().parents[1] / "tests" / "golden" / "signatures.json",
    ]
    for place in places:
        if place.is_file():
            return json.loads(place.read_text())
    return None


def signatures() -> Check:
    """Some of what is signed has the committed signature; tests/test_signature.py holds all of it."""
    kept = kept_signatures()
    if kept is None:
        return Check("signatures", "warning", "no committed signatures here", "install mesasim, or run a checkout's")
    differing = [name for name in QUICKLY_SIGNED if signed()[name]("cpu", 1) != kept[name]]
    if differing:
        return Check("signatures", "failed", f"{', '.join(differing)} are not the committed ones", ADVICE_BUILD)
    return Check("signatures", "passed", f"{', '.join(QUICKLY_SIGNED)}: the committed ones")


def instruction_sets() -> Check:
    """The same bits whatever the instruction set and the number of threads."""
    before, sets, seen = _core.instruction_set(), _core.instruction_sets(), set()
    try:
        for name in sets:
            _core.use_instruction_set(name)
            seen |= {tuple(signed()[what]("cpu", threads) for what in QUICKLY_SIGNED[:2]) for threads in (1, 3)}
    finally:
        _core.use_instruction_set(before)
    if len(seen) > 1:
        return Check("instruction sets", "failed", f"{len(seen)} different results by {', '.join(sets)}", ADVICE_BUILD)
    return Check("instruction sets", "passed", f"{', '.join(sets)} on 1 and 3 threads: the same bits")


def folder(here: str = ".") -> Check:
    """Run folders can be written where the command is called."""
    where = Path(here).resolve()
    try:
        with tempfile.NamedTemporaryFile(dir=where) as file:
            file.write(b"0" * 4096)
            file.flush()
    except OSError as error:
        advice = "call mesasim elsewhere, or give --out a folder that can be written"
        return Check("current folder", "failed", f"{where} cannot be written ({error.strerror})", advice)
    return Check("current folder", "passed", f"{where} can be written")


def threads() -> Check:
    """torch does not start more threads than there are cores for them: those that wait spin on the cores of the others."""
    limit = min(usable_cores(), cpu_quota() or usable_cores())
    asked = torch.get_num_threads()
    if asked > max(1, limit):
        advice = f"export OMP_NUM_THREADS={max(1, int(limit))}; trainings set --num-threads themselves"
        return Check("threads", "warning", f"torch has {asked} threads for {limit:g} cores", advice)
    return Check("threads", "passed", f"torch has {asked} for {limit:g} cores")


def cuda() -> Check:
    """What a GPU needs is there together or not at all."""
    _, names, reason = _core.cuda_status()
    if names and not torch.cuda.is_available():
        return Check("cuda", "warning", missing_cuda(), "install a torch built with CUDA to use the GPU")
    if torch.cuda.is_available() and not names:
        return Check("cuda", "warning", f"torch sees a GPU that the engine does not use: {reason}", "docs/building.md")
    return Check("cuda", "passed", f"{len(names)} GPUs" if names else "no GPU is used")


def speed() -> Check:
    """Steps of the bandit on one thread, for .2 s: tells a debug build or a machine that does not get its cores."""
    before = torch.get_num_threads()
    try:
        benchmark = StepBenchmark("Bandit-v0", {}, 4096, 1, "cpu", {})
        begun = time.process_time()
        benchmark.round(0.2)
        busy = (time.process_time() - begun) / 0.2
    finally:
        torch.set_num_threads(before)
    rate = benchmark.wall[0]
    text = f"{rate / 1e6:,.0f} million steps/s of Bandit-v0, one thread ({min(busy, 1):.0%} of a core)"
    if rate < SLOW_STEPS:
        return Check("speed", "warning", text, "is this a debug or sanitizer build (above), or the machine busy?")
    return Check("speed", "passed", text)


CHECKS: list[Callable[[], Check]] = [signatures, instruction_sets, folder, threads, cuda, speed]
