"""Maze-v0 against its rules written again in plain Python, then mazes, distances and laws checked from outside."""

from collections import Counter, deque
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

import mesasim
from mesasim import _core

# The rules, once more

LAYOUT, PLACEMENT = 2, 3  # purposes of draws
MASK32, MASK64 = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
MOVES = [(-1, 0), (0, 1), (1, 0), (0, -1)]  # up, right, down, left


def philox(counter, key):
    c, (k0, k1) = list(counter), key
    for _ in range(10):
        a, b = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [b >> 32 ^ c[1] ^ k0, b & MASK32, a >> 32 ^ c[3] ^ k1, a & MASK32]
        k0, k1 = (k0 + 0x9E3779B9) & MASK32, (k1 + 0xBB67AE85) & MASK32
    return c


class Draws:
    """Consecutive numbers of one (seed, slot, episode, purpose)."""

    def __init__(self, key, purpose):
        self.key, self.purpose, self.index, self.words = key, purpose, 0, []
        self.fraction, self.left = 0, 0

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

    def pick(self, n):
        """A choice among few: sixteen share a 64-bit fraction, each taking its leading digit in base n."""
        if self.left == 0:
            self.fraction, self.left = self.u64(), 16
        self.left -= 1
        product = self.fraction * n
        self.fraction = product & MASK64
        return product >> 64


def backtracker(size, draws):
    """Recursive backtracker: {cell: its open neighbours}."""
    start = divmod(draws.below(size * size), size)
    maze, path = {(r, c): set() for r in range(size) for c in range(size)}, [start]
    visited = {start}
    while path:
        row, col = path[-1]
        free = [
            (row + y, col + x) for y, x in MOVES if (row + y, col + x) in maze and (row + y, col + x) not in visited
        ]
        if not free:
            path.pop()
            continue
        chosen = free[draws.pick(len(free))]
        maze[row, col].add(chosen)
        maze[chosen].add((row, col))
        visited.add(chosen)
        path.append(chosen)
    return maze


def distances(maze, goal):
    steps, queue = {goal: 0}, deque([goal])
    while queue:
        cell = queue.popleft()
        for other in maze[cell]:
            if other not in steps:
                steps[other] = steps[cell] + 1
                queue.append(other)
    return steps


class PlainMaze:
    """One slot, one episode."""

    def __init__(self, options, key):
        self.o = {o.name: o.default for o in _core.spec("Maze-v0").options} | options
        size = self.o["size"]
        self.maze = backtracker(size, Draws(key, LAYOUT))
        draws, cells = Draws(key, PLACEMENT), list(self.maze)
        while True:
            self.goal = cells[draws.below(size * size)]
            self.steps_to_goal = distances(self.maze, self.goal)
            far = [cell for cell in cells if self.steps_to_goal[cell] >= self.o["min_distance"]]
            if far:
                self.start = far[draws.below(len(far))]
                break
        self.at, self.trial, self.trial_step, self.step_count = self.start, 0, 0, 0
        self.limit = (self.o["trial_steps"] or 4 * size * size) * self.o["trials"]

    def step(self, action):
        """reward, terminated, truncated, whether the next observation starts a trial"""
        target = (self.at[0] + MOVES[action][0], self.at[1] + MOVES[action][1])
        if target in self.maze[self.at]:
            self.at = target
        self.trial_step += 1
        self.step_count += 1
        reached = self.at == self.goal
        reward = self.o["step_reward"] + self.o["goal_reward"] * reached
        over = reached or self.trial_step == self.o["trial_steps"]
        if over:
            self.trial += 1
        terminated = self.trial == self.o["trials"]
        if over and not terminated:
            self.at, self.trial_step = self.start, 0
        return reward, terminated, not terminated and self.step_count == self.limit, over

    def view(self):
        size, side = self.o["size"], self.o["view"]
        tiles = np.zeros((2 * size + 1, 2 * size + 1), dtype=np.uint8)
        for row, col in self.maze:
            tiles[2 * row + 1, 2 * col + 1] = 1
            for other_row, other_col in self.maze[row, col]:
                tiles[row + other_row + 1, col + other_col + 1] = 1
        tiles[2 * self.goal[0] + 1, 2 * self.goal[1] + 1] = 2
        y, x = 2 * self.at[0] + 1, 2 * self.at[1] + 1
        if side == 0:
            tiles[y, x] = 3
            return tiles
        padded = np.pad(tiles, side)  # beyond the edge is wall
        y, x = y + side - side // 2, x + side - side // 2
        return padded[y : y + side, x : x + side]

    def optimal_actions(self):
        neighbours = [(self.at[0] + y, self.at[1] + x) for y, x in MOVES]
        here = self.steps_to_goal[self.at]
        return [cell in self.maze[self.at] and self.steps_to_goal[cell] < here for cell in neighbours]


VARIANTS = [
    *_core.spec("Maze-v0").variants,
    {"size": 3, "view": 0, "min_distance": 4},
    {"size": 7, "view": 7, "min_distance": 12, "trials": 2},
    {"size": 32, "view": 11},
    {"size": 33, "view": 13, "min_distance": 2},
    {"size": 40, "view": 0},
    {"size": 63, "view": 5, "min_distance": 124},
]


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_engine_follows_the_rules_at_every_step(options):
    small = options["size"] < 10
    for seed, first_slot in ((0, 0), (2**63 + 12345, 2**32 - 2)) if small else ((7, 3),):
        env = mesasim.make_vec(
            "Maze-v0", 2, first_slot=first_slot, oracle=True, history=True, output="numpy", **options
        )
        observation, info = env.reset(seed=seed)
        plain = [PlainMaze(options, (seed, first_slot + slot, 0)) for slot in range(2)]
        episodes, ended, begins = [0, 0], [False, False], [True, True]
        rng = np.random.default_rng(seed)
        for _ in range(300 if small else 60):
            for slot, maze in enumerate(plain):
                assert np.array_equal(observation["view"][slot], maze.view())
                assert info["goal_distance"][slot, 0] == maze.steps_to_goal[maze.at]
                assert info["optimal_actions"][slot].tolist() == maze.optimal_actions()
                assert observation["trial_start"][slot, 0] == begins[slot]
            actions = rng.integers(4, size=2)
            guided = rng.random(2) < 0.6  # often enough the way to the goal, so that trials end
            actions = np.where(guided, info["optimal_actions"].argmax(axis=1), actions)
            observation, reward, terminated, truncated, info = env.step(actions)
            for slot in range(2):
                if ended[slot]:
                    episodes[slot] += 1
                    plain[slot] = PlainMaze(options, (seed, first_slot + slot, episodes[slot]))
                    expected = (0.0, False, False, True)
                else:
                    expected = plain[slot].step(int(actions[slot]))
                assert (reward[slot], terminated[slot], truncated[slot]) == (np.float32(expected[0]), *expected[1:3])
                begins[slot], ended[slot] = expected[3], expected[1] or expected[2]
        assert not small or min(episodes) > 0


# Mazes seen from outside


def drawn(num_envs, size, seed=0, **options):
    env = mesasim.make_vec("Maze-v0", num_envs, size=size, view=0, oracle=True, output="numpy", **options)
    tiles, info = env.reset(seed=seed)
    return tiles, info


def open_sides(tiles):
    """[N, size, size, 4]: whether one can go up, right, down, left from each cell."""
    floor = np.pad(tiles != 0, ((0, 0), (1, 1), (1, 1)))
    size = tiles.shape[1] // 2
    return np.stack([floor[:, 2 + y : 2 + y + 2 * size : 2, 2 + x : 2 + x + 2 * size : 2] for y, x in MOVES], axis=-1)


def flood(sides, begin):
    """Distances [N, size, size] from the cells marked in `begin`; -1 where there is no way."""
    reached, steps = begin.copy(), np.where(begin, 0, -1)
    for wave in range(1, begin[0].size):
        grown = np.zeros_like(reached)
        for direction, (y, x) in enumerate(MOVES):
            grown |= np.roll(reached & sides[..., direction], (y, x), axis=(1, 2))
        grown &= ~reached
        if not grown.any():
            break
        steps[grown] = wave
        reached |= grown
    return steps


@pytest.mark.parametrize(
    ("size", "num_envs"), [(3, 3000), (4, 2000), (8, 1000), (15, 300), (31, 30), (32, 30), (64, 10)]
)
def test_every_maze_is_a_spanning_tree(size, num_envs):
    tiles, _ = drawn(num_envs, size)
    assert (tiles[:, 1::2, 1::2] != 0).all(), "a cell is floor"
    assert (tiles[:, ::2, ::2] == 0).all(), "between four cells there is wall"
    assert (tiles[:, [0, -1]] == 0).all() and (tiles[:, :, [0, -1]] == 0).all(), "the edge is wall"
    sides = open_sides(tiles)
    assert (sides.sum(axis=(1, 2, 3)) == 2 * (size * size - 1)).all()
    corner = np.zeros((num_envs, size, size), dtype=bool)
    corner[:, 0, 0] = True
    assert (flood(sides, corner) >= 0).all()


@pytest.mark.parametrize(("size", "min_distance"), [(3, 1), (5, 7), (12, 1), (20, 38)])
def test_oracle_equals_breadth_first_search(size, min_distance):
    tiles, info = drawn(300, size, seed=3, min_distance=min_distance)
    sides, cells = open_sides(tiles), tiles[:, 1::2, 1::2]
    steps = flood(sides, cells == 2)
    agent = cells == 3
    assert np.array_equal(steps[agent], info["goal_distance"][:, 0])
    assert (info["goal_distance"] >= min_distance).all()
    better = [np.roll(steps, (-y, -x), axis=(1, 2)) < steps for y, x in MOVES]
    assert np.array_equal((np.stack(better, axis=-1) & sides)[agent], info["optimal_actions"])
    assert (info["optimal_actions"].sum(axis=1) == 1).all()  # in a tree there is one way


def test_start_and_goal_are_uniform_over_pairs_of_cells():
    tiles, _ = drawn(72_000, 3, seed=5)
    cells = tiles[:, 1::2, 1::2].reshape(-1, 9)
    pairs = (cells == 3).argmax(axis=1) * 9 + (cells == 2).argmax(axis=1)
    counts = np.bincount(pairs, minlength=81)
    assert (counts[::10] == 0).all()  # never the same cell
    seen = counts[[p for p in range(81) if p % 10]]
    assert stats.chisquare(seen).pvalue > 0.001


def test_far_start_is_uniform_over_the_cells_far_enough():
    tiles, _info = drawn(40_000, 3, seed=6, min_distance=3)
    cells = tiles[:, 1::2, 1::2]
    steps = flood(open_sides(tiles), cells == 2).reshape(-1, 9)
    far = steps >= 3
    rank = (far.cumsum(axis=1) - 1)[(cells == 3).reshape(-1, 9)]
    for choices in range(2, 7):
        some = far.sum(axis=1) == choices
        assert stats.chisquare(np.bincount(rank[some], minlength=choices)).pvalue > 0.001


# The recursive backtracker's exact law on 3 x 3

SIDE = 3
CELLS = [(r, c) for r in range(SIDE) for c in range(SIDE)]
EDGES = [(a, (a[0] + y, a[1] + x)) for y, x in ((0, 1), (1, 0)) for a in CELLS if (a[0] + y, a[1] + x) in CELLS]


def exact_law(starts):
    """{maze as a set of edges: its probability}, by following every choice from every start."""
    law = Counter()

    def follow(path, visited, edges, probability):
        while path:
            row, col = path[-1]
            free = [c for c in ((row + y, col + x) for y, x in MOVES) if c in CELLS and c not in visited]
            if free:
                for cell in free:
                    edge = tuple(sorted(((row, col), cell)))
                    follow((*path, cell), visited | {cell}, edges | {edge}, probability / len(free))
                return
            path = path[:-1]
        law[edges] += probability

    for start in starts:
        follow((start,), frozenset([start]), frozenset(), Fraction(1, len(starts)))
    return law


def law_p_value(tiles, law):
    """Chi-square of drawn mazes against a law; 0 if a maze came that the law forbids."""
    middles = [(a[0] + b[0] + 1, a[1] + b[1] + 1) for a, b in EDGES]
    bits = np.stack([tiles[:, y, x] != 0 for y, x in middles], axis=1) @ (1 << np.arange(len(EDGES)))
    number = {maze: sum(1 << EDGES.index(edge) for edge in maze) for maze in law}
    counts = np.bincount(bits, minlength=1 << len(EDGES))
    observed = np.array([counts[number[maze]] for maze in law])
    if observed.sum() != len(tiles):
        return 0.0
    return stats.chisquare(observed, [float(p) * len(tiles) for p in law.values()]).pvalue


def test_backtracker_has_its_exact_law_on_3_by_3():
    law = exact_law(CELLS)
    assert sum(law.values()) == 1
    tiles, _ = drawn(80_000, SIDE, seed=2)
    assert law_p_value(tiles, law) > 0.001


def test_planted_defects_of_the_law_are_seen():
    """Starts from a corner alone; all reachable mazes alike; never a start in the middle."""
    tiles, _ = drawn(80_000, SIDE, seed=2)
    law = exact_law(CELLS)
    assert law_p_value(tiles, exact_law([(0, 0)])) < 1e-6
    assert law_p_value(tiles, dict.fromkeys(law, Fraction(1, len(law)))) < 1e-6
    no_middle = exact_law([cell for cell in CELLS if cell != (1, 1)])
    assert law_p_value(tiles, no_middle) < 1e-6


# Cases worked by hand


def single(**options):
    return mesasim.make_vec("Maze-v0", 1, oracle=True, output="numpy", **options)


def test_walls_stop_the_agent_and_the_step_counts():
    env = single(size=4, view=0, step_reward=-0.5, goal_reward=0.0)
    tiles, _ = env.reset(seed=0)
    closed = int(np.flatnonzero(~open_sides(tiles)[tiles[:, 1::2, 1::2] == 3][0])[0])
    after, reward, *_ = env.step([closed])
    assert np.array_equal(after, tiles) and reward[0] == -0.5


def test_following_the_oracle_takes_goal_distance_steps_and_ends_at_the_goal():
    env = single(size=9, min_distance=16, goal_reward=2.0, step_reward=-0.125, autoreset_mode="Disabled")
    _, info = env.reset(seed=1)
    distance, total, terminated = int(info["goal_distance"][0, 0]), 0.0, [False]
    for step in range(distance):
        assert not terminated[0] and info["goal_distance"][0, 0] == distance - step
        _, reward, terminated, _, info = env.step(info["optimal_actions"].argmax(axis=1))
        total += float(reward[0])
    assert terminated[0] and total == 2.0 - 0.125 * distance
    assert info["goal_distance"][0, 0] == 0 and not info["optimal_actions"].any()


def test_trials_start_again_in_the_same_maze_and_a_trial_ends_without_the_goal():
    env = single(size=5, view=0, trials=3, trial_steps=7, min_distance=8)
    first, info = env.reset(seed=4)
    away = [int(np.flatnonzero(~info["optimal_actions"][0])[0])]
    seen = [env.step(away) for _ in range(7)]
    assert not any(result[1][0] or result[2][0] for result in seen)
    assert np.array_equal(seen[-1][0], first)  # back at the start
    for _ in range(13):
        result = env.step(away)
    assert not result[2][0]
    *_, terminated, truncated, _ = env.step(away)
    assert terminated[0] and not truncated[0]
