"""Supervised learning by AdamW (Loshchilov & Hutter 2019, "Decoupled weight decay regularization"), whole, read top to bottom.
What is learned is a Problem's; this file knows no data."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
import yaml
from torch import Tensor, nn

from mesasim.devices import usable_cores
from mesasim.integrity import write_whole
from mesasim.train.checkpoint import git_commit, latest_checkpoint, load_checkpoint, load_weights, save_checkpoint
from mesasim.train.loop import (
    METRICS,
    check_same_settings,
    interrupt_held,
    load_optimizer,
    optimizer_tensors,
    rows_until,
    write_rows,
)

Metrics = dict[str, float]


class Problem(Protocol):
    """What is to be learned, from what."""

    def describe(self) -> dict[str, Any]:
        """Everything that decides the model and its data, as JSON holds it; a checkpoint is refused under another."""

    def model(self) -> nn.Module:
        """A fresh network, drawn from torch's global generator (which the trainer has seeded)."""

    def loss(self, model: nn.Module, batch: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss on a batch drawn with `generator` and from nothing else, and what else is worth logging."""


@dataclass
class SupervisedConfig:
    """How to train. Defaults suit a small transformer."""

    iterations: int = 3000
    """Batches, each followed by an update."""
    batch: int = 256
    """Examples a batch."""
    learning_rate: float = 3e-3
    """AdamW's, at its highest."""
    warm_up: int = 200
    """Iterations in which the learning rate rises from zero; then it falls to zero along half a cosine."""
    weight_decay: float = 0.01
    """AdamW's, of matrices; not of biases, gains and single vectors."""
    max_gradient_norm: float = 1.0
    """Gradients are scaled down to this norm."""
    seed: int = 1
    """Of weights and batches."""
    num_threads: int | None = None
    """torch's threads; default: every core this process may use."""
    checkpoint_every: int = 500
    """Iterations between checkpoints; the last iteration always has one."""
    log_every: int = 50
    """Iterations a row of metrics.csv speaks for."""

    def __post_init__(self) -> None:
        for name in ("iterations", "batch", "checkpoint_every", "log_every"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)!r}, allowed: an integer of at least 1")
        for name, high in {"learning_rate": 1, "warm_up": 1e9, "weight_decay": 10, "max_gradient_norm": 1e9}.items():
            if not 0 <= getattr(self, name) <= high:
                raise ValueError(f"{name}: got {getattr(self, name)!r}, allowed: 0 to {high}")


def learning_rate(config: SupervisedConfig, iteration: int) -> float:
    """Of the update made after `iteration` others: a linear rise, then half a cosine down to zero."""
    rise = min(1.0, (iteration + 1) / config.warm_up) if config.warm_up else 1.0
    return config.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * iteration / config.iterations))


class Trainer:
    """One run: `iterate()` makes one update. `save` and `resume` continue to the same bits on the same machine."""

    def __init__(self, config: SupervisedConfig, problem: Problem, run: Path | None = None) -> None:
        self.config, self.problem, self.run = config, problem, run
        torch.set_num_threads(config.num_threads or usable_cores())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.model = problem.model()
        matrices = [p for p in self.model.parameters() if p.ndim >= 2]
        vectors = [p for p in self.model.parameters() if p.ndim < 2]
        groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=config.learning_rate)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.iteration = 0

    def iterate(self) -> dict[str, Tensor]:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, self.iteration)
        loss, more = self.problem.loss(self.model, self.config.batch, self.generator)
        self.optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.max_gradient_norm)
        self.optimizer.step()
        self.iteration += 1
        return {"loss": loss.detach(), "gradient_norm": norm.detach(), **more}

    # Checkpoints

    def description(self) -> dict[str, Any]:
        return {**asdict(self.config), "problem": self.problem.describe()}

    def save(self) -> Path:
        """Writes checkpoints/<iteration>.safetensors in the run folder."""
        if self.run is None:
            raise ValueError("run: got None, allowed: the folder to save to")
        tensors = {f"model/{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= optimizer_tensors(self.optimizer)
        tensors["trainer/generator"] = self.generator.get_state()
        meta = {"iteration": self.iteration, "config": self.description(), "git_commit": git_commit()}
        path = self.run / "checkpoints" / f"{self.iteration:08d}.safetensors"
        save_checkpoint(path, tensors, meta)
        return path

    def resume(self) -> None:
        """Continues from the newest checkpoint of the run folder; its settings and problem must be these, except for
        num_threads and checkpoint_every."""
        if self.run is None:
            raise ValueError("run: got None, allowed: the folder to resume from")
        path = latest_checkpoint(self.run)
        tensors, meta = load_checkpoint(path)
        check_same_settings(path, meta["config"], self.description(), free=("num_threads", "checkpoint_every"))
        load_weights(self.model, tensors, path)
        load_optimizer(self.optimizer, tensors)
        self.generator.set_state(tensors["trainer/generator"])
        self.iteration = meta["iteration"]


def train(
    config: SupervisedConfig,
    problem: Problem,
    run: Path,
    *,
    resume: bool = False,
    report: Callable[[Metrics], None] | None = None,
) -> nn.Module:
    """Trains to config.iterations, writing config.yaml, metrics.csv (means over log_every iterations) and checkpoints to
    `run`. An interrupt (Ctrl-C) ends the iteration under way, saves a checkpoint and raises KeyboardInterrupt.
    `report` is called with each row of metrics."""
    held = run / "checkpoints"
    if not resume and held.exists() and any(held.iterdir()):
        raise FileExistsError(f"run: {run} already holds a training run; pass resume, or choose another folder")
    trainer = Trainer(config, problem, run)
    if resume and held.exists() and any(held.glob("*.safetensors")):
        trainer.resume()
    run.mkdir(parents=True, exist_ok=True)
    settings = yaml.safe_dump(trainer.description(), sort_keys=False)
    write_whole(run / "config.yaml", lambda path: path.write_text(settings))
    log = run / METRICS
    rows, window = rows_until(log, trainer.iteration), []
    started, spent = time.perf_counter(), time.process_time()
    with interrupt_held() as asked:
        while trainer.iteration < config.iterations:
            window.append(trainer.iterate())
            finished = trainer.iteration == config.iterations
            stop = finished or asked()
            if stop or trainer.iteration % config.log_every == 0 or trainer.iteration % config.checkpoint_every == 0:
                means = {name: torch.stack([w[name] for w in window]).mean().item() for name in window[0]}
                seconds = time.perf_counter() - started
                rate = len(window) * config.batch / seconds
                cpu = time.process_time() - spent
                rows.append({"iteration": trainer.iteration, **means, "examples_per_second": rate, "cpu_seconds": cpu})
                window, started, spent = [], time.perf_counter(), time.process_time()
                if report:
                    report(rows[-1])
            if stop or trainer.iteration % config.checkpoint_every == 0:
                trainer.save()
                write_rows(log, rows)
            if asked() and not finished:
                raise KeyboardInterrupt
    return trainer.model
