"""The rules in plain Python."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def plain_data():
    """plain_data.py."""
    spec = importlib.util.spec_from_file_location("plain_data", Path(__file__).with_name("plain_data.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
