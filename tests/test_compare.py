"""bench/compare.py: the verdicts are those of the interval, and a slowdown that is planted is found."""

import json
import sys
from pathlib import Path

import pytest

import mesasim

ROOT = Path(__file__).resolve().parent.parent
SLOWED = """

from time import thread_time as _time

_step = MesaVectorEnv.step


def _slow_step(self, *args, **kwargs):
    begun = _time()
    out = _step(self, *args, **kwargs)
    until = _time() + .25 * (_time() - begun)
    while _time() < until:
        pass
    return out


MesaVectorEnv.step = _slow_step
"""


@pytest.fixture
def comparing(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "bench")
    import compare

    yield compare
    monkeypatch.delitem(sys.modules, "compare")


@pytest.mark.parametrize(
    ("rounds", "ends"),
    # By hand: 2 * P(at most k of n fair coins) <= .05 for k = 0, 1, 2.
    [(6, (1, 6)), (9, (2, 8)), (12, (3, 10))],
)
def test_the_interval_is_between_the_sign_tests_order_statistics(comparing, rounds, ends):
    values = [float(value) for value in range(rounds, 0, -1)]
    assert comparing.interval(values) == ends


def test_too_few_rounds_are_refused(comparing):
    with pytest.raises(ValueError, match=r"rounds: got 5, allowed: .*6 or more"):
        comparing.interval([1.0] * 5)


@pytest.mark.parametrize(
    ("ratios", "said"),
    [
        ([0.8, 0.81, 0.82, 0.8, 0.79, 0.83, 0.8, 0.3, 1.4], "slower"),  # an outlier at either end changes nothing
        ([0.8, 0.81, 0.82, 0.8, 0.79, 0.83, 0.97, 0.96, 0.96], ""),  # the interval reaches into the threshold
        ([0.96, 0.97, 0.96, 0.96, 0.97, 0.96, 0.96, 0.97, 0.96], ""),  # surely slower, by less than the threshold
        ([1.2, 1.1, 1.3, 1.2, 1.2, 1.2, 1.1, 1.2, 1.2], "faster"),
    ],
)
def test_a_verdict_needs_the_whole_interval_beyond_the_threshold(comparing, ratios, said):
    assert comparing.verdict(ratios, 0.05)["verdict"] == said


def test_a_planted_slowdown_is_found_and_what_is_not_slower_is_not(comparing, tmp_path, capfd):
    """Two folders with the package, in one of which a world's step takes a quarter more CPU time."""
    package = Path(mesasim.__file__).parent
    sites = []
    for name in ("base", "slowed"):
        site = tmp_path / name
        (site / "mesasim").mkdir(parents=True)
        for file in package.iterdir():
            (site / "mesasim" / file.name).symlink_to(file.resolve())
        library = Path(mesasim._core.__file__)
        if not (site / "mesasim" / library.name).exists():
            (site / "mesasim" / library.name).symlink_to(library)
        sites.append(site)
    vector = sites[1] / "mesasim" / "vector.py"
    text = vector.read_text()
    vector.unlink()
    vector.write_text(text + SLOWED)
    out = tmp_path / "rows.jsonl"
    flags = ["--rounds", "15", "--seconds", ".04", "--only", "^step Maze-v0$|^mazes wilson 16×16 generate$"]
    status = comparing.main(["--sites", *map(str, sites), *flags, "--json", str(out)])
    rows = {row["name"]: row for row in map(json.loads, out.read_text().splitlines())}
    slowed = rows["step Maze-v0"]
    assert slowed["verdict"] == "slower" and 0.6 < slowed["ratio"] < 0.9 and status == 1
    assert rows["mazes wilson 16×16 generate"]["verdict"] == ""
    assert "| step Maze-v0 | " in capfd.readouterr().out


def test_an_unknown_commit_and_an_empty_choice_are_refused(comparing, tmp_path):
    with pytest.raises(ValueError, match="base: got 'no-such-commit'"):
        comparing.checkout("no-such-commit", tmp_path / "source")
    with pytest.raises(SystemExit):
        comparing.main([])
