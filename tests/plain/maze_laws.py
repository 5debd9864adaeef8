"""Each algorithm's rules again in plain Python, as a walk over all its choices: from a state to the states a choice leads
to, with the choice's probability. Exhausted on a small lattice, that is the algorithm's exact law."""

from collections import Counter
from fractions import Fraction
from itertools import product

ONE = Fraction(1)


class Grid:
    """A lattice of rows × cols cells; connections are numbered, a maze is the set of its connections as a bit mask."""

    def __init__(self, rows, cols):
        self.rows, self.cols = rows, cols
        self.cells = list(product(range(rows), range(cols)))
        down = [((r, c), (r + 1, c)) for r, c in self.cells if r + 1 < rows]
        right = [((r, c), (r, c + 1)) for r, c in self.cells if c + 1 < cols]
        self.edges = [*down, *right]
        self.number = {frozenset(edge): k for k, edge in enumerate(self.edges)}
        self.beside = {cell: [] for cell in self.cells}
        for a, b in self.edges:
            self.beside[a].append(b)
            self.beside[b].append(a)

    def bit(self, a, b):
        return 1 << self.number[frozenset((a, b))]

    def parts(self, maze):
        """{cell: the smallest cell of its component}."""
        part = {cell: cell for cell in self.cells}
        for k, (a, b) in enumerate(self.edges):
            if maze >> k & 1 and part[a] != part[b]:
                low, high = sorted((part[a], part[b]))
                part = {cell: low if at == high else at for cell, at in part.items()}
        return part

    def is_tree(self, maze):
        return maze.bit_count() == len(self.cells) - 1 and len(set(self.parts(maze).values())) == 1

    def trees(self):
        return [maze for maze in range(1 << len(self.edges)) if self.is_tree(maze)]


def exhaust(states, follow):
    """{maze: probability}: `follow(state)` gives [(probability, next state)], or a maze (an int) at the end."""
    law, layer = Counter(), dict(states)
    while layer:
        following = Counter()
        for state, probability in layer.items():
            found = follow(state)
            if isinstance(found, int):
                law[found] += probability
                continue
            for share, after in found:
                following[after] += probability * share
        layer = following
    assert sum(law.values()) == 1
    return dict(law)


def evenly(options):
    options = list(options)
    return [(Fraction(1, len(options)), option) for option in options]


def anywhere(grid):
    return [cell for _, cell in evenly(grid.cells)]


def depth_first(grid, starts=None, weight=lambda a, b: 1):
    """`starts`: cells a walk may begin at; `weight`: of going from a to b. Both are there for planted defects."""
    starts = starts or grid.cells

    def follow(state):
        path, visited, maze = state
        while path:
            free = [cell for cell in grid.beside[path[-1]] if cell not in visited]
            if free:
                total = sum(weight(path[-1], cell) for cell in free)
                return [
                    (
                        Fraction(weight(path[-1], cell), total),
                        ((*path, cell), visited | {cell}, maze | grid.bit(path[-1], cell)),
                    )
                    for cell in free
                ]
            path = path[:-1]
        return maze

    return exhaust({((s,), frozenset([s]), 0): Fraction(1, len(starts)) for s in starts}, follow)


def uniform(grid):
    trees = grid.trees()
    return dict.fromkeys(trees, Fraction(1, len(trees)))


def kruskal(grid):
    """The connections still to come are in uniformly random order, so the next kept is uniform among those that join."""

    def follow(maze):
        part = grid.parts(maze[0])
        joining = [(a, b) for a, b in grid.edges if part[a] != part[b]]
        if not joining:
            return maze[0]
        return [(share, (maze[0] | grid.bit(*edge),)) for share, edge in evenly(joining)]

    return exhaust({(0,): ONE}, follow)


def prim_edge(grid, starts=None):
    def follow(state):
        tree, maze = state
        frontier = [(a, b) for a in tree for b in grid.beside[a] if b not in tree]
        if not frontier:
            return maze
        return [(share, (tree | {b}, maze | grid.bit(a, b))) for share, (a, b) in evenly(frontier)]

    starts = starts or grid.cells
    return exhaust({(frozenset([s]), 0): Fraction(1, len(starts)) for s in starts}, follow)


def prim_cell(grid, starts=None):
    def follow(state):
        tree, maze = state
        frontier = {b for a in tree for b in grid.beside[a] if b not in tree}
        if not frontier:
            return maze
        return [
            (share * other, (tree | {cell}, maze | grid.bit(cell, joined)))
            for share, cell in evenly(sorted(frontier))
            for other, joined in evenly(a for a in grid.beside[cell] if a in tree)
        ]

    starts = starts or grid.cells
    return exhaust({(frozenset([s]), 0): Fraction(1, len(starts)) for s in starts}, follow)


def growing_tree(grid, newest=Fraction(1, 2)):
    def follow(state):
        active, visited, maze = state
        if len(visited) == len(grid.cells):
            return maze
        chances = Counter({len(active) - 1: newest})
        for share, k in evenly(range(len(active))):
            chances[k] += (1 - newest) * share
        found = []
        for k, chance in chances.items():
            free = [cell for cell in grid.beside[active[k]] if cell not in visited]
            if not free:
                found.append((chance, (active[:k] + active[k + 1 :], visited, maze)))
            for share, cell in evenly(free) if free else []:
                grown = (*active, cell) if newest else tuple(sorted((*active, cell)))  # which is newest may not matter
                found.append((chance * share, (grown, visited | {cell}, maze | grid.bit(active[k], cell))))
        return [(chance, after) for chance, after in found if chance]

    return exhaust({((s,), frozenset([s]), 0): Fraction(1, len(grid.cells)) for s in grid.cells}, follow)


def recursive_division(grid):
    everything = (1 << len(grid.edges)) - 1

    def follow(state):
        chambers, maze = state
        if not chambers:
            return maze
        (row, col, height, width), rest = chambers[0], chambers[1:]
        if height < 2 or width < 2:
            return [(ONE, (rest, maze))]
        ways = ["flat", "tall"] if height == width else ["flat"] if height > width else ["tall"]
        found = []
        for share, way in evenly(ways):
            length, across = (height, width) if way == "flat" else (width, height)
            for place, passage in product(range(length - 1), range(across)):
                shut = maze
                for k in range(across):
                    if k == passage:
                        continue
                    if way == "flat":
                        shut &= ~grid.bit((row + place, col + k), (row + place + 1, col + k))
                    else:
                        shut &= ~grid.bit((row + k, col + place), (row + k, col + place + 1))
                halves = (
                    ((row, col, place + 1, width), (row + place + 1, col, height - place - 1, width))
                    if way == "flat"
                    else ((row, col, height, place + 1), (row, col + place + 1, height, width - place - 1))
                )
                found.append((share / ((length - 1) * across), ((*halves, *rest), shut)))
        return found

    return exhaust({(((0, 0, grid.rows, grid.cols),), everything): ONE}, follow)


def hunt_and_kill(grid):
    def follow(state):
        at, visited, maze = state
        free = [cell for cell in grid.beside[at] if cell not in visited]
        if free:
            return [(share, (cell, visited | {cell}, maze | grid.bit(at, cell))) for share, cell in evenly(free)]
        for cell in grid.cells:  # in row order
            taken = [other for other in grid.beside[cell] if other in visited]
            if cell not in visited and taken:
                return [
                    (share, (cell, visited | {cell}, maze | grid.bit(other, cell))) for share, other in evenly(taken)
                ]
        return maze

    return exhaust({(s, frozenset([s]), 0): Fraction(1, len(grid.cells)) for s in grid.cells}, follow)


def binary_tree(grid):
    def follow(state):
        k, maze = state
        if k == len(grid.cells):
            return maze
        r, c = grid.cells[k]
        ways = [cell for cell in ((r - 1, c), (r, c - 1)) if cell in grid.beside]
        if not ways:
            return [(ONE, (k + 1, maze))]
        return [(share, (k + 1, maze | grid.bit((r, c), way))) for share, way in evenly(ways)]

    return exhaust({(0, 0): ONE}, follow)


def sidewinder(grid):
    corridor = sum(grid.bit((0, c), (0, c + 1)) for c in range(grid.cols - 1))

    def follow(state):
        r, c, begin, maze = state
        if r == grid.rows:
            return maze
        if c == grid.cols:
            return [(ONE, (r + 1, 0, 0, maze))]
        last = c + 1 == grid.cols
        found = [
            (share if last else share / 2, (r, c + 1, c + 1, maze | grid.bit((r, k), (r - 1, k))))
            for share, k in evenly(range(begin, c + 1))
        ]
        if not last:
            found.append((Fraction(1, 2), (r, c + 1, begin, maze | grid.bit((r, c), (r, c + 1)))))
        return found

    return exhaust({(1, 0, 0, corridor): ONE}, follow)


def eller(grid):
    """A row's sets are the components so far."""

    def across(r, maze):
        """[(probability, maze)] once row r's neighbours have been joined or not."""
        found = [(ONE, maze)]
        for c in range(grid.cols - 1):
            after = []
            for share, so_far in found:
                part = grid.parts(so_far)
                joined = so_far | grid.bit((r, c), (r, c + 1))
                if part[r, c] == part[r, c + 1]:
                    after.append((share, so_far))
                elif r + 1 == grid.rows:
                    after.append((share, joined))
                else:
                    after += [(share / 2, so_far), (share / 2, joined)]
            found = after
        return found

    def down(r, maze):
        part = grid.parts(maze)
        found = []
        for coins in product((0, 1), repeat=grid.cols):
            joins = [c for c in range(grid.cols) if coins[c]]
            lacking = sorted({part[r, c] for c in range(grid.cols)} - {part[r, c] for c in joins})
            choices = [[c for c in range(grid.cols) if part[r, c] == its] for its in lacking]
            for chosen in product(*choices):
                share = Fraction(1, 2**grid.cols)
                for members in choices:
                    share /= len(members)
                found.append((share, maze | sum(grid.bit((r, c), (r + 1, c)) for c in {*joins, *chosen})))
        return found

    def follow(state):
        r, maze = state
        if r == grid.rows:
            return maze
        joined = across(r, maze)
        if r + 1 == grid.rows:
            return [(share, (r + 1, after)) for share, after in joined]
        return [(share * other, (r + 1, below)) for share, after in joined for other, below in down(r, after)]

    return exhaust({(0, 0): ONE}, follow)


def percolated(grid, law, p):
    """Every connection that is shut opens with probability p."""
    found = Counter()
    for maze, probability in law.items():
        shut = [1 << k for k in range(len(grid.edges)) if not maze >> k & 1]
        for opened in product((0, 1), repeat=len(shut)):
            share = p ** sum(opened) * (1 - p) ** (len(shut) - sum(opened))
            found[maze | sum(bit for bit, is_open in zip(shut, opened, strict=True) if is_open)] += probability * share
    return dict(found)


def braided(grid, law, p):
    """Cells in row order; one with at most one exit is joined, with probability p, to a uniform one of its walls."""

    def follow(state):
        k, maze = state
        if k == len(grid.cells):
            return maze
        cell = grid.cells[k]
        walls = [other for other in grid.beside[cell] if not maze & grid.bit(cell, other)]
        if len(grid.beside[cell]) - len(walls) > 1 or not walls:
            return [(ONE, (k + 1, maze))]
        opened = [(p * share, (k + 1, maze | grid.bit(cell, wall))) for share, wall in evenly(walls)]
        return [*opened, (1 - p, (k + 1, maze))]

    return exhaust({(0, maze): probability for maze, probability in law.items()}, follow)
