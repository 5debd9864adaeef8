"""Learning by watching: the supervised problem of naming what a scripted agent does, step by step, in a world. What the
experiments on the one-way-function game share; not an experiment itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mesasim.agents import NetworkConfig, build_network
from mesasim.agents.base import Agent, Observation, ScriptedAgent
from mesasim.agents.encoding import field_shapes
from mesasim.train.supervised import SupervisedConfig, home, train
from mesasim.vector import MesaVectorEnv


@dataclass
class Record:
    """What was seen and done from the first step of every slot's episode on."""

    obs: Observation  # field → [T, N, *shape]
    action: Tensor  # [T, N] int64

    @property
    def is_first(self) -> Tensor:
        """bool [T, N]: True at the first step alone."""
        first = torch.zeros_like(self.action, dtype=torch.bool)
        first[0] = True
        return first

    def to(self, device: torch.device) -> Record:
        return Record({name: field.to(device) for name, field in self.obs.items()}, self.action.to(device))

    def until(self, step: int) -> Record:
        return Record({name: field[:step] for name, field in self.obs.items()}, self.action[:step])


@torch.no_grad()
def watch(agent: Agent, env: MesaVectorEnv, seed: int, steps: int) -> tuple[Record, Tensor]:
    """Lets an agent play `steps` steps of every slot's first episode of `seed`; actions are drawn from its policy with the
    same seed. Returns the record and the carry after it."""
    env.reset(seed=seed)
    seen, generator = env.buffers.group["observation"], torch.Generator().manual_seed(seed)
    carry = agent.initial_carry(env.num_envs)
    rows: dict[str, list[Tensor]] = {name: [] for name in seen}
    actions = []
    for step in range(steps):
        for name, tensor in seen.items():
            rows[name].append(tensor.clone())
        obs = {name: held[-1].unsqueeze(0) for name, held in rows.items()}
        first = torch.full((1, env.num_envs), step == 0)
        logits, _, carry = agent.unroll(obs, first, carry)
        noise = torch.empty_like(logits[0]).exponential_(generator=generator)
        actions.append((logits[0] - noise.log()).argmax(dim=-1))
        env.step(actions[-1])
    return Record({name: torch.stack(held) for name, held in rows.items()}, torch.stack(actions)), carry


def taught(config: SupervisedConfig, problem: Imitation, out: Path, **how: Any) -> Agent:
    """The network at its last weights, frozen; `how` as train/supervised.py has it."""
    agent = train(config, problem, out, **how)
    assert isinstance(agent, Agent)
    return agent.eval().requires_grad_(False)


class Imitation:
    """The problem: the log-odds of the teacher's next action, after each of its steps in one episode of `steps` steps. Every
    batch is episodes never played before."""

    def __init__(
        self,
        network: NetworkConfig,
        world: str,
        options: dict[str, Any],
        teacher: ScriptedAgent,
        called: str,
        steps: int,
    ) -> None:
        self.network, self.world, self.options = network, world, options
        self.teacher, self.called, self.steps = teacher, called, steps
        self.env: MesaVectorEnv | None = None

    def describe(self) -> dict[str, Any]:
        return {
            "network": asdict(self.network), "world": self.world, "options": self.options, "teacher": self.called,
            "steps": self.steps,
        }  # fmt: skip

    def arena(self, slots: int) -> MesaVectorEnv:
        if self.env is None or self.env.num_envs != slots:
            self.env = MesaVectorEnv(
                self.world, slots, history=True, num_threads=1, autoreset_mode="SameStep", **self.options
            )
        return self.env

    def model(self) -> nn.Module:
        env = self.arena(1)
        return build_network(self.network, field_shapes(env.fields), len(env.world_spec.actions))

    def loss(self, model: nn.Module, batch: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        assert isinstance(model, Agent)
        seed = int(torch.randint(2**31, (), generator=generator))
        self.teacher.generator.manual_seed(seed)
        record, _ = watch(self.teacher, self.arena(batch), seed, self.steps)
        record = record.to(home(model))
        logits = model.unroll(record.obs, record.is_first, model.initial_carry(batch)).logits
        return functional.cross_entropy(logits.flatten(0, 1), record.action.flatten()), {}
