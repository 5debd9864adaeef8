"""`mesasim sweep train` and `mesasim sweep run`: their signatures are their flags, their docstrings their help."""

# No `from __future__ import annotations`: tyro reads the annotations.
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import tyro

from mesasim.output import console, output
from mesasim.progress import bars, print_table
from mesasim.sweep.points import Plan, Point, points
from mesasim.sweep.running import result_of, run_sweep
from mesasim.sweep.table import CSV, MARKDOWN, one_line, over_seeds

SetTexts = Annotated[
    tyro.conf.UseAppendAction[tuple[str, ...]],
    tyro.conf.arg(name="set", metavar="SETTING=VALUE,…", help="a setting and its values; may be repeated"),
]
OptionTexts = Annotated[
    tyro.conf.UseAppendAction[tuple[str, ...]],
    tyro.conf.arg(
        name="option", aliases=["-o"], metavar="NAME=VALUE,…", help="an option of the world; may be repeated"
    ),
]
Backend = Literal["local", "ray"]


def sweep_train(
    out: Path, set_: SetTexts = (), option: OptionTexts = (), seeds: str | None = None, evaluate: int = 0,
    workers: int = 1, num_threads: int = 1, backend: Backend = "local", resume: bool = False, dry_run: bool = False,
) -> None:  # fmt: skip
    """Train at every combination of settings, each in a folder of its own, and gather what came of them in one table.

    Args:
        out: folder of the sweep.
        set_: a setting of `mesasim train` and its values, as network.hidden=32,64.
        option: an option of the world and its values, as arms=5,10.
        seeds: begin:end, without the end, or seeds with commas between them.
        evaluate: unseen tasks to evaluate each trained agent on; 0: none.
        workers: points run side by side, each in a process of its own.
        num_threads: CPU threads of each point; results depend on it in their last bits.
        backend: where points run: on this machine, or on Ray (mesasim[ray]).
        resume: go on in that folder: points that are whole are passed over, the others go on from their checkpoints.
        dry_run: only list the points.
    """
    plan = Plan(None, num_threads=num_threads, evaluate=evaluate)
    _sweep(plan, points(plan, set_, option, seeds), out, workers, backend, resume, dry_run)


def sweep_run(
    experiment: Annotated[str, tyro.conf.Positional], out: Path, set_: SetTexts = (), seeds: str | None = None,
    quick: bool = False, workers: int = 1, num_threads: int = 1, backend: Backend = "local", resume: bool = False,
    dry_run: bool = False,
) -> None:  # fmt: skip
    """Run an experiment at every combination of settings, each in a folder of its own, and gather what came of them in one table.

    Args:
        experiment: its name; `mesasim run --help` lists them.
        out: folder of the sweep.
        set_: a setting of the experiment and its values, as arms=5,10.
        seeds: begin:end, without the end, or seeds with commas between them.
        quick: the experiment's quick form.
        workers: points run side by side, each in a process of its own.
        num_threads: CPU threads of each point; results depend on it in their last bits.
        backend: where points run: on this machine, or on Ray (mesasim[ray]).
        resume: go on in that folder: points that are whole are passed over, the others go on where they were.
        dry_run: only list the points.
    """
    plan = Plan(experiment, quick, num_threads)
    _sweep(plan, points(plan, set_, (), seeds), out, workers, backend, resume, dry_run)


def sweep() -> None:
    """Train, or run an experiment, over seeds, sizes and options. `mesasim sweep --help` lists what can be swept."""
    raise ValueError(f"sweep: got nothing to run, allowed: {', '.join(SWEEPS)}")


SWEEPS: dict[str, Callable[..., None]] = {"train": sweep_train, "run": sweep_run}


def _sweep(plan: Plan, todo: list[Point], out: Path, workers: int, backend: str, resume: bool, dry_run: bool) -> None:
    if dry_run:
        rows = [{"point": p.name, "whole": result_of(out / p.name, p) is not None} for p in todo]

        def list_points() -> None:
            for row in rows:
                console.print(f"{row['point']}  {'whole' if row['whole'] else 'to run'}", soft_wrap=True, markup=False)

        output.rows(rows, list_points)
        return
    with bars() as progress:
        bar = progress.add_task("sweep", total=len(todo), detail="")
        done: dict[str, float] = {}

        def report(point: Point, what: float | Exception) -> None:
            done[point.name] = 1.0 if isinstance(what, Exception) else what
            progress.update(bar, completed=sum(done.values()), detail=point.name)
            if isinstance(what, Exception):
                print(
                    f"mesasim: {point.name}: {one_line(what)}", file=sys.stderr, flush=True
                )  # --quiet silences no failure

        failed = run_sweep(plan, todo, out, workers=workers, backend=backend, resume=resume, report=report)
    found = {p.name: result_of(out / p.name, p) or [] for p in todo}
    head, lines = over_seeds(todo, found)
    result = {"out": out, "points": found, "failed": {name: str(error) for name, error in failed.items()}}
    output.result(result, lambda: print_table("", tuple(head), lines))
    output.say(f"Every point: {out / CSV}; this table: {out / MARKDOWN}")
    if failed:
        print(f"mesasim: {len(failed)} of {len(todo)} points failed; run them again with --resume", file=sys.stderr)
        sys.exit(1)
