"""Mazes of every kind for the tests here, loopy and disconnected ones among them."""

import pytest

from mesasim import mazes

KINDS = {name: (name, {}) for name in mazes.algorithms()} | {
    "wilson, braided": ("wilson", {"braid": 0.5}),
    "depth_first, partial": ("depth_first", {"accessible_cells": 15}),
    "percolation, sparse": ("percolation", {"p": 0.3}),
    "percolation, open": ("percolation", {"p": 1.0}),
}


@pytest.fixture(params=KINDS)
def kind(request):
    """(algorithm, options) of each kind."""
    return KINDS[request.param]
