"""What every test may be run over: worlds × the variants their spec lists, and the devices of this machine. The variable
MESASIM_TEST_CORE names another build of the engine to test, such as the one whose CUDA is emulated (make test-emulated)."""

import importlib.util
import os
import sys

import pytest
import torch

if "MESASIM_TEST_CORE" in os.environ:
    other = importlib.util.spec_from_file_location("mesasim._core", os.environ["MESASIM_TEST_CORE"])
    sys.modules["mesasim._core"] = importlib.util.module_from_spec(other)
    other.loader.exec_module(sys.modules["mesasim._core"])

from mesasim import _core, devices
from mesasim.devices import missing_cuda


def pytest_report_header():
    """Which build is tested, and what its CUDA half says of itself."""
    return f"engine: {_core.__file__}; CUDA: {_core.cuda_status()}"


CASES = [(world, options) for world in _core.world_ids() for options in _core.spec(world).variants]


def name_of(case):
    world, options = case
    return ",".join([world, *(f"{name}={value}" for name, value in options.items())])


@pytest.fixture(params=CASES, ids=name_of)
def case(request):
    """(world, options): each variant of each world."""
    world, options = request.param
    return world, dict(options)


@pytest.fixture(params=["cpu", "cuda"])
def device(request):
    """Each kind of device; a skip that says why where there is none."""
    if request.param == "cuda" and "cuda:0" not in devices():
        pytest.skip(f"no CUDA device: {missing_cuda()}")
    return torch.device("cuda:0" if request.param == "cuda" else "cpu")
