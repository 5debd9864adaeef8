"""TSPLIB95 files say what TSPLIB95 says they say, tours come back as written, and what is malformed is refused by line."""

import json
import math
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from mesasim.tsp import read_tour, read_tsplib, write_tour

DATA = Path(__file__).parents[1] / "data" / "tsplib"
OPTIMA = json.loads((DATA / "optima.json").read_text())["optima"]
POINTS = (
    "NAME : p\nTYPE : TSP\nDIMENSION : 3\nEDGE_WEIGHT_TYPE : EUC_2D\nNODE_COORD_SECTION\n1 0 0\n2 3 4\n3 0 1\nEOF\n"
)
MATRIX = """\
TYPE : TSP
DIMENSION : 3
EDGE_WEIGHT_TYPE : EXPLICIT
EDGE_WEIGHT_FORMAT : FULL_MATRIX
EDGE_WEIGHT_SECTION
0 1 2
1 0 3
2 3 0
EOF
"""
TOUR = "NAME : t\nTYPE : TOUR\nDIMENSION : 3\nTOUR_SECTION\n2\n1\n3\n-1\nEOF\n"


def written(folder, text, name="f.tsp"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def distances(folder, kind, *points):
    """The matrix of nodes at these points; the third node, where only two are of interest, is the first again."""
    points = [*points, points[0]] if len(points) == 2 else points
    lines = [f"{i} {x!r} {y!r}" for i, (x, y) in enumerate(points, 1)]
    head = ["TYPE : TSP", f"DIMENSION : {len(points)}", f"EDGE_WEIGHT_TYPE : {kind}", "NODE_COORD_SECTION"]
    return read_tsplib(written(folder, "\n".join([*head, *lines, "EOF", ""]))).distances


@pytest.mark.parametrize("name", OPTIMA)
def test_tours_of_proven_length_have_that_length(name):
    instance = read_tsplib(DATA / f"{name}.tsp")
    order = read_tour(DATA / f"{name}.tour", nodes=instance.nodes)
    assert instance.distances[order, order.roll(-1)].sum() == OPTIMA[name]


@pytest.mark.parametrize("name", OPTIMA)
def test_instances_have_the_promised_shape(name):
    instance = read_tsplib(DATA / f"{name}.tsp")
    n = int("".join(filter(str.isdigit, name)))
    assert instance.name.removesuffix(".tsp") == name and instance.comment
    assert instance.distances.dtype == torch.int64 and instance.distances.shape == (n, n)
    assert torch.equal(instance.distances, instance.distances.T) and not instance.distances.diagonal().any()
    assert torch.equal(instance.nodes, torch.arange(1, n + 1))
    assert (instance.coordinates is None) == (instance.edge_weight_type == "EXPLICIT")
    for points in (instance.coordinates, instance.display):
        assert points is None or (points.dtype == torch.float64 and points.shape == (n, 2))
    assert (instance.display is None) == (name in ("fri26", "gr17", "gr21", "gr48"))


def test_display_coordinates_are_not_what_distances_come_from():
    bays = read_tsplib(DATA / "bayg29.tsp")
    assert bays.display[:2].tolist() == [[1150, 1760], [630, 1660]] and bays.coordinates is None
    assert bays.distances[0, 1] == 97  # the first weight of the file


@pytest.mark.parametrize(
    ("kind", "point", "expected"),
    [
        ("EUC_2D", (3, 4), 5),
        ("EUC_2D", (1, 1), 1),  # 1.41
        ("EUC_2D", (1, 2.5), 3),  # 2.69
        ("EUC_2D", (0, 1.5), 2),  # a half goes up …
        ("EUC_2D", (0, 2.5), 3),  # … and not to the even
        ("EUC_2D", (-0.25, 0), 0),
        ("CEIL_2D", (3, 4), 5),
        ("CEIL_2D", (1, 1), 2),
        ("CEIL_2D", (0, 0.001), 1),
        ("ATT", (3, 1), 1),  # √(10 / 10), exactly
        ("ATT", (10, 0), 4),  # √10 = 3.16 rounds to 3, which is less, so 4
        ("ATT", (8, 0), 3),  # √6.4 = 2.53
        ("GEO", (0, 0), 1),  # distinct nodes in one place are a kilometre apart
        ("GEO", (0, 180), 20039),  # half of the equator, 20038.296, and 1, cast
        ("GEO", (90, 77), 10020),  # a quarter of a meridian, 10019.148
        ("GEO", (0, 1.30), 167),  # 1° 30′ is 1.5°: 166.98
        ("GEO", (0, -1.30), 167),  # degrees are cut towards 0, not down
        ("GEO", (-1.30, 0), 167),
    ],
)
def test_distances_worked_by_hand(tmp_path, kind, point, expected):
    found = distances(tmp_path, kind, (0, 0), point)
    assert found[0, 1] == found[1, 0] == expected and found[0, 0] == 0


def test_geo_uses_tsplibs_truncated_pi(tmp_path):
    degrees = 10000.0005 / (6378.388 * math.pi / 180)  # along the equator; with 3.141592 it is 9999.9984
    longitude = math.trunc(degrees) + (degrees - math.trunc(degrees)) * 0.6
    assert distances(tmp_path, "GEO", (0, 0), (0, longitude))[0, 1] == 10000


def test_published_rows_of_geo_instances():
    ulysses = [0, 509, 501, 312, 1019, 736, 656, 60, 1039, 726, 2314, 479, 448, 479, 619, 150]
    assert read_tsplib(DATA / "ulysses16.tsp").distances[0].tolist() == ulysses
    burma = [0, 153, 510, 706, 966, 581, 455, 70, 160, 372, 157, 567, 342, 398]
    assert read_tsplib(DATA / "burma14.tsp").distances[0].tolist() == burma


def cells(form, n):
    """TSPLIB95's table of matrix formats, as loops: the outer one over rows for _ROW, over columns for _COL."""
    for outer in range(n):
        for inner in range(n):
            i, j = (inner, outer) if form.endswith("COL") else (outer, inner)
            if (
                form == "FULL_MATRIX"
                or (i == j and "DIAG" in form)
                or ((i < j if "UPPER" in form else i > j) and i != j)
            ):
                yield i, j


@pytest.mark.parametrize("width", [1, 5, 1000])
@pytest.mark.parametrize(
    "form",
    ["FULL_MATRIX", *(f"{side}_{diagonal}{by}" for side in ("UPPER", "LOWER") for diagonal in ("", "DIAG_")
                      for by in ("ROW", "COL"))],
)  # fmt: skip
@pytest.mark.parametrize("n", [3, 7])
def test_every_matrix_format_comes_back(tmp_path, form, width, n):
    matrix = np.random.default_rng(5).integers(0, 10**6, (n, n))
    matrix = (
        np.triu(matrix, 1) + np.triu(matrix, 1).T + 9999 * np.eye(n, dtype=int)
    )  # TSPLIB's files have such diagonals
    words = [str(matrix[i, j]) for i, j in cells(form, n)]
    rows = [" ".join(words[i : i + width]) for i in range(0, len(words), width)]
    head = ["TYPE: TSP", f"DIMENSION: {n}", "EDGE_WEIGHT_TYPE: EXPLICIT", f"EDGE_WEIGHT_FORMAT: {form}"]
    read = read_tsplib(written(tmp_path, "\n".join([*head, "EDGE_WEIGHT_SECTION", *rows])))
    np.fill_diagonal(matrix, 0)
    assert read.distances.tolist() == matrix.tolist() and read.coordinates is None and read.display is None


def test_nodes_may_start_anywhere_and_come_in_any_order(tmp_path):
    path = written(tmp_path, POINTS.replace("1 0 0\n2 3 4\n3 0 1", "40 0 1\n0 0 0\n7 3e0 +4.0"))
    read, plain = read_tsplib(path), read_tsplib(written(tmp_path, POINTS, "plain.tsp"))
    assert read.nodes.tolist() == [0, 7, 40]
    assert torch.equal(read.coordinates, plain.coordinates) and torch.equal(read.distances, plain.distances)
    write_tour(tmp_path / "t.tour", [2, 0, 1], "t", nodes=read.nodes)
    assert "TOUR_SECTION\n40\n0\n7\n-1\n" in (tmp_path / "t.tour").read_text()
    assert read_tour(tmp_path / "t.tour", nodes=read.nodes).tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    "change",
    [
        ("\n", "\r\n"),
        ("\n", "\r"),
        ("EOF\n", ""),
        ("EOF\n", "EOF\nwhatever follows is not read\n"),
        ("NAME : p", "NAME : p\nCOMMENT : one\nCOMMENT : two: three"),
        ("NAME : p\n", "\n\n"),
        (" : ", ":"),
        ("TYPE : TSP", "TYPE : TSP (M.~Hofmeister)"),  # si175.tsp
        ("TYPE : TSP\n", ""),
        ("NODE_COORD_SECTION", "NODE_COORD_TYPE : TWOD_COORDS\nNODE_COORD_SECTION:"),
        ("EDGE_WEIGHT_TYPE : EUC_2D\n", "EDGE_WEIGHT_TYPE : EUC_2D\nEDGE_WEIGHT_FORMAT : FUNCTION\n"),
        ("NAME : p", "NAME : p\nCOMMENT : 14-St\udce4dte in Burma"),
    ],
)
def test_what_files_in_the_wild_do_is_read(tmp_path, change):
    read = read_tsplib(written(tmp_path, POINTS.replace(*change).encode(errors="surrogateescape")))
    assert read.distances.tolist() == [[0, 5, 1], [5, 0, 4], [1, 4, 0]] and read.name in ("p", "")
    if "one" in change[1]:
        assert read.comment == "one\ntwo: three"


def test_an_explicit_instance_may_have_coordinates(tmp_path):
    text = MATRIX.replace("EOF", "NODE_COORD_SECTION\n1 0 0\n2 5 5\n3 9 9\nDISPLAY_DATA_TYPE : NO_DISPLAY")
    read = read_tsplib(written(tmp_path, text))
    assert read.coordinates[1].tolist() == [5, 5] and read.display is None and read.distances[0].tolist() == [0, 1, 2]


def refusals(text, *cases):
    return [pytest.param(text, *case, id=f"{case[0]!r}-{case[1]!r}"[:60]) for case in cases]


@pytest.mark.parametrize(
    ("text", "old", "new", "line", "message"),
    refusals(
        POINTS,
        ("DIMENSION : 3\n", "", 8, "ends without DIMENSION"),
        ("DIMENSION : 3", "DIMENSION : 2", 3, "DIMENSION is 2, allowed: 3 to 256"),
        ("DIMENSION : 3", "DIMENSION : 257", 3, "3 to 256"),
        ("DIMENSION : 3", "DIMENSION : 99999999999999999999", 3, "allowed: a number from"),
        ("DIMENSION : 3", "DIMENSION : 3.5", 3, "whole number"),
        ("DIMENSION : 3", "DIMENSION : many", 3, "'many', allowed: a number"),
        ("DIMENSION : 3", "DIMENSION :", 3, "'', allowed: a number"),
        ("DIMENSION : 3", "DIMENSION : 3\nDIMENSION : 3", 4, "second time, allowed: once, as on line 3"),
        ("DIMENSION : 3", "DIMENSION : 4", 8, "ends after 3 nodes, DIMENSION is 4"),
        ("1 0 0\n", "", 7, "ends after 2 nodes"),
        ("EOF", "4 1 1", 9, "one more than DIMENSION, 3"),
        ("1 0 0\n2 3 4\n3 0 1\nEOF\n", "", 5, "ends after 0 nodes"),
        ("2 3 4", "1 3 4", 7, "node 1 is in NODE_COORD_SECTION a second time"),
        ("2 3 4", "-2 3 4", 7, "node -2, allowed: numbers of 0 and more"),
        ("2 3 4", "2.5 3 4", 7, "whole number"),
        ("2 3 4", "2 3", 7, "two coordinates"),
        ("2 3 4", "2 3 4 5", 7, "two coordinates"),
        ("2 3 4", "2 three 4", 7, "'three', allowed: a number"),
        ("2 3 4", "2 nan 4", 7, "'nan', allowed: a number"),
        ("2 3 4", "2 -inf 4", 7, "'-inf', allowed: a number"),
        ("2 3 4", "2 1e400 4", 7, "from -2^43 to 2^43"),
        ("2 3 4", "2 1_0 4", 7, "allowed: a number"),
        ("2 3 4", "2 ٣ 4", 7, "allowed: a number"),
        ("2 3 4", "nan 3 4", 7, "allowed: numbers of a section, or one of NAME"),
        ("2 3 4", "TOUR_SECTION", 7, "numbers of a section, or one of"),
        ("EOF", "FIXED_EDGES_SECTION\n1 2\n-1\nEOF", 9, "FIXED_EDGES_SECTION is not supported"),
        ("EOF", "NODE_COORD_SECTION", 9, "second time, allowed: once, as on line 5"),
        ("EOF", "EDGE_WEIGHT_SECTION\n1 2 3", 9, "EDGE_WEIGHT_TYPE EUC_2D, allowed: with EXPLICIT"),
        ("EOF", "EDGE_WEIGHT_FORMAT : UPPER_ROW", 9, "allowed with EUC_2D: FUNCTION"),
        ("EOF", "DISPLAY_DATA_SECTION\n1 0 0\n2 0 0\n4 0 0", 9, "node 3 is in only one of"),
        ("EOF\n", "DISPLAY_DATA_TYPE : TWOD_DISPLAY", 9, "ends without DISPLAY_DATA_SECTION"),
        ("EUC_2D", "EUC_4D", 4, "EDGE_WEIGHT_TYPE is 'EUC_4D', allowed: EUC_2D, CEIL_2D, GEO, ATT, EXPLICIT"),
        ("EDGE_WEIGHT_TYPE : EUC_2D\n", "", 8, "ends without EDGE_WEIGHT_TYPE"),
        ("NODE_COORD", "NODE_KOORD", 5, "'NODE_KOORD_SECTION', allowed"),
        ("NODE_COORD_SECTION\n", "", 5, "allowed: a keyword, for no section has begun"),
        ("TYPE : TSP", "TYPE : ATSP", 2, "TYPE is 'ATSP', allowed: TSP"),
        ("TYPE : TSP", "TYPE : TSP\nNODE_COORD_TYPE : THREED_COORDS", 3, "allowed: TWOD_COORDS, NO_COORDS"),
        ("TYPE : TSP", "CAPACITY : 7", 2, "'CAPACITY : 7', allowed"),
        (POINTS, "", 1, "ends without DIMENSION"),
    )
    + refusals(
        MATRIX,
        ("1 0 3", "1 0 4", 8, "row 3, column 2 is 3; row 2, column 3 is 4; allowed: a symmetric matrix"),
        ("2 3 0", "2 3", 8, "ends after 8 of 9 weights, FULL_MATRIX of 3 nodes"),
        ("2 3 0", "2 3 0 7", 8, "no more than 9 weights"),
        ("2 3 0\n", "2 3 0\n7\n", 9, "no more than 9 weights"),
        ("1 0 3", "1 0 3.5", 7, "whole number"),
        ("1 0 3", "1 0 -3", 7, "weight of nodes 2 and 3 is -3, allowed: 0 and more"),
        ("1 0 3", "1 0 NaN", 7, "'NaN', allowed: a number"),
        ("1 0 3", "1 0 8796093022209", 7, "from -2^43 to 2^43"),
        ("FULL_MATRIX", "FUNCTION", 4, "EDGE_WEIGHT_FORMAT is FUNCTION, allowed with EXPLICIT: FULL_MATRIX"),
        ("FULL_MATRIX", "HALF_MATRIX", 4, "EDGE_WEIGHT_FORMAT is 'HALF_MATRIX', allowed"),
        ("EDGE_WEIGHT_FORMAT : FULL_MATRIX\n", "", 8, "ends without EDGE_WEIGHT_FORMAT"),
        ("EDGE_WEIGHT_SECTION\n0 1 2\n1 0 3\n2 3 0\n", "", 5, "ends without EDGE_WEIGHT_SECTION"),
        ("DIMENSION : 3", "DIMENSION : 256", 8, "ends after 9 of 65536 weights"),
    )
    + refusals(
        TOUR,
        ("DIMENSION : 3\n", "", 8, "ends without DIMENSION"),
        ("DIMENSION : 3", "DIMENSION : 4", 8, "the tour ends after 3 nodes, DIMENSION is 4"),
        ("DIMENSION : 3", "DIMENSION : 1000000000", 3, "3 to 256"),
        ("TYPE : TOUR", "TYPE : TSP", 2, "allowed: TOUR"),
        ("2\n1", "2\n2", 6, "node 2 is in the tour a second time"),
        ("2\n1", "2\n0", 6, "node 0, allowed: 1 … 3"),
        ("2\n1", "2\n1.5", 6, "whole number"),
        ("-1\nEOF\n", "", 7, "not closed by -1 after 3 of 3 nodes"),
        ("-1", "-1\n3 2 1 -1", 9, "'3' after -1, allowed: one tour in a file"),
        ("TOUR_SECTION", "DEPOT_SECTION", 4, "'DEPOT_SECTION', allowed"),
        ("TOUR_SECTION\n2\n1\n3\n-1\n", "", 4, "ends without TOUR_SECTION"),
    ),
)
def test_malformed_files_are_refused_by_name_and_line(tmp_path, text, old, new, line, message):
    assert text.count(old) == 1
    path = written(tmp_path, text.replace(old, new))
    with pytest.raises(ValueError) as error:
        read_tour(path) if text is TOUR else read_tsplib(path)
    assert str(error.value).startswith(f"{path}:{line}: ") and message in str(error.value)


def test_what_the_refusals_change_is_accepted_unchanged(tmp_path):
    assert read_tsplib(written(tmp_path, POINTS)).distances[0].tolist() == [0, 5, 1]
    assert read_tsplib(written(tmp_path, MATRIX)).distances[0].tolist() == [0, 1, 2]
    assert read_tour(written(tmp_path, TOUR)).tolist() == [1, 0, 2]


@pytest.mark.parametrize("name", ["att48", "bayg29", "gr17", "ulysses16"])
def test_a_damaged_file_gives_an_instance_or_a_value_error(tmp_path, name):
    """Cut, doubled, swapped and overwritten bytes: no other exception, and no instance that breaks the promises."""
    whole = (DATA / f"{name}.tsp").read_bytes()
    rng = np.random.default_rng(11)
    refused = 0
    for _ in range(250):
        data = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            at, length = rng.integers(len(data)), rng.integers(1, 9)
            with_what = [b"", bytes(data[at : at + length]) * 2, bytes(rng.integers(0, 256, length, dtype=np.uint8)),
                         b"\n", b" ", b"-", b"9" * 9, b"EOF\n"]  # fmt: skip
            data[at : at + length] = with_what[rng.integers(len(with_what))]
        path = written(tmp_path, bytes(data))
        try:
            read = read_tsplib(path)
        except ValueError as error:
            assert str(error).startswith(f"{path}:")
            refused += 1
        else:
            assert torch.equal(read.distances, read.distances.T) and read.distances.min() >= 0
            assert not read.distances.diagonal().any() and len(set(read.nodes.tolist())) == len(read.distances)
    assert 50 < refused < 250


@pytest.mark.parametrize(
    "text",
    [
        POINTS.replace("DIMENSION : 3", "DIMENSION : 2000000000"),
        MATRIX.replace("DIMENSION : 3", "DIMENSION : 8796093022208"),
        POINTS.replace("2 3 4", "2 " + "9" * 2_000_000 + "x 4"),
        POINTS.replace("2 3 4", "2 3 4 " * 300_000),
        POINTS.replace("NAME : p", "COMMENT:\n" * 200_000),
        POINTS.replace("2 3 4", "2 3 4\n" * 130_000),
        "\n" * 2_000_000,
        "1" * 5_000_000,
    ],
    ids=["DIMENSION", "matrix", "digits", "words", "comments", "lines", "blank", "bytes"],
)
def test_hostile_files_take_little_time_and_memory(tmp_path, text):
    path = written(tmp_path, text)
    tracemalloc.start()
    began = time.process_time()
    with pytest.raises(ValueError) as error:
        read_tsplib(path)
    taken, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert str(error.value).startswith(str(path)) and len(str(error.value)) < 500
    assert taken < 5 and peak < (100e6 if len(text) > 1000 else 3e6)  # bytes; a small file's is the buffer for reading


@pytest.mark.parametrize("n", [3, 256])
def test_a_tour_comes_back_as_written(tmp_path, n):
    order = torch.randperm(n, generator=torch.Generator().manual_seed(3))
    write_tour(tmp_path / "deep" / "t.tour", order, "t", "Länge: 7")
    assert torch.equal(read_tour(tmp_path / "deep" / "t.tour"), order)
    lines = (tmp_path / "deep" / "t.tour").read_text().splitlines()
    assert lines[:5] == ["NAME : t", "COMMENT : Länge: 7", "TYPE : TOUR", f"DIMENSION : {n}", "TOUR_SECTION"]
    assert lines[5] == str(int(order[0]) + 1) and lines[-2:] == ["-1", "EOF"]
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["t.tour"]


def test_a_tour_on_one_line_and_closed_twice_is_read(tmp_path):
    assert read_tour(written(tmp_path, TOUR.replace("2\n1\n3\n-1", "2 1 3 -1\n-1"))).tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"order": [0, 1]}, ValueError, "order: got 2 nodes, allowed: 3 to 256"),
        ({"order": range(257)}, ValueError, "order: got 257 nodes"),
        ({"order": [0, 1, 1]}, ValueError, "order: .* a permutation of 0 … 2"),
        ({"order": [1, 2, 3]}, ValueError, "permutation"),
        ({"order": [[0, 1, 2]]}, ValueError, r"order: got shape \(1, 3\)"),
        ({"order": [0.0, 1.0, 2.0]}, TypeError, r"order: got dtype torch\.float64, allowed: \[n\] integers"),
        ({"order": "012"}, TypeError, "order: got str"),
        ({"order": None}, TypeError, "order: got NoneType"),
        ({"name": 7}, TypeError, "name: got int, allowed: a string"),
        ({"name": "a\nDIMENSION : 9"}, ValueError, "name: .* one line"),
        ({"comment": "a\n"}, ValueError, "comment: .* one line"),
        ({"nodes": [1, 2]}, ValueError, "nodes: got 2 numbers, allowed: 3"),
        ({"nodes": [1, 2, 2]}, ValueError, "nodes: "),
        ({"nodes": [-1, 1, 2]}, ValueError, "nodes: "),
    ],
)
def test_writing_refuses_what_is_no_tour(tmp_path, arguments, error, message):
    with pytest.raises(error, match=message):
        write_tour(tmp_path / "t.tour", **{"order": [0, 1, 2], "name": "t", **arguments})
    assert not list(tmp_path.iterdir())


def test_a_tour_of_another_instance_is_refused(tmp_path):
    path = written(tmp_path, TOUR)
    with pytest.raises(ValueError, match="nodes: got 4 numbers, allowed: 3"):
        read_tour(path, nodes=[1, 2, 3, 4])
    with pytest.raises(ValueError, match=r"f\.tsp:7: got node 3, allowed: 0 … 2"):
        read_tour(path, nodes=[0, 1, 2])
    with pytest.raises(FileNotFoundError):
        read_tour(tmp_path / "absent.tour")
