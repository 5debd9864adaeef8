"""Three kinds of tasks that can be learned or looked up, each with its finite sets, its planted learner and its planted table:
linear regression, an alien language, bandits. What experiments on task location share; not an experiment itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from mesasim import regression, sequences
from mesasim.agents import Agent, NetworkConfig
from mesasim.agents.bandit_filters import TaskPosterior, task_set
from mesasim.agents.bandit_references import REFERENCES
from mesasim.agents.encoding import FieldShape
from mesasim.baselines import Setting
from mesasim.experiments.bandit_learning import recipe
from mesasim.sequences import SequenceSource, as_examples
from mesasim.train import ppo
from mesasim.train.prediction import Examples, Prediction, outputs_of
from mesasim.train.supervised import SupervisedConfig, train

Rewards = np.ndarray  # float [tasks, T], of one predictor
Report = Callable[[dict[str, float]], None]
LEARNER, LOOKUP, NETWORK = "learner", "lookup", "network"
NUMBERS_AT_ONCE = 2**24  # float64s of a lookup's posterior
TRAINED, UNSEEN = "trained", "unseen"


class Kind(Protocol):
    """A kind of tasks. `number` is how many there are to train on, drawn from a `task_seed` of its own; 0: a fresh one every
    time."""

    name: str
    unit: str  # of an episode's reward
    floor: float  # an episode's expected reward for who sees nothing
    iterations: int

    def train(self, number: int, out: Path, resume: bool, report: Report) -> Agent:
        """A network trained on so many tasks."""

    def rewards(self, number: int, where: str, agent: Agent) -> dict[str, Rewards]:
        """Rewards of NETWORK, LEARNER and (where number > 0) LOOKUP on the same tasks: those that it was TRAINED on, in
        episodes it has not seen, or UNSEEN ones."""


class RegressionSource:
    """Fresh regressions as examples to learn prediction from (train/prediction.py): shown is what LinearRegression-v0 shows."""

    outputs = 1

    def __init__(
        self, dim: int, points: int, noise_std: float, num_tasks: int, task_seed: int, num_threads: int | None = 1
    ) -> None:
        self.options: dict[str, Any] = {
            "dim": dim, "points": points, "noise_std": noise_std, "num_tasks": num_tasks, "task_seed": task_seed
        }  # fmt: skip
        self.num_threads = num_threads
        unbounded = (-float("inf"), float("inf"), 0)
        self.fields: Sequence[FieldShape] = [
            FieldShape("x", (dim,), *unbounded), FieldShape("previous_y", (1,), *unbounded)
        ]  # fmt: skip

    def describe(self) -> dict[str, Any]:
        return {"process": "linear regression", **self.options}

    def draw(self, count: int, generator: torch.Generator) -> Examples:
        """Sequences of a seed drawn with `generator`: one of 2^63, so that no evaluation meets them again."""
        seed = int(torch.randint(2**63 - 1, (), generator=generator))
        return shown(regression.generate(count, seed=seed, num_threads=self.num_threads, **self.options))


def shown(data: regression.Regressions) -> Examples:
    """Regressions as examples: at step k x_k and the y before it are shown, y_k is asked for."""
    y = data.y.T.contiguous()
    return Examples(
        {
            "x": data.x.transpose(0, 1).contiguous(),
            "previous_y": torch.cat([torch.zeros_like(y[:1]), y[:-1]])[..., None],
        },
        y,
    )


class Regression:
    """Reward: minus the squared error, divided by dim and averaged over the points. Learner: ridge. Table: discrete MMSE."""

    name, unit = "regression", "-L/D"

    def __init__(
        self, dim: int, points: int, noise_std: float, tasks: int, seed: int, task_seed: int, network: NetworkConfig,
        training: SupervisedConfig,
    ) -> None:  # fmt: skip
        self.dim, self.points, self.noise_std, self.tasks = dim, points, noise_std, tasks
        self.seed, self.task_seed = seed, task_seed
        self.network, self.training, self.iterations = network, training, training.iterations
        self.floor = -(dim + noise_std**2) / dim

    def source(self, number: int) -> RegressionSource:
        return RegressionSource(
            self.dim, self.points, self.noise_std, number, self.task_seed, self.training.num_threads
        )

    def train(self, number: int, out: Path, resume: bool, report: Report) -> Agent:
        return _agent(
            train(self.training, Prediction(self.network, self.source(number)), out, resume=resume, report=report)
        )

    def rewards(self, number: int, where: str, agent: Agent) -> dict[str, Rewards]:
        options = self.source(number if where == TRAINED else 0).options
        data = regression.generate(self.tasks, seed=self.seed, num_threads=self.training.num_threads, **options)
        with torch.no_grad():
            said = outputs_of(agent, shown(data))[..., 0].T
        predictions = {NETWORK: said, LEARNER: regression.ridge(data.x, data.y, self.noise_std)}
        if number:
            tasks = regression.task_set(number, self.dim, self.task_seed)
            predictions[LOOKUP] = regression.discrete_mmse(data.x, data.y, tasks, self.noise_std)
        scale = self.dim * self.points
        return {name: (-(p.double() - data.y).square() / scale).numpy() for name, p in predictions.items()}


class Alien:
    """Markov chains over a few symbols, out of known tables; unseen: the same chains with the symbols' names exchanged, a
    permutation a sequence. Reward: log-chance of the symbol that came, nats. Learner: counts with the Dirichlet prior the
    tables came from. Table: the posterior over the known tables under their old names."""

    name, unit = "alien language", "nats"

    def __init__(
        self, symbols: int, length: int, tasks: int, seed: int, task_seed: int, network: NetworkConfig,
        training: SupervisedConfig,
    ) -> None:  # fmt: skip
        self.symbols, self.length, self.tasks, self.seed, self.task_seed = symbols, length, tasks, seed, task_seed
        self.network, self.training, self.iterations = network, training, training.iterations
        self.floor = -length * float(np.log(symbols))

    def options(self, number: int) -> dict[str, Any]:
        return {"symbols": self.symbols, "order": 1, "tasks": number, "task_seed": self.task_seed}

    def train(self, number: int, out: Path, resume: bool, report: Report) -> Agent:
        source = SequenceSource("categorical", self.length, self.training.num_threads, **self.options(number))
        return _agent(train(self.training, Prediction(self.network, source), out, resume=resume, report=report))

    def rewards(self, number: int, where: str, agent: Agent) -> dict[str, Rewards]:
        drawn = sequences.generate(
            "categorical", self.tasks, self.length, seed=self.seed, num_threads=self.training.num_threads,
            **self.options(number),
        ).symbols  # fmt: skip
        symbols = torch.as_tensor(drawn).long()
        if where == UNSEEN:
            symbols = torch.as_tensor(sequences.relabel(symbols, self.names()))
        examples = as_examples(symbols)
        with torch.no_grad():
            said = outputs_of(agent, examples).log_softmax(-1).gather(-1, examples.target[..., None])[..., 0].T
        found = {NETWORK: said, LEARNER: count_symbols(symbols, self.symbols)}
        if number:
            tables = torch.from_numpy(sequences.tables(**self.options(number)))
            found[LOOKUP] = look_up_symbols(symbols, tables)
        return {name: chance.double().numpy() for name, chance in found.items()}

    def names(self) -> Tensor:
        """New names, another permutation for each sequence, but never the old ones. int64 [tasks, symbols]."""
        generator = torch.Generator().manual_seed(self.seed)
        old = torch.arange(self.symbols)
        names = torch.rand(self.tasks, self.symbols, generator=generator).argsort(1)
        return torch.where((names == old).all(1, keepdim=True), names.roll(1, 1), names)


def count_symbols(symbols: Tensor, number: int, concentration: float = 1.0) -> Tensor:
    """Log-chances of each symbol of a Markov chain whose rows are draws from the symmetric Dirichlet: the best there is for
    tables never seen. symbols int64 [N, T] → float64 [N, T]; the first symbol is any."""
    one_hot = torch.nn.functional.one_hot(symbols, number).double()
    pairs = torch.zeros(*symbols.shape, number, number, dtype=torch.float64)  # counted before each step
    pairs[:, 2:] = (one_hot[:, :-2, :, None] * one_hot[:, 1:-1, None, :]).cumsum(1)
    row = pairs[:, 1:].gather(2, symbols[:, :-1, None, None].expand(-1, -1, 1, number)).squeeze(2) + concentration
    chance = row.gather(2, symbols[:, 1:, None]).squeeze(2) / row.sum(2)
    first = torch.full_like(chance[:, :1], 1 / number)
    return torch.cat([first, chance], dim=1).log()


def look_up_symbols(symbols: Tensor, tables: Tensor) -> Tensor:
    """Log-chances of each symbol if the chain is one of `tables` [M, symbols, symbols], each as likely at first."""
    log = tables.double().clamp(min=1e-300).log().permute(1, 2, 0)  # [from, to, M]
    parts = []
    for some in symbols.split(max(1, NUMBERS_AT_ONCE // (symbols.shape[1] * len(tables)))):
        each = log[some[:, :-1], some[:, 1:]]  # [block, T - 1, M]
        before = torch.cat([torch.zeros_like(each[:, :1]), each[:, :-1].cumsum(1)], dim=1)
        parts.append((before.log_softmax(-1) + each).logsumexp(-1))
    chance = torch.cat(parts)
    return torch.cat([torch.full_like(chance[:, :1], -float(np.log(tables.shape[1]))), chance], dim=1)


class Bandits:
    """Bernoulli bandits; a GRU trained by PPO. Reward: the bandit's. Learner: Bayes-optimal for fresh arms. Table: the arm
    of the highest posterior mean over the known tasks."""

    name, unit = "bandits", "reward"

    def __init__(
        self, arms: int, pulls: int, tasks: int, seed: int, task_seed: int, settings: Mapping[str, Any],
        num_threads: int | None, device: str = "cpu",
    ) -> None:  # fmt: skip
        self.arms, self.pulls, self.tasks, self.num_threads, self.device = arms, pulls, tasks, num_threads, device
        self.seed, self.task_seed = seed, task_seed
        self.settings, self.floor = dict(settings), pulls / 2
        self.iterations = recipe(self.options(0), **self.settings).iterations

    def options(self, number: int) -> dict[str, Any]:
        return {"arms": self.arms, "pulls": self.pulls, "num_tasks": number, "task_seed": self.task_seed}

    def train(self, number: int, out: Path, resume: bool, report: Report) -> Agent:
        config = recipe(self.options(number), num_threads=self.num_threads, device=self.device, **self.settings)
        return ppo.train(config, out, resume=resume, report=report)

    def rewards(self, number: int, where: str, agent: Agent) -> dict[str, Rewards]:
        setting = Setting(
            "Bandit-v0",
            self.options(number if where == TRAINED else 0),
            self.tasks,
            self.seed,
            self.num_threads,
            device=self.device,
        )
        agents = {NETWORK: agent, LEARNER: REFERENCES["bayes_optimal"].make(self.arms, self.pulls, self.seed)}
        if number:
            agents[LOOKUP] = TaskPosterior(task_set(self.options(number)), self.seed)
        return {name: setting.evaluate(one, name, name).rewards.astype(np.float64) for name, one in agents.items()}


def _agent(model: Any) -> Agent:
    assert isinstance(model, Agent)
    return model
