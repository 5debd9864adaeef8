"""Every experiment that trains or draws does so on the device asked for, and refuses one that is not there."""

import inspect
from pathlib import Path

import pytest

from mesasim import devices, evaluate, vector
from mesasim.devices import check_device
from mesasim.experiments import experiments
from mesasim.experiments.shared import settings
from mesasim.regression import generation
from mesasim.train import supervised

ON_THE_CPU = {"bandit-references", "deception"}  # reference agents alone


class ReachedError(Exception):
    """Something was to be made on the device."""


def placed():
    return {name: module for name, module in experiments().items() if name not in ON_THE_CPU}


@pytest.mark.parametrize("name", placed())
def test_the_device_asked_for_is_the_one_that_is_used(name, monkeypatch, tmp_path):
    def reached(device):
        if str(device) == "cuda":
            raise ReachedError
        return check_device(device)

    monkeypatch.setattr(settings, "check_device", lambda device: None)
    for module in (vector, supervised, evaluate, generation):
        monkeypatch.setattr(module, "check_device", reached)
    module = placed()[name]
    with pytest.raises(ReachedError):
        module.run(module.Config(quick=True, num_threads=1, device="cuda"), tmp_path / "run", quiet=True)


@pytest.mark.skipif("cuda:0" in devices(), reason="there is a CUDA device")
@pytest.mark.parametrize("name", placed())
def test_a_missing_device_is_refused_before_anything_is_made(name, tmp_path):
    with pytest.raises(RuntimeError, match=r"device: got 'cuda', but only cpu can be used here"):
        placed()[name].Config(quick=True, device="cuda")


def test_reference_agents_alone_have_no_device():
    without = {name for name, m in experiments().items() if "device" not in inspect.signature(m.Config).parameters}
    assert without == ON_THE_CPU
    for name in without:
        assert "train(" not in Path(experiments()[name].__file__).read_text()
