"""Exact values and filters of the wider bandits, against enumeration, simulation and the published references."""

import time
import tracemalloc
from functools import lru_cache
from itertools import product

import numpy as np
import pytest
from scipy.stats import beta as beta_law

import mesasim
from mesasim.exact import bandit, beta_bandit, informative_arm, last_outcome
from mesasim.exact.restless import RestlessFilter, beta_quadrature, walk_matrix

# The informative arm


def test_informative_values_are_those_of_the_task_as_published():
    assert informative_arm.value(11, 5) == pytest.approx(20.55)
    assert informative_arm.myopic_value(11, 5) == pytest.approx(11.0)
    assert informative_arm.random_value(11, 5) == pytest.approx(5 * (5 + 9 + 0.55) / 11)


@pytest.mark.parametrize(("arms", "pulls"), [(3, 1), (3, 4), (5, 1), (5, 2), (5, 3), (6, 7)])
def test_informative_optimum_equals_a_search_over_sets_of_candidates(arms, pulls):
    ordinary = arms - 1

    @lru_cache(None)
    def best(left, remaining):  # `left`: which arms may be the target
        if remaining == 0:
            return 0.0
        if len(left) == 1:
            return 5.0 * remaining
        asked = np.mean([(arm + 1) / ordinary for arm in left]) + 5 * (remaining - 1)
        wasted = 1 + best(left, remaining - 1) if len(left) < ordinary else 0.0
        tried = max(
            (5 * remaining + (len(left) - 1) * (1 + best(left - {arm}, remaining - 1))) / len(left) for arm in left
        )
        return max(asked, wasted, tried)

    assert informative_arm.value(arms, pulls) == pytest.approx(best(frozenset(range(ordinary)), pulls), abs=1e-12)


@pytest.mark.parametrize(("arms", "pulls"), [(2, 5), (11, 0), (11.0, 5)])
def test_informative_refuses_what_is_no_such_bandit(arms, pulls):
    with pytest.raises(ValueError, match=r"arms|pulls"):
        informative_arm.value(arms, pulls)


# Priors arm by arm


@pytest.mark.parametrize(("arms", "pulls", "alpha", "beta"), [(2, 30, 1.0, 1.0), (3, 9, 0.5, 2.0), (4, 6, 1.0, 1.0)])
def test_arms_of_one_prior_have_the_value_of_interchangeable_arms(arms, pulls, alpha, beta):
    value = beta_bandit.BetaBandit([alpha] * arms, [beta] * arms, pulls).value
    assert value == pytest.approx(bandit.BernoulliBandit(arms, pulls, alpha, beta).value, abs=1e-10)


def test_priors_arm_by_arm_equal_a_plain_recursion():
    alphas, betas = (1.0, 6.0, 0.5), (2.0, 3.0, 0.5)

    @lru_cache(None)
    def best(counts, remaining):
        if remaining == 0:
            return 0.0
        values = []
        for arm, (s, f) in enumerate(counts):
            p = (alphas[arm] + s) / (alphas[arm] + betas[arm] + s + f)
            after = [(*counts[:arm], one, *counts[arm + 1 :]) for one in ((s + 1, f), (s, f + 1))]
            values.append(p * (1 + best(after[0], remaining - 1)) + (1 - p) * best(after[1], remaining - 1))
        return max(values)

    solved = beta_bandit.BetaBandit(alphas, betas, 7)
    assert solved.value == pytest.approx(best(((0, 0),) * 3, 7), abs=1e-12)
    assert solved.actions([[0, 0, 0]], [[0, 6, 0]])[0].sum() >= 1
    assert not solved.actions([[0, 0, 0]], [[3, 0, 3]])[0, 0]  # the arm that keeps failing


def test_what_does_not_fit_says_so_and_what_stands_in():
    assert beta_bandit.fits(2, 123) and not beta_bandit.fits(2, 124) and not beta_bandit.fits(3, 100)
    with pytest.raises(ValueError, match=r"states.*Gittins"):
        beta_bandit.BetaBandit([1, 1, 1], [1, 1, 2], 100)
    with pytest.raises(ValueError, match="alpha"):
        beta_bandit.BetaBandit([1, 0], [1, 1], 5)
    with pytest.raises(ValueError, match="betas"):
        beta_bandit.BetaBandit([1, 1], [1], 5)


@pytest.mark.parametrize(("arms", "pulls"), [(8, 2), (5, 4), (2, 40)])
def test_solving_takes_no_more_memory_than_its_states_allow(arms, pulls):
    tracemalloc.start()
    beta_bandit.BetaBandit([1.0] * arms, [1.0] * arms, pulls)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 41 * sum((t + 1) ** (2 * arms - 1) for t in range(pulls)) + 100_000


# The last action and reward


def test_the_best_deterministic_reflex_is_win_stay_lose_shift():
    best = last_outcome.enumerate_policies(100)
    assert best.policy[0].tolist() == [[1, 0], [0, 1]]
    assert best.value == pytest.approx(bandit.memory_of_one(2, 100), abs=1e-9) == pytest.approx(58.9726, abs=1e-4)


def test_no_mixture_of_staying_and_leaving_beats_it():
    best = last_outcome.best_stay(5, 10)
    assert (best.after_reward, best.after_none) == (1.0, 0.0)
    assert best.value == pytest.approx(bandit.memory_of_one(5, 10))


@pytest.mark.parametrize(("arms", "pulls"), [(2, 3), (2, 4), (3, 3)])
def test_with_a_clock_policy_iteration_finds_the_best_of_all_policies(arms, pulls):
    means, weight = last_outcome._quadrature(arms, pulls)
    shape = (pulls - 1, arms, 2)
    if arms == 2:
        tried = (np.array(moves).reshape(shape) for moves in product(range(arms), repeat=int(np.prod(shape))))
    else:  # too many: those that begin at arm 0, whose second pull knows the first
        free = product(range(arms), repeat=8)
        tried = (np.array([*m[:2], 0, 0, 0, 0, *m[2:]]).reshape(shape) for m in free)
    best = max(last_outcome._forward(np.concatenate([p[:1], p]), means, weight)[0] for p in tried)
    assert last_outcome.best_with_clock(arms, pulls).value == pytest.approx(best, abs=1e-12)


def test_a_clock_helps_and_less_than_the_counts_would():
    best = last_outcome.best_with_clock(2, 100)
    assert bandit.memory_of_one(2, 100) + 1.3 < best.value < 60.5 < bandit.BernoulliBandit(2, 100).value
    # its value is what it earns: by simulation
    rng = np.random.default_rng(0)
    means, rows = rng.random((20_000, 2)), np.arange(20_000)
    arm, total = np.zeros(20_000, int), np.zeros(20_000)
    for t in range(100):
        reward = (rng.random(20_000) < means[rows, arm]).astype(int)
        total += reward
        arm = best.policy[(t + 1) % 100][arm, reward]
    assert abs(total.mean() - best.value) < 4 * total.std() / np.sqrt(20_000)


def test_too_many_points_of_quadrature_are_refused_with_what_is_known_instead():
    with pytest.raises(ValueError, match=r"points.*memory_of_one"):
        last_outcome.best_with_clock(5, 100)


# The filter of restless arms

EASY_SWAP = {"arms": 2, "prior": "dependent_easy", "drift": "swap", "volatility": [0.1, 0.4]}


def test_filter_of_two_values_equals_a_sum_over_hidden_paths():
    arms, rewards = [0, 1, 1, 0, 0], [1, 1, 0, 0, 1]
    filter_ = RestlessFilter(EASY_SWAP)
    belief = filter_.initial(1)
    for arm, reward in zip(arms, rewards, strict=True):
        belief = filter_.update(belief, [arm], [reward])
    weight = np.zeros((2, 2))  # [volatility, whether arm 0 is the good one now]
    for v, hazard in enumerate(EASY_SWAP["volatility"]):
        for path in product((0, 1), repeat=6):
            p = 0.25
            for t in range(5):
                mean = 0.9 if path[t] == (arms[t] == 0) else 0.1
                p *= (mean if rewards[t] else 1 - mean) * (hazard if path[t] != path[t + 1] else 1 - hazard)
            weight[v, path[5]] += p
    weight /= weight.sum()
    expected = 0.9 * weight[:, 1].sum() + 0.1 * weight[:, 0].sum()
    np.testing.assert_allclose(filter_.means(belief)[0], [expected, 1 - expected], atol=1e-12)
    np.testing.assert_allclose(filter_.volatility_weights(belief)[0], weight.sum(axis=1), atol=1e-12)


@pytest.mark.parametrize("prior", [{}, {"prior": "beta", "alphas": [0.5, 4.0], "betas": [2.0, 1.0]}])
def test_filter_of_arms_that_stand_still_is_the_beta_posterior(prior):
    filter_ = RestlessFilter({"arms": 2, "pulls": 60, **prior})
    belief = filter_.initial(1)
    for t in range(50):
        belief = filter_.update(belief, [t % 2], [t % 3 == 0])
    a, b = np.array(prior.get("alphas", [1, 1])), np.array(prior.get("betas", [1, 1]))
    success = np.array([sum(t % 3 == 0 for t in range(arm, 50, 2)) for arm in (0, 1)])
    np.testing.assert_allclose(filter_.means(belief)[0], beta_law.mean(a + success, b + 25 - success), atol=1e-9)


@pytest.mark.parametrize("pulls", [10, 1000, 5000])
@pytest.mark.parametrize(
    ("a", "b"), [(1, 1), (0.5, 3), (10, 20), (300, 700), (1000, 1000), (0.05, 0.05), (1000, 0.05), (0.05, 1000)]
)
def test_quadrature_of_a_prior_gives_the_posterior_of_as_many_pulls(a, b, pulls):
    nodes, weights = beta_quadrature(pulls // 2 + 1, float(a), float(b))
    successes = min(pulls - 1, round(pulls * (a + 1) / (a + b + 2)))
    failures = pulls - 1 - successes
    logs = np.log(nodes.clip(1e-300)) * successes + np.log1p(-nodes.clip(max=1 - 1e-16)) * failures
    posterior = weights * np.exp(logs - logs.max())
    assert weights @ nodes == pytest.approx(a / (a + b), rel=1e-6)
    assert posterior @ nodes / posterior.sum() == pytest.approx((a + successes) / (a + b + pulls - 1), rel=1e-6)


def test_filter_knows_which_of_two_firm_priors_is_the_better():
    options = {"arms": 2, "prior": "beta", "alphas": [300.0, 700.0], "betas": [700.0, 300.0], "pulls": 1000}
    filter_ = RestlessFilter({**options, "drift": "redraw", "volatility": [0.05]})
    np.testing.assert_allclose(filter_.means(filter_.initial(1))[0], [0.3, 0.7], atol=1e-12)


@pytest.mark.parametrize(("alpha", "beta"), [(1e-3, 1e-3), (1e-3, 1e6), (1e6, 1e6)])
def test_quadrature_reaches_the_ends_of_what_is_allowed_and_no_further(alpha, beta):
    nodes, weights = beta_quadrature(200, alpha, beta)
    assert weights @ nodes == pytest.approx(alpha / (alpha + beta), rel=1e-6) and (weights >= 0).all()
    with pytest.raises(ValueError, match=r"^(alpha|beta): got"):
        beta_quadrature(200, alpha if alpha > 1 else 0.0, beta * 1e300)


def test_filter_of_a_redraw_forgets_at_the_hazard():
    filter_ = RestlessFilter({"arms": 2, "drift": "redraw", "volatility": [0.25]})
    belief = filter_.update(filter_.initial(1), [0], [1])
    np.testing.assert_allclose(filter_.means(belief)[0], [0.75 * 2 / 3 + 0.25 / 2, 0.5], atol=1e-12)
    again = filter_.update(belief, [-1], [0])
    assert np.array_equal(again, belief)  # no pull, no step


def test_walk_matrix_is_the_reflected_normal():
    rng = np.random.default_rng(0)
    p = np.abs(0.995 + 0.1 * rng.standard_normal(400_000)) % 2
    p = np.where(p > 1, 2 - p, p)
    seen = np.histogram(p, np.linspace(0, 1, 101))[0] / len(p)
    np.testing.assert_allclose(walk_matrix(100, 0.1)[99], seen, atol=2e-3)
    np.testing.assert_allclose(walk_matrix(50, 2.99), walk_matrix(50, 3.0), atol=1e-15)  # where it forgets all
    np.testing.assert_allclose(walk_matrix(50, 7.0), 1 / 50, atol=1e-6)
    begun = time.process_time()
    walk_matrix(1000, 1000.0)
    assert time.process_time() - begun < 1


WALK = {"arms": 2, "prior": "dependent_uniform", "drift": "walk", "volatility": [0.02, 0.2], "pulls": 60}


def played(options, believed, episodes=1500):
    """Log-loss of the filter's predictions, how far its sure ones are off in standard errors, and the weight it ends with on
    each episode's true volatility, arms drawn at random."""
    filter_ = RestlessFilter(options | believed)
    env = mesasim.make_vec("Bandit-v0", episodes, oracle=True, output="numpy", **options)
    _, info = env.reset(seed=3)
    which = np.argmin(np.abs(info["volatility"] - np.array(options["volatility"])), axis=1)
    rng, belief = np.random.default_rng(0), filter_.initial(episodes)
    loss, surprise, variance = 0.0, 0.0, 0.0
    for t in range(options["pulls"]):
        arm = rng.integers(2, size=episodes)
        p = filter_.means(belief)[np.arange(episodes), arm]
        reward = env.step(arm)[1]
        belief = filter_.update(belief, arm, reward)
        if t >= 20:
            loss -= np.log(np.where(reward > 0.5, p, 1 - p)).mean()
            sure = p > 0.7
            surprise, variance = surprise + (reward - p)[sure].sum(), variance + (p * (1 - p))[sure].sum()
    weights = filter_.volatility_weights(belief)
    known = weights[np.arange(episodes), which] if weights.shape[1] > 1 else None
    return loss / (options["pulls"] - 20), surprise / np.sqrt(max(variance, 1.0)), known


def test_filter_predicts_the_engine_and_a_wrong_one_does_not():
    loss, z, known = played(WALK, {})
    assert abs(z) < 4 and known.mean() > 0.55
    for wrong in ({"volatility": [0.0]}, {"volatility": [0.6]}):
        worse, _, _ = played(WALK, wrong)
        assert worse > loss + 0.003
    assert abs(played(WALK, {"volatility": [0.0]})[1]) > 8  # too sure of itself


def test_filter_of_independent_walks_predicts_the_engine():
    _, z, _ = played({"arms": 2, "drift": "walk", "volatility": [0.1], "pulls": 60}, {})
    assert abs(z) < 4


def test_more_points_change_next_to_nothing():
    rng = np.random.default_rng(1)
    arm, reward = rng.integers(2, size=(60, 40)), rng.random((60, 40)) < 0.7
    means = []
    for points in (None, 300):
        filter_ = RestlessFilter(WALK, points)
        belief = filter_.initial(40)
        for t in range(60):
            belief = filter_.update(belief, arm[t], reward[t])
        means.append(filter_.means(belief))
    assert np.abs(means[0] - means[1]).max() < 3e-3


@pytest.mark.parametrize(
    "options",
    [
        {"reward": "gaussian"},
        {"prior": "normal"},
        {"arms": 2, "drift": "swap", "volatility": [0.1]},
        {"drift": "walk"},
        {"drift": "walk", "volatility": [0.001]},
        {"drift": "jump"},
        {"drift": "redraw", "volatility": [5.0]},
        {"drift": "walk", "volatility": [float("nan")]},
        {"drift": "none", "volatilty": [0.1]},
    ],
    ids=str,
)
def test_filter_refuses_what_it_is_not_exact_for(options):
    with pytest.raises((ValueError, TypeError), match=r"reward|prior|volatil|drift"):
        RestlessFilter(options)
