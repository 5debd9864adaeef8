"""Records hold every step of every episode, however they are played, of any world."""

import pytest
import torch
from plants import PLAYING, PULLS, untrained

from mesasim import evaluate
from mesasim.agents import NetworkConfig, build_network
from mesasim.agents.encoding import field_shapes
from mesasim.analysis import statistics
from mesasim.analysis.carries import record, replay
from mesasim.analysis.probing import probe
from mesasim.vector import MesaVectorEnv

CORRIDOR = {"world": "Corridor-v0", "options": {"length": 7}, "tasks": 100, "seed": 3, "num_threads": 1}


@pytest.fixture(scope="module")
def walked():
    """An untrained network in a corridor: episodes of different lengths."""
    env = MesaVectorEnv("Corridor-v0", 1, history=True, length=7)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        agent = build_network(NetworkConfig("gru", hidden=8), field_shapes(env.fields), len(env.world_spec.actions))
    return agent, record(agent, "gru", "untrained", **CORRIDOR, sample_actions=True)


def test_episodes_of_different_lengths_are_padded_and_marked(walked):
    _, lived = walked
    lengths = torch.from_numpy(lived.evaluation.lengths)
    assert len(lengths.unique()) > 10
    assert torch.equal(lived.running.sum(dim=1), lengths)
    assert torch.equal(lived.running, torch.arange(lived.running.shape[1]) < lengths[:, None])
    assert torch.all(lived.carry[~lived.running] == 0) and torch.all(lived.carry[lived.running].abs().sum(dim=-1) > 0)


def test_probes_take_any_worlds_oracle_fields(walked):
    _, lived = walked
    goal = statistics.oracle_field("goal_cell")(lived.oracle)
    assert goal.shape == (*lived.running.shape, 1)
    assert -1 < probe(lived.carry, goal, lived.running).r2.mean < 1


def test_a_replay_of_ragged_episodes_is_what_was_lived(walked):
    agent, lived = walked
    again = replay(agent, lived)
    assert torch.allclose(again.carry, lived.carry, atol=1e-6) and torch.allclose(again.logits, lived.logits, atol=1e-6)


def test_a_record_is_the_same_however_many_tasks_are_played_at_once(monkeypatch):
    agent = untrained(3)
    settings = PLAYING | {"tasks": 50, "sample_actions": False}
    whole = record(agent, "gru", "untrained", **settings)
    monkeypatch.setattr(evaluate, "SLOTS_AT_ONCE", 16)
    parts = record(agent, "gru", "untrained", **settings)
    assert torch.equal(whole.action, parts.action) and torch.allclose(whole.carry, parts.carry, atol=1e-6)
    assert all(torch.equal(whole.oracle[name], parts.oracle[name]) for name in whole.oracle)


def test_taking_tasks_keeps_their_rows():
    lived = record(untrained(3), "gru", "untrained", **PLAYING)
    some = lived.take(slice(10, 14))
    assert some.running.shape == (4, PULLS) and torch.equal(some.carry, lived.carry[10:14])
    assert torch.equal(some.oracle["pull_counts"], lived.oracle["pull_counts"][10:14])
    assert torch.equal(some.obs["previous_action"], lived.obs["previous_action"][10:14])
