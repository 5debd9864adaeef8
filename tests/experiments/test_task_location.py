"""Task location or learning: planted predictors of each kind of tasks land where they should, and a short training is read."""

import math

import numpy as np
import pytest
import torch

from mesasim import regression, sequences
from mesasim.agents import NetworkConfig
from mesasim.agents.bandit_filters import TaskPosterior, task_set
from mesasim.agents.bandit_references import REFERENCES
from mesasim.agents.base import Agent, Output
from mesasim.experiments import task_location
from mesasim.experiments.shared.locating import (
    LEARNER,
    LOOKUP,
    NETWORK,
    TRAINED,
    UNSEEN,
    Alien,
    Bandits,
    Regression,
    count_symbols,
    look_up_symbols,
    shown,
)
from mesasim.metrics import Estimate, task_location_index
from mesasim.results import read_summary
from mesasim.train.supervised import SupervisedConfig

SHORT = SupervisedConfig(iterations=300, learning_rate=5e-3, warm_up=30, num_threads=1)


class Estimator(Agent):
    """Plants an estimator behind the Agent contract: what it says is a function of everything shown so far."""

    def __init__(self, predict):
        super().__init__()
        self.predict = predict

    def initial_carry(self, num_slots):
        return torch.zeros(num_slots, 0)

    def unroll(self, obs, is_first, carry):
        x, previous = obs["x"].transpose(0, 1), obs["previous_y"][..., 0].T
        y = torch.cat([previous[:, 1:], torch.zeros_like(previous[:, :1])], dim=1)  # the last y moves no prediction
        said = self.predict(x, y).T.float()[..., None]
        return Output(said, torch.zeros_like(said[..., 0]), carry)


def index_of(rewards):
    loss = {name: -r.sum(1) for name, r in rewards.items()}
    return task_location_index(loss[NETWORK], loss[LEARNER], loss[LOOKUP])


def test_planted_regressors_read_as_what_they_are():
    kind = Regression(4, 8, 0.5, 2000, 5, 3, NetworkConfig(), SHORT)
    tasks = regression.task_set(16, 4, 3)
    plants = {
        "learner": lambda x, y: regression.ridge(x, y, 0.5),
        "lookup": lambda x, y: regression.discrete_mmse(x, y, tasks, 0.5),
        "half": lambda x, y: (regression.ridge(x, y, 0.5) + regression.discrete_mmse(x, y, tasks, 0.5)) / 2,
    }
    read = {name: index_of(kind.rewards(16, UNSEEN, Estimator(plant))) for name, plant in plants.items()}
    assert read["learner"].mean == pytest.approx(0, abs=1e-5) and read["lookup"].mean == pytest.approx(1, abs=1e-5)
    assert 4 * read["half"].se < read["half"].mean < 1 - 4 * read["half"].se
    known = kind.rewards(16, TRAINED, Estimator(plants["lookup"]))
    np.testing.assert_allclose(known[NETWORK], known[LOOKUP], atol=1e-6)
    assert known[LOOKUP].sum(1).mean() > known[LEARNER].sum(1).mean() + 0.1
    assert kind.floor < known[LEARNER].sum(1).mean()


def test_what_is_shown_is_what_the_world_shows():
    data = regression.generate(3, 2, 4, seed=1)
    examples = shown(data)
    assert torch.equal(examples.obs["x"][2], data.x[:, 2]) and torch.equal(examples.target.T, data.y)
    assert not examples.obs["previous_y"][0].any()
    assert torch.equal(examples.obs["previous_y"][1:, :, 0].T, data.y[:, :-1])


def test_counts_and_tables_predict_chains_as_worked_out_step_by_step():
    symbols = torch.tensor([[0, 1, 0, 1, 2], [2, 2, 2, 0, 0]])
    tables = torch.tensor(
        [[[0.1, 0.8, 0.1], [0.6, 0.2, 0.2], [0.3, 0.3, 0.4]], [[0.5, 0.2, 0.3], [0.1, 0.1, 0.8], [0.2, 0.1, 0.7]]]
    ).double()
    counted, found = count_symbols(symbols, 3).exp(), look_up_symbols(symbols, tables).exp()
    for i, row in enumerate(symbols.tolist()):
        counts, weight = np.ones((3, 3)), np.ones(2) / 2
        assert counted[i, 0].item() == pytest.approx(1 / 3) and found[i, 0].item() == pytest.approx(1 / 3)
        for t in range(1, 5):
            a, b = row[t - 1], row[t]
            assert counted[i, t].item() == pytest.approx(counts[a, b] / counts[a].sum())
            each = tables[:, a, b].numpy()
            assert found[i, t].item() == pytest.approx(weight @ each)
            counts[a, b] += 1
            weight = weight * each / (weight @ each)


def test_a_table_of_tables_is_the_exact_filter_of_known_chains_and_lost_under_new_names():
    kind = Alien(4, 30, 1000, 5, 3, NetworkConfig(hidden=8), SHORT)
    drawn = sequences.generate("categorical", 1000, 30, seed=5, give=("filter_log",), **kind.options(4))
    ours = look_up_symbols(drawn.symbols.long(), torch.from_numpy(sequences.tables(**kind.options(4))))
    torch.testing.assert_close(ours.float(), drawn.filter_log, rtol=1e-4, atol=1e-4)
    names = kind.names()
    assert (names.sort(1).values == torch.arange(4)).all() and (names != torch.arange(4)).any(1).all()
    agent = _untrained(kind)
    known, alien = (kind.rewards(4, where, agent) for where in (TRAINED, UNSEEN))
    assert known[LOOKUP].sum(1).mean() > known[LEARNER].sum(1).mean() + 1
    assert alien[LOOKUP].sum(1).mean() < alien[LEARNER].sum(1).mean() - 4
    np.testing.assert_allclose(alien[LEARNER], known[LEARNER], atol=1e-9)  # counts do not care what symbols are called


def _untrained(kind):
    from mesasim.agents import build_network

    source = sequences.SequenceSource("categorical", kind.length, 1, **kind.options(4))
    torch.manual_seed(0)
    return build_network(kind.network, source.fields, source.outputs)


def test_planted_bandit_players_read_as_what_they_are():
    kind = Bandits(3, 8, 4000, 5, 0, {"iterations": 1}, 1)
    table = TaskPosterior(task_set(kind.options(2)), 5)
    assert index_of(kind.rewards(2, UNSEEN, table)).mean == pytest.approx(1, abs=0.15)
    thompson = index_of(kind.rewards(2, UNSEEN, REFERENCES["greedy"].make(3, 8, 5)))
    assert thompson.mean < 0.5
    known = kind.rewards(2, TRAINED, table)
    assert known[LOOKUP].sum(1).mean() > known[LEARNER].sum(1).mean()


def test_every_kind_draws_its_tasks_from_the_seed():
    def sets(seed):
        found = {}
        for kind, _ in task_location.kinds(task_location.Config(seed=seed, num_threads=1)):
            if isinstance(kind, Regression):
                found[kind.name] = regression.generate(500, **kind.source(4).options, seed=9).w.unique(dim=0)
            elif isinstance(kind, Alien):
                found[kind.name] = torch.from_numpy(sequences.tables(**kind.options(4)))
            else:
                found[kind.name] = task_set(kind.options(4))
        return found

    one, two = sets(1), sets(2)
    assert len(one) == 3 and all(len(one[name]) == len(two[name]) == 4 for name in one)
    for name in one:
        assert torch.equal(one[name], sets(1)[name])
        assert not any(torch.equal(task, other) for task in one[name] for other in two[name]), name


@pytest.mark.parametrize("worse", [4.0, 0.3, 0.05], ids="table worse than the fresh network by {}".format)
def test_beside_a_network_of_fresh_tasks_it_reads_0_and_the_table_1_whatever_the_tables_loss(worse):
    """At any number of tasks: with it falls how much worse the table is than a learner, however well that is trained."""
    rng = np.random.default_rng(0)
    learner = -1 + 0.3 * rng.standard_normal((4000, 1))
    fresh = learner - 0.5
    table = fresh - worse + 0.1 * rng.standard_normal((4000, 1))

    def beside_fresh(network):
        unseen = {NETWORK: network, LEARNER: learner, LOOKUP: table}
        return task_location.read("planted", 8, {}, unseen, unseen | {NETWORK: fresh}).beside_fresh

    assert beside_fresh(table)[:2] == pytest.approx((1, 0)) and beside_fresh(fresh)[:2] == pytest.approx((0, 0))
    assert beside_fresh((table + fresh) / 2).mean == pytest.approx(0.5)


def test_beside_a_network_no_better_than_the_table_nothing_is_read():
    rng = np.random.default_rng(0)
    learner, table = rng.standard_normal((400, 1)), -1 + rng.standard_normal((400, 1))
    unseen = {NETWORK: table - 1, LEARNER: learner, LOOKUP: table}
    for fresh in (table - 0.2, table, table + 0.1 * rng.standard_normal((400, 1))):
        reading = task_location.read("planted", 8, {}, unseen, unseen | {NETWORK: fresh})
        assert reading.beside_fresh is None and reading.index.mean > 1


def test_one_half_is_passed_between_what_is_above_and_what_is_below_beyond_doubt():
    def at(*triples):
        readings = [
            task_location.Reading("k", number, {}, {}, None, index and Estimate(*index)) for number, index in triples
        ]
        return task_location.crossing(readings)

    assert at((4, (1.0, 0.01)), (16, (0.75, 0.01)), (64, (0.25, 0.01))) == (16, 64)
    assert at((4, (1.0, 0.01)), (16, (0.52, 0.01)), (64, (0.25, 0.01)), (256, None)) == (4, 64)
    assert at((4, (1.0, 0.01)), (16, (0.25, 0.01)), (64, (0.75, 0.01)), (256, (0.0, 0.1))) == (64, 256)
    assert at((4, (1.0, 0.01)), (16, (0.6, 0.01)), (64, (0.3, 0.3))) == (16, None)
    assert at((4, (0.2, 0.01)), (16, (0.1, 0.01))) == (None, 4) and at((4, None)) == (None, None)


@pytest.mark.slow
def test_a_few_tasks_are_located_and_fresh_ones_learned(tmp_path):
    config = task_location.Config(most=16, alien_most=4, bandit_most=0, iterations=1200, tasks=1000, num_threads=1)
    task_location.run(config, tmp_path / "run", quiet=True)
    summary = read_summary(tmp_path / "run")
    first = next(r for r in summary["readings"] if r["kind"] == "regression" and r["number"] == 4)
    assert first["beside_fresh"][0] > 0.5 and first["trained"]["network"][0] > first["unseen"]["network"][0] + 0.3
    rows = {row["agent"]: row for row in summary["agents"]}
    assert rows["regression, fresh tasks: network"]["fraction"] > rows["regression, 4 tasks: network"]["fraction"] + 0.3


def test_the_quick_form_shows_planted_natures(tmp_path):
    config = task_location.Config(quick=True, num_threads=1)
    task_location.run(config, tmp_path / "run", quiet=True)
    summary = read_summary(tmp_path / "run")
    rows = {row["agent"]: row for row in summary["agents"]}
    assert rows["regression, 4 tasks: learner"]["fraction"] == pytest.approx(1)
    assert rows["regression, 4 tasks: lookup"]["fraction"] < 0.5
    reading = summary["readings"][0]
    assert all(math.isfinite(number) for number in reading["index"]) and reading["index"][0] > 0.5, (
        "an untrained network"
    )


@pytest.mark.parametrize(
    "bad", [{"most": 2}, {"dim": 0}, {"tasks": 5}, {"alien_most": -1}, {"bandit_most": 10**6}, {"seed": 2**31}], ids=str
)
def test_settings_that_cannot_be_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        task_location.Config(**bad)
