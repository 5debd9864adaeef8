"""Tours in TSPLIB95 files: written whole or not at all, and read with the caution of tsplib_syntax.py.

Not here: instances (tsplib.py)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from mesasim.arrays import as_tensor
from mesasim.integrity import write_whole
from mesasim.tsp.tsplib_syntax import LARGEST, SMALLEST, TsplibFile

KEYWORDS: dict[str, tuple[str, ...]] = {"NAME": (), "TYPE": ("TOUR",), "COMMENT": (), "DIMENSION": ()}


def write_tour(
    path: str | os.PathLike[str],
    order: Tensor | Sequence[int],
    name: str,
    comment: str = "",
    *,
    nodes: Tensor | Sequence[int] | None = None,
) -> None:
    """Writes a TSPLIB95 tour; the file is whole or absent.

    Args:
        path: the .tour file.
        order: [n] integers, a permutation of 0 … n - 1, n from 3 to 256: rows of the instance in order of travel.
        name, comment: one line each; an empty comment is left out.
        nodes: [n] the numbers the rows have in the instance's file (`TsplibInstance.nodes`); default: 1 … n.

    Raises:
        TypeError, ValueError: an argument of the wrong kind or out of range, by name.
    """
    for argument, text in (("name", name), ("comment", comment)):
        if not isinstance(text, str):
            raise TypeError(f"{argument}: got {type(text).__name__}, allowed: a string")
        if text.splitlines() not in ([], [text]):
            raise ValueError(f"{argument}: got {text[:40]!r}, allowed: one line")
    rows = _integers("order", order)
    n = len(rows)
    if not SMALLEST <= n <= LARGEST:
        raise ValueError(f"order: got {n} nodes, allowed: {SMALLEST} to {LARGEST}")
    if sorted(rows) != list(range(n)):
        raise ValueError(f"order: got {rows[:8]} …, allowed: a permutation of 0 … {n - 1}")
    numbers = _numbers(nodes, n)
    head = [f"NAME : {name}", *([f"COMMENT : {comment}"] if comment else []), "TYPE : TOUR", f"DIMENSION : {n}"]
    text = "\n".join([*head, "TOUR_SECTION", *(str(numbers[row]) for row in rows), "-1", "EOF", ""])
    write_whole(Path(path), lambda temporary: temporary.write_text(text, encoding="utf-8"))


def read_tour(path: str | os.PathLike[str], *, nodes: Tensor | Sequence[int] | None = None) -> Tensor:
    """A TSPLIB95 tour: rows of the instance in order of travel, [n] int64, a permutation of 0 … n - 1.

    Args:
        path: a .tour file that holds one tour of 3 to 256 nodes.
        nodes: as of `write_tour`.

    Raises:
        OSError: the file cannot be read.
        TypeError, ValueError: the file is malformed, by name and line; or nodes are not its nodes.
    """
    file = TsplibFile(path, KEYWORDS, ("TOUR_SECTION",))
    n = file.dimension()
    rows = {number: row for row, number in enumerate(_numbers(nodes, n))}
    order: dict[int, None] = {}  # in order of travel
    ended = False
    for line, text in file.section("TOUR_SECTION")[1:]:
        for word in text.split():
            node = file.whole(line, word)
            if node == -1:  # TSPLIB95 closes each tour with -1 and may close the section with another
                if len(order) < n:
                    raise file.fault(line, f"the tour ends after {len(order)} nodes, DIMENSION is {n}")
                ended = True
            elif ended:
                raise file.fault(line, f"got {word[:40]!r} after -1, allowed: one tour in a file")
            elif node not in rows:
                raise file.fault(line, f"got node {node}, allowed: {min(rows)} … {max(rows)}, the instance's nodes")
            elif rows[node] in order:
                raise file.fault(line, f"node {node} is in the tour a second time")
            else:
                order[rows[node]] = None
    if not ended:
        raise file.fault(file.end, f"the tour is not closed by -1 after {len(order)} of {n} nodes")
    return torch.tensor(list(order))


def _integers(argument: str, given: Tensor | Sequence[int]) -> list[int]:
    tensor = as_tensor(argument, given, "integers", allowed="[n] integers")
    if tensor.dim() != 1:
        raise ValueError(f"{argument}: got shape {tuple(tensor.shape)}, allowed: [n]")
    listed: list[int] = tensor.tolist()
    return listed


def _numbers(nodes: Tensor | Sequence[int] | None, n: int) -> list[int]:
    """The number that each row has in files."""
    if nodes is None:
        return list(range(1, n + 1))
    numbers = _integers("nodes", nodes)
    if len(numbers) != n or len(set(numbers)) < n or min(numbers) < 0:
        raise ValueError(f"nodes: got {len(numbers)} numbers, allowed: {n}, each of 0 and more and there once")
    return numbers
