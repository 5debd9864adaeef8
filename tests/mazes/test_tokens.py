"""Token sequences say everything and come back."""

import json
from itertools import product

import pytest
import torch

from mesasim import mazes
from mesasim.mazes import MazeTokenizer

STYLES = list(product(("connections", "walls"), ("one", "two"), ("steps", "forks", "directions"), (True, False)))


def solved(count, size, algorithm="depth_first", seed=1, **options):
    made = mazes.generate(count, size, algorithm, seed=seed, **options)
    return made.solve(*made.endpoints(seed=seed))


@pytest.mark.parametrize(("graph", "coordinates", "path", "shuffle"), STYLES)
def test_sequences_come_back(graph, coordinates, path, shuffle):
    for size, algorithm, options in (((4, 7), "wilson", {}), ((9, 5), "depth_first", {"braid": 0.7})):
        solutions = solved(12, size, algorithm, **options)
        tokenizer = MazeTokenizer(*size, graph=graph, coordinates=coordinates, path=path, shuffle=shuffle)
        tokens, lengths = tokenizer.encode(solutions, seed=3)
        assert tokens.dtype == torch.int32 and tokens.shape == (12, int(lengths.max()))
        assert ((tokens != 0).sum(1) == lengths).all() and int(tokens.max()) < len(tokenizer.vocabulary)
        made, start, goal, paths = tokenizer.decode(tokens)
        assert torch.equal(made.packed, solutions.mazes.packed)
        assert torch.equal(start, solutions.start) and torch.equal(goal, solutions.goal)
        for i, cells in enumerate(paths):
            assert torch.equal(torch.stack([cells // size[1], cells % size[1]], 1).int(), solutions.path(i))


def test_the_text_is_maze_datasets():
    made, start, goal, _ = mazes.Mazes.from_text(["#####\n#S  #\n### #\n#E  #\n#####"])
    solutions = made.solve(start, goal)

    def text(**how):
        tokenizer = MazeTokenizer(2, 2, shuffle=False, **how)
        return tokenizer.text(tokenizer.encode(solutions)[0])[0]

    ends = "<ORIGIN_START> (0,0) <ORIGIN_END> <TARGET_START> (1,0) <TARGET_END>"
    graph = "<ADJLIST_START> (0,1) <--> (1,1) ; (0,0) <--> (0,1) ; (1,0) <--> (1,1) ; <ADJLIST_END>"
    assert text() == f"{graph} {ends} <PATH_START> (0,0) (0,1) (1,1) (1,0) <PATH_END>"
    assert text(path="directions").endswith("<PATH_START> (0,0) RIGHT DOWN LEFT <PATH_END>")
    assert text(path="forks").endswith("<PATH_START> (0,0) (1,0) <PATH_END>")
    assert text(graph="walls").startswith("<ADJLIST_START> (0,0) <XX> (1,0) ; <ADJLIST_END>")
    assert "<ORIGIN_START> r0 c0 <ORIGIN_END>" in text(coordinates="two")


def test_shuffles_are_the_mazes_own_and_uniform():
    solutions = solved(400, 3)
    tokenizer = MazeTokenizer(3, 3)
    whole, _ = tokenizer.encode(solutions, seed=5, first=10)
    one = solutions.mazes[123:124].solve(solutions.start[123:124], solutions.goal[123:124])
    alone, length = tokenizer.encode(one, seed=5, first=133)
    assert torch.equal(whole[123, : int(length[0])], alone[0])
    assert not torch.equal(tokenizer.encode(solutions, seed=6)[0][:, :30], whole[:, :30])
    same = mazes.generate(1, 3, seed=1)[torch.zeros(6000, dtype=torch.long)]
    tokens, _ = tokenizer.encode(same.solve(0, 8))
    first = tokens[:, 1] * 1000 + tokens[:, 3]
    counts = first.unique(return_counts=True)[1].double()
    assert len(counts) == 16 and ((counts - 375) ** 2 / 375).sum() < 40  # 8 connections, two ways round; p > .0005


def test_large_sizes_have_tokens_of_their_own():
    solutions = solved(2, (256, 256), "binary_tree")
    for coordinates in ("one", "two"):
        tokenizer = MazeTokenizer(256, 256, coordinates=coordinates, path="directions")
        tokens, _ = tokenizer.encode(solutions)
        back = tokenizer.decode(tokens)
        assert torch.equal(back[0].packed, solutions.mazes.packed)
        assert len(set(tokenizer.vocabulary)) == len(tokenizer.vocabulary)


def test_the_vocabulary_is_saved_and_a_file_that_is_none_is_refused(tmp_path):
    tokenizer = MazeTokenizer(4, 5, coordinates="two", path="forks")
    tokenizer.save(tmp_path / "v.json")
    assert MazeTokenizer.load(tmp_path / "v.json") == tokenizer
    content = json.loads((tmp_path / "v.json").read_text())
    assert content["vocabulary"] == tokenizer.vocabulary
    for bad in ("", "[]", "{}", json.dumps({**content, "rows": 5}), json.dumps({**content, "format": 9})):
        (tmp_path / "bad.json").write_text(bad)
        with pytest.raises(ValueError, match=r"bad\.json"):
            MazeTokenizer.load(tmp_path / "bad.json")


def test_sequences_that_are_no_mazes_are_refused_by_number():
    solutions = solved(3, 4)
    tokenizer = MazeTokenizer(4, 4)
    tokens, lengths = tokenizer.encode(solutions)
    end = int(lengths[1])
    for column, token in ((1, 3), (2, 11), (0, 2), (end - 1, 0), (end - 2, int(tokens[1, 1])), (3, 999)):
        bad = tokens.clone()
        bad[1, column] = token
        with pytest.raises(ValueError, match="sequence 1"):
            tokenizer.decode(bad)
    row = tokens[1, :end].tolist()
    middle = row.index(2) + 1
    for bad in ([9, *row], [*row, 9], [*row[:middle], 9, *row[middle:]], [*row[:middle], 0, *row[middle:]],
                [*row[:5], *row[1:]]):  # fmt: skip
        with pytest.raises(ValueError, match="sequence 0"):
            tokenizer.decode([bad])
    with pytest.raises(ValueError, match="4×4"):
        MazeTokenizer(4, 5).encode(solutions)
    for bad, error in (({"rows": 1}, ValueError), ({"path": "cells"}, ValueError), ({"shuffle": 1}, TypeError)):
        with pytest.raises(error, match=next(iter(bad))):
            MazeTokenizer(**{"rows": 4, "cols": 4, **bad})


def test_forks_that_lead_round_a_loop_or_past_the_goal_are_refused():
    made, start, goal, _ = mazes.Mazes.from_text(["#######\n#S  # #\n# # ###\n#  E# #\n#######\n# # # #\n#######"])
    tokenizer = MazeTokenizer(3, 3, path="forks", shuffle=False)
    row = tokenizer.encode(made.solve(start, goal))[0][0].tolist()
    assert tokenizer.decode([row])[3][0].tolist() == [0, 1, 4]
    target, last, away = row.index(5) + 1, len(row) - 2, len(tokenizer.vocabulary) - 1
    elsewhere = [away if k in (target, last) else token for k, token in enumerate(row)]
    for bad, what in ((elsewhere, "circles"), ([*row[:last], away, row[last], row[-1]], "behind the goal")):
        with pytest.raises(ValueError, match=what):
            tokenizer.decode([bad])
