"""What to train with recurrent PPO (ppo.py), and how: every setting, and which of them go together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from mesasim.agents import NetworkConfig


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
    """cpu or cuda[:i]; simulator, agent and learning are all there."""
    cuda_graphs: str = "auto"
    """Whether the rollout's step and the update of a minibatch are recorded as CUDA graphs and replayed: on, off, or auto (on
    where the device is a GPU and minibatches share num_envs out evenly). Numbers differ in rounding from those without."""
    native: bool = True
    """On a CPU, the loss and its gradients, clipping and Adam, and for plain GRUs and LSTMs the whole of a minibatch, by native
    code instead of torch's: two to eight times as fast, other numbers in the last digit."""
    num_threads: int | None = None
    """Threads of the simulator and of torch; default: every core this process may use."""
    checkpoint_every: int = 50
    """Iterations between checkpoints; the last iteration always has one."""
    rank_timeout: float = 600.0
    """Seconds that one process of several (torchrun) waits for another before it takes it for lost."""

    def __post_init__(self) -> None:
        positive = ("num_envs", "rollout_steps", "iterations", "epochs", "minibatches", "checkpoint_every")
        for name in positive:
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise ValueError(f"{name}: got {getattr(self, name)!r}, allowed: an integer of at least 1")
        limits = {
            "learning_rate": (0, 1), "discount": (0, 1), "gae_lambda": (0, 1), "clip": (0, 10), "entropy": (0, 100),
            "value_weight": (0, 100), "max_gradient_norm": (0, 1e9), "rank_timeout": (1, 1e6),
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
        if self.cuda_graphs not in ("auto", "on", "off"):
            raise ValueError(f"cuda_graphs: got {self.cuda_graphs!r}, allowed: 'auto', 'on', 'off'")
        if self.cuda_graphs == "on" and not str(self.device).startswith("cuda"):
            raise ValueError(f"cuda_graphs: got 'on' with device={self.device}, allowed: 'on' with device cuda[:i]")
        if self.cuda_graphs == "on" and self.num_envs % self.minibatches:
            raise ValueError(
                f"minibatches: got {self.minibatches} with cuda_graphs='on', allowed: a divisor of num_envs={self.num_envs}"
            )

    @property
    def natively(self) -> bool:
        """What native comes to."""
        return self.native and str(self.device) == "cpu" and not self.recorded

    @property
    def recorded(self) -> bool:
        """What cuda_graphs comes to."""
        if self.cuda_graphs != "auto":
            return self.cuda_graphs == "on"
        return str(self.device).startswith("cuda") and self.num_envs % self.minibatches == 0
