"""Progress on stderr: what is running, how fast, how good, how long still. Bars on a terminal; where there is none (a log, a
batch system) a line now and then."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from mesasim.output import console, messages, output, tell, to_stderr
from mesasim.train.distributed import first_rank

FIRST_LINE_S, LINE_EVERY_S = 1.0, 10.0  # of a task's lines where there is no terminal
SPEED_OVER_S = 3600.0  # the time left is told from the speed of this last while: iterations may take minutes
REDRAWN_EVERY_S = 0.5


class Bars(Progress):
    """Bars on a terminal, from the first task on. `ticking`: redrawn by a thread, else only when a task gets on, so that
    a measurement is not disturbed."""

    def __init__(self, ticking: bool) -> None:
        columns = (
            TextColumn("{task.description:<28}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn(),
            TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[detail]}"),
        )  # fmt: skip
        super().__init__(
            *columns, console=messages, auto_refresh=ticking, refresh_per_second=1 / REDRAWN_EVERY_S,
            redirect_stdout=False, speed_estimate_period=SPEED_OVER_S,
        )  # fmt: skip
        self.redrawn, self.broken = 0.0, False

    def start(self) -> None:
        self._draw(super().start)

    def refresh(self) -> None:
        self._draw(super().refresh)

    def stop(self) -> None:
        self._draw(super().stop)

    def _draw(self, draw: Callable[[], None]) -> None:
        """Nothing more once the terminal is gone, in the middle of which the display may be half made."""
        if self.broken:
            return
        self.broken = True
        with to_stderr():
            draw()
            self.broken = False

    def add_task(self, *arguments: Any, **keywords: Any) -> TaskID:
        self.start()
        return super().add_task(*arguments, **keywords)

    def update(self, task_id: TaskID, **keywords: Any) -> None:
        if task_id not in self.task_ids:  # finished, and left behind on the terminal
            return
        self.start()
        super().update(task_id, **keywords)
        if not self.live.auto_refresh and time.monotonic() - self.redrawn > REDRAWN_EVERY_S:
            self.redrawn = time.monotonic()
            self.refresh()

    def clear(self) -> None:
        """Leaves the bars as they are on the terminal; those not finished go on below what is printed meanwhile."""
        self.stop()
        for task in self.tasks:
            if task.finished:
                self.remove_task(task.id)


class Lines(Progress):
    """The same tasks as lines: how far in per cent, the time taken and left, the detail."""

    def __init__(self, silent: bool = False) -> None:
        super().__init__(disable=True, speed_estimate_period=SPEED_OVER_S)
        self.silent = silent
        self.told: dict[TaskID, float] = {}

    def update(self, task_id: TaskID, **keywords: Any) -> None:
        super().update(task_id, **keywords)
        if self.silent or self.told.get(task_id) == math.inf:
            return
        task = next(task for task in self.tasks if task.id == task_id)
        told, now = self.told.get(task_id), task.elapsed or 0.0
        if (task.finished and told is not None) or now >= (FIRST_LINE_S if told is None else told + LINE_EVERY_S):
            self.told[task_id] = math.inf if task.finished else now
            tell(line(task))

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        self.update(task_id, advance=advance)

    def clear(self) -> None:
        """Nothing is in the way of what is printed."""


def line(task: Task) -> str:
    """train gru: 120/400 (30 %), 0:00:12 taken, 0:00:28 left; 53,318 steps/s, return 6.21"""
    taken = timedelta(seconds=int(task.elapsed or 0))
    left = "?" if task.time_remaining is None else timedelta(seconds=int(task.time_remaining))
    detail = f"; {task.fields['detail']}" if task.fields.get("detail") else ""
    far = f"{counted(task.completed)}/{counted(task.total or 0)} ({task.percentage:.0f} %)"
    return f"{task.description}: {far}, {taken} taken, {left} left{detail}"


def counted(number: float) -> str:
    """1,234,567; 2.5"""
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.1f}"


def on_terminal() -> bool:
    """Whether stderr can redraw a line: not a log that looks like a terminal (FORCE_COLOR), not one without control codes."""
    return messages.is_jupyter or (sys.stderr.isatty() and not messages.is_dumb_terminal)


_open: list[Bars | Lines] = []  # the one display of the command under way


@contextmanager
def bars(quiet: bool = False, ticking: bool = True) -> Iterator[Progress]:
    """Where tasks are shown; each shows its `detail`. Within another, that one."""
    if quiet or output.quiet or not first_rank():
        yield Lines(silent=True)
    elif _open:
        yield _open[-1]
    else:
        display = Bars(ticking) if on_terminal() else Lines()
        _open.append(display)
        try:
            yield display
        finally:
            _open.pop()
            display.stop()


def clear_bars() -> None:
    """Before something is printed on the same terminal."""
    for display in _open:
        display.clear()


output.before_result = clear_bars


def counter(name: str, total: int) -> Callable[..., None]:
    """A task of a command: call what it returns after each of `total` pieces of work, with its name. Nothing is shown
    outside a command, so that a library's function may have one."""
    display = _open[-1] if _open and not output.quiet else Lines(silent=True)
    task = display.add_task(name, total=total, detail="")

    def done(detail: str = "") -> None:
        display.update(task, advance=1, detail=detail)

    return done


def training_bar(
    progress: Progress, name: str, iterations: int, floor: float | None = None, ceiling: float | None = None
) -> Callable[[dict[str, float]], None]:
    """A bar for a training run; call what it returns with each iteration's metrics. With floor and ceiling of an
    episode's reward it also shows the fraction of their distance that sampled actions reach."""
    bar = progress.add_task(f"train {name}", total=iterations, detail="")

    def report(metrics: dict[str, float]) -> None:
        gain = ""
        if floor is not None and ceiling is not None:
            gain = f" = {(metrics['episode_return'] - floor) / (ceiling - floor):.0%} of ceiling"
        detail = f"{metrics['steps_per_second']:,.0f} steps/s, return {metrics['episode_return']:.2f}{gain}"
        progress.update(bar, completed=metrics["iteration"], detail=detail)

    return report


def supervised_bar(progress: Progress, name: str, iterations: int) -> Callable[[dict[str, float]], None]:
    """A bar for a supervised training; call what it returns with each row of metrics."""
    bar = progress.add_task(f"train {name}", total=iterations, detail="")

    def report(metrics: dict[str, float]) -> None:
        detail = f"{metrics['examples_per_second']:,.0f} examples/s, loss {metrics['loss']:.4f}"
        progress.update(bar, completed=metrics["iteration"], detail=detail)

    return report


def iteration_bar(progress: Progress, name: str, iterations: int, shown: str) -> Callable[[dict[str, float]], None]:
    """A bar for any other training; call what it returns with each row of metrics. `shown` is the metric it names."""
    bar = progress.add_task(f"train {name}", total=iterations, detail="")

    def report(metrics: dict[str, float]) -> None:
        progress.update(bar, completed=metrics["iteration"], detail=f"{shown.replace('_', ' ')} {metrics[shown]:.3f}")

    return report


def shard_bar(progress: Progress, name: str, count: int) -> Callable[[int, int], None]:
    """A bar for a data set of `count` numbers; call what it returns with (numbers, kept) of each shard."""
    bar = progress.add_task(name, total=count, detail="")
    total = 0

    def report(made: int, kept: int) -> None:
        nonlocal total
        total += kept
        progress.update(bar, advance=made, detail=f"kept {total:,}")

    return report


def say_what_was_made(manifest: dict, noun: str, package: str, out: Path) -> None:
    """The result of `mesasim generate`: how much, where, and how it is read; as JSON the manifest, shards counted."""
    kept, shards = sum(shard["kept"] for shard in manifest["shards"].values()), len(manifest["shards"])
    where = f"{shards} shard{'s' * (shards != 1)} in {out}"
    text = f"{kept:,} {noun} in {where}; read: {package}.load({str(out)!r})"
    made = {"out": out, "kept": kept, "shards": shards, **{k: v for k, v in manifest.items() if k != "shards"}}
    output.result(made, lambda: console.print(text, soft_wrap=True))


def print_table(title: str, head: tuple[str, ...], rows: list[tuple]) -> None:
    """A table on the terminal; its first column is never folded, nor any where all of it fits."""
    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    widths = [max(len(str(cell)) for cell in column) for column in zip(head, *rows, strict=True)]
    fits = sum(widths) + 3 * (len(head) - 1) <= console.width
    for index, column in enumerate(head):
        table.add_column(column, overflow="fold", no_wrap=index == 0 or fits)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    console.print(table)
