"""A checkpoint is whole or refused; nothing is half-written."""

import json
import subprocess

import pytest
import torch
from safetensors.torch import save_file

from mesasim.agents import NetworkConfig, build_network
from mesasim.agents.encoding import FieldShape
from mesasim.integrity import digest, weights_hash, write_whole
from mesasim.train import checkpoint
from mesasim.train.checkpoint import load_checkpoint, load_weights, save_checkpoint

TENSORS = {"model/a": torch.arange(6.0).reshape(2, 3), "trainer/b": torch.tensor([True, False])}


@pytest.fixture
def path(tmp_path):
    save_checkpoint(tmp_path / "c.safetensors", TENSORS, {"iteration": 3, "config": {}})
    return tmp_path / "c.safetensors"


def test_what_is_saved_is_loaded(path):
    tensors, meta = load_checkpoint(path)
    assert meta == {"iteration": 3, "config": {}}
    assert tensors.keys() == TENSORS.keys() and all(torch.equal(tensors[k], TENSORS[k]) for k in TENSORS)


def test_every_flipped_byte_is_noticed(path):
    good = path.read_bytes()
    for position in range(0, len(good), 3):
        path.write_bytes(good[:position] + bytes([good[position] ^ 0x10]) + good[position + 1 :])
        with pytest.raises(ValueError, match="checkpoint"):
            load_checkpoint(path)


def test_a_checkpoint_of_the_format_before_is_read(tmp_path):
    header = {"format": "mesasim checkpoint 1", "digest": digest(TENSORS), "meta": '{"iteration": 3, "config": {}}'}
    save_file(TENSORS, tmp_path / "c.safetensors", header)
    tensors, meta = load_checkpoint(tmp_path / "c.safetensors")
    assert meta == {"iteration": 3, "config": {}} and digest(tensors) == digest(TENSORS)


@pytest.mark.parametrize("length", [0, 4, 8, 40, -1])
def test_a_truncated_file_is_refused(path, length):
    good = path.read_bytes()
    path.write_bytes(good[:length])
    with pytest.raises(ValueError, match="checkpoint"):
        load_checkpoint(path)


def test_a_file_of_something_else_is_refused(tmp_path):
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="format"):
        load_checkpoint(tmp_path / "other.safetensors")
    (tmp_path / "pickle.safetensors").write_bytes(b"\x80\x04cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(ValueError, match="damaged"):
        load_checkpoint(tmp_path / "pickle.safetensors")
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "none.safetensors")


def test_weights_of_another_world_are_refused_and_nothing_changes(tmp_path):
    agent = build_network(NetworkConfig("mlp", hidden=4), [FieldShape("x", (2,), 0, 1, 0)], 3)
    other = build_network(NetworkConfig("mlp", hidden=4), [FieldShape("x", (2,), 0, 1, 0)], 5)
    before = weights_hash(agent)
    tensors = {f"model/{k}": v for k, v in other.state_dict().items()}
    with pytest.raises(ValueError, match=r"policy\.(weight|bias)"):
        load_weights(agent, tensors, tmp_path / "x")
    assert weights_hash(agent) == before


def test_an_interrupted_write_leaves_the_old_file_and_no_other(tmp_path):
    target = tmp_path / "file.json"
    write_whole(target, lambda p: p.write_text(json.dumps(1)))

    def fail(p):
        p.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(target, fail)
    assert target.read_text() == "1"
    assert list(tmp_path.iterdir()) == [target]


@pytest.fixture
def lookup():
    """git_commit as a new process has it."""
    checkpoint.git_commit.cache_clear()
    yield checkpoint.git_commit
    checkpoint.git_commit.cache_clear()


def test_without_git_there_is_no_commit_and_no_error(lookup, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert lookup() is None


def test_the_commit_is_of_this_source_tree_and_looked_up_once(lookup, monkeypatch, tmp_path):
    package = tmp_path / "venv" / "mesasim" / "train"
    package.mkdir(parents=True)
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", tmp_path]
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    monkeypatch.setattr(checkpoint, "__file__", str(package / "checkpoint.py"))
    assert lookup() is None  # installed within another project's repository
    lookup.cache_clear()
    package = tmp_path / "mesasim" / "train"
    package.mkdir(parents=True)
    monkeypatch.setattr(checkpoint, "__file__", str(package / "checkpoint.py"))
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert lookup() == head
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("looked up again"))
    assert lookup() == head
