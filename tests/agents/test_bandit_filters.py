"""The scripted agents of the wider bandits earn what they must, and table lookup is told from learning."""

import numpy as np
import pytest
import torch

from mesasim import baselines
from mesasim.agents.bandit_filters import RescorlaWagner, TaskPosterior, task_set
from mesasim.agents.bandit_references import Greedy
from mesasim.metrics import estimate


def evaluations(tasks, names=None, **options):
    setting = baselines.Setting("Bandit-v0", options, tasks, 11, 1)
    found = {name: run() for name, run in baselines.references(setting) if names is None or name in names}
    return found, baselines.scale(setting, list(found.values()))


def within(evaluation, value, errors=4.0):
    mean, se, _ = estimate(evaluation.returns)
    return abs(mean - value) < errors * se


INFORMATIVE = {"arms": 11, "pulls": 5, "prior": "informative", "reward": "gaussian", "reward_std": 0.0}


def test_informative_agents_earn_the_exact_values():
    found, scale = evaluations(4000, **INFORMATIVE)
    assert within(found["bayes_optimal"], 20.55) and scale.ceiling == pytest.approx(20.55)
    assert within(found["thompson"], 11.0) and within(found["greedy"], 11.0)
    assert within(found["random"], scale.floor)


def test_the_optimal_agent_tries_before_it_asks_when_little_is_left():
    found, scale = evaluations(4000, names=["bayes_optimal"], **INFORMATIVE | {"pulls": 1})
    assert scale.ceiling == pytest.approx(1.4) and within(found["bayes_optimal"], 1.4)


def test_none_is_called_optimal_where_the_tasks_are_a_known_set():
    setting = baselines.Setting("Bandit-v0", INFORMATIVE | {"num_tasks": 2}, 10, 1, 1)
    found = {name: evaluate() for name, evaluate in baselines.references(setting)}
    assert "optimal" not in {e.nature for e in found.values()} and {"table_lookup", "greedy"} <= found.keys()


@pytest.mark.parametrize("agent", [RescorlaWagner(3), Greedy(3, 10)], ids=["carrying", "counting"])
def test_a_belief_that_is_not_a_number_is_refused_not_acted_on(agent):
    obs = {"previous_action": torch.tensor([[1]]), "previous_reward": torch.tensor([[torch.nan]])}
    with pytest.raises(ValueError, match="got NaN"):
        agent.act(obs, agent.initial_carry(1))


@pytest.mark.parametrize("prior", ["dependent_uniform", "dependent_easy", "dependent_medium", "dependent_hard"])
def test_the_filter_is_optimal_for_dependent_arms(prior):
    found, scale = evaluations(4000, names=["bayes_optimal", "random"], arms=2, pulls=40, prior=prior)
    assert within(found["bayes_optimal"], scale.ceiling) and within(found["random"], scale.floor)


def test_priors_arm_by_arm_are_used():
    options = {"arms": 3, "pulls": 15, "prior": "beta", "alphas": [1.0, 9.0, 0.5], "betas": [1.0, 3.0, 0.5]}
    names = ["bayes_optimal", "gittins", "thompson", "random"]
    found, scale = evaluations(4000, names=names, **options)
    assert within(found["bayes_optimal"], scale.ceiling) and within(found["random"], scale.floor)
    gap = estimate(found["bayes_optimal"].returns - found["gittins"].returns)
    assert abs(gap.mean) < 0.05 + 4 * gap.se
    assert found["thompson"].returns.mean() < scale.ceiling - 0.3


def test_bandits_too_large_to_solve_say_what_stands_in():
    found, scale = evaluations(
        300, names=["gittins"], arms=3, pulls=60, prior="beta", alphas=[1.0, 2.0, 3.0], betas=[1.0, 1.0, 1.0]
    )
    assert "Gittins agent, simulated" in scale.how and scale.ceiling == found["gittins"].returns.mean()


def test_restless_agents_stand_in_the_order_of_what_they_know():
    options = {"arms": 2, "pulls": 60, "prior": "dependent_uniform", "drift": "walk", "volatility": [0.02, 0.2]}
    names = ["bayes_optimal", "rescorla_wagner", "greedy", "random"]
    found, scale = evaluations(3000, names=names, **options)
    reward = {name: e.returns.mean() for name, e in found.items()}
    assert reward["bayes_optimal"] > reward["rescorla_wagner"] > reward["greedy"] > reward["random"] + 3
    assert "Bayes-optimal agent" in scale.how
    listed = {name for name, _ in baselines.references(baselines.Setting("Bandit-v0", options, 10, 1, 1))}
    assert "gittins" not in listed  # its arms stand still


def test_table_lookup_beats_agents_that_ignore_the_set_and_only_on_the_set():
    options = {"arms": 5, "pulls": 20, "num_tasks": 4, "task_seed": 3}
    found, _ = evaluations(2000, names=["table_lookup", "greedy"], **options)
    gap = estimate(found["table_lookup"].returns - found["greedy"].returns)
    assert gap.mean > 8 * gap.se
    lookup = TaskPosterior(task_set(baselines.Setting("Bandit-v0", options, 1, 1).full_options()), 1)
    fresh = baselines.Setting("Bandit-v0", {"arms": 5, "pulls": 20}, 2000, 11, 1)
    learner = dict(baselines.references(fresh))["greedy"]()
    lost = estimate(learner.returns - fresh.evaluate(lookup, "lookup", "task location").returns)
    assert lost.mean > 8 * lost.se


def test_rescorla_wagner_follows_its_equation():
    agent = RescorlaWagner(2, alpha=0.25)
    carry = agent.update(agent.initial_carry(1), torch.tensor([1]), torch.tensor([1.0]))
    np.testing.assert_allclose(carry, [[0.5, 0.625]])
    chosen = RescorlaWagner(2, seed=1, beta=2.0)
    value = torch.tensor([[0.2, 0.8]], dtype=torch.float64).repeat(20_000, 1)
    share = (chosen.scores(value).argmax(1) == 1).double().mean().item()
    assert abs(share - 1 / (1 + np.exp(-1.2))) < 0.015


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: RescorlaWagner(2, alpha=1.5), "alpha"),
        (lambda: RescorlaWagner(2, beta=-1.0), "beta"),
        (lambda: TaskPosterior(torch.zeros(0, 3)), "means"),
        (lambda: TaskPosterior(torch.full((2, 3), 1.5)), "means"),
    ],
)
def test_bad_settings_are_refused_by_name(make, name):
    with pytest.raises(ValueError, match=name):
        make()
