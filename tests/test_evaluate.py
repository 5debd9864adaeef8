"""Evaluation: frozen weights, the right episode counted, the same tasks for all, and estimates as defined."""

import numpy as np
import pytest
import torch

from mesasim import make_vec
from mesasim.agents.base import ScriptedAgent
from mesasim.evaluate import evaluate_agent
from mesasim.metrics import by_step, estimate, fraction, frozen_weights_slope, rises

BANDIT = {"world": "Bandit-v0", "options": {"arms": 4, "pulls": 6}, "tasks": 400, "seed": 9}


class AlwaysFirst(ScriptedAgent):
    def __init__(self):
        super().__init__(4, 0)

    def act(self, obs, carry):
        return torch.zeros(carry.shape[0], dtype=torch.int64), carry


class BestArm(ScriptedAgent):
    """Planted cheat: reads the oracle."""

    needs_oracle = True

    def __init__(self):
        super().__init__(4, 0)

    def act(self, obs, carry):
        return obs["oracle/best_arm"][:, 0].long(), carry


class Drifting(AlwaysFirst):
    """Planted cheat: changes a weight while it is evaluated."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def act(self, obs, carry):
        self.weight.data += 1
        return super().act(obs, carry)


def test_every_agent_meets_the_same_tasks():
    first, best = (evaluate_agent(a, "a", "n", **BANDIT) for a in (AlwaysFirst(), BestArm()))
    assert np.array_equal(first.oracle["arm_means"], best.oracle["arm_means"])
    assert np.all(best.oracle["expected_regret"] == 0)
    assert best.returns.mean() > first.returns.mean() + 1


def test_rewards_are_those_of_the_first_episode():
    evaluation = evaluate_agent(AlwaysFirst(), "a", "n", **BANDIT)
    assert evaluation.rewards.shape == (400, 6) and np.all(evaluation.lengths == 6)
    env = make_vec("Bandit-v0", 400, seed=9, **BANDIT["options"])
    env.reset()
    expected = [env.step(torch.zeros(400, dtype=torch.int32))[1].clone().numpy() for _ in range(6)]
    assert np.array_equal(evaluation.rewards, np.stack(expected, axis=1))
    assert np.array_equal(evaluation.oracle["pull_counts"][:, 0], np.full(400, 6))


@pytest.mark.parametrize("limit,value", [("SLOTS_AT_ONCE", 150), ("BYTES_AT_ONCE", 20000), ("BYTES_AT_ONCE", 1)])
def test_tasks_beyond_one_batch_continue_the_same_story(monkeypatch, limit, value):
    whole = evaluate_agent(AlwaysFirst(), "a", "n", **BANDIT)
    monkeypatch.setattr(f"mesasim.evaluate.{limit}", value)
    parts = evaluate_agent(AlwaysFirst(), "a", "n", **BANDIT)
    assert np.array_equal(whole.rewards, parts.rewards)


def test_weights_that_change_are_noticed():
    with pytest.raises(RuntimeError, match="weights changed"):
        evaluate_agent(Drifting(), "drifting", "cheat", **BANDIT)


def test_episodes_of_unequal_length_end_where_they_end():
    class Right(AlwaysFirst):
        def act(self, obs, carry):
            return torch.randint(4, (carry.shape[0],), generator=self.generator), carry

    evaluation = evaluate_agent(
        Right(), "r", "n", world="Maze-v0", options={"size": 4, "step_reward": -1.0}, tasks=200, seed=1
    )
    assert len(set(evaluation.lengths.tolist())) > 10
    past = np.arange(evaluation.rewards.shape[1]) >= evaluation.lengths[:, None]
    assert np.all(evaluation.rewards[past] == 0) and np.all(evaluation.rewards[~past] != -2)
    ended = evaluation.oracle["goal_distance"][:, 0] == 0
    assert np.array_equal(evaluation.returns, np.where(ended, 1.0, 0.0) - evaluation.lengths)


def test_estimates_by_hand():
    assert estimate(np.array([1.0, 3.0])) == (2.0, 1.0, 1.0)  # mean, standard error, degrees of freedom
    mean, se = by_step(np.array([[0.0, 1.0], [1.0, 1.0]]))
    assert mean.tolist() == [0.5, 1.0] and se.tolist() == [0.5, 0.0]
    assert fraction(6.0, 5.0, 7.0) == 0.5
    with pytest.raises(ValueError, match="ceiling"):
        fraction(1.0, 5.0, 5.0)
    slope = frozen_weights_slope(np.array([[0.0, 1.0, 2.0], [0.0, 0.0, 0.0]]))
    assert slope == (0.5, 0.5, 1.0)
    with pytest.raises(ValueError, match="rewards"):
        frozen_weights_slope(np.zeros((3, 1)))


def test_the_slope_tells_a_planted_learner_from_a_planted_constant():
    rng = np.random.default_rng(1)
    constant = rng.random((10000, 10)) < 0.5
    learner = rng.random((10000, 10)) < np.linspace(0.5, 0.6, 10)
    fading = rng.random((10000, 10)) < np.linspace(0.6, 0.5, 10)
    assert [rises(frozen_weights_slope(r)) for r in (constant, learner, fading)] == [False, True, False]


class LastReward(ScriptedAgent):
    """Carries the last reward and the number of rewards seen; pulls arm 1 once its carry says 7."""

    def __init__(self):
        super().__init__(4, 2)

    def act(self, obs, carry):
        carry = torch.stack([obs["previous_reward"][:, 0], carry[:, 1] + 1], dim=1)
        return (carry[:, 1] > 7).long(), carry


def test_who_watches_sees_every_step_and_changes_nothing():
    seen = []

    def watch(moment):
        seen.append((moment.first, moment.step, moment.carry.clone(), moment.action.clone()))
        seen[-1] += (moment.oracle["pull_counts"].clone(), moment.obs["previous_reward"].clone())

    watched = evaluate_agent(LastReward(), "a", "n", watch=watch, **BANDIT)
    assert np.array_equal(watched.rewards, evaluate_agent(LastReward(), "a", "n", **BANDIT).rewards)
    assert [(first, step) for first, step, *_ in seen] == [(0, t) for t in range(6)]
    for _, step, carry, action, pulls, reward in seen:
        assert torch.equal(carry[:, 1], torch.full((400,), step + 1.0)), (
            "the carry has taken this step's observation in"
        )
        assert torch.equal(carry[:, :1], reward) and torch.all(pulls.sum(dim=1) == step) and torch.all(action == 0)


def test_the_carry_a_watch_returns_is_used_from_the_next_step_on():
    actions = []

    def watch(moment):
        actions.append(moment.action.clone())
        return torch.full_like(moment.carry, 7.0) if moment.step == 2 else None

    evaluate_agent(LastReward(), "a", "n", watch=watch, **BANDIT)
    assert [bool(a.all()) for a in actions] == [False, False, False, True, True, True]


def test_agents_that_carry_much_play_few_episodes_at_once(monkeypatch):
    class Heavy(AlwaysFirst):
        most = 0

        def initial_carry(self, num_slots):
            return torch.zeros(num_slots, 1000)

        def act(self, obs, carry):
            Heavy.most = max(Heavy.most, len(carry))
            return super().act(obs, carry)

    monkeypatch.setattr("mesasim.evaluate.BYTES_AT_ONCE", 2**20)
    evaluation = evaluate_agent(Heavy(), "heavy", "n", **BANDIT)
    assert len(evaluation.returns) == 400 and 4000 * Heavy.most < 2**20 < 400 * 4000
