"""Frozen phases book exact zeros, learning phases do not, and a change of weights made in secret is caught."""

import numpy as np
import pytest
import torch
from plants import ARMS, PLAYING, PULLS, untrained

from mesasim.agents import NetworkConfig
from mesasim.agents.bandit_references import Random, Thompson
from mesasim.analysis.ledger import Movement, frozen_phase, learning_phase, slope_over_updates
from mesasim.metrics import rises
from mesasim.train.ppo import PPOConfig, Trainer


def trainer(kind="gru", **settings):
    return Trainer(
        PPOConfig(
            options=PLAYING["options"], network=NetworkConfig(kind, hidden=16), num_envs=64, rollout_steps=PULLS,
            iterations=4, num_threads=1, **settings,
        )
    )  # fmt: skip


def test_training_moves_weights_and_activations():
    line = learning_phase("train", trainer(), 4)
    assert not line.frozen and 0 < line.weight_change <= line.weight_path * (1 + 1e-12)
    assert line.activation_change.mean > 0 and (line.updates, line.steps) == (4, 4 * 64 * PULLS)


def test_evaluation_moves_activations_and_no_weight():
    line, played = frozen_phase("evaluate", untrained(1), "untrained", **PLAYING)
    assert line.frozen and line.weight_change == line.weight_path == 0.0 and line.updates == 0
    assert line.activation_change.mean > 0 and line.steps == 800 * PULLS == played.lengths.sum()


def test_online_fine_tuning_goes_on_from_trained_weights():
    first = trainer()
    before = learning_phase("train", first, 2)
    second = trainer(seed=2)
    second.agent.load_state_dict(first.agent.state_dict())
    after = learning_phase("online fine-tune", second, 2)
    assert after.hash_before == before.hash_after != after.hash_after and after.weight_change > 0


def test_a_phase_leaves_training_as_it_was():
    """Watching changes nothing: the same weights come out with and without the ledger."""
    watched, plain = trainer(), trainer()
    line = learning_phase("train", watched, 2)
    for _ in range(2):
        plain.iterate()
    assert all(torch.equal(a, b) for a, b in zip(watched.agent.parameters(), plain.agent.parameters(), strict=True))
    assert line.hash_before != line.hash_after and watched.collector.watch is None


def test_nothing_moves_in_a_stateless_network():
    line, _ = frozen_phase("evaluate", untrained(1, kind="mlp"), "stateless", **PLAYING)
    assert line.frozen and line.activation_change[:2] == (0.0, 0.0)


def test_a_scripted_learner_rises_without_a_weight_and_a_random_agent_does_not():
    learner, _ = frozen_phase("deploy", Thompson(ARMS, PULLS, 1), "learner", **(PLAYING | {"tasks": 4000}))
    chance, _ = frozen_phase("deploy", Random(ARMS, PULLS, 1), "random", **(PLAYING | {"tasks": 4000}))
    assert rises(learner.reward_slope) and learner.weight_change == 0.0
    assert not rises(chance.reward_slope)


class Sly(Thompson):
    """Claims to be frozen and changes a weight as it plays."""

    def __init__(self, *size):
        super().__init__(*size)
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def choose(self, memory):
        self.weight.data += 1e-30
        return super().choose(memory)


def test_a_weight_changed_in_secret_is_caught_however_little():
    with pytest.raises(RuntimeError, match="weights changed"):
        frozen_phase("deploy", Sly(ARMS, PULLS, 1), "sly", **PLAYING)


def test_movement_is_the_mean_length_of_the_change():
    moved = Movement()
    before = torch.zeros(3, 2)
    moved.add(before, torch.tensor([[3.0, 4.0], [0.0, 1.0], [9.0, 9.0]]), torch.tensor([True, True, False]))
    assert moved.estimate.mean == pytest.approx(3.0) and moved.estimate.se == pytest.approx(2.0)


def test_steps_of_one_slot_are_one_observation():
    """Slots of constant speed: a thousand steps of each say no more of other slots than one does. They come in two lots."""
    moved = Movement()
    speed = torch.from_numpy(np.random.default_rng(0).uniform(1, 3, (30, 1)))
    for lot in (slice(0, 20), slice(20, 30)):
        for step in range(1000):
            here = step * speed[lot]
            moved.add(here, here + speed[lot], torch.ones(len(here), dtype=torch.bool), lot.start)
    assert moved.count == 30_000 and moved.estimate.mean == pytest.approx(float(speed.mean()))
    assert moved.estimate.se == pytest.approx(float(speed.std()) / 30**0.5)


def test_the_first_step_of_an_episode_is_no_movement_of_memory():
    """What is cleared between tasks is not counted: only steps within an episode are."""
    counted = Movement()
    watched = trainer()
    watched.collector.watch = lambda is_first, before, after: counted.add(before, after, ~is_first)
    watched.iterate()
    assert counted.count == 64 * (PULLS - 1)


def test_a_slope_over_updates_is_the_regressions():
    slope = slope_over_updates(np.array([0.0, 1.0, 2.0, 3.0]))
    assert slope.mean == pytest.approx(1.0) and slope.se == pytest.approx(0.0, abs=1e-12) and slope.df == 2
    noisy = np.random.default_rng(0).normal(size=200)
    assert abs(slope_over_updates(noisy).mean) < 4 * slope_over_updates(noisy).se


def test_one_update_has_no_slope_and_is_refused():
    with pytest.raises(ValueError, match="updates"):
        learning_phase("train", trainer(), 1)
