"""Draws in Python rules are the native engine's, to the bit."""

import numpy as np
import pytest
from numba import typeof
from plain.draws import Draws
from test_rng import KNOWN_ANSWERS

from mesasim import _core, custom
from mesasim.custom.draws import normal_quantile, philox4x32_10, product

KEYS = [(0, 0, 0), (2**64 - 1, 2**32 - 1, 2**32 - 1), (0x123456789ABCDEF0, 7, 2)]
PURPOSES = (custom.TASK, custom.STEP, custom.DRIFT, 255)


def as_key(numbers):
    seed, stream, episode = numbers
    return custom.Key(np.uint64(seed), np.uint32(stream), np.uint32(episode))


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_philox_gives_its_published_answers(counter, key, answer):
    assert philox4x32_10(*(np.uint64(word) for word in (*counter, *key))) == answer


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("purpose", PURPOSES)
def test_draws_are_those_of_the_plain_rules(key, purpose):
    words, bounded, reals = (Draws(key, purpose) for _ in range(3))
    assert [custom.u32(as_key(key), purpose, i) for i in range(13)] == [words.u32() for _ in range(13)]
    for i, n in enumerate((1, 2, 3, 10, 1000, 2**31, 2**32 - 1)):
        assert custom.below(as_key(key), purpose, i, n) == bounded.below(n)
    assert [custom.uniform(as_key(key), purpose, i) for i in range(13)] == [reals.uniform() for _ in range(13)]


def test_normal_is_the_native_quantile_of_the_uniform():
    key = as_key(KEYS[2])
    uniforms = [custom.uniform(key, custom.TASK, i) for i in range(50)]
    assert [custom.normal(key, custom.TASK, i) for i in range(50)] == _core.normal_quantile(uniforms).tolist()
    rng = np.random.default_rng(0)
    p = np.concatenate(
        [rng.uniform(0, 1, 5000), 10 ** rng.uniform(-16, -1, 5000), 1 - 10 ** rng.uniform(-15, -1, 5000)]
    )
    assert [normal_quantile(x) for x in p] == _core.normal_quantile(p).tolist()


@custom.compiled
def compiled_product(a, b):
    return product(a, b)


@pytest.mark.parametrize(
    ("a", "b", "kind"),
    [
        (np.float32(1.1), np.float32(3.3), np.float32),
        (1.1, 3.3, np.float64),
        (np.float32(1.1), 3.3, np.float64),
        (np.float32(1.1), np.int8(3), np.float64),
        (np.int64(2**53 + 1), np.int64(3), np.int64),
    ],
)
def test_a_product_is_of_one_type_compiled_and_interpreted(a, b, kind):
    exact = kind(a) * kind(b)
    for one, other in ((a, b), (b, a)):
        assert isinstance(product(one, other), kind)
        compiled_product.compile((typeof(one), typeof(other)))
        assert compiled_product.overloads[typeof(one), typeof(other)].signature.return_type == typeof(exact)
        assert product(one, other) == compiled_product(one, other) == exact
