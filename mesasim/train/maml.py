"""MAML (Finn et al. 2017, "Model-agnostic meta-learning") for reinforcement learning on bandits, whole, read top to bottom:
weights as the memory. Every task gets a copy of the weights, which takes a few steps of REINFORCE on the task's own pulls;
Adam moves the first weights (and, if asked, the inner learning rates) through those steps, second derivatives and all.

The network sees a constant, so that within an inner step its policy is one distribution, and what REINFORCE needs of the
pulls is each arm's count and sum of rewards. Worlds with states are not for this file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from mesasim import waits
from mesasim.agents.base import Agent, Observation, Output
from mesasim.agents.stateless import trunk
from mesasim.train import loop
from mesasim.train.checkpoint import latest_checkpoint, load_checkpoint, load_weights, made_to_fit
from mesasim.train.loop import Metrics, load_optimizer, optimizer_tensors
from mesasim.vector import MesaVectorEnv

Weights = dict[str, Tensor]  # name → [N, *shape]: a copy a task

NETWORKS = {
    "softmax": "a logit an arm and nothing else, at first 0",
    "mlp": "hidden tanh layers over a constant input of 1",
    "mlp_dead": "hidden ReLU layers over a constant input of 0, biases at first 0, as in tristandeleu/pytorch-maml-rl",
}
RATES = {
    "fixed": "the inner learning rate stays what it is",
    "scalar": "one inner learning rate, learned",
    "parameter": "an inner learning rate for every weight, learned (Meta-SGD, Li et al. 2017)",
}


@dataclass
class MAMLConfig:
    """What to train, and how. Defaults suit five arms."""

    options: dict[str, Any] = field(default_factory=dict)
    """Options of Bandit-v0 but for pulls and clock: the pulls are adapt_pulls + test_pulls, and a clock is never seen."""
    network: str = "softmax"
    """softmax, mlp or mlp_dead; see NETWORKS."""
    hidden: int = 32
    """Units of every hidden layer."""
    layers: int = 2
    """Hidden layers."""
    adapt_pulls: int = 100
    """Pulls to adapt on, in equal parts to the inner steps."""
    inner_steps: int = 1
    """Gradient steps of the inner loop; each is made on pulls of the policy it starts from."""
    inner_rate: float = 0.5
    """Learning rate of the inner loop, at the start; the inner loss is a mean over the step's pulls."""
    rates: str = "scalar"
    """fixed, scalar or parameter; see RATES."""
    baseline: str = "mean"
    """What is subtracted from a reward in the inner loss: mean, of the step's own rewards, or none."""
    sampling_term: bool = True
    """Whether the outer gradient counts that the first weights also decide which pulls are adapted on (E-MAML, Stadie et
    al. 2018; the term that DiCE, Foerster et al. 2018, brings in by its magic box). With it the outer gradient is
    unbiased; without it, it is MAML's of 2017."""
    test_pulls: int = 20
    """Pulls after adapting, whose reward is what is learned for."""
    tasks: int = 1024
    """Tasks adapted to side by side."""
    iterations: int = 300
    """Updates of the outer loop, each on fresh tasks."""
    learning_rate: float = 0.02
    """Adam's, of the first weights."""
    rate_learning_rate: float = 0.05
    """Adam's, of the logarithms of the inner learning rates."""
    seed: int = 1
    """Of weights, tasks and actions."""
    num_threads: int | None = None
    """Threads of the simulator and of torch; default: every core this process may use."""
    device: str = "cpu"
    """cpu or cuda[:i]; simulator and learner are both there."""
    checkpoint_every: int = 100
    """Iterations between checkpoints; the last iteration always has one."""

    def __post_init__(self) -> None:
        low = {
            "hidden": 1,
            "layers": 1,
            "adapt_pulls": 1,
            "inner_steps": 1,
            "test_pulls": 2,
            "tasks": 2,
            "iterations": 1,
        }
        for name, least in {**low, "checkpoint_every": 1}.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"{name}: got {value!r}, allowed: an integer of at least {least}")
        for name, high in {"inner_rate": 1e9, "learning_rate": 1.0, "rate_learning_rate": 1.0}.items():
            if not 0 < getattr(self, name) <= high:  # nan is refused too
                raise ValueError(f"{name}: got {getattr(self, name)!r}, allowed: above 0, up to {high:g}")
        for name, allowed in {"network": NETWORKS, "rates": RATES, "baseline": ("mean", "none")}.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name}: got {getattr(self, name)!r}, allowed: {', '.join(allowed)}")
        if self.adapt_pulls % self.inner_steps:
            raise ValueError(
                f"inner_steps: got {self.inner_steps}, allowed: a divisor of adapt_pulls={self.adapt_pulls}"
            )
        for name in ("pulls", "clock"):
            if name in self.options:
                raise ValueError(f"options: got {name!r}, allowed: Bandit-v0's others; set adapt_pulls and test_pulls")


# The network and its inner loop


class Constant(nn.Module):
    """A network without an input: forward() is log-odds [arms]."""

    def __init__(self, config: MAMLConfig, arms: int) -> None:
        super().__init__()
        if config.network == "softmax":
            self.layers, self.head, self.input = nn.Sequential(), None, 0.0
            self.logits = nn.Parameter(torch.zeros(arms))
            return
        self.layers, self.input = trunk(1, config.hidden, config.layers), 1.0
        self.head = nn.Linear(config.hidden, arms)
        if config.network == "mlp_dead":
            self.input = 0.0
            self.layers = nn.Sequential(*(nn.ReLU() if isinstance(part, nn.Tanh) else part for part in self.layers))
            for part in (*self.layers, self.head):
                if isinstance(part, nn.Linear):
                    nn.init.zeros_(part.bias)

    def forward(self) -> Tensor:
        if self.head is None:
            return self.logits
        return self.head(self.layers(self.head.weight.new_full((1,), self.input)))


class Learner(nn.Module):
    """First weights and inner learning rates: a learning rule. It holds no task's weights."""

    def __init__(self, config: MAMLConfig, arms: int) -> None:
        super().__init__()
        self.arms, self.baseline = arms, config.baseline
        self.adapt_pulls, self.inner_steps = config.adapt_pulls, config.inner_steps
        self.first = Constant(config, arms)
        start = math.log(config.inner_rate)
        rates = {name: torch.full(w.shape if config.rates == "parameter" else (), start) for name, w in self.named()}
        if config.rates == "scalar":
            rates = {"all": torch.tensor(start)}
        self.log_rates = nn.ParameterDict({name.replace(".", "/"): nn.Parameter(rate) for name, rate in rates.items()})
        self.log_rates.requires_grad_(config.rates != "fixed")
        self.one_rate = config.rates == "scalar"

    def named(self) -> list[tuple[str, Tensor]]:
        return list(self.first.named_parameters())

    def rate(self, name: str) -> Tensor:
        return self.log_rates["all" if self.one_rate else name.replace(".", "/")].exp()

    def copies(self, tasks: int) -> Weights:
        """The first weights, for each of `tasks` tasks."""
        return {name: weight.expand(tasks, *weight.shape) for name, weight in self.named()}

    def logits(self, weights: Weights) -> Tensor:
        """Log-odds of every task's policy, [N, arms]."""
        return vmap(lambda own: functional_call(self.first, own, ()))(weights)

    def inner_loss(self, own: Weights, pulls: Tensor, sums: Tensor) -> Tensor:
        """REINFORCE's on one task: minus the mean over pulls of (reward - baseline) log pi(arm), from each arm's count and
        sum of rewards [arms]."""
        total = pulls.sum()
        baseline = sums.sum() / total if self.baseline == "mean" else 0.0
        return -((sums - baseline * pulls) * functional_call(self.first, own, ()).log_softmax(-1)).sum() / total

    def step(self, weights: Weights, pulls: Tensor, sums: Tensor) -> Weights:
        """Every task's weights after one inner step; pulls and sums are [N, arms]."""
        slopes = vmap(grad(self.inner_loss))(weights, pulls, sums)
        return {name: weight - self.rate(name) * slopes[name] for name, weight in weights.items()}


class Adaptation(NamedTuple):
    """What the inner loop did on N tasks in K steps."""

    weights: Weights  # afterwards
    logits: Tensor  # [K + 1, N, arms]: before each step, and afterwards
    pulls: Tensor  # [K, N, arms]: what each step was made on: counts
    sums: Tensor  # [K, N, arms]: and sums of rewards
    log_prob: Tensor  # [N]: of all those pulls, as a function of the first weights and the inner rates


def pull(env: MesaVectorEnv, logits: Tensor, times: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """`times` pulls of every task by softmax(logits) [N, arms] → counts and sums of rewards [N, arms]."""
    if not waits.read(logits.isfinite().all()):
        raise FloatingPointError("logits: some are not finite; lower inner_rate, or the learning rates")
    arms = logits.detach().softmax(-1).multinomial(times, replacement=True, generator=generator)  # [N, times]
    rewards = torch.empty(arms.shape, device=arms.device)
    for t, column in enumerate(arms.T.to(env.actions.dtype).contiguous()):
        env.actions.copy_(column)
        rewards[:, t] = env.step(env.actions)[1]
    zeros = torch.zeros(logits.shape, device=logits.device)
    return zeros.scatter_add(1, arms, torch.ones_like(rewards)), zeros.scatter_add(1, arms, rewards)


def adapt(learner: Learner, env: MesaVectorEnv, generator: torch.Generator) -> Adaptation:
    """Runs the inner loop on the task that each slot of `env` stands at the start of."""
    weights = learner.copies(env.num_envs)
    logits, counts, sums = [learner.logits(weights)], [], []
    log_prob = torch.zeros(env.num_envs, device=env.device)
    for _ in range(learner.inner_steps):
        pulled, reward = pull(env, logits[-1], learner.adapt_pulls // learner.inner_steps, generator)
        log_prob = log_prob + (pulled * logits[-1].log_softmax(-1)).sum(-1)
        weights = learner.step(weights, pulled, reward)
        logits.append(learner.logits(weights))
        counts.append(pulled)
        sums.append(reward)
    return Adaptation(weights, torch.stack(logits), torch.stack(counts), torch.stack(sums), log_prob)


def outer_loss(adapted: Adaptation, pulls: Tensor, sums: Tensor, *, sampling_term: bool) -> Tensor:
    """A loss whose gradient is minus an estimate of that of the expected reward a pull after adapting; pulls and sums
    [N, arms] are of the pulls made afterwards.

    A pull's baseline is the mean of the task's other pulls, and a task's (in the sampling term) that of the other tasks:
    neither depends on what it is subtracted from, so that no bias comes in.
    """
    total, earned = pulls.sum(-1, keepdim=True), sums.sum(-1, keepdim=True)
    # sum over pulls of an arm of r - (earned - r) / (total - 1)
    advantage = sums - (earned * pulls - sums) / (total - 1)
    loss = -(advantage * adapted.logits[-1].log_softmax(-1)).sum(-1).mean() / total[0, 0]
    if sampling_term:
        mean = (earned / total).squeeze(-1)
        others = (mean.sum() - mean) / (len(mean) - 1)
        loss = loss - ((mean - others) * adapted.log_prob).mean()
    return loss


# The outer loop


class Trainer(loop.Trainer):
    """One run: `iterate()` adapts to fresh tasks and makes one outer update."""

    def __init__(self, config: MAMLConfig, run: Path | None = None) -> None:
        self.config, self.run = config, run
        self.env = MesaVectorEnv(
            "Bandit-v0", config.tasks, num_threads=config.num_threads, seed=config.seed, autoreset_mode="SameStep",
            pulls=config.adapt_pulls + config.test_pulls, device=config.device, **config.options,
        )  # fmt: skip
        torch.set_num_threads(self.env.num_threads)
        self.learner = new_learner(config, len(self.env.world_spec.actions)).to(self.env.device)
        groups = [{"params": list(self.learner.first.parameters()), "lr": config.learning_rate}]
        if config.rates != "fixed":
            groups.append({"params": list(self.learner.log_rates.parameters()), "lr": config.rate_learning_rate})
        self.optimizer = torch.optim.Adam(groups)
        self.generator = torch.Generator(self.env.device).manual_seed(config.seed)
        self.env.reset(seed=config.seed)

    def iterate(self) -> Metrics:
        config = self.config
        adapted = adapt(self.learner, self.env, self.generator)
        pulls, sums = pull(self.env, adapted.logits[-1], config.test_pulls, self.generator)  # the last ends the task
        loss = outer_loss(adapted, pulls, sums, sampling_term=config.sampling_term)
        self.optimizer.zero_grad()
        loss.backward()
        grown = [w.grad.isfinite().all() for w in self.learner.parameters() if w.grad is not None]
        if not waits.read(torch.stack(grown).all()):
            raise FloatingPointError(f"iteration {self.iteration}: the outer gradient is not finite; lower inner_rate")
        self.optimizer.step()
        self.iteration += 1
        rates = torch.cat([rate.detach().flatten() for rate in self.learner.log_rates.values()]).exp()
        before, after = adapted.sums[0].sum() / adapted.pulls[0].sum(), sums.sum() / pulls.sum()
        values = waits.read(torch.stack([before, after, rates.log().mean().exp()])).tolist()
        return {
            "iteration": self.iteration,
            "steps": self.iteration * config.tasks * (config.adapt_pulls + config.test_pulls),
            **dict(zip(("reward_before", "reward_after", "inner_rate"), values, strict=True)),
        }

    def description(self) -> dict[str, Any]:
        return asdict(self.config)

    def meta(self) -> dict[str, Any]:
        return {"arms": self.learner.arms}

    def tensors(self) -> dict[str, Tensor]:
        return {
            **{f"model/{name}": tensor for name, tensor in self.learner.state_dict().items()},
            **optimizer_tensors(self.optimizer),
            "trainer/generator": self.generator.get_state(),
            "trainer/env": torch.frombuffer(bytearray(self.env.get_state()), dtype=torch.uint8),
        }

    def restore(self, tensors: Mapping[str, Tensor], path: Path) -> None:
        load_weights(self.learner, tensors, path)
        load_optimizer(self.optimizer, tensors)
        self.env.set_state(tensors["trainer/env"].numpy().tobytes())
        self.generator.set_state(tensors["trainer/generator"])


def new_learner(config: MAMLConfig, arms: int) -> Learner:
    """A learner at its first weights, drawn from config.seed without touching torch's global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return Learner(config, arms)


def load_learner(run: Path) -> tuple[Learner, MAMLConfig]:
    """The learner of a run's newest checkpoint, and the configuration it was trained with."""
    path = latest_checkpoint(run)
    tensors, meta = load_checkpoint(path)
    try:
        config = MAMLConfig(**meta["config"])
        arms = meta["arms"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"checkpoint: {path} has a description this version cannot read ({error})") from error
    return made_to_fit(lambda: new_learner(config, arms), tensors, path), config


def train(
    config: MAMLConfig, run: Path, *, resume: bool = False, report: Callable[[Metrics], None] | None = None
) -> Learner:
    """Trains to config.iterations in the folder `run`: see loop.train_in_folder. The learner comes back on the CPU."""
    trainer = Trainer(config, run)
    loop.train_in_folder(
        trainer, config.iterations, checkpoint_every=config.checkpoint_every, resume=resume, report=report
    )
    return trainer.learner.cpu()


# The learner as an agent


class Adapting(Agent):
    """A learner that plays: its carry is the task's own weights, their log-odds, and the counts and sums of the step under
    way, so that an evaluation sees what it is (a learner whose own weights are frozen), and a carry can be cleared or
    transplanted like any other. Sample its actions: it explores by its policy."""

    on_cpu = True

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        self.learner = learner
        self.names = [(name, weight.shape) for name, weight in learner.named()]
        self.parts = [sum(shape.numel() for _, shape in self.names), *[learner.arms] * 3, 1]

    def initial_carry(self, num_slots: int) -> Tensor:
        with torch.no_grad():
            weights = self.learner.copies(num_slots)
            statistics = torch.zeros(num_slots, 2 * self.learner.arms + 1)
            return torch.cat([self._flat(weights), self.learner.logits(weights), statistics], dim=1)

    def weights(self, carry: Tensor) -> Weights:
        """Every task's own weights."""
        flat = carry[:, : self.parts[0]].split([shape.numel() for _, shape in self.names], dim=1)
        return {name: part.unflatten(1, shape) for (name, shape), part in zip(self.names, flat, strict=True)}

    def unroll(self, obs: Observation, is_first: Tensor, carry: Tensor) -> Output:
        logits = []
        for t in range(is_first.shape[0]):
            carry = torch.where(is_first[t, :, None], self.initial_carry(len(carry)), carry)
            carry = self._learn(obs["previous_action"][t, :, 0].long(), obs["previous_reward"][t, :, 0], carry)
            logits.append(carry.split(self.parts, dim=1)[1])
        stacked = torch.stack(logits)
        return Output(stacked, torch.zeros(stacked.shape[:2]), carry)

    def _learn(self, action: Tensor, reward: Tensor, carry: Tensor) -> Tensor:
        flat, logits, pulls, sums, step = carry.split(self.parts, dim=1)
        pulled = nn.functional.one_hot(action.clamp(min=0), self.learner.arms) * (action >= 0)[:, None]
        pulls, sums, step = pulls + pulled, sums + pulled * reward[:, None], step + (action >= 0)[:, None]
        due = (step > 0) & (step <= self.learner.adapt_pulls)
        due &= step % (self.learner.adapt_pulls // self.learner.inner_steps) == 0
        if due.any():
            rows = due[:, 0]
            weights = self.learner.step({n: w[rows] for n, w in self.weights(carry).items()}, pulls[rows], sums[rows])
            flat, logits = flat.clone(), logits.clone()
            flat[rows], logits[rows] = self._flat(weights), self.learner.logits(weights)
            pulls, sums = pulls * ~due, sums * ~due
        return torch.cat([flat, logits, pulls, sums, step], dim=1)

    def _flat(self, weights: Weights) -> Tensor:
        return torch.cat([weights[name].flatten(1) for name, _ in self.names], dim=1)
