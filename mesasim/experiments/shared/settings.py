"""What the Configs of all experiments share: a quick form. Not an experiment itself."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

C = TypeVar("C")
FLAGS = ("--quick", "--no-quick")


def quick_form(**small: Any) -> Callable[[type[C]], type[C]]:
    """Decorator of a Config dataclass, above @dataclass: with `quick=True` the defaults are `small`. What is given explicitly
    wins, be it the ordinary default."""

    def decorate(config: type[C]) -> type[C]:
        plain: Callable[..., None] = config.__init__  # type: ignore[misc]

        @functools.wraps(plain)
        def init(self: C, **given: Any) -> None:
            plain(self, **(small | given if given.get("quick") else given))

        config.__init__ = init  # type: ignore[misc, assignment]
        return config

    return decorate


def wants_quick(arguments: list[str]) -> bool:
    """Whether a command line asks for the quick form; of --quick and --no-quick the last counts."""
    return next((flag for flag in reversed(arguments) if flag in FLAGS), "") == FLAGS[0]
