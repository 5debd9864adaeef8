"""Training stays on its device: on a stand-in for a GPU (plain/stand_in.py) no step and no minibatch makes the host wait."""

import dataclasses

import pytest
import torch
from plain.stand_in import META, Waits, Watch, counted_waits, moved
from plain.training_cases import CASES, NETWORKS, config_of

from mesasim import waits
from mesasim.evaluate import _first_episodes
from mesasim.train.ppo import Trainer
from mesasim.train.prediction import Examples, step_losses
from mesasim.train.recording import Recorder
from mesasim.vector import MesaVectorEnv


def away(config):
    """A trainer whose every tensor is on the stand-in."""
    trainer = Trainer(config)
    moved(trainer.env)
    trainer.agent.to(META)
    trainer.critic.to(META)
    collector = trainer.collector
    for name in ("carry", "is_first", "withheld"):
        setattr(collector, name, getattr(collector, name).to(META))
    trainer.generator = collector.generator = None  # meta has none
    return trainer


def waits_of(trainer, monkeypatch):
    with counted_waits(monkeypatch) as seen, Watch():
        trainer.iterate()
    return seen


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_no_step_and_no_minibatch_waits(case, monkeypatch):
    trainer = away(dataclasses.replace(config_of(*case), num_envs=8, epochs=1))
    cut_off = ["places"] * bool(trainer.env.max_episode_steps)
    starts = ["read"] * trainer.agent.runs_between_starts
    assert waits_of(trainer, monkeypatch) == [*cut_off, *starts, "read"]  # the last are the metrics


@pytest.mark.parametrize("case", [case for case in CASES if "corridor" in case], ids=" ".join)
def test_what_is_recorded_looks_at_nothing(case, monkeypatch):
    trainer = away(dataclasses.replace(config_of(*case), num_envs=8, epochs=1))
    trainer.recorder = trainer.collector.recorder = Recorder(META)
    plain = waits_of(trainer, monkeypatch)
    assert waits_of(trainer, monkeypatch) == plain and len(plain) <= 3


def test_the_number_of_waits_is_the_same_however_long_the_rollout_and_however_many_the_minibatches(monkeypatch):
    counts = set()
    for steps, epochs in ((3, 1), (12, 5)):
        trainer = away(dataclasses.replace(config_of("gru", "maze"), rollout_steps=steps, epochs=epochs))
        counts.add(len(waits_of(trainer, monkeypatch)))
    assert len(counts) == 1


@pytest.mark.parametrize("network", NETWORKS)
def test_no_batch_of_a_prediction_waits(network):
    trainer = away(config_of(network))
    obs = {name: t.expand(5, *t.shape) for name, t in trainer.env.buffers.group["observation"].items()}
    asked = torch.ones(5, 32, dtype=torch.bool, device=META)
    with Watch():
        for target in (torch.zeros(5, 32, dtype=torch.int64, device=META), torch.zeros(5, 32, device=META)):
            step_losses(trainer.agent, Examples(obs, target, asked)).sum().backward()


X = torch.empty(4, 3, device=META)
PLANTS = {
    "item": lambda: X.sum().item(),
    "bool": lambda: bool(X.any()),
    "if": lambda: 1 if (X > 0).all() else 0,
    "int": lambda: int(X[0, 0]),
    "float": lambda: float(X[0, 0]),
    "range": lambda: range(X[0, 0].long()),
    "nonzero": lambda: X.nonzero(),
    "where of one": lambda: torch.where(X > 0),
    "masked_select": lambda: X.masked_select(X > 0),
    "by a mask": lambda: X[X > 0],
    "into a mask": lambda: X.clone().__setitem__(X > 0, torch.zeros((), device=META)),
    "unique": lambda: X.unique(),
    "equal": lambda: torch.equal(X, X),
    "repeat_interleave": lambda: X.repeat_interleave(X[:, 0].long(), dim=0),
    "cpu": lambda: X.cpu(),
    "to": lambda: X.to("cpu"),
    "numpy": lambda: X.numpy(),
    "tolist": lambda: X.tolist(),
    "from Python": lambda: torch.tensor([1.0, 2.0], device=META),
    "from one number": lambda: torch.tensor(1.0, device=META),
    "as_tensor": lambda: torch.as_tensor([1.0, 2.0], device=META),
    "from the CPU": lambda: torch.empty(3, device=META).copy_(torch.tensor(HERE)),
    "on the CPU": lambda: torch.zeros(3),
    "both": lambda: X + HERE_TENSOR,
    "index on the CPU": lambda: X[:, torch.tensor(0).expand(2)],
}
HERE = [1.0, 2.0, 3.0]
HERE_TENSOR = torch.tensor(HERE)


@pytest.mark.parametrize("plant", PLANTS)
def test_whatever_waits_is_caught(plant):
    with Watch(), pytest.raises((Waits, RuntimeError, TypeError, NotImplementedError)) as caught:
        PLANTS[plant]()
    if not isinstance(caught.value, Waits):  # those that never come to an operator
        assert "meta" in str(caught.value)


def test_what_does_not_wait_is_let_through():
    with Watch():
        y = torch.where(X > 0, X, 0.0).masked_fill(X < 1, 2.0)[:, torch.zeros(2, dtype=torch.int64, device=META)]
        assert (y + torch.tensor(1.0)).sum(dim=0).shape == (2,)


@pytest.mark.parametrize("case", [("gru", "bandit"), ("transformer", "maze"), ("mlp", "MDP")], ids=" ".join)
def test_an_evaluation_asks_every_sixteen_steps_whether_it_is_over(case, monkeypatch):
    trainer = away(config_of(*case))
    env = moved(MesaVectorEnv(trainer.config.world, 8, history=True, oracle=True, **trainer.config.options))
    going, seen = [True, True, False], []  # at steps 0, 16 and 32
    monkeypatch.setattr(waits, "read", lambda tensor: answer(tensor, going, seen))
    with Watch():
        part = _first_episodes(trainer.agent, env, None, True, None)
    assert not going and seen[:3] == [()] * 3
    assert part.rewards.shape == (8, 5)  # cut to the longest episode


def answer(tensor, going, seen):
    """Of a scalar, the next answer; of lengths, five steps; of all else, zeros."""
    seen.append(tuple(tensor.shape))
    with torch.utils._python_dispatch._disable_current_modes():
        if not tensor.ndim:
            return torch.tensor(going.pop(0))
        return torch.full(
            tensor.shape, 5 if tensor.dtype == torch.int64 and tensor.ndim == 1 else 0, dtype=tensor.dtype
        )
