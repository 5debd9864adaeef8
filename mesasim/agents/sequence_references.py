"""Predictors for Sequence-v0, of known nature: what chance, a reflex, counting, n-grams and the exact filter achieve. They read
the world's `symbol` and say log-chances, so that the same agent has a reward in the world (it predicts the likeliest symbol)
and a loss on sequences (train/prediction.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mesasim.agents.base import Agent, Observation, Output
from mesasim.exact import sequences as exact
from mesasim.sequences import generate

SMALLEST = 1e-12  # chance whose logarithm stands in for that of 0


class Predictor(Agent):
    """Subclasses write `chances`, one step at a time, on a carry they lay out themselves."""

    on_cpu = True

    def __init__(self, num_symbols: int, carry_width: int) -> None:
        super().__init__()
        self.num_symbols, self.carry_width = num_symbols, carry_width

    def initial_carry(self, num_slots: int) -> Tensor:
        return torch.zeros(num_slots, self.carry_width, dtype=torch.float64)

    def chances(self, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        """One step: obs[field] is [N, *shape], carry [N, width] (already cleared where an episode starts). Returns the chance
        of each symbol [N, num_symbols] and the new carry."""
        raise NotImplementedError

    def unroll(self, obs: Observation, is_first: Tensor, carry: Tensor) -> Output:
        logits = []
        for t in range(is_first.shape[0]):
            carry = carry * ~is_first[t, :, None]
            chances, carry = self.chances({name: shown[t] for name, shown in obs.items()}, carry)
            logits.append(chances.clamp(min=SMALLEST).log().float())
        stacked = torch.stack(logits)
        return Output(stacked, torch.zeros(stacked.shape[:2]), carry)


class Random(Predictor):
    """Every symbol as likely; which is likeliest by a hair is drawn anew at every step."""

    def __init__(self, num_symbols: int, seed: int = 0) -> None:
        super().__init__(num_symbols, 0)
        self.generator = torch.Generator().manual_seed(seed)

    def chances(self, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        hair = torch.rand(len(obs["symbol"]), self.num_symbols, generator=self.generator)
        return 1 / self.num_symbols + 1e-4 * (hair - hair.mean(dim=1, keepdim=True)), carry


class LastSymbol(Predictor):
    """The last symbol again, with chance `confidence`; at first any."""

    def __init__(self, num_symbols: int, confidence: float = 0.9) -> None:
        if not 0 < confidence < 1:
            raise ValueError(f"confidence: got {confidence!r}, allowed: between 0 and 1")
        super().__init__(num_symbols, 0)
        self.confidence = confidence

    def chances(self, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        symbol = obs["symbol"][:, :1].long()
        others = (1 - self.confidence) / (self.num_symbols - 1)
        chances = torch.full((len(symbol), self.num_symbols), others, dtype=torch.float64)
        chances.scatter_(1, symbol.clamp(min=0), self.confidence)
        return torch.where(symbol < 0, 1 / self.num_symbols, chances), carry


class Majority(Predictor):
    """Counts every symbol of the episode: (count + 1) / (symbols so far + num_symbols), Laplace's rule, which is the exact
    filter of a coin with the uniform prior. Carry: the counts."""

    def __init__(self, num_symbols: int) -> None:
        super().__init__(num_symbols, num_symbols)

    def chances(self, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        counts = carry + (obs["symbol"][:, :1] == torch.arange(self.num_symbols))
        return (counts + 1) / (counts + 1).sum(dim=1, keepdim=True), counts


class ContextTable(Predictor):
    """Chances looked up by the last symbols, however many a whole context has; while fewer came, by those. Carry: how many
    came, up to a context, and they as a number to base num_symbols, the last the lowest digit.

    Args:
        tables: chances after each context of 0, 1 … symbols, [num_symbols^c, num_symbols] each.
    """

    def __init__(self, tables: list[np.ndarray]) -> None:
        num_symbols = tables[0].shape[1]
        super().__init__(num_symbols, 2)
        for c, table in enumerate(tables):
            if table.shape != (num_symbols**c, num_symbols):
                raise ValueError(f"tables[{c}]: got shape {table.shape}, allowed: {(num_symbols**c, num_symbols)}")
        self.context = len(tables) - 1
        self.register_buffer("table", torch.from_numpy(np.concatenate(tables)), persistent=False)
        starts = np.cumsum([0, *(len(table) for table in tables)])[:-1]
        self.register_buffer("start", torch.from_numpy(starts), persistent=False)

    def chances(self, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        symbol = obs["symbol"][:, 0].long()
        came, number = carry.long().unbind(dim=1)
        any_came = symbol >= 0
        number = torch.where(any_came, number * self.num_symbols + symbol, number) % self.num_symbols**self.context
        came = (came + any_came).clamp(max=self.context)
        table, start = self.get_buffer("table"), self.get_buffer("start")
        return table[start[came] + number], torch.stack([came, number], dim=1).to(carry)


class Told(Predictor):
    """What the world's oracle says: its field `filter` or `regime_oracle`."""

    needs_oracle = True

    def __init__(self, num_symbols: int, told: str) -> None:
        if told not in ("filter", "regime_oracle"):
            raise ValueError(f"told: got {told!r}, allowed: 'filter', 'regime_oracle'")
        super().__init__(num_symbols, 0)
        self.told = told

    def chances(self, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        return obs[f"oracle/{self.told}"].double(), carry


def ngram_agent(ngram: exact.NGram) -> ContextTable:
    """An n-gram that has been counted, as an agent."""
    return ContextTable([ngram.table(c) for c in range(ngram.order + 1)])


def window_agent(process: str, context: int, **options: float) -> ContextTable:
    """The exact best predictor with a window of `context` symbols (mesasim.exact.sequences), as an agent."""
    ones = [exact.window_chances(process, c, **options) for c in range(context + 1)]
    return ContextTable([np.stack([1 - one, one], axis=1) for one in ones])


@dataclass(frozen=True)
class Task:
    """What a reference agent may be made from: the process, never the sequences it is evaluated on."""

    process: str
    options: Mapping[str, Any]
    num_symbols: int
    length: int
    seed: int  # of sequences to count, and of chance


@dataclass(frozen=True)
class Reference:
    nature: str
    make: Callable[[Task], Predictor]
    what: str
    order: int = field(default=0)  # of an n-gram


COUNTED = 1_000_000  # symbols an n-gram has counted, at least


def counted(task: Task, order: int) -> exact.NGram:
    """An n-gram that has counted COUNTED symbols of the process."""
    count = -(-COUNTED // task.length)
    drawn = generate(task.process, count, task.length, seed=task.seed, output="numpy", num_threads=1, **task.options)
    return exact.NGram(order, task.num_symbols).fit(drawn.symbols)


def _ngram(order: int) -> Reference:
    what = f"chances after the last {order} symbols, counted on {COUNTED:,}" if order else "how common each symbol is"
    return Reference("conditional model", lambda task: ngram_agent(counted(task, order)), what, order)


REFERENCES: dict[str, Reference] = {
    "random": Reference("random", lambda task: Random(task.num_symbols, task.seed), "any symbol"),
    "last_symbol": Reference("reflex", lambda task: LastSymbol(task.num_symbols), "the last symbol again"),
    "majority": Reference("learner of one number", lambda task: Majority(task.num_symbols), "the commonest so far"),
    **{f"ngram_{order}": _ngram(order) for order in (0, 1, 2, 4, 8)},
    "bayes_filter": Reference("learner, exact", lambda task: Told(task.num_symbols, "filter"), "the exact filter"),
    "regime_oracle": Reference("oracle", lambda task: Told(task.num_symbols, "regime_oracle"), "knows what is hidden"),
}
