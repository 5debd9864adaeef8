"""What the Configs of all experiments share: counts, what can be solved, a quick form. Not an experiment itself."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from mesasim.devices import check_device
from mesasim.exact import bandit as exact_bandit

C = TypeVar("C")
# A setting of this name, wherever it is found, is an integer of at least so many, or None where it need not be given. Two tasks
# have a standard error; a first pull cannot be better than chance.
LEAST = {
    "tasks": 2, "bandit_tasks": 2, "curve_tasks": 2, "seed": 0, "seeds": 1, "iterations": 1, "generations": 1, "updates": 1,
    "num_envs": 1, "batch": 1, "instances": 1, "counted": 1, "beam": 1, "hidden": 1, "layers": 1, "num_threads": 1, "pulls": 2,
}  # fmt: skip
FLAGS = ("--quick", "--no-quick")


def experiment_settings(**small: Any) -> Callable[[type[C]], type[C]]:
    """Decorator of a Config dataclass, above @dataclass. With `quick=True` its defaults are `small`; what is given explicitly
    wins, be it the ordinary default. ValueError for a count below LEAST."""

    def decorate(config: type[C]) -> type[C]:
        # What @dataclass made is wrapped: mypy takes an __init__ read or set on a class for one of an instance.
        plain: Callable[..., None] = config.__init__  # type: ignore[misc]

        @functools.wraps(plain)
        def init(self: C, **given: Any) -> None:
            check_counts(given)
            check_device(given.get("device", "cpu"))
            plain(self, **(small | given if given.get("quick") else given))

        config.__init__ = init  # type: ignore[misc, assignment]
        return config

    return decorate


def check_counts(given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        if name in LEAST and value is not None and (type(value) is not int or value < LEAST[name]):
            raise ValueError(f"{name}: got {value!r}, allowed: an integer of at least {LEAST[name]}")


def check_exact(arms: int, pulls: int) -> None:
    """ValueError where the exact ceiling of a Bernoulli bandit is out of reach."""
    if not exact_bandit.fits(arms, pulls):
        raise ValueError(f"pulls: got {pulls} of {arms} arms, allowed: few enough for the exact Bayes-optimal value")


def wants_quick(arguments: list[str]) -> bool:
    """Whether a command line asks for the quick form; of --quick and --no-quick the last counts."""
    return next((flag for flag in reversed(arguments) if flag in FLAGS), "") == FLAGS[0]
