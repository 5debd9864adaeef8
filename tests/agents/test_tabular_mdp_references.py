"""Reference agents of tabular MDPs: their counts, plans in cases worked by hand, and what they earn against published
figures."""

import numpy as np
import pytest
import torch

from mesasim.agents import tabular_mdp_references as refs
from mesasim.agents.tabular_mdp_references import REFERENCES, Posterior, most_favourable
from mesasim.evaluate import evaluate_agent
from mesasim.exact import tabular_mdp
from mesasim.vector import MesaVectorEnv

OPTIONS = {
    "states": 10, "actions": 5, "horizon": 10, "trials": 10, "alpha": 1.0, "mean": 1.0, "mean_std": 1.0, "reward_std": 1.0,
    "clock": False,
}  # fmt: skip
SMALL = OPTIONS | {"states": 3, "actions": 2, "horizon": 4, "trials": 3}
LEARNERS = [name for name, one in REFERENCES.items() if one.nature in ("random", "learner") and name != "satisficer"]
# Duan et al. 2016, table 2, n = 10, over 1000 tasks; the spread of a task's total is about 27
PUBLISHED = {
    "random": 100.1, "greedy_rl2": 134.8, "epsilon_greedy_rl2": 132.8, "psrl_rl2": 138.1, "beb_rl2": 150.2,
    "ucrl2_rl2": 146.6,
}  # fmt: skip


def make(name, options=SMALL, **more):
    return REFERENCES[name].make(options, 0, **REFERENCES[name].params, **more)


def earned(name, tasks, **more):
    agent = make(name, OPTIONS, **more)
    return evaluate_agent(agent, name, "", world="TabularMDP-v0", options={}, tasks=tasks, seed=1001, num_threads=1)


def posterior(tasks=4, states=3, actions=2, visits=0.0, trial=1.0):
    shape = (tasks, states, actions)
    generator = torch.Generator().manual_seed(0)
    return Posterior(
        torch.randn(shape, generator=generator), torch.full(shape, 1.0 + visits),
        torch.rand((*shape, states), generator=generator) + 0.5, torch.full(shape, visits), torch.full((tasks,), trial),
    )  # fmt: skip


def walk(agent, steps, options=SMALL, slots=6):
    """The agent in the world for some steps: its carry, and what happened as (state, action, reward, next, trial over)."""
    env = MesaVectorEnv("TabularMDP-v0", slots, seed=1, history=True, num_threads=1, **options)
    obs, _ = env.reset()
    carry, story = agent.initial_carry(slots), []
    for step in range(steps + 1):
        before = obs["state"][:, 0].clone()
        first = torch.full((1, slots), step == 0)
        logits, _, carry = agent.unroll({n: x[None] for n, x in obs.items()}, first, carry)
        action = logits[0].argmax(dim=1)
        if step < steps:
            obs, reward, *_ = env.step(action)
            story.append((before, action, reward.clone(), obs["state"][:, 0].clone(), obs["trial_start"][:, 0].clone()))
    return carry, story


@pytest.mark.parametrize("name", LEARNERS)
def test_counts_are_of_what_was_seen(name):
    agent = make(name)
    carry, story = walk(agent, 9)
    rewards, visits, transitions, _, _, step, trial = carry.split(agent.widths, dim=1)
    for slot in range(6):
        expected = np.zeros((3, 2)), np.zeros((3, 2)), np.zeros((3, 2, 3))
        for state, action, reward, after, over in story:
            pair = int(state[slot]), int(action[slot])
            expected[0][pair] += float(reward[slot])
            expected[1][pair] += 1
            if not over[slot]:  # where a trial's last step led is not seen
                expected[2][(*pair, int(after[slot]))] += 1
        for counted, wanted in zip((rewards, visits, transitions), expected, strict=True):
            np.testing.assert_allclose(counted[slot].numpy(), wanted.ravel(), atol=1e-5)
        assert (step[slot], trial[slot]) == (1, 3)  # ten observations, trials of four


@pytest.mark.parametrize("name", LEARNERS)
def test_carry_clears_at_is_first(name):
    agent, twin = make(name), make(name)
    used, _ = walk(agent, 7)
    obs = {
        "state": torch.zeros(1, 6, 1, dtype=torch.int32), "previous_action": torch.full((1, 6, 1), -1, dtype=torch.int32),
        "previous_reward": torch.zeros(1, 6, 1), "trial_start": torch.ones(1, 6, 1, dtype=torch.bool),
    }  # fmt: skip
    agent.generator.manual_seed(1), twin.generator.manual_seed(1)
    first = torch.ones(1, 6, dtype=torch.bool)
    assert torch.equal(agent.unroll(obs, first, used).carry, twin.unroll(obs, first, twin.initial_carry(6)).carry)


def test_the_posterior_by_hand():
    """Prior N(1, 1), noise 1: after rewards 2 and 6 the mean is (1 + 8) / 3 with precision 3; Dirichlet counts add 1."""
    agent = make("psrl")
    rewards, visits, transitions = torch.zeros(1, 6), torch.zeros(1, 6), torch.zeros(1, 18)
    rewards[0, 3], visits[0, 3], transitions[0, 3 * 3 + 2] = 8.0, 2.0, 2.0
    found = agent.posterior(rewards, visits, transitions, torch.ones(1))
    assert found.mean[0].flatten().tolist() == [1, 1, 1, 3, 1, 1] and found.precision[0, 1, 1] == 3
    assert found.dirichlet[0, 1, 1].tolist() == [1, 1, 3] and found.dirichlet[0, 0, 0].tolist() == [1, 1, 1]
    unprejudiced = make("greedy_rl2").posterior(rewards, visits, transitions, torch.ones(1))
    assert unprejudiced.mean[0, 1, 1].item() == pytest.approx(4, rel=1e-3)


def test_greedy_plans_optimally_in_the_expected_mdp():
    given = posterior()
    expected = refs.expected_transitions(given).numpy().astype(np.float64)
    expected /= expected.sum(axis=-1, keepdims=True)
    exact = tabular_mdp.solve(given.mean.numpy(), expected, 4).action_values
    np.testing.assert_allclose(make("greedy").plan(given).numpy(), exact, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(make("beb", beta=0.0).plan(given).numpy(), exact, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(make("ucrl2_rl2", scaling=0.0).plan(given).numpy(), exact, rtol=1e-4, atol=1e-5)


def test_draws_are_from_the_posterior():
    shape = (40_000, 1, 2)
    given = Posterior(
        torch.tensor([[[2.0, -1.0]]]).expand(shape), torch.full(shape, 4.0),
        torch.tensor([3.0, 1.0]).expand(40_000, 1, 2, 2), torch.zeros(shape), torch.ones(40_000),
    )  # fmt: skip
    rewards, transitions = make("psrl").draw(given)
    assert rewards.mean(dim=(0, 1)).tolist() == pytest.approx([2, -1], abs=0.01)
    assert rewards.std(dim=(0, 1)).tolist() == pytest.approx([0.5, 0.5], abs=0.01)
    share = transitions[..., 0]
    assert share.mean().item() == pytest.approx(0.75, abs=0.005)  # Beta(3, 1)
    assert share.var().item() == pytest.approx(3 / 16 / 5, abs=0.001)


def test_optimism_grows_with_samples_and_with_bonuses():
    given = posterior(tasks=300)
    start = [make("opsrl", samples=count).plan(given)[:, 0].mean().item() for count in (1, 5, 20)]
    assert start[0] < start[1] < start[2]
    plain = make("greedy").plan(given)
    assert (make("beb", beta=2.0).plan(given) > plain).all()
    assert (make("beb_rl2", beta=2.0).plan(given) > plain).all()
    assert (make("ucrl2_rl2", scaling=0.2).plan(given) > plain).all()


def test_what_rl2_tuned_is_scaled_by_the_horizon():
    parameter, values = next(iter(REFERENCES["beb_rl2"].grid.items()))
    for horizon in (1, 10, 50):
        tried = [REFERENCES["beb_rl2"].make({**OPTIONS, "horizon": horizon}, **{parameter: value}) for value in values]
        assert (tried[0].beta, tried[-1].beta) == pytest.approx((2e-4 * horizon**3, 2 * horizon**3))


def test_the_most_favourable_transitions_by_hand():
    rows = torch.tensor([[0.2, 0.3, 0.5], [0.0, 0.1, 0.9], [0.6, 0.3, 0.1]]).view(1, 1, 3, 3)
    value = torch.tensor([[0.0, 2.0, 1.0]])  # state 1 is best, state 0 worst
    slack = torch.tensor([[[0.2, 0.6, 4.0]]])
    found = most_favourable(rows, slack, value)[0, 0]
    wanted = [[0.1, 0.4, 0.5], [0.0, 0.4, 0.6], [0.0, 1.0, 0.0]]
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-6)


def test_the_most_favourable_transitions_are_a_linear_programs():
    from scipy.optimize import linprog

    rng = np.random.default_rng(0)
    for _ in range(20):
        row, value, slack = rng.dirichlet(np.ones(4)), rng.normal(size=4), rng.uniform(0, 2)
        # p = row + up - down, sum(up) = sum(down) <= slack / 2
        cost = np.concatenate([-value, value])
        limits = np.concatenate([np.eye(4), -np.eye(4)]).T
        bounds_a = np.vstack([limits, -limits, np.concatenate([np.ones(8)])])
        bounds_b = np.concatenate([1 - row, row, [slack]])
        best = linprog(cost, bounds_a, bounds_b, np.concatenate([np.ones(4), -np.ones(4)])[None], [0.0])
        found = most_favourable(
            torch.tensor(row).view(1, 1, 1, 4), torch.tensor(slack).view(1, 1, 1), torch.tensor(value)[None]
        ).numpy().ravel()  # fmt: skip
        assert found.min() > -1e-9 and found.sum() == pytest.approx(1) and abs(found - row).sum() <= slack + 1e-6
        assert found @ value == pytest.approx(row @ value - best.fun, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "more"),
    [("random", {}), ("greedy_rl2", {}), ("psrl_rl2", {}), ("epsilon_greedy_rl2", {"epsilon": 0.1}),
     ("beb_rl2", {"beta": 3.17}), ("ucrl2_rl2", {"scaling": 0.398})],
)  # fmt: skip
def test_published_figures_come_out(name, more):
    found = earned(name, 1000, **more).returns
    apart = (found.mean() - PUBLISHED[name]) / (np.sqrt(2) * found.std() / np.sqrt(1000))
    assert abs(apart) < 3.5, f"{found.mean():.1f}"


def test_the_true_prior_matters_more_than_exploring():
    """Greedy on the posterior of the true prior earns more than all that RL^2 compared with."""
    greedy, sampled = earned("greedy", 500).returns, earned("psrl", 500).returns
    gap = greedy - sampled
    assert gap.mean() > 10 and greedy.mean() > 150


@pytest.mark.parametrize(
    ("name", "more"),
    [("opsrl", {"samples": 0}), ("beb", {"beta": -1.0}), ("ucrl2_rl2", {"scaling": float("inf")}),
     ("epsilon_greedy_rl2", {"epsilon": 1.5}), ("beb", {"beta": float("nan")})],
)  # fmt: skip
def test_bad_parameters_are_named(name, more):
    with pytest.raises(ValueError, match=next(iter(more))):
        make(name, **more)


def test_a_thermostat_of_ten_steps_does_what_its_rule_says_and_forgets_the_eleventh():
    """Its rule again, from the story alone: it must take an action that rule allows at every step."""
    agent = make("last_ten", OPTIONS)
    _, story = walk(agent, 100, OPTIONS, slots=20)
    rested = 0
    for slot in range(20):
        for t in range(1, 100):
            here = story[t][0][slot]
            past = [(a[slot].item(), r[slot].item()) for s, a, r, _, _ in story[max(0, t - 10) : t] if s[slot] == here]
            paid = {a: np.mean([r for b, r in past if b == a]) for a, _ in past}
            best = max(paid, key=paid.__getitem__, default=None)
            taken = story[t][1][slot].item()
            if best is not None and (paid[best] >= 1.0 or len(paid) == 5):
                assert taken == best, (slot, t)
                rested += 1
            else:
                assert taken not in paid, (slot, t)
    assert rested > 300


def test_a_satisficer_is_a_thermostat_that_never_forgets():
    whole = {
        "counts": refs.Satisficer(OPTIONS, 3), "window": refs.LastTen(OPTIONS, 3, window=100),
    }  # fmt: skip
    played = {
        name: evaluate_agent(agent, name, "", world="TabularMDP-v0", options={}, tasks=200, seed=1, num_threads=1)
        for name, agent in whole.items()
    }
    assert np.array_equal(played["counts"].rewards, played["window"].rewards)


def test_a_thermostat_earns_more_than_chance_and_less_than_those_who_keep_everything():
    found = {name: earned(name, 1000).returns for name in ("random", "last_ten", "greedy", "satisficer")}
    gaps = [
        found["last_ten"] - found["random"],
        *(found[name] - found["last_ten"] for name in ("greedy", "satisficer")),
    ]
    for gap in gaps:
        assert gap.mean() > 5 * gap.std() / np.sqrt(len(gap))
