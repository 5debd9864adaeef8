"""What every command of the command line shares: --quiet and --json, one bar display, errors in one line. A command is a
function; tyro reads its signature as flags and its docstring as help."""

# No `from __future__ import annotations`: tyro reads the annotations made here.
import contextlib
import inspect
import io
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import tyro

from mesasim.output import output, tell, to_stderr, warn_in_one_line
from mesasim.progress import bars
from mesasim.train.loop import Terminated

Command = Callable[..., None]
FLAGS = {
    "quiet": "no progress and no messages: results and errors alone.",
    "json": "the result as JSON on stdout, an object or one a line; what is not a finite number is null.",
}


def with_flags(function: Command, ticking: bool = True) -> Callable[..., Callable[[], None]]:
    """A command with the flags of every command. Calling it does nothing yet but give what does the work, so that an error
    of parsing is told from one of work. A function that has such a flag of its own is handed it."""
    signature = inspect.signature(function)
    added = {name: help for name, help in FLAGS.items() if name not in signature.parameters}
    more = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Annotated[bool, tyro.conf.arg(help=help)]
        )
        for name, help in added.items()
    ]

    def parsed(*positional: Any, **given: Any) -> Callable[[], None]:
        chosen = {name: bool(given.get(name, False)) for name in FLAGS}
        own = {name: value for name, value in given.items() if name not in added}

        def work() -> None:
            with output.flags(**chosen), bars(ticking=ticking):
                function(*positional, **own)

        return work

    parsed.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), *more], return_annotation=inspect.Signature.empty
    )
    kept = {name: kind for name, kind in function.__annotations__.items() if name != "return"}
    parsed.__annotations__ = kept | {parameter.name: parameter.annotation for parameter in more}
    parsed.__doc__, parsed.__name__ = function.__doc__, function.__name__
    return parsed


def run(
    commands: Mapping[str, Command], prog: str, description: str | None, given: list[str], ticking: bool = True
) -> None:
    """Parses and works. ValueError for a setting that its own class refuses, SystemExit where tyro has said it all."""
    ready = {name: with_flags(function, ticking) for name, function in commands.items()}
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            work = tyro.extras.subcommand_cli_from_dict(ready, prog=prog, description=description, args=given)
    except SystemExit as end:
        refusal = _ours(end)
        if refusal is not None:  # tyro's box is not shown
            raise refusal from None
        if end.code and {"--json", "--quiet"} & set(given):  # for programs: its box in a line
            raise ValueError(in_one_line(said.getvalue())) from None
        with to_stderr():
            sys.stderr.write(said.getvalue())
        raise
    work()


def in_one_line(box: str) -> str:
    """What a box on the terminal says, without its frame."""
    return " ".join("".join(" " if "\u2500" <= sign <= "\u257f" else sign for sign in box).split())


def _ours(end: BaseException) -> ValueError | None:
    """The ValueError that made tyro give up, if it was raised by a class of this package: it names the setting itself."""
    error: BaseException | None = end
    while error is not None:
        if isinstance(error, ValueError):
            *_, (frame, _) = traceback.walk_tb(error.__traceback__)
            return error if frame.f_globals.get("__name__", "").startswith("mesasim.") else None
        error = error.__context__
    return None


def guarded(work: Callable[[], None]) -> None:
    """Does the work of a command line. Exit status 2 for arguments or files that cannot be used, 130 for an interrupt, 143 for
    SIGTERM."""
    if sys.stderr is None:  # closed: what is printed there would go to stdout
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (for the process's life)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = warn_in_one_line
            work()
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of stdout has gone, as in `mesasim list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left goes nowhere
        sys.exit(1)
    except (ValueError, TypeError, KeyError, OSError, RuntimeError) as error:
        message = error.args[0] if isinstance(error, KeyError) and error.args else error
        tell(f"mesasim: {message}")
        sys.exit(2)
    except KeyboardInterrupt as stop:
        terminated = isinstance(stop, Terminated)
        tell(f"mesasim: {'terminated' if terminated else 'interrupted'}")
        sys.exit(143 if terminated else 130)
