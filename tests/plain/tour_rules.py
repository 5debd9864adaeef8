"""What Tour-v0 and TourEdit-v0 share, once more in plain Python: where cities lie, lengths, first tours, shortest ways."""

from functools import cache
from math import isqrt

from plain.draws import LAYOUT, Draws

GRID = 2**20


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
