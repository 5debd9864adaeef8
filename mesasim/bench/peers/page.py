"""Rows of the comparison as files: JSON lines, Markdown tables, a figure."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from mesasim.bench.peers.works import GROUPS, UNITS
from mesasim.devices import usable_cores
from mesasim.integrity import write_whole
from mesasim.runs import cpu_name

PAGE, FIGURE = "peers.md", "peers.png"
KEY = ("group", "peer", "what", "num_threads")


def rows_file(out: Path) -> Path:
    """Of this machine."""
    return out / f"peers-{re.sub('[^a-z0-9]+', '-', cpu_name().lower()).strip('-')}-{usable_cores()}-cores.jsonl"


def write_files(rows: list[dict[str, Any]], out: Path) -> list[Path]:
    """Writes peers-MACHINE.jsonl, peers.md and peers.png; rows measured here earlier stay where there is no new one."""
    out.mkdir(parents=True, exist_ok=True)
    file = rows_file(out)
    earlier = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    merged = {tuple(row[name] for name in KEY): row for row in [*earlier, *rows]}
    kept = sorted(merged.values(), key=lambda row: GROUPS.index(row["group"]))
    write_whole(file, lambda path: path.write_text("".join(json.dumps(row) + "\n" for row in kept)))
    write_whole(out / PAGE, lambda path: path.write_text(markdown(kept)))
    write_whole(out / FIGURE, lambda path: figure(kept, path))
    return [file, out / PAGE, out / FIGURE]


def number(value: float) -> str:
    """Three digits with a thousand's or million's letter."""
    for size, letter in ((1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{letter}" if value < 1000 * size else f"{value / size:,.0f}{letter}"
    return f"{value:.3g}"


def ratio(value: float) -> str:
    """Three digits, whole from 100 on."""
    return f"{value:,.0f}×" if value >= 100 else f"{value:.3g}×"


def cells(row: dict[str, Any]) -> list[str]:
    """One line of a table, whose head is HEAD."""
    library = f"{row['peer']} {row['peer_version']}"
    named = [library, row["what"], row["ours"] or "no counterpart", str(row["num_threads"])]
    if "error" in row:
        return [*named, "", f"not measured: {row['error']}", "", "", "", row["note"]]

    def rate(side: str) -> str:
        if f"{side}_per_second" not in row:
            return ""
        return f"{number(row[f'{side}_per_cpu_second'])} ({number(row[f'{side}_per_second'])})"

    sizes = [row.get(f"{side}_bytes_per_step") for side in ("peer", "our")]
    moved = " / ".join(str(size) for size in sizes if size is not None)
    times = ""
    if "ratio_per_second" in row:
        times = f"**{ratio(row['ratio_per_cpu_second'])}** ({ratio(row['ratio_per_second'])})"
    aim = f"{row['aim']:g}×: {'met' if row['aim_met'] else 'not met'}" if "aim_met" in row else ""
    note = row["note"]
    if "gap_percent" in row:
        note = f"theirs {row['gap_percent']:.2f} % above the optimum, {row['optimal_share']:.0%} optimal"
    counted = [row.get(f"{side}_parameters") for side in ("peer", "our")]
    if any(counted):
        weights = "parameters: " + " / ".join(f"{count:,}" for count in counted if count is not None)
        note = f"{weights}; {note}" if note else weights
    return [*named, moved, rate("peer"), rate("our"), times, aim, note]


HEAD = (
    "peer", "theirs", "ours", "threads", "bytes a step", "their rate", "our rate", "ours over theirs", "aim", "note",
)  # fmt: skip


def markdown(rows: list[dict[str, Any]]) -> str:
    """The page: a table a group."""
    lines = [
        "# Beside others", "",
        "Written by `mesasim bench peers`; [what is put beside what, and how](../../docs/benchmarks.md). Rates are units a "
        "second of CPU time, in brackets a second by the clock; bytes a step are theirs and ours; an aim is of the ratio a "
        "CPU second.", "",
        f"![ours over theirs]({FIGURE})", "",
    ]  # fmt: skip
    for group in GROUPS:
        chosen = [row for row in rows if row["group"] == group]
        if not chosen:
            continue
        measured = sorted({(row["machine"], row["date"]) for row in chosen})
        counted = sorted({(row["rounds"], row["seconds"]) for row in chosen if "rounds" in row})
        lines += [f"## {group.capitalize()}, {UNITS[group]} a second", ""]
        where = "; ".join(f"{machine}, {date}" for machine, date in measured)
        lines += [where + "".join(f"; medians of {rounds} rounds of {seconds:g} s" for rounds, seconds in counted), ""]
        lines += ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
        lines += ["| " + " | ".join(cell.replace("|", "/") for cell in cells(row)) + " |" for row in chosen]
        lines += [""]
    return "\n".join(lines)


def figure(rows: list[dict[str, Any]], path: Path) -> None:
    """A bar a row on a logarithmic axis: ours over theirs a CPU second, one thread (or the fewest measured), a panel a group."""
    panels = {}
    for group in GROUPS:
        chosen = [row for row in rows if row["group"] == group and "ratio_per_cpu_second" in row]
        fewest = min((row["num_threads"] for row in chosen), default=1)
        chosen = [row for row in chosen if row["num_threads"] == fewest]
        if chosen:
            panels[group] = sorted(chosen, key=lambda row: row["ratio_per_cpu_second"])
    heights = [len(chosen) + 2 for chosen in panels.values()] or [1]
    drawing, axes = plt.subplots(
        len(heights), 1, figsize=(9, 0.24 * sum(heights) + 0.6), height_ratios=heights, squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for axis, (group, chosen) in zip(axes[:, 0], panels.items(), strict=False):
        values = [row["ratio_per_cpu_second"] for row in chosen]
        places = range(len(chosen))
        axis.barh(places, [value - 1 for value in values], left=1, color="#3b6ea5")
        axis.set_yticks(places, [f"{row['peer']}: {row['what']}" for row in chosen])
        axis.set_ylim(-0.6, len(chosen) - 0.4)
        axis.set_xscale("log")
        axis.axvline(1, color="black", linewidth=0.8)
        axis.set_xlim(min(0.5, *values) / 1.5, max(values) * 3)
        for place, value in enumerate(values):
            axis.text(max(value, 1) * 1.05, place, ratio(value), va="center", fontsize=7)
        axis.tick_params(labelsize=7)
        axis.set_title(
            f"{group}: our {UNITS[group]} a CPU second over theirs, {chosen[0]['num_threads']} thread(s)", fontsize=8
        )
    drawing.savefig(path, dpi=110, format="png")
    plt.close(drawing)
