"""Who can write in an agent's memory: whoever edits the record of what was seen and done, or only who opens the agent? Players
of the one-way-function game are stopped when their draft is made and y = f(draft) is said, and then either the record or
the hidden state is replaced by another game's, or erased.

An agent that reads its record again at every step (a window, a transformer) keeps nothing else: its state is made from the
record anew, so that editing the state does nothing. An agent that carries a hidden state along does not read the record
again. Planted: a scripted player with a z in mind (follows the state, not the record) and a scripted reader of its record
(the reverse). Then a GRU, run either way with the same weights, and a window over the whole episode, all taught by
watching. Measured: how far z agrees with the player's own draft, and with the draft of the game that was put in its place
(0: as two random strings, 1: every bit); and B's pay, ceiling 1/2, floor 0. Source: the remark that a history is outside the
control of who reads it, a recurrent state inside (seed S7 of this project's list).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mesasim.agents import Agent, NetworkConfig
from mesasim.agents.base import ScriptedAgent
from mesasim.agents.one_way_references import REFERENCES
from mesasim.evaluate import Evaluation
from mesasim.experiments import question
from mesasim.experiments.shared.comparing import outcome
from mesasim.experiments.shared.imitation import Imitation, Record, taught, watch
from mesasim.experiments.shared.settings import experiment_settings
from mesasim.integrity import weights_hash
from mesasim.metrics import estimate
from mesasim.progress import bars, supervised_bar
from mesasim.results import summarize
from mesasim.runs import finish_run, start_run
from mesasim.train.supervised import SupervisedConfig
from mesasim.vector import MesaVectorEnv

NAME = "who-controls-memory"
WORLD = "OneWay-v0"
EDITS = ("none", "record swapped", "record erased", "state swapped", "state erased")
FOLLOWS = 0.1  # least agreement of z with the untouched draft from which edits are read


@experiment_settings(n=4, iterations=10, tasks=300)
@dataclass
class Config:
    """Flags of the experiment."""

    n: int = 8
    """Bits, 3 to 12."""
    tasks: int = 4000
    """Games a player plays under each edit."""
    iterations: int = 1000
    """Batches of 256 games that each network watches."""
    seed: int = 1
    """Seed of weights, lessons and games."""
    quick: bool = False
    """A small form that only shows that everything runs: 4 bits, 10 batches, 300 games."""
    num_threads: int | None = None
    """Threads; default: every core this process may use."""
    device: str = "cpu"
    """cpu or cuda[:i], of training and of evaluations of networks; all else is measured on the CPU."""

    def __post_init__(self) -> None:
        if not 3 <= self.n <= 12:
            raise ValueError(f"n: got {self.n}, allowed: 3 to 12")
        for name in ("tasks", "iterations"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name}: got {getattr(self, name)}, allowed: at least 2")

    @property
    def options(self) -> dict[str, Any]:
        return {"n": self.n, "tool": True}

    def training(self) -> SupervisedConfig:
        return SupervisedConfig(
            iterations=self.iterations, learning_rate=6e-3, warm_up=min(50, self.iterations // 4), weight_decay=0.0,
            seed=self.seed, num_threads=self.num_threads, device=self.device,
        )  # fmt: skip


class Player(NamedTuple):
    """An agent and how it is run: `reads` says that its state is made from the record anew at every step."""

    agent: Agent
    nature: str
    reads: bool
    trained: bool


class Played(NamedTuple):
    """Games under one edit. Agreements are of the bits drafted before the last, which the next observation shows anyway."""

    pay: np.ndarray  # [tasks]
    own: np.ndarray  # [tasks] agreement of z with the player's own draft, 1 - 2 * share of bits that differ
    other: np.ndarray  # [tasks] and with that of the game before it in the batch, whose record or state it is given


@torch.no_grad()
def play(player: Player, config: Config, edit: str) -> Played:
    """Plays to the end of the draft, edits, and plays on."""
    if edit not in EDITS:
        raise ValueError(f"edit: got {edit!r}, allowed: {', '.join(map(repr, EDITS))}")
    n, agent, seed = config.n, player.agent, 5000 + config.seed
    env = MesaVectorEnv(WORLD, config.tasks, history=True, num_threads=config.num_threads, **config.options)
    if isinstance(agent, ScriptedAgent):
        agent.generator.manual_seed(seed)
    record, carry = watch(agent, env, seed, n)
    draft = record.action.clone()
    carry, record = edited(edit, agent, carry, record)
    generator, said = torch.Generator().manual_seed(seed + 1), []
    for _ in range(n):
        if player.reads:
            carry = agent.unroll(record.obs, record.is_first, agent.initial_carry(config.tasks)).carry
        obs = {name: field.unsqueeze(0).clone() for name, field in env.buffers.group["observation"].items()}
        logits, _, carry = agent.unroll(obs, torch.zeros(1, config.tasks, dtype=torch.bool), carry)
        noise = torch.empty_like(logits[0]).exponential_(generator=generator)
        said.append((logits[0] - noise.log()).argmax(dim=-1))
        _, reward, *_ = env.step(said[-1])
        record = Record(
            {name: torch.cat([field, obs[name]]) for name, field in record.obs.items()},
            torch.cat([record.action, said[-1][None]]),
        )
    z = torch.stack(said)
    return Played(reward.double().numpy(), agreement(z, draft), agreement(z, draft.roll(1, dims=1)))


def agreement(z: Tensor, draft: Tensor) -> np.ndarray:
    return (1 - 2 * (z[:-1] != draft[:-1]).double().mean(dim=0)).numpy()


def edited(edit: str, agent: Agent, carry: Tensor, record: Record) -> tuple[Tensor, Record]:
    """State and record after an edit: those of the game before it in the batch, or as if nothing had been drafted."""
    if edit == "state swapped":
        carry = carry.roll(1, dims=0)
    if edit == "state erased":
        carry = agent.initial_carry(carry.shape[0])
    if edit == "record swapped":
        obs = {name: field.roll(1, dims=1) for name, field in record.obs.items()}
        record = Record(obs, record.action.roll(1, dims=1))
    if edit == "record erased":
        obs = {**record.obs, "previous_action": torch.full_like(record.obs["previous_action"], -1)}
        record = Record(obs, record.action)
    return carry, record


def players(config: Config, out: Path, resume: bool, quiet: bool) -> dict[str, Player]:
    """The planted ones, and networks taught to play like the stateful one."""
    n = config.n
    options = {"f": "sha256", "key": 0, **config.options}
    found = {
        "z in mind": Player(REFERENCES["stateful_random"].make(options, config.seed), "stateful", False, False),
        "record reader": Player(REFERENCES["history_reader"].make(options, config.seed), "history reader", True, False),
    }
    networks = {
        "gru": NetworkConfig("gru"),
        "window": NetworkConfig("window", hidden=128, window=2 * n),
        "transformer": NetworkConfig("transformer", window=2 * n),
    }
    with bars(quiet) as progress:
        for name, network in networks.items():
            teacher = REFERENCES["stateful_random"].make(options)
            problem = Imitation(network, WORLD, config.options, teacher, "stateful_random", 2 * n)
            report = supervised_bar(progress, name, config.iterations)
            agent = taught(config.training(), problem, out / name, resume=resume, report=report)
            if name == "gru":
                found["gru"] = Player(agent, "recurrent", False, True)
                found["gru, reading again"] = Player(agent, "recurrent", True, True)
            else:
                found[name] = Player(agent, "whole history", True, True)
    return found


def run(
    config: Config, out: Path, *, resume: bool = False, overwrite: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Trains, freezes, edits and writes the report; returns the summary."""
    start_run(out, NAME, asdict(config), resume=resume, overwrite=overwrite)
    evaluations, rows, table, natures = [], [], [], []
    for name, player in players(config, out, resume, quiet).items():
        own_by_edit = {}
        for edit in EDITS:
            before, started = weights_hash(player.agent), time.process_time()
            played = play(player, config, edit)
            seconds, after = time.process_time() - started, weights_hash(player.agent)
            rewards = np.zeros((config.tasks, 2 * config.n), np.float32)
            rewards[:, -1] = played.pay
            called = name if edit == "none" else f"{name}: {edit}"
            lengths = np.full(config.tasks, 2 * config.n)
            e = Evaluation(called, player.nature, rewards, lengths, {}, before, after, seconds)
            evaluations.append(e)
            own, other, pay = (estimate(values) for values in (played.own, played.other, played.pay))
            rows.append(
                summarize(
                    e,
                    0.0,
                    0.5,
                    trained=player.trained,
                    own=own.mean,
                    own_se=own.se,
                    other=other.mean,
                    other_se=other.se,
                )
            )
            own_by_edit[edit] = played.own
            table.append(
                [name, edit, *(text for one in (own, other, pay) for text in (f"{one.mean:.3f}", f"{one.se:.3f}"))]
            )
        natures.append(verdict(name, own_by_edit))
    head = ["player", "edit", "own draft", "± SE", "other's draft", "± SE", "pay", "± SE"]
    note = (
        "Agreement of z with a draft: 0 as two random strings (floor), 1 every bit (ceiling), over all but the last. "
        "Swapped: that of another game; erased: as if no action had been recorded, or the state at a game's beginning."
    )
    summary = {
        "question": question(sys.modules[__name__]), "verdicts": natures,
        "reading": "Pay of one round against a uniform x. Ceiling: 1/2, exact; floor: 0. Networks (*) were taught by watching.",
        "world": WORLD, "options": config.options, "seed": config.seed, "agents": rows,
        "tables": [{"title": "What z follows after an edit", "head": head, "rows": table, "note": note}],
    }  # fmt: skip
    return finish_run(out, NAME, asdict(config), Config(), summary, evaluations)


def verdict(name: str, own: Mapping[str, np.ndarray]) -> str:
    """Where a player's memory is, by which edits it does not survive. `own`: edit → agreement with the own draft, [tasks], of
    the same games. An edit reaches the memory if it takes away more than half of that, beyond doubt, and not if less."""
    follows = estimate(own["none"])
    if (seen := outcome(follows._replace(mean=follows.mean - FOLLOWS))) != "above":
        said = {"below": "too little of it is remembered to edit"}.get(seen, "whether it follows it is not told")
        return f"{name}: its z agrees with its draft by {follows} (to be read from {FOLLOWS} on): {said}."
    lost = {kind: estimate(own["none"] - own[f"{kind} swapped"]) for kind in ("record", "state")}
    record, state = (outcome(estimate(own["none"] / 2 - own[f"{kind} swapped"])) for kind in lost)
    where = {
        ("above", "below"): "its memory is in the record: who edits what was said and done writes in it",
        ("below", "above"): "its memory is in its state: editing the record takes away less than half of it",
        ("above", "above"): "its memory is in both: editing either takes away more than half of it",
        ("below", "below"): "its memory is in neither alone: editing either takes away less than half of it",
    }.get((record, state), "where its memory is is not told by these games")
    swapped = ", ".join(f"{kind} swapped {by}" for kind, by in lost.items())
    return f"{name}: {where} (agreement {follows}; lost with {swapped})."
