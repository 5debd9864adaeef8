"""Files and states that strangers write: single cases that were found, or that a random search finds late."""

import hashlib

import pytest
import torch

import mesasim
from mesasim.mazes import MazeTokenizer
from mesasim.runs import MAX_CONFIG_BYTES, read_settings
from mesasim.train.checkpoint import load_checkpoint, save_checkpoint


def signed(body):
    return body + hashlib.sha256(body).digest()


@pytest.fixture
def env():
    env = mesasim.make_vec("Bandit-v0", 2)
    env.reset(seed=1)
    return env


def test_a_state_of_slots_that_were_never_reset_is_refused(env):
    before = env.get_state()
    memory = env.buffers.group["core"]["state"]
    held = memory.clone()
    memory.zero_()
    never = env.get_state()
    memory.copy_(held)
    with pytest.raises(ValueError, match="slot 0 holds values its world cannot have"):
        env.set_state(never)
    assert env.get_state() == before


def test_a_byte_that_is_no_bool_is_refused(env):
    env.buffers.group["core"]["terminated"].view(torch.uint8)[1] = 2
    state = env.get_state()
    env.buffers.group["core"]["terminated"].view(torch.uint8)[1] = 0
    with pytest.raises(ValueError, match="core/terminated holds a byte that is no bool"):
        env.set_state(state)


def test_a_state_whose_header_is_nested_without_end_is_refused(env):
    header = b"[" * 100_000
    body = b"MESASIM STATE 1\n" + len(header).to_bytes(8, "little") + header
    with pytest.raises(ValueError, match="header cannot be read"):
        env.set_state(signed(body))


def test_a_state_whose_header_says_it_is_endless_is_refused(env):
    body = b"MESASIM STATE 1\n" + (2**64 - 1).to_bytes(8, "little") + b"{}"
    with pytest.raises(ValueError, match=r"^state: "):
        env.set_state(signed(body))


HOSTILE_SETTINGS = {
    "code": b"!!python/object/apply:os.system ['true']",
    "aliases": b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
    "no mapping": b"[1, 2]",
    "nothing": b"",
    "not text": b"\xff\xfe\x00",
    "numbers for names": b"1: 2\n",
    "nested without end": b"a: " + b"[" * 5000,
    "large": b"a: " + b"x" * MAX_CONFIG_BYTES,
}


@pytest.mark.parametrize("what", HOSTILE_SETTINGS)
def test_settings_that_are_none_are_refused(what, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_bytes(HOSTILE_SETTINGS[what])
    with pytest.raises(ValueError, match=rf"^out: {path} ho?a?"):
        read_settings(path)


def test_settings_that_a_run_wrote_are_read(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("experiment: x\nsizes: [1, 2]\nquick: true\n")
    assert read_settings(path) == {"experiment": "x", "sizes": [1, 2], "quick": True}


@pytest.mark.parametrize("tokens", [bytearray(3), [1, 2], torch.tensor(1), torch.zeros((1, 2, 3), dtype=torch.int32)])
def test_tokens_that_are_no_batch_of_sequences_are_refused(tokens):
    with pytest.raises((ValueError, TypeError), match=r"^tokens: got "):
        MazeTokenizer(3, 3).decode(tokens)


def test_a_checkpoint_cut_short_anywhere_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    save_checkpoint(path, {"model/w": torch.arange(4.0)}, {"iteration": 1})
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match=r"^checkpoint: "):
            load_checkpoint(path)
