"""Progress on a terminal: what is running, how fast, how good, how long still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

console = Console()


@contextmanager
def bars(quiet: bool = False) -> Iterator[Progress]:
    """A set of bars; each shows its task's `detail`."""
    columns = (
        TextColumn("{task.description:<28}"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn(),
        TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[detail]}"),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=quiet) as progress:
        yield progress


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
    """One line about a data set: how much, where, and how it is read."""
    kept, shards = sum(shard["kept"] for shard in manifest["shards"].values()), len(manifest["shards"])
    where = f"{shards} shard{'s' * (shards != 1)} in {out}"
    console.print(f"{kept:,} {noun} in {where}; read: {package}.load({str(out)!r})", soft_wrap=True)


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
