"""What a command says, and where. Results go to stdout, for people or (--json) for programs; messages and progress go to
stderr, or (--quiet) nowhere. A command calls `output.result` and `output.say` and knows neither flag."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from torch import Tensor

console = Console()  # stdout: results
messages = Console(stderr=True)  # everything else


class Output:
    """The flags of the command under way. Outside a command nothing is told and results are text."""

    quiet = False
    json = False
    before_result: Callable[[], None] | None = None  # takes the bars off the terminal that a result is written to

    def result(self, value: Any, show: Callable[[], object]) -> None:
        """What the command was called for: `value` as one line of JSON, or what `show()` prints."""
        if self.before_result is not None:
            self.before_result()
        if self.json:
            print(dumps(value), flush=True)
        else:
            show()

    def rows(self, rows: list[dict[str, Any]], show: Callable[[], object]) -> None:
        """A result of several rows: a line of JSON each, or what `show()` prints."""
        if self.json:
            for row in rows:
                self.result(row, show)
        else:
            self.result(rows, show)

    def say(self, text: str) -> None:
        """A message that is not the result."""
        if not self.quiet:
            with to_stderr():
                messages.print(text, soft_wrap=True, highlight=False, markup=False)

    @contextmanager
    def flags(self, quiet: bool, json: bool) -> Iterator[None]:
        before = self.quiet, self.json
        self.quiet, self.json = quiet, json
        try:
            yield
        finally:
            self.quiet, self.json = before


output = Output()


def plain(value: Any) -> Any:
    """`value` as JSON holds it: numbers of arrays as Python's, paths as text, and null for what is not a finite number,
    for which JSON has no word."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (Tensor, np.ndarray, np.generic)):
        return plain(value.tolist())
    if isinstance(value, Path):
        return str(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def dumps(value: Any, indent: int | None = None) -> str:
    """Strict JSON. TypeError for what has no form in it."""
    return json.dumps(plain(value), indent=indent, allow_nan=False)


def tell(text: str) -> None:
    """A line on stderr."""
    with to_stderr():
        print(text, file=sys.stderr, flush=True)


@contextmanager
def to_stderr() -> Iterator[None]:
    """Around what writes there. Where that fails (a full disk, a reader that has gone) it is the last that is written: no work is
    lost for want of someone to tell of it."""
    try:
        yield
    except OSError:
        with suppress(OSError):  # of a stderr that is no file
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, sys.stderr.fileno())  # what is left in its buffer goes nowhere, too
            os.close(null)


def warn_in_one_line(message: Warning | str, *_: Any, **__: Any) -> None:
    """In the place of warnings.showwarning while a command runs."""
    tell(f"mesasim: warning: {message}")
