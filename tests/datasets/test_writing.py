"""Several workers write the files that one process writes; faults leave whole shards and a clear message, and can be mended."""

import errno
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from mesasim import __version__, integrity, mazes, tsp
from mesasim.__main__ import main
from mesasim.mazes import DatasetConfig
from mesasim.mazes.datasets import generate_dataset
from mesasim.shards import files, shard_size_for, writing
from mesasim.shards.manifest import MANIFEST_BYTES, MAX_SHARDS
from mesasim.sweep import Plan, points, run_sweep
from mesasim.workers import WorkerDied

SMALL = {"count": 1000, "size": (6, 7), "seed": 3, "shard_size": 130}
FAULTS = Path(__file__).parents[2] / "bench" / "faults" / "generation.py"


def contents(folder):
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "d"
    generate_dataset(DatasetConfig(**SMALL), folder)
    return contents(folder)


def test_two_workers_write_the_same_files_as_one_process(tmp_path, whole):
    said = []
    generate_dataset(DatasetConfig(**SMALL), tmp_path / "d", workers=2, report=lambda *counts: said.append(counts))
    assert contents(tmp_path / "d") == whole
    assert len(said) == 8 and sum(made for made, _ in said) == 1000
    tours = tsp.TourDatasetConfig(count=90, n=8, shard_size=20, format="safetensors")
    tsp.generate_dataset(tours, tmp_path / "one")
    tsp.generate_dataset(tours, tmp_path / "two", workers=2)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


@pytest.mark.slow
def test_ray_writes_the_same_files(tmp_path, whole):
    ray = pytest.importorskip("ray", reason="ray is not installed (mesasim[ray])")
    code = ("from mesasim.mazes import DatasetConfig, generate_dataset\nfrom pathlib import Path\nimport ray\n"
            "ray.init(num_cpus=2, include_dashboard=False, logging_level='error')\n"
            f"generate_dataset(DatasetConfig(**{SMALL!r}), Path({str(tmp_path / 'd')!r}), workers=2, backend='ray')\n"
            )  # fmt: skip
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path,
                   env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"})  # fmt: skip
    assert ray.__version__ and contents(tmp_path / "d") == whole


def test_the_command_takes_a_number_of_shards_or_their_size(tmp_path, capsys):
    flags = ["generate", "mazes", "--count", "100", "--size", "4", "--quiet", "--out", str(tmp_path / "d")]
    main([*flags, "--shards", "3", "--workers", "2"])
    made = json.loads((tmp_path / "d" / "manifest.json").read_text())
    assert made["shard_size"] == 34 and [s["count"] for s in made["shards"].values()] == [34, 34, 32]
    assert "100 mazes in 3 shards" in capsys.readouterr().out
    assert [shard_size_for(10, 6, None), shard_size_for(10, None, 7), shard_size_for(10, None, None)] == [2, 7, 100_000]
    for wrong, message in (({"shards": 3, "shard_size": 5}, "one of them"), ({"shards": 11}, "shards: got 11")):
        with pytest.raises(ValueError, match=message):
            shard_size_for(10, wrong.get("shards"), wrong.get("shard_size"))


def test_a_restart_believes_checksums_and_neither_names_nor_sizes(tmp_path, whole, monkeypatch):
    config, folder = DatasetConfig(**SMALL), tmp_path / "d"
    generate_dataset(config, folder)
    flipped, cut, gone = (config.shard_name(*config.range(k)) for k in (1, 3, 5))
    (folder / flipped).write_bytes(whole[flipped][:200] + bytes([whole[flipped][200] ^ 1]) + whole[flipped][201:])
    (folder / cut).write_bytes(whole[cut][:-1])
    (folder / gone).unlink()
    made, original = [], writing.make_whole
    monkeypatch.setattr(writing, "make_whole", lambda *given: made.append(given[3]) or original(*given))
    generate_dataset(config, folder, resume=True)
    assert made == [130, 390, 650] and contents(folder) == whole


def test_half_a_mark_and_another_shards_mark_are_not_believed(tmp_path, whole):
    config, folder = DatasetConfig(**SMALL), tmp_path / "d"
    folder.mkdir()
    writing.write_manifest(folder, config, {})
    names = [config.shard_name(*config.range(k)) for k in range(3)]
    entry = json.loads(whole["manifest.json"])["shards"][names[0]]
    for name, text in zip(names, ('{"first": 0', json.dumps(entry), "[]"), strict=True):
        (folder / name).write_bytes(whole[names[0]])
        (folder / f".{name}.whole").write_text(text)
    generate_dataset(config, folder, resume=True)
    assert contents(folder) == whole


def test_a_worker_that_dies_is_named_with_its_shard_and_the_data_set_can_be_gone_on_with(tmp_path, whole, monkeypatch):
    config, folder = DatasetConfig(**SMALL), tmp_path / "d"
    real = writing.each

    def each(job, items, **how):
        for item, answer in real(job, items, **how):
            yield item, WorkerDied("worker 7 was killed by SIGKILL") if item[0] == 390 else answer

    monkeypatch.setattr(writing, "each", each)
    name = config.shard_name(390, 130)
    with pytest.raises(
        RuntimeError, match=f"{name}: worker 7 was killed by SIGKILL. What is whole stays; go on with --resume"
    ):
        generate_dataset(config, folder, workers=2)
    monkeypatch.setattr(writing, "each", real)
    generate_dataset(config, folder, workers=2, resume=True)
    assert contents(folder) == whole


def test_a_folder_that_another_process_works_in_is_refused_by_name_and_left_alone(tmp_path, whole, monkeypatch):
    """By kill -9 its lock goes, though the lock's file stays."""
    config, folder = DatasetConfig(**SMALL), tmp_path / "d"
    monkeypatch.setattr(integrity, "PATIENCE_S", 0.05)
    code = (f"import time\nfrom pathlib import Path\nfrom mesasim.integrity import held\nwith held(Path({str(folder)!r})):\n"
            "    print('held', flush=True); time.sleep(60)")  # fmt: skip
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=tmp_path)
    assert holder.stdout.readline() == b"held\n"
    unfinished = folder / f".{config.shard_name(0, 130)}.{holder.pid}.tmp"
    unfinished.write_bytes(b"half")
    for work in (
        lambda: generate_dataset(config, folder),
        lambda: generate_dataset(config, folder, resume=True),
        lambda: run_sweep(Plan(), points(Plan(), ["epochs=2"]), folder),
    ):
        with pytest.raises(BlockingIOError, match=f"{folder} is being worked in by process {holder.pid}"):
            work()
    assert unfinished.read_bytes() == b"half"
    holder.kill()
    holder.communicate()
    unfinished.unlink()
    assert (folder / ".lock").exists()
    generate_dataset(config, folder)
    assert contents(folder) == whole


def test_equal_mazes_are_left_out_by_one_worker_only(tmp_path):
    with pytest.raises(ValueError, match=r"workers: got 2 .local. with dedupe, allowed: 1"):
        generate_dataset(DatasetConfig(**SMALL, dedupe=True), tmp_path / "d", workers=2)
    assert not (tmp_path / "d").exists()


@pytest.mark.slow
def test_an_interrupt_leaves_whole_shards_nothing_half_written_and_can_be_gone_on_from(tmp_path):
    flags = ["generate", "mazes", "--count", "24000", "--size", "24", "--algorithm", "aldous_broder", "--shards", "60",
             "--quiet", "--workers", "2"]  # fmt: skip
    folder = tmp_path / "d"
    process = subprocess.Popen([sys.executable, "-m", "mesasim", *flags, "--out", str(folder)], stderr=subprocess.PIPE,
                               cwd=tmp_path)  # fmt: skip
    until = time.monotonic() + 60
    while len(list(folder.glob("mazes-*"))) < 3 and time.monotonic() < until and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1].decode()
    assert list(folder.glob("mazes-*")), f"never started: {said}"
    assert process.returncode == 130 and said == "mesasim: interrupted\n"
    assert not list(folder.glob(".*.tmp")) and 3 <= len(list(folder.glob("mazes-*"))) < 60
    main([*flags, "--out", str(folder), "--resume"])
    main([*flags, "--out", str(tmp_path / "whole")])
    assert contents(folder) == contents(tmp_path / "whole")


def of_small_files(limit, flags):
    """The command's exit status and what it said, under a limit on the size of files, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "mesasim", *flags], capture_output=True, text=True, cwd="/",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)), check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


def of_small_files_here(limit, flags, capsys):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        with pytest.raises(SystemExit) as stopped:
            main(flags)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    return stopped.value.code, capsys.readouterr().err


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_full_disk_is_said_leaves_whole_shards_and_can_be_gone_on_from(tmp_path, workers, capsys):
    """A limit on the size of files stands in for the disk: the write fails half way, as there."""
    flags = [
        "generate",
        "mazes",
        "--count",
        "1000",
        "--size",
        "12",
        "--shards",
        "2",
        "--quiet",
        "--workers",
        str(workers),
    ]
    main([*flags, "--out", str(tmp_path / "whole")])
    expected, folder = contents(tmp_path / "whole"), tmp_path / "d"
    limit, cut = max(map(len, expected.values())) - 100, [*flags, "--out", str(folder)]
    capsys.readouterr()
    status, said = of_small_files_here(limit, cut, capsys) if workers == 1 else of_small_files(limit, cut)
    assert status == 2 and os.strerror(errno.EFBIG) in said and said.count("\n") == 1
    assert not list(folder.glob(".*.tmp"))
    assert all(data == expected.get(name, data) for name, data in contents(folder).items() if "manifest" not in name)
    main([*cut, "--resume"])
    assert contents(folder) == expected


def test_a_folder_that_cannot_be_written_to_is_said_and_left_as_it_was(tmp_path, whole, monkeypatch):
    config, folder = DatasetConfig(**SMALL), tmp_path / "d"
    generate_dataset(config, folder)
    (folder / config.shard_name(0, 130)).unlink()
    before, replace = contents(folder), os.replace

    def read_only(source, target):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(target))

    monkeypatch.setattr(os, "replace", read_only)
    with pytest.raises(OSError, match=r"Read-only file system.*|.*Read-only file system"):
        generate_dataset(config, folder, resume=True)
    assert contents(folder) == before
    monkeypatch.setattr(os, "replace", replace)
    generate_dataset(config, folder, resume=True)
    assert contents(folder) == whole


def test_a_damaged_manifest_is_neither_gone_on_from_nor_overwritten_unseen(tmp_path):
    config, folder = DatasetConfig(**SMALL), tmp_path / "d"
    generate_dataset(config, folder)
    text = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(text.replace('"seed": 3', '"seed": 2'))
    with pytest.raises(ValueError, match=r"seed: got 3, but .* was made with 2"):
        generate_dataset(config, folder, resume=True)
    (folder / "manifest.json").write_text(text[:-30])
    before = contents(folder)
    for how in ({"resume": True}, {"overwrite": True}):
        with pytest.raises(ValueError, match="not that of mazes"):
            generate_dataset(config, folder, **how)
    assert contents(folder) == before and mazes


def test_overwriting_takes_as_long_as_what_is_there_and_removes_nothing_else(tmp_path):
    folder = tmp_path / "d"
    generate_dataset(DatasetConfig(count=30, size=4, shard_size=10), folder)
    content = json.loads((folder / "manifest.json").read_text())
    content.update(count=2**40, shard_size=2**24, complete=False, shards={})  # 65,536 names, none of which is there
    (folder / "manifest.json").write_text(json.dumps(content))
    (folder / "mazes-notes.parquet").write_text("mine")
    (folder / "mazes-1.parquet").write_text("mine")
    generate_dataset(DatasetConfig(count=5, size=4), folder, overwrite=True)
    assert sorted(contents(folder)) == [
        "manifest.json", "mazes-000000000000-000000000005.parquet", "mazes-1.parquet", "mazes-notes.parquet",
    ]  # fmt: skip


def test_more_shards_than_a_manifest_can_list_are_refused():
    with pytest.raises(ValueError, match="shard_size: got 1 with count 1099511627776, allowed: 1099512 or more"):
        DatasetConfig(count=2**40, size=4, shard_size=1).check()
    entry = (
        '  "mazes-1099511627775-1099511627776.safetensors": {\n   "first": 1099511627775,\n   "count": 16777216,\n'
        + (f'   "kept": 16777216,\n   "sha256": "{"0" * 64}"\n  }},\n')
    )
    assert MAX_SHARDS * len(entry) + 10_000 < MANIFEST_BYTES


def test_what_memory_cannot_hold_is_refused_before_the_folder_is_claimed(tmp_path):
    with pytest.raises(ValueError, match=r"shard_size: got 16777216 with 4096 workers, which takes .* GB, allowed"):
        generate_dataset(DatasetConfig(count=2**40, size=256, shard_size=2**24), tmp_path / "d", workers=4096)
    assert not (tmp_path / "d").exists()


def test_a_data_set_of_another_version_is_not_gone_on_with(tmp_path):
    folder, config = tmp_path / "d", DatasetConfig(count=30, size=4, shard_size=10)
    generate_dataset(config, folder)
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace(f'"mesasim": "{__version__}"', '"mesasim": "0.0.0"'))
    with pytest.raises(
        ValueError, match=r"made by mesasim 0\.0\.0, whose shards .* might not make the same; allowed: that version"
    ):
        generate_dataset(config, folder, resume=True)
    generate_dataset(config, folder, overwrite=True)
    assert json.loads(manifest.read_text())["mesasim"] == __version__


def test_safetensors_are_written_into_the_file_that_a_restart_would_remove(tmp_path, monkeypatch):
    """And not beside it, under another name, to be moved there: kill -9 would leave that for ever."""
    inodes = []

    def write_whole(path, write):
        path.touch()
        inodes.append(path.stat().st_ino)
        write(path)
        inodes.append(path.stat().st_ino)

    monkeypatch.setattr(files, "write_whole", write_whole)
    files.write_shard("safetensors", {"number": torch.arange(5)}, tmp_path / "s.safetensors")
    assert inodes[0] == inodes[1]


@pytest.mark.slow
def test_kills_at_random_moments_change_no_byte(tmp_path):
    command = [sys.executable, str(FAULTS), "--kills", "6"]  # a process of its own: it forks, and must have one thread
    said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    assert "FAILED" not in said and sum(map(int, re.findall("([0-9]+) kills", said))) == 6
