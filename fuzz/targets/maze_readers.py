"""Mazes from strangers in every form that is read: letters, pixels, packed bits, connections, tokens, a vocabulary's file."""

from __future__ import annotations

import numpy as np
import torch

from fuzz.targets.reading import Reading, as_file, changed, require
from mesasim.mazes import Mazes, MazeTokenizer, generate

EXAMPLE = generate(2, (3, 4), seed=1, num_threads=1)
SOLVED = EXAMPLE.solve(0, 11, num_threads=1)
TOKENIZERS = [
    MazeTokenizer(3, 4, graph, coordinates, path, shuffle=False)
    for graph in ("connections", "walls")
    for coordinates in ("one", "two")
    for path in ("steps", "forks", "directions")
]


def _use(mazes: Mazes) -> None:
    """What was let in is laid out, searched and drawn."""
    require(2 <= mazes.rows <= 256 and 2 <= mazes.cols <= 256, "sides are 2 to 256")
    if len(mazes) == 0 or mazes.packed.numel() > 1 << 16:
        return
    mazes.components(num_threads=1)
    solved = mazes.solve(0, mazes.rows * mazes.cols - 1, on_impossible="mask", num_threads=1)
    back, _, _, on_path = Mazes.from_text(mazes.text(0, mazes.rows * mazes.cols - 1, solved))
    require(torch.equal(back.packed, mazes.packed), "a maze survives being written as text")
    lengths = torch.where(solved.length < 0, 2, solved.length + 1)  # start and goal are drawn at any rate
    require(torch.equal(on_path.flatten(1).sum(1), lengths.long()), "a path is drawn cell by cell")


def _text(reading: Reading) -> None:
    valid = "\n".join(EXAMPLE.text(0, 11, SOLVED)).encode()
    text = (reading.rest() if reading.byte() % 2 else changed(valid, reading)).decode(errors="replace")
    _use(Mazes.from_text(text.split("\f"))[0])


def _pixels(reading: Reading) -> None:
    shape = tuple(reading.byte() % 14 for _ in range(reading.byte() % 5))
    size = int(np.prod(shape, dtype=np.int64))
    picture = np.resize(np.frombuffer(changed(b"\0\0\0\xff\xff\xff\0\xff\0\xff\0\0", reading) or b"\0", np.uint8), size)
    _use(Mazes.from_pixels(picture.reshape(shape))[0])
    drawn = EXAMPLE.pixels().numpy()
    other = np.frombuffer(changed(drawn.tobytes(), reading), np.uint8)[: drawn.size]
    _use(Mazes.from_pixels(np.resize(other, drawn.shape))[0])


def _packed(reading: Reading) -> None:
    rows, cols, count = reading.byte() % 12, reading.byte(), reading.byte() % 3
    data = reading.rest() or b"\0"
    _use(Mazes(np.resize(np.frombuffer(data, np.uint8), (count, 2, rows, (cols + 7) // 8)), cols))


def _connections(reading: Reading) -> None:
    shape = tuple(reading.byte() % 10 for _ in range(4))
    _use(Mazes.from_connections(np.resize(np.frombuffer(reading.rest() or b"\0", np.uint8) & 1 == 1, shape)))


def _tokens(reading: Reading) -> None:
    tokenizer = reading.choice(TOKENIZERS)
    tokens = tokenizer.encode(SOLVED)[0]
    if reading.byte() % 2:
        tokens = torch.frombuffer(bytearray(reading.rest() or b"\0"), dtype=torch.int8)[None]
    else:
        for _ in range(reading.byte() % 6):
            tokens[reading.byte() % 2, reading.byte() % tokens.shape[1]] = reading.byte() - 128
    mazes, start, goal, paths = tokenizer.decode(tokens)
    _use(mazes)
    for path, begin, end in zip(paths, start, goal, strict=True):
        require((int(path[0]), int(path[-1])) == (int(begin), int(end)), "a path goes from start to goal")


def _vocabulary(reading: Reading) -> None:
    if not hasattr(_vocabulary, "valid"):
        path = as_file(b"", "vocabulary.json")
        MazeTokenizer(2, 3).save(path)
        _vocabulary.valid = path.read_bytes()
    tokenizer = MazeTokenizer.load(
        as_file(changed(_vocabulary.valid, reading) if reading.byte() % 2 else reading.rest())
    )
    require(len(tokenizer.vocabulary) <= 16 + 256 * 256, "a vocabulary is bounded")


def one_input(data: bytes) -> None:
    reading = Reading(data)
    try:
        reading.choice((_text, _pixels, _packed, _connections, _tokens, _vocabulary))(reading)
    except (ValueError, TypeError):
        return
