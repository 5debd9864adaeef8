"""bench/compare.py: the verdicts are those of the interval, and a slowdown that is planted is found."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mesasim
from mesasim.bench.peers.processes import WorkerFailed

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


@pytest.mark.slow  # and a measurement: what else the machine does can hide a quarter in rounds as short as these
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
        comparing.commit_hash("no-such-commit")
    with pytest.raises(SystemExit):
        comparing.main([])


def test_lost_parallelism_is_slower_though_it_spares_cpu_time(comparing):
    rounds = [{"cpu": 1.2, "wall": 0.6}] * 9
    row = comparing.judged(rounds, 2, 0.05)
    assert row["verdict"] == "slower" and row["ratio"] == 1.2 and row["wall_ratio"] == 0.6
    assert comparing.judged(rounds, 1, 0.05)["verdict"] == "faster"
    assert "| 1.200 | 1.200 to 1.200 | 0.600 | 0.600 to 0.600 | slower |" in comparing.markdown({"name": "x", **row})


class Fake:
    """A worker whose rounds take as long in both clocks, whatever the site; `Fake.broken` of a site: works that end it."""

    made, broken = [], {}

    def __init__(self, library, python, threads, site):
        self.site, self.alive, self.work = site, True, None
        Fake.made.append(self)

    def prepare(self, work):
        assert self.alive
        self.work = work

    def run(self, seconds):
        if self.work in Fake.broken.get(self.site, ()):
            self.close()
            raise WorkerFailed("no answer in 90 s")
        return {"units": 1, "wall": 1, "cpu": 1}

    def close(self):
        self.alive = False


@pytest.fixture
def faked(comparing, monkeypatch):
    """bench/compare.py on three works without a real worker."""
    monkeypatch.setattr(comparing, "Worker", Fake)
    monkeypatch.setattr(comparing, "worlds_of", lambda site: [])
    monkeypatch.setattr(comparing, "benchmarks", lambda worlds: {name: (1, name) for name in "abc"})
    monkeypatch.setattr(Fake, "made", [])
    monkeypatch.setattr(Fake, "broken", {})
    return comparing


@pytest.mark.parametrize(("side", "status"), [(0, 0), (1, 1)])
def test_what_only_the_tree_cannot_do_fails_and_the_rest_goes_on_with_new_workers(faked, tmp_path, side, status):
    sites = [tmp_path / "base", tmp_path / "tree"]
    Fake.broken[sites[side]] = ("b",)
    out = tmp_path / "rows.jsonl"
    assert faked.main(["--sites", *map(str, sites), "--rounds", "6", "--json", str(out)]) == status
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    words = ("not compared: the base fails: no answer", "fails, the base does not: no answer")
    assert rows[1]["verdict"].startswith(words[side])
    assert [rows[0]["verdict"], rows[2]["verdict"]] == ["", ""]  # a worker that is closed is not asked again
    assert len(Fake.made) == 3 and not any(worker.alive for worker in Fake.made)


def test_rows_are_written_as_they_come(faked, tmp_path, monkeypatch):
    judged, seen = faked.judged, []

    def interrupted(*args):
        seen.append(args)
        if len(seen) == 3:
            raise KeyboardInterrupt
        return judged(*args)

    monkeypatch.setattr(faked, "judged", interrupted)
    out = tmp_path / "rows.jsonl"
    with pytest.raises(KeyboardInterrupt):
        faked.main(["--sites", str(tmp_path / "base"), str(tmp_path / "tree"), "--rounds", "6", "--json", str(out)])
    assert [json.loads(line)["name"] for line in out.read_text().splitlines()] == ["a", "b"]


def test_a_base_is_built_once_of_all_its_files(comparing, tmp_path, monkeypatch):
    built = []

    def build(source, folder):
        built.append(sorted(path.name for path in source.iterdir()))
        (folder / "site").mkdir()
        (folder / "site" / "engine").write_text("built")
        return folder / "site"

    monkeypatch.setattr(comparing, "build", build)
    monkeypatch.setattr(comparing, "KEPT", tmp_path / "kept")
    sites = [comparing.base_site("HEAD", tmp_path / name) for name in ("first", "second")]
    assert sites[0] == sites[1] and (sites[0] / "engine").read_text() == "built"
    assert len(built) == 1 and {"pyproject.toml", "CMakeLists.txt", "tests"} <= set(built[0])


def test_temporary_folders_go_on_sigterm(tmp_path):
    slow = tmp_path / "base"  # worlds_of() waits in it
    (slow / "mesasim").mkdir(parents=True)
    (slow / "mesasim" / "__init__.py").write_text("import time; time.sleep(60)")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    env = {**os.environ, "TMPDIR": str(temporary)}
    command = [sys.executable, "-u", str(ROOT / "bench" / "compare.py"), "--sites", str(slow), str(slow)]
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    while not process.stdout.readline().startswith("|---"):
        assert process.poll() is None
    assert list(temporary.iterdir())
    process.terminate()
    assert process.wait(20) == 143 and not list(temporary.iterdir())
    process.stdout.close()
