"""Supervised learning by AdamW (Loshchilov & Hutter 2019, "Decoupled weight decay regularization"), whole, read top to bottom.
What is learned is a Problem's; this file knows no data."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from mesasim import waits
from mesasim.devices import check_device, usable_cores
from mesasim.train import loop
from mesasim.train.checkpoint import load_weights
from mesasim.train.clock import elapsed, share
from mesasim.train.loop import Metrics, load_optimizer, optimizer_tensors, with_defaults


class Problem(Protocol):
    """What is to be learned, from what."""

    def describe(self) -> dict[str, Any]:
        """Everything that decides the model and its data, as JSON holds it; a checkpoint is refused under another."""

    def model(self) -> nn.Module:
        """A fresh network, drawn from torch's global generator (which the trainer has seeded)."""

    def loss(self, model: nn.Module, batch: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss on a batch drawn with `generator`, which is on the CPU, and from nothing else, and what else is worth
        logging; both where the model is (`home`)."""


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
    device: str = "cpu"
    """cpu or cuda[:i], of the model and its training; batches are drawn on the CPU, the same on every device, and copied."""
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


def home(model: nn.Module) -> torch.device:
    """Where a model is, and its batches must go."""
    return next(model.parameters()).device


def learning_rate(config: SupervisedConfig, iteration: int) -> float:
    """Of the update made after `iteration` others: a linear rise, then half a cosine down to zero."""
    rise = min(1.0, (iteration + 1) / config.warm_up) if config.warm_up else 1.0
    return config.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * iteration / config.iterations))


class Trainer(loop.Trainer):
    """One run: `iterate()` makes one update. `save` and `resume` continue to the same bits on the same machine."""

    def __init__(self, config: SupervisedConfig, problem: Problem, run: Path | None = None) -> None:
        self.config, self.problem, self.run = config, problem, run
        torch.set_num_threads(config.num_threads or usable_cores())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.model = problem.model().to(check_device(config.device))
        matrices = [p for p in self.model.parameters() if p.ndim >= 2]
        vectors = [p for p in self.model.parameters() if p.ndim < 2]
        groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=config.learning_rate)
        self.generator = torch.Generator().manual_seed(config.seed)
        self.row_began = time.perf_counter()

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

    def row(self, window: list[dict[str, Tensor]]) -> Metrics:
        stacked = torch.stack([torch.stack([w[name] for w in window]).mean() for name in window[0]])
        means = dict(zip(window[0], waits.read(stacked).tolist(), strict=True))  # the one time values leave the device
        began, self.row_began = self.row_began, time.perf_counter()
        rate = share(len(window) * self.config.batch, elapsed(began, self.row_began))
        return {"iteration": self.iteration, **means, "examples_per_second": rate}

    # Checkpoints

    def description(self) -> dict[str, Any]:
        return {**asdict(self.config), "problem": self.problem.describe()}

    def completed(self, was: Mapping[str, Any]) -> dict[str, Any]:
        problem = with_defaults(was["problem"], self.problem.describe(), self.problem)  # its network's settings
        return {**super().completed(was), "problem": problem}

    def tensors(self) -> dict[str, Tensor]:
        weights = {f"model/{name}": tensor for name, tensor in self.model.state_dict().items()}
        return {**weights, **optimizer_tensors(self.optimizer), "trainer/generator": self.generator.get_state()}

    def restore(self, tensors: Mapping[str, Tensor], path: Path) -> None:
        load_weights(self.model, tensors, path)
        load_optimizer(self.optimizer, tensors)
        self.generator.set_state(tensors["trainer/generator"])


def train(
    config: SupervisedConfig,
    problem: Problem,
    run: Path,
    *,
    resume: bool = False,
    report: Callable[[Metrics], None] | None = None,
) -> nn.Module:
    """Trains to config.iterations in the folder `run`: see loop.train_in_folder. A row of metrics.csv is the mean over
    log_every iterations. The model comes back on the CPU."""
    trainer = Trainer(config, problem, run)
    loop.train_in_folder(
        trainer, config.iterations, checkpoint_every=config.checkpoint_every, log_every=config.log_every,
        resume=resume, report=report,
    )  # fmt: skip
    return trainer.model.cpu()
