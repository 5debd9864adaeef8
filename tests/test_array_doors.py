"""Every generator, solver and environment takes the arrays of every library, and none that is on a GPU that is not there."""

import re

import array_api_strict
import numpy as np
import pytest
import torch
from plain.foreign_arrays import Dlpack, OnlyDlpack, frozen

import mesasim
from mesasim import curriculum, mazes, regression, sequences, tsp
from mesasim.devices import devices, missing_cuda


def strict(value):
    return array_api_strict.asarray(np.asarray(value))


POINTS = tsp.generate(4, 6, seed=1)
ORDER = tsp.construct(POINTS).order
MADE = mazes.generate(4, 5, seed=1)
X, Y, TASKS = torch.randn(3, 4, 2), torch.randn(3, 4), torch.randn(5, 2)
SYMBOLS = sequences.generate("coin", 3, 5).symbols
DOORS = {
    "solve": lambda to: tsp.solve(to(POINTS)).order,
    "solve distances": lambda to: tsp.solve(to(torch.cdist(POINTS, POINTS))).length,
    "solve a list": lambda to: tsp.solve([to(points) for points in POINTS]).length,
    "construct": lambda to: tsp.construct(to(POINTS)).order,
    "improve": lambda to: tsp.improve(to(POINTS), to(ORDER)).order,
    "trace": lambda to: tsp.trace(to(POINTS[0])).value,
    "canonical": lambda to: tsp.canonical(to(ORDER.flip(1))),
    "augment": lambda to: tsp.augment(to(POINTS), to(torch.arange(4))),
    "Mazes": lambda to: mazes.Mazes(to(MADE.packed), 5).packed,
    "from_connections": lambda to: mazes.Mazes.from_connections(to(MADE.connections)).packed,
    "from_pixels": lambda to: mazes.Mazes.from_pixels(to(MADE.pixels()))[0].packed,
    "mazes by number": lambda to: MADE[to(torch.tensor([2, 0]))].packed,
    "mazes by mask": lambda to: MADE[to(torch.tensor([True, False, True, False]))].packed,
    "maze solutions": lambda to: MADE.solve(to(torch.arange(4)), to(torch.full((4, 2), 4))).cells,
    "maze distances": lambda to: MADE.distances(to(torch.arange(4))),
    "maze endpoints": lambda to: MADE.endpoints(start=to(torch.arange(4)))[1],
    "maze lookahead": lambda to: MADE.lookahead(to(torch.arange(4)), 24),
    "relabel": lambda to: torch.as_tensor(np.asarray(sequences.relabel(to(SYMBOLS), to(torch.tensor([1, 0]))))),
    "ridge": lambda to: regression.ridge(to(X), to(Y), 0.5),
    "discrete_mmse": lambda to: regression.discrete_mmse(to(X), to(Y), to(TASKS), 0.5),
    "squared_errors": lambda to: regression.squared_errors(to(Y), to(Y * 2)),
    "knapsack": lambda to: curriculum.knapsack.solve(
        curriculum.knapsack.Instances(to(torch.tensor([[1, 2]])), to(torch.tensor([[3, 4]])), to(torch.tensor([2])))).answer,
    "colouring": lambda to: curriculum.colouring.solve(
        curriculum.colouring.Instances(to(~torch.eye(4, dtype=torch.bool)[None]))).value,
    "Curriculum": lambda to: curriculum.Curriculum(to(torch.arange(20)), buckets=4).bucket,
    "actions": lambda to: stepped(to(torch.tensor([0, 1, 2]))),
    "reset_mask": lambda to: stepped([0, 1, 2], to(torch.tensor([True, False, True]))),
    "levels": lambda to: mesasim.make_vec("Tour-v0", 4, levels=to(POINTS)).levels,
    "levels and tours": lambda to: mesasim.make_vec("TourEdit-v0", 4, levels=(to(POINTS), to(ORDER))).levels,
}  # fmt: skip


def stepped(actions, mask=None):
    env = mesasim.make_vec("Maze-v0", 3, size=5, copy=True)
    env.reset(seed=2)
    env.step(actions)
    if mask is not None:
        env.reset(options={"reset_mask": mask})
    return torch.frombuffer(bytearray(env.get_state()), dtype=torch.uint8)


@pytest.mark.parametrize("door", DOORS)
def test_every_door_takes_every_host_library_for_the_same(door):
    expected = DOORS[door](lambda tensor: tensor)
    for to in (lambda t: frozen(t.numpy().copy()), strict, lambda t: OnlyDlpack(t.numpy())):
        assert torch.equal(DOORS[door](to), expected)


@pytest.mark.skipif("cuda:0" in devices(), reason="there is a GPU here")
@pytest.mark.parametrize("door", DOORS)
def test_no_door_takes_an_array_of_a_gpu_that_is_not_there(door):
    with pytest.raises(
        RuntimeError,
        match=r"^[\w\[\] ]+: got an array on cuda:0, but only cpu can be used here \(" + re.escape(missing_cuda()),
    ):
        DOORS[door](lambda tensor: Dlpack(2))


def test_sequences_fill_memory_of_any_library():
    symbols, logs = (
        OnlyDlpack(np.zeros((3, 5), np.uint8)),
        array_api_strict.zeros((3, 5), dtype=array_api_strict.float32),
    )
    sequences.generate("coin", 3, 5, out=sequences.Sequences(symbols, filter_log=logs))
    made = sequences.generate("coin", 3, 5, give=["filter_log"])
    assert np.array_equal(symbols.array, made.symbols) and np.array_equal(np.asarray(logs), made.filter_log)


def test_mazes_go_where_they_are_sent_and_no_environment_fetches_them():
    assert torch.equal(MADE.to("cpu").packed, MADE.packed) and MADE.to("cpu").origin == MADE.origin
    elsewhere = mazes.Mazes(MADE.packed.to("meta"), 5, checked=True)
    with pytest.raises(ValueError, match=r"^levels: got mazes on meta, allowed: cpu; .* mazes\.to\('cpu'\) does it"):
        mesasim.make_vec("Maze-v0", 4, levels=elsewhere)
    for which in (torch.tensor([0, 1], device="meta"), torch.zeros(4, dtype=torch.bool, device="meta")):
        with pytest.raises(ValueError, match=r"^index: got a tensor on meta, allowed: cpu"):
            MADE[which]
    with pytest.raises(RuntimeError, match=r"^device: got 'cuda:99'"):
        MADE.to("cuda:99")


def test_parts_of_one_question_are_on_one_device():
    away = torch.zeros(3, 4, device="meta")
    for call, name in (
        (lambda: regression.ridge(X, away, 0.5), "y"), (lambda: regression.discrete_mmse(X, Y, away, 0.5), "tasks"),
        (lambda: tsp.improve(POINTS, away.int()), "order"), (lambda: tsp.augment(POINTS, away.int()), "which"),
        (lambda: sequences.relabel(SYMBOLS, away.int()), "names"), (lambda: MADE.distances(away.int()), "goal"),
        (lambda: sequences.generate("coin", 3, 4, out=sequences.Sequences(away.byte())), r"out\.symbols"),
        (lambda: tsp.trace(POINTS[0].to("meta")), "instance"), (lambda: curriculum.Curriculum(away[0]), "difficulty"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=f"^{name}: got a tensor on meta, allowed: cpu; nothing is copied"):
            call()
