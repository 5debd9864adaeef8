"""Fuzzes every reader of what strangers write: `python fuzz/run.py --minutes 10 [--target NAME]`.

Targets in C++ (csrc/checks/fuzz_*.cpp) run under AddressSanitizer and UndefinedBehaviorSanitizer, built with clang; those in
Python (fuzz/targets) under atheris, which follows the package's lines but not the engine's. All are libFuzzer's: an input that
crashes, takes longer than TIMEOUT_S or more memory than RSS_MB is kept in build/fuzz/findings and makes the run fail. What
reaches new code joins fuzz/corpus/<target>, with --keep minimised to at most KEPT files of KEPT_BYTES together."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path += [str(ROOT), str(ROOT / "bench")]
from builds import programs  # noqa: E402

from fuzz.targets import NAMES  # noqa: E402

BUILD, CORPUS = ROOT / "build/fuzz", ROOT / "fuzz/corpus"
NATIVE = sorted(path.stem.removeprefix("fuzz_") for path in (ROOT / "csrc/checks").glob("fuzz_*.cpp"))
TIMEOUT_S, RSS_MB, MOST_BYTES = 20, 2560, 4096  # of an input
KEPT, KEPT_BYTES = 150, 64 * 1024
STATISTIC = re.compile(r"^stat::(\w+):\s+(\d+)", re.MULTILINE)
PROGRESS = re.compile(r"cov: (\d+) ft: (\d+)")


@dataclass
class Outcome:
    target: str
    language: str
    seconds: float
    executions: int
    edges: int
    features: int
    crashes: int
    hangs: int
    too_large: int
    peak_mb: int
    kept: int

    @property
    def clean(self) -> bool:
        return self.executions > 0 and not (self.crashes or self.hangs or self.too_large)


def command_of(target: str) -> list[str]:
    if target in NATIVE:
        return [str(BUILD / "native" / f"fuzz_{target}")]
    program = BUILD / "python" / target  # libFuzzer's merge starts its own program again, by one name
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT / "fuzz/drive.py"}" {target} "$0" "$@"\n')
    program.chmod(0o755)
    return [str(program)]


def libfuzzer(target: str, *flags: str) -> str:
    """What a target's run says. Findings stay as files."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1"}
    done = subprocess.run(
        [*command_of(target), *flags], env=env, cwd=BUILD, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    said = done.stdout.decode(errors="replace")
    (BUILD / f"{target}.log").write_text(said)
    return said


def fuzz(target: str, seconds: float, seed: int) -> Outcome:
    live, findings = BUILD / "corpus" / target, BUILD / "findings" / target
    shutil.rmtree(findings, ignore_errors=True)
    for folder in (live, findings, CORPUS / target):
        folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    executions = peak = edges = features = 0
    while executions == 0 or (seconds - (time.monotonic() - begun) > 5 and not any(findings.iterdir())):
        left = max(int(seconds - (time.monotonic() - begun)), 1)
        said = libfuzzer(
            target, f"-max_total_time={left}", f"-timeout={TIMEOUT_S}", f"-rss_limit_mb={RSS_MB}", f"-max_len={MOST_BYTES}",
            f"-seed={seed}", "-print_final_stats=1", "-reload=0", f"-artifact_prefix={findings}/", str(live),
            str(CORPUS / target),
        )  # fmt: skip
        stats = {name: int(number) for name, number in STATISTIC.findall(said)}
        executions += stats.get("number_of_executed_units", 0)
        peak = max(peak, stats.get("peak_rss_mb", 0))
        reached = PROGRESS.findall(said)
        if not reached:
            print(said[-4000:])
            break
        edges, features = max(edges, int(reached[-1][0])), max(features, int(reached[-1][1]))
        seed += 1
    found = [path.name for path in findings.iterdir()]
    return Outcome(
        target, "C++" if target in NATIVE else "Python", time.monotonic() - begun, executions, edges, features,
        crashes=sum(name.startswith(("crash", "leak")) for name in found),
        hangs=sum(name.startswith("timeout") for name in found),
        too_large=sum(name.startswith("oom") for name in found), peak_mb=peak, kept=len(list(live.iterdir())),
    )  # fmt: skip


def keep(target: str) -> int:
    """Fills fuzz/corpus/<target> with the few small inputs that reach most; what was there and still counts comes first. A file
    that has a name of its own, not libFuzzer's of 40 digits, is a case that was found, and stays."""
    merged = BUILD / "merged" / target
    shutil.rmtree(merged, ignore_errors=True)
    merged.mkdir(parents=True)
    libfuzzer(target, "-merge=1", f"-timeout={TIMEOUT_S}", f"-rss_limit_mb={RSS_MB}", str(merged), str(CORPUS / target),
              str(BUILD / "corpus" / target))  # fmt: skip
    for path in (CORPUS / target).iterdir():
        if len(path.name) == 40:
            path.unlink()
    taken = size = 0
    for path in sorted(merged.iterdir(), key=lambda path: (path.stat().st_size, path.name)):
        if taken == KEPT or size + path.stat().st_size > KEPT_BYTES:
            break
        shutil.copy(path, CORPUS / target / path.name)
        taken, size = taken + 1, size + path.stat().st_size
    return taken


def table(outcomes: list[Outcome]) -> str:
    head = "| target | in | seconds | executions | per second | edges | features | crashes | hangs | over memory | peak MB |"
    rows = [
        f"| {o.target} | {o.language} | {o.seconds:.0f} | {o.executions:,} | {o.executions / o.seconds:,.0f} | {o.edges:,} | "
        f"{o.features:,} | {o.crashes} | {o.hangs} | {o.too_large} | {o.peak_mb} |"
        for o in outcomes
    ]
    return "\n".join([head, "|" + "---|" * 11, *rows])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0, help="over all targets together")
    parser.add_argument("--target", choices=[*NATIVE, *NAMES], action="append")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="renew fuzz/corpus from what was found")
    parser.add_argument("--out", type=Path, help="write the table there, too")
    flags = parser.parse_args()
    targets = flags.target or [*NATIVE, *NAMES]
    BUILD.mkdir(parents=True, exist_ok=True)
    wanted = [f"fuzz_{target}" for target in targets if target in NATIVE]
    if wanted:
        programs(BUILD / "native", "clang++", "asan", wanted, fuzzer=True)
    outcomes = []
    for target in targets:
        outcomes.append(fuzz(target, 60 * flags.minutes / len(targets), flags.seed))
        print(table(outcomes[-1:]).splitlines()[-1], flush=True)
        if flags.keep:
            print(f"{target}: {keep(target)} inputs kept", flush=True)
    print(table(outcomes))
    if flags.out:
        total = sum(o.seconds for o in outcomes) / 60
        bounds = f"{total:.1f} minutes in all, one process; bounds of an input: {TIMEOUT_S} s, {RSS_MB} MB, {MOST_BYTES} bytes."
        flags.out.write_text(
            f"# Fuzzing\n\n`python fuzz/run.py --minutes {flags.minutes:g}`: {bounds}\n\n{table(outcomes)}\n"
        )
    return 0 if all(o.clean for o in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
