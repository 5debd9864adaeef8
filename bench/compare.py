"""Is the working tree slower than a commit? Builds both the same way in a temporary folder, runs every benchmark in two
worker processes in turn, and compares units a CPU second round by round.

    python bench/compare.py BASE [--only PATTERN] [--rounds 15] [--seconds .15] [--threshold .05] [--json FILE]
    python bench/compare.py --sites FOLDER FOLDER     # two folders that hold a built package mesasim; nothing is built

Prints a Markdown table: the median ratio and an interval of it, from the sign test, so that nothing is assumed about how times
vary. "slower" and "faster" mean that the whole interval is beyond the threshold; exit status 1 if anything is slower."""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from mesasim.bench.peers.processes import Worker, WorkerFailed
from mesasim.bench.peers.works import points
from mesasim.runs import provenance

ROOT = Path(__file__).resolve().parent.parent
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


def compare(base: Worker, tree: Worker, work: dict[str, Any], rounds: int, seconds: float) -> list[float]:
    """Ratios of units a CPU second, one a round; who goes first changes from round to round."""
    for worker in (base, tree):
        worker.prepare(work)
        worker.run(seconds / 4)  # pages and clocks
    ratios = []
    for index in range(rounds):
        rate = {}
        for worker in (base, tree) if index % 2 == 0 else (tree, base):
            answer = worker.run(seconds)
            rate[worker] = answer["units"] / answer["cpu"]
        ratios.append(rate[tree] / rate[base])
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
    build_it = ["cmake", "--build", str(folder / "build"), "--parallel"]
    subprocess.run(build_it, check=True, stdout=subprocess.DEVNULL, env=env)
    shutil.copytree(
        source / "mesasim", folder / "site" / "mesasim", ignore=shutil.ignore_patterns("*.so", "__pycache__")
    )
    (library,) = (folder / "build").glob("_core*.so")
    shutil.copy(library, folder / "site" / "mesasim")
    return folder / "site"


def checkout(commit: str, folder: Path) -> Path:
    """The commit's files."""
    folder.mkdir(parents=True)
    archive = subprocess.run(["git", "-C", str(ROOT), "archive", commit, *BUILT], capture_output=True, check=False)
    if archive.returncode:
        raise ValueError(f"base: got {commit!r}, which git does not know: {archive.stderr.decode().strip()}")
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder


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


def run(sites: tuple[Path, Path], pattern: str, rounds: int, seconds: float, threshold: float) -> list[dict[str, Any]]:
    """A row a benchmark; one that a side cannot do says so. Rows are printed as they come."""
    interval([1.0] * rounds)  # refuses too few before anything is measured
    workers: dict[int, list[Worker]] = {}
    rows = []
    try:
        for name, (threads, work) in benchmarks(worlds_of(sites[1])).items():
            if not re.search(pattern, name):
                continue
            if threads not in workers:
                workers[threads] = [Worker("mesasim", sys.executable, threads, site=site) for site in sites]
            pair = workers[threads]
            try:
                row = verdict(compare(*pair, work, rounds, seconds), threshold)
            except WorkerFailed as error:
                row = {"verdict": f"not compared: {error}"}
            rows.append({"name": name, **row})
            print(markdown(rows[-1]), flush=True)
    finally:
        for pair in workers.values():
            for worker in pair:
                worker.close()
    if not rows:
        raise ValueError(f"only: got {pattern!r}, which matches no benchmark")
    return rows


def markdown(row: dict[str, Any]) -> str:
    """A line of the table."""
    measured = f"{row['ratio']:.3f} | {row['low']:.3f} to {row['high']:.3f}" if "ratio" in row else " | "
    return f"| {row['name']} | {measured} | {row['verdict']} |"


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
            base = build(checkout(given.base, folder / "base" / "source"), folder / "base")
            sites = base, build(working_tree(folder / "tree" / "source"), folder / "tree")
        print(
            f"{provenance()['machine']}; the working tree's units a CPU second over the base's, {given.rounds} rounds\n"
        )
        print("| benchmark | ratio | interval | |\n|---|---|---|---|")
        rows = run(sites, given.only, given.rounds, given.seconds, given.threshold)
    if given.json:
        given.json.write_text("".join(json.dumps({**row, **provenance()}) + "\n" for row in rows))
    return int(any(row["verdict"] == "slower" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
