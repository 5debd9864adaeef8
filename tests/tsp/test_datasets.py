"""Data sets of optimal tours come back, resume to the same bytes, and never hold half a file."""

import runpy
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from mesasim import tsp
from mesasim.__main__ import main
from mesasim.curriculum import Curriculum
from mesasim.shards import files
from mesasim.tsp import LabelledTours, TourDatasetConfig, datasets, generate_dataset, load

SMALL = {"count": 500, "n": 9, "seed": 3, "shard_size": 150}


def contents(folder):
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.mark.parametrize("form", ["parquet", "safetensors"])
@pytest.mark.parametrize(
    ("distribution", "options"),
    [("uniform", {}), ("random_matrix", {}), ("greedy_hard", {"base": "clustered", "clusters": 2, "gap": 0.05})],
)
def test_what_is_written_comes_back(tmp_path, form, distribution, options):
    config = TourDatasetConfig(**SMALL, distribution=distribution, options=options, format=form)
    generate_dataset(config, tmp_path / "d")
    data = load(tmp_path / "d")
    assert data.num_shards == 4 and len(data) == 500
    made = tsp.labelled(500, 9, distribution, seed=3, **options)
    whole = data.batch(range(500))
    for f in fields(LabelledTours):
        kept, given = getattr(whole, f.name), getattr(made, f.name)
        assert kept.dtype == given.dtype and torch.equal(kept, given), f.name
    assert torch.equal(data.shard(1).order, made.order[150:300])
    item = data[-1]
    assert item["number"] == 499 and item["length"] == float(made.length[499]) and item["gap"] == float(made.gap[499])
    assert torch.equal(item["problems"], made.problems[499]) and torch.equal(item["order"], made.order[499])
    assert torch.equal(data.batch([499, 3, 160]).length, made.length[[499, 3, 160]])
    for bad in (500, -501):
        with pytest.raises(IndexError, match=r"500|-501"):
            data[bad]


def test_other_tools_read_the_columns(tmp_path):
    generate_dataset(TourDatasetConfig(count=20, n=5), tmp_path / "d")
    table = pq.read_table(next((tmp_path / "d").glob("*.parquet")))
    made = tsp.labelled(20, 5)
    assert table["problems"][7].as_py() == made.problems[7].flatten().tolist()
    assert list(table["order"][7].as_py()) == made.order[7].tolist() and table["length"][7].as_py() == float(
        made.length[7]
    )


def test_difficulties_grade_a_curriculum(tmp_path):
    config = TourDatasetConfig(count=300, n=20, method="branch_and_bound", shard_size=100)
    generate_dataset(config, tmp_path / "d")
    data = load(tmp_path / "d")
    whole = data.batch(range(300))
    for by in ("gap", "two_opt_gap", "nodes", "one_trees"):
        assert torch.equal(data.difficulty(by), getattr(whole, by))
    assert (data.difficulty("n") == 20).all()
    hardest = Curriculum(data.difficulty("gap"), "hard_only", buckets=5).open(0.0)
    assert data.batch(hardest).gap.min() >= whole.gap.quantile(0.75)
    with pytest.raises(ValueError, match="by: got 'beauty'"):
        data.difficulty("beauty")


def test_an_interrupted_data_set_goes_on_at_the_missing_shards_to_the_same_bytes(tmp_path, monkeypatch):
    config = TourDatasetConfig(**SMALL)
    generate_dataset(config, tmp_path / "whole")
    made, original = [], datasets.make_shard

    def stop(config, first, count, *rest, **named):
        if count:  # none: the columns alone are asked for
            made.append(first)
        if len(made) == 3:
            raise KeyboardInterrupt
        return original(config, first, count, *rest, **named)

    monkeypatch.setattr(datasets, "make_shard", stop)
    with pytest.raises(KeyboardInterrupt):
        generate_dataset(config, tmp_path / "d")
    assert sorted(path.name for path in (tmp_path / "d").glob("tours-*")) == [
        config.shard_name(f, 150) for f in (0, 150)
    ]
    with pytest.raises(ValueError, match="not complete"):
        load(tmp_path / "d")
    (tmp_path / "d" / f".{config.shard_name(300, 150)}.77.tmp").write_bytes(b"half")
    generate_dataset(config, tmp_path / "d", resume=True)
    assert made[3:] == [300, 450] and contents(tmp_path / "d") == contents(tmp_path / "whole")


def test_a_killed_run_resumes_to_the_same_bytes(tmp_path):
    flags = ["generate", "tours", "--count", "6000", "--n", "13", "--shard-size", "150", "--distribution", "greedy_hard",
             "-o", "gap=0.05", "-o", "base=ring", "-o", "width=0.1", "--quiet"]  # fmt: skip
    main([*flags, "--out", str(tmp_path / "whole")])
    command = [sys.executable, "-m", "mesasim", *flags, "--out", str(tmp_path / "d")]
    process = subprocess.Popen(command, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "d").glob("tours-*"))) < 3 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(list((tmp_path / "d").glob("tours-*"))) < 40
    main([*flags, "--num-threads", "1", "--out", str(tmp_path / "d"), "--resume"])
    assert contents(tmp_path / "d") == contents(tmp_path / "whole")


def test_a_damaged_shard_is_found_and_made_again(tmp_path):
    config = TourDatasetConfig(**SMALL)
    generate_dataset(config, tmp_path / "d")
    whole, name = contents(tmp_path / "d"), config.shard_name(150, 150)
    for damage in (whole[name][:-7], whole[name][:50] + b"?" + whole[name][51:], b""):
        (tmp_path / "d" / name).write_bytes(damage)
        with pytest.raises(ValueError, match="damaged"):
            load(tmp_path / "d")[200]
        generate_dataset(config, tmp_path / "d", resume=True)
        assert contents(tmp_path / "d") == whole
    (tmp_path / "d" / name).write_bytes(b"not a shard")
    with pytest.raises(ValueError, match="no shard of tours"):
        load(tmp_path / "d", verify=False)[200]
    other = {
        "number": torch.arange(150),
        "problems": torch.zeros(150, 7),
        "order": torch.zeros(150, 9, dtype=torch.uint8),
    }
    files.write_shard("parquet", other, tmp_path / "d" / name)
    with pytest.raises(ValueError, match=r"no shard of tours .column \w+ is"):
        load(tmp_path / "d", verify=False)[200]


def test_folders_in_use_or_made_otherwise_are_refused(tmp_path):
    config = TourDatasetConfig(**SMALL)
    generate_dataset(config, tmp_path / "d")
    before = contents(tmp_path / "d")
    with pytest.raises(FileExistsError, match="--resume or --overwrite"):
        generate_dataset(config, tmp_path / "d")
    with pytest.raises(ValueError, match="one of them"):
        generate_dataset(config, tmp_path / "d", resume=True, overwrite=True)
    for name, value in (("seed", 4), ("method", "branch_and_bound"), ("options", {"clusters": 2})):
        other = TourDatasetConfig(
            **{**SMALL, "distribution": "clustered" if name == "options" else "uniform", name: value}
        )
        with pytest.raises(
            ValueError, match=rf"\w+: got .*{'clustered' if name == 'options' else value}.*was made with"
        ):
            generate_dataset(other, tmp_path / "d", resume=True)
    assert contents(tmp_path / "d") == before
    generate_dataset(TourDatasetConfig(**{**SMALL, "seed": 4}), tmp_path / "d", overwrite=True)
    assert load(tmp_path / "d").manifest["seed"] == 4
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "diary.txt").write_text("")
    with pytest.raises(FileExistsError, match="not empty"):
        generate_dataset(config, tmp_path / "other")


def test_folders_that_hold_no_tours_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"manifest\.json"):
        load(tmp_path)
    for text in ("", "{}", '{"kind": "mesasim mazes", "format_version": 1}',
                 '{"kind": "mesasim tours", "format_version": 1, "n": 2}'):  # fmt: skip
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(ValueError, match="not that of tours"):
            load(tmp_path)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--n", "2"], "n: got 2"), (["--n", "257"], "n: got 257"), (["--count", "0"], "count: got 0"),
        (["--distribution", "normal"], "distribution: got 'normal'"), (["--seed", "-1"], "seed"),
        (["--distribution", "ring", "-o", "radius=9"], "radius: got 9"), (["-o", "radius=0.3"], "radius"),
        (["--distribution", "greedy_hard", "-o", "gap=-1"], "gap: got -1"), (["-o", "gap"], "name=value"),
        (["--distribution", "greedy_hard", "-o", "base=greedy_hard"], "base: got 'greedy_hard'"),
        (["--distribution", "greedy_hard", "-o", "width=0.1"], "width"), (["--shard-size", "0"], "shard_size: got 0"),
        (["--method", "held_karp", "--n", "17"], "method: got held_karp for 17 cities"),
    ],
)  # fmt: skip
def test_the_command_refuses_what_cannot_be_made_and_writes_nothing(tmp_path, capsys, flags, message):
    with pytest.raises(SystemExit) as stopped:
        main(["generate", "tours", "--quiet", "--out", str(tmp_path / "d"), *flags])
    assert stopped.value.code == 2 and message in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


def test_the_command_says_what_it_made_and_lists_distributions(tmp_path, capsys):
    main(["generate", "tours", "--count", "50", "--n", "6", "--out", str(tmp_path / "d")])
    out = " ".join(capsys.readouterr().out.split())
    assert "50 tours in 1 shard in" in out and "mesasim.tsp.load(" in out
    assert load(tmp_path / "d")[7]["problems"].shape == (6, 2)
    main(["list", "tours"])
    out = capsys.readouterr().out
    assert all(f"{name}: " in out for name in tsp.distributions())


def test_the_example_runs():
    path = Path(__file__).parents[2] / "examples" / "tours.py"
    assert runpy.run_path(str(path))["main"](count=200, n=10, steps=20) > 0.05


@pytest.mark.parametrize(
    ("changed", "words"),
    [({}, "method: got 'auto' on cuda:0, allowed: held_karp, branch_and_bound"),
     ({"method": "branch_and_cut"}, "method: got 'branch_and_cut' on cuda:0"),
     ({"method": "held_karp", "distribution": "greedy_hard"}, "device: got cuda:0 for greedy_hard, allowed: cpu")],
)  # fmt: skip
def test_what_only_the_cpu_makes_is_refused_on_a_gpu_before_a_file_is_written(changed, words, monkeypatch, tmp_path):
    monkeypatch.setattr(datasets, "check_device", lambda device: torch.device("cuda", 0))
    with pytest.raises(ValueError, match=f"^{words}"):
        generate_dataset(TourDatasetConfig(**SMALL | changed), tmp_path / "d", device="cuda")
    assert not (tmp_path / "d").exists()
