"""`mesasim bench tsp` says what was measured, for how many, on which machine."""

import json

import pytest

from mesasim.__main__ import main


def run(capsys, *arguments):
    main(["bench", "tsp", *arguments])
    return capsys.readouterr().out


def test_one_json_object_a_size(capsys):
    flags = ["--n", "10", "14", "--count", "4", "--num-threads", "1", "2", "--rounds", "2", "--json"]
    rows = [json.loads(line) for line in run(capsys, *flags).splitlines()]
    assert [row["n"] for row in rows] == [10, 14]
    for row in rows:
        assert 0 < row["cpu_ms_median"] <= row["cpu_ms_most"] and row["cpu_ms_mean"] <= row["cpu_ms_most"]
        assert row["instances_per_second"].keys() == {"1", "2"} and row["times_as_many"]["1"] == 1.0
        assert row["proved_share"] == 1.0 and row["count"] == 4 and "cores" in row["machine"]
        assert sum(row["methods"].values()) == 4 and row["nodes_mean"] <= row["nodes_most"]
    again = [json.loads(line) for line in run(capsys, *flags, "--no-each").splitlines()]
    assert "cpu_ms_mean" not in again[0]
    assert [row["one_trees_mean"] for row in again] == [row["one_trees_mean"] for row in rows]


def test_the_table_has_a_line_a_size(capsys):
    text = run(capsys, "--n", "10", "--count", "2", "--rounds", "1", "--num-threads", "1")
    assert "100%" in text and "median" in text


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--n", "2"], "n: got 2, allowed: 3 to 256"),
        (["--count", "0"], "count: got 0"),
        (["--rounds", "0"], "rounds: got 0"),
        (["--method", "magic"], "method: got 'magic'"),
    ],
)
def test_what_cannot_be_measured_is_refused(flags, words, capsys):
    with pytest.raises(SystemExit) as end:
        run(capsys, "--n", "10", *flags)
    assert end.value.code == 2 and words in capsys.readouterr().err
