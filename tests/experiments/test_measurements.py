"""In their quick forms the experiments on memory tell planted agents apart: what training adds takes longer."""

import pytest

from mesasim.experiments import ledger, simulation


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    return simulation.run(
        simulation.Config(quick=True, num_threads=1), tmp_path_factory.mktemp("simulation") / "run", quiet=True
    )


@pytest.fixture(scope="module")
def booked(tmp_path_factory):
    summary = ledger.run(
        ledger.Config(quick=True, num_threads=1), tmp_path_factory.mktemp("ledger") / "run", quiet=True
    )
    return {(line["agent"], line["phase"]): line for line in summary["ledger"]}


def test_an_agent_that_acts_on_its_counts_reads_as_using_them(simulated):
    assert all(row["used"] for row in simulated["metrics"]["greedy"])


@pytest.mark.parametrize("agent", ["deaf", "untrained-1", "untrained-2"])
def test_agents_that_do_not_act_on_what_they_carry_are_not_read_as_using_it(simulated, agent):
    assert not any(row["used"] for row in simulated["metrics"][agent])


def test_every_value_has_floor_ceiling_and_error(simulated):
    for rows in simulated["metrics"].values():
        for row in rows:
            assert row["floor"] != row["ceiling"] and row["n"] >= 100 and row["se"] >= 0


def test_frozen_phases_book_exact_zeros(booked):
    for (_, phase), line in booked.items():
        assert (phase in ("evaluate", "deploy")) == (line["weight_change"] == 0.0) == line["frozen"]


def test_activations_move_where_there_is_a_memory(booked):
    for (agent, _), line in booked.items():
        moved = line["activation_change"][0]
        assert (moved == 0.0) if agent == "mlp" else (moved > 0.05)


def test_online_fine_tuning_starts_from_the_weights_that_were_deployed(booked):
    assert booked["gru", "deploy"]["hash_after"] == booked["gru", "online fine-tune"]["hash_before"]
