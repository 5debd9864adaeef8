"""The building blocks of every draw: Philox against its published answers, elementary functions against NumPy and
SciPy, beta variates against their law."""

import numpy as np
import pytest
from scipy import special, stats

from mesasim import _core

# Random123's kat_vectors: counter, key, answer (Salmon, Moraes, Dror, Shaw 2011)
KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_philox_gives_its_published_answers(counter, key, answer):
    assert tuple(_core.philox4x32_10(counter, key)) == answer


def test_philox_bits_are_even_and_counters_unrelated():
    words = np.array([_core.philox4x32_10((i, 0, 0, 0), (1, 2)) for i in range(20_000)], dtype=np.uint32)
    bits = np.unpackbits(words.view(np.uint8), axis=1)
    z = (bits.sum(axis=0) - len(words) / 2) / np.sqrt(len(words) / 4)
    assert abs(z).max() < 4.5  # 128 bits
    flips = np.unpackbits((words[1:] ^ words[:-1]).view(np.uint8), axis=1).sum(axis=1)
    assert abs(flips.mean() - 64) < 4 * np.sqrt(32 / len(flips))


def ulps(value, exact):
    return np.abs(value - exact) / np.spacing(np.abs(exact))


def test_portable_log_is_within_four_ulp():
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [rng.uniform(0, 1, 200_000), rng.uniform(0.5, 2, 200_000), 10 ** rng.uniform(-300, 300, 200_000)]
    )
    assert ulps(_core.portable_log(x), np.log(x)).max() <= 4
    assert _core.portable_log(1.0) == 0.0
    assert np.isfinite(_core.portable_log(np.array([0.5 / 2**53, 1 - 2**-53]))).all()


def test_portable_exp_is_within_four_ulp():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(-708, 709, 300_000), rng.uniform(-1, 1, 300_000)])
    assert ulps(_core.portable_exp(x), np.exp(x)).max() <= 4
    assert _core.portable_exp(0.0) == 1.0 and _core.portable_exp(-1e4) == 0.0 and _core.portable_exp(1e4) == np.inf


def test_normal_quantile_is_within_a_part_in_10_to_the_15():
    rng = np.random.default_rng(0)
    p = np.concatenate([rng.uniform(0, 1, 300_000), 10 ** rng.uniform(-16, -1, 100_000)])
    exact = special.ndtri(p)
    error = np.abs(_core.normal_quantile(p) - exact) / np.maximum(np.abs(exact), 1e-3)
    assert error.max() < 3e-15
    assert _core.normal_quantile(0.5) == 0.0
    assert np.array_equal(
        _core.normal_quantile(1 - 2.0 ** -np.arange(2, 50)), -_core.normal_quantile(2.0 ** -np.arange(2, 50))
    )


@pytest.mark.parametrize(("a", "b"), [(1, 1), (0.5, 3), (2, 5), (0.05, 0.05), (0.05, 7), (1000, 1000), (300, 0.5)])
def test_beta_draws_follow_the_beta_law(a, b):
    draws = _core.beta_draws(a, b, 17, 20_000)
    assert ((draws >= 0) & (draws <= 1)).all()
    # below 1e-12 of either end a double cannot tell neighbours apart: compare where the law has its mass in doubles
    inside = np.clip(draws, 1e-12, 1 - 1e-12)
    law = stats.beta(a, b)
    ends = law.cdf(1e-12), law.sf(1 - 1e-12)
    assert abs((draws <= 1e-12).mean() - ends[0]) < 0.02 and abs((draws >= 1 - 1e-12).mean() - ends[1]) < 0.02
    middle = inside[(inside > 1e-12) & (inside < 1 - 1e-12)]
    between = lambda x: (law.cdf(x) - ends[0]) / (1 - ends[0] - ends[1])  # noqa: E731
    assert stats.kstest(middle, between).pvalue > 0.001


def test_beta_draws_depend_on_the_seed_alone():
    assert np.array_equal(_core.beta_draws(2, 3, 5, 50), _core.beta_draws(2, 3, 5, 50))
    assert not np.array_equal(_core.beta_draws(2, 3, 5, 50), _core.beta_draws(2, 3, 6, 50))
