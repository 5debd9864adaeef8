"""How a plain function becomes one that Numba compiles, the same for CPU threads and for CUDA."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

try:
    import numba
except ImportError as error:
    raise ImportError("mesasim.custom compiles with Numba, which is missing: pip install 'mesasim[numba]'") from error

# Under NUMBA_ENABLE_CUDASIM=1 kernels are run by the Python interpreter, and so must be all they call.
SIMULATED = bool(numba.config.ENABLE_CUDASIM)  # type: ignore[attr-defined]


def compiled(function: Callable[..., Any]) -> Any:
    """`function`, compiled at its first call from compiled code or from Python, into its caller. CUDA kernels may call it too:
    Numba then compiles its Python source for them. It cannot allocate (`_nrt=False`): a GPU could not, and arrays handed down
    cost no reference counts. Nothing is cached on disk: Numba's cache does not see a change in a function that the cached one
    calls, and rules that are not those of the source would be wrong results."""
    return _compiled(function)


def inner(function: Callable[..., Any]) -> Any:
    """The same of a function that only compiled code calls: without the wrappers that Python would call it through, which
    take longer to compile than a rule does."""
    return _compiled(function, no_cpython_wrapper=True, no_cfunc_wrapper=True)


def _compiled(function: Callable[..., Any], **more: bool) -> Any:
    if SIMULATED:
        return function
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False, "forceinline": True, **more}
    return numba.njit(**options)(function)


def entry(function: Any, *arguments: Any) -> Any:
    """What to call a compiled function of arguments of these types by: its dispatcher takes half a millisecond a call to look
    up the types of records in named tuples."""
    return function if SIMULATED else function.compile(tuple(numba.typeof(argument) for argument in arguments))
