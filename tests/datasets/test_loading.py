"""Data sets are read as their manifests say, and one whose manifest or shards say otherwise is refused, by name, before
anything is allocated for it."""

import json
import os
import pickle
from contextlib import suppress

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file
from torch.utils.data import DataLoader

from mesasim import datasets, mazes, tsp
from mesasim.mazes import DatasetConfig
from mesasim.mazes.datasets import MazeDataset, generate_dataset
from mesasim.shards import files, reading
from mesasim.shards.files import GROUP, ShardFile, sha256

SMALL = {"count": 300, "size": (4, 5), "seed": 3, "shard_size": 100}
FIRST = "mazes-000000000000-000000000100"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folders = {}
    for form in ("parquet", "safetensors"):
        folders[form] = tmp_path_factory.mktemp(form) / "d"
        generate_dataset(DatasetConfig(**SMALL, format=form), folders[form])
    return folders


@pytest.fixture
def copied(made, tmp_path):
    """A copy to damage: copied(form) → its folder."""

    def copy(form="parquet"):
        folder = tmp_path / "d"
        folder.mkdir()
        for file in made[form].iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
        return folder

    return copy


def change(folder, edit):
    content = json.loads((folder / "manifest.json").read_text())
    edit(content)
    (folder / "manifest.json").write_text(json.dumps(content))


def believe(folder, name):
    """Gives the manifest the checksum of what is there: a stranger's own."""
    change(folder, lambda content: content["shards"][name].update(sha256=sha256(folder / name)))


def test_load_gives_the_data_set_of_whatever_kind(made, tmp_path):
    data = datasets.load(made["parquet"])
    assert isinstance(data, MazeDataset) and len(data) == 300
    batch = next(iter(DataLoader(data, batch_size=4, shuffle=True, num_workers=0, collate_fn=list)))
    assert len(batch) == 4
    tsp.generate_dataset(tsp.TourDatasetConfig(count=30, n=6), tmp_path / "t")
    assert datasets.load(tmp_path / "t").batch([3]).length.shape == (1,)


@pytest.mark.parametrize("form", ["parquet", "safetensors"])
def test_an_instance_from_anywhere_costs_its_group_of_rows_and_the_last_groups_are_kept(tmp_path, form, monkeypatch):
    count = 2 * GROUP + 100
    generate_dataset(
        DatasetConfig(count=count, size=4, endpoints="none", shard_size=count, format=form), tmp_path / "d"
    )
    data, read, original = datasets.load(tmp_path / "d", cache=2), [], ShardFile.rows
    monkeypatch.setattr(ShardFile, "rows", lambda file, group: read.append(group) or original(file, group))
    made = mazes.generate(count, 4)
    for i in (0, 1, count - 1, GROUP - 1, GROUP, 2 * GROUP - 1, 5, count - 2):
        assert data[i]["number"] == i and torch.equal(data[i]["connections"], made.connections[i])
    assert read == [0, 2, 1, 2]  # of the two kept, the one that was used longest ago goes
    assert torch.equal(data.shard(0)[0].packed, made.packed)


def test_a_loader_of_the_map_style_set_reads_each_group_of_rows_once_a_batch(made, monkeypatch):
    data, read, original = datasets.load(made["parquet"], cache=1), [], ShardFile.rows
    monkeypatch.setattr(ShardFile, "rows", lambda file, group: read.append(group) or original(file, group))
    which = [250, 3, 120, 4, 251, 121]
    items = next(iter(DataLoader(data, batch_sampler=[which], collate_fn=list)))
    assert [item["number"] for item in items] == which and len(read) == 3
    assert all(torch.equal(item["path"], data[i]["path"]) for item, i in zip(items, which, strict=True))


def test_what_was_read_does_not_travel_to_workers(made):
    data = datasets.load(made["parquet"])
    _ = data[5]
    assert data._groups and not pickle.loads(pickle.dumps(data))._groups
    assert len(pickle.dumps(data)) < 20_000


def test_data_sets_of_one_large_group_of_rows_are_read_too(made, copied):
    """As they were written before rows came in groups."""
    folder = copied()
    pq.write_table(pq.read_table(folder / f"{FIRST}.parquet"), folder / f"{FIRST}.parquet", row_group_size=70)
    believe(folder, f"{FIRST}.parquet")
    data, was = datasets.load(folder), datasets.load(made["parquet"])
    assert torch.equal(data.tensors(0)["packed"], was.tensors(0)["packed"]) and data[85]["number"] == 85


# Manifests of strangers


def renamed(to):
    def edit(content):
        content["shards"][to] = content["shards"].pop(f"{FIRST}.parquet")

    return edit


def entry(**values):
    return lambda content: content["shards"][f"{FIRST}.parquet"].update(values)


def setting(**values):
    return lambda content: content.update(values)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (renamed("../../secret.parquet"), "expected 'mazes-0"), (renamed("/etc/passwd"), "expected 'mazes-0"),
        (renamed(f"{FIRST}.safetensors"), "expected 'mazes-0"), (entry(first=1), "numbers 1 to 1"),
        (entry(first=100), "expected 'mazes-000000000100"), (entry(first=-100), "first: got -100"),
        (entry(count=200), "of numbers 0 to 0 . 200"), (entry(count=10**15), "of numbers 0 to"),
        (entry(kept=101), "kept: got 101"),
        (entry(kept=-1), "kept: got -1"), (entry(kept="7"), "kept: got '7'"), (entry(sha256="0"), "sha256 '0'"),
        (entry(sha256=None), "sha256 None"), (setting(complete="yes"), "complete: got|complete: 'yes'"),
        (setting(count=10**13), "count: got"), (setting(count=10**6), "complete: True with 3 of 10000"),
        (setting(shard_size=0), "shard_size: got 0"), (setting(size=[4, 10**6]), "size: got"),
        (setting(format="pickle"), "format"),
        (setting(algorithm="os.system"), "algorithm"), (setting(options={"first": 1}), "first"),
        (setting(options=[1]), "not that"),
        (setting(kind="mesasim tours"), "not that of tours"), (setting(kind=["x"]), "no kind known"),
        (setting(shards=[]), "shards"),
        (lambda content: content["shards"].clear(), "complete: True with 0 of 3"), (lambda content: content.pop("seed"), "seed"),
    ],
)  # fmt: skip
def test_a_manifest_that_contradicts_itself_is_refused(copied, edit, message):
    folder = copied()
    change(folder, edit)
    with pytest.raises(ValueError, match=f"path: got {folder}.*manifest.json.*{message}"):
        datasets.load(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [("[" * 100_000, "deep|Expecting|kind"), ('{"kind": "mesasim mazes", "kind": 1}', "given twice"), ("{", "Expecting"),
     ('{"kind": "someone\'s"}', "no kind known"), ("", "Expecting")],
)  # fmt: skip
def test_a_manifest_that_is_none_is_refused(tmp_path, text, message):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        datasets.load(tmp_path)


def test_a_manifest_too_large_to_be_one_is_not_read(tmp_path):
    with (tmp_path / "manifest.json").open("wb") as file:
        file.truncate(1 << 33)  # takes no room on a disk
    with pytest.raises(ValueError, match="8589934592 bytes, allowed: 268435456"):
        datasets.load(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"holds no manifest\.json"):
        datasets.load(tmp_path / "nowhere")


# Shards of strangers


@pytest.mark.parametrize("form", ["parquet", "safetensors"])
def test_a_flipped_byte_a_cut_and_a_missing_shard_are_found_before_the_first_row_is_read(copied, form):
    folder = copied(form)
    path = folder / f"{FIRST}.{form}"
    whole = path.read_bytes()
    for damage in (whole[:300] + bytes([whole[300] ^ 4]) + whole[301:], whole[:-1], None):
        path.unlink() if damage is None else path.write_bytes(damage)
        with pytest.raises(ValueError, match=f"{path}, which is missing or damaged"):
            _ = datasets.load(folder)[0]
        assert datasets.load(folder)[100]["number"] == 100


def test_links_out_of_the_folder_are_not_followed(made, copied):
    folder = copied()
    path = folder / f"{FIRST}.parquet"
    path.unlink()
    os.symlink(made["parquet"] / path.name, path)
    for verify in (True, False):
        with pytest.raises(ValueError, match=f"{path}.*not a plain file: links are not followed"):
            _ = datasets.load(folder, verify=verify)[0]


def test_a_link_is_not_even_read_for_its_checksum(copied, monkeypatch):
    folder = copied()
    path = folder / f"{FIRST}.parquet"
    path.rename(folder.parent / "elsewhere")
    path.symlink_to(folder.parent / "elsewhere")
    monkeypatch.setattr(reading, "sha256", lambda path: pytest.fail(f"{path} was read"))
    with pytest.raises(ValueError, match="links are not followed"):
        _ = datasets.load(folder)[0]


def test_a_manifest_or_shard_that_is_a_pipe_a_device_or_a_link_is_refused_at_once(copied):
    folder = copied()
    manifest, shard = folder / "manifest.json", folder / f"{FIRST}.parquet"
    shard.unlink()
    os.mkfifo(shard)
    for verify in (True, False):
        with pytest.raises(ValueError, match="not a plain file"):
            _ = datasets.load(folder, verify=verify)[0]
    manifest.rename(folder.parent / "manifest.json")
    for make in (
        lambda: os.mkfifo(manifest),
        lambda: manifest.symlink_to(folder.parent / "manifest.json"),
        lambda: manifest.symlink_to("/dev/zero"),
        lambda: manifest.mkdir(),
    ):
        make()
        with pytest.raises(ValueError, match=r"a (link|folder, a pipe or a device), expected a file"):
            datasets.load(folder)
        manifest.rmdir() if manifest.is_dir() and not manifest.is_symlink() else manifest.unlink()


def test_a_file_that_grows_while_it_is_read_is_not_read_without_end(tmp_path, monkeypatch):
    path = tmp_path / "manifest.json"
    path.write_text(" " * 5000)
    real = os.fstat
    monkeypatch.setattr(os, "fstat", lambda handle: os.stat_result([*real(handle)[:6], 10, *real(handle)[7:]]))
    with pytest.raises(ValueError, match="1001 bytes, allowed: 1000"):
        files.read_json(path, 1000)


def table(folder):
    return pq.read_table(folder / f"{FIRST}.parquet")


def without(name):
    return lambda t: t.drop_columns([name])


def instead(name, array):
    return lambda t: t.set_column(t.column_names.index(name), name, array)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (without("goal"), "column goal is None"), (lambda t: t.append_column("more", t["goal"]), "column more is int32"),
        (lambda t: t.slice(0, 99), "99 rows, expected 100"), (instead("start", pa.array([0.5] * 100)), "column start is double"),
        (instead("packed", pa.array([b"\0" * 9] * 100, pa.binary(9))), "column packed is"),
        (instead("packed", pa.array([b"\0" * (1 << 20)] * 100, pa.binary(1 << 20))), "column packed is"),
        (instead("start", pa.array([None] * 100, pa.int32())), "column start has 100 nulls"),
        (instead("start", pa.array([20] * 100, pa.int32())), "start outside 0 to 19"),
        (instead("length", pa.array([-1] * 100, pa.int32())), "length outside 0 to 19"),
        (instead("number", pa.array(range(1, 101), pa.int64())), "numbers that do not rise within 0 to 99"),
        (instead("number", pa.array([5] * 100, pa.int64())), "numbers that do not rise"),
        (instead("packed", pa.array([b"\xff" * 8] * 100, pa.binary(8))), "packed: got"),
    ],
)  # fmt: skip
def test_a_parquet_shard_of_other_rows_is_refused_though_its_checksum_is_right(copied, edit, message):
    folder = copied()
    pq.write_table(edit(table(folder)), folder / f"{FIRST}.parquet")
    believe(folder, f"{FIRST}.parquet")
    with pytest.raises(ValueError, match=f"{FIRST}.parquet, which is no shard of mazes .*{message}"):
        _ = datasets.load(folder)[0]


def test_pages_that_unpack_to_more_than_the_footer_says_are_refused_before_they_are_unpacked(copied):
    """A decoder allocates what a page's header says, up to 2 GB a page."""
    folder = copied()
    path = folder / f"{FIRST}.parquet"
    chunk = pq.ParquetFile(path).metadata.row_group(0).column(1)
    bytes_ = bytearray(path.read_bytes())
    at = chunk.data_page_offset + 3  # a field's head, its value, the head of the bytes unpacked
    assert bytes_[at - 1] == 0x15 and bytes_[at] & 128 and not bytes_[at + 1] & 128
    bytes_[at : at + 2] = b"\xfe\x7f"  # 8,191 in as many bytes
    path.write_bytes(bytes_)
    believe(folder, path.name)
    with pytest.raises(ValueError, match=r"no shard of mazes \(pages of 82[0-9][0-9] bytes unpacked, expected"):
        _ = datasets.load(folder)[0]


def test_a_footer_that_says_more_than_rows_take_is_refused(made, monkeypatch):
    monkeypatch.setattr(
        files, "OVERHEAD", -5000
    )  # less than the rows take twice over, so that a whole file is too much
    with pytest.raises(ValueError, match="bytes unpacked, expected at most"):
        _ = datasets.load(made["parquet"])[299]


@pytest.mark.parametrize("at", range(12))
def test_no_change_of_a_pages_header_does_more_than_refuse(copied, at):
    folder = copied()
    path = folder / f"{FIRST}.parquet"
    whole, offset = path.read_bytes(), pq.ParquetFile(path).metadata.row_group(0).column(2).data_page_offset
    for value in (0x00, 0x0C, 0x1C, 0x7F, 0x18, 0x80, 0xFF):
        path.write_bytes(whole[: offset + at] + bytes([value]) + whole[offset + at + 1 :])
        with suppress(ValueError):
            _ = datasets.load(folder, verify=False)[0]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: {k: v for k, v in t.items() if k != "goal"}, "columns"),
        (lambda t: {**t, "more": t["goal"].clone()}, "columns"),
        (lambda t: {**t, "goal": t["goal"].float()}, "goal is torch.float32"),
        (lambda t: {k: v[:99].contiguous() for k, v in t.items()}, "expected torch"),
        (lambda t: {**t, "packed": t["packed"].reshape(100, -1)}, "packed is torch.uint8"),
    ],
)  # fmt: skip
def test_a_safetensors_shard_of_other_rows_is_refused(copied, edit, message):
    folder = copied("safetensors")
    path = folder / f"{FIRST}.safetensors"
    save_file(edit(dict(datasets.load(folder).tensors(0))), path)
    believe(folder, path.name)
    with pytest.raises(ValueError, match=f"{path}, which is no shard of mazes .*{message}"):
        _ = datasets.load(folder)[0]


def test_a_pickle_in_the_place_of_a_shard_is_not_run(copied, tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "sprung"),))

    folder = copied("safetensors")
    path = folder / f"{FIRST}.safetensors"
    torch.save(Trap(), path)
    believe(folder, path.name)
    with pytest.raises(ValueError, match="no shard of mazes"):
        _ = datasets.load(folder)[0]
    assert not (tmp_path / "sprung").exists()


def test_tours_out_of_range_are_refused(tmp_path):
    tsp.generate_dataset(tsp.TourDatasetConfig(count=20, n=6), tmp_path / "d")
    path = next((tmp_path / "d").glob("*.parquet"))
    whole = pq.read_table(path)
    bad = np.full(20 * 6 * 2, np.nan, np.float32)
    for edit, message in (
        (instead("order", pa.array([bytes([0, 1, 2, 3, 4, 6])] * 20, pa.binary(6))), "order outside 0 to 5"),
        (instead("problems", pa.FixedSizeListArray.from_arrays(pa.array(bad), 12)), "not finite"),
    ):
        pq.write_table(edit(whole), path)
        believe(tmp_path / "d", path.name)
        with pytest.raises(ValueError, match=message):
            _ = datasets.load(tmp_path / "d")[0]
