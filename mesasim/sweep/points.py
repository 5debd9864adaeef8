"""From what is swept over to points: each the settings of one run, checked before any runs, under a name made of them."""

from __future__ import annotations

import hashlib
import io
import itertools
import re
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import tyro

from mesasim.experiments import experiments
from mesasim.machine import integer
from mesasim.spec import load_spec, parse_options, world_id
from mesasim.train.ppo_config import PPOConfig

MAX_POINTS = 100_000
MAX_SEED = 2**62  # and as many more that follow from one, within 64 bits with a sign
NAME_LENGTH = 160  # a file system allows 255 bytes; the rest of a name too long is a digest
OWN = ("num_threads", "out", "resume", "overwrite", "quiet")  # what the sweep itself decides
LISTS = ("ints", "floats", "choices")  # types of world options whose values hold commas


@dataclass(frozen=True)
class Plan:
    """What every point has in common.

    Attributes:
        experiment: one of mesasim.experiments, or None: points are trainings, as `mesasim train` does them.
        quick: the experiment's quick form.
        num_threads: CPU threads of each point. Results depend on it in their last bits, so it is never "every core".
        evaluate: unseen tasks that each training is evaluated on, with its references; 0: none. An experiment evaluates itself.
    """

    experiment: str | None = None
    quick: bool = False
    num_threads: int = 1
    evaluate: int = 0

    def __post_init__(self) -> None:
        if self.experiment is not None and self.experiment not in experiments():
            raise ValueError(f"experiment: got {self.experiment!r}, allowed: {', '.join(experiments())}")
        integer("num_threads", self.num_threads, 1, 1024)
        integer("evaluate", self.evaluate, 0, 2**31 - 1)

    def defaults(self) -> Any:
        """The settings that points change."""
        if self.experiment is None:
            return PPOConfig()
        return experiments()[self.experiment].Config(quick=self.quick)

    def config(self, point: Point) -> Any:
        """A point's settings, whole. ValueError names what cannot be."""
        config = _parsed(self.defaults(), point.given)
        if self.experiment is None:
            config.world = world_id(config.world)
            config.options = parse_options(config.world, tuple(f"{k}={v}" for k, v in point.options.items()))
        config.num_threads = self.num_threads
        if hasattr(config, "seed"):
            integer("seed", config.seed, 0, MAX_SEED)
        return config


@dataclass(frozen=True)
class Point:
    """One run. `given`: settings as typed; `options`: of the world, as typed; `settings`: both as values, for names, tables."""

    given: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of its folder: its settings in order of their names, the seed last; the same whatever else is swept over."""
        order = sorted(self.settings, key=lambda key: (key == "seed", key))
        text = ",".join(f"{key}={_word(self.settings[key])}" for key in order) or "point"
        text = re.sub(r"[^A-Za-z0-9_.=,+-]", lambda found: f"%{ord(found[0]):02X}", text)
        if len(text) <= NAME_LENGTH and not text.startswith("."):
            return text
        return f"{text[: NAME_LENGTH - 17].lstrip('.')}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def points(plan: Plan, given: Sequence[str], options: Sequence[str] = (), seeds: str | None = None) -> list[Point]:
    """Every combination, the last named varying fastest, seeds fastest of all.

    Args:
        given: `setting=value,value…`, as the flags of `mesasim train` or `mesasim run` take them; a value of several parts has
            spaces between them.
        options: `option=value,value…` of the world, of a training. An option that is itself a list has commas within its value:
            repeat it for another.
        seeds: `begin:end` (without the end) or `seed,seed…`.
    """
    known = _names(plan.defaults())
    axes: dict[tuple[str, str], list[str]] = {}
    for text in given:
        name, values = _split("set", text)
        name = name.replace("-", "_")
        if name not in known or name.split(".")[0] in OWN or name == "options":
            allowed = ", ".join(other for other in known if other not in (*OWN, "options"))
            raise ValueError(f"set: got {name!r}, allowed: {allowed}")
        axes.setdefault(("given", name), []).extend(values.split(","))
    if options and plan.experiment is not None:
        raise ValueError(f"option: got {options[0]!r} with an experiment, allowed: its own settings, by --set")
    worlds = axes.get(("given", "world"), [PPOConfig.world])
    for text in options:
        name, values = _split("option", text)
        lists = any(option.name == name and option.type in LISTS for w in worlds for option in load_spec(w).options)
        axes.setdefault(("options", name), []).extend([values] if lists else values.split(","))
    if seeds is not None:
        if "seed" not in known:
            raise ValueError(f"seeds: got {seeds!r} for {plan.experiment}, which has no seed")
        if ("given", "seed") in axes:
            raise ValueError("seeds: got seeds here and by --set, allowed: one of them")
        axes["given", "seed"] = [str(seed) for seed in parse_seeds(seeds)]
    count = 1
    for key, texts in axes.items():
        count *= len(texts)
        if len(set(texts)) != len(texts):
            raise ValueError(f"{key[1]}: got {', '.join(texts)}, allowed: each value once")
    integer("points", count, 1, MAX_POINTS)
    found = [_point(plan, dict(zip(axes, chosen, strict=True))) for chosen in itertools.product(*axes.values())]
    if len({point.name for point in found}) != len(found):
        raise ValueError("set: got a value in two spellings, allowed: each value once")
    return found


def parse_seeds(text: str) -> list[int]:
    """`begin:end` or `seed,seed…` → seeds."""
    allowed = "begin:end, or numbers with commas between them"
    try:
        if ":" in text:
            begin, end = (int(part) for part in text.split(":"))
            found = list(range(begin, min(end, begin + MAX_POINTS + 1)))
        else:
            found = [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"seeds: got {text!r}, allowed: {allowed}") from None
    if not found or min(found) < 0:
        raise ValueError(f"seeds: got {text!r}, allowed: {allowed}, 0 or more")
    return found


def _point(plan: Plan, chosen: dict[tuple[str, str], str]) -> Point:
    given = {name: value for (kind, name), value in chosen.items() if kind == "given"}
    options = {name: value for (kind, name), value in chosen.items() if kind == "options"}
    config = plan.config(Point(given, options))
    values = {name: _value(config, name) for name in given}
    return Point(given, options, {**values, **{name: config.options[name] for name in options}})


def _split(flag: str, text: str) -> tuple[str, str]:
    name, equals, values = text.partition("=")
    if not name or not equals or not values:
        raise ValueError(f"{flag}: got {text!r}, allowed: name=value or name=value,value…")
    return name, values


def _names(config: Any, prefix: str = "") -> list[str]:
    """Every setting, those within another as outer.inner."""
    found = []
    for one in fields(config):
        value = getattr(config, one.name)
        found += _names(value, f"{prefix}{one.name}.") if is_dataclass(value) else [prefix + one.name]
    return found


def _value(config: Any, name: str) -> Any:
    for part in name.split("."):
        config = getattr(config, part)
    return config


def _word(value: Any) -> str:
    return "+".join(map(_word, value)) if isinstance(value, (list, tuple)) else str(value)


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _parsed(defaults: Any, given: dict[str, str]) -> Any:
    """What the command's own flags make of the texts, in the types of the settings."""
    arguments: list[str] = []
    for name, text in given.items():
        flag, old = name.replace("_", "-"), _value(defaults, name)
        if isinstance(old, bool):
            if text.lower() not in ("true", "false"):
                raise ValueError(f"{name}: got {text!r}, allowed: true, false")
            path, _, last = flag.rpartition(".")
            arguments.append(f"--{path}{'.' if path else ''}{'' if text.lower() == 'true' else 'no-'}{last}")
        else:
            parts = text.split(" ")
            if any(part.startswith("-") and not _number(part) for part in parts):  # it would be taken for another flag
                raise ValueError(f"{name}: got {text!r}, allowed: values, which begin with no '-' but of numbers")
            arguments += [f"--{flag}", *parts]
    said = io.StringIO()
    try:
        with redirect_stderr(said), redirect_stdout(said):
            return tyro.cli(type(defaults), default=defaults, args=arguments, prog="mesasim sweep")
    except SystemExit:
        text = " ".join(said.getvalue().split())
        found = re.search(r"(?:Error parsing|Unrecognized options:) (.*?) -{5}", text)
        what = ", ".join(f"{k}={v}" for k, v in given.items())
        raise ValueError(f"set: got {what}: {found[1] if found else text}") from None
