"""What compiles for the CPU and yet can be no rule: numbers that no seed decides, exceptions, the interpreter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from numba import types
from numba.core import ir

RAISING = (ir.Raise, ir.StaticRaise, ir.DynamicRaise, ir.TryRaise, ir.StaticTryRaise, ir.DynamicTryRaise)
# What compiled code calls by name, and what it was in Python: looked for in the code, since Numba has many ways there
OUTSIDE = (
    (r"numba_get_\w+_random_state", "draws random numbers that no seed decides", "draws of mesasim.custom by `key`"),
    (r"numba_gil_\w+|Py[A-Z]\w+", "calls the interpreter", "compiled code alone: no print, no objmode"),
)


def check_rule(name: str, id: str, function: Any, given: tuple[Any, ...]) -> None:
    """TypeError, by the rule's name, where `function` as compiled for types `given` does what no GPU or no seed allows."""
    for inside, line in _raises(function, given, set()):
        raise TypeError(
            f"{name}: {id}'s raises or asserts ({inside}, line {line}), allowed: neither, for a GPU has no exceptions"
        )
    code = function.overloads[given].library.get_llvm_str()
    for names, does, allowed in OUTSIDE:
        if found := re.search(rf'@"?({names})\b', code):
            raise TypeError(f"{name}: {id}'s {does} ({found[1]}), allowed: {allowed}")


def _raises(function: Any, given: tuple[Any, ...], seen: set[tuple[Any, ...]]) -> Iterator[tuple[str, int]]:
    """(function, line) of every raise in a compiled function and in those of the author's own that it calls."""
    if (function, given) in seen:
        return
    seen.add((function, given))
    typed = function.overloads[given].type_annotation
    for block in typed.blocks.values():
        for done in block.body:
            if isinstance(done, RAISING):
                yield function.py_func.__name__, done.loc.line
            call = getattr(done, "value", None)
            if not (isinstance(call, ir.Expr) and call.op == "call"):
                continue
            called = typed.typemap[call.func.name]
            if isinstance(called, types.Dispatcher):
                arguments = typed.calltypes[call].args
                compiled = called.dispatcher.overloads
                for one in [arguments] if arguments in compiled else list(compiled):
                    yield from _raises(called.dispatcher, one, seen)
