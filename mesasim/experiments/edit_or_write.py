"""Is it better to write from left to right or to edit what has been written? Coupled-token designs and tours are written left
to right, then edited one resampled place at a time: at random and kept if better, as cheaply as can be, annealed, and by a
trained network's own samples.

Ceiling: the exact optimum (regret 0). Floor: what is written at random (regret 1). Planted controls: accept-if-better and the
cheapest filling can only stop at a local optimum, annealing need not. Expected: edits beat writing left to right, and random
ones beat greedy ones: on designs the regret falls from about .3 to about .02 in 512 annealed edits, while the cheapest filling
stalls at .13. The same networks write and edit, so that the two are compared at equal knowledge.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mesasim.agents.masked import MaskedConfig
from mesasim.agents.pointer import PointerConfig, Policy
from mesasim.agents.tour_policies import nearest_city, write
from mesasim.evaluate import Evaluation
from mesasim.experiments import question
from mesasim.experiments.shared import designs
from mesasim.experiments.shared.editing import (
    Edit,
    Tours,
    accept_if_better,
    annealed,
    any_place,
    best_filling,
    best_seen,
)
from mesasim.experiments.shared.settings import experiment_settings
from mesasim.experiments.shared.tours import NextCity, labelled
from mesasim.integrity import weights_hash
from mesasim.metrics import estimate, interval
from mesasim.progress import bars, supervised_bar
from mesasim.results import summarize
from mesasim.runs import finish_run, start_run
from mesasim.train.supervised import SupervisedConfig, train

NAME = "edit-or-write"
REWRITTEN = 4  # cities at a tour's end that a learned edit writes anew


@experiment_settings(iterations=20, tasks=50, edits=64, learned_edits=32)
@dataclass
class Config:
    """Flags of the experiment."""

    tasks: int = 1000
    """Unseen designs, and as many tours."""
    edits: int = 512
    """Edits at most; the curves double from 32 up to here."""
    learned_edits: int = 128
    """Edits at most by a network, which cost more."""
    cities: int = 10
    """Cities of a tour, 6 to 20."""
    iterations: int = 1000
    """Batches of 256 that each network learns from."""
    seed: int = 1
    """Seed of weights, instances and edits."""
    quick: bool = False
    """A small form that only shows that everything runs: 20 batches, 50 tasks, 64 edits."""
    num_threads: int | None = None
    """Threads; default: every core this process may use."""
    device: str = "cpu"
    """cpu or cuda[:i], of training and of evaluations of networks; all else is measured on the CPU."""

    def __post_init__(self) -> None:
        if not 6 <= self.cities <= 20:
            raise ValueError(f"cities: got {self.cities}, allowed: 6 to 20")
        for name, low in {"tasks": 2, "edits": 32, "learned_edits": 32}.items():
            if getattr(self, name) < low:
                raise ValueError(f"{name}: got {getattr(self, name)}, allowed: at least {low}")


@dataclass
class Board:
    """One medium with its instances, its network, and every way of writing and editing it."""

    name: str
    medium: Any
    optimum: Tensor  # [B]: the least cost there is
    network: nn.Module
    writers: dict[str, Callable[[], Tensor]]
    editors: dict[
        str, tuple[Edit, int, bool, str]
    ]  # edit, at most so many, whether it needs its budget, writer begun with

    def regret(self, cost: Tensor) -> np.ndarray:
        """0: the optimum; 1: what is written at random."""
        regret = ((cost - self.optimum) / (self.medium.chance() - self.optimum)).double()
        return torch.where(regret.abs() < 1e-5, 0.0, regret).numpy()  # float32 couplings


def run(
    config: Config, out: Path, *, resume: bool = False, overwrite: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Trains both networks, writes, edits and writes the report; returns the summary."""
    begun = time.process_time()
    start_run(out, NAME, asdict(config), resume=resume, overwrite=overwrite)
    found: dict[str, dict[str, dict[int, np.ndarray]]] = {}
    evaluations: list[Evaluation] = []
    with bars(quiet) as progress:

        def learn(name: str, problem: Any) -> nn.Module:
            training = SupervisedConfig(
                iterations=config.iterations, warm_up=min(100, config.iterations // 10), seed=config.seed,
                num_threads=config.num_threads,
                device=config.device,
            )  # fmt: skip
            report = supervised_bar(progress, name, config.iterations)
            return train(training, problem, out / name, resume=resume, report=report).eval()

        boards = [design_board(config, learn), tour_board(config, learn)]
        bar = progress.add_task("edit", total=sum(len(b.writers) + len(b.editors) for b in boards), detail="")
        for board in boards:
            found[board.name] = {}
            for name, budgets in everything(board, config.seed):
                progress.update(bar, detail=f"{board.name}: {name}")
                before, started = weights_hash(board.network), time.process_time()
                regrets = {edits: board.regret(cost) for edits, cost in budgets().items()}
                seconds, after = time.process_time() - started, weights_hash(board.network)
                found[board.name][name] = regrets
                rewards = -regrets[max(regrets)].astype(np.float32)[:, None]
                nature = "written" if name in board.writers else f"edited {max(regrets)} times"
                lengths = np.full(len(rewards), board.medium.places)
                evaluations.append(
                    Evaluation(f"{board.name}: {name}", nature, rewards, lengths, {}, before, after, seconds)
                )
                progress.advance(bar)
    rows = [summarize(e, -1.0, 0.0, trained="learned" in e.agent) for e in evaluations]
    summary = {
        "question": question(sys.modules[__name__]), "verdicts": [verdict(name, found[name]) for name in found],
        "reading": "reward is minus regret: 0 is the exact optimum, -1 the expectation of what is written at random. "
        f"All of it took {time.process_time() - begun:.0f} CPU seconds.",
        "world": "designs and tours", "options": {"cities": config.cities}, "seed": config.seed, "agents": rows,
        "tables": [table(found)], "curves": [curve(name, found[name]) for name in found],
    }  # fmt: skip
    return finish_run(out, NAME, asdict(config), Config(), summary, evaluations)


def design_board(config: Config, learn: Callable[[str, Any], nn.Module]) -> Board:
    known = designs.draw(4 * config.tasks, config.seed)
    problem = designs.TokenInPlace(MaskedConfig(), known, designs.solve(known), {"seed": config.seed})
    model = learn("designs", problem)
    test = designs.draw(config.tasks, 1000 + config.seed)

    def write_learned() -> Tensor:
        tokens = torch.zeros(config.tasks, test.places, dtype=torch.int64)
        for place in range(test.places):
            known = (torch.arange(test.places) < place).expand(config.tasks, -1)
            with torch.no_grad():
                tokens[:, place] = model(test.couplings, tokens, known)[:, place].argmax(1)
        return tokens

    def learned(tokens: Tensor, _: float, generator: torch.Generator) -> Tensor:
        place = any_place(tokens, test, generator)
        with torch.no_grad():
            logits = model(test.couplings, tokens, torch.ones_like(tokens, dtype=torch.bool))
        odds = logits[torch.arange(len(tokens)), place].softmax(1)
        return test.fill(tokens, place, torch.multinomial(odds, 1, generator=generator).squeeze(1))

    writers = {"left to right": lambda: designs.write_greedily(test), "left to right, learned": write_learned}
    return Board("designs", test, test.cost(designs.solve(test)), model, writers, editors(test, learned, config))


def tour_board(config: Config, learn: Callable[[str, Any], nn.Module]) -> Board:
    known = labelled(40 * config.tasks, config.cities, seed=config.seed, num_threads=config.num_threads)
    policy = learn("tours", NextCity(PointerConfig(), known, {"seed": config.seed}))
    test = labelled(config.tasks, config.cities, seed=1000 + config.seed, num_threads=config.num_threads)
    writers = {
        "left to right": lambda: write(nearest_city, test.points),
        "left to right, learned": lambda: write(policy, test.points),
    }
    medium = Tours(test.points)
    return Board("tours", medium, test.length, policy, writers, editors(medium, end_anew(policy, test.points), config))


def end_anew(policy: Policy, points: Tensor) -> Edit:
    """The learned edit of tours: begin the tour anywhere, keep all but its last REWRITTEN cities, draw those anew."""

    def edit(order: Tensor, _: float, generator: torch.Generator) -> Tensor:
        n = order.shape[1]
        begin = torch.randint(n, (len(order), 1), generator=generator)
        turned = order.gather(1, (begin + torch.arange(n)) % n)
        return write(policy, points, turned[:, : n - REWRITTEN], generator)

    return edit


def editors(medium: Any, learned: Edit, config: Config) -> dict[str, tuple[Edit, int, bool, str]]:
    plain = {"accept if better": accept_if_better, "cheapest filling": best_filling, "annealed": annealed}
    made = {name: (make(medium), config.edits, name == "annealed", "left to right") for name, make in plain.items()}
    return made | {"learned Gibbs": (learned, config.learned_edits, False, "left to right, learned")}


def everything(board: Board, seed: int) -> list[tuple[str, Callable[[], dict[int, Tensor]]]]:
    """Writers and editors by name, each with what gives number of edits → best cost seen, [B]."""

    def edited(edit: Edit, most: int, needs_budget: bool, begun: str) -> dict[int, Tensor]:
        start = board.writers[begun]()
        budgets = [0] + [2**k for k in range(5, 31) if 2**k <= most]
        if not needs_budget:
            return best_seen(board.medium, start, edit, budgets, seed)
        return {b: best_seen(board.medium, start, edit, [b], seed)[b] for b in budgets}

    def written(writer: Callable[[], Tensor]) -> dict[int, Tensor]:
        return {0: board.medium.cost(writer())}

    ways: list[tuple[str, Callable[[], dict[int, Tensor]]]]
    ways = [(name, partial(written, writer)) for name, writer in board.writers.items()]
    return ways + [(name, partial(edited, *how)) for name, how in board.editors.items()]


def table(found: dict[str, dict[str, dict[int, np.ndarray]]]) -> dict[str, Any]:
    rows = []
    for medium, ways in found.items():
        for way, budgets in ways.items():
            for edits, regret in budgets.items():
                if edits or len(budgets) == 1:
                    mean, low, high = interval(regret)
                    share, least, most = interval(100.0 * (regret == 0))
                    optimal = f"{share:.1f} ({least:.1f} to {most:.1f})"
                    rows.append([medium, way, edits, f"{mean:.4f}", f"{low:.4f} to {high:.4f}", optimal])
    head = ["medium", "way", "edits", "regret", "95 %", "optimal % (95 %)"]
    note = (
        "Regret: 0 is the exact optimum, 1 the expectation at random. Edits begin with the writing left to right of their kind "
        "(greedy; the network's own for learned Gibbs) and show the best seen. One edit resamples one token, or takes one city "
        f"out and puts it back; learned Gibbs on tours draws the last {REWRITTEN} cities anew. Bootstrap over instances."
    )
    return {"title": "Regret by number of edits", "head": head, "rows": rows, "note": note}


def curve(name: str, ways: dict[str, dict[int, np.ndarray]]) -> dict[str, Any]:
    series = []
    for way, budgets in ways.items():
        if len(budgets) > 1:
            points = [estimate(regret) for regret in budgets.values()]
            x = [max(16, edits) for edits in budgets]  # the axis has no place for 0
            series.append({"name": way, "x": x, "y": [p.mean for p in points], "se": [p.se for p in points]})
    return {
        "title": f"Editing {name}", "x": "edits (16 stands for none: left to right)", "y": "regret of the best seen",
        "log_x": True, "series": series,
    }  # fmt: skip


def verdict(name: str, ways: dict[str, dict[int, np.ndarray]]) -> str:
    """What one medium's numbers say."""

    def said(way: str) -> str:
        edits, regret = max(ways[way].items())
        mean, low, high = interval(regret)
        return f"{mean:.4f} (95 %: {low:.4f} to {high:.4f}, {100 * (regret == 0).mean():.0f} % optimal)" + (
            f" after {edits} edits" if edits else ""
        )

    def last(way: str) -> np.ndarray:
        return max(ways[way].items())[1]

    _, low, high = interval(last("left to right") - last("annealed"))
    how = "beat" if low > 0 else "lose to" if high < 0 else "cannot be told from"
    _, low, high = interval(last("cheapest filling") - last("annealed"))
    other = "and beat" if low > 0 else "but do not beat"
    rest = "; ".join(f"{way} {said(way)}" for way in ways if way not in ("left to right", "annealed"))
    return (
        f"{name}: annealed edits, regret {said('annealed')}, {how} writing left to right, {said('left to right')}, {other} "
        f"greedy edits. Others: {rest}."
    )
