"""Evolution by CMA-ES (Hansen & Ostermeier 2001; the diagonal form of Ros & Hansen 2008), whole, read top to bottom: ask for
a population of genomes, play them all at once, tell how well each did. The strategy itself is the library `cmaes`
(`pip install mesasim[evolution]`); what a genome is and how well it does is a Fitness's."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from mesasim import waits
from mesasim.agents.encoding import field_shapes
from mesasim.agents.genomes import Species
from mesasim.devices import usable_cores
from mesasim.train import loop
from mesasim.train.checkpoint import latest_checkpoint, load_checkpoint
from mesasim.train.clock import elapsed
from mesasim.train.loop import Metrics
from mesasim.vector import MesaVectorEnv


class Fitness(Protocol):
    """What genomes are and how well they do."""

    size: int  # numbers of a genome, at least 2

    def describe(self) -> dict[str, Any]:
        """Everything that decides a fitness, as JSON holds it; a checkpoint is refused under another."""

    def evaluate(self, genomes: Tensor, seed: int) -> Tensor:
        """How well each genome does, [P], more is better; genomes float32 [P, size]. `seed` decides all that is drawn."""


@dataclass
class EvolutionConfig:
    """How to evolve."""

    generations: int = 200
    """Populations, each asked for, played and told."""
    population: int = 64
    """Genomes of a generation."""
    sigma: float = 0.5
    """Standard deviation of the first population around the zero genome."""
    covariance: str = "full"
    """full, or diagonal for genomes of many numbers (at least as many as the population)."""
    seed: int = 1
    """Of populations, tasks and actions."""
    num_threads: int | None = None
    """torch's threads; default: every core this process may use."""
    checkpoint_every: int = 50
    """Generations between checkpoints; the last generation always has one."""

    def __post_init__(self) -> None:
        for name, low in {"generations": 1, "population": 4, "seed": 0, "checkpoint_every": 1}.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < low:
                raise ValueError(f"{name}: got {value!r}, allowed: an integer of at least {low}")
        if not 0 < self.sigma <= 1e6:  # nan is refused too
            raise ValueError(f"sigma: got {self.sigma!r}, allowed: above 0, up to 1000000")
        if self.covariance not in ("full", "diagonal"):
            raise ValueError(f"covariance: got {self.covariance!r}, allowed: 'full', 'diagonal'")


class Played(Fitness):
    """Mean return of a task on a world: every genome plays the first episode of the same `tasks` tasks, with the same luck
    (common random numbers), the whole population in one batch of population x tasks slots."""

    def __init__(
        self,
        world: str,
        options: dict[str, Any],
        species: Callable[..., Species],
        *,
        tasks: int,
        num_threads: int | None = None,
        device: str = "cpu",
    ) -> None:
        """`device`: where they play; what is evolved is on the CPU. `species(fields, actions)` makes the species."""
        if isinstance(tasks, bool) or not isinstance(tasks, int) or tasks < 1:
            raise ValueError(f"tasks: got {tasks!r}, allowed: an integer of at least 1")
        self.world, self.options, self.tasks, self.num_threads = world, options, tasks, num_threads
        one = MesaVectorEnv(world, 1, history=True, num_threads=1, device=device, **options)
        self.species = species(field_shapes(one.fields), len(one.world_spec.actions))
        self.size = self.species.size
        self.env = one

    def describe(self) -> dict[str, Any]:
        return {"world": self.world, "options": self.options, "tasks": self.tasks, **self.species.describe()}

    @torch.no_grad()
    def evaluate(self, genomes: Tensor, seed: int) -> Tensor:
        members, tasks, device = len(genomes), self.tasks, self.env.device
        if self.env.num_envs != members * tasks:
            self.env = MesaVectorEnv(
                self.world, members * tasks, history=True, num_threads=self.num_threads, device=device, **self.options
            )
        genomes = genomes.to(device)
        seeds = np.random.SeedSequence(seed).generate_state(tasks, np.uint64)
        self.env.reset(seed=np.tile(seeds, members))
        generator = torch.Generator(device).manual_seed(seed)
        seen = {n: v.unflatten(0, (members, tasks)) for n, v in self.env.buffers.group["observation"].items()}
        carry = self.species.initial(members, tasks).to(device)
        running = torch.ones(members * tasks, dtype=torch.bool, device=device)
        total, steps = torch.zeros(members * tasks, device=device), 0
        while waits.any_left(running, steps):
            steps += 1
            logits, carry = self.species.act(genomes, seen, self.species.learn(genomes, seen, carry))
            luck = torch.empty(logits.shape[1:], device=device).exponential_(generator=generator).log()
            _, reward, terminated, truncated, _ = self.env.step((logits - luck).argmax(2).flatten())
            total += reward * running
            running &= ~(terminated | truncated)
        return waits.read(total.unflatten(0, (members, tasks)).mean(1))


def new_strategy(config: EvolutionConfig, size: int) -> Any:
    """The library's optimiser around the zero genome."""
    try:
        import cmaes
    except ImportError as error:
        raise ImportError("evolution needs the library cmaes: pip install 'mesasim[evolution]'") from error
    if config.covariance == "diagonal" and size < config.population:
        # There the learning rates of the diagonal form add up to more than one, and variances turn negative.
        raise ValueError(
            f"covariance: got 'diagonal' for {size} numbers and a population of {config.population}, allowed: at least as "
            "many numbers as genomes; take 'full'"
        )
    kind = cmaes.CMA if config.covariance == "full" else cmaes.SepCMA
    return kind(mean=np.zeros(size), sigma=config.sigma, population_size=config.population, seed=0)


class Trainer(loop.Trainer):
    """One run: `iterate()` makes one generation. Its outcome is `genome`, the mean of the populations to come."""

    def __init__(self, config: EvolutionConfig, fitness: Fitness, run: Path | None = None) -> None:
        self.config, self.fitness, self.run = config, fitness, run
        torch.set_num_threads(config.num_threads or usable_cores())
        self.strategy = new_strategy(config, fitness.size)

    @property
    def genome(self) -> Tensor:
        return torch.from_numpy(np.asarray(self.strategy.mean, dtype=np.float32))

    def iterate(self) -> Metrics:
        began = time.perf_counter()
        # Both seeds are the generation's own, so that nothing but the strategy's numbers goes from one to the next.
        asked, played = np.random.SeedSequence([self.config.seed, self.iteration]).generate_state(2)
        self.strategy.reseed_rng(int(asked))
        genomes = [self.strategy.ask() for _ in range(self.config.population)]
        fitness = self.fitness.evaluate(torch.from_numpy(np.stack(genomes).astype(np.float32)), int(played))
        if tuple(fitness.shape) != (len(genomes),) or not fitness.isfinite().all():
            raise ValueError(f"fitness: got {fitness}, allowed: {len(genomes)} finite numbers")
        self.strategy.tell([(genome, -value) for genome, value in zip(genomes, fitness.tolist(), strict=True)])
        self.iteration += 1
        return {
            "iteration": self.iteration,
            "fitness_mean": fitness.mean().item(),
            "fitness_best": fitness.max().item(),
            "spread": float(np.std(np.stack(genomes), axis=0).mean()),
            "seconds": elapsed(began, time.perf_counter()),
        }

    def description(self) -> dict[str, Any]:
        return {**asdict(self.config), "fitness": self.fitness.describe()}

    def tensors(self) -> dict[str, Tensor]:
        state = {
            f"strategy/{name}": torch.from_numpy(np.array(value, dtype=np.float64))
            for name, value in self._numbers().items()
        }
        return {"model/genome": self.genome, **state}

    def restore(self, tensors: Mapping[str, Tensor], path: Path) -> None:
        state = self.strategy.__getstate__()  # what the library says its state is; numbers and arrays of them
        for name, value in self._numbers().items():
            if f"strategy/{name}" not in tensors:
                raise ValueError(f"checkpoint: {path} was made with another version of cmaes: it lacks {name}")
            held = tensors[f"strategy/{name}"].numpy()
            state[name] = held.copy() if isinstance(value, np.ndarray) else type(value)(held)
        self.strategy.__setstate__(state)

    def _numbers(self) -> dict[str, Any]:
        kinds = (int, float, np.ndarray, np.floating, np.integer)
        return {name: value for name, value in self.strategy.__getstate__().items() if isinstance(value, kinds)}


def load_genome(run: Path) -> Tensor:
    """The genome of a run's newest checkpoint, float32 [size]."""
    path = latest_checkpoint(run)
    tensors, _ = load_checkpoint(path)
    if "model/genome" not in tensors:
        raise ValueError(f"checkpoint: {path} holds no genome")
    return tensors["model/genome"]


def evolve(
    config: EvolutionConfig,
    fitness: Fitness,
    run: Path,
    *,
    resume: bool = False,
    report: Callable[[Metrics], None] | None = None,
) -> Tensor:
    """Evolves for config.generations in the folder `run` (see loop.train_in_folder); returns the genome."""
    trainer = Trainer(config, fitness, run)
    loop.train_in_folder(
        trainer, config.generations, checkpoint_every=config.checkpoint_every, resume=resume, report=report
    )
    return trainer.genome
