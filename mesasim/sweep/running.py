"""Runs the points of a sweep: each in a process of its own, in a folder of its own, to the same bits whatever runs beside it.
A point is whole when its result.json is there; one that was interrupted goes on from its newest checkpoint."""

from __future__ import annotations

import io
import json
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import closing, redirect_stdout
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from mesasim.experiments import experiments
from mesasim.integrity import LOCK, held, remove_leftovers, write_whole
from mesasim.output import output
from mesasim.results import SUMMARY, read_summary
from mesasim.shards.files import read_json
from mesasim.sweep.points import Plan, Point
from mesasim.sweep.table import write_results
from mesasim.train.logs import METRICS, read_rows
from mesasim.train.ppo import train
from mesasim.workers import check_workers, each

SWEEP, RESULT = "sweep.json", "result.json"
RESULT_BYTES = 1 << 24
PRELOAD = ("mesasim.__main__", "torch._dynamo")  # the second: what an optimiser imports when it is made, for seconds
# What a table is made of: nothing that tells how fast a machine was, so that a sweep's results are the same on every one.
METRICS_KEPT = ("iteration", "steps", "reward_per_step", "episode_return", "policy_loss", "value_loss", "entropy")
SUMMARY_KEPT = (
    "agent",
    "nature",
    "reward_mean",
    "reward_se",
    "fraction",
    "fraction_se",
    "below_optimum",
    "below_optimum_se",
)

Rows = list[dict[str, Any]]


def run_sweep(
    plan: Plan, todo: Sequence[Point], out: Path, *, workers: int = 1, backend: str = "local", resume: bool = False,
    report: Callable[[Point, float | Exception], None] | None = None,
) -> dict[str, Exception]:  # fmt: skip
    """Runs the points that have no result yet and writes results.csv and results.md of all. Gives the failures: name of a point →
    what it ended with; the others are run all the same.

    Args:
        resume: go on in a folder that holds this sweep, or the same with other points. FileExistsError without it, and
            BlockingIOError for a folder that another process works in.
        report: called with a point and the share of it that is done, 1 when it is whole, or what it failed with.
    """
    check_workers(workers, backend)
    out = Path(out).absolute()
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"out: got {out}, which is a file; allowed: a folder")
    with held(out):
        _claim(plan, out, resume)
        remove_leftovers(out)
        return _run(plan, todo, out, workers, backend, report)


def _run(
    plan: Plan, todo: Sequence[Point], out: Path, workers: int, backend: str,
    report: Callable[[Point, float | Exception], None] | None,
) -> dict[str, Exception]:  # fmt: skip
    results: dict[str, Rows] = {}
    failed: dict[str, Exception] = {}
    left = []
    for point in todo:
        rows = result_of(out / point.name, point)
        if rows is None:
            left.append(point)
        else:
            results[point.name] = rows
            if report is not None:
                report(point, 1.0)
    job = partial(run_point, plan, out)
    with closing(
        each(job, left, workers=workers, backend=backend, fresh=True, told=report, preload=PRELOAD)
    ) as answers:
        for point, answer in answers:
            if isinstance(answer, Exception):
                failed[point.name] = answer
            else:
                results[point.name] = answer
            if report is not None:
                report(point, answer if isinstance(answer, Exception) else 1.0)
    write_results(out, todo, results, failed)
    return failed


def _claim(plan: Plan, out: Path, resume: bool) -> None:
    written, now = out / SWEEP, json.loads(json.dumps(asdict(plan)))
    if written.exists():
        if not resume:
            raise FileExistsError(f"out: got {out}, which holds a sweep already; allowed: --resume, or another folder")
        was = read_json(written, RESULT_BYTES)
        if was != now:
            raise ValueError(f"out: got {out}, whose sweep was of other settings (then {was}, now {now})")
    elif any(file.suffix != ".tmp" and file.name != LOCK for file in out.iterdir()):
        raise FileExistsError(f"out: got {out}, which is not empty; allowed: a new or empty folder")
    else:
        write_whole(written, lambda file: file.write_text(json.dumps(now, indent=1) + "\n"))


def result_of(folder: Path, point: Point) -> Rows | None:
    """The rows of a point that is whole."""
    try:
        found = read_json(folder / RESULT, RESULT_BYTES)
        same = found["settings"] == json.loads(json.dumps(point.settings)) and isinstance(found["rows"], list)
        return found["rows"] if same else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def run_point(plan: Plan, out: Path, point: Point, tell: Callable[[float], None] | None = None) -> Rows:
    """A worker's job: a point from where it is to its result."""
    folder = out / point.name
    for file in folder.rglob(".*.tmp"):  # of a process that was killed; no other is at work here
        file.unlink(missing_ok=True)
    rows = train_point(plan, point, folder, tell) if plan.experiment is None else run_experiment(plan, point, folder)
    text = json.dumps({"settings": point.settings, "rows": rows}, indent=1)
    write_whole(folder / RESULT, lambda file: file.write_text(text + "\n"))
    return json.loads(text)["rows"]


def train_point(plan: Plan, point: Point, folder: Path, tell: Callable[[float], None] | None) -> Rows:
    """Trains, from the newest checkpoint if there is one, and evaluates if the plan asks for it. One row of the last iteration's
    metrics and the trained agent's results."""
    config = plan.config(point)
    said = time.monotonic()

    def report(row: dict[str, float]) -> None:
        nonlocal said
        if tell is not None and time.monotonic() - said > 0.5:
            said = time.monotonic()
            tell(row["iteration"] / (config.iterations + 1))  # the rest: what comes after

    train(config, folder, resume=True, report=report)
    last = read_rows(folder / METRICS)[-1]
    if last["iteration"] != config.iterations:
        raise ValueError(f"{folder / METRICS} ends at iteration {last['iteration']}, expected {config.iterations}")
    row = {name: last[name] for name in METRICS_KEPT}
    if plan.evaluate:
        from mesasim.__main__ import evaluate  # the command, which imports this module

        with redirect_stdout(io.StringIO()), output.flags(quiet=True, json=False):
            evaluate(folder, tasks=plan.evaluate, seed=1000 + config.seed, device=config.device)
        row |= next(kept for kept in summary_rows(folder) if kept["agent"] == config.network.kind)
    return [row]


def run_experiment(plan: Plan, point: Point, folder: Path) -> Rows:
    """Runs the experiment, going on where it was. A row for each agent it evaluated."""
    assert plan.experiment is not None
    if folder.exists() and not any(folder.iterdir()):
        shutil.rmtree(folder)
    with redirect_stdout(io.StringIO()):
        experiments()[plan.experiment].run(plan.config(point), folder, resume=True, overwrite=False, quiet=True)
    return summary_rows(folder)


def summary_rows(folder: Path) -> Rows:
    return [{name: row[name] for name in SUMMARY_KEPT if name in row} for row in read_summary(folder)["agents"]]


__all__ = ["RESULT", "SUMMARY", "SWEEP", "result_of", "run_point", "run_sweep"]
