"""The results of bench/gpu.sh on one screen: `python bench/gpu/table.py bench/results/<gpu>.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

LINES = 48  # of a screen

Row = dict[str, Any]
Parts = dict[str, Any]


def table(results: dict[str, Any]) -> str:
    """At most LINES lines."""
    about, parts = results["about"], results["parts"]
    lines = [
        f"{about['gpu'] or 'CPU'}, mesasim {about['mesasim']} ({about['commit']}), torch {about['torch']}, {about['date']}"
        f"{', QUICK: no figure here is a measurement' if about['quick'] else ''}",
        f"build {about['build_seconds']:.0f} s, module {about['module_bytes'] / 2**20:.1f} MiB",
        *verdicts(parts), *aims(parts), *worlds(parts), *mazes(parts), *tours(parts), *training(parts),
    ]  # fmt: skip
    return "\n".join(lines[:LINES])


def rows(parts: Parts, name: str) -> list[Row]:
    return parts.get(name, {}).get("rows", [])


def verdicts(parts: Parts) -> list[str]:
    """A line on all parts, and the first failures and what was left out."""
    equal = [row["equal"] for row in rows(parts, "parity")]
    tools = [f"{row['tool']} {'clean' if row['clean'] else 'NOT CLEAN'}" for row in rows(parts, "sanitizer")]
    ended = ", ".join(f"{name} {'ok' if part['ok'] else 'FAILED'} {part['took']:.0f} s" for name, part in parts.items())
    said = f"parity: {sum(equal)} of {len(equal)} equal; sanitizer: {', '.join(tools) or 'not run'}"
    noted = [f"FAILED {name}: {text}" for name, part in parts.items() for text in part["failures"]]
    noted += [f"left out of {name}: {text}" for name, part in parts.items() for text in part["left_out"]]
    more = [f"… and {len(noted) - 6} more, in the file"] if len(noted) > 6 else []
    return [said, f"parts: {ended}", *(text[:150] for text in noted[:6]), *more]


def copied(parts: Parts) -> float:
    """Bytes a second of the measured copy; 0 if it was not measured."""
    return max((row["bytes_per_second"] for row in rows(parts, "bandwidth")), default=0.0)


def share(row: Row, bandwidth: float) -> float:
    """Of the copy's bandwidth that a step's bytes make up in the time it takes."""
    return row["steps_per_second"] * row["bytes_per_step"] / bandwidth if bandwidth else float("nan")


def best(parts: Parts, part: str, value: str, **where: Any) -> float | None:
    found = [row[value] for row in rows(parts, part) if all(row.get(name) == wanted for name, wanted in where.items())]
    return max(found, default=None)


def aims(parts: Parts) -> list[str]:
    """The aims for one H100- or H200-class GPU, and what was measured."""
    generated = {"algorithm": "depth_first", "mode": "generate", "size": 16}
    asked = [
        ("Bandit, steps/s", 5e9, best(parts, "worlds", "steps_per_second", world="Bandit-v0")),
        ("Maze 15×15, view 5×5, steps/s", 5e8, best(parts, "worlds", "steps_per_second", world="Maze-v0")),
        ("depth-first mazes 16×16 a second", 2e7, best(parts, "mazes", "mazes_per_second", **generated)),
        ("proved tours a second, n = 20", 1e6, best(parts, "tours", "proved_per_second", n=20)),
        ("proved tours a second, n = 50", 1e4, best(parts, "tours", "proved_per_second", n=50)),
        ("PPO GRU-64 on bandits, steps/s", 2e7, best(parts, "training", "steps_per_second", network="gru", hidden=64)),
    ]  # fmt: skip
    lines = [f"{'':34}{'aim':>12}{'measured':>12}{'of the aim':>12}"]
    for what, aim, measured in asked:
        found = f"{si(measured):>12}{measured / aim:>12.0%}" if measured is not None else f"{'–':>12}"
        lines.append(f"{what:34}{si(aim):>12}{found}")
    return lines


def worlds(parts: Parts) -> list[str]:
    """A line a world: steps a second by slots, and at the most slots the share of the copy's bandwidth."""
    measured = rows(parts, "worlds")
    sizes = sorted({row["slots"] for row in measured})
    if not sizes:
        return []
    bandwidth = copied(parts)
    head = "".join(f"{size:>11,}" for size in sizes)
    lines = [f"{f'steps/s by slots; copy {si(bandwidth)}B/s':34}{head}{'B/step':>8}{'of copy':>9}"]
    for world in dict.fromkeys(row["world"] for row in measured):
        of = {row["slots"]: row for row in measured if row["world"] == world}
        last = of[max(of)]
        cells = "".join(f"{si(of[size]['steps_per_second']) if size in of else '–':>11}" for size in sizes)
        options = " ".join(f"{name}={value}" for name, value in last["options"].items())
        lines.append(f"{f'{world} {options}':34}{cells}{last['bytes_per_step']:>8.0f}{share(last, bandwidth):>9.1%}")
    return lines


def mazes(parts: Parts) -> list[str]:
    """Two to a line."""
    cells = [f"{row['algorithm']}, {row['mode']}: {si(row['mazes_per_second'])}" for row in rows(parts, "mazes")]
    size = {row["size"] for row in rows(parts, "mazes")}
    return [f"mazes/s, {size.pop()} cells a side", *in_columns(cells, 4, 38)] if cells else []


def tours(parts: Parts) -> list[str]:
    cells = [
        f"n = {row['n']}: {si(row['proved_per_second'])}" + ("" if row["proved_share"] == 1 else f" ({row['proved_share']:.1%})")
        for row in rows(parts, "tours")
    ]  # fmt: skip
    return ["proved tours/s (share proved, if not all)", *in_columns(cells, 4, 38)] if cells else []


def training(parts: Parts) -> list[str]:
    cells = [
        f"{row['network']}-{row['hidden']}, {row['slots']:,} slots: {si(row['steps_per_second'])}"
        for row in rows(parts, "training")
    ]
    return ["PPO on bandits, steps/s end to end", *in_columns(cells, 3, 50)] if cells else []


def in_columns(cells: list[str], columns: int, width: int) -> list[str]:
    lines = [cells[at : at + columns] for at in range(0, len(cells), columns)]
    return ["  " + "".join(f"{cell:{width}}" for cell in line).rstrip() for line in lines]


def si(number: float) -> str:
    """Three digits and a prefix."""
    for prefix, unit in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= unit:
            return f"{number / unit:.3g} {prefix}"
    return f"{number:.3g} "


if __name__ == "__main__":
    print(table(json.loads(Path(sys.argv[1]).read_text())))
