"""Predictors of known nature for Sequence-v0: each says what its nature is, step by step and by the unroll, and lands where it
should."""

import math

import numpy as np
import pytest
import torch

from mesasim import baselines
from mesasim.agents.sequence_references import (
    REFERENCES,
    ContextTable,
    LastSymbol,
    Majority,
    Random,
    Task,
    Told,
    ngram_agent,
    window_agent,
)
from mesasim.exact.sequences import NGram, window_loss
from mesasim.sequences import as_examples, generate
from mesasim.train import prediction


def said(agent, symbols):
    return torch.from_numpy(np.exp(-prediction.evaluate(agent, as_examples(symbols)).double().numpy()))


def test_each_says_what_its_nature_is():
    symbols = torch.tensor([[0, 1, 1, 0]])
    assert torch.allclose(said(LastSymbol(2, 0.8), symbols), torch.tensor([[0.5, 0.2, 0.8, 0.2]]).double())
    assert torch.allclose(said(Majority(2), symbols), torch.tensor([[1 / 2, 1 / 3, 2 / 4, 2 / 5]]).double())
    assert torch.allclose(said(Random(2), symbols), torch.full((1, 4), 0.5).double(), atol=1e-4)


def test_an_n_gram_says_the_same_as_an_agent():
    symbols = generate("regimes", 40, 30, seed=1, output="numpy").symbols
    ngram = NGram(3).fit(symbols)
    found = prediction.evaluate(ngram_agent(ngram), as_examples(symbols)).numpy()
    np.testing.assert_allclose(found, ngram.losses(symbols), rtol=1e-5, atol=1e-6)


def test_counting_is_the_exact_filter_of_the_uniform_coin():
    drawn = generate("coin", 50, 40, seed=2, output="numpy", give=["filter_log"])
    losses = prediction.evaluate(Majority(2), as_examples(drawn.symbols)).numpy()
    np.testing.assert_allclose(losses, -drawn.filter_log, atol=1e-5)


@pytest.mark.parametrize("context", [0, 1, 4])
def test_the_exact_window_loses_what_the_exact_solver_says(context):
    symbols = generate("coin", 4000, 40, seed=2, output="numpy").symbols
    losses = prediction.evaluate(window_agent("coin", context), as_examples(symbols)).numpy()[:, context:].mean(axis=1)
    assert abs(losses.mean() - window_loss("coin", context)) < 4 * losses.std() / math.sqrt(4000) + 1e-6


def test_step_by_step_equals_unroll_and_the_carry_clears_at_is_first():
    agent = ngram_agent(NGram(3, 4).fit(generate("categorical", 50, 20, output="numpy").symbols))
    obs = as_examples(generate("categorical", 6, 12).symbols).obs
    is_first = torch.zeros(12, 6, dtype=torch.bool)
    is_first[0], is_first[5, :3] = True, True
    obs["symbol"][5, :3] = -1
    whole = agent.unroll(obs, is_first, agent.initial_carry(6))
    carry, steps = agent.initial_carry(6), []
    for t in range(12):
        one = agent.unroll({"symbol": obs["symbol"][t : t + 1]}, is_first[t : t + 1], carry)
        carry = one.carry
        steps.append(one.logits)
    assert torch.equal(torch.cat(steps), whole.logits) and torch.equal(carry, whole.carry)
    afresh = agent.unroll({"symbol": obs["symbol"][5:, :3]}, is_first[5:, :3], agent.initial_carry(3))
    assert torch.equal(afresh.logits, whole.logits[5:, :3])


@pytest.mark.parametrize(("process", "options"), [("regimes", {}), ("coin", {}), ("categorical", {"tasks": 8})])
def test_planted_predictors_land_where_they_should_in_the_world(process, options):
    setting = baselines.Setting("Sequence-v0", {"process": process, "length": 60, **options}, 800, 5, 1)
    evaluations = {name: make() for name, make in baselines.references(setting)}
    assert evaluations.keys() == REFERENCES.keys()
    scale = baselines.scale(setting, list(evaluations.values()))
    mean = {name: e.returns.mean() for name, e in evaluations.items()}
    se = max(e.returns.std() / math.sqrt(800) for e in evaluations.values())
    assert abs(mean["random"] - scale.floor) < 4 * se and scale.ceiling == mean["bayes_filter"]
    assert max(v for n, v in mean.items() if n != "regime_oracle") < scale.ceiling + se < mean["regime_oracle"] + 2 * se
    if process == "regimes":
        assert mean["ngram_1"] < mean["ngram_2"] < mean["ngram_4"] < mean["ngram_8"] < scale.ceiling
    if process == "coin":
        assert mean["majority"] == pytest.approx(scale.ceiling, abs=0.01)


def test_a_ceiling_needs_the_filter():
    setting = baselines.Setting("Sequence-v0", {}, 10, 5, 1)
    with pytest.raises(ValueError, match="bayes_filter"):
        baselines.scale(setting, [])


def test_bad_input_is_refused_by_name():
    for make, word in (
        (lambda: LastSymbol(2, 1.0), "confidence"), (lambda: Told(2, "future"), "told"),
        (lambda: ContextTable([np.ones((1, 2)), np.ones((3, 2))]), r"tables\[1\]"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=word):
            make()


def test_references_are_the_same_each_time_they_are_made():
    task = Task("regimes", {"hazard": 0.1}, 2, 50, 3)
    once, again = (REFERENCES["ngram_2"].make(task).get_buffer("table") for _ in range(2))
    assert torch.equal(once, again)
