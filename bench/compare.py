"""Is the working tree slower than a commit? Builds both the same way in a temporary folder, runs every benchmark in two
worker processes in turn, and compares units a CPU second round by round; with several threads units a second by the clock, too,
since lost parallelism spares CPU time.

    python bench/compare.py BASE [--only PATTERN] [--rounds 15] [--seconds .15] [--threshold .05] [--json FILE]
    python bench/compare.py --sites FOLDER FOLDER     # two folders that hold a built package mesasim; nothing is built

Prints a Markdown table: the median ratio and an interval of it, from the sign test, so that nothing is assumed about how times
vary. "slower" and "faster" mean that the whole interval is beyond the threshold; either clock is enough for "slower". Exit
status 1 if anything is slower, or fails where the base does not; what the base cannot do is skipped. The base's build is kept by
its hash under build/compare/."""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mesasim.bench.peers.processes import Worker, WorkerFailed
from mesasim.bench.peers.works import points
from mesasim.devices import usable_cores
from mesasim.runs import provenance

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "build" / "compare"  # bases built before
BUILT = ("CMakeLists.txt", "cmake", "csrc", "mesasim")  # what a build reads
CONFIDENCE = 0.95
Benchmarks = dict[str, tuple[int, dict[str, Any]]]  # name → threads, work


def benchmarks(worlds: list[str]) -> Benchmarks:
    """Every world, some mazes, tours and trainings; one thread, and two where threads matter most."""

    def stepping(world: str, **options: Any) -> dict[str, Any]:
        return {"kind": "stepping", "world": world, "options": options, "num_envs": 4096, "max_episode_steps": None}

    def mazes(algorithm: str, size: int, mode: str) -> dict[str, Any]:
        made = {"algorithm": algorithm, "size": size, "mode": mode}
        return {"kind": "mazes", "count": 4096 * 16 // (size * size), "options": {}, **made}

    def training(network: str) -> dict[str, Any]:
        shape = {"num_envs": 2048, "rollout_steps": 10, "epochs": 4, "minibatches": 4, "hidden": 64}
        return {"kind": "training", "network": network, **shape}

    found: Benchmarks = {f"step {world}": (1, stepping(world)) for world in worlds}
    found["step Maze-v0 15×15 view 11"] = 1, stepping("Maze-v0", size=15, view=11)
    found["step Bandit-v0 × 100 pulls"] = 1, stepping("Bandit-v0", pulls=100)
    found["step Maze-v0, 2 threads"] = 2, stepping("Maze-v0")
    for algorithm in ("depth_first", "wilson", "kruskal", "percolation"):
        for mode in ("generate", "solve"):
            found[f"mazes {algorithm} 16×16 {mode}"] = 1, mazes(algorithm, 16, mode)
    found["mazes depth_first 5×5 generate"] = 1, mazes("depth_first", 5, "generate")
    for n in (10, 20, 50):
        found[f"tsp {n}"] = 1, {"kind": "tours", "n": n, "points": points(n)}
    for network in ("gru", "mlp"):
        found[f"train {network}"] = 1, training(network)
    return found


def interval(values: list[float], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Of the median, from the sign test: the order statistics between which it lies at least so surely."""
    ordered, n = sorted(values), len(values)
    below, k = 0.0, 0
    while k < n // 2 and 2 * (below + math.comb(n, k) / 2**n) <= 1 - confidence:
        below += math.comb(n, k) / 2**n
        k += 1
    if k == 0:
        raise ValueError(f"rounds: got {n}, allowed: enough for an interval at {confidence:.0%}, 6 or more at 95%")
    return ordered[k - 1], ordered[n - k]


def verdict(ratios: list[float], threshold: float) -> dict[str, Any]:
    """Tree over base, round by round → median, interval, and what they say."""
    low, high = interval(ratios)
    said = "slower" if high < 1 - threshold else "faster" if low > 1 + threshold else ""
    return {"ratio": statistics.median(ratios), "low": low, "high": high, "verdict": said}


class TreeFailed(RuntimeError):
    """The tree cannot do what the base can."""


def judged(rounds: list[dict[str, float]], threads: int, threshold: float) -> dict[str, Any]:
    """The verdict by CPU time; with several threads the clock's beside it as wall_ratio, wall_low and wall_high."""
    row = verdict([ratios["cpu"] for ratios in rounds], threshold)
    if threads > 1:
        wall = verdict([ratios["wall"] for ratios in rounds], threshold)
        said = {row["verdict"], wall.pop("verdict")}
        row["verdict"] = next((word for word in ("slower", "faster") if word in said), "")
        row |= {f"wall_{name}": value for name, value in wall.items()}
    return row


def compare(base: Worker, tree: Worker, work: dict[str, Any], rounds: int, seconds: float) -> list[dict[str, float]]:
    """Ratios of units a CPU second ("cpu") and a second by the clock ("wall"), one of each a round; who goes first changes from
    round to round. WorkerFailed if the base fails, TreeFailed if only the tree does."""

    def ask(worker: Worker, seconds: float) -> dict[str, Any]:
        try:
            return worker.run(seconds)
        except WorkerFailed as error:
            raise (TreeFailed(str(error)) if worker is tree else error) from None

    base.prepare(work)
    ask(base, seconds / 4)  # pages and clocks
    try:
        tree.prepare(work)
    except WorkerFailed as error:
        raise TreeFailed(str(error)) from None
    ask(tree, seconds / 4)
    ratios = []
    for index in range(rounds):
        first, second = (base, tree) if index % 2 == 0 else (tree, base)
        answers = {first: ask(first, seconds), second: ask(second, seconds)}
        rates = {
            clock: {worker: answer["units"] / answer[clock] for worker, answer in answers.items()}
            for clock in ("cpu", "wall")
        }
        ratios.append({clock: rate[tree] / rate[base] for clock, rate in rates.items()})
    return ratios


def build(source: Path, folder: Path) -> Path:
    """A folder to put on PYTHONPATH: the sources' Python beside their engine, optimised, without CUDA."""
    import pybind11

    launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    configure = [
        "cmake", "-S", str(source), "-B", str(folder / "build"), "-DMESASIM_CUDA=OFF", f"-DPython_EXECUTABLE={sys.executable}",
        f"-Dpybind11_DIR={pybind11.get_cmake_dir()}", *launcher,
    ]  # fmt: skip
    # Both trees compile from paths alike, so that a file they share is compiled once.
    env = {**os.environ, "CCACHE_BASEDIR": str(folder), "CCACHE_NOHASHDIR": "1"}
    subprocess.run(configure, check=True, stdout=subprocess.DEVNULL, env=env)
    build_it = ["cmake", "--build", str(folder / "build"), "--parallel", str(usable_cores())]
    subprocess.run(build_it, check=True, stdout=subprocess.DEVNULL, env=env)
    shutil.copytree(
        source / "mesasim", folder / "site" / "mesasim", ignore=shutil.ignore_patterns("*.so", "__pycache__")
    )
    (library,) = (folder / "build").glob("_core*.so")
    shutil.copy(library, folder / "site" / "mesasim")
    return folder / "site"


def commit_hash(base: str) -> str:
    """Of the commit that git knows by this name."""
    command = ["git", "-C", str(ROOT), "rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if asked.returncode:
        raise ValueError(f"base: got {base!r}, allowed: a commit that git knows")
    return asked.stdout.strip()


def checkout(commit: str, folder: Path) -> Path:
    """The commit's files, all of them: which of them an older build reads is its own affair."""
    folder.mkdir(parents=True)
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", commit], capture_output=True, check=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder


def base_site(base: str, folder: Path) -> Path:
    """The commit's built package, from KEPT if this Python built it before; `folder` is for building it."""
    commit = commit_hash(base)
    kept = KEPT / f"{commit}-{sys.implementation.cache_tag}"
    if not kept.exists():
        built = build(checkout(commit, folder / "source"), folder)
        KEPT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=KEPT) as whole:  # renamed once it is complete
            shutil.copytree(built, Path(whole) / "site")
            (Path(whole) / "site").rename(kept)
    return kept


def working_tree(folder: Path) -> Path:
    """Its files as they are now."""
    folder.mkdir(parents=True)
    for name in BUILT:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    return folder


def worlds_of(site: Path) -> list[str]:
    """World ids of the package there."""
    code = "import json; from mesasim import _core; print(json.dumps(_core.world_ids()))"
    asked = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True,
        check=True, cwd=site,
    )  # fmt: skip
    return json.loads(asked.stdout)


def run(
    sites: tuple[Path, Path], pattern: str, rounds: int, seconds: float, threshold: float,
    report: Callable[[dict[str, Any]], None],
) -> list[dict[str, Any]]:  # fmt: skip
    """A row a benchmark, reported as it comes; one that a side cannot do says so, and has "failed" if it is the tree."""
    interval([1.0] * rounds)  # refuses too few before anything is measured
    workers: dict[tuple[int, Path], Worker] = {}

    def worker(threads: int, site: Path) -> Worker:
        kept = workers.get((threads, site))
        if kept is None or not kept.alive:  # after a hang or a crash
            if kept is not None:
                kept.close()
            workers[threads, site] = Worker("mesasim", sys.executable, threads, site=site)
        return workers[threads, site]

    rows = []
    worlds = list(dict.fromkeys(world for site in reversed(sites) for world in worlds_of(site)))
    try:
        for name, (threads, work) in benchmarks(worlds).items():
            if not re.search(pattern, name):
                continue
            row: dict[str, Any] = {"name": name, "num_threads": threads}
            try:
                base, tree = (worker(threads, site) for site in sites)
                row |= judged(compare(base, tree, work, rounds, seconds), threads, threshold)
            except WorkerFailed as error:
                row["verdict"] = f"not compared: the base fails: {error}"
            except TreeFailed as error:
                row |= {"verdict": f"fails, the base does not: {error}", "failed": True}
            rows.append(row)
            report(row)
    finally:
        for one in workers.values():
            one.close()
    if not rows:
        raise ValueError(f"only: got {pattern!r}, which matches no benchmark")
    return rows


def markdown(row: dict[str, Any]) -> str:
    """A line of the table."""

    def measured(clock: str) -> str:
        if f"{clock}ratio" not in row:
            return " | "
        return f"{row[f'{clock}ratio']:.3f} | {row[f'{clock}low']:.3f} to {row[f'{clock}high']:.3f}"

    return f"| {row['name']} | {measured('')} | {measured('wall_')} | {row['verdict']} |"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", nargs="?", help="a commit")
    parser.add_argument("--sites", type=Path, nargs=2, metavar="FOLDER", help="compare these, base first")
    parser.add_argument("--only", default="", metavar="PATTERN", help="a regular expression for benchmarks' names")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.15, help="of each side's rounds")
    parser.add_argument("--threshold", type=float, default=0.05)
    parser.add_argument("--json", type=Path, help="rows are written here, too")
    given = parser.parse_args(arguments)
    if (given.base is None) == (given.sites is None):
        parser.error("base: give a commit, or --sites")
    with tempfile.TemporaryDirectory(prefix="mesasim-compare-") as temporary:
        sites = given.sites and tuple(site.resolve() for site in given.sites)
        if sites is None:
            folder = Path(temporary)
            sites = (
                base_site(given.base, folder / "base"),
                build(working_tree(folder / "tree" / "source"), folder / "tree"),
            )
        print(f"{provenance()['machine']}; the working tree's units a second over the base's, {given.rounds} rounds\n")
        print(
            "| benchmark | by CPU time | interval | by the clock | interval | |\n|---|---|---|---|---|---|", flush=True
        )
        if given.json:
            given.json.write_text("")

        def report(row: dict[str, Any]) -> None:
            print(markdown(row), flush=True)
            if given.json:
                with given.json.open("a") as file:
                    print(json.dumps({**row, **provenance()}), file=file)

        rows = run(sites, given.only, given.rounds, given.seconds, given.threshold, report)
    return int(any(row["verdict"] == "slower" or row.get("failed") for row in rows))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # temporary folders and workers go
    sys.exit(main())
