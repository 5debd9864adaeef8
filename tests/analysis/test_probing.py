"""Probes read planted statistics, and only those; untrained networks read as untrained."""

import numpy as np
import pytest
import torch
from plants import ARMS, PLAYING, PULLS, counts, greedy_record, random_record, untrained

from mesasim.agents.bandit_references import Greedy
from mesasim.analysis import statistics
from mesasim.analysis.carries import record, replay
from mesasim.analysis.probing import difference, excess, principal, probe, reading, shuffled


def planted(tasks=400, steps=5, noise=0.0, seed=0):
    """Features, a target that is a linear map of them plus noise, and rows that all count."""
    g = torch.Generator().manual_seed(seed)
    features = torch.randn(tasks, steps, 6, generator=g, dtype=torch.float64)
    target = features @ torch.randn(6, 2, generator=g, dtype=torch.float64)
    target = target + noise * target.std() * torch.randn(target.shape, generator=g, dtype=torch.float64)
    return features, target, torch.ones(tasks, steps, dtype=torch.bool)


def test_a_planted_linear_map_is_found_and_noise_is_not_explained():
    features, target, running = planted()
    fit = probe(features, target, running)
    assert fit.r2.mean > 1 - 1e-9
    assert torch.allclose(fit.map(features), target, atol=1e-4)
    noisy = probe(*planted(noise=1.0)).r2
    assert abs(noisy.mean - 0.5) < 4 * noisy.se and 0.001 < noisy.se < 0.05


def test_the_standard_error_is_the_spread_over_draws_of_tasks():
    found = [probe(*planted(tasks=100, noise=1.0, seed=seed)).r2 for seed in range(40)]
    spread = np.std([r2.mean for r2 in found], ddof=1)
    assert 0.6 < np.mean([r2.se for r2 in found]) / spread < 1.6


def test_the_clock_explains_nothing():
    _, target, running = planted()
    time = torch.arange(5.0)[None, :, None].expand(400, 5, 1)
    assert abs(probe(time, target + 100 * time.double(), running).r2.mean) < 0.02


def test_shuffled_targets_are_not_explained():
    features, target, running = planted()
    r2 = probe(features, shuffled(target), running).r2
    assert r2.mean < 4 * r2.se


def test_rows_past_an_episode_do_not_count():
    features, target, running = planted()
    running[:, 3:] = False
    spoiled = target.clone()
    spoiled[:, 3:] = 1e6
    assert probe(features, spoiled, running).r2.mean > 1 - 1e-9


def test_more_features_than_tasks_do_not_pass_for_knowledge():
    g = torch.Generator().manual_seed(3)
    features = torch.randn(60, 1, 200, generator=g)
    target = torch.randn(60, 1, 1, generator=g)
    r2 = probe(features, target, torch.ones(60, 1, dtype=torch.bool)).r2
    assert r2.mean < max(0.1, 4 * r2.se)


def test_the_counts_of_a_scripted_agent_decode_at_one_both_ways():
    lived = greedy_record()
    assert lived.carry.shape == (800, PULLS, 2 * ARMS)
    fit, back = probe(lived.carry, counts(lived), lived.running), probe(counts(lived), lived.carry, lived.running)
    assert fit.r2.mean > 0.999999 and back.r2.mean > 0.999999
    assert torch.equal(lived.carry.double(), counts(lived)), "the oracle's counts are of the same moment"


@pytest.fixture(scope="module")
def networks():
    """Statistic → probes of twenty untrained networks shown a random agent's episodes."""
    lived = random_record()
    replays = [replay(untrained(seed, hidden=16), lived) for seed in range(20)]
    return {
        name: [probe(r.carry, statistic(lived.oracle), lived.running) for r in replays]
        for name, statistic in statistics.bandit().items()
    }


def test_untrained_networks_are_no_better_than_untrained_networks(networks):
    for name, fits in networks.items():
        for i, fit in enumerate(fits):
            others = fits[:i] + fits[i + 1 :]
            assert reading(fit, others) in ("not told from untrained", "cannot tell"), (name, i, excess(fit, others))
        found = [excess(fit, fits[:i] + fits[i + 1 :]) for i, fit in enumerate(fits)]
        assert abs(np.mean([e.mean for e in found])) < 1e-9, "by definition they are at 0 on average"


def test_an_untrained_networks_plain_probe_is_far_from_chance(networks):
    """Why R^2 alone is no evidence: random weights remember a short episode."""
    assert all(fit.r2.mean > 0.8 for fit in networks["pulls"])


def test_a_learner_is_above_untrained_networks(networks):
    lived = random_record()
    carry = replay(Greedy(ARMS, PULLS, 5), lived).carry
    fit = probe(carry, statistics.bandit()["successes"](lived.oracle), lived.running)
    assert reading(fit, networks["successes"]) == "learned" and excess(fit, networks["successes"]).mean > 0.1


def test_where_untrained_networks_hold_everything_the_probe_cannot_tell():
    features, target, running = planted()
    fit = probe(features, target, running)
    assert reading(fit, [fit, fit]) == "cannot tell"


def test_the_present_observation_says_little_of_a_random_agents_counts():
    lived = random_record()
    inputs = torch.nn.functional.one_hot(lived.obs["previous_action"][..., 0].clamp(min=0).long(), ARMS)
    inputs_only = probe(inputs, counts(lived), lived.running)
    assert difference(probe(lived.carry, counts(lived), lived.running), inputs_only).mean > 0.6


def test_principal_directions_are_those_of_largest_variance():
    features, _, running = planted()
    stretched = torch.cat([features[..., :1] * 10, features[..., 1:2] * 3, features[..., 2:]], dim=-1)
    narrow = principal(stretched, running, 2)
    assert probe(narrow, stretched[..., :2], running).r2.mean > 0.97
    assert probe(narrow, stretched[..., 2:], running).r2.mean < 0.05


def test_log_odds_and_fields_are_read_for_any_world():
    oracle = {"p": torch.tensor([[[0.5], [0.9]]])}
    assert torch.allclose(
        statistics.log_odds("p")(oracle), torch.tensor([[[0.0], [np.log(9.0)]]], dtype=torch.float64), atol=1e-6
    )
    with pytest.raises(KeyError, match="allowed: p"):
        statistics.oracle_field("q")(oracle)
    with pytest.raises(ValueError, match="probabilities"):
        statistics.log_odds("p")({"p": torch.full((1, 1, 1), 2.0)})


def test_a_memoryless_agent_has_nothing_to_read():
    lived = record(untrained(1, kind="mlp"), "mlp", "stateless", **PLAYING)
    assert lived.carry.shape[-1] == 0
    assert abs(probe(lived.carry, counts(lived), lived.running).r2.mean) < 0.02


def test_a_replayed_agent_carries_what_it_carried():
    agent = untrained(4)
    lived = record(agent, "gru", "untrained", **PLAYING)
    again = replay(agent, lived)
    assert torch.allclose(again.carry, lived.carry, atol=1e-6) and torch.allclose(again.logits, lived.logits, atol=1e-6)


def test_a_record_too_large_is_refused_at_its_first_step():
    with pytest.raises(ValueError, match="tasks: got 800, allowed: at most"):
        record(untrained(1), "gru", "untrained", **PLAYING, max_bytes=2**16)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"features": torch.full((400, 5, 6), float("nan"))}, "features"),
        ({"features": torch.zeros(400, 6)}, "features"),
        ({"targets": torch.zeros(400, 5, 1)}, "vary"),
        ({"folds": 2}, "folds"),
        ({"penalties": [0.0]}, "penalties"),
    ],
)
def test_bad_input_is_refused(change, match):
    features, target, running = planted()
    given = {"features": features, "targets": target, "running": running} | change
    with pytest.raises(ValueError, match=match):
        probe(**given)
