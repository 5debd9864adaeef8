"""Worlds in Python: `reset`, `step` and `observe` as plain functions over a small record, compiled by Numba for CPU threads and,
unchanged, for CUDA, and played by the same MesaVectorEnv as the worlds in C++. docs/custom_worlds.md is the guide;
examples/custom_world.py is the one to copy."""

from mesasim.custom.compiling import compiled
from mesasim.custom.declaring import Description, choice, flag, integer, observed, real
from mesasim.custom.draws import (
    BRAID,
    DRIFT,
    LAYOUT,
    PLACEMENT,
    STEP,
    TASK,
    TIE,
    Key,
    below,
    normal,
    product,
    u32,
    uniform,
)
from mesasim.custom.registering import register

__all__ = [
    "BRAID", "DRIFT", "LAYOUT", "PLACEMENT", "STEP", "TASK", "TIE", "Description", "Key", "below", "choice", "compiled",
    "flag", "integer", "normal", "observed", "product", "real", "register", "u32", "uniform",
]  # fmt: skip
