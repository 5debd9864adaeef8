"""Sources of examples (prediction.py) made of another: the same examples, of which a network is shown less."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mesasim.agents.encoding import FieldShape
from mesasim.train.prediction import Examples, Source


class Blind:
    """There is nothing to see: what a network can then say is what is so in general."""

    fields: Sequence[FieldShape] = (FieldShape("nothing", (1,), 0, 1, 0),)

    def __init__(self, source: Source) -> None:
        self.source, self.outputs = source, source.outputs

    def describe(self) -> dict[str, Any]:
        return {"blind": self.source.describe()}

    def draw(self, count: int, generator: torch.Generator) -> Examples:
        return self.shown(self.source.draw(count, generator))

    @staticmethod
    def shown(examples: Examples) -> Examples:
        """Examples with nothing in them to see."""
        return examples._replace(obs={"nothing": torch.zeros(*examples.target.shape, 1)})


class Pieces:
    """Cut into pieces of `steps` steps (a divisor of their length), each an example by itself: just what a truncated network
    sees, and every step of it is asked for."""

    def __init__(self, source: Source, steps: int) -> None:
        self.source, self.steps = source, steps
        self.fields, self.outputs = source.fields, source.outputs

    def describe(self) -> dict[str, Any]:
        return {"pieces": self.steps, "of": self.source.describe()}

    def draw(self, count: int, generator: torch.Generator) -> Examples:
        whole = self.source.draw(count, generator)
        asked = None if whole.asked is None else self.cut(whole.asked)
        return Examples({name: self.cut(field) for name, field in whole.obs.items()}, self.cut(whole.target), asked)

    def cut(self, field: Tensor) -> Tensor:
        """[T, N, …] → [steps, T / steps * N, …]"""
        return field.unflatten(0, (-1, self.steps)).transpose(0, 1).flatten(1, 2)
