"""Native Spec → gymnasium spaces and torch dtypes: the only place where Python learns a shape."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import torch

from mesasim import _core
from mesasim.engines import spec_of, world_ids
from mesasim.presets import PRESETS

TORCH_DTYPES = {"bool": torch.bool, "uint8": torch.uint8, "int32": torch.int32, "float32": torch.float32}
NUMPY_DTYPES = {"bool": np.bool_, "uint8": np.uint8, "int32": np.int32, "float32": np.float32}
PREFIX = "mesasim/"


def known_ids() -> list[str]:
    """Every world's id, then every preset's."""
    return [*world_ids(), *PRESETS]


def world_id(name: str) -> str:
    """The id of a world or preset without Gymnasium's namespace. Raises KeyError for an unknown one."""
    if not isinstance(name, str):
        raise TypeError(f"id: got {name!r}, allowed: one of {', '.join(known_ids())}")
    bare = name.removeprefix(PREFIX)
    if bare not in known_ids():
        raise KeyError(f"id: got {name!r}, allowed: {', '.join(known_ids())} (with or without {PREFIX!r})")
    return bare


def resolve(name: str, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
    """(world, options): a preset's options under those given."""
    bare = world_id(name)
    if bare not in PRESETS:
        return bare, dict(options or {})
    return PRESETS[bare].world, {**PRESETS[bare].options, **(options or {})}


def load_spec(name: str, options: dict[str, Any] | None = None) -> _core.Spec:
    """What the world shows and accepts under these options (checked: ValueError or TypeError names the option)."""
    return spec_of(*resolve(name, options))


def box(field: _core.Field) -> gymnasium.spaces.Box:
    return gymnasium.spaces.Box(field.low, field.high, field.shape, NUMPY_DTYPES[field.dtype])  # type: ignore[arg-type]


def observation_space(fields: list[_core.Field]) -> gymnasium.Space:
    """A Box where there is one field, a Dict of Boxes where there are more."""
    if len(fields) == 1:
        return box(fields[0])
    return gymnasium.spaces.Dict({field.name: box(field) for field in fields})


def parse_option(owner: str, known: list[_core.Option], text: str) -> tuple[str, object]:
    """`name=value` as typed on a command line → (name, value in the option's type); `owner` has the options `known`."""
    name, equals, value = text.partition("=")
    options = {option.name: option for option in known}
    if not equals:
        raise ValueError(f"option: got {text!r}, allowed: name=value")
    if name not in options:
        raise ValueError(f"option: got {name!r}, allowed for {owner}: {', '.join(options)}")
    kind = options[name].type
    if kind in ("ints", "floats", "choices"):  # a,b,c
        return name, [_parse_value(name, kind[:-1], part) for part in value.split(",") if value]
    return name, _parse_value(name, kind, value)


def _parse_value(name: str, kind: str, value: str) -> object:
    try:
        if kind == "int":
            return int(value)
        if kind == "float":
            return float(value)
    except ValueError:
        raise ValueError(f"{name}: got {value!r}, allowed: {'an integer' if kind == 'int' else 'a number'}") from None
    if kind == "bool":
        words = {"true": True, "1": True, "false": False, "0": False}
        if value.lower() not in words:
            raise ValueError(f"{name}: got {value!r}, allowed: true or false")
        return words[value.lower()]
    return value


def parse_given(owner: str, known: list[_core.Option], texts: list[str] | tuple[str, ...]) -> dict[str, object]:
    """Options from `name=value` texts, in their types; their ranges are the engine's to check."""
    return dict(parse_option(owner, known, text) for text in texts)


def parse_options(world: str, texts: list[str] | tuple[str, ...]) -> dict[str, object]:
    """A world's options from `name=value` texts, checked by the engine."""
    spec = load_spec(world)
    options = parse_given(spec.id, spec.options, texts)
    load_spec(world, options)
    return options
