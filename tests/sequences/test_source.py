"""Sequences as examples: what is shown is the symbol before, as in the world; a network learns from them and plays there."""

import pytest
import torch

from mesasim.agents import NetworkConfig
from mesasim.evaluate import evaluate_agent
from mesasim.sequences import SequenceSource, as_examples, generate
from mesasim.train import prediction
from mesasim.train.prediction import Prediction
from mesasim.train.supervised import SupervisedConfig, Trainer


def test_shown_is_the_symbol_before_and_asked_the_symbol():
    examples = as_examples(torch.tensor([[1, 0, 2], [2, 2, 1]], dtype=torch.uint8))
    assert examples.obs["symbol"][..., 0].T.tolist() == [[-1, 1, 0], [-1, 2, 2]]
    assert examples.target.T.tolist() == [[1, 0, 2], [2, 2, 1]]


def test_batches_are_fresh_and_follow_from_the_generator_alone():
    source = SequenceSource("categorical", 12, symbols=5, order=0)
    assert source.outputs == 5 and source.fields[0].categories == 5
    a, b = (torch.Generator().manual_seed(1) for _ in range(2))
    first = source.draw(8, a)
    assert torch.equal(first.target, source.draw(8, b).target)
    assert not torch.equal(first.target, source.draw(8, a).target)


def test_what_decides_the_examples_is_described_and_bad_settings_are_refused():
    source = SequenceSource("regimes", 12, hazard=0.1)
    assert source.describe() == {"process": "regimes", "length": 12, "options": {"hazard": 0.1}}
    for length, options in ((0, {}), (5, {"hazard": 2.0})):
        with pytest.raises(ValueError, match=r"length|hazard"):
            SequenceSource("regimes", length, **options)


def test_a_network_learns_a_markov_chain_to_its_entropy_and_plays_in_the_world():
    config = SupervisedConfig(iterations=120, batch=64, learning_rate=2e-2, warm_up=5, weight_decay=0.0, num_threads=1)
    trainer = Trainer(config, Prediction(NetworkConfig("gru", hidden=8), SequenceSource("markov", 30)))
    for _ in range(config.iterations):
        trainer.iterate()
    unseen = generate("markov", 2000, 30, seed=77, give=["filter_log"])
    behind = prediction.evaluate(trainer.model, as_examples(unseen.symbols)).mean() + unseen.filter_log.mean()
    assert abs(behind) < 0.01
    played = evaluate_agent(
        trainer.model, "gru", "trained", world="Sequence-v0", options={"process": "markov", "length": 30}, tasks=2000,
        seed=77, num_threads=1,
    )  # fmt: skip
    after_sun_is_sun_and_after_rain_rain = (unseen.symbols[:, 1:] == unseen.symbols[:, :-1]).sum(dim=1)
    first = unseen.symbols[:, 0] == 0
    assert (played.returns == (after_sun_is_sun_and_after_rain_rain + first).numpy()).mean() > 0.99
