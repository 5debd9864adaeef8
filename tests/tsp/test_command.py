"""`mesasim solve` as a user types it: a table or JSON, a tour file, a picture; a mistake is one line and exit status 2."""

import json
from pathlib import Path

import pytest
import torch

from mesasim.__main__ import main
from mesasim.tsp import read_tour, read_tsplib

DATA = Path(__file__).parents[1] / "data" / "tsplib"
OPTIMA = json.loads((DATA / "optima.json").read_text())["optima"]


def run(capsys, *arguments):
    main(["solve", *map(str, arguments)])
    return capsys.readouterr().out


def test_the_table_names_each_file_with_its_optimum(capsys):
    text = run(capsys, DATA / "burma14.tsp", DATA / "gr17.tsp", "--num-threads", "1")
    for name in ("burma14", "gr17"):
        assert name in text and f"{OPTIMA[name]:,}" in text
    assert text.count("proved") == 2


def test_json_is_one_object_a_file(capsys):
    files = [DATA / f"{name}.tsp" for name in ("bayg29", "ulysses16")]
    rows = [json.loads(line) for line in run(capsys, *files, "--json").splitlines()]
    for row, path in zip(rows, files, strict=True):
        assert row["name"].removesuffix(".tsp") == path.stem and row["file"] == str(path)
        assert row["length"] == row["lower_bound"] == OPTIMA[path.stem] and row["optimal"] and row["ms"] > 0
        assert row["tour"][0] == 1 and sorted(row["tour"]) == list(range(1, row["n"] + 1))


@pytest.mark.parametrize("method", ["held_karp", "branch_and_bound", "branch_and_cut"])
def test_the_tour_is_written_as_tsplib_has_it(method, tmp_path, capsys):
    out = tmp_path / "made" / "b.tour"
    text = run(capsys, DATA / "burma14.tsp", "--out", out, "--method", method)
    instance = read_tsplib(DATA / "burma14.tsp")
    order = read_tour(out, nodes=instance.nodes)
    assert instance.distances[order, order.roll(-1)].sum() == OPTIMA["burma14"]
    assert "b.tour" in text.replace("\n", "")


def test_nodes_keep_the_numbers_of_the_file(tmp_path, capsys):
    path, out = tmp_path / "f.tsp", tmp_path / "f.tour"
    nodes = "70 0 0\n20 0 5\n33 9 5\n12 9 0\n"
    path.write_text(f"TYPE : TSP\nDIMENSION : 4\nEDGE_WEIGHT_TYPE : EUC_2D\nNODE_COORD_SECTION\n{nodes}EOF\n")
    (row,) = [json.loads(line) for line in run(capsys, path, "--json", "--out", out).splitlines()]
    assert row["tour"] in ([12, 33, 20, 70], [12, 70, 20, 33]) and row["length"] == 28 and row["name"] == "f"
    numbers = read_tsplib(path).nodes
    assert numbers[read_tour(out, nodes=numbers)].tolist() == row["tour"]


@pytest.mark.parametrize("name", ["eil51", "ulysses16"])
def test_the_picture_is_whole(name, tmp_path, capsys):
    picture = tmp_path / "p.png"
    run(capsys, DATA / f"{name}.tsp", "--plot", picture)
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 10_000
    assert [path.name for path in tmp_path.iterdir()] == ["p.png"]
    vector = tmp_path / "p.svg"
    run(capsys, DATA / f"{name}.tsp", "--plot", vector)
    assert vector.read_text().rstrip().endswith("</svg>")


def test_limits_say_that_nothing_is_proved(capsys):
    row = json.loads(run(capsys, DATA / "ch130.tsp", "--time-limit", "0.05", "--method", "branch_and_bound", "--json"))
    assert not row["optimal"] and row["lower_bound"] <= OPTIMA["ch130"] <= row["length"]
    row = json.loads(run(capsys, DATA / "pr76.tsp", "--node-limit", "1", "--json"))
    assert not row["optimal"] and row["lower_bound"] < OPTIMA["pr76"] <= row["length"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{here}/none.tsp"], "No such file"),
        (["{here}/bad.tsp"], "bad.tsp:3"),
        (["{data}/gr17.tsp", "--method", "magic"], "method: got 'magic', allowed: auto"),
        (["{data}/eil51.tsp", "--method", "held_karp"], "held_karp for 51 cities"),
        (["{data}/gr17.tsp", "{data}/gr21.tsp", "--out", "{here}/x.tour"], "out: got 2 files, allowed: with one"),
        (["{data}/gr17.tsp", "{data}/gr21.tsp", "--plot", "{here}/x.png"], "plot: got 2 files, allowed: with one"),
        (["{data}/eil51.tsp", "--plot", "{here}/x.doc"], "x.doc', allowed: a file that ends in"),
        (["{data}/gr17.tsp", "--plot", "{here}/x.png"], "gr17.tsp says where no node is"),
        (["{data}/gr17.tsp", "--node-limit", "0"], "node_limit: got 0"),
        (["{data}/gr17.tsp", "--time-limit", "-1"], "time_limit: got -1"),
        ([], "files: got none"),
    ],
)
def test_a_mistake_is_one_line_and_exit_status_2(arguments, words, tmp_path, capsys):
    (tmp_path / "bad.tsp").write_text("NAME : bad\nTYPE : TSP\nDIMENSION : many\nEOF\n")
    with pytest.raises(SystemExit) as end:
        main(["solve", *(text.format(here=tmp_path, data=DATA) for text in arguments)])
    assert end.value.code == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and words in message, message
    assert not [path for path in tmp_path.iterdir() if path.name != "bad.tsp"]


def test_results_do_not_depend_on_threads(capsys):
    found = [json.loads(run(capsys, DATA / "att48.tsp", "--json", "--num-threads", t)) for t in (1, 3)]
    for row in found:
        del row["ms"]
    assert found[0] == found[1] and torch.tensor(found[0]["tour"]).unique().numel() == 48
