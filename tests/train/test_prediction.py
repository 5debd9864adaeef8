"""Prediction by supervision: its losses, by hand and position by position, and that networks of every kind learn by it."""

import math

import pytest
import torch

from mesasim.agents import NETWORKS, NetworkConfig
from mesasim.agents.base import Agent, Output
from mesasim.agents.encoding import FieldShape
from mesasim.train import prediction
from mesasim.train.prediction import Examples, Prediction
from mesasim.train.supervised import SupervisedConfig, Trainer

FIELDS = [FieldShape("symbol", (1,), -1, 2, 3)]


class Copy:
    """Three labels by chance; asked for is the label two steps ago (0 before there is one)."""

    fields, outputs = FIELDS, 3

    def describe(self):
        return {"lag": 2}

    def draw(self, count, generator):
        symbols = torch.randint(3, (8, count), generator=generator)
        target = torch.cat([torch.zeros(1, count, dtype=torch.int64), symbols[:-1]])
        return Examples({"symbol": symbols.int().unsqueeze(-1)}, target)


class Sum:
    """Numbers; asked for is twice the one shown, at every second step."""

    fields, outputs = [FieldShape("x", (1,), -math.inf, math.inf, 0)], 1

    def describe(self):
        return {}

    def draw(self, count, generator):
        x = torch.randn(6, count, generator=generator)
        asked = torch.zeros(6, count, dtype=torch.bool)
        asked[::2] = True
        return Examples({"x": x.unsqueeze(-1)}, torch.where(asked, 2 * x, 1e6), asked)


class Constant(Agent):
    """Says the same at every step."""

    def __init__(self, said):
        super().__init__()
        self.said = torch.tensor(said)

    def initial_carry(self, num_slots):
        return torch.zeros(num_slots, 0)

    def unroll(self, obs, is_first, carry):
        assert is_first[0].all() and not is_first[1:].any()
        return Output(self.said.expand(*is_first.shape, -1), torch.zeros(is_first.shape), carry)


def test_the_loss_of_labels_is_cross_entropy_in_nats_step_by_step():
    target = torch.tensor([[0, 1], [2, 2], [1, 0]])
    examples = Examples({}, target)
    losses = prediction.evaluate(Constant([math.log(0.5), math.log(0.2), math.log(0.3)]), examples)
    expected = -torch.tensor([[0.5, 0.3, 0.2], [0.2, 0.3, 0.5]]).log()
    assert losses.shape == (2, 3) and torch.allclose(losses, expected)


def test_the_loss_of_numbers_is_the_squared_error_and_nothing_where_nothing_was_asked():
    target, asked = torch.tensor([[1.0], [2.0], [5.0]]), torch.tensor([[True], [False], [True]])
    losses = prediction.evaluate(Constant([2.0]), Examples({}, target, asked))
    assert losses.tolist() == [[1.0, 0.0, 9.0]]


def test_an_evaluation_in_portions_is_that_in_one_piece(monkeypatch):
    problem = Prediction(NetworkConfig("gru", hidden=8), Copy())
    agent, examples = problem.model(), Copy().draw(50, torch.Generator().manual_seed(1))
    whole = prediction.evaluate(agent, examples)
    monkeypatch.setattr(prediction, "STEPS_AT_ONCE", 8 * 7)
    assert torch.allclose(prediction.evaluate(agent, examples), whole, atol=1e-6)


def final_loss(kind, source, iterations=150, window=2):
    network = NetworkConfig(kind, hidden=32, window=window)
    config = SupervisedConfig(iterations=iterations, batch=64, learning_rate=1e-2, warm_up=10, num_threads=1)
    trainer = Trainer(config, Prediction(network, source))
    for _ in range(iterations):
        last = trainer.iterate()["loss"].item()
    return last


def test_networks_that_can_see_the_label_learn_it_and_those_that_cannot_do_not():
    chance = 7 / 8 * math.log(3)
    for kind in NETWORKS:
        if kind in ("mlp",):
            assert final_loss(kind, Copy(), 60) > 0.9 * chance
        elif kind in ("gru", "window"):
            assert final_loss(kind, Copy()) < 0.05
    assert final_loss("window", Copy(), 60, window=1) > 0.9 * chance


@pytest.mark.parametrize("kind", ["mlp", "gru"])
def test_numbers_are_learned_from_the_steps_that_are_asked(kind):
    assert final_loss(kind, Sum(), 200) < 0.2
