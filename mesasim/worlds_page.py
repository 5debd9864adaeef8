"""docs/worlds.md: every world's options, fields and actions, written from the specs; a test keeps it current."""

from __future__ import annotations

from collections.abc import Sequence

from mesasim import _core
from mesasim.presets import PRESETS
from mesasim.spec import load_spec


def option_rows(options: list[_core.Option]) -> list[tuple[str, str, str, str, str]]:
    """(option, type, default, allowed, meaning) of each option."""
    rows = []
    for option in options:
        allowed = ", ".join(option.choices) if option.choices else f"{option.low:g} to {option.high:g}"
        if option.type == "bool":
            allowed = "True, False"
        if option.type in ("ints", "floats", "choices"):
            allowed = f"a list of: {allowed}"
        rows.append((option.name, option.type, str(option.default), allowed, option.help))
    return rows


def world_rows(spec: _core.Spec) -> list[tuple[str, str, str, str, str]]:
    """(field, kind, dtype, shape, meaning) of each field, at the default options."""
    kinds = (("observation", spec.observation), ("oracle", spec.oracle))
    return [(f.name, kind, f.dtype, str(tuple(f.shape)), f.help) for kind, fields in kinds for f in fields]


def markdown() -> str:
    """The whole page."""
    parts = [
        "# Worlds\n\nWritten from the worlds' own specs by `make docs`. Options are keywords of `mesasim.make_vec` and "
        "`gymnasium.make_vec`, and `-o name=value` on the command line. Shapes are those at the default options.\n"
    ]
    for world in _core.world_ids():
        spec = load_spec(world)
        parts.append(f"\n## {world}\n\n{spec.help}.\n")
        parts.append(_table(("option", "type", "default", "allowed", "meaning"), option_rows(spec.options)))
        parts.append(_table(("field", "kind", "dtype", "shape", "meaning"), world_rows(spec)))
        actions = ", ".join(f"{index} {name}" for index, name in enumerate(spec.actions))
        limit = f"{spec.max_episode_steps} steps" if spec.max_episode_steps else "none"
        parts.append(f"Actions: {actions}. Time limit: {limit}.\n")
    parts.append("\n## Presets\n\nIds that stand for a world with these options; others may be given beside them.\n")
    rows = [
        (name, preset.help, " ".join(f"{option}={value}" for option, value in preset.options.items()))
        for name, preset in PRESETS.items()
    ]
    parts.append(_table(("id", "what", "options"), rows))
    return "\n".join(parts)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join(lines) + "\n"
