"""A peer's work and ours in turn, round by round: medians and ratios."""

from __future__ import annotations

import datetime
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import torch

from mesasim.bench.peers.installing import NotInstalled, environment
from mesasim.bench.peers.pins import version
from mesasim.bench.peers.processes import Worker, WorkerFailed, our_worker
from mesasim.bench.peers.works import Pair
from mesasim.runs import provenance

TOLERANCE = 1e-9  # relative: lengths of one tour, summed in another order


class Runner(Protocol):
    """What a worker can do."""

    def prepare(self, work: dict[str, Any]) -> dict[str, Any]: ...
    def run(self, seconds: float, span: list[int] | None = None) -> dict[str, Any]: ...


class Workers:
    """Processes, started when first asked for, and one peer's at a time: what idles takes no memory."""

    def __init__(self, venvs: Path) -> None:
        self.venvs = venvs
        self.ours: dict[int, Worker] = {}
        self.theirs: Worker | None = None
        self.reasons: dict[str, str] = {}  # why a peer is not installed

    def our(self, threads: int) -> Worker:
        kept = self.ours.get(threads)
        if kept is None or not kept.alive:
            if kept is not None:
                kept.close()
            self.ours[threads] = our_worker(threads)
        return self.ours[threads]

    def their(self, peer: str, threads: int) -> Worker:
        if peer in self.reasons:
            raise NotInstalled(self.reasons[peer])
        kept = self.theirs
        if kept is None or not kept.alive or (kept.library, kept.threads) != (peer, threads):
            if kept is not None:
                kept.close()
            try:
                python = environment(peer, self.venvs)
            except NotInstalled as error:
                self.reasons[peer] = f"not installed: {error}"
                raise NotInstalled(self.reasons[peer]) from None
            self.theirs = Worker(peer, python, threads)
        assert self.theirs is not None
        return self.theirs

    def close(self) -> None:
        for worker in (*self.ours.values(), *([self.theirs] if self.theirs else [])):
            worker.close()


def measure(
    pairs: list[Pair], threads: tuple[int, ...], rounds: int, seconds: float, workers: Workers,
    report: Callable[[Pair, int], None] = lambda pair, count: None,
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """A row a pair and number of threads; what fails has an "error" that says why, and the rest go on."""
    today = datetime.date.today().isoformat()
    for peer in dict.fromkeys(pair.peer for pair in pairs):
        for count in threads:
            for pair in (pair for pair in pairs if pair.peer == peer):
                report(pair, count)
                try:
                    row = compare(
                        pair, workers.their(peer, count), workers.our(count) if pair.ours else None, rounds, seconds
                    )
                except (NotInstalled, WorkerFailed) as error:
                    row = {"error": str(error)}
                told = {
                    "group": pair.group, "peer": peer, "peer_version": version(peer), "what": pair.what,
                    "ours": pair.beside, "num_threads": count, "aim": pair.aim, "note": pair.note, "date": today,
                }  # fmt: skip
                yield {**told, **row, **provenance()}


def compare(pair: Pair, their: Runner, our: Runner | None, rounds: int, seconds: float) -> dict[str, Any]:
    """Both sides' medians over rounds in turn, and ours over theirs."""
    facts = their.prepare(pair.theirs)
    our_facts = our.prepare(pair.ours) if our is not None and pair.ours is not None else {}
    theirs, ours = [], []
    seconds *= pair.longer
    for index in range(rounds):
        # Tours need theirs first: ours solves those that it just did.
        ours_first = our is not None and pair.group != "tours" and index % 2 == 1
        if our is not None and ours_first:
            ours.append(our.run(seconds))
        theirs.append(their.run(seconds))
        if our is not None and not ours_first:
            ours.append(our.run(seconds, span=[which for which, *_ in theirs[-1].get("found", [])] or None))
    row: dict[str, Any] = {
        "rounds": rounds, "seconds": seconds, "peer_bytes_per_step": facts.get("bytes_per_step"),
        "peer_parameters": facts.get("parameters"), "our_parameters": our_facts.get("parameters"),
        **rates("peer", theirs),
    }  # fmt: skip
    if our is not None:
        row |= {"our_bytes_per_step": our_facts.get("bytes_per_step"), **rates("our", ours)}
        row |= ratios(row, theirs, ours)
        if pair.aim is not None:
            row["aim_met"] = row["ratio_per_cpu_second"] >= pair.aim
    if pair.group == "tours":
        row |= quality(pair.theirs["points"], theirs, ours)
    return row


def rates(side: str, rounds: list[dict[str, Any]]) -> dict[str, float]:
    """Medians of units a wall second and a CPU second."""
    return {
        f"{side}_per_second": statistics.median(r["units"] / r["wall"] for r in rounds),
        f"{side}_per_cpu_second": statistics.median(r["units"] / r["cpu"] for r in rounds),
    }


def ratios(row: dict[str, Any], theirs: list[dict[str, Any]], ours: list[dict[str, Any]]) -> dict[str, Any]:
    """Ours over theirs: of the medians, and the least and most that neighbouring rounds gave."""
    each = [(o["units"] / o["cpu"]) / (t["units"] / t["cpu"]) for t, o in zip(theirs, ours, strict=True)]
    return {
        "ratio_per_second": row["our_per_second"] / row["peer_per_second"],
        "ratio_per_cpu_second": row["our_per_cpu_second"] / row["peer_per_cpu_second"],
        "ratio_per_cpu_second_range": [min(each), max(each)],
    }


def quality(
    points: list[list[list[float]]], theirs: list[dict[str, Any]], ours: list[dict[str, Any]]
) -> dict[str, Any]:
    """How far the peer's tours are above our optima, and what share of them is optimal. A tour shorter than what we say is
    proved ends the run: that would be our fault."""
    at = torch.tensor(points, dtype=torch.float64)
    optimum: dict[int, float] = {}
    proved_here = True
    for answer in ours:
        for which, order, proved in answer["found"]:
            optimum[which] = tour_length(at[which], order)
            proved_here = proved_here and proved
    gaps, proofs = [], []
    for answer in theirs:
        for which, order, proved in answer["found"]:
            gaps.append(tour_length(at[which], order) / optimum[which] - 1)
            proofs.append(proved)
    if proved_here and min(gaps) < -TOLERANCE:
        raise AssertionError(f"a tour is shorter than our optimum, by {-min(gaps):.2e} of it")
    return {
        "gap_percent": 100 * statistics.fmean(gaps),
        "optimal_share": statistics.fmean(gap <= TOLERANCE for gap in gaps),
        "proved_share": statistics.fmean(proofs), "our_proved": proved_here, "instances": len(gaps),
    }  # fmt: skip


def tour_length(points: torch.Tensor, order: list[int]) -> float:
    """Of a closed tour through [n, 2] points; WorkerFailed if it is none."""
    if sorted(order) != list(range(len(points))):
        raise WorkerFailed("what came back is no tour")
    visited = points[torch.tensor(order)]
    return float((visited - visited.roll(-1, 0)).norm(dim=1).sum())
