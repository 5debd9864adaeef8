"""What every trainer's loop needs beside its algorithm: an optimiser as tensors, rows of metrics.csv, an interrupt that
waits until an iteration is whole."""

from __future__ import annotations

import csv
import json
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mesasim.integrity import write_whole


def optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's memory as a checkpoint's tensors, optimizer/<parameter>/<name>."""
    return {
        f"optimizer/{index}/{name}": torch.as_tensor(value)
        for index, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }


def load_optimizer(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """The inverse, into an optimiser of the same parameters."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer/"):
            _, index, key = name.split("/")
            state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def check_same_settings(path: Path, was: dict[str, Any], now: dict[str, Any], free: tuple[str, ...]) -> None:
    """Raises ValueError where a checkpoint's settings are not these, but for those named in `free`."""
    now = json.loads(json.dumps(now))
    differing = {k: (was.get(k), now.get(k)) for k in was.keys() | now.keys() if was.get(k) != now.get(k)}
    differing = {name: pair for name, pair in differing.items() if name not in free}
    if differing:
        raise ValueError(f"checkpoint: {path} was made with other settings (then, now): {differing}")


@contextmanager
def interrupt_held() -> Iterator[Callable[[], bool]]:
    """Holds the first Ctrl-C until the caller asks for it, so that no checkpoint is made of half an iteration; a second one
    interrupts at once. Elsewhere than in the main thread, where Python hears no signals, nothing is held."""
    seen: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return

    def hold(number: int, frame: object) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(number)

    before = signal.signal(signal.SIGINT, hold)
    try:
        yield lambda: bool(seen)
    finally:
        signal.signal(signal.SIGINT, before)


METRICS = "metrics.csv"


def write_rows(log: Path, rows: list[Any]) -> None:
    """metrics.csv, a row an iteration."""

    def write(path: Path) -> None:
        with path.open("w", newline="") as file:
            if rows:
                writer = csv.DictWriter(file, rows[-1].keys())
                writer.writeheader()
                writer.writerows(rows)

    write_whole(log, write)


def rows_until(log: Path, iteration: int) -> list[Any]:
    """The rows of metrics.csv up to an iteration, to go on after."""
    return [] if iteration == 0 else [row for row in read_rows(log) if row["iteration"] <= iteration]


def read_rows(log: Path) -> list[dict[str, float]]:
    """Every row of a metrics.csv, as numbers; none where there is no file."""
    if not log.exists():
        return []
    with log.open(newline="") as file:
        return [{name: _number(text) for name, text in row.items()} for row in csv.DictReader(file)]


def _number(text: str) -> float:
    return int(text) if text.lstrip("-").isdigit() else float(text)
