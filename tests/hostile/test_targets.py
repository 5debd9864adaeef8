"""Every fuzz target of Python over the inputs that were kept, and over bytes of hypothesis. (Those of C++ are replayed under
sanitizers: bench/sanitize.py.)"""

import importlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.targets import NAMES

CORPUS = Path(__file__).resolve().parent.parent.parent / "fuzz/corpus"
EXAMPLES = 120


@pytest.mark.parametrize("name", NAMES)
def test_kept_inputs_are_read_or_refused(name):
    kept = sorted((CORPUS / name).iterdir())
    assert len(kept) >= 5
    target = importlib.import_module(f"fuzz.targets.{name}")
    for path in kept:
        target.one_input(path.read_bytes())


@pytest.mark.parametrize("name", NAMES)
def test_any_bytes_are_read_or_refused(name):
    target = importlib.import_module(f"fuzz.targets.{name}")

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=80))
    def read(data):
        target.one_input(data)

    read()


def test_the_kept_inputs_are_small():
    sizes = [path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()]
    assert sum(sizes) < 1 << 20
