"""What an agent carries, and what the world knows, at every step of episodes played with frozen weights. Recording only:
reading the record is probing.py's and interventions.py's business."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from mesasim.agents.base import Agent, Observation
from mesasim.evaluate import Evaluation, Moment, evaluate_agent

MAX_BYTES = 2**30  # of a record


@dataclass
class Record:
    """Step t of a task: `obs[t]` is seen, `carry[t]` and `logits[t]` follow from it, and `oracle[t]` is what was true before
    `action[t]`. Rows past an episode's end are zeros; `running` says which are not."""

    carry: Tensor  # [tasks, T, width]
    logits: Tensor  # [tasks, T, actions]
    action: Tensor  # [tasks, T] int64
    obs: Observation  # field → [tasks, T, *shape]
    oracle: dict[str, Tensor]  # field → [tasks, T, *shape]
    running: Tensor  # [tasks, T] bool
    evaluation: Evaluation

    def take(self, tasks: Tensor | slice) -> Record:
        """The record of some of its tasks; `evaluation` stays that of all."""

        def of(fields: dict[str, Tensor]) -> dict[str, Tensor]:
            return {name: tensor[tasks] for name, tensor in fields.items()}

        return replace(
            self, carry=self.carry[tasks], logits=self.logits[tasks], action=self.action[tasks], obs=of(self.obs),
            oracle=of(self.oracle), running=self.running[tasks],
        )  # fmt: skip


def record(
    agent: Agent,
    name: str,
    nature: str,
    *,
    world: str,
    options: dict[str, Any],
    tasks: int,
    seed: int,
    num_threads: int | None = None,
    sample_actions: bool = False,
    max_bytes: int = MAX_BYTES,
) -> Record:
    """Plays `tasks` episodes as `evaluate_agent` does and keeps every step.

    Raises ValueError, at the first step that makes it certain, where the record would pass `max_bytes`."""
    chunks: list[list[dict[str, Tensor]]] = []

    def keep(moment: Moment) -> None:
        row = {"carry": moment.carry, "logits": moment.logits, "action": moment.action, "running": moment.running}
        row |= {f"obs/{field}": tensor for field, tensor in moment.obs.items()}
        row |= {f"oracle/{field}": tensor for field, tensor in moment.oracle.items()}
        step_bytes = sum(tensor[0].numel() * tensor.element_size() for tensor in row.values())
        allowed = max_bytes // (step_bytes * (moment.step + 1))
        if tasks > allowed:
            raise ValueError(
                f"tasks: got {tasks}, allowed: at most {allowed} for a record of {max_bytes} bytes (its episodes have more "
                f"than {moment.step} steps of {step_bytes} bytes); or give a larger max_bytes"
            )
        if moment.step == 0:
            chunks.append([])
        chunks[-1].append({key: tensor.detach().cpu().clone() for key, tensor in row.items()})

    evaluation = evaluate_agent(
        agent, name, nature, world=world, options=options, tasks=tasks, seed=seed, num_threads=num_threads,
        sample_actions=sample_actions, watch=keep,
    )  # fmt: skip
    longest = max(map(len, chunks))
    whole = {key: torch.cat([_stacked(chunk, key, longest) for chunk in chunks]) for key in chunks[0][0]}
    running = whole.pop("running")
    for tensor in whole.values():
        tensor[~running] = 0
    groups = {
        group: {key.split("/", 1)[1]: tensor for key, tensor in whole.items() if key.startswith(f"{group}/")}
        for group in ("obs", "oracle")
    }
    return Record(
        whole["carry"], whole["logits"], whole["action"], groups["obs"], groups["oracle"], running, evaluation
    )


def _stacked(chunk: list[dict[str, Tensor]], key: str, longest: int) -> Tensor:
    rows = torch.stack([row[key] for row in chunk], dim=1)
    missing = longest - rows.shape[1]
    return torch.cat([rows, rows.new_zeros(rows.shape[0], missing, *rows.shape[2:])], dim=1) if missing else rows


@torch.no_grad()
def replay(agent: Agent, lived: Record) -> Record:
    """What `agent` carries, and would do, were it shown what another lived through: same observations, same truth, so that
    two agents' memories differ by what they kept and not by what they met."""
    tasks, steps = lived.running.shape
    carry = agent.initial_carry(tasks)
    carries, logits = [], []
    for t in range(steps):
        out = agent.unroll(observed(agent, lived, t), torch.full((1, tasks), t == 0), carry)
        carry = out.carry
        carries.append(carry)
        logits.append(out.logits[0])
    over = ~lived.running[..., None]
    return replace(
        lived,
        carry=torch.stack(carries, dim=1).masked_fill(over, 0),
        logits=torch.stack(logits, dim=1).masked_fill(over, 0),
    )


def observed(agent: Agent, lived: Record, step: int | Tensor) -> Observation:
    """What `agent` is shown at a step (one for all, or int64 [tasks], one a task): field → [1, tasks, *shape]."""
    rows = torch.arange(len(lived.running))
    obs = {name: tensor[rows, step].unsqueeze(0) for name, tensor in lived.obs.items()}
    if agent.needs_oracle:
        obs |= {f"oracle/{name}": tensor[rows, step].unsqueeze(0) for name, tensor in lived.oracle.items()}
    return obs
