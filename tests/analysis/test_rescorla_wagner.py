"""Fits find the learning rates that made the choices, and tell one from several."""

import numpy as np
import pytest

from mesasim.analysis import rescorla_wagner

EPISODES, STEPS = 120, 60
BLOCKS = np.arange(EPISODES) // 10
HALVES = (np.arange(EPISODES) >= EPISODES // 2).astype(int)


def simulate(alpha, beta=5.0, epsilon=0.0, seed=0):
    """Choices and rewards [EPISODES, STEPS] of the model itself on two arms p and 1 - p."""
    rng = np.random.default_rng(seed)
    alpha, value, rows = np.broadcast_to(alpha, EPISODES), np.full((EPISODES, 2), 0.5), np.arange(EPISODES)
    p = rng.random(EPISODES)
    means, played = np.stack([p, 1 - p], axis=1), []
    for _ in range(STEPS):
        softmax = np.exp(beta * value)
        likely = (1 - epsilon) * softmax / softmax.sum(axis=1, keepdims=True) + epsilon / 2
        arm = (rng.random(EPISODES) > likely[:, 0]).astype(int)
        reward = (rng.random(EPISODES) < means[rows, arm]).astype(float)
        value[rows, arm] += alpha * (reward - value[rows, arm])
        played.append((arm, reward))
    return tuple(np.stack(part, axis=1) for part in zip(*played, strict=True))


def test_likelihood_is_that_of_a_case_worked_by_hand():
    found = rescorla_wagner.log_likelihood([[0, 0, 1]], [[1.0, 0.0, 1.0]], 2, 0.5, 2.0, 0.1)
    stay = 0.9 / (1 + np.exp(-2 * 0.25)) + 0.05  # after the reward arm 0 is worth .75
    leave = 0.9 / (1 + np.exp(-2 * 0.125)) + 0.05  # after none .375
    assert found[0] == pytest.approx(np.log(0.5) + np.log(stay) + np.log(leave))


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.9])
def test_a_known_learning_rate_is_recovered(alpha):
    played = simulate(alpha)
    fit = rescorla_wagner.fit(*played, BLOCKS, "ab")
    se = fit.alpha.std(ddof=1) / np.sqrt(len(fit.alpha))
    assert abs(fit.alpha.mean() - alpha) < 4 * se + 0.01 and se < 0.04
    assert np.median(fit.beta) == pytest.approx(5, abs=1)
    shared = rescorla_wagner.fit(*played, BLOCKS, "b")
    assert shared.alpha == pytest.approx(alpha, abs=0.04) and len(set(shared.alpha)) == 1


def test_lapses_are_recovered_and_preferred_where_there_are_some():
    found = rescorla_wagner.compare(*simulate(0.5, 8.0, 0.3), HALVES)
    assert next(iter(found)) == "be" and found["be"].epsilon == pytest.approx(0.3, abs=0.08)
    assert next(iter(rescorla_wagner.compare(*simulate(0.5), HALVES))) == "b"


def test_rates_that_differ_between_blocks_are_told_from_one_rate():
    varying = rescorla_wagner.compare(*simulate(np.where(HALVES, 0.8, 0.15), seed=1), HALVES)
    assert next(iter(varying)) == "ab"
    assert varying["ab"].alpha == pytest.approx([0.15, 0.8], abs=0.08)
    fixed = rescorla_wagner.compare(*simulate(0.5, seed=2), HALVES)
    assert fixed["b"].bic < fixed["ab"].bic


def test_no_point_of_a_fine_grid_is_likelier_than_the_fit():
    choices, rewards = (part[:10] for part in simulate(0.3, 3.0, 0.1, seed=3))
    fit = rescorla_wagner.fit(choices, rewards, np.zeros(10, int), "abe")
    grid = np.meshgrid(np.linspace(0.02, 1, 15), np.geomspace(0.5, 50, 15), np.linspace(0, 0.4, 9), indexing="ij")
    each = (axis.ravel()[:, None] for axis in grid)
    best = rescorla_wagner.log_likelihood(choices, rewards, 2, *each).sum(axis=-1).max()
    assert fit.log_likelihood[0] >= best - 1e-6


def test_bic_counts_a_shared_rate_once_and_a_given_one_not_at_all():
    played = simulate(0.5)
    assert rescorla_wagner.fit(*played, BLOCKS, "b").parameters == 12 + 1
    assert rescorla_wagner.fit(*played, BLOCKS, "b", alpha=0.5).parameters == 12
    fit = rescorla_wagner.fit(*played, HALVES, "ab")
    assert fit.bic == pytest.approx(4 * np.log(EPISODES * STEPS) - 2 * fit.log_likelihood.sum())


ARMS, REWARDS = np.zeros((4, 5), int), np.zeros((4, 5))


@pytest.mark.parametrize(
    ("arguments", "settings", "name"),
    [
        ((ARMS, REWARDS, np.zeros(4, int), "a"), {}, "model"),
        ((ARMS + 2, REWARDS, np.zeros(4, int)), {}, "choices"),
        ((ARMS[:, :0], REWARDS[:, :0], np.zeros(4, int)), {}, "choices"),
        ((ARMS * 1.0, REWARDS, np.zeros(4, int)), {}, "choices"),
        ((ARMS, REWARDS * np.nan, np.zeros(4, int)), {}, "rewards"),
        ((ARMS, REWARDS[:2], np.zeros(4, int)), {}, "rewards"),
        ((ARMS, REWARDS, np.array([0, 0, 2, 2])), {}, "blocks"),
        ((ARMS, REWARDS, np.zeros(3, int)), {}, "blocks"),
        ((ARMS, REWARDS, np.zeros(4, int), "ab"), {"alpha": 0.5}, "alpha"),
    ],
)
def test_bad_input_is_refused_by_name(arguments, settings, name):
    with pytest.raises(ValueError, match=name):
        rescorla_wagner.fit(*arguments, **settings)
