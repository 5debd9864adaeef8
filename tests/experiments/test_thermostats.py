"""The verdict every reward experiment shares, on agents of known nature in the place of trained ones."""

import pytest

from mesasim import baselines
from mesasim.agents.bandit_references import REFERENCES
from mesasim.experiments.shared import thermostats
from mesasim.experiments.shared.comparing import Trained, evaluate_all
from mesasim.progress import bars

SAID = {
    "random": "not told from chance",
    "win_stay_lose_shift": "not above a thermostat",
    "win_stay_lose_next": "not above a thermostat",
    "last_ten_mean": "not above a thermostat",
    "recent_posterior": "not above a thermostat",
    "clocked_reflex": "not above a thermostat",
    "thompson": "it learns in its activations",
    "bayes_optimal": "it learns in its activations",
}


def compared(options, tasks=4000):
    setting = baselines.Setting("Bandit-v0", options, tasks, 1001, 1)
    trained = {
        f"planted {name}": Trained(f"planted {name}", 1, one.make(options["arms"], options["pulls"], 9, **one.params), 0.0)
        for name, one in REFERENCES.items()
        if name in SAID
    }  # fmt: skip
    with bars(True) as progress:
        return evaluate_all(
            setting, dict.fromkeys(trained, "planted"), trained, progress, references=("random", *thermostats.BANDIT),
            planted=thermostats.planted(setting),
        )  # fmt: skip


def verdict(comparison, name):
    return thermostats.verdict(
        comparison, f"planted {name}", thermostats.returns_of(comparison, thermostats.BANDIT)
    )  # fmt: skip


@pytest.fixture(scope="module")
def two_arms():
    return compared({"arms": 2, "pulls": 100})


@pytest.fixture(scope="module")
def clocked():
    return compared({"arms": 5, "pulls": 10, "clock": True}, tasks=20000)


@pytest.mark.parametrize("name", SAID)
def test_a_planted_agent_reads_as_what_it_is(two_arms, name):
    """Another agent of each kind, with random numbers of its own."""
    said = verdict(two_arms, name)
    assert SAID[name] in said, said
    assert sum(text in said for text in set(SAID.values())) == 1


@pytest.mark.parametrize("name", [name for name in SAID if name != "thompson"])
def test_a_reflex_with_a_clock_does_not_read_as_a_learner(clocked, name):
    """Of learners, Bayes-optimal is above it. (Thompson sampling is not: ten pulls are too few for it.)"""
    assert SAID[name] in verdict(clocked, name), verdict(clocked, name)


def test_readings_are_in_the_rows_and_thermostats_in_the_summary(two_arms):
    found = thermostats.readings(two_arms, thermostats.returns_of(two_arms, thermostats.BANDIT))["thermostats"]
    assert set(found) == set(thermostats.BANDIT)
    assert two_arms.row("planted thompson")["reads_as"] == "learner"
    assert two_arms.row("planted last_ten_mean")["reads_as"] == "not above a thermostat"
    assert "reads_as" not in two_arms.row("random"), "references are what they are"


def test_dependent_arms_have_all_of_them_too():
    dependent = compared({"arms": 2, "pulls": 20, "prior": "dependent_easy"}, tasks=500)
    assert set(thermostats.returns_of(dependent, thermostats.BANDIT)) == set(thermostats.BANDIT)


def test_a_clocked_reflex_is_left_out_where_its_policy_is_too_dear_to_find():
    names = {
        name for name, _ in baselines.references(baselines.Setting("Bandit-v0", {"arms": 5, "pulls": 20}, 50, 1, 1))
    }
    assert "clocked_reflex" not in names and "recent_posterior" in names
