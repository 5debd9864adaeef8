"""A sweep's points are what was asked for, each in its own folder, with the same results whatever the workers and interrupts."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mesasim.__main__ import main
from mesasim.integrity import digest
from mesasim.sweep import Plan, Point, points, running
from mesasim.sweep.points import parse_seeds
from mesasim.sweep.running import run_sweep
from mesasim.sweep.table import over_seeds
from mesasim.train.checkpoint import load_checkpoint
from mesasim.train.ppo_config import PPOConfig
from mesasim.workers import WorkerDied

FAULTS = Path(__file__).parents[2] / "bench" / "faults" / "generation.py"
TINY = ["--set", "num_envs=16", "--set", "iterations=3", "--set", "network.hidden=4", "-o", "arms=2"]
SWEEP = ["sweep", "train", *TINY, "--seeds", "0:2", "--set", "learning_rate=1e-3,0.01", "--quiet"]


def results(folder):
    """Every file that must be the same: tables, results, checkpoints."""
    files = {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("result*.*")}
    for file in folder.rglob("*.safetensors"):  # whose header has its names in any order
        tensors, meta = load_checkpoint(file)
        files[str(file.relative_to(folder))] = (digest(tensors), meta)
    return files


def rows_of(file):
    with file.open() as opened:
        return list(csv.DictReader(opened))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep") / "s"
    main([*SWEEP, "--out", str(folder), "--workers", "2"])
    return folder


# Points


def test_points_are_all_combinations_seeds_fastest_named_by_their_values():
    found = points(Plan(), ["network.hidden=8,16", "learning-rate=1e-3"], ["arms=2,3"], "0:2")
    assert [point.name for point in found[:3]] == [
        "arms=2,learning_rate=0.001,network.hidden=8,seed=0", "arms=2,learning_rate=0.001,network.hidden=8,seed=1",
        "arms=3,learning_rate=0.001,network.hidden=8,seed=0",
    ]  # fmt: skip
    assert len({point.name for point in found}) == len(found) == 8
    config = Plan(num_threads=2).config(found[-1])
    assert config == PPOConfig(options={"arms": 3}, network=config.network, learning_rate=1e-3, seed=1, num_threads=2)
    assert config.network.hidden == 16


def test_a_points_name_is_the_same_whatever_else_is_swept_over_and_in_whatever_order():
    some = points(Plan(), ["epochs=2", "clip=0.1"], (), "3:4")
    more = points(Plan(), ["clip=0.2,0.10", "epochs=1,2"], (), "2,3")
    assert some[0].name == "clip=0.1,epochs=2,seed=3" and some[0].name in [point.name for point in more]


def test_values_of_parts_and_flags_and_long_ones_make_names_that_folders_can_have():
    one, two = points(Plan(), ["network.hide=previous_reward previous_action,previous_reward", "critic=oracle"])
    assert one.settings["network.hide"] == ("previous_reward", "previous_action")
    assert one.name == "critic=oracle,network.hide=previous_reward+previous_action" != two.name
    assert [p.settings["network.strict"] for p in points(Plan(), ["network.strict=true,false"])] == [True, False]
    deep = points(Plan(), ["world=LinearRegression-v0"], [])[0]
    assert "/" not in deep.name
    long = Point(settings={"a": "x/../" * 60, "b": 1}), Point(settings={"a": "x/../" * 60, "b": 2})
    assert all(len(p.name) <= 160 and "/" not in p.name for p in long) and long[0].name != long[1].name


def test_experiments_are_swept_by_their_own_flags():
    found = points(Plan("bandit-learning", quick=True), ["arms=2,3"], (), "1,5")
    assert [point.name for point in found] == ["arms=2,seed=1", "arms=2,seed=5", "arms=3,seed=1", "arms=3,seed=5"]
    config = Plan("bandit-learning", quick=True).config(found[-1])
    assert (config.quick, config.arms, config.seed, config.num_threads) == (True, 3, 5, 1)


def test_seeds_are_a_range_or_a_list():
    assert parse_seeds("2:5") == [2, 3, 4] and parse_seeds("7") == [7] and parse_seeds("3,1") == [3, 1]


@pytest.mark.parametrize(
    ("given", "options", "seeds", "message"),
    [
        (["hidden=3"], [], None, "set: got 'hidden', allowed: world, network.kind"), (["out=x"], [], None, "set: got 'out'"),
        (["num_threads=2"], [], None, "set: got 'num_threads'"), (["epochs"], [], None, "set: got 'epochs', allowed: name=value"),
        (["epochs=two"], [], None, "set: got epochs=two.*invalid"), (["epochs=0"], [], None, "epochs: got 0"),
        (["network.kind=ant"], [], None, "kind: got 'ant'"), ([], ["arms=1"], None, "arms: got 1"),
        ([], ["legs=1"], None, "legs"),
        (["epochs=1,1"], [], None, "epochs: got 1, 1, allowed: each value once"), (["clip=0.1,0.10"], [], None, "two spellings"),
        ([], [], "5:5", "seeds: got '5:5'"), ([], [], "-1,2", "seeds: got '-1,2'"), ([], [], "a:b", "seeds: got 'a:b'"),
        ([], [], "0:1000000", "points: got"), (["seed=1"], [], "0:2", "seeds: got seeds here and by --set"),
        (["network.strict=maybe"], [], None, "strict: got 'maybe', allowed: true, false"),
        (["learning_rate=0.001 --discount 0.5"], [], None, "learning_rate: got '0.001 --discount 0.5', allowed: values"),
        (["seed=--help"], [], None, "seed: got '--help'"), (["world=-h"], [], None, "world: got '-h'"),
        (["learning_rate=-1"], [], None, "learning_rate: got -1"), ([], [], str(2**64), "seed: got 18446744073709551616"),
    ],
)  # fmt: skip
def test_points_that_cannot_be_are_refused_before_any_runs(given, options, seeds, message):
    with pytest.raises((ValueError, KeyError), match=message):
        points(Plan(), given, options, seeds)


def test_plans_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match=r"experiment: got 'telepathy', allowed: .*bandit-learning"):
        Plan("telepathy")
    with pytest.raises(ValueError, match="option: got 'arms=2' with an experiment"):
        points(Plan("bandit-learning"), (), ["arms=2"])
    with pytest.raises(ValueError, match="num_threads: got 0"):
        Plan(num_threads=0)


# Running


def test_a_sweep_leaves_a_folder_a_point_and_a_table(whole, capsys):
    assert len(list(whole.glob("arms=2,*seed=[01]/checkpoints/00000003.safetensors"))) == 4
    rows = rows_of(whole / "results.csv")
    assert [(row["learning_rate"], row["seed"], row["status"]) for row in rows] == [
        ("0.001", "0", "done"), ("0.001", "1", "done"), ("0.01", "0", "done"), ("0.01", "1", "done"),
    ]  # fmt: skip
    for row in rows:
        last = rows_of(whole / row["point"] / "metrics.csv")[-1]
        assert last["iteration"] == row["iteration"] == "3" and last["episode_return"] == row["episode_return"]
    table = (whole / "results.md").read_text().splitlines()
    assert table[0] == "| learning_rate | runs | episode_return |" and len(table) == 4
    mean = sum(float(row["episode_return"]) for row in rows[:2]) / 2
    assert table[2].startswith(f"| 0.001 | 2 | {mean:.4f} ± ")


def test_one_worker_gives_what_two_give_and_a_sweep_goes_on_at_what_is_missing(whole, tmp_path, capsys):
    command = [*SWEEP, "--out", str(tmp_path / "s")]
    main([*command, "--dry-run"])
    assert capsys.readouterr().out.count("  to run\n") == 4 and not (tmp_path / "s").exists()
    main([*command, "--seeds", "0:1"])
    begun = {file: file.stat().st_mtime_ns for file in (tmp_path / "s").glob("*/result.json")}
    half = next(file.parent for file in begun)
    (half / "result.json").unlink()  # as though killed before it was written, a checkpoint half written beside
    (half / "checkpoints" / ".00000003.safetensors.7.tmp").write_bytes(b"half")
    main([*command, "--resume", "--dry-run"])
    assert capsys.readouterr().out.count("  to run\n") == 3
    main([*command, "--resume"])
    assert results(tmp_path / "s") == results(whole) and len(begun) == 2
    assert all(file.stat().st_mtime_ns == when for file, when in begun.items() if file.parent != half)
    assert not list((tmp_path / "s").rglob(".*.tmp"))


@pytest.mark.slow
def test_an_interrupted_sweep_goes_on_to_the_same_results(whole, tmp_path):
    command = [*SWEEP, "--out", str(tmp_path / "s")]
    process = subprocess.Popen([sys.executable, "-m", "mesasim", *command], cwd=tmp_path, stderr=subprocess.PIPE)
    until = time.monotonic() + 180  # its first imports take a minute on a busy machine
    while not list(tmp_path.glob("s/*/result.json")) and time.monotonic() < until and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert list(tmp_path.glob("s/*/result.json")), f"never started: {said.decode()}"
    assert said == b"mesasim: interrupted\n" and process.returncode == 130
    assert 1 <= len(list(tmp_path.glob("s/*/result.json"))) < 4 and not list(tmp_path.glob("s/results.*"))
    main([*command, "--resume"])
    assert results(tmp_path / "s") == results(whole)


def test_failures_are_listed_and_the_rest_goes_on(tmp_path, monkeypatch, capsys):
    real = running.each

    def each(job, items, **how):
        for point, answer in real(job, items, **how):
            if point.settings["learning_rate"] == 0.01:
                answer = [ValueError("reward: got nan"), WorkerDied("worker 3 was killed by SIGKILL")][
                    point.settings["seed"]
                ]
                (tmp_path / "s" / point.name / "result.json").unlink()
            yield point, answer

    monkeypatch.setattr(running, "each", each)
    with pytest.raises(SystemExit) as stopped:
        main([*SWEEP, "--out", str(tmp_path / "s"), "--workers", "2"])
    said = capsys.readouterr()
    assert stopped.value.code == 1 and "2 of 4 points failed; run them again with --resume" in said.err
    assert "seed=0: ValueError: reward: got nan" in said.err and "seed=1: WorkerDied: worker 3 was killed" in said.err
    rows = rows_of(tmp_path / "s" / "results.csv")
    assert [row["status"] for row in rows] == [
        "done", "done", "failed: ValueError: reward: got nan", "failed: WorkerDied: worker 3 was killed by SIGKILL",
    ]  # fmt: skip
    assert "- arms=2" in (tmp_path / "s" / "results.md").read_text()
    monkeypatch.setattr(running, "each", real)
    main([*SWEEP, "--out", str(tmp_path / "s"), "--resume"])
    assert "failed" not in (tmp_path / "s" / "results.csv").read_text()


def test_a_damaged_result_or_one_of_other_settings_is_made_again(tmp_path):
    point = points(Plan(), ["epochs=2"])[0]
    for text in (
        "",
        "{}",
        '{"settings": {"epochs": 3}, "rows": []}',
        '{"settings": {"epochs": 2}, "rows": 7}',
        "[" * 10**5,
    ):
        (tmp_path / "result.json").write_text(text)
        assert running.result_of(tmp_path, point) is None
    (tmp_path / "result.json").write_text('{"settings": {"epochs": 2}, "rows": [{"a": 1}]}')
    assert running.result_of(tmp_path, point) == [{"a": 1}]


def test_folders_of_something_else_and_of_another_sweep_are_refused(whole, tmp_path):
    todo = points(Plan(), ["epochs=2"])
    (tmp_path / "thesis.tex").write_text("…")
    with pytest.raises(FileExistsError, match="not empty"):
        run_sweep(Plan(), todo, tmp_path, resume=True)
    with pytest.raises(FileExistsError, match="allowed: --resume"):
        run_sweep(Plan(), todo, whole)
    with pytest.raises(ValueError, match="of other settings"):
        run_sweep(Plan(num_threads=2), todo, whole, resume=True)
    with pytest.raises(FileExistsError, match="is a file"):
        run_sweep(Plan(), todo, tmp_path / "thesis.tex")


def test_means_over_seeds_are_of_those_that_are_there():
    todo = points(Plan(), ["epochs=1,2"], (), "0:3")
    values = {todo[k].name: [{"episode_return": float(v)}] for k, v in enumerate((1, 2, 6, 5))}
    head, lines = over_seeds(todo, values)
    assert head == ["epochs", "runs", "episode_return"]
    assert lines == [("1", "3", "3.0000 ± 1.5275"), ("2", "1", "5.0000")]


def test_a_run_that_came_to_nan_is_not_left_out_unseen():
    todo = points(Plan(), ["epochs=1,2,3"], (), "0:4")
    nan = float("nan")
    measured = [nan, 1.0, 2.0, nan, nan, nan, 4.0, nan, nan, nan, nan, nan]
    _, lines = over_seeds(todo, {point.name: [{"episode_return": v}] for point, v in zip(todo, measured, strict=True)})
    assert [line[2] for line in lines] == ["1.5000 ± 0.5000 (2 of 4)", "4.0000 (1 of 4)", "nan (0 of 4)"]


@pytest.mark.slow
def test_an_experiment_is_swept_and_a_training_evaluated(tmp_path):
    main(["sweep", "run", "bandit-learning", "--out", str(tmp_path / "r"), "--quick", "--seeds", "0:2", "--set", "arms=2",
          "--set", "iterations=1", "--set", "tasks=20", "--quiet"])  # fmt: skip
    rows = rows_of(tmp_path / "r" / "results.csv")
    assert {row["seed"] for row in rows} == {"0", "1"} and {"gru", "random"} <= {row["agent"] for row in rows}
    main(["sweep", "train", "--out", str(tmp_path / "t"), *TINY, "--evaluate", "30", "--quiet"])
    result = json.loads(next((tmp_path / "t").glob("*/result.json")).read_text())
    assert result["rows"][0]["agent"] == "gru" and 0 < result["rows"][0]["reward_mean"] < 10


@pytest.mark.slow
def test_ray_gives_the_same_results(whole, tmp_path):
    pytest.importorskip("ray", reason="ray is not installed (mesasim[ray])")
    command = [*SWEEP, "--out", str(tmp_path / "s"), "--workers", "2", "--backend", "ray"]
    subprocess.run([sys.executable, "-m", "mesasim", *command], check=True, cwd=tmp_path,
                   env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"})  # fmt: skip
    assert results(tmp_path / "s") == results(whole)


@pytest.mark.slow
def test_kills_at_random_moments_change_no_result(tmp_path):
    command = [sys.executable, str(FAULTS), "--kills", "4", "--what", "sweep"]
    said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    assert "sweep: 4 kills" in said and "FAILED" not in said


def test_what_a_killed_sweep_had_not_finished_writing_is_gone_after_the_next(tmp_path):
    left = tmp_path / ".results.csv.27610.tmp"
    left.write_text("half a ta")
    run_sweep(Plan(), [], tmp_path, resume=True)
    assert not left.exists() and (tmp_path / "results.csv").exists()
