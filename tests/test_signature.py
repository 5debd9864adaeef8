"""The committed signatures hold for this build, at every instruction set and thread count."""

import json
from pathlib import Path

import pytest

from mesasim import _core
from mesasim.signature import signatures

KEPT = json.loads((Path(__file__).parent / "golden" / "signatures.json").read_text())


@pytest.mark.parametrize("instruction_set", _core.instruction_sets())
@pytest.mark.parametrize("num_threads", [1, 3])
def test_signatures_are_the_committed_ones(instruction_set, num_threads):
    before = _core.instruction_set()
    try:
        _core.use_instruction_set(instruction_set)
        assert signatures(num_threads=num_threads) == KEPT
    finally:
        _core.use_instruction_set(before)
