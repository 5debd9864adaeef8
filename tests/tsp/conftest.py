"""The rules in plain Python."""

import importlib.util
from pathlib import Path

import pytest


def _module(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def plain_data():
    """plain_data.py, and 2-opt of plain_heuristics.py."""
    module, heuristics = _module("plain_data"), _module("plain_heuristics")

    def two_opt(d, tour):
        search = heuristics.Exchanges(heuristics.in_units(d), heuristics.canonical(tour), two_opt=True, or_opt=False)
        return search.run()

    module.two_opt = two_opt
    return module
