"""Symmetric instances from TSPLIB95 files, with distances by its rules (Reinelt, "TSPLIB 95", Heidelberg 1995).

Not here: solving; tours (tour_files.py); problems that are not symmetric tours (ATSP, SOP, HCP, CVRP, fixed edges), which
are refused."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mesasim.tsp.tsplib_syntax import TsplibFile


def _squared(points: np.ndarray) -> np.ndarray:
    apart = points[:, None] - points[None]
    return apart[..., 0] * apart[..., 0] + apart[..., 1] * apart[..., 1]


def _nint(values: np.ndarray) -> np.ndarray:
    return np.floor(values + 0.5)  # TSPLIB95: halves away from zero, and distances are not negative


def _euc_2d(points: np.ndarray) -> np.ndarray:
    return _nint(np.sqrt(_squared(points)))


def _ceil_2d(points: np.ndarray) -> np.ndarray:
    return np.ceil(np.sqrt(_squared(points)))


def _att(points: np.ndarray) -> np.ndarray:
    """Pseudo-Euclidean: a tenth of the square, never rounded down."""
    exact = np.sqrt(_squared(points) / 10.0)
    near = _nint(exact)
    return near + (near < exact)


def _geo(points: np.ndarray) -> np.ndarray:
    """Kilometres on TSPLIB's idealised Earth; coordinates are DDD.MM, degrees and minutes, latitude first. Through `math`,
    for a cast follows and NumPy's vectorised cosines differ by processor."""
    pi, radius = 3.141592, 6378.388  # as TSPLIB95 has them: the known optima depend on these digits

    def radians(x: float) -> float:
        degrees = math.trunc(x)
        return pi * (degrees + 5.0 * (x - degrees) / 3.0) / 180.0

    places = [(radians(latitude), radians(longitude)) for latitude, longitude in points.tolist()]
    found = np.zeros((len(places), len(places)))
    for i, (latitude, longitude) in enumerate(places):
        for j, (other_latitude, other_longitude) in enumerate(places[:i]):
            q1 = math.cos(longitude - other_longitude)
            q2 = math.cos(latitude - other_latitude)
            q3 = math.cos(latitude + other_latitude)
            angle = math.acos(min(1.0, max(-1.0, 0.5 * ((1.0 + q1) * q2 - (1.0 - q1) * q3))))
            found[i, j] = found[j, i] = math.trunc(radius * angle + 1.0)
    return found


DISTANCES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "EUC_2D": _euc_2d,
    "CEIL_2D": _ceil_2d,
    "GEO": _geo,
    "ATT": _att,
}


def _upper(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.triu_indices(n, 1)


def _lower(n: int) -> tuple[np.ndarray, np.ndarray]:
    return np.tril_indices(n, -1)


# n → rows and columns of the weights in the file's order. A triangle by columns is the other one by rows, for the matrix is
# symmetric.
FORMATS: dict[str, Callable[[int], tuple[np.ndarray, np.ndarray]]] = {
    "FULL_MATRIX": lambda n: (np.repeat(np.arange(n), n), np.tile(np.arange(n), n)),
    "UPPER_ROW": _upper,
    "LOWER_COL": _upper,
    "LOWER_ROW": _lower,
    "UPPER_COL": _lower,
    "UPPER_DIAG_ROW": np.triu_indices,
    "LOWER_DIAG_COL": np.triu_indices,
    "LOWER_DIAG_ROW": np.tril_indices,
    "UPPER_DIAG_COL": np.tril_indices,
}
KEYWORDS: dict[str, tuple[str, ...]] = {  # keyword → what it may say; nothing listed: any text
    "NAME": (),
    "TYPE": ("TSP",),
    "COMMENT": (),
    "DIMENSION": (),
    "EDGE_WEIGHT_TYPE": (*DISTANCES, "EXPLICIT"),
    "EDGE_WEIGHT_FORMAT": (*FORMATS, "FUNCTION"),
    "NODE_COORD_TYPE": ("TWOD_COORDS", "NO_COORDS"),
    "DISPLAY_DATA_TYPE": ("COORD_DISPLAY", "TWOD_DISPLAY", "NO_DISPLAY"),
}
COORDINATES, DISPLAY, WEIGHTS = "NODE_COORD_SECTION", "DISPLAY_DATA_SECTION", "EDGE_WEIGHT_SECTION"


@dataclass(frozen=True, eq=False)
class TsplibInstance:
    """A symmetric instance as its file gives it.

    Row i of every tensor is the node with the i-th smallest number of the file. Distances are whole numbers by the rule that
    `edge_weight_type` names; the diagonal is 0 whatever the file writes there, for no tour uses it.
    """

    name: str
    comment: str  # several COMMENT lines are joined by line breaks
    edge_weight_type: str  # EUC_2D, CEIL_2D, GEO, ATT or EXPLICIT
    nodes: Tensor  # [n] int64, ascending: the file's numbers of the nodes; 1 … n where it names none
    coordinates: Tensor | None  # [n, 2] float64; GEO: latitude and longitude as DDD.MM
    distances: Tensor  # [n, n] int64, symmetric, 0 … 2^45
    display: Tensor | None  # [n, 2] float64: where to draw the nodes; not what distances are computed from


def _points(file: TsplibFile, keyword: str, n: int) -> tuple[list[int], np.ndarray]:
    """The nodes' numbers, ascending, and their coordinates [n, 2]."""
    lines = file.section(keyword)
    found: dict[int, tuple[float, float]] = {}
    for line, text in lines[1:]:
        words = text.split(maxsplit=4)
        if len(words) != 3:
            raise file.fault(line, f"got {text[:40]!r}, allowed in {keyword}: a node's number and two coordinates")
        node = file.whole(line, words[0])
        if node < 0:
            raise file.fault(line, f"node {node}, allowed: numbers of 0 and more")
        if node in found:
            raise file.fault(line, f"node {node} is in {keyword} a second time")
        if len(found) == n:
            raise file.fault(line, f"node {node} is one more than DIMENSION, {n}")
        found[node] = (file.number(line, words[1]), file.number(line, words[2]))
    if len(found) < n:
        raise file.fault(lines[-1].number, f"{keyword} ends after {len(found)} nodes, DIMENSION is {n}")
    return sorted(found), np.array([found[node] for node in sorted(found)])


def _weights(file: TsplibFile, n: int) -> np.ndarray:
    """EDGE_WEIGHT_SECTION as a symmetric matrix [n, n], its diagonal as the file has it."""
    form = file.value("EDGE_WEIGHT_FORMAT")
    if form not in FORMATS:
        line = file.said["EDGE_WEIGHT_FORMAT"].number
        raise file.fault(line, f"EDGE_WEIGHT_FORMAT is {form}, allowed with EXPLICIT: {', '.join(FORMATS)}")
    rows, cols = FORMATS[form](n)
    section = file.section(WEIGHTS)
    matrix = np.zeros((n, n), dtype=np.int64)
    known = np.zeros((n, n), dtype=bool)
    count = 0
    for line, text in section[1:]:
        for word in text.split():
            if count == len(rows):
                raise file.fault(line, f"got {word[:40]!r}, allowed: no more than {count} weights, {form} of {n} nodes")
            i, j, weight = rows[count], cols[count], file.whole(line, word)
            if i != j and weight < 0:
                raise file.fault(line, f"the weight of nodes {i + 1} and {j + 1} is {weight}, allowed: 0 and more")
            if known[j, i] and matrix[j, i] != weight:
                places = f"row {i + 1}, column {j + 1} is {weight}; row {j + 1}, column {i + 1} is {matrix[j, i]}"
                raise file.fault(line, f"{places}; allowed: a symmetric matrix")
            matrix[i, j], known[i, j] = weight, True
            count += 1
    if count < len(rows):
        raise file.fault(
            section[-1].number, f"{WEIGHTS} ends after {count} of {len(rows)} weights, {form} of {n} nodes"
        )
    return np.where(known, matrix, matrix.T)


def _refuse_weights(file: TsplibFile, kind: str) -> None:
    """Of a file whose distances are computed: weights it lists would be passed over."""
    if WEIGHTS in file.sections:
        line = file.sections[WEIGHTS][0].number
        raise file.fault(line, f"{WEIGHTS} with EDGE_WEIGHT_TYPE {kind}, allowed: with EXPLICIT")
    if file.value("EDGE_WEIGHT_FORMAT", "FUNCTION") != "FUNCTION":
        line, form = file.said["EDGE_WEIGHT_FORMAT"]
        raise file.fault(line, f"EDGE_WEIGHT_FORMAT is {form}, allowed with {kind}: FUNCTION")


def read_tsplib(path: str | os.PathLike[str]) -> TsplibInstance:
    """A symmetric TSPLIB95 instance of 3 to 256 nodes.

    Args:
        path: a .tsp file with EDGE_WEIGHT_TYPE EUC_2D, CEIL_2D, GEO, ATT, or EXPLICIT in any matrix format. Nodes may be
            numbered from anywhere and come in any order.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is malformed or asks for what is not supported; names the file and the line.
    """
    file = TsplibFile(path, KEYWORDS, (COORDINATES, DISPLAY, WEIGHTS))
    n = file.dimension()
    kind = file.value("EDGE_WEIGHT_TYPE")
    numbers = list(range(1, n + 1))
    coordinates = display = None
    if COORDINATES in file.sections or kind != "EXPLICIT":
        numbers, coordinates = _points(file, COORDINATES, n)
    if DISPLAY in file.sections or file.value("DISPLAY_DATA_TYPE", "") == "TWOD_DISPLAY":
        shown, display = _points(file, DISPLAY, n)
        if coordinates is not None and shown != numbers:
            line, odd = file.sections[DISPLAY][0].number, min(set(numbers) ^ set(shown))
            raise file.fault(line, f"node {odd} is in only one of {COORDINATES} and {DISPLAY}")
        numbers = shown
    elif file.value("DISPLAY_DATA_TYPE", "") != "NO_DISPLAY":
        display = coordinates
    if kind == "EXPLICIT":
        distances = _weights(file, n)
    else:
        _refuse_weights(file, kind)
        assert coordinates is not None
        distances = DISTANCES[kind](coordinates).astype(np.int64)
    np.fill_diagonal(distances, 0)
    return TsplibInstance(
        name=file.value("NAME", ""),
        comment="\n".join(file.comments),
        edge_weight_type=kind,
        nodes=torch.tensor(numbers),
        coordinates=None if coordinates is None else torch.from_numpy(coordinates),
        distances=torch.from_numpy(distances),
        display=None if display is None else torch.tensor(display),
    )
