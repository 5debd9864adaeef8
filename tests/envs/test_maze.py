"""Maze-v0 against its rules written again in plain Python, then mazes and distances checked from outside. How mazes are
laid out has tests of its own (tests/mazes)."""

from collections import deque

import numpy as np
import pytest
from plain.draws import PLACEMENT, STEP, TASK, Draws
from scipy import stats

import mesasim
from mesasim import _core, mazes

# The rules, once more

MASK64 = 0xFFFFFFFFFFFFFFFF
MOVES = [(-1, 0), (0, 1), (1, 0), (0, -1)]  # up, right, down, left
DEFAULTS = {option.name: option.default for option in _core.spec("Maze-v0").options}


class PlainMaze:
    """One episode."""

    def __init__(self, options, key):
        self.o, self.key = {**DEFAULTS, **options}, key
        o, n = self.o, self.o["size"]
        self.n, self.cells = n, [(r, c) for r in range(n) for c in range(n)]
        self.count = o["objects"]
        self.colours = o["colours"] or list(range(self.count))
        self.shapes = o["shapes"] or [0] * self.count
        self.places = o["places"] or ["anywhere"] * self.count
        self.rewards = o["rewards"] or [1.0] * self.count
        tree = not (o["braid"] or o["accessible_cells"] or o["max_tree_depth"]) and "percolation" not in o["algorithm"]
        special = (
            "relayout",
            "cue",
            "noop",
            "rays",
            "door",
            "thinking_steps",
            "slip",
            "teleport_step",
            "colours",
            "shapes",
        )
        self.plain = (
            self.count == 1 and self.places == ["anywhere"] and o["objective"] == "given" and o["ends"] in ("goal", "any")
            and self.rewards == [1.0] and o["moves"] == "compass" and o["routes"] == 1 and o["forks"] and tree
            and not any(o[name] for name in special)
        )  # fmt: skip
        self.facing, self.trial, self.trial_step, self.steps, self.placings = o["moves"] == "facing", 0, 0, 0, 0
        self.limit = (o["trial_steps"] or 4 * n * n) * o["trials"] + o["thinking_steps"]
        self.heading = 0
        self.draw_objective(0)
        self.begin_task()

    # What an episode is about

    def draw_objective(self, drawing):
        draws, kind = Draws(self.key, TASK, 16 * drawing), self.o["objective"]
        value = [np.float32(v) for v in self.rewards]
        if kind == "permuted":
            for k in range(self.count - 1, 0, -1):
                other = draws.below(k + 1)
                value[k], value[other] = value[other], value[k]
        elif kind == "one":
            chosen = draws.below(self.count)
            value = [v if k == chosen else np.float32(0) for k, v in enumerate(value)]
        elif kind == "signs":
            value = [-v if draws.below(2) else v for v in value]
        elif kind == "uniform":
            value = [np.float32(v * (2 * draws.uniform() - 1)) for v in self.rewards]
        self.value = value

    def begin_task(self):
        seed, slot, episode = self.key
        trial = self.trial if self.o["relayout"] else 0
        names = [option.name for option in mazes.algorithms()[self.o["algorithm"]][1] if option.name in self.o]
        made = mazes.generate(
            1, self.n, self.o["algorithm"], seed=seed ^ (trial * 0x9E3779B97F4A7C15 & MASK64), first=episode << 32 | slot,
            **{name: self.o[name] for name in names},
        )  # fmt: skip
        down, right = made.connections[0].numpy()
        self.open = {cell: set() for cell in self.cells}
        for r, c in self.cells:
            for joined, other in ((down[r, c], (r + 1, c)), (right[r, c], (r, c + 1))):
                if joined:
                    self.join((r, c), other)
        self.door = self.key_at = None
        self.place_plainly() if self.plain else self.place()
        self.visited = {self.at}
        self.first = list(self.objects), self.door, self.key_at, self.heading

    def join(self, a, b):
        self.open[a].add(b)
        self.open[b].add(a)

    def steps_from(self, source, walls=()):
        found, queue = {source: 0}, deque([source])
        while queue:
            cell = queue.popleft()
            for r, c in ((cell[0] + y, cell[1] + x) for y, x in MOVES):
                if (r, c) in self.open[cell] and (r, c) not in found and (r, c) not in walls:
                    found[r, c] = found[cell] + 1
                    queue.append((r, c))
        return found

    def place_plainly(self):
        draws, n = Draws(self.key, PLACEMENT), self.n * self.n
        if self.o["min_distance"] == 1:
            goal, other = draws.below(n), draws.below(n - 1)
            start = self.cells[other + (other >= goal)]
        else:
            while True:
                goal = draws.below(n)
                steps = self.steps_from(self.cells[goal])
                far = [cell for cell, d in steps.items() if d >= self.o["min_distance"]]
                if far:
                    start = far[draws.below(len(far))]  # nearest first, of one distance as they were reached
                    break
        self.at = self.start = start
        self.objects = [self.cells[goal]]

    def inside(self):
        """The largest component, the first of several."""
        best, seen = {}, set()
        for cell in self.cells:
            if cell not in seen:
                part = self.steps_from(cell)
                seen |= set(part)
                best = part if len(part) > len(best) else best
        return set(best)

    @staticmethod
    def pick(draws, cells):
        return cells[draws.below(len(cells))] if cells else None

    def place_object(self, k, draws, inside, taken):
        rule = self.places[k]
        free = [cell for cell in self.cells if cell in inside and cell not in taken]
        cell = None
        if rule == "fixed":
            fixed = self.cells[self.o["cells"][k]]
            cell = None if fixed in taken else fixed
        else:
            fits = {
                "anywhere": lambda cell: True,
                "corner": lambda cell: cell[0] < self.o["region"] and cell[1] >= self.n - self.o["region"],
                "dead_ends": lambda cell: len(self.open[cell]) == 1,
            }[rule]
            cell = self.pick(draws, [c for c in free if fits(c)])
        cell = cell or self.pick(draws, free)
        if cell:
            taken.add(cell)
        return cell

    def placing(self):
        self.placings += 1
        return Draws(self.key, PLACEMENT, 64 * (self.placings - 1))

    def place_objects(self, draws, inside, taken, which=None):
        found = dict.fromkeys(range(self.count))
        for k in sorted(range(self.count) if which is None else which, key=lambda k: self.places[k] != "fixed"):
            found[k] = self.place_object(k, draws, inside, taken)
        self.objects = [found[k] for k in range(self.count)]

    def place(self):
        draws, inside, taken = self.placing(), self.inside(), set()
        self.place_objects(draws, inside, taken)
        steps = self.steps_from(self.objects[0] or (0, 0))
        free = [cell for cell in self.cells if cell in inside and cell not in taken]
        farthest = max((steps.get(cell, -1) for cell in free), default=-1)
        least = min(self.o["min_distance"], farthest)
        self.at = self.start = self.pick(draws, [c for c in free if steps.get(c, -1) >= least]) or (0, 0)
        if self.facing:
            self.heading = draws.below(4)
        if self.o["routes"] == 2 and steps[self.start] > 0:
            self.open_second_route(draws, self.path(steps))
        if self.o["door"]:
            self.place_door(draws, self.path(steps), taken | {self.start})

    def path(self, steps):
        path = [self.start]
        while steps[path[-1]]:
            path.append(next(c for c in self.open[path[-1]] if steps[c] < steps[path[-1]]))
        return path

    def open_second_route(self, draws, path):
        hangs = {c: k for k, cell in enumerate(path) for c in self.steps_from(cell, set(path) - {cell})}
        walls = []
        for r, c in self.cells:
            for other in ((r + 1, c), (r, c + 1)):
                if other in self.open and other not in self.open[r, c] and hangs[r, c] != hangs[other]:
                    walls.append(((r, c), other))
        if walls:
            self.join(*self.pick(draws, walls))

    def place_door(self, draws, path, taken):
        door = self.pick(draws, sorted(cell for cell in path[2:-1] if cell not in taken))
        if door:
            side = self.steps_from(self.start, {door})
            key_at = self.pick(draws, sorted(cell for cell in side if cell not in taken))
            if key_at:
                self.door, self.key_at = door, key_at

    # A step

    def can_go(self, d):
        there = (self.at[0] + MOVES[d][0], self.at[1] + MOVES[d][1])
        return there in self.open[self.at] and there != self.door

    def go(self, d):
        if self.can_go(d):
            self.at = (self.at[0] + MOVES[d][0], self.at[1] + MOVES[d][1])

    def move(self, action):
        moves = 3 if self.facing else 4
        if self.o["slip"]:
            draws = Draws(self.key, STEP, self.steps)
            if draws.u32() < int(self.o["slip"] * 2**32 + 0.5):
                action = draws.u32() * moves >> 32
        if action >= moves:
            return
        if not self.facing:
            self.go(action)
        elif action == 0:
            self.go(self.heading)
        else:
            self.heading = (self.heading + (3 if action == 1 else 1)) % 4

    def step(self, action):
        """(reward, terminated, truncated, whether a trial starts)."""
        o = self.o
        self.steps += 1
        if o["swap_step"] and self.steps == o["swap_step"] and not self.plain:
            self.draw_objective(1)
        if self.steps <= o["thinking_steps"]:
            return 0.0, False, self.steps == self.limit, False
        self.trial_step += 1
        self.move(action)
        self.visited.add(self.at)
        if self.at == self.key_at:
            self.door = self.key_at = None
        reward, over = o["step_reward"], self.trial_step == o["trial_steps"]
        if self.at in self.objects:
            k = self.objects.index(self.at)
            reward += o["goal_reward"] * float(self.value[k])
            over |= o["ends"] == "any" or (o["ends"] == "goal" and (self.value[k] > 0 or self.plain))
            if o["ends"] == "collect":
                self.objects[k] = None
            elif o["ends"] == "never":
                taken = {self.at, self.door, self.key_at, *self.objects}
                self.objects[k] = self.place_object(k, self.placing(), self.inside(), taken)
        if o["ends"] == "collect":
            over |= not any(cell and v > 0 for cell, v in zip(self.objects, self.value, strict=True))
        if not over and o["teleport_step"] and self.trial_step == o["teleport_step"]:
            left = [k for k, cell in enumerate(self.objects) if cell]
            self.place_objects(self.placing(), self.inside(), {self.at, self.door, self.key_at}, left)
        if over:
            self.trial += 1
        terminated = self.trial == o["trials"]
        if over and not terminated:
            self.next_trial()
        return reward, terminated, not terminated and self.steps == self.limit, over

    def next_trial(self):
        self.trial_step = 0
        if self.o["relayout"]:
            self.begin_task()
        else:
            self.objects, self.door, self.key_at, self.heading = list(self.first[0]), *self.first[1:]
        self.at, self.visited = self.start, {self.start}

    # What is seen

    def tiles(self):
        n = self.n
        kind, colour, shape = (np.zeros((2 * n + 1, 2 * n + 1), dtype=np.uint8) for _ in range(3))
        for row, col in self.cells:
            kind[2 * row + 1, 2 * col + 1] = 1
            for other_row, other_col in self.open[row, col]:
                kind[row + other_row + 1, col + other_col + 1] = 1
        for k, cell in enumerate(self.objects):
            if cell:
                at = 2 * cell[0] + 1, 2 * cell[1] + 1
                kind[at], colour[at], shape[at] = 2, 1 + self.colours[k], 1 + self.shapes[k]
        for cell, its in ((self.door, 4), (self.key_at, 5)):
            if cell:
                kind[2 * cell[0] + 1, 2 * cell[1] + 1] = its
        return kind, colour, shape

    def seen(self):
        """{field: what it shows}."""
        found = {}
        y, x, side = 2 * self.at[0] + 1, 2 * self.at[1] + 1, self.o["view"]
        if self.o["rays"]:
            found["rays"], found["ray_object"] = self.rays()
        else:
            kind, colour, shape = self.tiles()
            if side == 0:
                kind[y, x] = 3
                if self.facing:
                    found["heading"] = [self.heading]
            else:
                y, x = y + side - side // 2, x + side - side // 2
                kind, colour, shape = (  # beyond the edge is wall; ahead is up
                    np.rot90(np.pad(t, side)[y : y + side, x : x + side], self.heading if self.facing else 0)
                    for t in (kind, colour, shape)
                )
            found["view"] = kind
            if self.count > 1 or self.o["colours"] or self.o["shapes"]:
                found |= {"colour": colour, "shape": shape}
        if self.o["cue"]:
            found["cue"] = self.value
        return found

    def rays(self):
        lengths, first = [], []
        for ray in range(4):
            d, cell, objects = (ray + self.heading * self.facing) % 4, self.at, []
            there, length = self.ahead(cell, d), 0
            while there:
                cell, length = there, length + 1
                objects += [k + 1 for k, its in enumerate(self.objects) if its == cell]
                there = self.ahead(cell, d)
            lengths.append(length)
            first.append(objects[0] if objects else 0)
        return lengths, first

    def ahead(self, cell, d):
        there = (cell[0] + MOVES[d][0], cell[1] + MOVES[d][1])
        return there if there in self.open[cell] and there != self.door else None

    # What the oracle knows

    def targets(self):
        """[(cell, actions to go from there on, cells not to be passed)]."""
        o, here = self.o, [(k, cell) for k, cell in enumerate(self.objects) if cell]
        if o["ends"] == "collect":
            wanted = [cell for k, cell in here if self.value[k] > 0]
            return [(cell, self.route(cell, [c for c in wanted if c != cell]), set()) for cell in wanted]
        ending = {
            cell
            for k, cell in here
            if o["ends"] == "any" or (o["ends"] == "goal" and (self.value[k] > 0 or self.plain))
        }
        reached = []
        for k, cell in here:
            walls = ending - {cell, self.at}
            if cell in self.steps_from(self.at, walls):
                reached.append((self.value[k], cell, ending - {cell}))
        most = max((value for value, _, _ in reached), default=None)
        if o["ends"] != "any" and (most is None or most <= 0) and not self.plain:
            return []
        return [(cell, 0, walls) for value, cell, walls in reached if value == most]

    def route(self, cell, rest):
        """Fewest steps from a cell through all of `rest`."""
        steps = self.steps_from(cell)
        return min((steps[c] + self.route(c, [x for x in rest if x != c]) for c in rest), default=0)

    def moves_from(self, cell, heading):
        """[(action, cell, heading)] of every move."""
        if not self.facing:
            found = [(d, self.ahead(cell, d), 0) for d in range(4)]
        else:
            found = [
                (0, self.ahead(cell, heading), heading),
                (1, cell, (heading + 3) % 4),
                (2, cell, (heading + 1) % 4),
            ]
        return [move for move in found if move[1]]

    def search(self, cell, heading, target, walls):
        """Fewest actions to a cell, walls not passed; None if there is no way."""
        found, queue = {(cell, heading): 0}, deque([(cell, heading)])
        while queue:
            state = queue.popleft()
            if state[0] == target:
                return found[state]
            if state[0] in walls and state[0] != cell:
                continue
            for _, there, h in self.moves_from(*state):
                if (there, h) not in found:
                    found[there, h] = found[state] + 1
                    queue.append((there, h))
        return None

    def to_go(self, cell, heading, targets):
        """Fewest actions to the end of the best way; None if there is none. A closed door asks for the key first."""
        ways = [(self.search(cell, heading, target, walls), rest) for target, rest, walls in targets]
        ways = [steps + rest for steps, rest in ways if steps is not None]
        if ways or not self.door:
            return min(ways, default=None)
        to_key = self.search(cell, heading, self.key_at, set())
        if to_key is None:
            return None
        door, self.door = self.door, None
        beyond = [self.to_go(self.key_at, h, targets) for h in (range(4) if self.facing else [0])]
        self.door = door
        return to_key + min(b for b in beyond if b is not None)

    def oracle(self):
        """(actions to go, which actions shorten the way)."""
        door, self.door = self.door, None  # what is worth reaching is chosen as if it were open
        targets = self.targets()
        self.door = door
        now = self.to_go(self.at, self.heading, targets)
        count = (3 if self.facing else 4) + self.o["noop"]
        shorten = [False] * count
        for action, cell, heading in self.moves_from(self.at, self.heading) if now is not None else []:
            after = self.to_go(cell, heading, targets)
            shorten[action] = after is not None and after < now
        return (-1 if now is None else now), shorten


VARIANTS = [
    *_core.spec("Maze-v0").variants,
    {"size": 3, "view": 0, "min_distance": 4},
    {"size": 7, "view": 7, "min_distance": 12, "trials": 2},
    {"size": 32, "view": 11},
    {"size": 33, "view": 13, "min_distance": 2},
    {"size": 40, "view": 0},
    {"size": 63, "view": 5, "min_distance": 124},
    {"size": 5, "objects": 8, "ends": "never", "cue": True, "objective": "permuted", "rewards": [1, 2, 3, 4, 5, 6, -7, 0],
     "colours": [0, 0, 1, 1, 2, 2, 3, 3], "shapes": [0, 1, 2, 3, 0, 1, 2, 3], "trial_steps": 50},
    {"size": 4, "objects": 3, "ends": "collect", "step_reward": -0.25, "view": 9, "trials": 3, "algorithm": "wilson"},
    {"size": 5, "objects": 2, "ends": "goal", "rewards": [1.0, -1.0], "objective": "permuted", "swap_step": 5, "cue": True,
     "view": 0, "moves": "facing"},
    {"size": 6, "door": True, "noop": True, "trials": 2, "trial_steps": 60, "algorithm": "prim_edge", "min_distance": 5},
    {"size": 5, "routes": 2, "trials": 2, "relayout": True, "trial_steps": 40, "slip": 0.5, "min_distance": 4},
    {"size": 4, "algorithm": "percolation", "p": 0.35, "objects": 6, "ends": "any", "objective": "one", "teleport_step": 3},
    {"size": 5, "algorithm": "depth_first", "accessible_cells": 4, "objects": 5, "ends": "collect"},
    {"size": 7, "places": ["corner"], "region": 2, "thinking_steps": 4, "branching": 0.5, "view": 3, "moves": "facing"},
]  # fmt: skip


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
        for _ in range(300 if small else 40):
            for slot, maze in enumerate(plain):
                check(maze, {n: f[slot] for n, f in observation.items()}, {n: f[slot] for n, f in info.items()})
                assert observation["trial_start"][slot, 0] == begins[slot]
            actions = rng.integers(len(env.world_spec.actions), size=2)
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


def check(maze, seen, known):
    """A slot's observation and oracle against the plain maze's."""
    expected = maze.seen()
    assert set(expected) == set(seen) - {"previous_action", "previous_reward", "trial_start"}
    for name, value in expected.items():
        assert np.array_equal(seen[name], value), name
    to_go, shorten = maze.oracle()
    assert known["goal_distance"][0] == to_go
    assert known["optimal_actions"].tolist() == shorten
    if maze.plain:
        assert {name for name in known if name[0] != "_"} == {"goal_distance", "optimal_actions"}
        return
    steps = maze.steps_from(maze.at)
    assert known["object_distances"].tolist() == [steps.get(cell, -1) for cell in maze.objects]
    assert {maze.cells[k] for k in np.flatnonzero(known["visited"])} == maze.visited
    path = {maze.cells[k] for k in np.flatnonzero(known["on_path"])}
    assert maze.at in path and (maze.facing or to_go < 0 or len(path) <= to_go + 1)


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
