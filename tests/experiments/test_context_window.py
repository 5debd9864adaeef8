"""The experiment on context windows: its exact predictors, its planted controls, and one network that must land on its row."""

import dataclasses

import numpy as np
import pytest
import torch

from mesasim import baselines
from mesasim.agents import NetworkConfig
from mesasim.agents.sequence_references import window_agent
from mesasim.evaluate import Evaluation
from mesasim.exact.sequences import window_loss
from mesasim.experiments.context_window import Config, bandit_verdict, predictors
from mesasim.experiments.shared.comparing import Comparison, Trained
from mesasim.experiments.shared.window_losses import (
    CONTEXTS,
    KINDS,
    coin_verdicts,
    exact_evaluation,
    read,
    readings,
    window_predictor,
    won_table,
)
from mesasim.sequences import SequenceSource, as_examples, generate
from mesasim.train import prediction
from mesasim.train.prediction import Prediction
from mesasim.train.sources import Blind, Pieces
from mesasim.train.supervised import SupervisedConfig, Trainer

LENGTH = 96
TABLE = {0: 0.69315, 1: 0.63651, 2: 0.60594, 4: 0.57346, 8: 0.54576, 16: 0.52621, 32: 0.51418, 64: 0.50741}


@pytest.fixture(scope="module")
def drawn():
    return generate("coin", 4000, LENGTH, seed=5, output="numpy", give=("filter_log",))


def exact(drawn, context):
    return exact_evaluation(f"exact c={context}", "exact", window_predictor(drawn.symbols, context))


def test_the_window_predictor_follows_laplace_by_hand():
    chances = np.exp(window_predictor(np.array([[1, 1, 0, 1]]), 2))
    assert np.allclose(chances, [[1 / 2, 2 / 3, 1 / 4, 2 / 4]])  # of 1 | nothing; 1 | 1; 0 | 11; 1 | 10


@pytest.mark.parametrize("context", CONTEXTS)
def test_the_window_predictor_loses_what_the_formula_says(drawn, context):
    loss = read(exact(drawn, context), exact(drawn, context), context).loss
    assert window_loss("coin", context) == pytest.approx(TABLE[context], abs=5e-6)
    assert abs(loss.mean - TABLE[context]) < max(4 * loss.se, 1e-5)


def test_with_a_window_as_long_as_the_sequence_it_is_the_filter(drawn):
    assert np.allclose(window_predictor(drawn.symbols, LENGTH), drawn.filter_log, atol=1e-5)


def test_planted_controls_read_as_what_they_are(drawn):
    for context in (1, 4, 16):
        own = read(exact(drawn, context), exact(drawn, context), context)
        assert own.flat and own.behind.mean == 0
    learner = read(exact_evaluation("filter", "learner", drawn.filter_log), exact(drawn, 4), 4)
    assert not learner.flat and learner.slope.mean > 0 and learner.behind.mean < -10 * learner.behind.se
    narrower = read(exact(drawn, 2), exact(drawn, 8), 8)
    assert narrower.flat and narrower.behind.mean > 10 * narrower.behind.se
    overconfident = read(exact_evaluation("sure", "", 1.5 * window_predictor(drawn.symbols, 4)), exact(drawn, 4), 4)
    assert overconfident.behind.mean > 10 * overconfident.behind.se


def test_the_window_curve_is_1_for_the_exact_predictors_and_falls_for_one_that_uses_a_single_symbol(drawn):
    found = {f"exact c={c}": exact(drawn, c) for c in CONTEXTS}
    found |= {f"{kind} c={c}": exact(drawn, 1) for kind in KINDS for c in CONTEXTS}
    for row in won_table(found)["rows"]:
        whole, single = (float(cell.split(" ")[0]) for cell in row[1:3])
        se = float(row[1].split(" ")[2])
        assert abs(whole - 1) < 4 * se + 1e-3
        assert (abs(single - 1) < 4 * se + 1e-3) == (row[0] == "1"), row


def test_a_scripted_window_agent_says_what_the_window_predictor_says(drawn):
    examples = as_examples(drawn.symbols[:50])
    losses = prediction.evaluate(window_agent("coin", 4), examples).numpy()
    assert np.allclose(-losses[:, 4:], window_predictor(drawn.symbols[:50], 4)[:, 4:], atol=1e-5)


def test_pieces_and_blindness_hide_what_they_say():
    source, generator = SequenceSource("coin", 12), torch.Generator()
    whole = source.draw(3, generator.manual_seed(1))
    pieces = Pieces(source, 4).draw(3, generator.manual_seed(1))
    assert pieces.target.shape == (4, 9) and pieces.obs["symbol"].shape == (4, 9, 1)
    for piece in range(3):
        for example in range(3):
            steps, column = slice(4 * piece, 4 * piece + 4), 3 * piece + example
            assert torch.equal(pieces.target[:, column], whole.target[steps, example])
            assert torch.equal(pieces.obs["symbol"][:, column], whole.obs["symbol"][steps, example])
    blind = Blind(source).draw(3, generator.manual_seed(1))
    assert torch.equal(blind.target, whole.target) and not blind.obs["nothing"].any()


def test_every_kind_stands_beside_every_window():
    chosen = predictors(Config())
    assert {one.context for one in chosen.values()} == {*CONTEXTS, None}
    for one in chosen.values():
        if one.kind in ("gru", "transformer"):
            assert one.network.strict == (one.context is not None)


@pytest.mark.parametrize("kind", ["gru", "transformer"])
def test_a_trained_network_cut_to_two_symbols_lands_on_the_row_of_two(drawn, kind):
    network = NetworkConfig(kind, hidden=16, layers=1, heads=2, window=2, strict=True)
    problem = Prediction(network, Pieces(SequenceSource("coin", 32), 2))
    how = SupervisedConfig(
        iterations=150, batch=64, learning_rate=1e-2, warm_up=20, weight_decay=0.0, num_threads=1
    )  # fmt: skip
    trainer = Trainer(how, problem)
    for _ in range(how.iterations):
        trainer.iterate()
    rewards = -prediction.evaluate(trainer.model, as_examples(drawn.symbols[:1000])).numpy()
    few = dataclasses.replace(exact(drawn, 2), rewards=exact(drawn, 2).rewards[:1000])
    reading = read(exact_evaluation("trained", "", rewards), few, 2)
    assert abs(reading.behind.mean) < 0.004 and reading.flat


def test_the_largest_of_several_estimates_is_said_to_be_where_it_was_found(drawn):
    found = {f"{kind} c={c}": exact(drawn, 2 if c == 8 else c) for kind in KINDS for c in (1, 4, 8)}
    found |= {f"exact c={c}": exact(drawn, c) for c in CONTEXTS}
    behind = readings(found)["gru c=8"].behind
    for said in coin_verdicts(readings(found)):
        assert f"at c = 8 of the 3 measured, by {behind.mean:.5f} ± {behind.se:.5f}" in said and "at most" not in said


def test_the_bandits_verdict_gives_every_mean_its_standard_error():
    names = ["bandit, gru c=1", "bandit, gru, whole history"]
    returns = np.array([12.0, 10.0, 11.0, 11.0])
    evaluations = [Evaluation(n, "", returns[:, None] + i, np.ones(4), {}, "", "", 0.0) for i, n in enumerate(names)]
    setting = baselines.Setting("Bandit-v0", {"arms": 2, "pulls": 20}, 4, 1)
    trained = {name: Trained(name, 1, None, 0.0) for name in names}
    said = bandit_verdict(Comparison(setting, trained, evaluations, baselines.Scale(10.0, 12.431, "")))
    assert "gru c=1 11.000 ± 0.408;" in said and "gru 12.000 ± 0.408 (" in said


@pytest.mark.parametrize("bad", [{"length": 100}, {"length": 64}, {"tasks": 1}, {"batch": 0}])
def test_bad_settings_are_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Config(**bad)
