"""What every trainer's loop needs beside its algorithm: a run folder with checkpoints to go on from, an optimiser as
tensors, metrics to the logger, an interrupt that waits until an iteration is whole."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import MISSING, asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from mesasim.integrity import held, remove_leftovers, write_whole
from mesasim.train.checkpoint import (
    git_commit,
    latest_checkpoint,
    load_checkpoint,
    newest_whole_checkpoint,
    save_checkpoint,
)
from mesasim.train.clock import elapsed
from mesasim.train.distributed import ALONE, Ranks, launched
from mesasim.train.logs import METRICS, WANDB_ID, Logger, Metrics

# What a resumed run may have otherwise: how fast it goes, how often it is saved and logged.
FREE_SETTINGS = ("num_threads", "checkpoint_every", "log_every", "rank_timeout")
CONFIG = "config.yaml"  # of a run folder
ABSENT = "(absent)"  # in the place of a value


class Resumable:
    """A trainer with a run folder: checkpoints/<iteration>.safetensors there hold all it needs to go on to the same bits
    on the same machine. A subclass sets `run` and says what is in them: `description`, `tensors` and `restore`."""

    config: Any  # a dataclass
    run: Path | None
    iteration: int = 0
    ranks: Ranks = ALONE  # who trains together

    def description(self) -> dict[str, Any]:
        """Every setting, as JSON holds it; a checkpoint is refused under others (but for FREE_SETTINGS)."""
        raise NotImplementedError

    def completed(self, was: Mapping[str, Any]) -> dict[str, Any]:
        """The description in a checkpoint, with today's default of each setting that was added since."""
        return with_defaults(was, self.description(), self.config)

    def tensors(self) -> dict[str, Tensor]:
        raise NotImplementedError

    def restore(self, tensors: Mapping[str, Tensor], path: Path) -> None:
        """The inverse of `tensors`; `path` is for error messages."""
        raise NotImplementedError

    def meta(self) -> dict[str, Any]:
        """What else a reader of the checkpoint must know."""
        return {}

    def save(self) -> Path:
        """Writes checkpoints/<iteration>.safetensors in the run folder; of several processes, the first does."""
        if self.run is None:
            raise ValueError("run: got None, allowed: the folder to save to")
        tensors, path = self.tensors(), self.run / "checkpoints" / f"{self.iteration:08d}.safetensors"
        if self.ranks.writes:
            meta = {"iteration": self.iteration, "config": self.description(), **self.meta()}
            save_checkpoint(path, tensors, {**meta, "git_commit": git_commit()})
        return path

    def resume(self) -> None:
        """Continues from the newest checkpoint of the run folder, whose settings must be these. ValueError for a damaged one,
        naming the newest that is whole: which of them to go on from is not decided here."""
        if self.run is None:
            raise ValueError("run: got None, allowed: the folder to resume from")
        path = latest_checkpoint(self.run)
        try:
            tensors, meta = load_checkpoint(path)
        except ValueError as error:
            whole = newest_whole_checkpoint(self.run)
            advice = f"remove it to go on from {whole.name}, the newest that is whole" if whole else "no other is whole"
            raise ValueError(f"{error}; {advice}") from error
        try:
            was = self.completed(meta["config"])
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"checkpoint: {path} has a description this version cannot read ({error})") from error
        check_same_settings(f"checkpoint: {path}", was, self.description())
        try:
            self.restore(tensors, path)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            if str(path) in str(error):
                raise
            raise ValueError(f"checkpoint: {path} does not hold what its settings need ({error})") from error
        self.iteration = meta["iteration"]


class Trainer(Resumable):
    """A Resumable that `train_in_folder` drives."""

    def iterate(self) -> Mapping[str, Any]:
        """One update; returns what is worth logging."""
        raise NotImplementedError

    def row(self, window: list[Any]) -> Metrics:
        """One row of metrics.csv from what the last iterations returned; here, the last one's."""
        return dict(window[-1])


def train_in_folder(
    trainer: Trainer,
    iterations: int,
    *,
    checkpoint_every: int,
    log_every: int = 1,
    resume: bool = False,
    report: Callable[[Metrics], None] | None = None,
) -> None:
    """Trains to `iterations`, writing config.yaml, metrics (a row every log_every iterations, with the CPU seconds they took;
    logs.py says where to) and checkpoints to trainer.run. An interrupt (Ctrl-C) ends the iteration under way, saves a
    checkpoint and raises KeyboardInterrupt; so does SIGTERM, which raises Terminated. `report` is called with each row.
    FileExistsError if the folder holds a run and `resume` is not asked for, BlockingIOError if one is under way in it. Of
    several processes the first alone writes and reports."""
    run, ranks = trainer.run, trainer.ranks
    if run is None:
        raise ValueError("run: got None, allowed: the folder to write to")
    if launched()[1] > 1 and ranks.size == 1:
        raise ValueError(f"WORLD_SIZE: got {launched()[1]}, allowed: 1; this training runs in one process")
    with ExitStack() as stack:
        if ranks.agreed(lambda: begin_run(run, resume, stack)):
            trainer.resume()
        if ranks.writes:
            settings = yaml.safe_dump(json.loads(json.dumps(trainer.description())), sort_keys=False)
            write_whole(run / CONFIG, lambda path: path.write_text(settings))
        if trainer.iteration >= iterations:
            return
        logger = Logger(run, trainer.iteration, trainer.description())
        window, spent = [], time.process_time()
        with interrupt_held() as asked, closing(logger):
            while trainer.iteration < iterations:
                window.append(trainer.iterate())
                finished, stopping = trainer.iteration == iterations, ranks.largest(asked())
                saving = bool(finished or stopping or trainer.iteration % checkpoint_every == 0)
                if saving or trainer.iteration % log_every == 0:
                    seconds = sum(ranks.every(elapsed(spent, time.process_time())))
                    row = {**trainer.row(window), "cpu_seconds": seconds}
                    window, spent = [], time.process_time()
                    logger.write(row)
                    if report and ranks.writes:
                        report(row)
                if saving:
                    logger.flush()
                    trainer.save()
                if stopping and not finished:
                    raise Terminated if stopping == signal.SIGTERM else KeyboardInterrupt


def begin_run(run: Path, resume: bool, stack: ExitStack) -> bool:
    """Makes the folder and holds it as long as the stack, or refuses one that is being trained in, or holds a run if none is to
    be resumed; whether there is a checkpoint to go on from. What a killed run left half-written goes."""
    run.mkdir(parents=True, exist_ok=True)
    stack.enter_context(held(run))
    kept = run / "checkpoints"
    found = any(kept.glob("*.safetensors"))
    if found and not resume:
        raise FileExistsError(f"run: {run} already holds a training run; pass resume, or choose another folder")
    remove_leftovers(kept)
    remove_leftovers(run, (CONFIG, METRICS, WANDB_ID))  # an evaluation may be writing others
    return found


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


def with_defaults(was: Mapping[str, Any], now: Mapping[str, Any], config: Any) -> dict[str, Any]:
    """`was`, as a file holds it, with the default of each setting that only `now` has: of the fields of `config` and of the
    dataclasses within it. A dict that is a setting itself (options) is left as it is; so is a setting without default."""
    defaults = {}
    for field in fields(config) if is_dataclass(config) else ():
        if field.default_factory is not MISSING:
            defaults[field.name] = field.default_factory()
        elif field.default is not MISSING:
            defaults[field.name] = field.default
    result = {**json.loads(json.dumps(defaults, default=asdict)), **was}
    for name, inner in vars(config).items():
        if is_dataclass(inner) and isinstance(was.get(name), dict) and isinstance(now.get(name), dict):
            result[name] = with_defaults(was[name], now[name], inner)
    return {name: value for name, value in result.items() if name in was or name in now}


def check_same_settings(what: str, was: dict[str, Any], now: dict[str, Any]) -> None:
    """Raises ValueError where the settings of `what`, kept in a file, are not these, but for FREE_SETTINGS: another value, or a
    name that one of them lacks."""
    now = json.loads(json.dumps(now))
    pairs = {name: (was.get(name, ABSENT), now.get(name, ABSENT)) for name in was.keys() | now.keys()}
    differing = {name: pair for name, pair in pairs.items() if pair[0] != pair[1] and name not in FREE_SETTINGS}
    if differing:
        raise ValueError(f"{what} was made with other settings (then, now): {differing}")


class Terminated(KeyboardInterrupt):
    """By SIGTERM, as clusters end jobs."""


@contextmanager
def interrupt_held() -> Iterator[Callable[[], int]]:
    """Holds the first Ctrl-C, and every SIGTERM, until the caller asks which came (0: none), so that no checkpoint is made of
    half an iteration; a second Ctrl-C interrupts at once. A second SIGTERM does not: a cluster sends it to all processes of a
    job, torchrun hands it on to them, and what does not heed it is killed. Elsewhere than in the main thread, where Python
    hears no signals, nothing is held."""
    seen: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: 0
        return

    def hold(number: int, frame: object) -> None:
        if number == signal.SIGINT and number in seen:
            raise KeyboardInterrupt
        seen.append(number)

    before = {number: signal.signal(number, hold) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: max(seen, default=0)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
