"""Where a training's metrics go: metrics.csv, TensorBoard events, Weights & Biases, each a sink in the run's folder. One Logger
for all trainers. A sink that breaks is told of once and left out: the training goes on."""

from __future__ import annotations

import csv
import io
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any, Literal, Protocol, get_args

from mesasim.integrity import append, write_whole
from mesasim.output import plain
from mesasim.train.distributed import first_rank

METRICS = "metrics.csv"  # of a run folder
TENSORBOARD, WANDB, WANDB_ID = "tensorboard", "wandb", "wandb_id"
# Metric values of one iteration or of several: number of steps taken so far, mean episode return, and so on.
Metrics = dict[str, float]
SinkName = Literal["csv", "tensorboard", "wandb"]
DEFAULT: tuple[SinkName, ...] = ("csv", "tensorboard")


class Sink(Protocol):
    """Made with the run's folder, the iteration gone on from (0: a fresh run) and the run's settings."""

    def write(self, row: Metrics) -> None:
        """One row; row["iteration"] says when."""

    def flush(self) -> None:
        """A checkpoint is about to be saved: all rows must be where a kill leaves them."""

    def close(self) -> None: ...


class Csv:
    """metrics.csv, which rows are added to at every checkpoint. What a killed run wrote after the checkpoint gone on from, half a
    row perhaps, is cut off when the first rows made again take its place."""

    def __init__(self, run: Path, start: int, settings: Mapping[str, Any]) -> None:
        self.file = run / METRICS
        self.names, self.end = rows_until(self.file, start)
        self.rows: list[Metrics] = []  # not in the file yet

    def write(self, row: Metrics) -> None:
        self.rows.append(row)

    def flush(self) -> None:
        if not self.rows:
            return
        names = list(dict.fromkeys([*self.names, *(name for row in self.rows for name in row)]))
        if names == self.names:
            self.end = append(self.file, self.end, as_csv(names, self.rows))
        else:  # the first rows, or a metric that those before lack
            before = list(csv.DictReader(_text(_whole_rows(self.file, self.end))))
            content = as_csv(names, [dict(zip(names, names, strict=True)), *before, *self.rows])
            write_whole(self.file, lambda path: path.write_bytes(content))
            self.names, self.end = names, len(content)
        self.rows = []

    def close(self) -> None:
        """Rows after the last checkpoint would be cut on resuming."""


class TensorBoard:
    """Events in tensorboard/, one a row (a scalar each, as SummaryWriter writes them, costs eight times as much); what an
    interrupted run wrote after its last checkpoint is purged."""

    def __init__(self, run: Path, start: int, settings: Mapping[str, Any]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog  # slow to import
        from tensorboard.compat.proto.summary_pb2 import Summary
        from torch.utils.tensorboard.writer import FileWriter

        self.summary = Summary
        before = (run / TENSORBOARD).is_dir() and any(
            (run / TENSORBOARD).iterdir()
        )  # also of a run without checkpoint yet
        self.writer = FileWriter(str(run / TENSORBOARD))
        if before:
            self.writer.add_event(Event(session_log=SessionLog(status=SessionLog.START)), start + 1)

    def write(self, row: Metrics) -> None:
        values = [self.summary.Value(tag=name, simple_value=float(value)) for name, value in row.items()]
        self.writer.add_summary(self.summary(value=values), int(row["iteration"]))

    def flush(self) -> None:
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()


class WeightsAndBiases:
    """A run of Weights & Biases in wandb/, the same one after resuming: its id is kept in the run's folder. Charts are over
    `iteration`, so that iterations made again after an interrupt, equal but for their speed, lie on each other. The
    service's own settings are environment variables (WANDB_MODE=offline, WANDB_PROJECT …)."""

    def __init__(self, run: Path, start: int, settings: Mapping[str, Any]) -> None:
        import wandb

        kept = run / WANDB_ID
        if not kept.exists():
            write_whole(kept, lambda path: path.write_text(token_hex(8)))
        quietly = wandb.Settings(silent=True, console="off")
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "mesasim"), name=run.name, dir=str(run),
            id=kept.read_text().strip(), resume="allow", config=plain(dict(settings)), settings=quietly,
        )  # fmt: skip
        self.run.define_metric("*", step_metric="iteration")

    def write(self, row: Metrics) -> None:
        self.run.log(dict(row))

    def flush(self) -> None:
        """Its service writes as rows come."""

    def close(self) -> None:
        self.run.finish()


SINKS: dict[SinkName, type[Csv] | type[TensorBoard] | type[WeightsAndBiases]] = {
    "csv": Csv, "tensorboard": TensorBoard, "wandb": WeightsAndBiases,
}  # fmt: skip
_chosen: list[tuple[SinkName, ...]] = [DEFAULT]


@contextmanager
def chosen(names: Sequence[SinkName]) -> Iterator[None]:
    """Trainings within log there. ValueError for what is no sink, ImportError's message in a RuntimeError for one that is
    not installed: before anything is done."""
    for name in names:
        if name not in SINKS:
            raise ValueError(f"log: got {name!r}, allowed: {', '.join(get_args(SinkName))}")
    if "wandb" in names:
        try:
            import wandb  # noqa: F401
        except ImportError as error:
            raise RuntimeError(
                f"log: got 'wandb', but Weights & Biases is not installed ({error}); pip install 'mesasim[wandb]'"
            ) from error
    _chosen.append(tuple(dict.fromkeys(names)))
    try:
        yield
    finally:
        _chosen.pop()


class Logger:
    """The chosen sinks of one training; none where another rank writes. Sinks of a fresh run that cannot be made are an error;
    after that nothing a sink does ends the training."""

    def __init__(self, run: Path, start: int, settings: Mapping[str, Any]) -> None:
        self.sinks: dict[str, Sink] = {}
        for name in _chosen[-1] if first_rank() else ():
            try:
                self.sinks[name] = SINKS[name](run, start, settings)
            except Exception as error:
                if not start:
                    self.close()
                    raise RuntimeError(f"log: {name} cannot be started ({_short(error)})") from error
                _tell(name, error)

    def write(self, row: Metrics) -> None:
        self._each("write", row)

    def flush(self) -> None:
        """Before every checkpoint, so that no row of an iteration it holds is ever missing."""
        self._each("flush")

    def close(self) -> None:
        self._each("close")
        self.sinks = {}

    def _each(self, verb: str, *arguments: Any) -> None:
        for name, sink in list(self.sinks.items()):
            try:
                getattr(sink, verb)(*arguments)
            except Exception as error:
                del self.sinks[name]
                _tell(name, error)


def _tell(name: str, error: Exception) -> None:
    warnings.warn(
        f"log: {name} failed and is left out from here on ({_short(error)}); the training goes on", RuntimeWarning,
        stacklevel=2,
    )  # fmt: skip


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


# metrics.csv


def as_csv(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows as lines; empty where a row lacks a metric that another has, as of another version."""
    text = io.StringIO(newline="")
    csv.DictWriter(text, names, restval="").writerows(rows)
    return text.getvalue().encode()


def rows_until(log: Path, iteration: int) -> tuple[list[str], int]:
    """Names of the columns of metrics.csv, and where in it the rows up to an iteration end, to go on after."""
    lines = _whole_rows(log).splitlines(keepends=True) if iteration else []
    names, *rows = csv.reader(line.decode() for line in lines) if lines else [[]]
    made_again = (k for k, row in enumerate(rows) if row and _number(row[names.index("iteration")]) > iteration)
    return names, sum(map(len, lines[: 1 + next(made_again, len(rows))]))


def read_rows(log: Path) -> list[dict[str, float]]:
    """Every row of a metrics.csv, as numbers, nan where it is empty; none where there is no file. Half a row, at which a kill
    ended the writing, is none."""
    rows = csv.DictReader(_text(_whole_rows(log)))
    return [{name: _number(text) for name, text in row.items()} for row in rows]


def _whole_rows(log: Path, end: int | None = None) -> bytes:
    """The whole lines of a file, of its first `end` bytes if given; none where there is no file."""
    content = log.read_bytes()[:end] if log.exists() else b""
    return content[: content.rfind(b"\n") + 1]


def _text(content: bytes) -> io.StringIO:
    return io.StringIO(content.decode(), newline="")


def _number(text: str) -> float:
    return int(text) if text.lstrip("-").isdigit() else float(text or "nan")
