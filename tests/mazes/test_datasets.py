"""Data sets come back, resume at the missing shards, and never hold half a file."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from torch.utils.data import DataLoader

from mesasim import mazes
from mesasim.__main__ import main
from mesasim.mazes import DatasetConfig, datasets, generate_dataset, load, select, selection
from mesasim.shards import files

SMALL = {"count": 1000, "size": (6, 7), "algorithm": "wilson", "seed": 3, "shard_size": 300}


def contents(folder):
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.mark.parametrize("form", ["parquet", "safetensors"])
def test_what_is_written_comes_back(tmp_path, form):
    generate_dataset(DatasetConfig(**SMALL, format=form, min_distance=4), tmp_path / "d")
    data = load(tmp_path / "d")
    assert data.num_shards == 4 and len(data) == 1000
    made = mazes.generate(1000, (6, 7), "wilson", seed=3)
    start, goal = made.endpoints(seed=3, min_distance=4)
    solved = made.solve(start, goal)
    for i in (0, 299, 300, 777, 999, -1):
        item, k = data[i], i % 1000
        assert item["number"] == k and torch.equal(item["connections"], made.connections[k])
        assert (item["start"], item["goal"], item["length"]) == (start[k], goal[k], solved.length[k])
        assert torch.equal(item["path"], solved.path(k))
    shard, tensors = data.shard(1)
    assert torch.equal(shard.packed, made.packed[300:600]) and len(tensors["start"]) == 300
    assert torch.equal(data.solutions(1).cells, made[300:600].solve(start[300:600], goal[300:600]).cells)
    batch = next(iter(DataLoader([data[k] for k in range(8)], batch_size=8, collate_fn=list)))
    assert len(batch) == 8
    with pytest.raises(IndexError, match="1000"):
        data[1000]


def test_filters_and_deduplication_keep_what_they_should(tmp_path):
    config = DatasetConfig(count=2000, size=(2, 3), algorithm="percolation", options={"p": 0.8}, shard_size=500, dedupe=True,
                           unique=True)  # fmt: skip
    manifest = generate_dataset(config, tmp_path / "d")
    data = load(tmp_path / "d")
    made = mazes.generate(2000, (2, 3), "percolation", p=0.8)
    start, goal = made.endpoints(on_impossible="mask", min_distance=1)
    solved = made[start >= 0].solve(start[start >= 0], goal[start >= 0])
    kinds = {
        (bytes(m.flatten().tolist()), int(s), int(g))
        for m, s, g, u in zip(solved.mazes.packed, solved.start, solved.goal, solved.unique, strict=True)
        if u
    }
    found = [(d["connections"].numpy().tobytes(), d["start"], d["goal"]) for d in data]
    assert len(set(found)) == len(found) == len(kinds) == sum(s["kept"] for s in manifest["shards"].values())


def test_percentiles_are_torchs_and_of_more_values_than_torch_takes():
    values = torch.randn(1001, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for share in (0, 0.05, 33.3, 50, 99.99, 100):
        assert selection._percentiles(values, share)[0] == pytest.approx(values.quantile(share / 100).item(), abs=1e-12)
    assert selection._percentiles(torch.arange(2**24 + 1), 25, 100) == [2**22, 2**24]


def test_select_filters_by_each_property():
    made = mazes.generate(3000, 8, "depth_first", seed=1, braid=0.4)
    solved = made.solve(*made.endpoints(seed=2))
    looked = made.lookahead(solved.start, solved.goal)
    apart = (solved.start // 8 - solved.goal // 8).abs() + (solved.start % 8 - solved.goal % 8).abs()
    expected = {
        "min_length": (solved.length >= 7, 7), "max_length": (solved.length <= 7, 7), "min_apart": (apart >= 5, 5),
        "max_apart": (apart <= 5, 5), "unique": (solved.unique, True), "sole": (solved.sole, True),
        "min_lookahead": (looked >= 3, 3), "max_lookahead": (looked <= 3, 3),
    }  # fmt: skip
    for name, (kept, value) in expected.items():
        assert torch.equal(select(solved, **{name: value}), kept) and 0 < kept.sum() < 3000
    middle = select(solved, percentile=(25, 75))
    assert solved.length[middle].min() >= solved.length.double().quantile(0.25) and 0.4 < middle.double().mean() < 0.7
    assert torch.equal(middle, (solved.length >= solved.length.double().quantile(0.25)) & (
        solved.length <= solved.length.double().quantile(0.75)))  # fmt: skip
    for bad in ({"percentile": (60, 40)}, {"min_length": -1}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            select(solved, **bad)


def test_deduplication_keeps_first_of_equal_mazes_also_across_shards():
    made = mazes.generate(3000, 2, "wilson", seed=1)
    kept = made.deduplicate()
    assert kept.sum() == 4 and kept[0]
    seen = set()
    parts = [made[a:b].deduplicate(seen=seen) for a, b in ((0, 5), (5, 3000))]
    assert torch.equal(torch.cat(parts), kept)
    closed = [mazes.generate(5, size, "percolation", p=0.0) for size in ((2, 3), (2, 4))]
    assert [int(m.deduplicate(seen=seen).sum()) for m in closed] == [1, 1]
    for also in (torch.rand(3000), torch.zeros(5, dtype=torch.int32)):
        with pytest.raises(ValueError, match="also"):
            made.deduplicate(also)
    ends = torch.arange(3000) % 2
    assert made.deduplicate(ends).sum() == 8


@pytest.mark.parametrize("endpoints", ["uniform", "none"])
def test_a_batch_from_anywhere_reads_each_shard_once(tmp_path, monkeypatch, endpoints):
    generate_dataset(DatasetConfig(**SMALL, endpoints=endpoints), tmp_path / "d")
    data, read = load(tmp_path / "d"), []
    original = files.ShardFile.rows
    monkeypatch.setattr(
        files.ShardFile, "rows", lambda file, group: read.append((file, group)) or original(file, group)
    )
    which = [900, 3, -1, 899, 3, 599, 600]
    made, solved = data.batch(which)
    assert len(read) == len(set(read)) == 4
    for k, i in enumerate(which):
        item = data[i]
        assert torch.equal(made.connections[k], item["connections"])
        assert (solved is None) == (endpoints == "none")
        if solved is not None:
            assert torch.equal(solved.path(k), item["path"]) and int(solved.goal[k]) == item["goal"]
    if solved is None:
        with pytest.raises(ValueError, match="endpoints 'none'"):
            data.solutions(0)
    for bad in ([0, 1000], [-1001], []):
        with pytest.raises(IndexError, match="index"):
            data.batch(bad)


# Interrupted, damaged, full


def test_what_a_killed_run_left_in_the_making_is_cleared(tmp_path):
    config, folder = DatasetConfig(**SMALL), tmp_path / "d"
    folder.mkdir()
    (folder / ".manifest.json.77.tmp").write_text("{")
    generate_dataset(config, folder)
    whole = contents(folder)
    (folder / f".{config.shard_name(300, 300)}.77.tmp").write_bytes(b"half")
    generate_dataset(config, folder, resume=True)
    assert contents(folder) == whole


@pytest.mark.parametrize("dedupe", [False, True])
def test_an_interrupted_data_set_goes_on_at_the_missing_shards_to_the_same_bytes(tmp_path, monkeypatch, dedupe):
    config = DatasetConfig(**SMALL, dedupe=dedupe)
    generate_dataset(config, tmp_path / "whole")
    made = []

    def stop(config, first, count, *rest, original=datasets.make_shard, **named):
        if count:  # none: the columns alone are asked for
            made.append(first)
        if len(made) == 3:
            raise KeyboardInterrupt
        return original(config, first, count, *rest, **named)

    monkeypatch.setattr(datasets, "make_shard", stop)
    with pytest.raises(KeyboardInterrupt):
        generate_dataset(config, tmp_path / "d")
    assert sorted(path.name for path in (tmp_path / "d").glob("mazes-*")) == [
        config.shard_name(f, 300) for f in (0, 300)
    ]
    with pytest.raises(ValueError, match="not complete"):
        load(tmp_path / "d")
    made[:] = [0] * 10
    generate_dataset(config, tmp_path / "d", resume=True)
    assert made[10:] == [600, 900]
    assert contents(tmp_path / "d") == contents(tmp_path / "whole")


def test_a_full_disk_leaves_whole_shards_only(tmp_path, monkeypatch):
    config = DatasetConfig(**SMALL)
    original = files.write_parquet

    def full(shard, file):
        if shard["number"][0] == 600:
            file.write_bytes(b"half a sha")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(shard, file)

    monkeypatch.setattr(files, "write_parquet", full)
    with pytest.raises(OSError, match="No space left"):
        generate_dataset(config, tmp_path / "d")
    names = sorted(name for name in contents(tmp_path / "d") if not name.endswith(".whole"))
    assert names == ["manifest.json", *(config.shard_name(f, 300) for f in (0, 300))]
    monkeypatch.setattr(files, "write_parquet", original)
    generate_dataset(config, tmp_path / "d", resume=True)
    assert len(load(tmp_path / "d")) == 1000


def test_a_killed_run_resumes_to_the_same_bytes(tmp_path):
    flags = ["generate", "mazes", "--count", "30000", "--size", "24", "--algorithm", "aldous_broder", "--shard-size", "1000",
             "--quiet"]  # fmt: skip
    main([*flags, "--out", str(tmp_path / "whole")])
    command = [sys.executable, "-m", "mesasim", *flags, "--out", str(tmp_path / "d")]
    process = subprocess.Popen(command, cwd=tmp_path)
    deadline = time.monotonic() + 60
    while len(list((tmp_path / "d").glob("mazes-*"))) < 3 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    main([*flags, "--out", str(tmp_path / "d"), "--resume"])
    assert contents(tmp_path / "d") == contents(tmp_path / "whole")


def test_a_damaged_shard_is_found_and_made_again(tmp_path):
    config = DatasetConfig(**SMALL)
    generate_dataset(config, tmp_path / "d")
    whole, name = contents(tmp_path / "d"), config.shard_name(300, 300)
    for damage in (whole[name][:-7], whole[name][:50] + b"?" + whole[name][51:], b""):
        (tmp_path / "d" / name).write_bytes(damage)
        with pytest.raises(ValueError, match="damaged"):
            load(tmp_path / "d")[400]
        generate_dataset(config, tmp_path / "d", resume=True)
        assert contents(tmp_path / "d") == whole
    footer = int.from_bytes(whole[name][-8:-4], "little")
    for damage in (b"not a shard", whole[name][: -8 - footer] + b"\xff" * footer + whole[name][-8:]):
        (tmp_path / "d" / name).write_bytes(damage)
        with pytest.raises(ValueError, match="no shard"):
            load(tmp_path / "d", verify=False)[400]


def test_folders_in_use_or_made_otherwise_are_refused(tmp_path):
    config = DatasetConfig(**SMALL)
    generate_dataset(config, tmp_path / "d")
    before = contents(tmp_path / "d")
    with pytest.raises(FileExistsError, match="--resume or --overwrite"):
        generate_dataset(config, tmp_path / "d")
    with pytest.raises(ValueError, match="one of them"):
        generate_dataset(config, tmp_path / "d", resume=True, overwrite=True)
    with pytest.raises(ValueError, match=r"seed: got 4, but .* was made with 3"):
        generate_dataset(DatasetConfig(**{**SMALL, "seed": 4}), tmp_path / "d", resume=True)
    assert contents(tmp_path / "d") == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("…")
    with pytest.raises(FileExistsError, match="not empty"):
        generate_dataset(config, tmp_path / "other", overwrite=True)
    generate_dataset(DatasetConfig(**{**SMALL, "seed": 4, "shard_size": 500}), tmp_path / "d", overwrite=True)
    assert len(contents(tmp_path / "d")) == 3 and load(tmp_path / "d").manifest["seed"] == 4


def test_folders_that_hold_no_data_set_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"manifest\.json"):
        load(tmp_path)
    for text in (
        "",
        "[]",
        "{}",
        '{"kind": "mesasim mazes", "format_version": 99}',
        '{"kind": "mesasim mazes", "format_version": 1, "size": [4, 4], "format": "parquet", "shards": {"a": {}}}',
        "\udc80",
    ):
        (tmp_path / "manifest.json").write_bytes(text.encode(errors="surrogateescape"))
        with pytest.raises(ValueError, match="manifest"):
            load(tmp_path)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--size", "1"], "size: got 1"), (["--size", "257"], "size: got 257"), (["--count", "0"], "count: got 0"),
        (["--algorithm", "ant"], "algorithm: got 'ant'"), (["-o", "p=2", "--algorithm", "percolation"], "p: got 2"),
        (["-o", "legs=2"], "legs"), (["-o", "braid"], "name=value"), (["--shard-size", "0"], "shard_size: got 0"),
        (["--min-distance", "-1"], "min_distance"), (["--unique", "--endpoints", "none"], "unique"),
        (["--size", "4", "5", "6"], "size: got 3"), (["--seed", "-1"], "seed"),
    ],
)  # fmt: skip
def test_the_command_refuses_what_cannot_be_made_and_writes_nothing(tmp_path, capsys, flags, message):
    with pytest.raises(SystemExit) as stopped:
        main(["generate", "mazes", "--quiet", "--out", str(tmp_path / "d"), *flags])
    assert stopped.value.code == 2 and message in capsys.readouterr().err
    assert not (tmp_path / "d").exists()


def test_the_command_says_what_it_made_and_lists_algorithms(tmp_path, capsys):
    main(["generate", "mazes", "--count", "50", "--size", "4", "6", "--out", str(tmp_path / "d"), "--dedupe"])
    assert "50 mazes in 1 shard in" in " ".join(capsys.readouterr().out.split())
    assert load(tmp_path / "d")[7]["connections"].shape == (2, 4, 6)
    main(["list", "mazes"])
    out = capsys.readouterr().out
    assert all(f"{name}: " in out for name in mazes.algorithms())
