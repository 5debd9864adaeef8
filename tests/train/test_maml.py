"""MAML: its gradients against a plain loop and against an exact expectation, its checkpoints, and that it learns to adapt."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch

from mesasim.evaluate import evaluate_agent
from mesasim.integrity import weights_hash
from mesasim.train.maml import (
    Adaptation,
    Adapting,
    Learner,
    MAMLConfig,
    Trainer,
    adapt,
    load_learner,
    new_learner,
    outer_loss,
    pull,
    train,
)
from mesasim.vector import MesaVectorEnv

SMALL = MAMLConfig(
    options={"arms": 3}, adapt_pulls=12, test_pulls=4, tasks=32, iterations=8, num_threads=1, checkpoint_every=3
)
KINDS = [
    {"network": network, "rates": rates, "inner_steps": steps}
    for network, rates, steps in [("softmax", "scalar", 1), ("softmax", "parameter", 3), ("mlp", "fixed", 2),
                                  ("mlp", "parameter", 2), ("mlp_dead", "scalar", 2)]
]  # fmt: skip


def learner_of(**settings) -> tuple[Learner, MAMLConfig]:
    config = dataclasses.replace(SMALL, hidden=4, inner_rate=2.0, **settings)
    learner = new_learner(config, 3)
    with torch.no_grad():  # away from zeros, where mistakes hide
        for parameter in learner.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(5))
    return learner, config


def log_probs(learner, weights):
    """The network again, from its weights by name."""
    if "logits" in weights:
        return weights["logits"].log_softmax(0)
    squash = torch.relu if learner.first.input == 0 else torch.tanh
    hidden = squash(weights["layers.0.weight"][:, 0] * learner.first.input + weights["layers.0.bias"])
    hidden = squash(weights["layers.2.weight"] @ hidden + weights["layers.2.bias"])
    return (weights["head.weight"] @ hidden + weights["head.bias"]).log_softmax(0)


def plain_task(learner, config, actions, rewards):
    """One task by a loop over pulls: the weights after every inner step, and the log-probability of all its pulls."""
    weights, log_prob = dict(learner.first.named_parameters()), torch.zeros(())
    block = config.adapt_pulls // config.inner_steps
    for start in range(0, config.adapt_pulls, block):
        mine = list(zip(actions[start : start + block], rewards[start : start + block], strict=True))
        mean = sum(r for _, r in mine) / block
        loss = -sum((r - mean) * log_probs(learner, weights)[a] for a, r in mine) / block
        log_prob = log_prob + sum(log_probs(learner, weights)[a] for a, _ in mine)
        slopes = torch.autograd.grad(loss, list(weights.values()), create_graph=True, allow_unused=True)
        rates = {name: learner.rate(name) for name in weights}
        weights = {
            name: w if slope is None else w - rates[name] * slope
            for (name, w), slope in zip(weights.items(), slopes, strict=True)
        }
    return weights, log_prob


def counts(actions, rewards, steps):
    """[tasks, T] → counts and sums [steps, tasks, 3]."""
    hot = torch.nn.functional.one_hot(actions, 3).float().unflatten(1, (steps, -1))
    return hot.sum(2).transpose(0, 1), (hot * rewards.unflatten(1, (steps, -1))[..., None]).sum(2).transpose(0, 1)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: "-".join(map(str, k.values())))
def test_the_inner_loop_and_the_gradient_through_it_match_a_plain_loop(kind):
    learner, config = learner_of(**kind)
    rng = torch.Generator().manual_seed(1)
    tasks, tested = 4, 5
    actions = torch.randint(3, (tasks, 12 + tested), generator=rng)
    rewards = torch.randint(2, (tasks, 12 + tested), generator=rng).float()
    pulls, sums = counts(actions[:, :12], rewards[:, :12], config.inner_steps)
    weights, logits, log_prob = learner.copies(tasks), [], torch.zeros(tasks)
    for step_pulls, step_sums in zip(pulls, sums, strict=True):
        log_prob = log_prob + (step_pulls * learner.logits(weights).log_softmax(-1)).sum(-1)
        weights = learner.step(weights, step_pulls, step_sums)
    logits.append(learner.logits(weights))
    adapted = Adaptation(weights, torch.stack(logits), pulls, sums, log_prob)
    after_pulls, after_sums = (x[0] for x in counts(actions[:, 12:], rewards[:, 12:], 1))
    loss = outer_loss(adapted, after_pulls, after_sums, sampling_term=True)

    plain, means = torch.zeros(()), rewards[:, 12:].mean(1)
    for task in range(tasks):
        mine, log_prob = plain_task(learner, config, actions[task, :12].tolist(), rewards[task, :12].tolist())
        for name, weight in mine.items():
            torch.testing.assert_close(weights[name][task], weight, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(adapted.log_prob[task], log_prob, rtol=1e-5, atol=1e-5)
        for t in range(12, 12 + tested):
            others = (rewards[task, 12:].sum() - rewards[task, t]) / (tested - 1)
            plain = plain - (rewards[task, t] - others) * log_probs(learner, mine)[actions[task, t]] / tested / tasks
        other_tasks = (means.sum() - means[task]) / (tasks - 1)
        plain = plain - (means[task] - other_tasks) * log_prob / tasks
    torch.testing.assert_close(loss, plain, rtol=1e-5, atol=1e-6)
    parameters = [p for p in learner.parameters() if p.requires_grad]
    ours, theirs = (torch.autograd.grad(of, parameters, allow_unused=True) for of in (loss, plain))
    assert any(g is not None and g.abs().max() > 1e-3 for g in ours)
    for parameter, a, b in zip(parameters, ours, theirs, strict=True):
        a, b = (torch.zeros_like(parameter) if g is None else g for g in (a, b))
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def exact_value(learner: Learner) -> torch.Tensor:
    """Expected reward a pull after one inner step on two pulls, arms .9 and .1 or the other way round, by enumeration."""
    first = learner.first.logits
    value = torch.zeros(())
    for means in (torch.tensor([0.9, 0.1]), torch.tensor([0.1, 0.9])):
        for arms in itertools.product((0, 1), repeat=2):
            for rewards in itertools.product((0.0, 1.0), repeat=2):
                odds = [means[a] if r else 1 - means[a] for a, r in zip(arms, rewards, strict=True)]
                pulls, sums = torch.zeros(1, 2), torch.zeros(1, 2)
                for arm, reward in zip(arms, rewards, strict=True):
                    pulls[0, arm] += 1
                    sums[0, arm] += reward
                policy = learner.logits(learner.step(learner.copies(1), pulls, sums))[0].softmax(-1)
                taken = first.log_softmax(0)[list(arms)].sum().exp()
                value = value + 0.5 * taken * odds[0] * odds[1] * (policy @ means)
    return value


def test_with_the_sampling_term_the_outer_gradient_is_unbiased_and_without_it_is_not():
    config = MAMLConfig(
        options={"arms": 2, "prior": "dependent_easy"}, adapt_pulls=2, test_pulls=4, inner_rate=3.0, tasks=4096
    )
    learner = new_learner(config, 2)
    with torch.no_grad():
        learner.first.logits += torch.tensor([0.7, -0.7])
    parameters = list(learner.parameters())
    exact = torch.cat([g.flatten() for g in torch.autograd.grad(exact_value(learner), parameters)]).numpy()
    env = MesaVectorEnv("Bandit-v0", 4096, seed=3, autoreset_mode="SameStep", num_threads=1, pulls=6, **config.options)
    env.reset()
    generator = torch.Generator().manual_seed(0)
    found = {True: [], False: []}
    for _ in range(60):
        adapted = adapt(learner, env, generator)
        tested = pull(env, adapted.logits[-1], 4, generator)
        for term, estimates in found.items():
            loss = outer_loss(adapted, *tested, sampling_term=term)
            slopes = torch.autograd.grad(-loss, parameters, retain_graph=True)
            estimates.append(torch.cat([g.flatten() for g in slopes]).numpy())
    for term, estimates in found.items():
        z = (np.mean(estimates, 0) - exact) / (np.std(estimates, 0, ddof=1) / np.sqrt(len(estimates)))
        assert (abs(z).max() < 4) == term, z
        assert abs(z[2]) < 4, "the inner rate decides no pulls of one inner step"


def test_the_network_of_the_well_known_failure_is_a_softmax():
    """ReLU layers over a zero input with zero biases pass on no gradient: nothing but the last bias ever moves."""
    config = dataclasses.replace(SMALL, network="mlp_dead", inner_rate=5.0, rates="scalar", iterations=20)
    trainer, start = Trainer(config), new_learner(config, 3).state_dict()
    softmax = Trainer(dataclasses.replace(config, network="softmax"))
    for _ in range(20):
        assert trainer.iterate() == pytest.approx(softmax.iterate(), rel=1e-4)
    moved = {n for n, w in trainer.learner.state_dict().items() if not torch.equal(w, start[n])}
    assert moved == {"first.head.bias", "log_rates.all"}


def test_a_learned_inner_rate_rises_far_above_one_half_and_a_fixed_one_stays_at_chance():
    config = MAMLConfig(tasks=512, iterations=120, num_threads=1, adapt_pulls=100)
    reached = {}
    for rates in ("scalar", "fixed"):
        trainer = Trainer(dataclasses.replace(config, rates=rates))
        rows = [trainer.iterate() for _ in range(config.iterations)]
        reached[rates] = rows[-1]["inner_rate"], np.mean([row["reward_after"] for row in rows[-20:]])
    assert reached["scalar"][0] > 50 and reached["scalar"][1] > 0.77
    assert reached["fixed"][0] == pytest.approx(0.5) and 0.48 < reached["fixed"][1] < 0.54


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: "-".join(map(str, k.values())))
def test_the_learner_as_an_agent_adapts_as_in_training(kind):
    learner, config = learner_of(**kind)
    agent = Adapting(learner)
    env = MesaVectorEnv("Bandit-v0", 16, seed=2, history=True, num_threads=1, arms=3, pulls=14)
    env.reset()
    carry, is_first = agent.initial_carry(16), torch.ones(1, 16, dtype=torch.bool)
    actions, rewards, generator = [], [], torch.Generator().manual_seed(3)
    with torch.no_grad():
        for t in range(14):
            obs = {n: v.clone().unsqueeze(0) for n, v in env.buffers.group["observation"].items()}
            out = agent.unroll(obs, is_first if t == 0 else ~is_first, carry)
            carry = out.carry
            actions.append(out.logits[0].softmax(-1).multinomial(1, generator=generator)[:, 0])
            rewards.append(env.step(actions[-1])[1].clone())
    assert torch.equal(carry[:, -1], torch.full((16,), 13.0))
    for task in range(16):
        weights, _ = plain_task(learner, config, [int(a[task]) for a in actions[:12]], [r[task] for r in rewards[:12]])
        for name, own in agent.weights(carry).items():
            torch.testing.assert_close(own[task], weights[name].detach(), rtol=1e-4, atol=1e-5)


def test_an_evaluation_leaves_the_learner_as_it_was_and_shows_what_it_learned():
    learner = new_learner(MAMLConfig(inner_rate=300.0), 5)
    done = evaluate_agent(
        Adapting(learner), "maml", "weights", world="Bandit-v0", options={"pulls": 110}, tasks=1500, seed=4,
        num_threads=1, sample_actions=True,
    )  # fmt: skip
    before, after = done.rewards[:, :100].mean(), done.rewards[:, 100:].mean()
    assert done.frozen and before == pytest.approx(0.5, abs=0.02) and after == pytest.approx(0.81, abs=0.02)


@pytest.mark.parametrize("stop", [1, 5, 7])
@pytest.mark.parametrize("network", ["softmax", "mlp"])
def test_a_resumed_training_ends_in_the_same_bits(tmp_path, stop, network):
    config = dataclasses.replace(SMALL, network=network, hidden=4)
    state = torch.random.get_rng_state()
    interrupted = Trainer(config, tmp_path / "cut")
    for _ in range(stop):
        interrupted.iterate()
    interrupted.save()
    resumed = train(config, tmp_path / "cut", resume=True)
    whole = train(config, tmp_path / "whole")
    assert weights_hash(resumed) == weights_hash(whole) != weights_hash(new_learner(config, 3))
    assert weights_hash(load_learner(tmp_path / "whole")[0]) == weights_hash(whole)
    assert torch.equal(torch.random.get_rng_state(), state), "torch's global generator was used"


def test_other_settings_do_not_resume_and_a_run_is_kept(tmp_path):
    train(SMALL, tmp_path)
    with pytest.raises(FileExistsError, match="run"):
        train(SMALL, tmp_path)
    with pytest.raises(ValueError, match="inner_rate"):
        train(dataclasses.replace(SMALL, inner_rate=1.0), tmp_path, resume=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [("inner_steps", 7), ("inner_steps", 0), ("adapt_pulls", True), ("test_pulls", 1), ("tasks", 1), ("inner_rate", 0.0),
     ("inner_rate", float("nan")), ("learning_rate", 2.0), ("network", "gru"), ("rates", "learned"), ("baseline", "value"),
     ("options", {"pulls": 10}), ("options", {"clock": True})],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(name, value):
    with pytest.raises(ValueError, match=name):
        dataclasses.replace(SMALL, **{name: value})


def test_options_the_world_does_not_know_and_rates_that_overflow_are_refused():
    with pytest.raises((ValueError, KeyError, TypeError), match="legs"):
        Trainer(dataclasses.replace(SMALL, options={"legs": 3}))
    wild = Trainer(SMALL)
    with torch.no_grad():
        wild.learner.log_rates["all"].fill_(200.0)
    with pytest.raises(FloatingPointError, match="inner_rate"):
        wild.iterate()
