"""The families' problems and searches written again in plain Python, recursive and without speed: optima by exhaustion, and
the nodes a depth-first search must arrive at."""

import itertools
from fractions import Fraction


class Searched:
    """What a search found: value, nodes."""

    def __init__(self, value=-1):
        self.value, self.nodes, self.done = value, 0, False


# Optima by exhaustion and dynamic programming


def subset_sum_optimum(weights, target):
    sums = {0}
    for weight in weights:
        sums |= {s + weight for s in sums if s + weight <= target}
    return max(sums)


def knapsack_optimum(weights, profits, capacity):
    most = {0: 0}  # weight taken → profit
    for w, p in zip(weights, profits, strict=True):
        for taken, profit in list(most.items()):
            if taken + w <= capacity and most.get(taken + w, -1) < profit + p:
                most[taken + w] = profit + p
    return max(most.values())


def satisfied(clauses, assignment):
    """How many clauses hold; assignment[v] is 0 or 1."""
    return sum(any((literal > 0) == bool(assignment[abs(literal) - 1]) for literal in c) for c in clauses)


def satisfiability_optimum(clauses, n):
    """How many clauses there are if some assignment satisfies all, else -1."""
    possible = any(satisfied(clauses, a) == len(clauses) for a in itertools.product((0, 1), repeat=n))
    return len(clauses) if possible else -1


def colouring_optimum(edges, n, colours):
    """The fewest colours, or with `colours` > 0 the same but -1 where they are not enough."""

    def colourable(k, colour):
        v = len(colour)
        if v == n:
            return True
        free = [c for c in range(k) if all(colour[u] != c for u in range(v) if (u, v) in edges)]
        return any(colourable(k, [*colour, c]) for c in free[: max(colour, default=-1) + 2])

    fewest = next(k for k in range(1, n + 1) if colourable(k, []))
    return fewest if colours == 0 or fewest <= colours else -1


# The searches, as csrc/curriculum says they go


def subset_sum_search(weights, target):
    weights = sorted(weights, reverse=True)
    found = Searched()

    def arrive(at, room):
        if found.done:
            return
        found.nodes += 1
        while at < len(weights) and weights[at] > room:
            at += 1
        if sum(weights[at:]) <= room:
            found.value = max(found.value, target - room + sum(weights[at:]))
            found.done = found.value == target
            return
        arrive(at + 1, room - weights[at])
        arrive(at + 1, room)

    arrive(0, target)
    return found


def knapsack_search(weights, profits, capacity):
    items = sorted(zip(weights, profits, strict=True), key=lambda item: -Fraction(item[1], item[0]))
    found = Searched()

    def bound(at, room):
        total = 0
        for w, p in items[at:]:
            if w > room:
                return total + room * p // w, False
            room, total = room - w, total + p
        return total, True

    def arrive(at, room, value):
        found.nodes += 1
        while at < len(items) and items[at][0] > room:
            at += 1
        more, all_fit = bound(at, room)
        if value + more <= found.value:
            return
        if all_fit:
            found.value = value + more
            return
        w, p = items[at]
        arrive(at + 1, room - w, value + p)
        arrive(at + 1, room, value)

    arrive(0, capacity, 0)
    return found


def satisfiability_search(clauses, n):
    found = Searched()

    def with_literal(formula, literal):
        return [[x for x in c if x != -literal] for c in formula if literal not in c]

    def arrive(formula, free):
        if found.done:
            return
        found.nodes += 1
        while any(len(c) == 1 for c in formula):
            unit = next(c[0] for c in formula if len(c) == 1)
            formula, free = with_literal(formula, unit), free - {abs(unit)}
        if not all(formula):
            return
        if not formula:
            found.value, found.done = len(clauses), True
            return

        def weight(literal):
            return 2**8 + sum(2 ** (16 - len(c)) for c in formula if literal in c)

        v = min(free, key=lambda v: (-weight(v) * weight(-v), v))
        first = -v if weight(-v) > weight(v) else v
        arrive(with_literal(formula, first), free - {v})
        arrive(with_literal(formula, -first), free - {v})

    arrive([list(c) for c in clauses], frozenset(range(1, n + 1)))
    return found


def colouring_search(edges, n, colours):
    found = Searched()
    neighbours = {v: {u for u in range(n) if (u, v) in edges} for v in range(n)}

    def arrive(colour):
        if found.done:
            return
        found.nodes += 1
        if len(colour) == n:
            found.value = len(set(colour.values()))
            found.done = colours > 0
            return

        def urgency(v):
            near = [colour[u] for u in neighbours[v] if u in colour]
            return -len(set(near)), -(len(neighbours[v]) - len(near)), v

        v = min((v for v in range(n) if v not in colour), key=urgency)
        used = len(set(colour.values()))
        for c in range(used + 1):
            allowed = colours if colours else found.value - 1 if found.value > 0 else n
            if max(used, c + 1) <= allowed and all(colour.get(u) != c for u in neighbours[v]):
                arrive(colour | {v: c})

    arrive({})
    return found
