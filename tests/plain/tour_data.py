"""The distributions of tour problems, the greedy tours and the optimum again, in plain Python: no speed, one instance."""

import math
from itertools import combinations

from plain.draws import MASK32, Draws

CELLS = 2**23


class Words(Draws):
    """Of the number-th instance of a seed."""

    def __init__(self, seed, number, purpose, block=0):
        super().__init__((seed, number & MASK32, number >> 32), purpose, block)

    def uniform(self, low=0.0, high=1.0):
        return low + (high - low) * super().uniform()

    def coordinate(self):
        return (2 * (self.u32() >> 9) + 1) / (2 * CELLS)


def snapped(x, y):
    """The point, or None outside the square."""
    if not (0 <= x < 1 and 0 <= y < 1):
        return None
    return tuple((2 * int(v * CELLS) + 1) / (2 * CELLS) for v in (x, y))


def uniform(n, words):
    return [(words.coordinate(), words.coordinate()) for _ in range(n)]


def clustered(n, words, clusters=3, spread=0.05):
    centres = uniform(clusters, words)
    points = []
    for _ in range(n):
        x, y = centres[words.below(clusters)]
        point = None
        while point is None:
            dx = words.normal()
            point = snapped(x + spread * dx, y + spread * words.normal())
        points.append(point)
    return points


def explosion(n, words, least_radius=0.1, most_radius=0.4, push=0.1):
    points = uniform(n, words)
    x, y, radius = words.uniform(), words.uniform(), words.uniform(least_radius, most_radius)
    for i, (px, py) in enumerate(points):
        away = math.dist((px, py), (x, y))
        if away < radius:
            to = radius - push * math.log(words.uniform())
            points[i] = snapped(x + to * (px - x) / away, y + to * (py - y) / away) or uniform(1, words)[0]
    return points


def grid(n, words, jitter=0.5):
    side = math.ceil(math.sqrt(n))
    cells, points = list(range(side * side)), []
    for i in range(n):
        at = i + words.below(side * side - i)
        cells[i], cells[at] = cells[at], cells[i]
        x = cells[i] % side + 0.5 + jitter * words.uniform(-0.5, 0.5)
        points.append(snapped(x / side, (cells[i] // side + 0.5 + jitter * words.uniform(-0.5, 0.5)) / side))
    return points


def ring(n, words, radius=0.4, width=0.05):
    points = []
    while len(points) < n:
        x, y = words.uniform(-1, 1), words.uniform(-1, 1)
        if 1e-6 <= x * x + y * y <= 1:
            length = (radius + width * words.normal()) / math.hypot(x, y)
            point = snapped(0.5 + length * x, 0.5 + length * y)
            points += [point] if point else []
    return points


def random_matrix(n, words):
    rows = [[0.0] * n for _ in range(n)]
    for i in range(n):
        for j in range(i):
            rows[i][j] = rows[j][i] = words.coordinate()
    return rows


def distances(problem):
    n = len(problem)
    if len(problem[0]) != 2:
        return problem
    return [[math.dist(problem[i], problem[j]) for j in range(n)] for i in range(n)]


def length(d, tour):
    return sum(d[a][b] for a, b in zip(tour, [*tour[1:], tour[0]], strict=True))


def nearest_neighbour(d):
    """The best of all starts."""
    tours = []
    for start in range(len(d)):
        tour, left = [start], set(range(len(d))) - {start}
        while left:
            tour.append(min(left, key=lambda city: (d[tour[-1]][city], city)))
            left.remove(tour[-1])
        tours.append(tour)
    return min(tours, key=lambda tour: length(d, tour))


def optimum(d):
    """Held and Karp 1962, from city 0."""
    n = len(d)
    best = {(1 << j, j): d[0][j] for j in range(1, n)}
    for size in range(2, n):
        for cities in combinations(range(1, n), size):
            members = sum(1 << j for j in cities)
            for j in cities:
                rest = members ^ 1 << j
                best[members, j] = min(best[rest, k] + d[k][j] for k in cities if k != j)
    return min(best[2**n - 2, j] + d[j][0] for j in range(1, n))
