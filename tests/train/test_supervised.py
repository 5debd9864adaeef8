"""The supervised trainer: its schedule, its determinism, its checkpoints, and that it learns."""

import dataclasses
import math
import os
import signal

import pytest
import torch

from mesasim.agents import NetworkConfig
from mesasim.integrity import weights_hash
from mesasim.sequences import SequenceSource
from mesasim.train.checkpoint import latest_checkpoint, load_checkpoint, save_checkpoint
from mesasim.train.prediction import Prediction
from mesasim.train.supervised import SupervisedConfig, Trainer, learning_rate, train

SMALL = SupervisedConfig(iterations=12, batch=16, warm_up=4, num_threads=1, checkpoint_every=5, log_every=3)


@dataclasses.dataclass
class Line:
    """y = 3 x - 1, learned by one linear layer."""

    slope: float = 3.0

    def describe(self):
        return {"slope": self.slope}

    def model(self):
        return torch.nn.Linear(1, 1)

    def loss(self, model, batch, generator):
        x = torch.randn(batch, 1, generator=generator)
        error = (model(x) - (self.slope * x - 1)).square().mean()
        return error, {"error": error.detach().sqrt()}


def test_the_learning_rate_rises_then_falls_to_zero_along_half_a_cosine():
    config = SupervisedConfig(iterations=100, warm_up=10, learning_rate=1.0)
    assert learning_rate(config, 0) == pytest.approx(0.1)
    assert learning_rate(config, 50) == pytest.approx(0.5)
    assert learning_rate(config, 99) == pytest.approx(0.5 * (1 + math.cos(0.99 * math.pi)))
    assert max(range(100), key=lambda i: learning_rate(config, i)) == 9
    assert learning_rate(dataclasses.replace(config, warm_up=0), 0) == 1.0


def test_it_learns_a_line(tmp_path):
    model = train(dataclasses.replace(SMALL, iterations=400, learning_rate=0.1), Line(), tmp_path)
    assert model.weight.item() == pytest.approx(3, abs=0.02) and model.bias.item() == pytest.approx(-1, abs=0.02)


def test_two_trainings_are_equal_and_another_seed_differs(tmp_path):
    state = torch.random.get_rng_state()
    a, b = (weights_hash(train(SMALL, Line(), tmp_path / name)) for name in "ab")
    assert a == b != weights_hash(train(dataclasses.replace(SMALL, seed=2), Line(), tmp_path / "c"))
    assert torch.equal(torch.random.get_rng_state(), state), "torch's global generator was used"


@pytest.mark.parametrize("stop", [1, 5, 11])
def test_a_resumed_training_ends_in_the_same_bits(tmp_path, stop):
    interrupted = Trainer(SMALL, Line(), tmp_path / "cut")
    for _ in range(stop):
        interrupted.iterate()
    interrupted.save()
    resumed = train(SMALL, Line(), tmp_path / "cut", resume=True)
    assert weights_hash(resumed) == weights_hash(train(SMALL, Line(), tmp_path / "whole"))


def test_an_interrupt_ends_the_iteration_and_leaves_a_checkpoint_that_resumes(tmp_path, monkeypatch):
    step, calls = torch.optim.AdamW.step, []

    def interrupted(self, *arguments):
        calls.append(1)
        if len(calls) == 7:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.AdamW, "step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(SMALL, Line(), tmp_path / "cut")
    assert latest_checkpoint(tmp_path / "cut").name == "00000007.safetensors"
    resumed = train(SMALL, Line(), tmp_path / "cut", resume=True)
    assert weights_hash(resumed) == weights_hash(train(SMALL, Line(), tmp_path / "whole"))
    lines = (tmp_path / "cut" / "metrics.csv").read_text().splitlines()
    assert lines[0].startswith("iteration,loss,gradient_norm,error")
    assert [line.split(",")[0] for line in lines[1:]] == ["3", "5", "6", "7", "9", "10", "12"]


def test_a_setting_of_the_network_added_since_counts_as_its_default(tmp_path):
    problem = Prediction(NetworkConfig("gru", hidden=4, strict=True, window=2), SequenceSource("coin", 8))
    Trainer(SMALL, problem, tmp_path).save()
    path = latest_checkpoint(tmp_path)
    tensors, meta = load_checkpoint(path)
    for absent in ("memory", "strict"):
        del meta["config"]["problem"]["network"][absent]
        save_checkpoint(path, tensors, meta)
        if absent == "memory":
            Trainer(SMALL, problem, tmp_path).resume()
    with pytest.raises(ValueError, match="other settings"):
        Trainer(SMALL, problem, tmp_path).resume()


def test_other_settings_or_another_problem_do_not_resume(tmp_path):
    train(SMALL, Line(), tmp_path)
    with pytest.raises(FileExistsError, match="run"):
        train(SMALL, Line(), tmp_path)
    with pytest.raises(ValueError, match="problem"):
        train(SMALL, Line(slope=2.0), tmp_path, resume=True)
    with pytest.raises(ValueError, match="learning_rate"):
        train(dataclasses.replace(SMALL, learning_rate=0.5), Line(), tmp_path, resume=True)
    train(dataclasses.replace(SMALL, checkpoint_every=2), Line(), tmp_path, resume=True)


@pytest.mark.parametrize(("name", "value"), [("iterations", 0), ("batch", 1.5), ("learning_rate", -1), ("warm_up", -1)])
def test_settings_that_cannot_be_are_refused(name, value):
    with pytest.raises(ValueError, match=name):
        SupervisedConfig(**{name: value})
