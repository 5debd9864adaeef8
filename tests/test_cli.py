"""The command line, as a user types it."""

import json

import pytest

from mesasim import devices
from mesasim.__main__ import COMMANDS, GENERATORS, main
from mesasim.bench.command import BENCHMARKS
from mesasim.devices import missing_cuda
from mesasim.experiments import experiments
from mesasim.results import read_summary


def run(capsys, *arguments):
    main(list(arguments))
    return capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["run", "bandit-learning", "--help"],
        *([c, "--help"] for c in COMMANDS if c != "run"),
    ],
)
def test_help_is_complete(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert "usage" in text and len(text) > 300


def test_list_names_worlds_agents_experiments_and_devices(capsys):
    text = run(capsys, "list")
    for word in ("Bandit-v0", "Maze-v0", "gru", "thompson", "breadth_first_planner", "bandit-learning", "cpu"):
        assert word in text
    assert "min_distance" in run(capsys, "list", "Maze-v0")


def test_bench_prints_one_json_object_a_row(capsys):
    text = run(
        capsys,
        "bench",
        "step",
        "--world",
        "Bandit-v0",
        "--num-envs",
        "64",
        "128",
        "--num-threads",
        "1",
        "--seconds",
        "0.01",
        "--rounds",
        "2",
        "--json",
        "-o",
        "arms=10",
    )
    rows = [json.loads(line) for line in text.splitlines()]
    assert [row["num_envs"] for row in rows] == [64, 128]
    wanted = {
        "world",
        "options",
        "num_envs",
        "num_threads",
        "steps_per_second",
        "steps_per_cpu_second",
        "bytes_per_step",
    }
    assert all(wanted <= row.keys() and row["steps_per_second"] > 0 for row in rows)
    assert rows[0]["options"] == {"arms": 10} and rows[0]["bytes_per_step"] == 14


def test_train_resume_evaluate_and_report(tmp_path, capsys):
    out = str(tmp_path / "run")
    flags = [
        "--out",
        out,
        "--quiet",
        "--num-envs",
        "64",
        "--iterations",
        "3",
        "--hidden",
        "8",
        "-o",
        "arms=3",
        "-o",
        "pulls=5",
        "--num-threads",
        "1",
    ]
    run(capsys, "train", *flags)
    run(capsys, "train", *flags, "--resume")
    run(capsys, "evaluate", out, "--tasks", "100", "--quiet")
    summary = read_summary(tmp_path / "run")
    names = {row["agent"] for row in summary["agents"]}
    assert {"gru", "thompson", "bayes_optimal"} <= names
    run(capsys, "report", out, out, "--out", str(tmp_path / "page.html"))
    page = (tmp_path / "page.html").read_text()
    assert page.count("<h1>") == 2 and "http" not in page.replace("http-equiv", "")


def test_a_maze_run_is_evaluated_beside_its_references(tmp_path, capsys):
    out = str(tmp_path / "run")
    run(
        capsys,
        "train",
        "--out",
        out,
        "--quiet",
        "--world",
        "Maze-v0",
        "-o",
        "size=4",
        "-o",
        "step_reward=-0.01",
        "--num-envs",
        "64",
        "--iterations",
        "2",
        "--num-threads",
        "1",
    )
    run(capsys, "evaluate", out, "--tasks", "100", "--quiet")
    rows = {row["agent"]: row for row in read_summary(tmp_path / "run")["agents"]}
    assert rows["breadth_first_planner"]["fraction"] == 1 and rows["random"]["fraction"] == 0
    assert 0 < rows["wall_follower_left"]["fraction"] < 1


COMPUTE = [
    *(["bench", name] for name in BENCHMARKS if name != "peers"), *(["generate", name, "--out", "OUT"] for name in GENERATORS),
    ["train", "--out", "OUT"], ["solve", "nowhere.tsp"], ["sign", "--file", "OUT"],
]  # fmt: skip


@pytest.mark.skipif("cuda:0" in devices(), reason="there is a GPU here")
@pytest.mark.parametrize("arguments", COMPUTE, ids=" ".join)
def test_a_gpu_that_is_not_there_is_refused_in_the_same_words_before_anything_is_done(
    arguments, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for device in ("cuda", "cuda:1"):
        with pytest.raises(SystemExit) as end:
            main([*arguments, "--device", device])
        assert end.value.code == 2
        said = f"mesasim: device: got '{device}', but only cpu can be used here ({missing_cuda()})\n"
        assert capsys.readouterr().err == said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["list", "Chess-v9"], "id: got"),
        (["bench", "step", "--world", "Bandit-v0", "-o", "arms=1"], "arms: got 1"),
        (["bench", "step", "--world", "Bandit-v0", "-o", "arms"], "name=value"),
        (["bench", "step", "--world", "Bandit-v0", "-o", "legs=2"], "legs"),
        (["bench", "step", "-o", "arms=3"], "--world"),
        (["evaluate", "nowhere"], "nowhere"),
        (["report", "nowhere"], "nowhere"),
        (["train", "--out", "x", "--world", "Nowhere-v0"], "id: got"),
        (["run", "bandit-learning", "--arms", "1", "--quick", "--quiet", "--out", "OUT"], "arms"),
    ],
)
def test_a_mistake_is_one_line_and_exit_status_2(arguments, word, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("mesasim: ") and word in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif("cuda:0" in devices(), reason="there is a CUDA device")
@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--out", "run", "--quiet"],
        ["evaluate", "run", "--quiet"],
        ["run", "bandit-learning", "--quick", "--quiet", "--out", "run"],
        ["bench", "train"],
        ["sign", "--file", "signatures.json"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_missing_device_is_one_line_and_nothing_is_made(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--device", "cuda"])
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("mesasim: device: got 'cuda', but only cpu can be used here (") and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_training_is_measured(capsys):
    flags = ["--num-envs", "32", "--rollout-steps", "4", "--epochs", "1", "--rounds", "1", "--kind", "mlp", "--json"]
    row = json.loads(run(capsys, "bench", "train", *flags, "--cuda-graphs", "off"))
    assert row["steps_per_second"] > 0 and row["device"] == "cpu" and row["cuda_graphs"] is False
    shares = [row[f"{name}_share"] for name in ("simulator", "forward", "backward", "rest")]
    assert all(share > 0 for share in shares) and abs(sum(shares) - 1) < 1e-9


def test_the_last_lines_of_a_run_give_every_row_its_own_scale(capsys, monkeypatch, tmp_path):
    def row(agent, reward, floor, ceiling):
        numbers = {"reward_mean": reward, "reward_se": 0.1, "floor": floor, "ceiling": ceiling, "fraction": 0.0}
        return {"agent": agent, "nature": "n", **numbers}

    rows = [row("coin", -70, -88.75, -64.25), row("arms", 12, 10.5, 13.75), row("chance", -88.75, -88.75, -64.25)]
    monkeypatch.setattr(experiments()["ledger"], "run", lambda config, out, **_: {"experiment": "e", "agents": rows})
    words = run(capsys, "run", "ledger", "--out", str(tmp_path)).split()
    where = {word: words.index(word) for word in ("10.500", "arms", "-88.750", "coin", "chance")}
    assert sorted(where, key=where.__getitem__) == list(where), "each under the headline of its scale"


def test_sign_compares_with_the_kept_file(tmp_path, capsys):
    kept = tmp_path / "signatures.json"
    run(capsys, "sign", "--file", str(kept))
    run(capsys, "sign", "--file", str(kept), "--check")
    kept.write_text(kept.read_text().replace(json.loads(kept.read_text())["Maze-v0"], "0" * 64))
    with pytest.raises(SystemExit) as end:
        main(["sign", "--file", str(kept), "--check"])
    assert end.value.code == 1 and "DIFFERS" in capsys.readouterr().out
