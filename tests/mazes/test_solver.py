"""Distances, paths and their counts equal scipy's on every kind of maze; everything else a plain twin's."""

from collections import deque

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components, dijkstra

from mesasim import mazes
from mesasim.mazes import Mazes

MOVES = ((-1, 0), (0, 1), (1, 0), (0, -1))


def graph_of(made):
    """All mazes as one graph over count * rows * cols cells."""
    down, right = made.connections[:, 0].numpy(), made.connections[:, 1].numpy()
    number = np.arange(down.size).reshape(down.shape)
    pairs = np.concatenate(
        [
            np.stack([number[:, :-1][down[:, :-1]], number[:, 1:][down[:, :-1]]]),
            np.stack([number[:, :, :-1][right[:, :, :-1]], number[:, :, 1:][right[:, :, :-1]]]),
        ],
        axis=1,
    )
    return csr_matrix((np.ones(pairs.shape[1]), pairs), shape=(down.size,) * 2)


def scipy_distances(made, goals):
    """One search from a hub joined to every maze's goal."""
    graph = graph_of(made).tocoo()
    cells, size = made.rows * made.cols, graph.shape[0]
    goal = np.arange(len(made)) * cells + goals
    rows, cols = np.concatenate([graph.row, np.full(len(made), size)]), np.concatenate([graph.col, goal])
    whole = csr_matrix((np.ones(len(rows)), (rows, cols)), shape=(size + 1, size + 1))
    found = dijkstra(whole, directed=False, indices=size, unweighted=True)[:-1] - 1
    return np.where(np.isinf(found), -1, found).astype(np.int32).reshape(len(made), made.rows, made.cols)


def random_cells(made, seed):
    return torch.from_numpy(np.random.default_rng(seed).integers(made.rows * made.cols, size=len(made)))


@pytest.mark.parametrize(("count", "size"), [(10_000, (7, 9)), (40, (33, 64)), (3, (100, 257 - 1))])
def test_distances_and_paths_equal_scipys(kind, count, size):
    algorithm, options = kind
    made = mazes.generate(count, size, algorithm, seed=5, **options)
    start, goal = random_cells(made, 1), random_cells(made, 2)
    expected = scipy_distances(made, goal.numpy())
    assert np.array_equal(made.distances(goal).numpy(), expected)
    solved = made.solve(start, goal, on_impossible="mask")
    length = expected.reshape(count, -1)[np.arange(count), start.numpy()]
    assert np.array_equal(solved.length.numpy(), length)
    check_paths(made, solved)


def check_paths(made, solved):
    """Every path begins and ends where it must and goes through open connections only."""
    cells, offsets = solved.cells.long(), solved.offsets
    there = solved.length >= 0
    assert torch.equal(cells[offsets[:-1][there]].int(), solved.start[there])
    assert torch.equal(cells[offsets[1:][there] - 1].int(), solved.goal[there])
    owner = torch.repeat_interleave(torch.arange(len(made)), solved.length.long() + 1)
    same = owner[1:] == owner[:-1]
    a, b = cells[:-1][same], cells[1:][same]
    low, step = torch.minimum(a, b), (a - b).abs()
    plane = (step == 1).long() if made.cols > 1 else torch.zeros_like(step)
    assert ((step == 1) | (step == made.cols)).all()
    assert made.connections[owner[1:][same], plane, low // made.cols, low % made.cols].all()


def plain(made, i):
    """{cell: [(direction, neighbour)]} of maze i."""
    connections = made.connections[i].numpy()
    ways = {}
    for r in range(made.rows):
        for c in range(made.cols):
            opened = (
                r > 0 and connections[0, r - 1, c], connections[1, r, c],
                connections[0, r, c], c > 0 and connections[1, r, c - 1],
            )  # fmt: skip
            ways[r * made.cols + c] = [(d, (r + y) * made.cols + c + x) for d, (y, x) in enumerate(MOVES) if opened[d]]
    return ways


def steps_from(ways, source):
    found, queue = {source: 0}, deque([source])
    while queue:
        cell = queue.popleft()
        for _, other in ways[cell]:
            if other not in found:
                found[other] = found[cell] + 1
                queue.append(other)
    return found


def shortest_paths(ways, start, goal):
    """(how many shortest paths, the canonical one)."""
    steps = steps_from(ways, goal)
    if start not in steps:
        return 0, []
    count = {goal: 1}
    for cell in sorted(steps, key=steps.get)[1:]:
        count[cell] = sum(count[other] for _, other in ways[cell] if steps[other] < steps[cell])
    path = [start]
    while path[-1] != goal:
        path.append(next(other for _, other in ways[path[-1]] if steps[other] < steps[path[-1]]))
    return count[start], path


def simple_paths(ways, start, goal, limit=2):
    """How many simple paths there are, up to `limit`."""
    found, stack = 0, [(start, frozenset([start]))]
    while stack and found < limit:
        cell, seen = stack.pop()
        if cell == goal:
            found += 1
            continue
        stack += [(other, seen | {other}) for _, other in ways[cell] if other not in seen]
    return found


def test_everything_about_small_mazes_equals_a_plain_twin(kind):
    algorithm, options = kind
    made = mazes.generate(60, (4, 5), algorithm, seed=8, **options)
    start, goal, other = (random_cells(made, seed) for seed in (3, 4, 5))
    solved = made.solve(start, goal, on_impossible="mask")
    actions, filled = made.optimal_actions(goal), made.dead_end_filling(start, goal)
    squares, depth = made.decision_square(start, goal, other), made.lookahead(start, goal)
    label, parts = made.components()
    for i in range(len(made)):
        ways, s, g, o = plain(made, i), int(start[i]), int(goal[i]), int(other[i])
        count, path = shortest_paths(ways, s, g)
        assert bool(solved.unique[i]) == (count == 1) and bool(solved.sole[i]) == (simple_paths(ways, s, g) == 1)
        assert (solved.path(i)[:, 0] * 5 + solved.path(i)[:, 1]).tolist() == path
        assert solved.on_path()[i].flatten().nonzero().squeeze(1).tolist() == sorted(path)
        steps = steps_from(ways, g)
        for cell in ways:
            nearer = sum(1 << d for d, to in ways[cell] if cell in steps and steps[to] < steps[cell])
            assert int(actions[i].flatten()[cell]) == nearer
        assert filled[i].flatten().nonzero().squeeze(1).tolist() == filled_by_hand(ways, s, g)
        assert int(squares[i]) == decision_by_hand(ways, s, g, o)
        assert int(depth[i]) == lookahead_by_hand(ways, s, g)
        assert made.degrees()[i].flatten().tolist() == [len(ways[cell]) for cell in ways]
        labels = components_by_hand(ways)
        assert label[i].flatten().tolist() == labels and int(parts[i]) == max(labels) + 1


def filled_by_hand(ways, start, goal):
    left = set(ways)
    while True:
        ends = {c for c in left - {start, goal} if sum(other in left for _, other in ways[c]) <= 1}
        if not ends:
            return sorted(left)
        left -= ends


def decision_by_hand(ways, start, goal, other):
    a, b = shortest_paths(ways, start, goal)[1], shortest_paths(ways, start, other)[1]
    if not a or not b:
        return -1
    return [x for x, y in zip(a, b, strict=False) if x == y and a[: a.index(x)] == b[: b.index(y)]][-1]


def lookahead_by_hand(ways, start, goal):
    """From every shortest path to every cell, its first step."""
    steps = steps_from(ways, start)
    if goal not in steps:
        return -1
    to_goal = steps_from(ways, goal)
    right = {other for _, other in ways[start] if to_goal[other] < to_goal[start]}
    first = {start: set()}
    for cell in sorted(steps, key=steps.get)[1:]:
        before = [other for _, other in ways[cell] if steps[other] < steps[cell]]
        first[cell] = set().union(*({cell} if other == start else first[other] for other in before))
    wrong = [steps[cell] for cell in steps if cell != start and not first[cell] & right]
    return min(steps[goal], max(wrong, default=0))


def components_by_hand(ways):
    label = {}
    for cell in ways:
        if cell not in label:
            number = len(set(label.values()))
            label |= dict.fromkeys(steps_from(ways, cell), number)
    return [label[cell] for cell in ways]


def test_components_are_as_many_as_scipy_finds():
    made = mazes.generate(2000, (9, 12), "percolation", seed=2, p=0.45)
    label, parts = made.components()
    number, theirs = connected_components(graph_of(made), directed=False)
    assert int(parts.sum()) == number
    owner = np.arange(2000)[:, None, None] * 10_000 + label.numpy()
    assert len(np.unique(np.stack([owner.ravel(), theirs]), axis=1).T) == number  # one name each, both ways


def test_a_tree_has_one_path_which_dead_end_filling_leaves():
    made = mazes.generate(500, 20, "kruskal", seed=1)
    start, goal = made.endpoints(seed=1)
    solved = made.solve(start, goal)
    assert solved.unique.all() and solved.sole.all()
    assert torch.equal(made.dead_end_filling(start, goal), solved.on_path())
    order = breadth_first_order(graph_of(made[:1]), 0, directed=False, return_predecessors=False)
    assert len(order) == 400


def test_lookahead_of_hand_made_mazes():
    """A corridor of five: the wrong way ends after one step, or after three."""
    corridor = torch.zeros(1, 2, 2, 6, dtype=torch.bool)
    corridor[0, 1, 0, :5] = True
    made = Mazes.from_connections(corridor)
    for start, goal, expected in ((1, 5, 1), (3, 5, 2), (3, 4, 1), (0, 5, 0), (5, 5, 0), (2, 6, -1)):
        assert int(made.lookahead(start, goal)) == expected


@pytest.mark.parametrize("size", [(2, 2), (2, 256), (256, 2), (256, 256)])
def test_extreme_sizes_are_solved(size):
    made = mazes.generate(3, size, "wilson", seed=1)
    solved = made.solve((0, 0), (size[0] - 1, size[1] - 1))
    assert torch.equal(solved.length, made.distances((0, 0))[:, -1, -1])
    assert (made.distances((0, 0)) >= 0).all() and (made.components()[1] == 1).all()
    check_paths(made, solved)


def test_threads_change_nothing():
    made = mazes.generate(700, (9, 13), "percolation", seed=3, p=0.6)

    def everything(n):
        start, goal = made.endpoints(seed=1, on_impossible="mask", num_threads=n)
        solved = made.solve(start.clamp(min=0), goal.clamp(min=0), on_impossible="mask", num_threads=n)
        return [start, goal, solved.length, solved.unique, solved.cells, made.distances(5, num_threads=n),
                made.optimal_actions(5, num_threads=n), made.components(num_threads=n)[0]]  # fmt: skip

    for many in (2, 7):
        assert all(torch.equal(a, b) for a, b in zip(everything(1), everything(many), strict=True))


def test_bad_cells_are_named():
    made = mazes.generate(4, (5, 6), seed=0)
    cases = [
        (30, ValueError, "goal: got 30, allowed: 0 to 29"), ((5, 0), ValueError, "goal row: got 5"),
        ((0, 6), ValueError, "goal column: got 6"), ("a", TypeError, "goal"), (1.5, TypeError, "goal"),
        (True, TypeError, "goal"), (torch.zeros(4), TypeError, "goal: got dtype"), (torch.zeros(3).int(), ValueError, "shape"),
        (torch.tensor([0, 1, -1, 3]), ValueError, "goal: got -1 for maze 2"),
        (torch.tensor([[0, 0], [4, 5], [4, 6], [0, 0]]), ValueError, "goal column: got 6 for maze 2"),
    ]  # fmt: skip
    for goal, error, message in cases:
        with pytest.raises(error, match=message):
            made.distances(goal)
    with pytest.raises(ValueError, match="on_impossible"):
        made.solve(0, 1, on_impossible="ignore")


def test_cells_not_joined_are_refused_with_their_mazes_or_masked():
    made = mazes.generate(50, 6, "percolation", seed=4, p=0.4)
    apart = made.distances(0)[:, 5, 5] < 0
    with pytest.raises(ValueError, match=rf"{int(apart.sum())} mazes \({int(apart.nonzero()[0])}, "):
        made.solve(0, 35)
    solved = made.solve(0, 35, on_impossible="mask")
    assert torch.equal(solved.length < 0, apart) and not solved.unique[apart].any() and not solved.sole[apart].any()
    i = int(apart.nonzero()[0])
    assert len(solved.path(i)) == 0 and len(solved.directions(i)) == 0


def test_connections_come_back_and_those_that_leave_are_refused():
    made = mazes.generate(20, (7, 11), "percolation", seed=1, p=0.7)
    assert torch.equal(Mazes.from_connections(made.connections).packed, made.packed)
    assert torch.equal(Mazes.from_connections(made.connections.numpy()).packed, made.packed)
    for plane, r, c in ((0, 6, 0), (1, 0, 10)):
        bad = made.connections.clone()
        bad[13, plane, r, c] = True
        with pytest.raises(ValueError, match="leaves the lattice in maze 13"):
            Mazes.from_connections(bad)
    with pytest.raises(TypeError, match="dtype"):
        Mazes.from_connections(made.connections.int())
    with pytest.raises(ValueError, match="shape"):
        Mazes.from_connections(made.connections[0])


def test_bytes_that_are_no_mazes_are_refused():
    """A search over them would leave the lattice, and the memory it works in."""
    good = mazes.generate(20, (7, 11), "percolation", seed=1, p=0.7).packed
    assert torch.equal(Mazes(good, 11).packed, good)
    for plane, row, byte, bit in ((0, 6, 0, 0), (0, 2, 1, 3), (1, 0, 1, 2), (1, 3, 1, 7)):
        bad = good.clone()
        bad[13, plane, row, byte] |= 1 << bit
        with pytest.raises(ValueError, match=r"packed: got .* in maze 13"):
            Mazes(bad, 11)
    for bad, cols in ((good, 24), (good, 8), (good[0], 11), (good[:, :1], 11), (good[:, :, :1], 11)):
        with pytest.raises(ValueError, match=r"packed|size"):
            Mazes(bad, cols)
    with pytest.raises(TypeError, match=r"packed: got dtype torch\.int64"):
        Mazes(good.long(), 11)
    full = torch.full((3, 2, 4, 1), 255, dtype=torch.uint8)
    full[:, 0, -1] = 0
    full[:, 1] = 127
    assert (Mazes(full, 8).distances(0)[:, -1, -1] == 10).all()  # a row that fills its bytes has bits to spare in none
