"""All that is asked of one agent's memory on one bandit: on which episodes, for which statistics, with which edits. What the
answers mean is simulation.py's business, what the questions are is mesasim.analysis'."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from mesasim.agents import Agent
from mesasim.agents.bandit_references import Random
from mesasim.agents.encoding import Encoder, field_shapes
from mesasim.analysis import statistics
from mesasim.analysis.carries import Record, record, replay
from mesasim.analysis.interventions import (
    Edit,
    OutputMatch,
    Transplant,
    causal_edit,
    edit,
    outputs_after_mapping,
    play_with_memory,
    transplant,
)
from mesasim.analysis.probing import Fit, principal, probe, shuffled
from mesasim.evaluate import Evaluation, Moment
from mesasim.vector import MesaVectorEnv

EDITED_BY = 3  # pulls


@dataclass
class Measured:
    """What was found of one agent."""

    name: str
    nature: str
    own: Evaluation
    probes: dict[tuple[str, str], Fit]  # (experience, statistic) → from the whole carry
    reverse: Fit  # counts → the carry's principal directions, as many as there are counts
    lift: Edit
    drop: Edit
    outputs: OutputMatch
    rewritten: Evaluation  # played from the image of its own task's counts
    mistaken: Evaluation  # … of another task's counts
    moved: Transplant


@dataclass
class Laboratory:
    """The episodes and targets every agent is measured with."""

    arms: int
    pulls: int
    tasks: int
    seed: int
    num_threads: int | None = None
    floors: dict[tuple[str, str, str], Fit] = field(
        default_factory=dict
    )  # (experience, statistic, "inputs"/"shuffled")

    def __post_init__(self) -> None:
        options: dict[str, Any] = {"arms": self.arms, "pulls": self.pulls}
        self.playing: dict[str, Any] = {
            "world": "Bandit-v0", "options": options, "tasks": self.tasks, "seed": 1000 + self.seed,
            "num_threads": self.num_threads,
            "sample_actions": True,  # the policy as it was trained; a half-trained one would else do the same everywhere
        }  # fmt: skip
        self.statistics = statistics.bandit()
        self.random = record(Random(self.arms, self.pulls, self.seed), "random", "random", **self.playing)
        self.lived: dict[str, Record] = {"random agent's": self.random}
        self.step = self.pulls // 2
        env = MesaVectorEnv("Bandit-v0", 1, history=True, num_threads=1, **options)
        self.encoder = Encoder(field_shapes(env.fields))

    def counts(self, oracle: dict[str, Tensor]) -> Tensor:
        """[tasks, T, 2 arms]: the Bayes-optimal agent's state."""
        return torch.cat([self.statistics["pulls"](oracle), self.statistics["successes"](oracle)], dim=-1)

    def measure(self, agent: Agent, name: str, nature: str) -> Measured:
        own = record(agent, name, nature, **self.playing)
        if not self.floors:  # the first agent's episodes are the others', too
            self.lived["trained agent's"] = own
            for experience, lived in self.lived.items():
                inputs = self.encoder({key: value.transpose(0, 1) for key, value in lived.obs.items()}).transpose(0, 1)
                for key, statistic in self.statistics.items():
                    target = statistic(lived.oracle)
                    self.floors[experience, key, "inputs"] = probe(inputs, target, lived.running)
                    self.floors[experience, key, "shuffled"] = probe(lived.carry, shuffled(target), lived.running)
        probes = {}
        for experience, lived in self.lived.items():
            carry = replay(agent, lived).carry
            for key, statistic in self.statistics.items():
                probes[experience, key] = probe(carry, statistic(lived.oracle), lived.running)
        return self.intervene(agent, name, nature, own, probes)

    def intervene(
        self, agent: Agent, name: str, nature: str, own: Record, probes: dict[tuple[str, str], Fit]
    ) -> Measured:
        """Maps fitted to the first half of the agent's own tasks, interventions on the second."""
        half = self.tasks // 2
        seen, unseen = own.take(slice(half)), own.take(slice(half, None))
        counts = self.counts(seen.oracle)
        carry_to_counts = probe(seen.carry, counts, seen.running).map
        counts_to_carry = probe(counts, seen.carry, seen.running).map
        narrow = principal(seen.carry, seen.running, min(counts.shape[-1], seen.carry.shape[-1]))
        pulled, other = self.arms_to_edit(unseen)

        def after(arm: Tensor, successes: int) -> Edit:
            change = torch.zeros(len(arm), counts.shape[-1], dtype=torch.float64)
            rows = torch.arange(len(arm))
            change[rows, arm] = EDITED_BY
            change[rows, self.arms + arm] = successes
            moved = edit(carry_to_counts, counts_to_carry, change)
            return causal_edit(agent, unseen, self.step, moved, arm, seed=self.seed)

        there = self.counts(unseen.oracle)[:, self.step]
        mapped, others = (counts_to_carry.at(self.step, c) for c in (there, shuffled(there)))

        def image(moment: Moment) -> Tensor:
            oracle = {key: value.unsqueeze(1) for key, value in moment.oracle.items()}
            return counts_to_carry.at(moment.step, self.counts(oracle)[:, 0])

        elsewhere = self.playing | {"seed": 2000 + self.seed}  # tasks no map was fitted to
        return Measured(
            name, nature, own.evaluation, probes, probe(counts, narrow, seen.running),
            after(other, EDITED_BY), after(pulled, 0),
            outputs_after_mapping(agent, unseen, self.step, mapped, others),
            play_with_memory(agent, name, nature, image, **elsewhere),
            play_with_memory(agent, name, nature, lambda moment: shuffled(image(moment)), **elsewhere),
            self.transplanted(agent),
        )  # fmt: skip

    def arms_to_edit(self, lived: Record) -> tuple[Tensor, Tensor]:
        """The arm pulled at the step of the edit, and one not pulled, int64 [tasks] each."""
        pulled = lived.action[:, self.step]
        generator = torch.Generator().manual_seed(self.seed)
        shift = torch.randint(1, self.arms, pulled.shape, generator=generator)
        return pulled, (pulled + shift) % self.arms

    def transplanted(self, agent: Agent) -> Transplant:
        return transplant(agent, lambda oracle: oracle["best_arm"][:, 0].long(), step=self.step, **self.playing)
