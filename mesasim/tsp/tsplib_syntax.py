"""The grammar of TSPLIB95 files: keywords with values, sections of numbers, and faults that name the file and the line.
Every file is taken for hostile: its size is bounded before it is read, its numbers before they count as numbers.

Not here: what the keywords and numbers mean (tsplib.py, tour_files.py)."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

SMALLEST, LARGEST = 3, 256  # nodes of an instance
MAGNITUDE = 2**43  # of a number in a file: 256 edges between such points stay below 2^53, so float64 adds them exactly
MAX_BYTES, MAX_LINES, MAX_WORD = 2**21, 2**17, 99  # 256 × 256 weights fit, one a line
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)  # float() also takes nan, inf, 1_0 and ١


class Line(NamedTuple):
    number: int  # from 1
    text: str


class TsplibFile:
    """A file taken apart: what each keyword says, and the lines under each section.

    Args:
        path: the file.
        keywords: keyword → the values it may have; none listed: any text. TYPE must be among them.
        sections: keywords that begin lines of numbers.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is none of these, or says something twice.
    """

    def __init__(
        self, path: str | os.PathLike[str], keywords: Mapping[str, tuple[str, ...]], sections: tuple[str, ...]
    ) -> None:
        self.path = Path(path)
        self.said: dict[str, Line] = {}  # all but COMMENT
        self.comments: list[str] = []
        self.sections: dict[str, list[Line]] = {}  # the first line of each is its keyword's
        self._keywords, self._section_names = keywords, sections
        with open(self.path, "rb") as opened:
            data = opened.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ValueError(f"{self.path}: more than {MAX_BYTES} bytes, allowed: what {LARGEST} nodes need")
        lines = data.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")
        self.end = len(lines)  # the line where what is missing is missed
        if self.end > MAX_LINES:
            raise self.fault(
                MAX_LINES + 1, f"got {self.end} lines, allowed: {MAX_LINES}, more than {LARGEST} nodes need"
            )
        section: list[Line] | None = None
        for number, text in enumerate(map(str.strip, lines), 1):
            if text == "EOF":
                self.end = number
                break
            if text and text[0] in "+-.0123456789":
                if section is None:
                    raise self.fault(number, f"got {text[:40]!r}, allowed: a keyword, for no section has begun")
                section.append(Line(number, text))
            elif text:
                section = self._take_keyword(number, text)

    def _take_keyword(self, number: int, text: str) -> list[Line] | None:
        """Notes what a keyword says; the list for the numbers that follow, where it begins a section."""
        keyword, _, value = (part.strip() for part in text.partition(":"))
        if keyword == "FIXED_EDGES_SECTION":
            raise self.fault(number, "FIXED_EDGES_SECTION is not supported: solvers here choose all edges freely")
        if keyword in self.sections or (keyword in self.said and keyword != "COMMENT"):
            first = self.sections[keyword][0] if keyword in self.sections else self.said[keyword]
            raise self.fault(number, f"{keyword} comes a second time, allowed: once, as on line {first.number}")
        if keyword in self._section_names and not value:
            return self.sections.setdefault(keyword, [Line(number, keyword)])
        if keyword not in self._keywords:
            allowed = ", ".join([*self._keywords, *self._section_names, "EOF"])
            raise self.fault(number, f"got {text[:40]!r}, allowed: numbers of a section, or one of {allowed}")
        if keyword == "TYPE":
            value = value.partition("(")[0].rstrip()  # TSPLIB's si175.tsp says "TSP (M.~Hofmeister)"
        allowed_values = self._keywords[keyword]
        if allowed_values and value not in allowed_values:
            raise self.fault(number, f"{keyword} is {value[:40]!r}, allowed: {', '.join(allowed_values)}")
        if keyword == "COMMENT":
            self.comments.append(value)
        else:
            self.said[keyword] = Line(number, value)
        return None

    def fault(self, line: int, message: str) -> ValueError:
        return ValueError(f"{self.path}:{line}: {message}")

    def value(self, keyword: str, default: str | None = None) -> str:
        """What the keyword says; without a default, it must be there."""
        if keyword in self.said:
            return self.said[keyword].text
        if default is None:
            raise self.fault(self.end, f"the file ends without {keyword}")
        return default

    def section(self, keyword: str) -> list[Line]:
        """Its lines, the keyword's own first; it must be there."""
        if keyword not in self.sections:
            raise self.fault(self.end, f"the file ends without {keyword}")
        return self.sections[keyword]

    def dimension(self) -> int:
        word = self.value("DIMENSION")
        line = self.said["DIMENSION"].number
        n = self.whole(line, word)
        if not SMALLEST <= n <= LARGEST:
            raise self.fault(line, f"DIMENSION is {n}, allowed: {SMALLEST} to {LARGEST} nodes")
        return n

    def number(self, line: int, word: str) -> float:
        value = float(word) if len(word) <= MAX_WORD and NUMBER.fullmatch(word) else math.nan
        if not abs(value) <= MAGNITUDE:
            raise self.fault(line, f"got {word[:40]!r}, allowed: a number from -2^43 to 2^43")
        return value

    def whole(self, line: int, word: str) -> int:
        value = self.number(line, word)
        if not value.is_integer():
            raise self.fault(line, f"got {word[:40]!r}, allowed: a whole number")
        return int(value)
