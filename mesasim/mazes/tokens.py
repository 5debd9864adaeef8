"""Mazes as token sequences, for sequence models, and back. The text form is maze-dataset's; sizes go up to 256."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from mesasim import _core
from mesasim.arrays import as_tensor
from mesasim.buffers import address
from mesasim.integrity import write_whole
from mesasim.machine import allot, check_room, integer
from mesasim.mazes.solving import COL_STEP, ROW_STEP

if TYPE_CHECKING:
    from mesasim.mazes.batch import Mazes
    from mesasim.mazes.solving import Solutions

SPECIAL = (
    "<PAD>", "<ADJLIST_START>", "<ADJLIST_END>", "<ORIGIN_START>", "<ORIGIN_END>", "<TARGET_START>", "<TARGET_END>",
    "<PATH_START>", "<PATH_END>", "<-->", "<XX>", ";", "UP", "RIGHT", "DOWN", "LEFT",
)  # fmt: skip
PAD, ADJ, ADJ_END, ORIGIN, ORIGIN_END, TARGET, TARGET_END, PATH, PATH_END, OPEN, WALL, SEMICOLON, UP = range(13)
CHOICES = {
    "graph": ("connections", "walls"), "coordinates": ("one", "two"), "path": ("steps", "forks", "directions"),
}  # fmt: skip
FORMAT = 1


@dataclass(frozen=True)
class MazeTokenizer:
    """How mazes of one size are written.

    Attributes:
        rows, cols: cells a side.
        graph: list the open "connections" (a <--> b ;) or the "walls" (a <XX> b ;) between neighbours.
        coordinates: a cell is "one" token, (r,c), or "two", r3 c5.
        path: every cell ("steps"); the start, the cell stepped to wherever there is a choice, and the goal ("forks"); or
            the start and UP, RIGHT, DOWN, LEFT ("directions").
        shuffle: whether the graph's entries come in random order, each with its cells in random order, keyed by (seed,
            maze number); else in row order.
    """

    rows: int
    cols: int
    graph: str = "connections"
    coordinates: str = "one"
    path: str = "steps"
    shuffle: bool = True

    def __post_init__(self) -> None:
        for name in ("rows", "cols"):
            integer(name, getattr(self, name), 2, 256)
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name}: got {getattr(self, name)!r}, allowed: {', '.join(map(repr, allowed))}")
        if not isinstance(self.shuffle, bool):
            raise TypeError(f"shuffle: got {self.shuffle!r}, allowed: True or False")

    @property
    def vocabulary(self) -> list[str]:
        """Token i's text."""
        if self.coordinates == "one":
            cells = [f"({r},{c})" for r in range(self.rows) for c in range(self.cols)]
        else:
            cells = [f"r{r}" for r in range(self.rows)] + [f"c{c}" for c in range(self.cols)]
        return [*SPECIAL, *cells]

    def save(self, path: Path) -> None:
        """Writes settings and vocabulary as JSON."""
        content = {"format": FORMAT, **asdict(self), "vocabulary": self.vocabulary}
        text = json.dumps(content, indent=1)
        write_whole(Path(path), lambda file: file.write_text(text))

    @classmethod
    def load(cls, path: Path) -> MazeTokenizer:
        """Reads what `save` wrote; ValueError for a file that is not that."""
        try:
            content = json.loads(Path(path).read_text())
            vocabulary, form = content.pop("vocabulary"), content.pop("format")
            tokenizer = cls(**content)
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"path: got {path}, which is no vocabulary of mazes ({error})") from error
        if form != FORMAT or vocabulary != tokenizer.vocabulary:
            raise ValueError(f"path: got {path}, whose vocabulary is of another format")
        return tokenizer

    # Cells as tokens

    def _write_cells(self, cells: Tensor) -> Tensor:
        """Cell numbers [...] → tokens [..., 1 or 2]."""
        if self.coordinates == "one":
            return (cells + len(SPECIAL))[..., None]
        return torch.stack([cells // self.cols + len(SPECIAL), cells % self.cols + len(SPECIAL) + self.rows], -1)

    @property
    def _width(self) -> int:
        return 1 if self.coordinates == "one" else 2

    # Encoding

    def encode(self, solutions: Solutions, *, seed: int = 0, first: int = 0) -> tuple[Tensor, Tensor]:
        """(tokens, lengths): int32 [count, longest], padded with 0, and int64 [count].

        Maze i's shuffle is keyed by (seed, first + i). Every maze must have a way from start to goal.
        """
        mazes = solutions.mazes
        if (mazes.rows, mazes.cols) != (self.rows, self.cols):
            raise ValueError(f"solutions: got mazes of {mazes.rows}×{mazes.cols}, allowed: {self.rows}×{self.cols}")
        if (solutions.length < 0).any():
            raise ValueError(f"solutions: got no way in maze {int((solutions.length < 0).nonzero()[0])}")
        graph, graph_length = self._graph(mazes, seed, first)
        path, path_length = self._path(solutions)
        count, on, w = len(mazes), mazes.device, self._width
        ends = torch.cat(
            [self._write_cells(c.long()[:, None]).flatten(1) for c in (solutions.start, solutions.goal)], 1
        )
        frame = torch.tensor([ADJ, ADJ_END, ORIGIN, ORIGIN_END, TARGET, TARGET_END, PATH, PATH_END], device=on)
        lengths = graph_length + path_length + 8 + 2 * w
        out = allot("solutions", (count, int(lengths.max()) if count else 0), torch.int32, on).zero_()
        rows = torch.arange(count, device=on)
        after_graph = graph_length + 1
        if count:
            out[:, 0] = ADJ
            _place(out, graph, graph_length, torch.ones_like(graph_length))
            middle = torch.cat(
                [frame[1:3].expand(count, 2), ends[:, :w], frame[3:5].expand(count, 2), ends[:, w:],
                 frame[5:7].expand(count, 2)], 1,
            )  # fmt: skip
            where = after_graph[:, None] + torch.arange(middle.shape[1], device=on)
            out[rows[:, None], where] = middle.int()
            _place(out, path, path_length, after_graph + middle.shape[1])
            out[rows, lengths - 1] = PATH_END
        return out, lengths

    def _graph(self, mazes: Mazes, seed: int, first: int) -> tuple[Tensor, Tensor]:
        """(tokens of all mazes' entries in turn, how many each maze has)."""
        listed = mazes.connections
        inside = torch.ones_like(listed)
        inside[:, 0, -1] = False
        inside[:, 1, :, -1] = False
        if self.graph == "walls":
            listed = ~listed & inside
        # Where each is, in four numbers, and its tokens.
        check_room("solutions", len(mazes), int(listed.sum()) * (4 + 2 + 2 * self._width) * 8, mazes.device)
        maze, plane, r, c = listed.nonzero().unbind(1)
        a = r * self.cols + c
        b = a + torch.where(plane == 1, 1, self.cols)
        if self.shuffle:
            each = 2 * self.rows * self.cols
            words = allot("solutions", (len(mazes), each), torch.int64)
            _core.maze_words(
                integer("seed", seed, 0, 2**64 - 1),
                integer("first", first, 0, 2**63 - 1),
                len(mazes),
                each,
                address(words),
            )
            key = words.to(mazes.device).view(listed.shape)[maze, plane, r, c]
            swap = (key & 1).bool()
            a, b = torch.where(swap, b, a), torch.where(swap, a, b)
            order = torch.argsort(key >> 1, stable=True)
            order = order[torch.argsort(maze[order], stable=True)]
            maze, a, b = maze[order], a[order], b[order]
        sign = torch.full((len(a), 1), WALL if self.graph == "walls" else OPEN, device=mazes.device)
        entries = torch.cat([self._write_cells(a), sign, self._write_cells(b), torch.full_like(sign, SEMICOLON)], 1)
        return entries.flatten(), torch.bincount(maze, minlength=len(mazes)) * entries.shape[1]

    def _path(self, solutions: Solutions) -> tuple[Tensor, Tensor]:
        mazes, cells, offsets = solutions.mazes, solutions.cells.long(), solutions.offsets
        count = len(mazes)
        owner = torch.repeat_interleave(torch.arange(count, device=mazes.device), offsets.diff())
        is_first = torch.zeros_like(owner, dtype=torch.bool)
        is_first[offsets[:-1]] = True
        if self.path == "directions":
            step = cells - cells.roll(1)
            move = torch.where(step == -self.cols, 0, torch.where(step == self.cols, 2, torch.where(step == 1, 1, 3)))
            per_row = [self._write_cells(cells[is_first]), (UP + move[~is_first])[:, None]]
            return _interleave(owner, is_first, per_row, count)
        kept = torch.ones_like(is_first)
        if self.path == "forks":
            degree = mazes.degrees().flatten(1)[owner, cells]
            choice = (degree >= 3) | (is_first & (degree >= 2))
            kept = is_first | choice.roll(1)
            kept[offsets[1:] - 1] = True
        tokens = self._write_cells(cells[kept])
        return tokens.flatten(), torch.bincount(owner[kept], minlength=count) * tokens.shape[1]

    # Decoding

    def text(self, tokens: Tensor) -> list[str]:
        """The tokens' text, a string a sequence, padding left out."""
        names = self.vocabulary
        return [" ".join(names[t] for t in row if t != PAD) for row in tokens.tolist()]

    def decode(self, tokens: Any) -> tuple[Mazes, Tensor, Tensor, list[Tensor]]:
        """(mazes, start, goal, paths): what was encoded; paths int64 [length + 1] of cell numbers. ValueError says which
        sequence is none, and why."""
        from mesasim.mazes.batch import Mazes

        given = as_tensor("tokens", tokens, "integers")
        if given.dim() != 2:
            raise ValueError(f"tokens: got shape {tuple(given.shape)}, allowed: [count, length]")
        rows = given.tolist()
        connections = allot("tokens", (len(rows), 2, self.rows, self.cols), torch.bool).zero_()
        starts, goals, written = [], [], []
        for i, row in enumerate(rows):
            try:
                entries, start, goal, path = self._parse(row)
                self._fill(connections[i], entries)
            except (ValueError, IndexError) as error:
                raise ValueError(f"tokens: got sequence {i}, which is no maze: {error}") from error
            starts.append(start)
            goals.append(goal)
            written.append(path)
        mazes = Mazes.from_connections(connections)
        paths = []
        for i, path in enumerate(written):
            try:
                paths.append(torch.tensor(self._follow(connections[i], starts[i], goals[i], path)))
            except (ValueError, IndexError) as error:
                raise ValueError(f"tokens: got sequence {i}, whose path is none: {error}") from error
        return mazes, torch.tensor(starts, dtype=torch.int32), torch.tensor(goals, dtype=torch.int32), paths

    def _parse(self, row: list[int]) -> tuple[list[tuple[int, int]], int, int, list[int]]:
        marks = [row.index(mark) for mark in (ADJ, ADJ_END, ORIGIN, ORIGIN_END, TARGET, TARGET_END, PATH, PATH_END)]
        frame_is_whole = marks[0] == 0 and all(b == a + 1 for a, b in zip(marks[1:-1:2], marks[2::2], strict=True))
        if not frame_is_whole or marks != sorted(marks) or any(t != PAD for t in row[marks[-1] + 1 :]):
            raise ValueError("its parts are out of order, or there is something around them")
        between = [row[a + 1 : b] for a, b in zip(marks[::2], marks[1::2], strict=True)]
        w = self._width
        each = 2 * w + 2
        graph = between[0]
        if len(graph) % each:
            raise ValueError("an entry of its graph is cut off")
        entries = []
        for k in range(0, len(graph), each):
            entry = graph[k : k + each]
            if entry[w] != (WALL if self.graph == "walls" else OPEN) or entry[-1] != SEMICOLON:
                raise ValueError(f"entry {k // each} of its graph is malformed")
            entries.append((self._cell(entry[:w]), self._cell(entry[w + 1 : -1])))
        return entries, self._cell(between[1]), self._cell(between[2]), between[3]

    def _cell(self, tokens: list[int]) -> int:
        """The cell of 1 or 2 tokens."""
        if len(tokens) != self._width:
            raise ValueError("a cell is cut off")
        if self._width == 1:
            cell = tokens[0] - len(SPECIAL)
            if 0 <= cell < self.rows * self.cols:
                return cell
        else:
            r, c = tokens[0] - len(SPECIAL), tokens[1] - len(SPECIAL) - self.rows
            if 0 <= r < self.rows and 0 <= c < self.cols:
                return r * self.cols + c
        raise ValueError(f"token {tokens} is no cell")

    def _fill(self, connections: Tensor, entries: list[tuple[int, int]]) -> None:
        if self.graph == "walls":
            connections[0, :-1] = True
            connections[1, :, :-1] = True
        for a, b in entries:
            low, high = min(a, b), max(a, b)
            right = high == low + 1 and high % self.cols
            if not right and high != low + self.cols:
                raise ValueError(f"cells {low} and {high} are no neighbours")
            at = int(bool(right)), low // self.cols, low % self.cols
            if bool(connections[at]) == (self.graph == "connections"):
                raise ValueError(f"cells {low} and {high} are listed twice")
            connections[at] = self.graph == "connections"

    def _follow(self, connections: Tensor, start: int, goal: int, written: list[int]) -> list[int]:
        """The path's cells from what is written of it."""
        w = self._width
        if self._cell(written[:w]) != start:
            raise ValueError("it does not begin at the start")
        if self.path == "directions":
            path = [start]
            for token in written[w:]:
                path.append(self._neighbour(connections, path[-1], token - UP))
        else:
            listed = [self._cell(written[k : k + w]) for k in range(0, len(written), w)]
            path = listed if self.path == "steps" else self._expand(connections, listed)
            for a, b in itertools.pairwise(path):
                if all(self._neighbour(connections, a, d) != b for d in self._exits(connections, a)):
                    raise ValueError(f"cells {a} and {b} are not joined")
        if path[-1] != goal:
            raise ValueError("it does not end at the goal")
        return path

    def _expand(self, connections: Tensor, listed: list[int]) -> list[int]:
        path, rest, before = [listed[0]], listed[1:], -1
        while path[-1] != listed[-1]:
            at = path[-1]
            ways = [self._neighbour(connections, at, d) for d in self._exits(connections, at)]
            ahead = [cell for cell in ways if cell != before]
            chooses = len(ways) >= 3 or (before < 0 and len(ways) >= 2)
            if not chooses and len(ahead) != 1:
                raise ValueError("it ends before the goal")
            if len(path) == self.rows * self.cols:  # a cell comes again: on a loop without a choice it would for ever
                raise ValueError("it goes in circles")
            path.append(rest.pop(0) if chooses else ahead[0])
            before = at
        if rest not in ([], listed[-1:]):
            raise ValueError("it goes on behind the goal")
        return path

    def _exits(self, connections: Tensor, cell: int) -> list[int]:
        return [d for d in range(4) if self._open(connections, cell, d)]

    def _open(self, connections: Tensor, cell: int, direction: int) -> bool:
        r, c = cell // self.cols - (direction == 0), cell % self.cols - (direction == 3)
        return r >= 0 and c >= 0 and bool(connections[direction & 1, r, c])

    def _neighbour(self, connections: Tensor, cell: int, direction: int) -> int:
        if not 0 <= direction < 4 or not self._open(connections, cell, direction):
            raise ValueError(f"it goes through a wall at cell {cell}")
        return cell + ROW_STEP[direction] * self.cols + COL_STEP[direction]


def _place(out: Tensor, flat: Tensor, lengths: Tensor, begin: Tensor) -> None:
    """Writes ragged rows, given one after the other, into `out` from column begin[i] of row i."""
    owner = torch.repeat_interleave(torch.arange(len(lengths), device=out.device), lengths)
    column = torch.arange(len(flat), device=out.device) - (lengths.cumsum(0) - lengths)[owner] + begin[owner]
    out[owner, column] = flat.int()


def _interleave(owner: Tensor, is_first: Tensor, parts: list[Tensor], count: int) -> tuple[Tensor, Tensor]:
    """Each row's head (parts[0], a row each) followed by its tail (parts[1], in order)."""
    head, tail = parts
    tail_length = torch.bincount(owner[~is_first], minlength=count)
    lengths = tail_length + head.shape[1]
    out = torch.zeros((int(lengths.sum()),), dtype=torch.int64, device=owner.device)
    begin = lengths.cumsum(0) - lengths
    out[begin[:, None] + torch.arange(head.shape[1], device=owner.device)] = head
    rest = torch.ones_like(out, dtype=torch.bool)
    rest[begin[:, None] + torch.arange(head.shape[1], device=owner.device)] = False
    out[rest] = tail.flatten()
    return out, lengths
