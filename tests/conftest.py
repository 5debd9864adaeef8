"""What every test may be run over: worlds × the variants their spec lists, and the devices of this machine."""

import pytest
import torch

from mesasim import _core, devices
from mesasim.devices import missing_cuda

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
