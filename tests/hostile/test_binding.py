"""What the engine's module refuses whoever calls it. A wrong address it cannot know; sizes, counts, codes and bytes it can."""

import pytest

import mesasim
from fuzz.targets import arguments
from mesasim import _core

ONE = _core.Machine(num_threads=1)
TOURS = {
    "points": 8,
    "given": 0,
    "n": 4,
    "seed": 0,
    "number": 8,
    "order": 8,
    "length": 8,
    "count": 1,
    "start": 0,
    "machine": ONE,
}

PLANNER = {  # reads the whole grid
    "kind": 7, "relayout": False, "depth": 1, "region": 1, "seed": 1, "count": 1, "view": 8, "trial_start": 0, "memory": 8,
    "action": 8, "machine": ONE,
}  # fmt: skip


def native_names():
    """Every function of the module and every method of its classes."""
    families = [f"curriculum.{name}" for name in ("subset_sum", "knapsack", "satisfiability", "colouring")]
    for name, value in vars(_core).items():
        if isinstance(value, type):
            yield name
            yield from (
                f"{name}.{m}" for m, method in vars(value).items() if callable(method) and not m.startswith("_")
            )
        elif callable(value):
            yield name
    for family in families:
        module = getattr(_core.curriculum, family.split(".")[1])
        yield from (f"{family}.{name}" for name, value in vars(module).items() if callable(value))


def test_every_native_function_is_fuzzed_or_known_to_take_addresses():
    of_addresses = arguments.OF_ADDRESSES | arguments.OF_ADDRESSES_IN_CLASSES
    missing = []
    for name in native_names():
        short = f"curriculum.{name.rsplit('.', 1)[1]}" if name.startswith("curriculum.") else name
        if name not in arguments.NATIVE and short not in of_addresses and name not in EMULATOR_ONLY:
            missing.append(name)
    assert missing == []


EMULATOR_ONLY = {"run_planted", "current_device", "use_device"}


@pytest.mark.parametrize("name", arguments.NATIVE)
def test_every_native_function_answers_when_it_is_called_as_it_should_be(name):
    """Else the fuzzer would only ever see the refusal of its template."""
    function, right = arguments.NATIVE[name]
    given = dict(right)
    places = [given.pop(key) for key in sorted(key for key in given if isinstance(key, int))]
    if name == "Vector.step":
        pytest.skip("needs memory, which a bound vector has")
    function(*places, **given)


@pytest.mark.parametrize("name", arguments.DOORS)
def test_every_door_answers_when_it_is_called_as_it_should_be(name):
    function, right = arguments.DOORS[name]
    function(**right)


def test_a_vector_without_memory_is_not_stepped():
    vector = _core.Vector("Bandit-v0", {}, num_envs=2)
    for call in (vector.step, vector.reset):
        with pytest.raises(RuntimeError, match="no memory: call bind first"):
            call()
    with pytest.raises(ValueError, match="got address 0"):
        vector.bind([0] * len(vector.buffers()))


def test_a_picture_is_made_of_a_slots_bytes_and_no_others():
    env = mesasim.make_vec("Maze-v0", 2, size=4)
    env.reset(seed=1)
    state = env.buffers.group["core"]["state"][0].numpy().tobytes()
    assert env._native.picture(state)
    for bad in (b"", state[:-1], state + b"\0", bytes(len(state)), b"\xff" * len(state)):
        with pytest.raises(ValueError, match=r"^state: got .*allowed: "):
            env._native.picture(bad)


@pytest.mark.parametrize("num_threads", [0, -1, 1025, 2**31 - 1])
def test_a_machine_has_1_to_1024_threads(num_threads):
    with pytest.raises(ValueError, match=r"^num_threads: got .*allowed: 1 to 1024"):
        _core.Machine(num_threads=num_threads)


def test_counts_sizes_and_codes_are_refused_before_an_address_is_looked_at():
    size = _core.ProblemSize(n=10**6)
    calls = {
        "count": lambda: _core.maze_degrees(8, 4, 4, -1, [8], ONE),
        "rows": lambda: _core.maze_distances(8, 257, 4, 1, [8, 8], ONE),
        "cols": lambda: _core.generate_mazes("kruskal", {}, 4, -4, 0, 0, 1, 8, ONE),
        "n": lambda: _core.curriculum.knapsack.solve(
            size=size, node_limit=1, count=1, arrays=[8] * 3, found=[8] * 5, num_threads=1
        ),
        "method": lambda: _core.construct_tours(**TOURS, metric=0, method=99),
        "metric": lambda: _core.construct_tours(**TOURS, metric=9, method=0),
        "length": lambda: _core.SequenceLaw({"process": "coin"}).filter_weights(2**62),
        "side": lambda: _core.maze_agents_act(**PLANNER, size=7, side=5),
        "a": lambda: _core.beta_draws(float("nan"), 1.0, 0, 1),
    }
    for name, call in calls.items():
        with pytest.raises(ValueError, match=rf"^{name}: got .*allowed: "):
            call()


LOSS = {
    "steps": 2, "slots": 3, "chosen": 2, "actions": 4, "clip": 0.2, "value_weight": 0.5, "horizon": 1.0, "entropy_weight": 0.0,
}  # fmt: skip


@pytest.mark.parametrize(
    "changed",
    [{"steps": -5}, {"slots": 0}, {"chosen": 2**62}, {"actions": -3}, {"clip": float("nan")}, {"horizon": 0.0}],
)
def test_a_loss_is_of_samples_that_can_be(changed):
    assert _core.PPOLossSettings(**LOSS)
    with pytest.raises(ValueError, match=next(iter(changed))):
        _core.PPOLossSettings(**LOSS | changed)


@pytest.mark.parametrize("num_threads", [0, -1, 100_000])
def test_a_layer_is_run_by_1_to_1024_threads(num_threads):
    nothing = _core.LayerShape(0, 0, 1, 1, False)
    _core.run_layer(False, nothing, (0,) * 10, 1)
    with pytest.raises(ValueError, match="num_threads"):
        _core.run_layer(False, nothing, (0,) * 10, num_threads)
    with pytest.raises(IndexError):
        _core.run_layer(False, nothing, (0,) * 9, 1)


def test_a_list_that_holds_itself_is_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(TypeError, match="no list in a list"):
        _core.spec("Bandit-v0", {"arms": endless})
