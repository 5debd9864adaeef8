"""Random numbers in plain Python: what csrc/core/rng.h draws, for the rules that tests write again. Philox itself is held to
its published answers in tests/test_rng.py."""

import math
from statistics import NormalDist

TASK, STEP, LAYOUT, PLACEMENT, TIE, BRAID, DRIFT = range(7)  # purposes of draws
MASK32 = 0xFFFFFFFF


def philox(counter, key):
    """Philox4x32-10, Salmon et al. 2011."""
    c, (k0, k1) = list(counter), key
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [b >> 32 ^ c[1] ^ k0, b & MASK32, a >> 32 ^ c[3] ^ k1, a & MASK32]
        k0, k1 = (k0 + 0x9E3779B9) & MASK32, (k1 + 0xBB67AE85) & MASK32
    return c


def unit(word):
    """A 64-bit word as a number in (0, 1)."""
    return ((word >> 11) + 0.5) / 2**53


class Draws:
    """Consecutive numbers of one (seed, stream, episode) and purpose, from a block on."""

    def __init__(self, key, purpose, block=0):
        self.key, self.purpose, self.index, self.words = key, purpose, block, []

    def block(self, index):
        seed, stream, episode = self.key
        return philox((index, episode, stream, self.purpose), (seed & MASK32, seed >> 32))

    def u32(self):
        if not self.words:
            self.words, self.index = self.block(self.index), self.index + 1
        return self.words.pop(0)

    def u64(self):
        return self.u32() << 32 | self.u32()

    def below(self, n):
        return self.u64() * n >> 64

    def uniform(self):
        return unit(self.u64())

    def normal(self):
        return NormalDist().inv_cdf(self.uniform())

    def gamma(self, shape):  # Marsaglia and Tsang 2000
        boost = 1.0
        if shape < 1:
            boost, shape = self.uniform() ** (1 / shape), shape + 1
        d = shape - 1 / 3
        while True:
            x = self.normal()
            v = 1 + x / math.sqrt(9 * d)
            if v > 0 and math.log(self.uniform()) < x * x / 2 + d - d * v**3 + d * math.log(v**3):
                return boost * d * v**3

    def beta(self, a, b):
        x, y = self.gamma(a), self.gamma(b)
        return x / (x + y)
