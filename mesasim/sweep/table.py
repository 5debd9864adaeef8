"""What the points of a sweep gave, in one table: results.csv, a row a point (and agent), and results.md, means over seeds."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mesasim.integrity import write_whole
from mesasim.metrics import estimate
from mesasim.sweep.points import Point

CSV, MARKDOWN = "results.csv", "results.md"
SHOWN = ("episode_return", "reward_mean", "fraction", "below_optimum")  # of what was measured, in the table over seeds

Rows = Sequence[Mapping[str, Any]]


def write_results(
    out: Path, todo: Sequence[Point], results: Mapping[str, Rows], failed: Mapping[str, Exception]
) -> None:
    """Both files, in the order of the points."""
    rows = table(todo, results, failed)
    head = list(dict.fromkeys(name for row in rows for name in row))

    def write(path: Path) -> None:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, head)
            writer.writeheader()
            writer.writerows(rows)

    write_whole(out / CSV, write)
    names, lines = over_seeds(todo, results)
    text = "\n".join(markdown(names, lines)) + "\n"
    if failed:
        text += "\nFailed:\n\n" + "".join(f"- {name}: {one_line(error)}\n" for name, error in sorted(failed.items()))
    write_whole(out / MARKDOWN, lambda path: path.write_text(text))


def table(todo: Sequence[Point], results: Mapping[str, Rows], failed: Mapping[str, Exception]) -> list[dict[str, Any]]:
    """A row for each row of each point: its name, its settings, done or how it failed, what was measured."""
    rows = []
    for point in todo:
        status = f"failed: {one_line(failed[point.name])}" if point.name in failed else "done"
        for row in results.get(point.name, [{}]):
            rows.append({"point": point.name, **point.settings, "status": status, **row})
    return rows


def over_seeds(todo: Sequence[Point], results: Mapping[str, Rows]) -> tuple[list[str], list[tuple[str, ...]]]:
    """Head and lines of the table of means ± standard errors over seeds, a line for what else varies (and agent)."""
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    varied = {name for point in todo for name in point.settings if point.settings[name] != todo[0].settings.get(name)}
    settings = [name for name in (todo[0].settings if todo else {}) if name in varied - {"seed"}]
    agents = any("agent" in row for rows in results.values() for row in rows)
    for point in todo:
        for row in results.get(point.name, []):
            key = (*(str(point.settings[name]) for name in settings), *([row.get("agent", "")] if agents else []))
            groups.setdefault(key, []).append(row)
    measured = [name for name in SHOWN if any(name in row for rows in groups.values() for row in rows)]
    head = [*settings, *(["agent"] if agents else []), "runs", *measured]
    return head, [(*key, str(len(rows)), *(_mean(rows, name) for name in measured)) for key, rows in groups.items()]


def _mean(rows: Rows, name: str) -> str:
    """Over the runs that have a finite number, and of how many runs these are, where others have none."""
    if all(row.get(name) is None for row in rows):
        return ""
    values = [row[name] for row in rows if isinstance(row.get(name), (int, float)) and math.isfinite(row[name])]
    some = f" ({len(values)} of {len(rows)})" if len(values) < len(rows) else ""
    if len(values) < 2:
        return (f"{values[0]:.4f}" if values else "nan") + some
    found = estimate(np.array(values))
    return f"{found.mean:.4f} ± {found.se:.4f}{some}"


def markdown(head: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"

    return [line(head), line(["---"] * len(head)), *(line(cells) for cells in lines)]


def one_line(error: Exception) -> str:
    text = " ".join(str(error.args[0] if isinstance(error, KeyError) and error.args else error).split())
    return f"{type(error).__name__}: {text}"
