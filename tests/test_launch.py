"""Stepping without an answer, for who reads the engine's memory, and what a replayed launch refused."""

import types

import gymnasium
import pytest
import torch

from mesasim import make_vec


def test_a_launch_is_a_step_whose_answer_stands_in_the_buffers(device):
    asked, launched = (make_vec("Bandit-v0", 16, seed=3, device=device, arms=3, pulls=4) for _ in range(2))
    for env in (asked, launched):
        env.reset()
    core = launched.buffers.group["core"]
    for t in range(9):
        action = (torch.arange(16, device=device) + t) % 3
        observation, reward, terminated, truncated, _ = asked.step(action)
        assert launched.launch(action) is None
        assert torch.equal(core["reward"], reward) and torch.equal(core["terminated"], terminated)
        assert torch.equal(core["truncated"], truncated)
        both = zip(
            torch.utils._pytree.tree_leaves(observation), launched.buffers.group["observation"].values(), strict=True
        )
        assert all(torch.equal(one, same) for one, same in both)
    launched.check()


def test_a_launch_refuses_what_a_step_refuses():
    env = make_vec("Bandit-v0", 4, seed=3, arms=3)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.launch(torch.zeros(4, dtype=torch.int64))
    env.reset()
    with pytest.raises(ValueError, match=r"actions: slot 2 got 7, allowed: 0 to 2"):
        env.launch(torch.tensor([0, 0, 7, 0]))
    with pytest.raises(ValueError, match=r"actions: got shape \(3,\)"):
        env.launch(torch.zeros(3, dtype=torch.int64))


def test_what_a_replay_refused_is_raised_by_check():
    env = make_vec("Bandit-v0", 4, seed=3, arms=3)
    env.reset()
    env.check()
    env._native = types.SimpleNamespace(fault=lambda stream: (1, 2, 7))
    with pytest.raises(ValueError, match=r"actions: slot 2 got 7, allowed: 0 to 2; the slot is unchanged"):
        env.check()


def test_a_replayed_graph_steps_and_reports_what_it_refused(device):
    if device.type != "cuda":
        pytest.skip("no CUDA graph to replay on the CPU")
    asked, replayed = (make_vec("Bandit-v0", 16, seed=3, device=device, arms=3, pulls=4) for _ in range(2))
    for env in (asked, replayed):
        env.reset()
        env.step(torch.zeros(16, dtype=torch.int64, device=device))
    graph = torch.cuda.CUDAGraph()
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        replayed.launch(replayed.actions)
    for t in range(7):
        replayed.actions.fill_(t % 3)
        graph.replay()
        replayed.check()
        reward = asked.step(torch.full((16,), t % 3, device=device))[1]
        assert torch.equal(replayed.buffers.group["core"]["reward"], reward)
    replayed.actions[2] = 7
    graph.replay()
    torch.cuda.synchronize()
    with pytest.raises(ValueError, match="slot 2 got 7"):
        replayed.check()
