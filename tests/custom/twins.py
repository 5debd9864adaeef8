"""The worlds in Python that these tests play: the example, Corridor-v0's twin; and one that uses everything else a world may."""

import importlib.util
from pathlib import Path

from mesasim import custom

EXAMPLE = Path(__file__).parents[2] / "examples" / "custom_world.py"
described = importlib.util.spec_from_file_location("custom_world", EXAMPLE)
example = importlib.util.module_from_spec(described)
described.loader.exec_module(example)

SIDE = 4
TILES = ("floor", "pit")


@custom.compiled
def wrapped(place, way, side):
    """The place one step further round, up (way 0) or right."""
    row, col = place // side, place % side
    if way == 0:
        row = (row + side - 1) % side
    else:
        col = (col + 1) % side
    return row * side + col


def describe(config):
    return custom.Description(
        state=[
            ("place", "u1"),
            ("worth", "f8"),
            ("visits", "i2", (SIDE, SIDE)),
            ("moves", "i4"),
            ("slips", "i4"),
            ("tired", "?"),
        ],
        observation=[
            custom.observed("map", "uint8", 0, 255, shape=(SIDE, SIDE)),
            custom.observed("tired", "bool", 0, 1),
            custom.observed("worth", "float32", -float("inf"), float("inf"), shape=(2,)),
        ],
        actions=["up", "right", "stay"],
        max_episode_steps=25,
    )


def reset(config, state, key):
    state.place = custom.below(key, custom.PLACEMENT, 0, SIDE * SIDE)
    state.worth = custom.normal(key, custom.TASK, 0) * config.spread
    state.visits[state.place // SIDE, state.place % SIDE] = 1


def step(config, state, action, key):
    slipped = custom.uniform(key, custom.STEP, state.moves) < config.slip
    state.moves += 1
    if slipped:
        state.slips += 1
        state.worth = custom.product(state.worth, 0.75) + 0.125
    elif action != 2:
        state.place = wrapped(state.place, action, SIDE)
    row, col = state.place // SIDE, state.place % SIDE
    state.visits[row, col] += 1
    state.tired = config.tires and state.slips > 2
    fallen = config.kind == 1 and row == 0 and col == 0
    return state.worth if state.visits[row, col] == 1 else -0.5, fallen, slipped


def observe(config, state, out):
    for row in range(SIDE):
        for col in range(SIDE):
            out.map[row, col] = state.visits[row, col]
    out.tired[0] = state.tired
    out.worth[0] = state.worth
    out.worth[1] = state.slips


def picture(config, state):
    return ["".join("A" if r * SIDE + c == state.place else "." for c in range(SIDE)) for r in range(SIDE)]


OPTIONS = [
    custom.choice("kind", TILES, "what the first place is; a pit ends the episode"),
    custom.real("slip", 0.25, 0, 1, "probability of not moving"),
    custom.real("spread", 1.5, 0, 10, "of what a new place is worth"),
    custom.flag("tires", True, "whether slips tire"),
]
RULES = {"describe": describe, "reset": reset, "step": step, "observe": observe}
custom.register(
    "Torus-v0", help="a torus walked at random", options=OPTIONS, picture=picture, colours={"A": (1, 2, 3)},
    variants=[{"kind": "pit"}, {"slip": 0.5, "tires": False}], **RULES,
)  # fmt: skip
