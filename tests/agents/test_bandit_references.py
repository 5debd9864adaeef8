"""Bandit reference agents: their counts, their choices in hand-worked cases, and their rewards in the world."""

import pytest
import torch

import mesasim
from mesasim.agents.bandit_references import REFERENCES
from mesasim.evaluate import evaluate_agent
from mesasim.exact import last_outcome
from mesasim.exact.bandit import BernoulliBandit, memory_of_one

SOME = 3000  # slots that see the same history, to see how often each arm is chosen


def make(name, arms, pulls, seed=0, **params):
    """A registered agent as the evaluation makes it, a free parameter at its class's default."""
    return REFERENCES[name].make(arms, pulls, seed, **{**REFERENCES[name].params, **params})


def play(agent, arms, pulls, tasks, seed=0):
    """Rewards of whole tasks [tasks], and the last carry, [tasks, width], which has seen all but the last pull."""
    env = mesasim.make_vec("Bandit-v0", tasks, seed=seed, history=True, arms=arms, pulls=pulls, num_threads=1)
    obs, _ = env.reset()
    carry = agent.initial_carry(tasks)
    total = torch.zeros(tasks)
    for t in range(pulls):
        is_first = torch.full((1, tasks), t == 0)
        logits, _, carry = agent.unroll({name: tensor[None] for name, tensor in obs.items()}, is_first, carry)
        obs, reward, *_ = env.step(logits[0].argmax(dim=1))
        total += reward
    env.close()
    return total, carry


def shown(history, slots=SOME):
    """Observations [T, slots, 1] and is_first [T, slots] of an agent that made these (action, reward) pulls and must
    now choose again."""
    actions = torch.tensor([-1] + [action for action, _ in history], dtype=torch.int32)
    rewards = torch.tensor([0.0] + [reward for _, reward in history])
    wide = {"previous_action": actions, "previous_reward": rewards}
    is_first = torch.zeros(len(actions), slots, dtype=torch.bool)
    is_first[0] = True
    return {name: line[:, None, None].expand(-1, slots, 1) for name, line in wide.items()}, is_first


def choices(agent, history):
    """How often each arm is chosen after a history, [arms]."""
    obs, is_first = shown(history)
    logits = agent.unroll(obs, is_first, agent.initial_carry(SOME)).logits[-1]
    return (logits == 0).float().mean(dim=0)


@pytest.fixture(params=REFERENCES)
def name(request):
    return request.param


def test_counts_are_of_this_tasks_pulls(name):
    agent = make(name, 3, 9)
    obs, is_first = shown([(0, 1.0), (2, 0.0), (2, 1.0), (0, 1.0)], slots=5)
    carry = agent.unroll(obs, is_first, agent.initial_carry(5)).carry
    assert carry[:, :6].tolist() == [[2, 0, 2, 2, 0, 1]] * 5  # pulls, then reward sums


def test_carry_clears_at_is_first(name):
    agent = make(name, 3, 9)
    obs, is_first = shown([(1, 1.0), (1, 0.0)], slots=5)
    used = agent.unroll(obs, is_first, agent.initial_carry(5)).carry
    again, is_first = shown([(0, 1.0)], slots=5)
    fresh = agent.unroll(again, is_first, agent.initial_carry(5)).carry
    assert torch.equal(agent.unroll(again, is_first, used).carry, fresh)
    assert not torch.equal(used, fresh)


def test_step_by_step_equals_unroll(name):
    obs, is_first = shown([(0, 1.0), (2, 0.0), (2, 1.0)], slots=50)
    whole = make(name, 3, 9, seed=4)
    steps = make(name, 3, 9, seed=4)
    carry = steps.initial_carry(50)
    logits = []
    for t in range(len(is_first)):
        out = steps.unroll({field: tensor[t : t + 1] for field, tensor in obs.items()}, is_first[t : t + 1], carry)
        carry = out.carry
        logits.append(out.logits)
    expected = whole.unroll(obs, is_first, whole.initial_carry(50))
    assert torch.equal(torch.cat(logits), expected.logits)
    assert torch.equal(carry, expected.carry)


def test_same_seed_gives_same_choices_and_another_seed_others(name):
    rewards, carries = zip(*(play(make(name, 4, 6, seed=seed), 4, 6, 200) for seed in (7, 7, 8)), strict=True)
    assert torch.equal(rewards[0], rewards[1])
    assert torch.equal(carries[0], carries[1])
    deterministic = make(name, 4, 6).first_among_ties and name != "epsilon_greedy"
    assert torch.equal(carries[0], carries[2]) == deterministic


def test_first_choice_is_uniform_or_the_first_arm(name):
    agent = make(name, 4, 10)
    shares = choices(agent, []).tolist()
    if name == "epsilon_greedy":
        assert shares == pytest.approx([0.925, 0.025, 0.025, 0.025], abs=0.03)
    else:
        assert shares == ([1, 0, 0, 0] if agent.first_among_ties else pytest.approx([0.25] * 4, abs=0.04))


def test_a_finished_task_and_the_one_after_it_are_survived(name):
    env = mesasim.make_vec("Bandit-v0", 8, seed=0, history=True, arms=3, pulls=4, num_threads=1)
    agent = make(name, 3, 4)
    obs, _ = env.reset()
    carry, is_first = agent.initial_carry(8), torch.ones(1, 8, dtype=torch.bool)
    for t in range(12):  # the 5th step of the environment begins the next task
        logits, _, carry = agent.unroll({field: tensor[None] for field, tensor in obs.items()}, is_first, carry)
        obs, *_ = env.step(logits[0].argmax(dim=1))
        is_first = torch.full((1, 8), t % 5 == 4)
    assert (carry[:, :3].sum(dim=1) == 1).all()


def test_grid_and_prior_are_accepted_by_the_constructor(name):
    reference = REFERENCES[name]
    assert reference.nature in ("random", "reflex", "thermostat", "learner", "optimal")
    for parameter, values in reference.grid.items():
        for value in values:
            make(name, 2, 3, **{parameter: value})
    if reference.uses_prior:
        make(name, 2, 3, alpha=0.5, beta=2.0)


def test_greedy_takes_the_highest_posterior_mean():
    assert choices(make("greedy", 3, 9), [(0, 0.0), (1, 1.0)]).tolist() == [0, 1, 0]
    assert choices(make("greedy", 3, 9), [(0, 0.0)]).tolist() == [0, 1, 0]  # a tie: the first


def test_epsilon_greedy_explores_that_often():
    agent = make("epsilon_greedy", 4, 9, epsilon=0.4)
    assert choices(agent, [(2, 1.0)]).tolist() == pytest.approx([0.1, 0.1, 0.7, 0.1], abs=0.03)


def test_textbook_ucb_tries_each_arm_once_and_then_takes_the_highest_bound():
    agent = make("ucb1_textbook", 3, 20)
    assert choices(agent, [(0, 1.0), (2, 1.0)]).tolist() == [0, 1, 0]
    # ln 5 = 1.609: arm 0: 2/3 + sqrt(2 * 1.609 / 3) = 1.702; arms 1 and 2: 0 + sqrt(2 * 1.609) = 1.794.
    history = [(0, 1.0), (1, 0.0), (2, 0.0), (0, 1.0), (0, 0.0)]
    assert choices(agent, history).tolist() == pytest.approx([0, 0.5, 0.5], abs=0.03)


def test_tuned_ucb_weighs_its_bound_by_c():
    history = [(0, 1.0), (0, 0.0), (0, 1.0), (1, 0.0)]  # t = 4; k/m: 3/5, 1/3, 1/2; m: 5, 3, 2; sqrt(2 ln 4) = 1.665
    for c, arm in ((0.1, 0), (0.3, 2)):  # .674, .429, .618; then .823, .622, .853
        assert choices(make("ucb_tuned_rl2", 3, 9, c=c), history)[arm] == 1


def test_thompson_takes_each_arm_as_often_as_it_is_likely_best():
    # Beta(2, 1) beats Beta(1, 1) with probability 2/3.
    assert choices(make("thompson", 2, 9), [(0, 1.0)])[0] == pytest.approx(2 / 3, abs=0.03)


def test_standard_optimistic_sampling_never_goes_below_the_mean():
    # Arm 0: max(U, 1/2); arm 1, Beta(1, 2): max(sample, 1/3). Arm 1 wins if its sample is above max(U, 1/2):
    # integral over u of (1 - max(u, 1/2))^2 = 1/8 + 1/24 = 1/6.
    assert choices(make("ots_standard", 2, 9), [(1, 0.0)])[1] == pytest.approx(1 / 6, abs=0.03)


def test_more_samples_make_rl2s_optimistic_sampling_greedier():
    history = [(0, 1.0), (1, 0.0)]
    shares = [choices(make("ots_rl2", 2, 9, m=m), history)[0] for m in (1, 20)]
    assert shares[0] == pytest.approx(5 / 6, abs=0.03)  # one sample: Thompson; P(Beta(2, 1) > Beta(1, 2)) = 5/6
    assert shares[1] > 0.97


def test_gittins_explores_early_and_is_greedy_at_the_last_pull():
    agent = make("gittins", 2, 3)
    assert choices(agent, [(0, 1.0)]).tolist() == [1, 0]
    history = [(0, 1.0), (0, 0.0)]  # posterior means tie: at the last pull, either
    assert choices(agent, history).tolist() == pytest.approx([0.5, 0.5], abs=0.03)
    assert choices(make("gittins", 2, 30), history).tolist() == [0, 1]  # with pulls left, the unknown one


def test_approximate_gittins_by_hand():
    # Not tried: mu 1/2, n 2: .5 + .25 / .7071 = .854. One success: 2/3, 3: .667 + .2222 / (.8165 + .1667) = .893.
    # 2 of 3: mu 3/5, n 5: .6 + .24 / (1.0954 + .1) = .801.
    agent = make("gittins_approx_rl2", 2, 9)
    assert choices(agent, [(0, 1.0)]).tolist() == [1, 0]
    assert choices(agent, [(0, 1.0), (0, 1.0), (0, 0.0)]).tolist() == [0, 1]


def test_bayes_optimal_chooses_among_optimal_actions():
    history = [(0, 1.0), (0, 0.0), (1, 0.0)]
    optimal = BernoulliBandit(3, 9).actions([[1, 0, 0]], [[1, 1, 0]])[0]
    assert ((choices(make("bayes_optimal", 3, 9), history) > 0).numpy() == optimal).all()


def test_win_stay_lose_shift_sees_one_pull():
    agent = make("win_stay_lose_next", 3, 9)
    assert choices(agent, [(0, 1.0), (0, 1.0), (2, 1.0)]).tolist() == [0, 0, 1]
    assert choices(agent, [(0, 1.0), (0, 1.0), (2, 0.0)]).tolist() == [1, 0, 0]
    agent = make("win_stay_lose_shift", 3, 9)
    assert choices(agent, [(2, 1.0)]).tolist() == [0, 0, 1]
    assert choices(agent, [(2, 0.0)]).tolist() == pytest.approx([0.5, 0.5, 0], abs=0.04)


@pytest.mark.parametrize(("by", "best"), [("sum", 0), ("mean", 1)])
def test_last_ten_forgets_what_is_older(by, best):
    old = [(2, 1.0)] * 8  # of these only one is still among the last ten
    history = old + [(0, 1.0), (0, 0.0)] * 3 + [(1, 1.0), (2, 0.0), (2, 0.0)]
    assert choices(make(f"last_ten_{by}", 3, 40), history)[best] == pytest.approx(0.9 + 0.1 / 3, abs=0.02)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("random", 5.0),
        ("win_stay_lose_next", memory_of_one(5, 10)),
        ("win_stay_lose_shift", memory_of_one(5, 10, switch="uniform")),
        ("bayes_optimal", BernoulliBandit(5, 10).value),
        ("gittins", BernoulliBandit(5, 10).value),  # below the optimum by less than 0.01
    ],
)
def test_simulated_reward_agrees_with_its_exact_value(name, value):
    rewards, _ = play(make(name, 5, 10), 5, 10, 20000)
    assert abs(rewards.mean() - value) < 4 * rewards.std() / 20000**0.5 + (0.01 if name == "gittins" else 0)


@pytest.mark.parametrize(
    ("name", "given", "named"),
    [
        ("random", {"arms": 1}, "arms: got 1, allowed"),
        ("random", {"pulls": 0}, "pulls: got 0, allowed"),
        ("thompson", {"alpha": 0}, "alpha: got 0, allowed"),
        ("epsilon_greedy", {"epsilon": 1.5}, "epsilon: got 1.5, allowed"),
        ("ucb_tuned_rl2", {"c": -1}, "c: got -1, allowed"),
        ("ots_rl2", {"m": 0}, "m: got 0, allowed"),
        ("last_ten_sum", {"by": "max"}, "by: got 'max', allowed"),
        ("win_stay_lose_shift", {"shift": "back"}, "shift: got 'back', allowed"),
        ("gittins", {"pulls": 501}, "pulls: got 501, allowed"),
        ("bayes_optimal", {"arms": 5, "pulls": 100}, "arms, pulls: got 5, 100"),
    ],
)
def test_a_wrong_argument_is_named_with_what_is_allowed(name, given, named):
    with pytest.raises(ValueError, match=named):
        make(name, **{"arms": 2, "pulls": 5, **given})


def test_an_episode_longer_than_the_agent_was_made_for_is_refused():
    for name in ("gittins", "bayes_optimal"):
        with pytest.raises(ValueError, match="pulls: got 2, allowed: at least the length"):
            choices(make(name, 3, 2), [(0, 1.0)] * 3)


def test_a_recent_posterior_forgets_what_is_older_than_its_window():
    agent = make("recent_posterior", 3, 100)
    good, bad = (0, 1.0), (1, 0.0)
    assert (
        agent.window == 10
        and make("recent_posterior", 3, 30).window == 3
        and make("recent_posterior", 3, 5).window == 1
    )
    assert choices(agent, [good] * 10).tolist() == [1, 0, 0]
    assert choices(agent, [good] * 10 + [bad] * 9).tolist() == [1, 0, 0], "one reward is still in sight"
    assert choices(agent, [good] * 10 + [bad] * 10).tolist() == pytest.approx([0.5, 0, 0.5], abs=0.05)


def test_a_clocked_reflex_earns_what_its_policy_is_worth():
    agent = make("clocked_reflex", 2, 20)
    played = evaluate_agent(
        agent, "", "", world="Bandit-v0", options={"arms": 2, "pulls": 20}, tasks=20_000, seed=3, num_threads=1
    )  # fmt: skip
    exact = last_outcome.best_with_clock(2, 20).value
    assert abs(played.returns.mean() - exact) < 4 * played.returns.std() / 20_000**0.5
    assert exact > memory_of_one(2, 20) + 0.1, "the clock is worth something"
    with pytest.raises(ValueError, match="arms, pulls: got 5, 20"):
        make("clocked_reflex", 5, 20)
