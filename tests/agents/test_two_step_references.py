"""Reference agents of the two-step task: their choices in hand-worked cases, and what they earn against exact values."""

import pytest
import torch

from mesasim import baselines
from mesasim.agents.two_step_references import REFERENCES, Daw
from mesasim.evaluate import evaluate_agent
from mesasim.exact import two_step

OPTIONS = {"trials": 100, "common": 0.75, "reward": 0.9, "switching": 0.0}
SOME = 4000


def make(name, **options):
    return REFERENCES[name].make(OPTIONS | options, 0, **REFERENCES[name].params)


def shown(history, slots=SOME):
    """Observations and is_first of an agent that lived through trials (action, state 1 or 2, reward) and must now
    choose."""
    state, action, reward = [0], [-1], [0.0]
    for chosen, to, paid in history:
        state, action, reward = [*state, to, 0], [*action, chosen, 0], [*reward, 0.0, paid]
    wide = {
        "state": torch.tensor(state, dtype=torch.int32),
        "previous_action": torch.tensor(action, dtype=torch.int32),
        "previous_reward": torch.tensor(reward),
    }
    is_first = torch.zeros(len(state), slots, dtype=torch.bool)
    is_first[0] = True
    return {name: line[:, None, None].expand(-1, slots, 1) for name, line in wide.items()}, is_first


def share(agent, history):
    """How often action 1 is chosen after a history."""
    obs, is_first = shown(history)
    return agent.unroll(obs, is_first, agent.initial_carry(SOME)).logits[-1, :, 1].eq(0).float().mean().item()


@pytest.mark.parametrize("name", REFERENCES)
def test_the_first_choice_is_a_toss(name):
    assert abs(share(make(name), []) - 0.5) < 4 * 0.5 / SOME**0.5


@pytest.mark.parametrize("name", REFERENCES)
def test_carry_clears_and_steps_equal_unroll(name):
    obs, is_first = shown([(0, 1, 1.0), (1, 1, 0.0)], slots=50)
    whole, steps = make(name), make(name)
    carry, logits = torch.ones(50, steps.carry_width), []
    for t in range(len(is_first)):
        out = steps.unroll({f: x[t : t + 1] for f, x in obs.items()}, is_first[t : t + 1], carry)
        carry = out.carry
        logits.append(out.logits)
    together = whole.unroll(obs, is_first, whole.initial_carry(50))
    assert torch.equal(torch.cat(logits), together.logits) and torch.equal(carry, together.carry)


REWARDED_RARE, MISSED_RARE = (0, 2, 1.0), (0, 2, 0.0)


def test_the_reflex_repeats_what_paid():
    agent = make("win_stay_lose_shift")
    assert share(agent, [REWARDED_RARE]) == 0 and share(agent, [MISSED_RARE]) == 1
    assert share(agent, [(1, 2, 1.0)]) == 1 and share(agent, [(1, 2, 0.0)]) == 0


def test_the_last_outcome_is_followed_to_its_state():
    agent = make("last_outcome")
    assert share(agent, [REWARDED_RARE]) == 1 and share(agent, [MISSED_RARE]) == 0
    assert share(agent, [(1, 2, 1.0), (1, 2, 1.0), (1, 2, 0.0)]) == 0, "it forgets what came before"


def test_the_bayes_optimal_agent_counts():
    agent = make("bayes_optimal")
    assert share(agent, [REWARDED_RARE]) == 1 and share(agent, [MISSED_RARE]) == 0
    assert share(agent, [(1, 2, 1.0), (1, 2, 1.0), (1, 2, 0.0)]) == 1
    assert abs(share(agent, [(1, 2, 1.0), (0, 1, 1.0)]) - 0.5) < 4 * 0.5 / SOME**0.5  # one sign each way
    changing = make("bayes_optimal", switching=0.2)
    assert share(changing, [(1, 2, 1.0), (1, 2, 1.0), (1, 2, 0.0)]) == 0, "a good state may have switched"


def test_daws_values_by_hand():
    """One rare reward, then nothing, alpha 1/2: V = (1/2, 3/4), and the model-free Q of action 0 is 3/4."""

    def preference(**params):
        agent = Daw(OPTIONS, 0, alpha=0.5, beta=4.0, **params)
        return torch.tensor(share(agent, [REWARDED_RARE])).logit().item() / 4

    at = pytest.approx
    assert preference(weight=0.0) == at(-0.25, abs=0.04)  # Q = (3/4, 1/2)
    assert preference(weight=0.0, trace=0.0) == at(0.0, abs=0.04)  # the reward has not reached the first stage
    assert preference(weight=1.0) == at(0.125, abs=0.04)  # Q = (9/16, 11/16)
    assert preference(weight=0.5) == at(-0.0625, abs=0.04)


@pytest.mark.parametrize(
    "options", [{}, {"switching": 0.05, "trials": 60}, {"common": 0.9, "reward": 0.75, "trials": 30}]
)
def test_agents_earn_their_exact_values(options):
    full = OPTIONS | options
    one = two_step.memory_of_one(**full)
    reflex = two_step.memory_of_one_values(torch.tensor([[[[0.0, 1.0], [0.0, 1.0]]] * 2]).numpy(), **full)[0]
    exact = {
        "random": two_step.floor(full["trials"]), "win_stay_lose_shift": reflex, "last_outcome": one.value,
        "bayes_optimal": two_step.optimum(**full),
    }  # fmt: skip
    for name, value in exact.items():
        agent = make(name, **options)
        found = evaluate_agent(agent, name, "", world="TwoStep-v0", options=options, tasks=2000, seed=9, num_threads=1)
        assert abs(found.returns.mean() - value) < 4 * found.returns.std() / 2000**0.5, name


def test_the_world_calls_the_bayes_optimal_agents_choices_optimal():
    from mesasim.vector import MesaVectorEnv

    env = MesaVectorEnv("TwoStep-v0", 500, seed=2, history=True, oracle=True, trials=30, switching=0.1, num_threads=1)
    obs, info = env.reset()
    agent = make("bayes_optimal", switching=0.1)
    carry = agent.initial_carry(500)
    for step in range(60):
        first = torch.full((1, 500), step == 0)
        logits, _, carry = agent.unroll({n: x[None] for n, x in obs.items()}, first, carry)
        action = logits[0].argmax(dim=1)
        assert info["optimal_actions"].gather(1, action[:, None]).all()
        obs, *_, info = env.step(action)


def test_the_scale_is_exact_and_refuses_a_task_where_nothing_matters():
    scale = baselines.scale(baselines.Setting("TwoStep-v0", {}, 10, 1), [])
    assert (scale.floor, scale.ceiling) == pytest.approx((50, 69.6875), abs=1e-3)
    with pytest.raises(ValueError, match=r"0\.5"):
        baselines.scale(baselines.Setting("TwoStep-v0", {"reward": 0.5}, 10, 1), [])


@pytest.mark.parametrize("params", [{"weight": 1.5}, {"alpha": -0.1}, {"trace": 2.0}, {"beta": float("inf")}])
def test_bad_parameters_are_named(params):
    with pytest.raises(ValueError, match=next(iter(params))):
        Daw(OPTIONS, **params)
