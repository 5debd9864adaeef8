"""What a world in Python says about itself: options, fields, actions, its record. Checked here, at the door."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from keyword import iskeyword
from typing import Any

import numpy as np

from mesasim import _core
from mesasim.custom.slot import History

MOST_FIELDS = 8  # csrc/core/batch.h: kMaxFields
MOST_STATE_BYTES = 2**16
DTYPES = ("bool", "uint8", "int32", "float32")


@dataclass
class Description:
    """A world under given options: what `describe(config)` returns.

    Args:
        state: what a slot remembers, a NumPy structured dtype or a list of (name, dtype) or (name, dtype, shape): numbers of
            at most 8 bytes and arrays of them, 64 KiB at most. Laid out as a C struct; zero when an episode begins.
        observation: one to eight `observed(...)`.
        actions: their names; action a is the a-th.
        oracle: what the world knows and an agent must not see: up to eight `observed(...)`.
        max_episode_steps: the default time limit; 0: none.
    """

    state: Any
    observation: Sequence[_core.Field]
    actions: Sequence[str]
    oracle: Sequence[_core.Field] = field(default_factory=list)
    max_episode_steps: int = 0


def integer(name: str, default: int, low: int, high: int, help: str) -> _core.Option:
    """An option: an integer from `low` to `high`, of 32 bits."""
    return _option(name, "int", default, low, high, help)


def real(name: str, default: float, low: float, high: float, help: str) -> _core.Option:
    """An option: a number from `low` to `high`."""
    return _option(name, "float", float(default), low, high, help)


def flag(name: str, default: bool, help: str) -> _core.Option:
    """An option: True or False."""
    return _option(name, "bool", bool(default), 0, 1, help)


def choice(name: str, choices: Sequence[str], help: str) -> _core.Option:
    """An option: one of `choices`, the first being the default. The rules are given its index."""
    choices = list(choices)
    if not choices or len(set(choices)) < len(choices) or not all(isinstance(text, str) for text in choices):
        raise ValueError(f"{name}: got choices {choices}, allowed: one or more different words")
    check_name("option", name)
    return _core.Option(name, "choice", choices[0], 0, len(choices) - 1, choices, help)


def _option(name: str, kind: str, default: Any, low: float, high: float, help: str) -> _core.Option:
    check_name("option", name)
    if kind == "int" and not -(2**31) <= low <= high < 2**31:
        raise ValueError(f"{name}: got a range of {low} to {high}, allowed: low <= high, within 32 bits")
    option = _core.Option(name, kind, default, low, high, [], help)
    _core.read_options("its default", [option], {name: default})  # refuses a default out of range
    return option


def observed(
    name: str,
    dtype: str,
    low: float,
    high: float,
    *,
    shape: Sequence[int] = (1,),
    categories: int = 0,
    help: str = "",
) -> _core.Field:
    """A field of the observation or the oracle: an array a slot.

    Args:
        dtype: "bool", "uint8", "int32" or "float32".
        low, high: bounds of its values; infinite where there are none.
        categories: above 0, the values are labels 0 … categories - 1 (below 0: none); 0: they are quantities.
    """
    check_name("field", name)
    if dtype not in DTYPES:
        raise ValueError(f"{name}: got dtype {dtype!r}, allowed: {', '.join(DTYPES)}")
    if isinstance(shape, str) or not isinstance(shape, Sequence):
        raise TypeError(f"{name}: got shape {shape!r}, allowed: a sequence of positive integers, as in (3,)")
    for what, value in (("low", low), ("high", high)):
        if not isinstance(value, (int, float, np.number)):
            raise TypeError(f"{name}: got {what} {value!r}, allowed: a number")
    if not isinstance(categories, (int, np.integer)):
        raise TypeError(f"{name}: got categories {categories!r}, allowed: an integer of 0 or more")
    sides = list(shape)
    if not sides or not all(isinstance(side, (int, np.integer)) and side > 0 for side in sides):
        raise ValueError(f"{name}: got shape {shape!r}, allowed: one or more positive integers")
    if math.isnan(low) or math.isnan(high) or low > high:
        raise ValueError(f"{name}: got bounds {low} to {high}, allowed: low <= high")
    if categories < 0:
        raise ValueError(f"{name}: got {categories} categories, allowed: 0 or more")
    return _core.Field(name, dtype, [int(side) for side in sides], low, high, categories, help)


def check_name(what: str, name: Any) -> None:
    if not isinstance(name, str) or not name.isidentifier() or iskeyword(name) or name.startswith("_"):
        raise ValueError(f"{what}: got the name {name!r}, allowed: a Python identifier without a leading underscore")


def check_different(what: str, names: Sequence[str]) -> None:
    twice = sorted({name for name in names if list(names).count(name) > 1})
    if twice:
        raise ValueError(f"{what}: got {', '.join(twice)} twice, allowed: different names")


def check_description(described: Any) -> np.dtype:
    """Refuses what no engine could play; returns the record's dtype, laid out as a C struct."""
    if not isinstance(described, Description):
        raise TypeError(f"describe: returned {type(described).__name__}, allowed: mesasim.custom.Description")
    for group, least in (("observation", 1), ("oracle", 0)):
        fields = list(getattr(described, group))
        if not all(isinstance(one, _core.Field) for one in fields):
            raise TypeError(f"{group}: got {fields}, allowed: a list of mesasim.custom.observed(...)")
        if not least <= len(fields) <= MOST_FIELDS:
            raise ValueError(f"{group}: got {len(fields)} fields, allowed: {least} to {MOST_FIELDS}")
        names = [one.name for one in fields]
        check_different(group, [*names, *History._fields])  # those are the engine's own
    if isinstance(described.actions, str):
        raise TypeError(f"actions: got {described.actions!r}, allowed: a list of names")
    actions = list(described.actions)
    if not actions or not all(isinstance(name, str) for name in actions):
        raise ValueError(f"actions: got {actions}, allowed: one or more names")
    check_different("actions", actions)
    limit = described.max_episode_steps
    if isinstance(limit, bool) or not isinstance(limit, (int, np.integer)) or not 0 <= limit < 2**31:
        raise ValueError(f"max_episode_steps: got {limit!r}, allowed: 0 to 2^31 - 1")
    return _record(described.state)


def _record(state: Any) -> np.dtype:
    allowed = "a structured dtype, or a list of (name, dtype) or (name, dtype, shape)"
    try:
        given = np.dtype(state)
        names = given.names or ()
        parts = [given[name] for name in names]
        record = np.dtype([(name, part.base, part.shape) for name, part in zip(names, parts, strict=True)], align=True)
    except (TypeError, ValueError) as error:
        raise ValueError(f"state: got {state!r} ({error}), allowed: {allowed}") from error
    if not names:
        raise ValueError(f"state: got {state!r}, allowed: {allowed}")
    for name, part in zip(names, parts, strict=True):
        if hasattr(np.record, name):
            raise ValueError(f"state: got the name {name!r}, which NumPy's records use themselves; allowed: another")
        check_name("state", name)
        if part.base.kind not in "biuf" or part.base.itemsize > 8 or not part.base.isnative:
            raise ValueError(
                f"state: got {part.base} for {name!r}, allowed: bool, integers and floats of up to 8 bytes"
            )
    if record.itemsize > MOST_STATE_BYTES:
        raise ValueError(f"state: got {record.itemsize} bytes, allowed: at most {MOST_STATE_BYTES}")
    return record
