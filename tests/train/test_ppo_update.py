"""PPO's loss and a minibatch's gradients computed natively are those that torch computes."""

import dataclasses

import pytest
import torch

from mesasim.agents import NetworkConfig
from mesasim.train.ppo import PPOConfig, Trainer, Work
from mesasim.train.ppo_loss import Samples, Weights, native_ppo_loss, ppo_loss
from mesasim.train.ppo_update import NativeUpdate

WEIGHTS = Weights(clip=0.2, value=0.5, horizon=3.0, entropy=0.02)
BANDIT = PPOConfig(
    options={"arms": 3, "pulls": 4}, network=NetworkConfig("gru", hidden=33), num_envs=60, rollout_steps=10,
    iterations=4, epochs=2, minibatches=2, num_threads=1,
)  # fmt: skip
TOUR = dataclasses.replace(BANDIT, world="Tour-v0", options={"n": 6})  # with a mask
LSTM = dataclasses.replace(BANDIT, network=NetworkConfig("lstm", hidden=20))
CONFIGS = pytest.mark.parametrize("config", [BANDIT, TOUR, LSTM], ids=["bandit", "tour", "lstm"])


def minibatch(steps=7, slots=40, chosen=20, actions=6):
    """Log-odds and values of a network that has moved on, for some samples exactly as it was."""
    draw = torch.Generator().manual_seed(3)
    logits = torch.randn(steps, chosen, actions, generator=draw) * 2
    logits[:2, :, 3] = -1e9  # not allowed
    value = torch.randn(steps, chosen, generator=draw)
    action = torch.randint(0, 3, (steps, slots), generator=draw)
    log_prob, advantage, target = torch.randn(3, steps, slots, generator=draw)
    taken = torch.randperm(slots, generator=draw)[:chosen]
    now = logits.log_softmax(-1).gather(-1, action[:, taken, None]).squeeze(-1)
    log_prob[:, taken] = now - 0.3 * torch.randn(steps, chosen, generator=draw)
    log_prob[0, taken] = now[0]
    advantage[1] = 0
    samples = Samples(action, log_prob, advantage, target)
    return logits.requires_grad_(), value.requires_grad_(), samples, taken


@pytest.mark.parametrize("weights", [WEIGHTS, WEIGHTS._replace(clip=10.0), WEIGHTS._replace(clip=0.5, entropy=0.0)])
def test_the_native_loss_is_the_one_defined(weights):
    logits, value, samples, slots = minibatch()
    loss, terms = native_ppo_loss(logits, value, samples, slots, weights)
    defined, its_terms = ppo_loss(logits, value, samples, slots, weights)
    torch.testing.assert_close(loss, defined, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(terms, its_terms, rtol=1e-5, atol=1e-6)
    ours, theirs = (torch.autograd.grad(3 * one, [logits, value]) for one in (loss, defined))
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)
    assert theirs[0].abs().max() > 1e-3 and theirs[1].abs().max() > 1e-3
    assert 0 < its_terms[3] < 1 or weights.clip == 10


@pytest.mark.parametrize("spoilt", ["log_prob", "advantage", "target"])
def test_what_is_no_number_reaches_the_gradients_that_it_reaches_in_torch(spoilt):
    logits, value, samples, slots = minibatch()
    getattr(samples, spoilt)[2:4, slots[:3]] = float("nan")
    found = []
    for compute in (native_ppo_loss, ppo_loss):
        loss, _ = compute(logits, value, samples, slots, WEIGHTS)
        found.append(torch.autograd.grad(loss, [logits, value]))
    assert sum(int(theirs.isnan().sum()) for theirs in found[1]) >= 6
    assert all(ours.isnan().equal(theirs.isnan()) for ours, theirs in zip(*found, strict=True))


@pytest.mark.parametrize(
    "name, spoil", [("slots", lambda s, taken: taken.fill_(40)), ("action", lambda s, _: s.action.fill_(6))]
)
def test_a_slot_or_an_action_that_is_not_there_is_refused(name, spoil):
    logits, value, samples, slots = minibatch()
    spoil(samples, slots)
    with pytest.raises(ValueError, match=name):
        native_ppo_loss(logits, value, samples, slots, WEIGHTS)


def update(config):
    """A trainer, a rollout, its samples, and some slots of it; weights have moved since."""
    trainer = Trainer(config)
    trainer.iterate()
    rollout = trainer.collector.collect(config.rollout_steps, config.discount)
    draw = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in trainer.agent.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=draw))
    advantage, target = torch.randn(2, config.rollout_steps, config.num_envs, generator=draw)
    slots = torch.randperm(config.num_envs, generator=draw)[:53]  # more than a tile
    samples = Samples(rollout.action, rollout.log_prob, advantage, target)
    return trainer, Work(rollout, advantage, target, 0.02, None, torch.zeros(4)), samples, slots


def gradients(trainer):
    return [parameter.grad.clone() for parameter in trainer.agent.parameters()]


@CONFIGS
def test_a_minibatchs_gradients_are_those_of_autograd(config):
    trainer, work, samples, slots = update(config)
    terms = trainer.gradients(work, samples, slots, WEIGHTS)
    theirs = gradients(trainer)
    found = NativeUpdate(trainer.agent, work.rollout).minibatch(samples, slots, WEIGHTS)
    torch.testing.assert_close(found, terms, rtol=1e-5, atol=1e-6)
    for mine, other in zip(gradients(trainer), theirs, strict=True):
        assert (mine - other).abs().max() <= 2e-6 * other.abs().max()


def test_threads_change_no_bit_of_them():
    trainer, work, samples, slots = update(dataclasses.replace(BANDIT, num_envs=2000))
    slots = torch.arange(1800)
    native, found = NativeUpdate(trainer.agent, work.rollout), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append([native.minibatch(samples, slots, WEIGHTS), *gradients(trainer)])
    torch.set_num_threads(1)
    assert all(one.equal(other) for one, other in zip(*found, strict=True))


@CONFIGS
def test_training_is_the_same_but_for_rounding(config):
    weights = []
    for native in (True, False):
        trainer = Trainer(dataclasses.replace(config, native=native))
        before = [p.detach().clone() for p in trainer.agent.parameters()]
        trainer.iterate()
        weights.append(list(trainer.agent.parameters()))
    assert any((now - then).abs().max() > 1e-3 for now, then in zip(weights[0], before, strict=True))
    for mine, other in zip(*weights, strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    "changes",
    [
        {"network": NetworkConfig("mlp", hidden=8)}, {"network": NetworkConfig("lstm", hidden=8, embed=3)},
        {"network": NetworkConfig("gru", hidden=8, embed=4)}, {"network": NetworkConfig("gru", hidden=8, readout=4)},
        {"critic": "oracle"}, {"cut_every": 5},
    ],
    ids=lambda changes: str(next(iter(changes.values()))),
)  # fmt: skip
def test_other_networks_are_left_to_autograd(changes):
    config = dataclasses.replace(BANDIT, **changes)
    trainer = Trainer(config)
    rollout = trainer.collector.collect(config.rollout_steps, config.discount)
    assert NativeUpdate.of(trainer.agent, trainer.critic, rollout, config.cut_every) is None
    trainer.iterate()
