"""Recurrent PPO (Schulman et al. 2017, "Proximal policy optimization algorithms"), whole, read top to bottom. Minibatches are
whole sequences of some slots, so that a carry is recomputed from the rollout's start and never stale inside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from mesasim.agents import Agent, NetworkConfig, build_network
from mesasim.agents.base import Observation, Output
from mesasim.agents.encoding import FieldShape, field_shapes
from mesasim.train import loop
from mesasim.train.checkpoint import latest_checkpoint, load_checkpoint, load_weights
from mesasim.train.critic import OracleCritic, OwnCritic
from mesasim.train.loop import Metrics, load_optimizer, optimizer_tensors
from mesasim.train.rollout import REGRET, Collector, Rollout
from mesasim.vector import MesaVectorEnv


@dataclass
class PPOConfig:
    """What to train on what, and how. Defaults suit GRU-64 on a small bandit."""

    world: str = "Bandit-v0"
    """World id."""
    options: dict[str, Any] = field(default_factory=dict)
    """The world's options."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    """The agent."""
    num_envs: int = 2048
    """Slots stepped side by side."""
    rollout_steps: int = 10
    """Steps a slot between updates; a whole episode or more for an agent that must learn to remember."""
    iterations: int = 200
    """Rollouts, each followed by an update."""
    epochs: int = 6
    """Passes over each rollout."""
    minibatches: int = 4
    """Parts, by slot, of each pass."""
    learning_rate: float = 4e-3
    """Adam's, at the start."""
    schedule: str = "linear"
    """Learning rate over the run: linear (to zero) or constant."""
    discount: float = 0.99
    """Discount factor."""
    first_discount: float | None = None
    """The discount factor to begin with, if not the same; the horizon 1 / (1 - discount) then grows evenly in its logarithm
    over the first half of the run. Short horizons are learned first and fast, long ones then have a policy to start from."""
    gae_lambda: float = 0.3
    """Lambda of generalized advantage estimation."""
    critic: str = "agent"
    """What values are estimated from: agent (its own value head, from what it has seen) or oracle (a network of its own on the
    world's oracle fields, used in training alone; the agent never sees them). With the oracle far fewer steps are needed where
    luck of the task outweighs what a step can win."""
    cut_every: int | None = None
    """Cut gradients and advantages every so many steps of a rollout, as rollouts of that length would, while weights are
    updated as rarely as before; default: at its end alone. It must share rollout_steps out evenly."""
    told: str = "reward"
    """What the outer learner is told: reward, or regret (minus the expected value each action loses, which the oracles of Bandit,
    TabularMDP and TwoStep know). At discount 1 both have the same optimum: the regret is the reward without its luck, shaped by
    the optimal value as a potential (Ng, Harada and Russell 1999). Used in training alone; what the agent sees is the same."""
    reward_at: str = "step"
    """When the outer learner is told: step (at each) or episode (in sum, at an episode's end). What the agent sees is the
    same."""
    clip: float = 0.2
    """Range of the probability ratio."""
    entropy: float = 0.02
    """Weight of the policy's entropy, at the start; it follows the schedule."""
    value_weight: float = 0.5
    """Weight of the value loss."""
    max_gradient_norm: float = 0.5
    """Gradients are scaled down to this norm."""
    seed: int = 1
    """Of weights, worlds and actions."""
    device: str = "cpu"
    """cpu or cuda[:i]."""
    num_threads: int | None = None
    """Threads of the simulator and of torch; default: every core this process may use."""
    checkpoint_every: int = 50
    """Iterations between checkpoints; the last iteration always has one."""

    def __post_init__(self) -> None:
        positive = ("num_envs", "rollout_steps", "iterations", "epochs", "minibatches", "checkpoint_every")
        for name in positive:
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)!r}, allowed: an integer of at least 1")
        limits = {
            "learning_rate": (0, 1), "discount": (0, 1), "gae_lambda": (0, 1), "clip": (0, 10), "entropy": (0, 100),
            "value_weight": (0, 100), "max_gradient_norm": (0, 1e9),
        }  # fmt: skip
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name}: got {getattr(self, name)!r}, allowed: {low} to {high}")
        if self.first_discount is not None and not 0 <= self.first_discount < 1:
            raise ValueError(f"first_discount: got {self.first_discount!r}, allowed: 0 to below 1")
        if self.first_discount is not None and self.discount == 1:
            raise ValueError("first_discount: got a number with discount=1, allowed: None, or a discount below 1")
        if self.schedule not in ("linear", "constant"):
            raise ValueError(f"schedule: got {self.schedule!r}, allowed: 'linear', 'constant'")
        if self.critic not in ("agent", "oracle"):
            raise ValueError(f"critic: got {self.critic!r}, allowed: 'agent', 'oracle'")
        if self.told not in ("reward", "regret"):
            raise ValueError(f"told: got {self.told!r}, allowed: 'reward', 'regret'")
        if self.reward_at not in ("step", "episode"):
            raise ValueError(f"reward_at: got {self.reward_at!r}, allowed: 'step', 'episode'")
        if self.cut_every is not None and (
            not isinstance(self.cut_every, int) or self.cut_every < 1 or self.rollout_steps % self.cut_every
        ):
            raise ValueError(
                f"cut_every: got {self.cut_every!r}, allowed: None, or a divisor of rollout_steps={self.rollout_steps}"
            )
        if self.num_envs * (self.cut_every or self.rollout_steps) < 2:
            name = "cut_every" if self.cut_every else "rollout_steps"
            raise ValueError(f"{name}: got 1 with num_envs=1, allowed: two steps or more, to compare")
        if self.minibatches > self.num_envs:
            raise ValueError(f"minibatches: got {self.minibatches}, allowed: at most num_envs={self.num_envs}")


def advantages(reward: Tensor, value: Tensor, done: Tensor, last_value: Tensor, discount: float, lam: float) -> Tensor:
    """Generalized advantage estimation (Schulman et al. 2016, eq. 16), all [T, N] but last_value [N]:
    delta_t = r_t + discount v_{t+1} - v_t, A_t = delta_t + discount lam A_{t+1}, both cut where an episode ended."""
    result = torch.empty_like(reward)
    running, next_value = torch.zeros_like(last_value), last_value
    for t in reversed(range(reward.shape[0])):
        alive = (~done[t]).float()
        delta = reward[t] + discount * next_value * alive - value[t]
        running = delta + discount * lam * alive * running
        result[t], next_value = running, value[t]
    return result


class Trainer(loop.Trainer):
    """One run: `iterate()` makes one rollout and one update. `save` and `resume` continue to the same bits on the same
    machine."""

    def __init__(self, config: PPOConfig, run: Path | None = None) -> None:
        self.config, self.run = config, run
        self.env = MesaVectorEnv(
            config.world, config.num_envs, device=config.device, num_threads=config.num_threads, seed=config.seed,
            history=True, oracle=config.critic == "oracle" or config.told == "regret",
            autoreset_mode="SameStep", **config.options,
        )  # fmt: skip
        if config.told == "regret" and REGRET not in self.env.buffers.group.get("oracle", {}):
            raise ValueError(f"told: got 'regret', which the oracle of {config.world} does not know with these options")
        self.set_threads()
        self.fields = field_shapes(self.env.fields)
        self.agent = new_agent(config, self.fields, len(self.env.world_spec.actions)).to(self.env.device)
        self.critic = new_critic(config, field_shapes(self.env.world_spec.oracle)).to(self.env.device)
        parameters = [*self.agent.parameters(), *self.critic.parameters()]
        self.optimizer = torch.optim.Adam(parameters, lr=config.learning_rate, eps=1e-5)
        self.generator = torch.Generator(self.env.device).manual_seed(config.seed)
        self.env.reset(seed=config.seed)
        self.collector = Collector(
            self.env, self.agent, self.critic, self.generator, at_end=config.reward_at == "episode",
            regret=config.told == "regret",
        )  # fmt: skip

    def set_threads(self) -> None:
        """torch's threads are the process's: whoever made a trainer last has set them."""
        torch.set_num_threads(self.env.num_threads)

    def iterate(self) -> Metrics:
        config = self.config
        started = time.perf_counter()
        scale = 1 - self.iteration / config.iterations if config.schedule == "linear" else 1.0
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * scale
        discount = self.discount()
        self.critic.set_horizon(discount, config.rollout_steps)
        rollout = self.collector.collect(config.rollout_steps, discount)
        rolled = time.perf_counter()
        metrics = self.update(rollout, config.entropy * scale, discount)
        self.iteration += 1
        episodes = rollout.done.sum().item()
        steps = config.num_envs * config.rollout_steps
        finished = time.perf_counter()
        wall = finished - started
        return {
            "iteration": self.iteration,
            "steps": self.iteration * steps,
            "reward_per_step": rollout.earned.mean().item(),
            "episode_return": rollout.earned.sum().item() / episodes if episodes else float("nan"),
            **metrics,
            "steps_per_second": steps / wall,
            "rollout_share": (rolled - started) / wall,
            "simulator_share": self.collector.simulator_seconds / wall,
            "forward_share": (self.collector.agent_seconds + self.forward_seconds) / wall,
            "backward_share": self.backward_seconds / wall,
            "rest_share": 1
            - (
                self.collector.simulator_seconds
                + self.collector.agent_seconds
                + self.forward_seconds
                + self.backward_seconds
            )
            / wall,
        }

    def discount(self) -> float:
        """This iteration's."""
        config = self.config
        if config.first_discount is None:
            return config.discount
        share = min(1.0, 2 * self.iteration / config.iterations)
        return 1 - (1 - config.first_discount) ** (1 - share) * (1 - config.discount) ** share

    def update(self, rollout: Rollout, entropy_weight: float, discount: float) -> Metrics:
        config = self.config
        advantage = self.advantage(rollout, discount)
        target = advantage + rollout.value
        pieces = [advantage[p] for p in self.pieces(len(advantage))]
        advantage = torch.cat([(piece - piece.mean()) / (piece.std() + 1e-8) for piece in pieces])
        totals, updates = torch.zeros(4, device=advantage.device), 0
        self.forward_seconds = self.backward_seconds = 0.0  # the latter with the optimiser's step
        for _ in range(config.epochs):
            order = torch.randperm(config.num_envs, generator=self.generator, device=advantage.device)
            for slots in order.chunk(config.minibatches):
                obs = {name: value[:, slots] for name, value in rollout.obs.items()}
                began = time.perf_counter()
                out = self.unroll(obs, rollout.is_first[:, slots], rollout.first_carry[slots])
                log_probs = out.logits.log_softmax(-1)
                log_prob = log_probs.gather(-1, rollout.action[:, slots, None]).squeeze(-1)
                ratio = (log_prob - rollout.log_prob[:, slots]).exp()
                part = advantage[:, slots]
                clipped = ratio.clamp(1 - config.clip, 1 + config.clip)
                policy_loss = -torch.min(ratio * part, clipped * part).mean()
                value = self.critic(out.value, {name: field[:, slots] for name, field in rollout.oracle.items()})
                value_loss = 0.5 * ((value - target[:, slots]) / self.critic.horizon).square().mean()
                entropy = -(log_probs.exp() * log_probs).sum(-1).mean()
                loss = policy_loss + config.value_weight * value_loss - entropy_weight * entropy
                self.optimizer.zero_grad()
                forward_done = time.perf_counter()
                loss.backward()
                for weights in (list(self.agent.parameters()), list(self.critic.parameters())):
                    if weights:  # a critic may have none
                        torch.nn.utils.clip_grad_norm_(weights, config.max_gradient_norm)
                self.optimizer.step()
                self.forward_seconds += forward_done - began
                self.backward_seconds += time.perf_counter() - forward_done
                with torch.no_grad():
                    outside = ((ratio - 1).abs() > config.clip).float().mean()
                    totals += torch.stack([policy_loss, value_loss, entropy, outside]).detach()
                updates += 1
        names = ("policy_loss", "value_loss", "entropy", "clipped_share")
        return dict(zip(names, (totals / updates).tolist(), strict=True))

    def pieces(self, steps: int) -> list[slice]:
        """The steps of a rollout, cut as `cut_every` has it."""
        length = self.config.cut_every or steps
        return [slice(begin, begin + length) for begin in range(0, steps, length)]

    def advantage(self, rollout: Rollout, discount: float) -> Tensor:
        """[T, N]: each piece's, its last step worth the value of the step after it."""
        ahead = torch.cat([rollout.value[1:], rollout.last_value.unsqueeze(0)])
        return torch.cat([
            advantages(rollout.reward[p], rollout.value[p], rollout.done[p], ahead[p][-1], discount, self.config.gae_lambda)
            for p in self.pieces(len(ahead))
        ])  # fmt: skip

    def unroll(self, obs: Observation, is_first: Tensor, carry: Tensor) -> Output:
        """The agent's, no gradient passing from one piece into the one before."""
        parts = []
        for p in self.pieces(len(is_first)):
            parts.append(self.agent.unroll({name: value[p] for name, value in obs.items()}, is_first[p], carry))
            carry = parts[-1].carry.detach()
        if len(parts) == 1:
            return parts[0]
        return Output(torch.cat([part.logits for part in parts]), torch.cat([part.value for part in parts]), carry)

    # Checkpoints

    def description(self) -> dict[str, Any]:
        return asdict(self.config)

    def meta(self) -> dict[str, Any]:
        return {"fields": self.fields, "num_actions": len(self.env.world_spec.actions)}

    def tensors(self) -> dict[str, Tensor]:
        return {
            **{f"model/{name}": tensor for name, tensor in self.agent.state_dict().items()},
            **{f"critic/{name}": tensor for name, tensor in self.critic.state_dict().items()},
            **optimizer_tensors(self.optimizer),
            "trainer/carry": self.collector.carry,
            "trainer/is_first": self.collector.is_first,
            "trainer/withheld": self.collector.withheld,
            "trainer/generator": self.generator.get_state(),
            "trainer/env": torch.frombuffer(bytearray(self.env.get_state()), dtype=torch.uint8),
        }

    def restore(self, tensors: Mapping[str, Tensor], path: Path) -> None:
        load_weights(self.agent, tensors, path)
        load_weights(self.critic, tensors, path, "critic/")
        load_optimizer(self.optimizer, tensors)
        self.env.set_state(tensors["trainer/env"].numpy().tobytes())
        self.collector.carry = tensors["trainer/carry"].to(self.env.device)
        self.collector.is_first = tensors["trainer/is_first"].to(self.env.device)
        self.collector.withheld = tensors["trainer/withheld"].to(self.env.device)
        self.generator.set_state(tensors["trainer/generator"])


def new_agent(config: PPOConfig, fields: list[FieldShape], num_actions: int) -> Agent:
    """The network at its first weights, drawn from config.seed without touching torch's global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return build_network(config.network, fields, num_actions)


def new_critic(config: PPOConfig, fields: list[FieldShape]) -> OwnCritic | OracleCritic:
    """The critic at its first weights; `fields`: the world's oracle. ValueError where that has none."""
    if config.critic == "agent":
        return OwnCritic()
    if not fields:
        raise ValueError(f"critic: got 'oracle', but {config.world} has no oracle fields with these options")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return OracleCritic(fields)


def load_agent(run: Path) -> tuple[Agent, PPOConfig]:
    """The agent of a run's newest checkpoint, on the CPU, and the configuration it was trained with."""
    path = latest_checkpoint(run)
    tensors, meta = load_checkpoint(path)
    try:
        network = NetworkConfig(**meta["config"].pop("network"))
        config = PPOConfig(**meta["config"], network=network)
        fields = [
            FieldShape(name, tuple(shape), low, high, categories)
            for name, shape, low, high, categories in meta["fields"]
        ]
        agent = new_agent(config, fields, meta["num_actions"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"checkpoint: {path} has a description this version cannot read ({error})") from error
    load_weights(agent, tensors, path)
    return agent, config


def train(
    config: PPOConfig, run: Path, *, resume: bool = False, report: Callable[[Metrics], None] | None = None
) -> Agent:
    """Trains to config.iterations in the folder `run`: see loop.train_in_folder; TensorBoard events besides."""
    trainer = Trainer(config, run)
    board: SummaryWriter | None = None

    def log(row: Metrics) -> None:
        nonlocal board
        board = board or SummaryWriter(str(run / "tensorboard"), purge_step=trainer.iteration)
        for name, value in row.items():
            board.add_scalar(name, value, trainer.iteration)
        if report:
            report(row)

    try:
        loop.train_in_folder(
            trainer, config.iterations, checkpoint_every=config.checkpoint_every, resume=resume, report=log
        )
    finally:
        if board:
            board.close()
    return trainer.agent
