"""What Tour-v0 and TourEdit-v0 share, once more in plain Python: where cities lie, lengths, first tours, shortest ways."""

from functools import cache
from math import isqrt
from statistics import NormalDist

STEP, LAYOUT, PLACEMENT = 1, 2, 3  # purposes of draws
MASK32 = 0xFFFFFFFF
GRID = 2**20


def philox(counter, key):
    c, (k0, k1) = list(counter), key
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [b >> 32 ^ c[1] ^ k0, b & MASK32, a >> 32 ^ c[3] ^ k1, a & MASK32]
        k0, k1 = (k0 + 0x9E3779B9) & MASK32, (k1 + 0xBB67AE85) & MASK32
    return c


class Draws:
    """Consecutive numbers of one (seed, slot, episode, purpose), from a block on."""

    def __init__(self, key, purpose, block=0):
        self.key, self.purpose, self.index, self.words = key, purpose, block, []

    def u32(self):
        if not self.words:
            seed, slot, episode = self.key
            self.words = philox((self.index, episode, slot, self.purpose), (seed & MASK32, seed >> 32))
            self.index += 1
        return self.words.pop(0)

    def u64(self):
        high = self.u32()
        return high << 32 | self.u32()

    def below(self, n):
        return self.u64() * n >> 64

    def normal(self):
        return NormalDist().inv_cdf(((self.u64() >> 11) + 0.5) / 2**53)


def draw_points(o, key):
    """[(x, y)] in steps of the grid."""
    draws = Draws(key, LAYOUT)
    point = lambda: (draws.u32() >> 12, draws.u32() >> 12)  # noqa: E731
    if o["distribution"] == "uniform":
        return [point() for _ in range(o["n"])]
    centres = [point() for _ in range(o["clusters"])]

    def near(at):
        return min(max(int(at + o["spread"] * draws.normal() * GRID), 0), GRID - 1)

    points = []
    for _ in range(o["n"]):
        x, y = centres[draws.below(o["clusters"])]
        points.append((near(x), near(y)))
    return points


def squared(a, b):
    return (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2


def length(a, b):
    """The distance rounded to a whole number, halves up: floor(sqrt(d) + 1/2) = floor((2 sqrt(d) + 1) / 2)."""
    return (isqrt(4 * squared(a, b)) + 1) // 2


def tour_length(points, order):
    return sum(length(points[a], points[b]) for a, b in zip(order, [*order[1:], order[0]], strict=True))


def nearest(points, at, cities):
    """The nearest of `cities` to city `at`, the lowest number among equals."""
    return min(cities, key=lambda city: (squared(points[at], points[city]), city))


def shortest_ways(points, end):
    """way(city, rest): the length of the shortest way from a city through all of frozenset `rest` to `end`."""

    @cache
    def way(city, rest):
        if not rest:
            return length(points[city], points[end])
        return min(length(points[city], points[other]) + way(other, rest - {other}) for other in rest)

    return way
