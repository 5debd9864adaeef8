"""summary.json of one or more runs → one self-contained page: verdicts, tables, figures. Imports no simulator and
needs no network."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mesasim.integrity import write_whole
from mesasim.results import read_summary

PAGE = "report.html"
STYLE = """
:root { color-scheme: light }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #1c2430 }
h1 { font-size: 1.6rem; margin-bottom: .2rem } h2 { font-size: 1.15rem; margin-top: 2rem }
.question { color: #51606f; font-size: 1.05rem; margin-top: 0 }
.verdict { border-left: 4px solid #3568b0; background: #f2f6fb; padding: .6rem 1rem; margin: .6rem 0 }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .92rem }
th { text-align: right; border-bottom: 2px solid #1c2430; padding: .3rem .5rem; font-weight: 600 }
td { text-align: right; border-bottom: 1px solid #dde3ea; padding: .25rem .5rem; white-space: nowrap }
th:first-child, td:first-child, th:nth-child(2), td:nth-child(2) { text-align: left }
tr.trained td { background: #f7f3e6; font-weight: 600 }
code, .hash { font-family: ui-monospace, monospace; font-size: .85rem }
td.hash { white-space: normal; word-break: break-all; text-align: left }
img { max-width: 100%; height: auto } .note { color: #51606f; font-size: .9rem }
"""
TRAINED_COLOURS = ("#c2410c", "#3568b0", "#2f855a", "#7c3aed", "#b7791f")


def write_report(runs: list[Path], out: Path) -> Path:
    """Writes the page for `runs` to `out` and returns it."""
    body = "".join(_section(run, read_summary(run)) for run in runs)
    title = "mesasim report"
    page = (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{title}</title>"
        f"<meta name='viewport' content='width=device-width, initial-scale=1'><style>{STYLE}</style></head>"
        f"<body>{body}</body></html>\n"
    )
    write_whole(out, lambda path: path.write_text(page))
    return out


def _section(run: Path, summary: dict[str, Any]) -> str:
    rows = sorted(summary["agents"], key=lambda row: -row["reward_mean"])
    text = html.escape
    options = ", ".join(f"{key}={value}" for key, value in summary.get("options", {}).items())
    parts = [
        f"<h1>{text(summary.get('experiment', run.name))}</h1>",
        f"<p class='question'>{text(summary.get('question', ''))}</p>",
        *(f"<p class='verdict'>{text(verdict)}</p>" for verdict in summary.get("verdicts", [])),
        "<h2>Every agent on the same tasks, weights frozen</h2>",
        _table(rows),
        f"<p class='note'>Floor {rows[0]['floor']:.3f}, ceiling {rows[0]['ceiling']:.3f}: "
        f"{text(summary.get('reading', ''))} Below optimum: the best reference's reward minus the agent's, "
        f"task by task on the same tasks.</p>",
        *(_given_table(table) for table in summary.get("tables", [])),
        *(_given_curve(curve) for curve in summary.get("curves", [])),
        *_reward_by_step(rows),
        "<h2>Where each agent lies between floor and ceiling</h2>",
        _image(fraction_figure(rows), "fraction of (ceiling - floor) reached by every agent"),
        "<h2>Weights before and after the evaluation (SHA-256)</h2>",
        _hashes(rows),
        "<h2>Settings</h2>",
        f"<p><code>{text(summary.get('world', ''))}</code> {text(options)}; {rows[0]['tasks']:,} tasks; seed "
        f"{summary.get('seed')}; mesasim {text(str(summary.get('version')))}; {text(str(summary.get('machine', '')))}</p>",
        f"<p>Command: <code>{text(summary.get('command', ''))}</code></p>",
    ]
    return "".join(parts)


def _number(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _table(rows: list[dict[str, Any]]) -> str:
    head = (
        "agent", "nature", "reward", "± SE", "fraction", "below optimum", "± SE",
        "expected regret", "slope a trial", "± SE", "rises?", "CPU s",
    )  # fmt: skip
    lines = [f"<tr>{''.join(f'<th>{name}</th>' for name in head)}</tr>"]
    for row in rows:
        rising = {True: "yes", False: "not shown", None: ""}[row.get("rises")]
        cells = (
            html.escape(row["agent"]), html.escape(row["nature"]), _number(row["reward_mean"]),
            _number(row["reward_se"]), _number(row["fraction"]),
            _number(row.get("below_optimum")), _number(row.get("below_optimum_se")), _number(row.get("expected_regret")),
            _number(row.get("slope"), 4), _number(row.get("slope_se"), 4), rising, _number(row["cpu_seconds"], 1),
        )  # fmt: skip
        mark = " class='trained'" if row.get("trained") else ""
        lines.append(f"<tr{mark}>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    return f"<table>{''.join(lines)}</table>"


def _hashes(rows: list[dict[str, Any]]) -> str:
    lines = ["<tr><th>agent</th><th>before</th><th>after</th><th>unchanged</th></tr>"]
    for row in (row for row in rows if row.get("trained")):
        before, after = row["weights_hash_before"], row["weights_hash_after"]
        same = "yes" if before == after else "NO"
        lines.append(
            f"<tr><td>{html.escape(row['agent'])}</td><td class='hash'>{html.escape(before)}</td>"
            f"<td class='hash'>{html.escape(after)}</td><td>{same}</td></tr>"
        )
    return f"<table>{''.join(lines)}</table>"


def _given_table(table: dict[str, Any]) -> str:
    """An experiment's own table: title, head, rows of texts, note."""
    lines = ["".join(f"<th>{html.escape(name)}</th>" for name in table["head"])]
    lines += ["".join(f"<td>{html.escape(str(cell))}</td>" for cell in row) for row in table["rows"]]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    note = f"<p class='note'>{html.escape(table['note'])}</p>" if table.get("note") else ""
    return f"<h2>{html.escape(table['title'])}</h2><table>{body}</table>{note}"


def _given_curve(curve: dict[str, Any]) -> str:
    """An experiment's own figure: title, names of the axes, series of x, y and standard errors."""
    return f"<h2>{html.escape(curve['title'])}</h2>" + _image(curve_figure(curve), curve["title"])


def _reward_by_step(rows: list[dict[str, Any]]) -> list[str]:
    if len(rows[0]["reward_by_step"]) < 2:
        return []
    alt = "mean reward at each step within the episode, for every agent"
    return ["<h2>Reward by step within the episode</h2>", _image(reward_by_step_figure(rows), alt)]


def _image(figure: Figure, alt: str) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, bbox_inches="tight")
    plt.close(figure)
    return f"<img alt='{html.escape(alt)}' src='data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}'>"


def curve_figure(curve: dict[str, Any]) -> Figure:
    """A line a series with a band of two standard errors; `log_x` for an axis of doublings."""
    figure, axes = plt.subplots(figsize=(9, 4.5))
    for series in curve["series"]:
        (line,) = axes.plot(series["x"], series["y"], marker="o", markersize=3.5, linewidth=1.6, label=series["name"])
        low = [y - 2 * se for y, se in zip(series["y"], series["se"], strict=True)]
        high = [y + 2 * se for y, se in zip(series["y"], series["se"], strict=True)]
        axes.fill_between(series["x"], low, high, color=line.get_color(), alpha=0.15)
    if curve.get("log_x"):
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel(curve["x"])
    axes.set_ylabel(curve["y"])
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def reward_by_step_figure(rows: list[dict[str, Any]]) -> Figure:
    """Trained agents in colour with a band of two standard errors; references thin and grey, the ends labelled."""
    figure, axes = plt.subplots(figsize=(9, 5))
    colours = iter(TRAINED_COLOURS * len(rows))
    for row in rows:
        mean = row["reward_by_step"]
        steps = range(1, len(mean) + 1)
        if not row.get("trained"):
            axes.plot(steps, mean, color="#b8c0c8", linewidth=0.9, zorder=1)
            continue
        colour = next(colours)
        half = [2 * (se or 0.0) for se in row["reward_by_step_se"]]
        low = [m - h for m, h in zip(mean, half, strict=True)]
        high = [m + h for m, h in zip(mean, half, strict=True)]
        axes.fill_between(steps, low, high, color=colour, alpha=0.2, zorder=2)
        axes.plot(steps, mean, color=colour, linewidth=2.2, marker="o", markersize=4, label=row["agent"], zorder=3)
    _label_ends(axes, [row for row in rows if not row.get("trained")])
    axes.set_xlabel("step within the episode (weights frozen)")
    axes.set_ylabel("mean reward")
    trained = sum(bool(row.get("trained")) for row in rows)
    if trained > 6:  # below the figure, where it hides nothing
        axes.legend(frameon=False, fontsize=7, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.12))
    elif trained:
        axes.legend(frameon=False, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _label_ends(axes: Axes, rows: list[dict[str, Any]]) -> None:
    """Names at the right ends of the lines, moved apart where they would cover each other."""
    low, high = axes.get_ylim()
    last = low
    for row in sorted(rows, key=lambda row: row["reward_by_step"][-1]):
        x, y = len(row["reward_by_step"]), row["reward_by_step"][-1]
        last = max(y, last + 0.028 * (high - low))
        axes.annotate(
            row["agent"], (x, y), xytext=(1.02, last), textcoords=("axes fraction", "data"),
            fontsize=6.5, color="#6b7683", va="center", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": "#d5dae0", "linewidth": 0.5},
        )  # fmt: skip


def fraction_figure(rows: list[dict[str, Any]]) -> Figure:
    """A bar an agent, with two standard errors."""
    figure, axes = plt.subplots(figsize=(9, 0.32 * len(rows) + 1))
    ordered = rows[::-1]
    colours = ["#c2410c" if row.get("trained") else "#8fa3b8" for row in ordered]
    errors = [2 * (row["fraction_se"] or 0.0) for row in ordered]
    axes.barh(range(len(ordered)), [row["fraction"] for row in ordered], xerr=errors, color=colours, height=0.7)
    axes.set_yticks(range(len(ordered)), [row["agent"] for row in ordered], fontsize=8)
    axes.axvline(0, color="#1c2430", linewidth=0.8)
    axes.axvline(1, color="#1c2430", linewidth=0.8, linestyle="--")
    axes.set_xlabel("fraction of (ceiling - floor); dashed: the ceiling")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
