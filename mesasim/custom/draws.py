"""Random numbers for rules written in Python: the numbers of csrc/core/rng.h, where they are explained, to the bit.

A draw is a pure function of (key, purpose, index), so it needs no generator and nothing to keep: index i of a purpose is what
the i-th call of such a draw gives from a native `Rng(key, purpose)`. Draws of one purpose overlap: a 32-bit draw i is half of
64-bit draw i // 2; use one kind within a purpose, or indices apart.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from mesasim.custom.compiling import compiled

# Why a number is drawn: two purposes never share one (csrc/core/rng.h). Others, up to 255, are free to use.
TASK, STEP, LAYOUT, PLACEMENT, TIE, BRAID, DRIFT = range(7)

MASK, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)
MULTIPLIER_0, MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL_0, WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
CELL = 2.0**-53


class Key(NamedTuple):
    """Whose numbers: one slot's one episode."""

    seed: Any  # uint64
    stream: Any  # uint32, the slot's global number
    episode: Any  # uint32


@compiled
def philox4x32_10(c0, c1, c2, c3, k0, k1):
    """Philox4x32-10 of counter (c0 … c3) and key (k0, k1): each a uint64 below 2^32, as are the four words returned."""
    for _ in range(10):
        a, b = MULTIPLIER_0 * c0, MULTIPLIER_1 * c2
        c0, c1, c2, c3 = (b >> HALF) ^ c1 ^ k0, b & MASK, (a >> HALF) ^ c3 ^ k1, a & MASK
        k0, k1 = (k0 + WEYL_0) & MASK, (k1 + WEYL_1) & MASK
    return c0, c1, c2, c3


@compiled
def _block(key, purpose, index):
    seed = np.uint64(key.seed)
    return philox4x32_10(
        np.uint64(index), np.uint64(key.episode), np.uint64(key.stream), np.uint64(purpose), seed & MASK, seed >> HALF
    )


@compiled
def _u64(key, purpose, index):
    w0, w1, w2, w3 = _block(key, purpose, index // 2)
    return (w2 << HALF) | w3 if index % 2 else (w0 << HALF) | w1


@compiled
def u32(key, purpose, index):
    """A 32-bit word, as a (signed) 64-bit integer: 0 to 2^32 - 1."""
    w0, w1, w2, w3 = _block(key, purpose, index // 4)
    lane = index % 4
    word = w0 if lane == 0 else w1 if lane == 1 else w2 if lane == 2 else w3
    return np.int64(word)


@compiled
def below(key, purpose, index, n):
    """Uniform over 0 … n - 1, as a 64-bit integer; n: 1 to 2^32 - 1."""
    word, factor = _u64(key, purpose, index), np.uint64(n)
    carried = (word & MASK) * factor >> HALF
    return np.int64(((word >> HALF) * factor + carried) >> HALF)


@compiled
def uniform(key, purpose, index):
    """Uniform over (0, 1), ends excluded, 53 bits."""
    return (np.float64(_u64(key, purpose, index) >> np.uint64(11)) + 0.5) * CELL


@compiled
def normal(key, purpose, index):
    """Standard normal."""
    return normal_quantile(uniform(key, purpose, index))


# Floating point to the bit: csrc/core/math.h over again


def product(a, b):
    """a * b, rounded: float32 of two float32, an integer of two integers, else float64. A GPU's compiler merges a product and the
    sum it goes into, and rounds once: other bits. Rules that decide by floats write product(a, b) + c."""
    alike = any(isinstance(a, kind) and isinstance(b, kind) for kind in (np.float32, (int, np.integer)))
    return a * b if alike else np.float64(a) * np.float64(b)


@overload(product)
def _product_on_cpu(a, b):
    if _alike(a, b):
        return lambda a, b: a * b
    return lambda a, b: np.float64(a) * np.float64(b)


@overload(product, target="cuda")
def _product_on_cuda(a, b):
    from numba.cuda import libdevice

    if a == b == types.float32:
        return lambda a, b: libdevice.fmul_rn(a, b)
    if _alike(a, b):
        return lambda a, b: a * b
    return lambda a, b: libdevice.dmul_rn(np.float64(a), np.float64(b))


def _alike(a, b):
    """Whether the product of two types needs no conversion first."""
    return a == b == types.float32 or (isinstance(a, types.Integer) and isinstance(b, types.Integer))


@compiled
def _log(x):
    """As mesa::portable_log; frexp and the doubling are exact, so m and the exponent are its bits taken apart."""
    half, exponent = math.frexp(x)
    m, exponent = 2.0 * half, exponent - 1
    if m > 1.4142135623730951:
        m *= 0.5
        exponent += 1
    s = (m - 1.0) / (m + 1.0)
    z = product(s, s)
    series = 1.0 / 21.0
    for k in range(19, 0, -2):
        series = product(series, z) + 1.0 / k
    return product(np.float64(exponent), 0.6931471805599453) + product(product(2.0, s), series)


# Wichura 1988, AS 241: numerator and denominator for the middle, the tails and the far tails
MIDDLE = (
    (2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
     1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0),
    (5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
     5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0),
)  # fmt: skip
TAILS = (
    (7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
     3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0),
    (1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
     6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0),
)  # fmt: skip
FAR_TAILS = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
     2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0),
    (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
     1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0),
)  # fmt: skip


@compiled
def _ratio(coefficients, r):
    above, below_ = coefficients
    numerator, denominator = above[0], below_[0]
    for i in range(1, 8):
        numerator = product(numerator, r) + above[i]
        denominator = product(denominator, r) + below_[i]
    return numerator, denominator


@compiled
def normal_quantile(p):
    """The standard normal's quantile at p in (0, 1), as mesa::normal_quantile."""
    q = p - 0.5
    if -0.425 <= q <= 0.425:
        numerator, denominator = _ratio(MIDDLE, 0.180625 - product(q, q))
        return product(q, numerator) / denominator
    r = math.sqrt(-_log(p if q < 0 else 1.0 - p))
    numerator, denominator = _ratio(TAILS, r - 1.6) if r <= 5.0 else _ratio(FAR_TAILS, r - 5.0)
    return -(numerator / denominator) if q < 0 else numerator / denominator
