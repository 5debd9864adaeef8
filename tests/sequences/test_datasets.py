"""Data sets of sequences hold what `generate` gives, whoever writes them, and are refused where they hold what it cannot."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from mesasim import datasets, sequences
from mesasim.__main__ import main
from mesasim.sequences import GIVE, SequenceDatasetConfig, generate_dataset
from mesasim.shards.files import sha256

WEATHER = {"process": "regimes", "length": 20, "options": {"hazard": 0.1}, "seed": 5}


def contents(folder):
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.mark.parametrize("form", ["parquet", "safetensors"])
def test_what_is_read_is_what_generate_gives(form, tmp_path):
    generate_dataset(SequenceDatasetConfig(count=50, shard_size=20, give=GIVE, format=form, **WEATHER), tmp_path / "d")
    data = datasets.load(tmp_path / "d")
    made = sequences.generate("regimes", 50, 20, seed=5, give=GIVE, hazard=0.1)
    assert len(data) == 50 and data.num_shards == 3
    for name in ("symbols", *GIVE):
        both = [getattr(batch, name) for batch in datasets.stream(tmp_path / "d", batch_size=30)]
        assert torch.equal(torch.cat(both), getattr(made, name)), name
        assert torch.equal(getattr(data.batch([33, 7]), name), getattr(made, name)[[33, 7]]), name
        assert torch.equal(data[41][name], getattr(made, name)[41]), name
    assert torch.equal(data.shard(1).symbols, made.symbols[20:40]) and data[-1]["number"] == 49


def test_what_is_not_asked_for_is_not_there(tmp_path):
    generate_dataset(SequenceDatasetConfig(count=10, length=6), tmp_path / "d")
    data = sequences.load(tmp_path / "d")
    assert set(data[0]) == {"number", "symbols"} and data.batch([1]).filter is None


def test_two_workers_write_the_same_files_as_one_process(tmp_path):
    config = SequenceDatasetConfig(count=90, shard_size=20, give=("hidden",), **WEATHER)
    for folder, workers in (("one", 1), ("two", 2)):
        generate_dataset(config, tmp_path / folder, workers=workers)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_the_command_writes_what_its_flags_say_and_goes_on(tmp_path, capsys):
    flags = ["generate", "sequences", "--out", str(tmp_path / "d"), "--process", "categorical", "-o", "symbols=5", "--length",
             "9", "--give", "oracle", "filter", "--count", "30", "--shards", "3", "--seed", "7", "--quiet"]  # fmt: skip
    main(flags)
    assert "30 sequences in 3 shards" in capsys.readouterr().out
    whole = contents(tmp_path / "d")
    (tmp_path / "d" / "sequences-000000000010-000000000020.parquet").unlink()
    main([*flags, "--resume"])
    assert contents(tmp_path / "d") == whole
    data = datasets.load(tmp_path / "d")
    assert data.config.give == ("filter", "oracle") and data.config.num_symbols == 5
    made = sequences.generate("categorical", 30, 9, seed=7, symbols=5)
    assert torch.equal(data.batch(range(30)).symbols, made.symbols)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"process": "dice"}, "process: got 'dice', allowed: pairs"), ({"length": 0}, "length: got 0"),
        ({"options": {"hazard": 2.0}, "process": "regimes"}, "hazard: got 2"), ({"give": "filter"}, "give: got 'filter'"),
        ({"give": ("future",)}, r"give: got \('future',\), allowed: a list of some of filter, "), ({"count": 0}, "count: got 0"),
        ({"seed": -1}, "seed: got -1"), ({"format": "csv"}, "format: got 'csv'"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused_before_anything_is_made(settings, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        generate_dataset(SequenceDatasetConfig(**settings), tmp_path / "d")
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [("symbols", 2, "symbols outside 0 to 1"), ("filter_log", float("nan"), "filter_log that is not finite")],
)
def test_a_shard_that_holds_what_no_sequence_does_is_refused(column, value, message, tmp_path):
    config = SequenceDatasetConfig(count=20, length=6, give=("filter_log",), format="safetensors")
    generate_dataset(config, tmp_path)
    shard = tmp_path / config.shard_name(0, 20)
    tensors = load_file(shard)
    tensors[column][3, 2] = value
    save_file(tensors, shard)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["shards"][shard.name]["sha256"] = sha256(shard)  # a stranger's own
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=f"which is no shard of sequences .{message}"):
        datasets.load(tmp_path)[0]
