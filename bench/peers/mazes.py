"""Mazes a second beside other libraries', in one run: each peer in a virtual environment of its own, rounds interleaved
with ours. Prints a Markdown table, and JSON lines with --json FILE.

    python bench/peers/mazes.py [--venvs FOLDER] [--algorithm …] [--size 5 16 …] [--rounds 5] [--seconds .5] [--json FILE]

A peer that will not install is listed with the reason.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

from mesasim.bench.mazes import MazeBenchmark
from mesasim.runs import provenance

HERE = Path(__file__).resolve().parent
PEERS = {
    "maze-dataset": ["maze-dataset==1.4.2", "muutils==0.8.12"],  # it does not import with a newer muutils
    "mazelib": ["mazelib==0.9.16"],
}
OPTIONS = {"percolation": {"p": 0.6}, "depth_first_percolation": {"p": 0.1}}  # ours, as the workers set theirs


class Peer:
    """A worker process in the peer's own environment."""

    def __init__(self, name: str, folder: Path) -> None:
        python = folder / name / "bin" / "python"
        if not python.exists():
            venv.create(folder / name, with_pip=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", *PEERS[name]], check=True)
        self.name = name
        self.process = subprocess.Popen(
            [python, HERE / "maze_workers.py", name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.algorithms: list[str] = self._read()

    def _read(self) -> Any:
        line = self.process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            raise RuntimeError(f"{self.name} ended with status {self.process.wait()}")
        return json.loads(line)

    def round(self, algorithm: str, mode: str, size: int, seconds: float) -> dict[str, float]:
        ask = {"algorithm": algorithm, "mode": mode, "size": size, "seconds": seconds}
        print(json.dumps(ask), file=self.process.stdin, flush=True)
        return self._read()


def compare(
    peers: list[Peer], size: int, algorithm: str, mode: str, rounds: int, seconds: float
) -> list[dict[str, Any]]:
    """Our row and those of the peers that have the algorithm, medians over interleaved rounds."""
    ours = MazeBenchmark(algorithm, size, mode, 4096, 1, "cpu", OPTIONS.get(algorithm))
    having = [peer for peer in peers if algorithm in peer.algorithms]
    theirs: dict[str, list[dict[str, float]]] = {peer.name: [] for peer in having}
    for _ in range(rounds):
        ours.round(seconds)
        for peer in having:
            theirs[peer.name].append(peer.round(algorithm, mode, size, seconds))
    key = {"algorithm": algorithm, "mode": mode, "size": size}
    mine = ours.row()["mazes_per_cpu_second"]
    rows = [
        {**key, "library": "mesasim", "mazes_per_second": ours.row()["mazes_per_second"], "mazes_per_cpu_second": mine}
    ]
    for name, found in theirs.items():
        failed = next((f["error"] for f in found if "error" in f), None)
        if failed is not None:
            rows.append({**key, "library": name, "error": failed})
            continue
        cpu = statistics.median(f["cpu"] for f in found)
        wall = statistics.median(f["wall"] for f in found)
        rows.append(
            {**key, "library": name, "mazes_per_second": wall, "mazes_per_cpu_second": cpu, "ours_is": mine / cpu}
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venvs", type=Path, default=HERE / ".venvs", help="where the peers' environments are kept")
    parser.add_argument("--size", type=int, nargs="+", default=[5, 8, 16, 32, 64])
    parser.add_argument("--algorithm", nargs="+", help="default: all a peer has")
    parser.add_argument("--mode", nargs="+", default=["generate", "solve"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    peers, missing = [], []
    for name in PEERS:
        try:
            peers.append(Peer(name, given.venvs.resolve()))
        except (subprocess.CalledProcessError, RuntimeError, OSError) as error:
            missing.append(f"{name}: {error}")
    machine = provenance()["machine"]
    print(f"{machine}; mazes per CPU second, one thread, medians of {given.rounds} interleaved rounds\n")
    print("| algorithm | mode | library | " + " | ".join(f"{n}×{n}" for n in given.size) + " |")
    print("|---|---|---|" + "---|" * len(given.size))
    lines = []
    for algorithm in given.algorithm or sorted({a for peer in peers for a in peer.algorithms}):
        for mode in given.mode:
            by_library: dict[str, list[str]] = {}
            for size in given.size:
                for row in compare(peers, size, algorithm, mode, given.rounds, given.seconds):
                    ratio = f" ({row['ours_is']:,.0f}×)" if "ours_is" in row else ""
                    cell = row.get("error") or f"{row['mazes_per_cpu_second']:,.0f}{ratio}"
                    by_library.setdefault(row["library"], []).append(cell)
                    lines.append({**row, "machine": machine, "rounds": given.rounds})
            for library, cells in by_library.items():
                print(f"| {algorithm} | {mode} | {library} | " + " | ".join(cells) + " |", flush=True)
    for reason in missing:
        print(f"\nnot installed: {reason}", file=sys.stderr)
    if given.json:
        given.json.write_text("".join(json.dumps(line) + "\n" for line in lines))


if __name__ == "__main__":
    main()
