"""Stay probabilities: planted agents land where their nature says, and the numbers are those worked out by hand."""

from itertools import pairwise

import numpy as np
import pytest

from mesasim.agents.two_step_references import REFERENCES, Daw
from mesasim.analysis.two_step import SIGNS, Trials, play, stay
from mesasim.experiments import two_step as experiment

OPTIONS = {"trials": 100, "common": 0.75, "reward": 0.9, "switching": 0.0}
FAR = 4  # standard errors


def analysed(agent, episodes=1500, **options):
    return stay(play(agent, OPTIONS | options, episodes, seed=3, num_threads=1))


def planted(name, **options):
    return analysed(REFERENCES[name].make(OPTIONS | options, 1, **REFERENCES[name].params), **options)


def far_above(estimate, value=0.0):
    return estimate.mean - value > FAR * estimate.se


def near(estimate, value=0.0):
    return abs(estimate.mean - value) <= FAR * estimate.se


# Planted natures


def test_a_random_agent_shows_nothing():
    found = planted("random")
    assert all(near(effect) for effect in found.effects.values())
    assert near(found.model_free_index) and near(found.model_based_index)
    assert all(near(p, 0.5) for p in found.probability.values())


def test_the_reflex_stays_after_rewards_and_cares_for_no_transition():
    found = planted("win_stay_lose_shift")
    assert found.model_free_index.mean == 2 and found.model_based_index.mean == 0
    assert found.effects["reward"].mean > 6 and abs(found.effects["interaction"].mean) < 1e-6


def test_a_model_free_learner_shows_reward_and_no_interaction():
    found = planted("model_free")
    assert far_above(found.effects["reward"], 0.5)
    assert abs(found.effects["interaction"].mean) < 0.1 * found.effects["reward"].mean
    assert far_above(found.effects["right"]), "being right goes with staying, and with what rewards say"


def test_without_the_rightness_of_the_action_a_model_free_learner_would_seem_model_based():
    assert far_above(planted("model_free").model_based_index, 0.2)


def test_a_model_based_learner_shows_interaction_and_no_reward():
    found = planted("model_based")
    assert far_above(found.effects["interaction"], 0.4) and near(found.effects["reward"])
    assert near(found.model_free_index) and far_above(found.model_based_index, 0.5)


def test_the_bayes_optimal_agent_shows_the_interaction():
    for switching in (0.0, 0.1):
        found = planted("bayes_optimal", switching=switching)
        assert far_above(found.effects["interaction"], 1.0) and far_above(found.model_based_index, 0.1)
        assert near(found.model_free_index)
        assert found.effects["interaction"].mean > 5 * abs(found.effects["reward"].mean)


def test_a_memory_of_one_trial_shows_the_largest_interaction_of_all():
    found = planted("last_outcome")
    assert found.model_based_index.mean == 2 and found.model_free_index.mean == 0


def test_effects_follow_the_weight_of_planning():
    """A mixture's effects move from reward to interaction as its weight does."""
    agents = [Daw(OPTIONS, 1, weight=weight, alpha=0.4, beta=6.0) for weight in (0.0, 0.5, 1.0)]
    found = [analysed(agent).effects for agent in agents]
    for less, more in pairwise(found):
        assert more["interaction"].mean - less["interaction"].mean > 0.1
        assert less["reward"].mean - more["reward"].mean > 0.2


# The numbers


def by_hand(rows):
    """Trials of one letter per trial and episode: action, c(ommon) or r(are), + or -, right."""
    columns = np.array([[list(trial) for trial in row.split()] for row in rows])
    return Trials(columns[..., 0].astype(int), columns[..., 1] == "c", columns[..., 2] == "+", columns[..., 3] == "y")


def test_probabilities_and_indices_by_hand():
    found = stay(by_hand(["0c+y 0c-y 1r+y 1r-n 0c+y", "1c-n 1c+n 1r-y 1r+n 1c+n"]))
    # stays: after common reward 2 of 2, common miss 1 of 2, rare reward 2 of 2, rare miss 1 of 2
    assert [found.probability[name].mean for name in ("common_reward", "common_miss", "rare_reward", "rare_miss")] == [
        1, 0.5, 1, 0.5,
    ]  # fmt: skip
    assert found.model_free_index.mean == 1 and found.model_based_index.mean == 0


def test_effects_are_those_of_known_log_odds():
    """Trials drawn from the regression's own model give its coefficients back."""
    rng = np.random.default_rng(0)
    shape = (4000, 40)
    common, reward, right = rng.random(shape) < 0.7, rng.random(shape) < 0.5, rng.random(shape) < 0.6
    sign = [np.where(x, 1, -1) for x in (reward, common, reward == common, right)]
    true = dict(zip(("reward", "transition", "interaction", "right"), (0.5, -0.2, 0.8, 0.3), strict=True))
    odds = 0.4 + sum(weight * x for weight, x in zip(true.values(), sign, strict=True))
    stays = rng.random(shape) < 1 / (1 + np.exp(-odds))
    action = np.zeros(shape, int)
    for t in range(1, shape[1]):
        action[:, t] = np.where(stays[:, t - 1], action[:, t - 1], 1 - action[:, t - 1])
    found = stay(Trials(action, common, reward, right)).effects
    for name, weight in true.items():
        assert found[name].mean == pytest.approx(weight, abs=0.01 + FAR * found[name].se)
        assert 0 < found[name].se < 0.02


def test_standard_errors_are_those_of_repeated_samples():
    agent = Daw(OPTIONS, 1, weight=0.5, alpha=0.4, beta=6.0)
    whole = play(agent, OPTIONS, 6000, seed=1, num_threads=1)
    runs = [stay(Trials(*(column[first : first + 60] for column in whole))) for first in range(0, 6000, 60)]
    for estimates in ([r.effects["interaction"] for r in runs], [r.model_based_index for r in runs]):
        spread = np.std([e.mean for e in estimates], ddof=1)
        assert 0.7 < spread / np.mean([e.se for e in estimates]) < 1.4


def test_too_little_to_analyse_is_refused():
    with pytest.raises(ValueError, match="episodes"):
        play(REFERENCES["random"].make(OPTIONS, 1), OPTIONS, 0, seed=1)
    with pytest.raises(ValueError, match="at least 2 episodes"):
        stay(by_hand(["0c+y 0c-y"]))


def test_what_the_trials_do_not_tell_is_not_a_number_and_the_rest_is_that_of_the_trials():
    """Every outcome, always the same action, which is always right: to be right cannot be told from to be."""
    lived = ["0c+y 0c-y 0r+y 0r-y 0c+y", "0c-y 0c+y 0r-y 0r+y 0c-y"]
    found = stay(by_hand(lived))
    assert all(np.isnan(found.effects["right"][:2]))
    assert all(abs(found.effects[name].mean) < 1e-6 and found.effects[name].se < 1e-6 for name in SIGNS)
    told = stay(by_hand(["0c+y 1c-y 1r+y 0r-y 1c+y 0c+y", "0c-y 0c+y 1r-y 1r+y 0c-y 1c+y"]))
    wrong_once = stay(
        by_hand(["0c+y 1c-y 1r+y 0r-y 1c+y 0c+n", "0c-y 0c+y 1r-y 1r+y 0c-y 1c+n"])
    )  # last: never followed
    assert all(np.isnan(told.effects["right"][:2])) and told.effects["interaction"].se > 0
    assert wrong_once.effects["interaction"] == pytest.approx(told.effects["interaction"])


def test_after_an_outcome_that_never_came_nothing_is_said():
    found = stay(by_hand(["0c+y 0c-y 1r-y 0c+n", "0c+n 0c-y 1r-y 0c+y"]))
    assert np.isnan(found.probability["rare_reward"].mean) and found.probability["common_reward"].mean == 1
    assert np.isnan(found.model_free_index.mean) and np.isnan(found.model_based_index.mean)
    assert all(np.isnan(found.effects[name].mean) for name in SIGNS) and np.isfinite(found.effects["right"].mean)


def test_a_report_says_what_is_not_identified():
    one_sided = stay(by_hand(["0c+y 0c-y 0r+y 0r-y 0c+y", "0c-y 0c+y 0r-y 0r+y 0c-y"]))
    without_rare = stay(by_hand(["0c+y 0c-y 1c-y 0c+n", "0c+n 0c-y 1c-y 0c+y"]))
    (one, other) = experiment.stay_table({"one": one_sided, "other": without_rare})["rows"]
    assert one.count("not identified") == 1 and other.count("not identified") == 2 + 3 + 2
    said = [experiment.staying({"tasks": 2, **experiment.measured(found)}) for found in (one_sided, without_rare)]
    assert said[0].startswith("No reward x transition interaction is told") and "do not identify" in said[1]
