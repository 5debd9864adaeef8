"""The heuristics written again in plain Python, on whole-number distances, without speed."""

import itertools
import math

from mesasim import _core


def in_units(matrix):
    """Distances in the whole units they are compared in."""
    longest = max(max(row) for row in matrix)
    if all(x == int(x) for row in matrix for x in row) and longest < 2**49:
        return [[int(x) for x in row] for row in matrix]
    scale = 49 - math.frexp(longest)[1]
    return [[int(math.ldexp(x, scale)) for x in row] for row in matrix]


def canonical(tour):
    at = tour.index(0)
    tour = tour[at:] + tour[:at]
    return tour if tour[1] < tour[-1] else [0, *tour[:0:-1]]


def length(d, tour):
    return sum(d[a][b] for a, b in itertools.pairwise([*tour, tour[0]]))


class Draws:
    """The random words of instance `number` of a seed, for one purpose."""

    def __init__(self, seed, number, purpose):
        self.key, self.counter = [seed % 2**32, seed >> 32], [0, number >> 32, number % 2**32, purpose]
        self.words = []

    def below(self, n):
        while len(self.words) < 2:
            self.words += _core.philox4x32_10(self.counter, self.key)
            self.counter[0] += 1
        high, low = self.words.pop(0), self.words.pop(0)
        return ((high << 32 | low) * n) >> 64


PLACEMENT, LAYOUT = 3, 2


def random_tour(n, draws):
    tour = []
    for i in range(n):
        tour.append(i)
        j = draws.below(i + 1)
        tour[i], tour[j] = tour[j], tour[i]
    return tour


# Constructions


def nearest_neighbour(d, start):
    tour = [start]
    while len(tour) < len(d):
        tour.append(min(set(range(len(d))) - set(tour), key=lambda c: (d[tour[-1]][c], c)))
    return tour


def greedy_edge(d):
    n = len(d)
    path = [{x} for x in range(n)]  # the cities each is joined to so far
    links = [[] for _ in range(n)]
    for _, a, b in sorted((d[a][b], a, b) for a, b in itertools.combinations(range(n), 2)):
        if len(links[a]) < 2 and len(links[b]) < 2 and path[a] is not path[b]:
            links[a].append(b)
            links[b].append(a)
            path[a] |= path[b]
            for x in path[a]:
                path[x] = path[a]
    tour = [next(x for x in range(n) if len(links[x]) == 1)]
    while len(tour) < n:
        tour.append(next(x for x in links[tour[-1]] if x not in tour))
    return tour


def places(d, tour, city):
    """(what the tour grows by, place) for each place."""
    around = [*tour[1:], tour[0]]
    return [(d[a][city] + d[city][b] - d[a][b], k) for k, (a, b) in enumerate(zip(tour, around, strict=True))]


def insertion(d, start, which):
    tour = [start]
    while len(tour) < len(d):
        left = [c for c in range(len(d)) if c not in tour]
        if which == "cheapest":
            city = min(left, key=lambda c: (min(places(d, tour, c))[0], c))
        else:
            sign = 1 if which == "nearest" else -1
            city = min(left, key=lambda c: (sign * min(d[c][t] for t in tour), c))
        tour.insert(min(places(d, tour, city))[1] + 1, city)
    return tour


def insertion_in_order(d, order):
    tour = order[:1]
    for city in order[1:]:
        tour.insert(min(places(d, tour, city))[1] + 1, city)
    return tour


def most_remote(d):
    return max(range(len(d)), key=lambda c: (max(d[c]), -c))


# 2-opt and Or-opt


class Exchanges:
    """Cities by number; each makes its best move, the first met of equals, as long as one gains."""

    def __init__(self, d, tour, *, two_opt, or_opt, reach=None):
        self.d, self.tour, self.n = d, list(tour), len(d)
        self.two_opt, self.or_opt = two_opt, or_opt
        self.near = [sorted((c for c in range(self.n) if c != a), key=lambda c: (d[a][c], c)) for a in range(self.n)]
        listed = 12 if reach is None or reach >= self.n - 1 else reach
        rest = slice(listed, None) if listed == 12 and (reach is None or reach >= self.n - 1) else slice(0, 0)
        self.near = [near[:listed] + sorted(near[rest]) for near in self.near]

    def beside(self, a, step):
        return self.tour[(self.tour.index(a) + step) % self.n]

    def run(self):
        moved = True
        while moved:
            moved, waiting = False, list(range(self.n))
            while waiting:
                a = waiting.pop(0)
                while (move := self.best(a))[0] > 0:
                    moved = True
                    self.make(*move[1:])
                    waiting += [x for x in dict.fromkeys(move[1:]) if x is not None and x not in waiting]
        return self.tour

    def best(self, a):
        moves = [(0,)]
        for step in (1, -1):
            b = self.beside(a, step)
            if self.two_opt:
                moves += self.two_opt_moves(a, b, step)
            if self.or_opt:
                moves += self.segments_from(a, b, step) + self.segments_into(a, b)
        return max(moves, key=lambda move: move[0])  # the first of equals

    def two_opt_moves(self, a, b, step):
        d, found = self.d, []
        for c in self.near[a]:
            q = self.beside(c, step)
            if d[a][c] < d[a][b]:
                found.append((d[a][b] + d[c][q] - d[a][c] - d[b][q], a, b, c, q))
        return found

    def segments_from(self, a, p, step):
        d, found = self.d, []
        for size in range(1, min(3, self.n - 3) + 1):
            at = self.tour.index(a)
            segment = [self.tour[(at - step * k) % self.n] for k in range(size)]
            e, q = segment[-1], self.beside(segment[-1], -step)
            out = d[p][a] + d[e][q] - d[p][q]
            for c in self.near[a]:
                if d[a][c] >= max(out, d[p][a]) or c in segment:
                    continue
                for f in (self.beside(c, 1), self.beside(c, -1)):
                    if f not in segment:
                        found.append((out + d[c][f] - d[a][c] - d[e][f], p, a, e, q, c, f))
        return found

    def segments_into(self, a, b):
        d, found = self.d, []
        for s in (s for s in self.near[a] if d[a][s] < d[a][b]):
            for step in (1, -1):
                p, at = self.beside(s, -step), self.tour.index(s)
                for size in range(1, min(3, self.n - 3) + 1):
                    e = self.tour[(at + step * (size - 1)) % self.n]
                    if e in (a, b):
                        break
                    q = self.beside(e, step)
                    gain = d[p][s] + d[e][q] - d[p][q] + d[a][b] - d[a][s] - d[e][b]
                    found.append((gain, p, s, e, q, a, b))
        return found

    def make(self, p, s, e, q, c=None, f=None):
        if c is None:
            self.exchange(p, s, e)
            return
        forward = self.beside(p, 1) == s
        c_first = self.beside(c, 1 if forward else -1) == f
        x = c if c_first else f
        self.exchange(p, s, x)
        self.exchange(p, x, q)
        if c_first:
            self.exchange(x, e, s)

    def exchange(self, a, b, c):
        """Of a b … c d, either way round, a c … b d: the shorter of the two paths is turned, for the tour's direction."""
        first, last = (b, c) if self.beside(a, 1) == b else (c, b)
        i, size = self.tour.index(first), (self.tour.index(last) - self.tour.index(first)) % self.n + 1
        if 2 * size > self.n:
            i, size = i + size, self.n - size
        spots = [(i + k) % self.n for k in range(size)]
        for spot, city in zip(spots, [self.tour[spot] for spot in reversed(spots)], strict=True):
            self.tour[spot] = city


# What no tour may have left, by trying everything


def gain_of_two_opt(d, tour):
    """The most any exchange of two distances gains."""
    n, before = len(tour), length(d, tour)
    others = (tour[:i] + tour[i:j][::-1] + tour[j:] for i, j in itertools.combinations(range(n + 1), 2))
    return max(before - length(d, other) for other in others)


def gain_of_or_opt(d, tour):
    """The most that moving one to three cities in a row elsewhere gains, either way round."""
    n, before, best = len(tour), length(d, tour), 0
    for at in range(n):
        turned = tour[at:] + tour[:at]
        for size in range(1, min(3, n - 3) + 1):
            segment, rest = turned[:size], turned[size:]
            for k in range(1, len(rest)):
                for way in (segment, segment[::-1]):
                    best = max(best, before - length(d, rest[:k] + way + rest[k:]))
    return best
