"""Bad input is refused at the door: a Python exception that names the argument, with the process and the environment
as usable as before."""

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.error import NameNotFound
from hypothesis import given, settings
from hypothesis import strategies as st

import mesasim
from mesasim import _core, devices
from mesasim.single import MesaEnv

NAN, INF = float("nan"), float("inf")
OPTIONS = [(world, option) for world in _core.world_ids() for option in _core.spec(world).options]
OPTION_IDS = [f"{world}-{option.name}" for world, option in OPTIONS]


def make_native(world, **kwargs):
    return mesasim.make_vec(world, **{"num_envs": 2, **kwargs})


def make_gymnasium(world, **kwargs):
    return gymnasium.make_vec(f"mesasim/{world}", **{"num_envs": 2, **kwargs})


def make_single(world, **kwargs):
    return MesaEnv(world, **kwargs)


DOORS = [make_native, make_gymnasium, make_single]


# Options


def out_of_range(option):
    if option.type in LISTS:
        bad = {"ints": [option.low - 1, option.high + 1, 2**63], "floats": [NAN, INF, -INF, option.high * 2],
               "choices": ["", "nonsense"]}[option.type]  # fmt: skip
        whole = [int(value) if option.type == "ints" else value for value in bad]
        return [[value] for value in whole] + [[option.choices[0] if option.choices else 0] * 17]
    if option.type == "choice":
        return ["", "nonsense", option.choices[0].upper(), option.choices[0] + "\0", "\ud800", "é" * 1000]
    if option.type == "int":
        return [
            int(option.low) - 1,
            int(option.high) + 1,
            -(2**31) - 1,
            2**32 + int(option.low),
            2**63,
            2**64,
            -(2**80),
        ]
    if option.type == "float":
        return [np.nextafter(option.low, -INF), np.nextafter(option.high, INF), NAN, INF, -INF, 1e308, 10**30]
    return []


LISTS = {"ints": "int", "floats": "float", "choices": "choice"}


def wrong_type(option):
    values = [None, {}, object(), b"1", 1j, np.array([1, 2]), torch.ones(2)]
    if option.type in LISTS:
        wrong = {
            "ints": [1.0, "1", True, None, [1], NAN],
            "floats": ["1", True, None, [1.0]],
            "choices": [1, True, None],
        }
        return [*values, 1, 1.0, True, "1", *([value] for value in wrong[option.type])]
    values += [[], (1,), [1], ["a"]]
    if option.type != "choice":
        values += ["3", ""]
    if option.type in ("int", "choice"):
        values += [2.0, NAN, True]
    if option.type in ("float", "bool"):
        values += [True] if option.type == "float" else [1, 0, 1.0]
    return values


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("world", "option"), OPTIONS, ids=OPTION_IDS)
def test_option_out_of_range_is_a_value_error_naming_it(door, world, option):
    for value in out_of_range(option):
        with pytest.raises(ValueError, match=f"^{option.name}: got .*allowed: "):
            door(world, **{option.name: value})


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(("world", "option"), OPTIONS, ids=OPTION_IDS)
def test_option_of_the_wrong_type_is_a_type_error_naming_it(door, world, option):
    for value in wrong_type(option):
        with pytest.raises(TypeError, match=f"^{option.name}: got .*allowed: "):
            door(world, **{option.name: value})


@pytest.mark.parametrize(("world", "option"), OPTIONS, ids=OPTION_IDS)
def test_option_takes_its_bounds_and_numpy_scalars(world, option):
    values = [option.default]
    if option.type == "int":
        values.append(np.int64(option.default))
    if option.type == "float":
        whole = [1] if option.low <= 1 <= option.high else [0]  # an integer is a number too
        values += [option.low, option.high, np.float32(option.default), *whole]
    for value in values:
        assert mesasim.spec.load_spec(world, {option.name: value}).id == world


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("world", _core.world_ids())
def test_unknown_option_is_refused_and_the_known_are_told(door, world):
    for name in ("nonsense", "", "Size", "arms ", "é"):
        with pytest.raises(TypeError, match="has no such option; allowed: "):
            door(world, **{name: 1})


@pytest.mark.parametrize(
    ("world", "options", "name"),
    [
        ("Bandit-v0", {"prior": "dependent_uniform"}, "arms"),
        ("Bandit-v0", {"prior": "dependent_hard", "arms": 3}, "arms"),
        ("Bandit-v0", {"prior": "normal"}, "prior"),
        ("Maze-v0", {"rewards": [1, 2]}, "rewards"),
        ("Maze-v0", {"objects": 2, "colours": [1]}, "colours"),
        ("Maze-v0", {"objects": 2, "places": ["fixed", "anywhere"]}, "cells"),
        ("Maze-v0", {"places": ["fixed"], "cells": [64]}, "cells"),
        ("Maze-v0", {"objects": 2, "places": ["fixed", "fixed"], "cells": [3, 3]}, "cells"),
        ("Maze-v0", {"region": 9}, "region"),
        ("Maze-v0", {"door": True, "algorithm": "percolation"}, "door"),
        ("Maze-v0", {"routes": 2, "braid": 0.5}, "routes"),
        ("Maze-v0", {"routes": 2, "door": True}, "door"),
        ("Maze-v0", {"ends": "collect", "door": True}, "door"),
        ("Maze-v0", {"accessible_cells": 65}, "accessible_cells"),
        ("Maze-v0", {"view": 1}, "view"),
        ("Maze-v0", {"view": 4}, "view"),
        ("Maze-v0", {"size": 4, "min_distance": 7}, "min_distance"),
    ],
)
def test_options_that_do_not_go_together_are_refused(world, options, name):
    for door in DOORS:
        with pytest.raises(ValueError, match=f"^{name}: got .*allowed"):
            door(world, **options)


ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-5, 130), st.floats(), st.floats(0, 1), st.text(max_size=8),
    st.sampled_from([c for _, o in OPTIONS for c in o.choices]), st.binary(max_size=3), st.lists(st.integers(), max_size=2),
)  # fmt: skip


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_whatever_the_options_an_environment_is_made_and_steps_or_the_option_is_named(data):
    world = data.draw(st.sampled_from(_core.world_ids()))
    names = [option.name for option in _core.spec(world).options]
    options = data.draw(st.dictionaries(st.sampled_from(names), ANYTHING, max_size=3))
    try:
        env = mesasim.make_vec(world, 2, num_threads=1, oracle=True, history=True, output="numpy", **options)
    except (ValueError, TypeError) as error:
        assert str(error).split(":")[0] in names
        return
    observation, _ = env.reset(seed=0)
    assert observation in env.observation_space
    assert env.step([0, 1])[0] in env.observation_space


# The constructor's own arguments

BAD_ARGUMENTS = [
    ("num_envs", [0, -1, 2**32 + 1, 2**40, 2**64, -(2**70)], ValueError),
    ("num_envs", [1.5, 2.0, "2", None, True, NAN, [2], np.float32(2)], TypeError),
    ("num_threads", [0, -1, 1025, 2**31, 2**70], ValueError),
    ("num_threads", [1.0, "2", True, []], TypeError),
    ("seed", [-1, 2**64, 2**100], ValueError),
    ("seed", [1.0, "1", True, [1, 2], NAN], TypeError),
    ("first_slot", [-1, 2**32 - 1, 2**32, 2**70], ValueError),
    ("first_slot", [1.0, None, "0", False], TypeError),
    ("max_episode_steps", [-1, 2**31, 2**70], ValueError),
    ("max_episode_steps", [1.0, "9", True, INF], TypeError),
    ("history", [None, 1, 0, "yes", 1.0], TypeError),
    ("oracle", [None, 1, 0, "yes", []], TypeError),
    ("copy", [1, 0, "yes", []], TypeError),
    ("autoreset_mode", [None, "", "nextstep ", "Never", 0, 1, True, []], ValueError),
    ("output", [None, "", "Torch", "jax", 0, ["torch"], np.array(["torch", "x"])], ValueError),
    ("render_mode", ["human", "", 0, False, ["ansi"], np.array(["ansi", "x"])], ValueError),
    ("device", ["tpu", "", "cpu:cpu", "cuda:-1", None, 1.5, [], "gpu"], ValueError),
    ("device", ["meta", "mps", "cuda:99"], RuntimeError),
    ("buffers", [[], "state", [1]], TypeError),
]


@pytest.mark.parametrize(
    ("name", "values", "kind"), BAD_ARGUMENTS, ids=[f"{n}-{k.__name__}" for n, _, k in BAD_ARGUMENTS]
)
def test_bad_argument_is_named(name, values, kind):
    for value in values:
        for door in (make_native, make_gymnasium):
            with pytest.raises(kind, match=f"^{name}: got .*(allowed|can be used here)"):
                door("Bandit-v0", **{name: value})


def test_a_missing_gpu_is_refused_not_replaced():
    if "cuda:0" in devices():
        pytest.skip("there is a GPU here")
    for door in (make_native, make_gymnasium, make_single):
        with pytest.raises(RuntimeError, match=r"^device: got 'cuda', but only cpu can be used here"):
            door("Bandit-v0", device="cuda")


@pytest.mark.parametrize("name", ["num_envs", "output", "copy", "autoreset_mode", "buffers"])
def test_single_environment_refuses_what_is_a_vectors(name):
    with pytest.raises(TypeError, match=name):
        MesaEnv("Bandit-v0", **{name: None})


def test_unknown_world_is_refused():
    for name in ("Nope-v0", "", "bandit-v0", "mesasim/", "mesasim/mesasim/Bandit-v0", "Bandit-v0\0"):
        with pytest.raises(KeyError, match=r"id: got .*Bandit-v0"):
            mesasim.make_vec(name, 2)
    for name in (None, 3, ["Bandit-v0"], b"Bandit-v0"):
        with pytest.raises(TypeError, match=r"^id: got"):
            mesasim.make_vec(name, 2)
    with pytest.raises(NameNotFound):
        gymnasium.make_vec("mesasim/Nope-v0", num_envs=2)


# Step and reset


@pytest.fixture(params=["torch", "numpy"])
def env(request):
    """A running environment, which must still run, and on the same story, after the test."""
    env = mesasim.make_vec("Maze-v0", 3, output=request.param, size=5)
    twin = mesasim.make_vec("Maze-v0", 3, output=request.param, size=5)
    for one in (env, twin):
        one.reset(seed=2)
        one.step([0, 1, 2])
    yield env
    for one in (env, twin):
        one.actions.fill_(3)
        one.step(one.actions)
    assert env.get_state() == twin.get_state()


WRONG_TYPE_ACTIONS = [
    [0.0, 1.0, 2.0], [NAN, 0, 0], [True, False, True], "abc", ["0", "1", "2"], None, [None, 0, 1], object(), {0: 1}, [1j, 0, 0],
    [2**70, 0, 0], torch.tensor([0.0, 1.0, NAN]), torch.tensor([True, False, True]), np.array([0, 1, 2], dtype=object),
    np.array([0, 1, 2], dtype="m8[s]"), np.zeros(3, dtype=[("a", "i4")]), torch.zeros(3, dtype=torch.complex64),
]  # fmt: skip
WRONG_SHAPE_ACTIONS = [
    0, [0], [], [0, 1], [0, 1, 2, 3], [[0, 1, 2]], [[0], [1], [2]], [[0], [1, 2], [3]], torch.tensor(0),
    torch.zeros((3, 1), dtype=torch.int32), np.zeros((3, 0), dtype=int), np.int64(1),
]  # fmt: skip


def test_actions_of_the_wrong_type_are_refused(env):
    for actions in WRONG_TYPE_ACTIONS:
        with pytest.raises(TypeError, match=r"^actions: got .*allowed: integers"):
            env.step(actions)


def test_actions_of_the_wrong_shape_are_refused(env):
    for actions in WRONG_SHAPE_ACTIONS:
        with pytest.raises((ValueError, TypeError), match=r"^actions: got .*allowed: "):
            env.step(actions)
    with pytest.raises(ValueError, match=r"^actions: got a tensor on meta, allowed: cpu"):
        env.step(torch.zeros(3, dtype=torch.int32, device="meta"))


@pytest.mark.parametrize("bad", [-1, 4, 2**31 - 1, -(2**31), 2**31, 2**32, 2**32 + 1, -(2**32), 2**63 - 1, -(2**63)])
def test_action_out_of_range_is_named_with_its_slot_and_does_not_wrap(env, bad):
    for actions in ([bad] * 3, np.full(3, bad), torch.full((3,), bad, dtype=torch.int64)):
        got = r"^actions: slot 0 got -?\d+( or more| or less)?, allowed: 0 to 3; the slot is unchanged"
        with pytest.raises(ValueError, match=got):
            env.step(actions)


def test_unsigned_actions_do_not_wrap(env):
    for bad in (2**31, 2**32, 2**32 + 1, 2**63, 2**64 - 1):
        unsigned = np.full(3, bad, dtype=np.uint64)
        for actions in (unsigned, torch.from_numpy(unsigned)):
            with pytest.raises(ValueError, match="actions: slot 0 got 2147483647 or more, allowed: 0 to 3"):
                env.step(actions)
    with pytest.raises(ValueError, match="actions: slot 0"):
        env.step(np.full(3, 2**32 - 1, dtype=np.uint32))


def test_every_integer_type_and_memory_layout_of_actions_means_the_same():
    forms = [np.array([3, 1, 2], dtype=kind) for kind in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", ">i4", ">i8")]
    locked = np.array([3, 1, 2])
    locked.flags.writeable = False
    forms += [[3, 1, 2], (3, 1, 2), locked, np.array([2, 1, 3])[::-1], np.array([3, 0, 1, 0, 2])[::2]]
    forms += [torch.tensor([3, 1, 2]), torch.tensor([3, 0, 1, 0, 2])[::2], torch.tensor([3, 1, 2], dtype=torch.int8)]
    states = set()
    for actions in forms:
        env = mesasim.make_vec("Bandit-v0", 3, reward="gaussian", history=True)
        env.reset(seed=1)
        env.step(actions)
        states.add(env.get_state())
    assert len(states) == 1


@pytest.mark.parametrize(
    ("seed", "kind"),
    [
        (-1, ValueError), (2**64, ValueError), ([1, 2], ValueError), ([1, 2, 3, 4], ValueError), ([], ValueError),
        ([1, -2, 3], ValueError), ([1, 2, 2**64], ValueError), (1.0, TypeError), (NAN, TypeError), (True, TypeError),
        ("123", TypeError), (b"123", TypeError), ([1, 2.0, 3], TypeError), ([1, None, 3], TypeError), ({1: 2}, TypeError),
        (np.array([0.5, 1, 2]), TypeError), (np.zeros((3, 1), dtype=int), TypeError), (object(), TypeError),
    ],
)  # fmt: skip
def test_bad_seed_is_refused(env, seed, kind):
    with pytest.raises(kind, match=r"^seed: got .*allowed: "):
        env.reset(seed=seed)


@pytest.mark.parametrize(
    ("mask", "kind"),
    [
        (np.zeros(3, dtype=bool), ValueError), (np.ones(2, dtype=bool), ValueError), (np.ones((3, 1), dtype=bool), ValueError),
        (True, TypeError), ([[True], [True, False]], ValueError), (np.ones(3), TypeError), ([1, 0, 1], TypeError),
        (torch.ones(3), TypeError), ("abc", TypeError), (None, TypeError), ([None] * 3, TypeError), ([], TypeError),
    ],
)  # fmt: skip
def test_bad_reset_mask_is_refused(env, mask, kind):
    with pytest.raises(kind, match=r"^reset_mask: got .*allowed: "):
        env.reset(options={"reset_mask": mask})


def test_options_of_reset_that_are_no_dict_are_refused(env):
    for options in (3, "reset_mask", ["reset_mask"], {"reset_mask"}):
        with pytest.raises(TypeError, match=r"^options: got"):
            env.reset(options=options)


def test_bad_state_is_refused(env):
    for state in (b"", b"MESASIM STATE 1\n", bytes(1000), env.get_state()[:-1], bytearray(5)):
        with pytest.raises(ValueError, match=r"^state: "):
            env.set_state(state)
    for state in (None, "x", 3, [1], np.zeros(3)):
        with pytest.raises(TypeError, match=r"^state: got .*allowed: bytes"):
            env.set_state(state)


def test_bad_slot_to_render_is_refused(env):
    for slot in (-1, 3, 2**40):
        with pytest.raises(ValueError, match=r"^slot: got"):
            env.render_slot(slot)


# Buffers


def state_like(pattern):
    return pattern.buffers.group["core"]["state"]


def test_bad_buffers_are_refused():
    pattern = mesasim.make_vec("Maze-v0", 4)
    state, reward = state_like(pattern), pattern.buffers.group["core"]["reward"]
    view = pattern.buffers.group["observation"]["view"]
    wide = torch.zeros(state.numel() + 1, dtype=torch.uint8)
    refused = [
        ({"nonsense": reward}, KeyError, "nonsense"),
        ({"observation/nonsense": reward}, KeyError, "nonsense"),
        ({"oracle/goal_distance": torch.zeros((4, 1), dtype=torch.int32)}, KeyError, "goal_distance"),  # not asked for
        ({"reward": reward.numpy()}, TypeError, "reward: got ndarray"),
        ({"reward": None}, TypeError, "reward: got NoneType"),
        ({"reward": reward.double()}, TypeError, "reward: got dtype"),
        ({"terminated": torch.zeros(4, dtype=torch.uint8)}, TypeError, "terminated: got dtype"),
        ({"reward": torch.zeros(5)}, ValueError, "reward: got shape"),
        ({"reward": torch.zeros((4, 1))}, ValueError, "reward: got shape"),
        ({"observation/view": view[:, :4]}, ValueError, "observation/view: got shape"),
        ({"reward": torch.zeros(8)[::2]}, ValueError, "reward: got a non-contiguous"),
        ({"reward": torch.zeros(1).expand(4)}, ValueError, "reward: got a non-contiguous"),
        (
            {"observation/view": torch.zeros_like(view).transpose(1, 2)},
            ValueError,
            "observation/view: got a non-contiguous",
        ),
        ({"reward": torch.zeros(4, device="meta")}, ValueError, "reward: got a tensor on meta"),
        ({"state": wide[1:].view(state.shape)}, ValueError, "state: got memory at"),
    ]
    shared = torch.zeros(4, dtype=torch.bool)
    refused.append(({"terminated": shared, "truncated": shared}, ValueError, "overlapping"))
    for buffers, kind, sentence in refused:
        with pytest.raises(kind, match=sentence):
            mesasim.make_vec("Maze-v0", 4, buffers=buffers)


def test_the_callers_dict_of_buffers_is_left_as_it_was():
    given = {"reward": torch.zeros(4)}
    mesasim.make_vec("Maze-v0", 4, buffers=given)
    assert list(given) == ["reward"]
