"""Tours beside other libraries': uniform points in the unit square, each peer in a virtual environment of its own, every
portion of instances solved by us and by each peer in turn, one thread each. CPU milliseconds an instance, gap and share of
optimal tours relative to our proven optima. Prints Markdown tables; appends JSON lines to bench/results.

    python bench/peers/tours.py [--venvs FOLDER] [--n 10 20 50 …] [--count 200] [--seconds 60] [--peer …] [--json FILE]

A peer that will not install is listed with the reason. A method stops being asked once it has used its seconds for an n, so
slow ones are measured on the first instances only; the table says on how many. What a peer's clock leaves out is only the
distance matrix in the form it takes; ours includes all from the coordinates on."""

from __future__ import annotations

import argparse
import json
import re
import select
import statistics
import subprocess
import time
import venv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mesasim import tsp
from mesasim.devices import usable_cores
from mesasim.runs import cpu_name, provenance

HERE = Path(__file__).resolve().parent
PEERS = {
    "fast-tsp": ["fast-tsp==0.2.2"],
    "elkai": ["elkai==2.0.1"],
    "python-tsp": ["python-tsp==0.5.0"],
    "ortools": ["ortools==9.15.6755"],
    "pyvrp": ["pyvrp==0.14.1"],
    "highspy": ["highspy==1.15.1"],
}
PATIENCE_S = 60.0  # for one instance: python-tsp's Lin–Kernighan goes round for ever on some
TOLERANCE = 1e-9  # relative: tours of one set of edges, summed in another order


class Peer:
    """A worker process in the peer's own environment."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.python = name, folder / name / "bin" / "python"
        if not self.python.exists():
            venv.create(folder / name, with_pip=True)
            subprocess.run([self.python, "-m", "pip", "install", "--quiet", *PEERS[name]], check=True)
        self._start()

    def _start(self) -> None:
        command = [str(self.python), str(HERE / "tour_workers.py"), self.name]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.largest: dict[str, int] = self._read()  # method → the most nodes it is asked for

    def _read(self) -> Any:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE_S)
        line = self.process.stdout.readline() if ready else ""
        if not line:
            self.process.kill()
            status = self.process.wait()
            raise RuntimeError(f"ended with status {status}" if ready else f"no answer in {PATIENCE_S:.0f} s")
        return json.loads(line)

    def solve(self, method: str, points: Tensor) -> list[dict[str, Any]]:
        """For each of [B, n, 2] points, or [B, n, n] distances: cpu (seconds), order, proved."""
        print(json.dumps({"method": method, "instances": points.tolist()}), file=self.process.stdin, flush=True)
        try:
            answer = self._read()
        except RuntimeError:
            self._start()
            raise
        if "error" in answer:
            raise RuntimeError(answer["error"])
        found: list[dict[str, Any]] = answer["found"]
        return found


@dataclass
class Record:
    """What one method did at one n, in the order of the instances."""

    peer: Peer | None
    library: str
    method: str
    cpu_s: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)  # relative to the optimum
    proved: int = 0
    error: str | None = None

    def row(self) -> dict[str, Any]:
        named: dict[str, Any] = {"library": self.library, "method": self.method}
        if self.error is not None:
            named["ended_by"] = self.error
        if not self.gaps:
            return {**named, "instances": 0}
        return {
            **named, "instances": len(self.gaps), "cpu_ms_median": 1000 * statistics.median(self.cpu_s),
            "cpu_ms_mean": 1000 * statistics.fmean(self.cpu_s), "gap_percent": 100 * statistics.fmean(self.gaps),
            "optimal_share": statistics.fmean(gap <= TOLERANCE for gap in self.gaps),
            "proved_share": self.proved / len(self.gaps),
        }  # fmt: skip


def lengths(points: Tensor, order: Tensor) -> Tensor:
    """Of [B, n] tours through [B, n, 2] points, in float64."""
    if not torch.equal(order.sort(1).values, torch.arange(order.shape[1]).expand(len(order), -1)):
        raise RuntimeError("what came back is no tour")
    visited = points.gather(1, order[..., None].expand(-1, -1, 2))
    return (visited - visited.roll(-1, 1)).norm(dim=2).sum(1)


def ours(points: Tensor, single: Record, batch: Record) -> Tensor:
    """Solves the portion one instance a call and then in one call; the optima [B]."""
    for i in range(len(points)):
        began = time.process_time()
        tsp.solve(points[i : i + 1], num_threads=1)
        single.cpu_s.append(time.process_time() - began)
    began = time.process_time()
    tours = tsp.solve(points, num_threads=1)
    batch.cpu_s += [(time.process_time() - began) / len(points)] * len(points)
    if not tours.optimal.all():
        raise RuntimeError(f"not proved optimal: {(~tours.optimal).sum()} of {len(points)} instances")
    for record in (single, batch):
        record.gaps += [0.0] * len(points)
        record.proved += len(points)
    return lengths(points, tours.order.long())


def theirs(record: Record, points: Tensor, optimum: Tensor) -> None:
    """Solves the portion by a peer's method; a tour shorter than a proven optimum is our fault and ends the run."""
    assert record.peer is not None
    try:
        found = record.peer.solve(record.method, points)
        gaps = lengths(points, torch.tensor([one["order"] for one in found])) / optimum - 1
    except RuntimeError as error:
        record.error = str(error)
        return
    if (gaps < -TOLERANCE).any():
        raise AssertionError(f"{record.library}, {record.method}: shorter than our optimum by {-gaps.min():.2e}")
    record.cpu_s += [one["cpu"] for one in found]
    record.gaps += gaps.tolist()
    record.proved += sum(one["proved"] for one in found)


def compare(peers: list[Peer], n: int, count: int, seed: int, seconds: float, portion: int) -> list[dict[str, Any]]:
    """Rows for every method that is asked for n nodes, ours first."""
    points = torch.rand(count, n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    single, batch = Record(None, "mesasim", "solve, one a call"), Record(None, "mesasim", f"solve, {portion} a call")
    records = [Record(peer, peer.name, m) for peer in peers for m, largest in peer.largest.items() if n <= largest]
    warm = points[:1]  # first calls load and allocate: not recorded
    optimum = ours(warm, Record(None, "", ""), Record(None, "", ""))
    for record in records:
        theirs(trial := Record(record.peer, record.library, record.method), warm, optimum)
        record.error = trial.error
    for part in points.split(portion):
        optimum = ours(part, single, batch)
        for record in records:
            for i in range(len(part)):
                if record.error is None and sum(record.cpu_s) < seconds:
                    theirs(record, part[i : i + 1], optimum[i : i + 1])
    return [{"n": n, "seed": seed, **record.row()} for record in [single, batch, *records]]


def cells(row: dict[str, Any]) -> str:
    """The row of a Markdown table."""
    form = {
        "cpu_ms_median": ".4g",
        "cpu_ms_mean": ".4g",
        "gap_percent": ".3f",
        "optimal_share": ".1%",
        "proved_share": ".0%",
    }
    numbers = [format(row[key], how) if key in row else "" for key, how in form.items()]
    return " | ".join(
        [f"| {row['library']}", row["method"], *numbers, str(row["instances"]), row.get("ended_by", ""), ""]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venvs", type=Path, default=HERE / ".venvs", help="where the peers' environments are kept")
    parser.add_argument("--peer", nargs="*", choices=PEERS, default=list(PEERS), help="none after it: ours alone")
    parser.add_argument("--n", type=int, nargs="+", default=[10, 12, 15, 20, 30, 50, 75, 100])
    parser.add_argument("--count", type=int, default=200, help="instances of each n")
    parser.add_argument("--portion", type=int, default=20, help="instances before the next method's turn")
    parser.add_argument("--seconds", type=float, default=60, help="CPU seconds a method may use for one n")
    parser.add_argument("--seed", type=int, default=0)
    results = f"tours-{re.sub('[^a-z0-9]+', '-', cpu_name().lower())}-{usable_cores()}-cores.jsonl"
    parser.add_argument("--json", type=Path, default=HERE.parent / "results" / results, help="appended to")
    given = parser.parse_args()
    torch.set_num_threads(1)
    peers: list[Peer] = []
    for name in given.peer:
        try:
            peers.append(Peer(name, given.venvs.resolve()))
        except (subprocess.CalledProcessError, RuntimeError, OSError) as error:
            print(f"not installed: {name}: {error}\n")
    origin = provenance()
    print(f"{origin['machine']}; CPU milliseconds an instance, one thread, uniform points, seed {given.seed}")
    for n in given.n:
        print(
            f"\nn = {n}\n\n| library | method | median ms | mean ms | gap % | optimal | proved | instances | ended by |"
        )
        print("|---|---|---|---|---|---|---|---|---|")
        rows = compare(peers, n, given.count, given.seed, given.seconds, given.portion)
        print("\n".join(map(cells, rows)), flush=True)
        with given.json.open("a") as file:
            file.writelines(json.dumps({**row, **origin}) + "\n" for row in rows)


if __name__ == "__main__":
    main()
