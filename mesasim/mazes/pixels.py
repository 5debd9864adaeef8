"""Mazes as pictures: (2 rows + 1) × (2 cols + 1) tiles, in RGB or letters, and back; and the pairs of pictures that
easy-to-hard studies train on. Colours and letters are maze-dataset's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mesasim.arrays import as_tensor
from mesasim.machine import allot, check_room, integer
from mesasim.mazes.cells import cell_numbers

if TYPE_CHECKING:
    from mesasim.mazes.batch import Mazes
    from mesasim.mazes.solving import Solutions

WALL, OPEN, START, GOAL, PATH = range(5)
COLOURS = torch.tensor([(0, 0, 0), (255, 255, 255), (0, 255, 0), (255, 0, 0), (0, 0, 255)], dtype=torch.uint8)
LETTERS = "# SEX"
MOST_PIXELS = 1 << 16  # of a margin, of a tile's side


def to_tiles(mazes: Mazes, start: Any = None, goal: Any = None, path: Solutions | None = None) -> Tensor:
    """uint8 [count, 2 rows + 1, 2 cols + 1]: WALL, OPEN, START, GOAL or PATH."""
    count, rows, cols = len(mazes), mazes.rows, mazes.cols
    tiles = allot("mazes", (count, 2 * rows + 1, 2 * cols + 1), torch.uint8, mazes.device).zero_()
    connections = mazes.connections
    tiles[:, 1::2, 1::2] = OPEN
    tiles[:, 2::2, 1::2] = connections[:, 0].to(torch.uint8)
    tiles[:, 1::2, 2::2] = connections[:, 1].to(torch.uint8)
    every = torch.arange(count, device=mazes.device)
    if path is not None:
        if len(path) != count:
            raise ValueError(f"path: got {len(path)} solutions, allowed: {count}, one a maze")
        owner = torch.repeat_interleave(every, path.length.long() + 1)
        cell = path.cells.long()
        y, x = 2 * (cell // cols) + 1, 2 * (cell % cols) + 1
        tiles[owner, y, x] = PATH
        same = owner[1:] == owner[:-1]
        tiles[owner[1:][same], (y[1:] + y[:-1])[same] // 2, (x[1:] + x[:-1])[same] // 2] = PATH
        start, goal = (path.start if start is None else start), (path.goal if goal is None else goal)
    for name, cells, kind in (("start", start, START), ("goal", goal, GOAL)):
        if cells is not None:
            cell = cell_numbers(name, cells, mazes).long()
            tiles[every, 2 * (cell // cols) + 1, 2 * (cell % cols) + 1] = kind
    return tiles


def from_tiles(tiles: Tensor) -> tuple[Mazes, Tensor, Tensor, Tensor]:
    """(mazes, start, goal, on_path): start and goal int32 [count], -1 where none is drawn; on_path bool
    [count, rows, cols], path cells with start and goal. ValueError names what is no maze, and in which picture."""
    from mesasim.mazes.batch import Mazes

    _, height, width = tiles.shape
    if height % 2 == 0 or width % 2 == 0 or min(height, width) < 5:
        raise ValueError(f"pictures: got {height}×{width} tiles, allowed: odd sides, 5 to 513")
    _refuse(tiles[:, ::2, ::2] != WALL, "an open tile between four cells")
    _refuse((tiles[:, [0, -1]] != WALL).any(1), "an opening in the edge")
    _refuse((tiles[:, :, [0, -1]] != WALL).any(2), "an opening in the edge")
    cells = tiles[:, 1::2, 1::2]
    _refuse(cells == WALL, "a cell that is wall")
    down, right = tiles[:, 2::2, 1::2] != WALL, tiles[:, 1::2, 2::2] != WALL
    for passage in (tiles[:, 2::2, 1::2], tiles[:, 1::2, 2::2]):
        _refuse((passage == START) | (passage == GOAL), "a start or goal between cells")
    ends = []
    for name, kind in (("start", START), ("goal", GOAL)):
        found = (cells == kind).flatten(1)
        _refuse(found.sum(1) > 1, f"more than one {name}")
        ends.append(torch.where(found.any(1), found.int().argmax(1), -1).int())
    return Mazes.from_connections(torch.stack([down, right], 1)), ends[0], ends[1], (cells >= START)


def _refuse(wrong: Tensor, what: str) -> None:
    if wrong.any():
        raise ValueError(f"pictures: got {what} in picture {int(wrong.nonzero()[0][0])}")


def to_pixels(tiles: Tensor) -> Tensor:
    """Tiles in colour: uint8 [count, height, width, 3]."""
    check_room("mazes", len(tiles), tiles.numel() * (8 + 3), tiles.device)  # as numbers of colours, and the colours
    return COLOURS.to(tiles.device)[tiles.long()]


def pixels_to_tiles(pixels: Any) -> Tensor:
    """Colours as tiles; ValueError names the first pixel of another colour."""
    given = as_tensor("pixels", pixels, torch.uint8)
    if given.dim() != 4 or given.shape[3] != 3:
        raise ValueError(f"pixels: got shape {tuple(given.shape)}, allowed: (count, height, width, 3)")
    same = (given[..., None, :] == COLOURS.to(given.device)).all(-1)
    unknown = ~same.any(-1)
    if unknown.any():
        i, y, x = unknown.nonzero()[0].tolist()
        raise ValueError(f"pixels: got colour {tuple(given[i, y, x].tolist())} at ({y}, {x}) of picture {i}")
    return same.int().argmax(-1).to(torch.uint8)


def to_text(tiles: Tensor) -> list[str]:
    """Tiles in letters, a string a maze: # wall, space open, S start, E goal, X path."""
    check_room("mazes", len(tiles), tiles.numel() * (8 + 1), torch.device("cpu"))  # as a list, and the letters
    return ["\n".join("".join(LETTERS[t] for t in row) for row in picture) for picture in tiles.tolist()]


def text_to_tiles(texts: Any) -> Tensor:
    """Letters as tiles; all mazes of one size."""
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise TypeError("texts: got something else, allowed: a list of strings, one a maze")
    pictures = [text.strip("\n").split("\n") for text in texts]
    sizes = {(len(picture), len(row)) for picture in pictures for row in picture}
    if len(sizes) != 1:
        raise ValueError(f"texts: got pictures or lines of sizes {sorted(sizes)}, allowed: one size")
    unknown = {letter for picture in pictures for row in picture for letter in row} - set(LETTERS)
    if unknown:
        raise ValueError(f"texts: got {sorted(unknown)}, allowed: {list(LETTERS)}")
    return torch.tensor([[[LETTERS.index(x) for x in row] for row in p] for p in pictures], dtype=torch.uint8)


def easy_to_hard(solutions: Solutions, margin: int = 1, scale: int = 2) -> tuple[Tensor, Tensor]:
    """(inputs, targets) as the easy-to-hard maze data (Schwarzschild et al. 2021, 2106.04537) has them: inputs float32
    [count, 3, H, W] in 0 … 1, start green, goal red; targets int64 [count, H, W], 1 on the path with both its ends. Each
    tile is `scale` pixels a side, with `margin` pixels of wall around: five cells a side give 24×24 pixels."""
    margin, scale = integer("margin", margin, 0, MOST_PIXELS), integer("scale", scale, 1, MOST_PIXELS)
    mazes = solutions.mazes
    height, width = ((2 * side + 1) * scale + 2 * margin for side in (mazes.rows, mazes.cols))
    check_room("solutions", len(mazes), len(mazes) * height * width * (3 * 4 + 8), mazes.device)  # inputs and targets
    tiles = to_tiles(solutions.mazes, path=solutions)

    def enlarged(pictures: Tensor) -> Tensor:
        large = pictures.repeat_interleave(scale, -2).repeat_interleave(scale, -1)
        return torch.nn.functional.pad(large, (margin, margin, margin, margin))

    plain = torch.where(tiles == PATH, OPEN, tiles)
    inputs = to_pixels(plain).permute(0, 3, 1, 2).float() / 255
    return enlarged(inputs), enlarged((tiles >= START).long())
