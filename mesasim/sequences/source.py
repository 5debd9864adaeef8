"""Sequences as examples to learn prediction from (train/prediction.py): shown is what Sequence-v0 shows, asked is what comes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mesasim.agents.encoding import FieldShape
from mesasim.arrays import as_tensor
from mesasim.machine import integer
from mesasim.sequences.generation import Array, generate, law_of
from mesasim.train.prediction import Examples


def as_examples(symbols: Array) -> Examples:
    """Sequences [count, length] as examples: at step t the symbol before is shown (-1 at first), symbol t is asked for."""
    target = as_tensor("symbols", symbols, "integers").T.long()
    shown = torch.cat([torch.full_like(target[:1], -1), target[:-1]]).int()
    return Examples({"symbol": shown.unsqueeze(-1)}, target)


class SequenceSource:
    """Fresh sequences of a process. A network that learns from it can be let into Sequence-v0 as it is: it predicts the
    likeliest symbol, and needs no history fields."""

    def __init__(self, process: str, length: int, num_threads: int | None = 1, **options: Any) -> None:
        self.process, self.options, self.num_threads = process, options, num_threads
        self.length = integer("length", length, 1, 2**20)
        self.outputs: int = law_of(process, options).num_symbols
        self.fields: Sequence[FieldShape] = [FieldShape("symbol", (1,), -1, self.outputs - 1, self.outputs)]

    def describe(self) -> dict[str, Any]:
        return {"process": self.process, "length": self.length, "options": self.options}

    def draw(self, count: int, generator: torch.Generator) -> Examples:
        """Sequences of a seed drawn with `generator`: one of 2^63, so that no evaluation meets them again."""
        seed = int(torch.randint(2**63 - 1, (), generator=generator))
        drawn = generate(self.process, count, self.length, seed=seed, num_threads=self.num_threads, **self.options)
        assert isinstance(drawn.symbols, Tensor)
        return as_examples(drawn.symbols)
