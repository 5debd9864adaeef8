"""The verdict every reward experiment shares, on agents of known nature in the place of trained ones."""

import pytest

from mesasim import baselines
from mesasim.agents.bandit_references import REFERENCES
from mesasim.experiments.shared import thermostats
from mesasim.experiments.shared.comparing import Trained, evaluate_all
from mesasim.progress import bars

NATURES = {
    "random": "not told from chance",
    "win_stay_lose_next": "not above a thermostat",
    "last_ten_sum": "not above a thermostat",
    "thompson": "it learns in its activations",
}


def compared(options):
    setting = baselines.Setting("Bandit-v0", options, 4000, 1001, 1)
    agents = {name: REFERENCES[name] for name in NATURES}
    trained = {
        f"planted {name}": Trained(f"planted {name}", 1, one.make(options["arms"], options["pulls"], 9, **one.params), 0.0)
        for name, one in agents.items()
    }  # fmt: skip
    with bars(True) as progress:
        natures = {name: "planted" for name in trained}
        return evaluate_all(
            setting, natures, trained, progress, references=("random", *thermostats.BANDIT), planted=thermostats.planted(setting)
        )  # fmt: skip


@pytest.fixture(scope="module")
def two_arms():
    return compared({"arms": 2, "pulls": 100})


@pytest.mark.parametrize("name", NATURES)
def test_a_planted_agent_reads_as_what_it_is(two_arms, name):
    said = thermostats.verdict(two_arms, f"planted {name}", thermostats.of_bandit(two_arms))
    assert NATURES[name] in said, said
    assert sum(text in said for text in set(NATURES.values())) == 1


def test_readings_are_in_the_rows_and_thermostats_in_the_summary(two_arms):
    found = thermostats.readings(two_arms, thermostats.of_bandit(two_arms))["thermostats"]
    assert set(found) == {*thermostats.BANDIT, thermostats.MEMORY_OF_ONE}
    assert found[thermostats.MEMORY_OF_ONE] == pytest.approx(58.9726, abs=1e-3)
    assert two_arms.row("planted thompson")["reads_as"] == "learner"
    assert two_arms.row("planted last_ten_sum")["reads_as"] == "thermostat"
    assert "reads_as" not in two_arms.row("random"), "references are what they are"


def test_a_memory_of_one_is_exact_only_where_it_is_known():
    dependent = compared({"arms": 2, "pulls": 20, "prior": "dependent_easy"})
    assert thermostats.MEMORY_OF_ONE not in thermostats.of_bandit(dependent)
