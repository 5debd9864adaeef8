"""Prediction by supervision: a network of the Agent contract reads fields step by step and says at each step what comes.
What is read and asked is a Source's; this file knows no data and no kind of network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from mesasim.agents import NetworkConfig, build_network
from mesasim.agents.base import Agent, Observation
from mesasim.agents.encoding import FieldShape
from mesasim.train.supervised import home

STEPS_AT_ONCE = 2**18  # steps of all examples that an evaluation hands to the network in one piece


class Examples(NamedTuple):
    """What is shown, and what should be said: N examples of T steps."""

    obs: Observation  # field → [T, N, *field.shape], as a world shows it
    target: Tensor  # [T, N]: labels (integers), or numbers (floats)
    asked: Tensor | None = None  # bool [T, N]: the steps that count; None: all

    def to(self, device: torch.device) -> Examples:
        obs = {name: field.to(device) for name, field in self.obs.items()}
        return Examples(obs, self.target.to(device), None if self.asked is None else self.asked.to(device))

    def some(self, chosen: slice) -> Examples:
        """Some of the examples."""
        obs = {name: field[:, chosen] for name, field in self.obs.items()}
        return Examples(obs, self.target[:, chosen], None if self.asked is None else self.asked[:, chosen])


class Source(Protocol):
    """Where examples come from."""

    fields: Sequence[FieldShape]  # what the network reads
    outputs: int  # labels, or 1 for a number

    def describe(self) -> dict[str, Any]:
        """Everything that decides the examples, as JSON holds it."""

    def draw(self, count: int, generator: torch.Generator) -> Examples:
        """`count` fresh examples, from `generator` and nothing else."""


def outputs_of(agent: Agent, examples: Examples) -> Tensor:
    """What the agent says, [T, N, outputs]; every example is an episode, and no carry goes from one to another."""
    is_first = torch.zeros(examples.target.shape, dtype=torch.bool, device=examples.target.device)
    is_first[0] = True
    return agent.unroll(examples.obs, is_first, agent.initial_carry(is_first.shape[1])).logits


def step_losses(agent: Agent, examples: Examples) -> Tensor:
    """The loss of every step, [T, N]: cross-entropy in nats where targets are labels, squared error of the first output
    where they are numbers; 0 where nothing was asked."""
    said, target = outputs_of(agent, examples), examples.target
    if target.is_floating_point():
        loss = (said[..., 0] - target).square()
    else:
        loss = functional.cross_entropy(said.flatten(0, 1), target.flatten().long(), reduction="none").view_as(target)
    return loss if examples.asked is None else torch.where(examples.asked, loss, 0.0)


def evaluate(agent: Agent, examples: Examples) -> Tensor:
    """`step_losses` with frozen weights, float32 [N, T]: a row an example, in portions that fit in memory."""
    steps, count = examples.target.shape
    at_once = max(1, STEPS_AT_ONCE // steps)
    with torch.no_grad():
        parts = [step_losses(agent, examples.some(slice(i, i + at_once))) for i in range(0, count, at_once)]
    return torch.cat(parts, dim=1).T.contiguous()


class Prediction:
    """The supervised Problem (train/supervised.py) of saying what comes: any network, any source. A batch is that many
    fresh examples, so nothing is seen twice; the loss is the mean over the steps asked."""

    def __init__(self, network: NetworkConfig, source: Source) -> None:
        self.network, self.source = network, source

    def describe(self) -> dict[str, Any]:
        return {"network": asdict(self.network), "source": self.source.describe()}

    def model(self) -> nn.Module:
        return build_network(self.network, self.source.fields, self.source.outputs)

    def loss(self, model: nn.Module, batch: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        examples = self.source.draw(batch, generator).to(home(model))
        assert isinstance(model, Agent)
        losses = step_losses(model, examples)
        asked = losses.numel() if examples.asked is None else examples.asked.sum().clamp(min=1)
        return losses.sum() / asked, {}
