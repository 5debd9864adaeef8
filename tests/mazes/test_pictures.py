"""Pictures, letters and other libraries' mazes, there and back."""

import importlib.util

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mesasim import mazes
from mesasim.mazes import Mazes, easy_to_hard

KNOWN = """\
#########
#S# #   #
#X# ### #
#X#     #
#X##### #
#X      #
#X#######
#XXXXXXE#
#########"""


def solved(kind, count, size, seed=1):
    algorithm, options = kind
    made = mazes.generate(count, size, algorithm, seed=seed, **options)
    start, goal = made.endpoints(seed=seed, on_impossible="mask")
    kept = start >= 0
    return made[kept].solve(start[kept], goal[kept])


def test_letters_are_those_of_a_known_maze():
    made, start, goal, on_path = Mazes.from_text([KNOWN])
    assert (int(start), int(goal), len(made), made.rows, made.cols) == (0, 15, 1, 4, 4)
    path = made.solve(start, goal)
    assert path.path(0).tolist() == [[0, 0], [1, 0], [2, 0], [3, 0], [3, 1], [3, 2], [3, 3]]
    assert torch.equal(path.on_path(), on_path)
    assert made.text(path=path) == [KNOWN]


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 40), st.integers(2, 40), st.integers(0, 2**64 - 1), st.sampled_from(sorted(mazes.algorithms())))
def test_pictures_and_letters_come_back(rows, cols, seed, algorithm):
    made = mazes.generate(3, (rows, cols), algorithm, seed=seed, braid=0.4)
    start, goal = made.endpoints(seed=seed % 1000, on_impossible="mask")
    joined = start >= 0
    path = made[joined].solve(start[joined], goal[joined])
    pixels = path.mazes.pixels(path=path)
    assert pixels.shape == (len(path), 2 * rows + 1, 2 * cols + 1, 3)
    for back in (Mazes.from_pixels(pixels), Mazes.from_pixels(pixels.numpy())):
        assert torch.equal(back[0].packed, path.mazes.packed)
        assert torch.equal(back[1], path.start) and torch.equal(back[2], path.goal)
        assert torch.equal(back[3], path.on_path())
    if len(path):
        again = Mazes.from_text(path.mazes.text(path=path))
        assert torch.equal(again[0].packed, path.mazes.packed) and torch.equal(again[3], path.on_path())
    plain = Mazes.from_pixels(made.pixels())
    assert torch.equal(plain[0].packed, made.packed) and (plain[1] == -1).all()


def test_pictures_that_are_no_mazes_are_refused_by_number():
    pixels = mazes.generate(3, 4, seed=1).pixels()
    for (y, x), colour, message in (
        ((2, 2), 255, "between four cells in picture 1"), ((0, 3), 255, "edge in picture 1"),
        ((2, 1), (255, 0, 0), "between cells in picture 1"),
        ((3, 8), 255, "edge in picture 1"), ((3, 3), 0, "wall in picture 1"), ((1, 1), 7, r"colour \(7, 7, 7\)"),
    ):  # fmt: skip
        bad = pixels.clone()
        bad[1, y, x] = torch.tensor(colour, dtype=torch.uint8)
        with pytest.raises(ValueError, match=message):
            Mazes.from_pixels(bad)
    with pytest.raises(ValueError, match="odd sides"):
        Mazes.from_pixels(pixels[:, :-1])
    with pytest.raises(TypeError, match="dtype"):
        Mazes.from_pixels(pixels.float())
    for texts, error in ((["####"], ValueError), ([KNOWN, "#"], ValueError), ([KNOWN.replace("X", "?")], ValueError),
                         (KNOWN, TypeError), ([KNOWN.replace("E", "S")], ValueError)):  # fmt: skip
        with pytest.raises(error):
            Mazes.from_text(texts)


def test_easy_to_hard_pairs_have_that_data_sets_shapes_and_meaning():
    path = solved(("depth_first", {}), 20, 5)
    inputs, targets = easy_to_hard(path)
    assert inputs.shape == (20, 3, 24, 24) and targets.shape == (20, 24, 24)
    assert inputs.dtype == torch.float32 and set(targets.unique().tolist()) == {0, 1}
    assert (targets.sum((1, 2)) == 4 * (2 * path.length + 1)).all()
    green, red = inputs[:, 1] - inputs[:, 0] == 1, inputs[:, 0] - inputs[:, 1] == 1
    assert (green.sum((1, 2)) == 4).all() and (red.sum((1, 2)) == 4).all()
    assert (targets.bool() >= (green | red)).all() and (inputs[:, 2] <= inputs.amax(1)).all()
    assert (inputs.amax(1)[targets.bool()] == 1).all()  # no path through a wall


@pytest.mark.skipif(importlib.util.find_spec("maze_dataset") is None, reason="maze-dataset is not installed")
def test_maze_datasets_mazes_come_back_and_have_the_same_letters():
    path = solved(("wilson", {}), 10, 6)
    theirs = path.mazes.to_lattice_mazes(path)
    assert [maze.as_ascii() for maze in theirs] == path.mazes.text(path=path)
    assert torch.equal(Mazes.from_lattice_mazes(theirs).packed, path.mazes.packed)


@pytest.mark.skipif(importlib.util.find_spec("maze_dataset") is not None, reason="maze-dataset is installed")
def test_without_maze_dataset_one_is_told_how_to_get_it():
    with pytest.raises(ImportError, match=r"muutils==0\.8\.12"):
        mazes.generate(1, 4).to_lattice_mazes()
