"""Checkpoints from strangers: changed bytes, and changed contents under a digest that is right for them."""

from __future__ import annotations

import json

import torch
from safetensors.torch import load_file, save
from torch import nn

from fuzz.targets.reading import Reading, as_file, changed
from mesasim.integrity import digest
from mesasim.train.checkpoint import load_checkpoint, load_weights, save_checkpoint

# Whose digest is of the tensors alone, so that any description stands under a right one.
FORMAT = "mesasim checkpoint 1"
AGENT = nn.Linear(2, 3)
META = {"iteration": 3, "config": {"env": "Bandit-v0", "lr": 1e-3}, "spec": [1, 2.5, None, "x"]}
PATH = as_file(b"", "valid.safetensors")
save_checkpoint(PATH, {f"model/{name}": tensor for name, tensor in AGENT.state_dict().items()}, META)
VALID = PATH.read_bytes()
DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.uint8, torch.int64, torch.bool)


def _signed(reading: Reading) -> bytes:
    """Whatever tensors and description, and the digest that belongs to them."""
    tensors = {name: tensor.clone() for name, tensor in load_file(PATH).items()}
    for _ in range(reading.byte() % 4):
        name = reading.choice((*tensors, "model/", "", "../../x", "model/weight\0", "optimiser/0/exp_avg"))
        shape = [reading.byte() % 5 for _ in range(reading.byte() % 4)]
        tensors[name] = torch.full(shape, reading.byte() / 7).to(reading.choice(DTYPES))
    meta = changed(json.dumps(META).encode(), reading).decode(errors="replace")
    header = {"format": FORMAT, "digest": digest(tensors), "meta": meta}
    return save(tensors, header)


def one_input(data: bytes) -> None:
    reading = Reading(data)
    kind = reading.byte() % 3
    path = as_file((_signed, lambda r: changed(VALID, r), Reading.rest)[kind](reading))
    try:
        tensors, meta = load_checkpoint(path)
    except ValueError:
        return
    json.dumps(meta)
    before = digest(AGENT.state_dict())
    try:
        load_weights(AGENT, tensors, path)
    except ValueError:
        if digest(AGENT.state_dict()) != before:
            raise AssertionError("weights that are refused change nothing") from None
