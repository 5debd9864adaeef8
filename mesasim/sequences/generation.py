"""Sequences drawn from a process. Sequence i of a seed depends on (seed, i, process, options) alone, not on how many are made,
in what portions, on how many threads or on which device; it is the one that slot i of Sequence-v0 shows."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mesasim import _core
from mesasim.arrays import as_tensor
from mesasim.buffers import address, check_tensor
from mesasim.devices import check_device
from mesasim.machine import allot, integer, machine, threads

Array = Tensor | np.ndarray
GIVE = ("filter", "oracle", "filter_log", "oracle_log", "hidden")
REGIMES: tuple[str, ...] = tuple(_core.SEQUENCE_REGIMES)
SYMBOLS_A_CALL = 2**25
WORK_A_CALL = 2**28  # filter weights a thread goes through: half a second, so that an interrupt is heard
WEIGHTS_A_SYMBOL = 8  # what drawing a symbol costs, in filter weights
GPU_THREADS = 2**10  # of the CPU, that a GPU is taken for
MOST_SYMBOLS = 16

_WHAT = {
    "pairs": "W0: rain always comes in pairs",
    "markov": "W1: each day depends on the one before",
    "streak": "W2: the longer a streak has lasted, the less likely it ends",
    "regimes": "W3: one of five regimes, drawn anew with `hazard` a day: " + ", ".join(REGIMES),
    "coin": "bias from Beta(alpha, beta), one a sequence",
    "switching_coin": "bias from Beta(alpha, beta), drawn anew with `hazard` a symbol",
    "categorical": "tables over `symbols` symbols from a Dirichlet: one of `tasks` fixed ones, or (0) a fresh one a sequence",
}


def processes() -> dict[str, str]:
    """Every process by name: what it is."""
    return dict(_WHAT)


def options() -> list[_core.Option]:
    """Options of the processes (name, type, default, range, help); each says which it belongs to."""
    return [option for option in _core.sequence_options() if option.name != "process"]


@dataclass(frozen=True)
class Sequences:
    """Sequences, and what was asked for beside them (else None). K is the number of symbols.

    Attributes:
        symbols: uint8 [count, length].
        filter: float32 [count, length, K], chances of each symbol given those before it: the exact Bayes filter, which
            knows the process and its options. The ceiling of any predictor.
        oracle: float32 [count, length, K], chances for who also knows what is hidden (regime and parameters in force,
            bias, table): no predictor can be expected to do as well.
        filter_log, oracle_log: float32 [count, length], logarithm (nats) of the chance each gave to the symbol that came.
        hidden: int32 [count, length], the regime (index in REGIMES) or task in force; 0 where there is neither.
    """

    symbols: Array
    filter: Array | None = None
    oracle: Array | None = None
    filter_log: Array | None = None
    oracle_log: Array | None = None
    hidden: Array | None = None

    def __len__(self) -> int:
        return len(self.symbols)


def generate(
    process: str,
    count: int,
    length: int,
    *,
    seed: int = 0,
    first: int = 0,
    give: Collection[str] = (),
    out: Sequences | None = None,
    output: str = "torch",
    num_threads: int | None = None,
    device: str | torch.device = "cpu",
    **options: Any,
) -> Sequences:
    """`count` sequences of `length` symbols.

    Args:
        process: one of `processes()`.
        seed: 0 to 2^64 - 1.
        first: number of the first sequence in the seed's; sequences first … first + count - 1 are made.
        give: what to give beside the symbols, of GIVE.
        out: arrays of the caller's to be filled, contiguous and of the right dtype, shape and device; what it holds is
            given, beside what `give` names. What `give` names and `out` lacks is allotted.
        output: "torch" or "numpy" (cpu only).
        num_threads: CPU threads; default: every core this process may use.
        device: "cpu" or "cuda[:i]"; a missing device raises.
        options: the process's own, see `options()`.

    Raises:
        TypeError, ValueError: an argument of the wrong kind or out of range, by name.
        RuntimeError: a device that cannot be used here.
    """
    law = law_of(process, options)
    count, length = integer("count", count, 0, 2**40), integer("length", length, 1, 2**20)
    seed, first = integer("seed", seed, 0, 2**64 - 1), integer("first", first, 0, 2**63 - 1 - count)
    if isinstance(give, str) or not set(give) <= set(GIVE):
        raise ValueError(f"give: got {give!r}, allowed: a list of some of {', '.join(GIVE)}")
    if output not in ("torch", "numpy"):
        raise ValueError(f"output: got {output!r}, allowed: 'torch', 'numpy'")
    on = check_device(device)
    if output == "numpy" and on.type != "cpu":
        raise ValueError(f"output: got 'numpy' with device={on}, allowed: 'torch'")
    held = {name: array for name in _DTYPES if (array := getattr(out, name, None)) is not None}
    made = {
        name: _array(
            name, held.get(name), (count, length, law.num_symbols)[: 3 if name in ("filter", "oracle") else 2], on
        )
        for name in _DTYPES
        if name == "symbols" or name in give or name in held
    }
    all_tables = torch.from_numpy(law.tables().view(np.int32)).to(on)
    where = machine(on, num_threads)
    weights = law.num_symbols * law.filter_weights(length) if {"filter", "filter_log"} & made.keys() else 0
    workers = threads(num_threads) if on.type == "cpu" else GPU_THREADS
    at_once = min(SYMBOLS_A_CALL // length, workers * WORK_A_CALL // (length * (WEIGHTS_A_SYMBOL + weights)))
    for begin, end in _portions(count, max(1, at_once)):
        parts = [address(made[name][begin:end]) if name in made else 0 for name in _DTYPES]
        _core.generate_sequences(
            law=law, length=length, seed=seed, first=first + begin, count=end - begin,
            arrays=[address(all_tables) if all_tables.numel() else 0, *parts], machine=where,
        )  # fmt: skip
    if output == "numpy":
        return Sequences(**{name: held.get(name, array.numpy()) for name, array in made.items()})
    return Sequences(**made)


def tables(**options: Any) -> np.ndarray:
    """The chances of every fixed task of process categorical, as its options say: float64 [tasks, rows, symbols]; a row for
    each last symbol if order is 1 (the first symbol of all is any), else one."""
    return law_of("categorical", options).tables() / 2.0**32


def relabel(symbols: Array, names: Any) -> Array:
    """Symbols called otherwise: names[s] for each symbol s ("alien language").

    Args:
        symbols: integers [count, length].
        names: a permutation of 0 … K-1, [K], or one for each sequence, [count, K].
    """
    given = as_tensor("symbols", symbols, "integers")
    codes = as_tensor("names", names, "integers", device=given.device)
    if given.ndim != 2:
        raise ValueError(f"symbols: got shape {tuple(given.shape)}, allowed: [count, length]")
    if codes.ndim not in (1, 2) or (codes.ndim == 2 and len(codes) != len(given)):
        raise ValueError(f"names: got shape {tuple(codes.shape)}, allowed: [K] or [count, K]")
    if not torch.equal(codes.sort(dim=-1).values, torch.arange(codes.shape[-1]).to(codes).expand_as(codes)):
        raise ValueError(f"names: got {names!r}, allowed: permutations of 0 … K-1")
    if given.numel() and not 0 <= int(given.min()) <= int(given.max()) < codes.shape[-1]:
        raise ValueError(
            f"symbols: got up to {int(given.max())}, allowed: 0 to {codes.shape[-1] - 1}, as many as names"
        )
    each = codes.expand(len(given), -1) if codes.ndim == 1 else codes
    renamed = each.gather(1, given.long()).to(given.dtype)
    return renamed.numpy() if isinstance(symbols, np.ndarray) else renamed


_DTYPES = {
    "symbols": torch.uint8, "filter": torch.float32, "oracle": torch.float32, "filter_log": torch.float32,
    "oracle_log": torch.float32, "hidden": torch.int32,
}  # fmt: skip


def law_of(process: str, options: dict[str, Any]) -> _core.SequenceLaw:
    """The native process of that name, its options checked."""
    if not isinstance(process, str) or process not in _WHAT:
        raise ValueError(f"process: got {process!r}, allowed: {', '.join(_WHAT)}")
    return _core.SequenceLaw({"process": process, **options})


def _array(name: str, given: Array | None, shape: tuple[int, ...], device: torch.device) -> Tensor:
    dtype = _DTYPES[name]
    if given is None:
        return allot("count", shape, dtype, device)
    array = as_tensor(f"out.{name}", given, dtype, device=device, written=True)
    check_tensor(f"out.{name}", array, shape, dtype, device)
    return array


def _portions(count: int, step: int) -> Iterator[tuple[int, int]]:
    for begin in range(0, max(count, 1), step):
        yield begin, min(count, begin + step)
