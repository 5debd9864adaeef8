"""One file a question. A file here is found by its NAME; it holds its question (the docstring's first paragraph), a
Config dataclass whose fields are its flags, and run(config, out, ...)."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType


def experiments() -> dict[str, ModuleType]:
    """Name → module, for every experiment."""
    modules = [importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)]
    return {module.NAME: module for module in modules if hasattr(module, "NAME")}


def question(module: ModuleType) -> str:
    """The first paragraph of an experiment's docstring, on one line."""
    return " ".join((module.__doc__ or "").strip().split("\n\n")[0].split())
