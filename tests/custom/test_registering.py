"""What cannot be a world is refused at the door, by name."""

import random
from pathlib import Path

import gymnasium
import numba
import numpy as np
import pytest
from test_contract import run_python

import mesasim
from mesasim import custom
from mesasim.engines import ADDED
from mesasim.spec import known_ids

CELL = custom.observed("cell", "int32", 0, 9)


@pytest.fixture(autouse=True)
def worlds_as_before():
    before = dict(ADDED)
    yield
    ADDED.clear()
    ADDED.update(before)
    gymnasium.registry.pop("mesasim/Test-v0", None)


def nothing(config, state, key):
    pass


def stay(config, state, action, key):
    return 1.0, False, False


def show(config, state, out):
    out.cell[0] = state.cell


def register(id="Test-v0", *, help="a test", **changed):
    described = {"state": [("cell", "i4")], "observation": [CELL], "actions": ["stay"]}
    described |= {
        name: changed.pop(name) for name in ("state", "observation", "actions", "max_episode_steps") if name in changed
    }
    if "oracle_fields" in changed:
        described["oracle"] = changed.pop("oracle_fields")
    rules = {
        "describe": lambda config: custom.Description(**described),
        "reset": nothing,
        "step": stay,
        "observe": show,
    }
    custom.register(id, help=help, **{**rules, **changed})


def test_the_smallest_world_is_played_and_listed():
    register()
    env = mesasim.make_vec("mesasim/Test-v0", 2)
    env.reset(seed=0)
    observation, reward, *_ = env.step([0, 0])
    assert observation.tolist() == [[0], [0]] and reward.tolist() == [1.0, 1.0]
    assert "Test-v0" in known_ids()
    with pytest.raises(NotImplementedError, match="render: Test-v0 was registered without `picture`"):
        env.render_slot(0)
    env.set_state(env.get_state())


def test_registering_again_replaces():
    register()

    def pays_two(config, state, action, key):
        return 2, False, False

    register(step=pays_two)
    env = mesasim.make_vec("Test-v0", 1)
    env.reset(seed=0)
    assert env.step([0])[1].item() == 2


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"id": "Test"}, "id: got 'Test', allowed: letters"),
        ({"id": "Corridor-v0"}, "id: got 'Corridor-v0', which the engine has"),
        ({"state": []}, "state: got"),
        ({"state": "i4"}, "state: got 'i4', allowed: a structured dtype"),
        ({"state": [("a", "i4"), ("a", "i4")]}, "state: got .*occurs more than once"),
        ({"state": [("a", "O")]}, "state: got object for 'a', allowed: bool, integers and floats"),
        ({"state": [("a", "c16")]}, "state: got complex128 for 'a'"),
        ({"state": [("a", ">i4")]}, "state: got >i4 for 'a'"),
        ({"state": [("a", "f8", (100, 100))]}, "state: got 80000 bytes, allowed: at most 65536"),
        ({"state": [("size", "i4")]}, "state: got the name 'size'"),
        ({"observation": []}, "observation: got 0 fields, allowed: 1 to 8"),
        ({"observation": [CELL] * 9}, "observation: got 9 fields, allowed: 1 to 8"),
        ({"observation": [CELL, CELL]}, "observation: got cell twice"),
        ({"observation": [custom.observed("trial_start", "bool", 0, 1)]}, "observation: got trial_start twice"),
        ({"actions": []}, "actions: got"),
        ({"actions": ["stay", "stay"]}, "actions: got stay twice, allowed: different names"),
        ({"max_episode_steps": -1}, "max_episode_steps: got -1"),
        ({"options": [custom.flag("a", True, ""), custom.flag("a", True, "")]}, "options: got a twice"),
        ({"options": [custom.flag("history", True, "")]}, "options: got history, which MesaVectorEnv takes"),
        ({"oracle_fields": [CELL]}, "oracle: got 1 fields and no function `oracle`"),
        ({"oracle": show}, "oracle: got 0 fields and a function `oracle`"),
    ],
)
def test_declarations_that_cannot_be_are_refused(changed, refusal):
    with pytest.raises(ValueError, match=refusal):
        register(**changed)
    assert "Test-v0" not in ADDED


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"step": nothing}, r"step: got a function of \(config, state, key\), allowed: \(config, state, action, key\)"),
        ({"reset": 3}, "reset: got 3, allowed: a plain function"),
        ({"options": [1]}, r"options: got \[1\], allowed: integer\("),
        ({"actions": "ab"}, "actions: got 'ab', allowed: a list of names"),
        ({"describe": lambda config: 5}, "describe: returned int, allowed: mesasim.custom.Description"),
        ({"observation": ["cell"]}, "observation: got .*, allowed: a list of mesasim.custom.observed"),
    ],
)
def test_things_of_the_wrong_kind_are_refused(changed, refusal):
    with pytest.raises(TypeError, match=refusal):
        register(**changed)


def test_options_and_fields_that_cannot_be_are_refused():
    for make, refusal in (
        (lambda: custom.integer("n", 7, 1, 5, ""), "n: got 7, allowed: 1 to 5"),
        (lambda: custom.integer("n", 1, 1, 2**40, ""), "n: got a range of 1 to"),
        (lambda: custom.real("_n", 1, 0, 2, ""), "option: got the name '_n'"),
        (lambda: custom.flag("class", True, ""), "option: got the name 'class'"),
        (lambda: custom.choice("n", ["a", "a"], ""), "n: got choices"),
        (lambda: custom.observed("f", "int64", 0, 1), "f: got dtype 'int64', allowed: bool, uint8, int32, float32"),
        (lambda: custom.observed("f", "int32", 2, 1), "f: got bounds 2 to 1"),
        (lambda: custom.observed("f", "float32", float("nan"), 1), "f: got bounds nan to 1"),
        (lambda: custom.observed("f", "int32", 0, 1, shape=()), "f: got shape"),
        (lambda: custom.observed("f", "int32", 0, 1, shape=(0,)), "f: got shape"),
    ):
        with pytest.raises(ValueError, match=refusal):
            make()


@pytest.mark.parametrize(
    ("low", "more", "refusal"),
    [
        (None, {}, "f: got low None, allowed: a number"),
        (0, {"shape": 5}, "f: got shape 5, allowed: a sequence"),
        (0, {"categories": "x"}, "f: got categories 'x', allowed: an integer"),
    ],
)
def test_fields_described_by_things_of_the_wrong_kind_are_refused(low, more, refusal):
    with pytest.raises(TypeError, match=refusal):
        custom.observed("f", "int32", low, 9, **more)


def test_the_guides_world_is_played():
    guide = (Path(__file__).parents[2] / "docs" / "custom_worlds.md").read_text()
    exec(guide.split("```python\n")[1].split("```")[0], {})
    env = mesasim.make_vec("Line-v0", 50, length=5, autoreset_mode="SameStep")
    observation, _ = env.reset(seed=1)
    assert set(observation[:, 0].tolist()) == {0, 1, 2, 3}
    for _ in range(3):
        env.step([0] * 50)
    assert not env.observation().any()
    rewards = [env.step([1] * 50)[1].mean().item() for _ in range(4)]
    assert rewards == [0, 0, 0, 1]


def allocates(config, state, key):
    state.cell = np.zeros(3).shape[0]


def makes_a_list(config, state, key):
    state.cell = len([state.cell, 2])


def unknown_field(config, state, key):
    state.goal = 1


def two_values(config, state, action, key):
    return 1.0, False


def a_list(config, state, action, key):
    return [1.0, 0.0, 0.0]


def answers(config, state, out):
    return state.cell


def not_bool(config, state, done):
    return 1.5


def pays_imaginary(config, state, action, key):
    return 1j, False, False


def unseeded(config, state, action, key):
    return np.random.rand(), False, False


def of_python_unseeded(config, state, action, key):
    return lucky(), False, False


@custom.compiled
def lucky():
    return random.random()


own: dict = {}
exec(  # out of the reach of pytest, which rewrites what a test file asserts
    "def asserts(config, state, action, key):\n    assert state.cell == 0\n    return 1.0, False, False", own
)


@custom.compiled
def checked(cell):
    if cell > 3:
        raise ValueError("too far")
    return cell


def calls_what_raises(config, state, out):
    out.cell[0] = checked(state.cell)


def prints(config, state, key):
    print(state.cell)


def leaves_the_compiled(config, state, key):
    with numba.objmode():
        pass


@pytest.mark.filterwarnings("ignore:Code running in object mode")
@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"step": pays_imaginary}, r"step: returns .*complex128.*, allowed: \(reward, terminated, trial_over\)"),
        (
            {"step": unseeded},
            "step: Test-v0's draws random numbers that no seed decides .*np_random_state.*, allowed: draws of",
        ),
        ({"step": of_python_unseeded}, "step: Test-v0's draws random numbers that no seed decides .*py_random_state"),
        ({"step": own["asserts"]}, r"step: Test-v0's raises or asserts \(asserts, line [0-9]+\), allowed: neither"),
        ({"observe": calls_what_raises}, r"observe: Test-v0's raises or asserts \(checked, line [0-9]+\)"),
        ({"reset": prints}, "reset: Test-v0's calls the interpreter .*, allowed: compiled code alone"),
        ({"reset": leaves_the_compiled}, "reset: Test-v0's calls the interpreter"),
    ],
)
def test_rules_that_only_a_cpu_or_no_seed_would_allow_are_refused_when_a_world_is_made(changed, refusal):
    register(**changed)
    with pytest.raises(TypeError, match=refusal):
        mesasim.make_vec("Test-v0")


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({"reset": unknown_field}, "reset: Numba cannot compile Test-v0's: (.|\n)*goal"),
        ({"reset": allocates}, "reset: Numba cannot compile"),
        ({"reset": makes_a_list}, "reset: Numba cannot compile"),
        ({"step": two_values}, r"step: returns .*, allowed: \(reward, terminated, trial_over\)"),
        ({"step": a_list}, "step: "),
        ({"observe": answers}, "observe: returns int.*, allowed: nothing"),
        ({"valid": not_bool}, "valid: returns float64, allowed: a bool"),
    ],
)
def test_rules_that_do_not_compile_are_refused_by_name_when_a_world_is_made(changed, refusal):
    register(**changed)
    with pytest.raises(TypeError, match=refusal):
        mesasim.make_vec("Test-v0")


def test_an_integer_divided_by_zero_is_zero():
    def divides(config, state, action, key):
        return state.cell // state.cell + (7 + action) // state.cell, False, False

    register(step=divides)
    env = mesasim.make_vec("Test-v0")
    env.reset(seed=0)
    assert env.step([0])[1].item() == 0


def test_pictures_that_are_none_are_refused():
    register(picture=lambda config, state: ["ab", "c"])
    env = mesasim.make_vec("Test-v0", render_mode="ansi")
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"picture: returned \['ab', 'c'\], allowed: rows of letters"):
        env.render()


MISSING = """
    import sys
    sys.modules["numba"] = None
    import mesasim
    mesasim.make_vec("Corridor-v0")
    try:
        import mesasim.custom
    except ImportError as error:
        print(error)
"""


def test_without_numba_only_this_package_is_missing():
    assert (
        run_python(MISSING).stdout.strip()
        == "mesasim.custom compiles with Numba, which is missing: pip install 'mesasim[numba]'"
    )
