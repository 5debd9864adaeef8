"""Does a network that is told only the cities of optimal tours learn more than greed? A GPT-style decoder with a pointer
output is trained by supervision to name an optimal tour's cities in order, frozen, and decoded on tours it never saw: those
where greed is right, all, and those where greed fails.

Ceiling: the optimum, proved. Floors: random tours, and the nearest neighbour (which alone names about 82 % of an optimal
tour's next cities). Beside them: 2-opt from the nearest neighbour. Expected: greedy decoding within .6 % of the optimum at
ten cities, and no worse where the nearest neighbour fails: so a small gap on such tours alone is no evidence of search.
Instances with more cities than were trained on are there to show where it ends. Sources: Vinyals et al. 2015, Kool et al. 2019.
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mesasim.agents.pointer import PointerConfig, Policy
from mesasim.agents.tour_policies import any_city, beam, nearest_city, tour_lengths, write
from mesasim.evaluate import Evaluation
from mesasim.experiments import question
from mesasim.experiments.shared.settings import experiment_settings
from mesasim.experiments.shared.tours import Labelled, NextCity, heuristic, labelled, next_city_hits
from mesasim.integrity import weights_hash
from mesasim.metrics import interval
from mesasim.progress import bars, supervised_bar
from mesasim.results import below_optimum, summarize
from mesasim.runs import finish_run, start_run
from mesasim.train.supervised import SupervisedConfig, train

NAME = "tsp-tour"
HARD = (
    20.0  # percent that the nearest neighbour is off, at least, on the greedy-hard slice: 15 % of instances at n = 10
)
POOL = 8  # instances looked through for each one wanted in the easy and hard slices


@experiment_settings(iterations=20, instances=1000, tasks=100)
@dataclass
class Config:
    """Flags of the experiment."""

    cities: int = 10
    """Cities of an instance, 5 to 20."""
    instances: int = 100_000
    """Solved instances to learn from; the square's symmetries make eight of each."""
    tasks: int = 2000
    """Unseen instances a slice, at most."""
    beam: int = 5
    """Prefixes kept in beam search."""
    iterations: int = 3000
    """Batches of 256 instances."""
    width: int = 64
    """Numbers a token."""
    layers: int = 3
    """Transformer blocks."""
    learning_rate: float = 3e-3
    """AdamW's, at its highest."""
    seed: int = 1
    """Seed of weights, instances and training."""
    quick: bool = False
    """A small form that only shows that everything runs: 20 batches, 1,000 instances, 100 tasks."""
    num_threads: int | None = None
    """Threads; default: every core this process may use."""
    device: str = "cpu"
    """cpu or cuda[:i], of training and of evaluations of networks; all else is measured on the CPU."""

    def __post_init__(self) -> None:
        if not 5 <= self.cities <= 20:
            raise ValueError(f"cities: got {self.cities}, allowed: 5 to 20")

    def training(self) -> SupervisedConfig:
        return SupervisedConfig(
            iterations=self.iterations, learning_rate=self.learning_rate, warm_up=min(200, self.iterations // 10),
            seed=self.seed, num_threads=self.num_threads, device=self.device,
        )  # fmt: skip


def slices(config: Config) -> dict[str, Labelled]:
    """Unseen instances by how greed does on them, and some with more cities; the seed's first tasks are "uniform"."""
    unseen = partial(labelled, seed=1000 + config.seed, num_threads=config.num_threads)
    pool = unseen(POOL * config.tasks, config.cities)
    missed = torch.from_numpy(pool.gap(heuristic(pool.points, "nearest_neighbour")))
    return {
        "uniform": pool[: config.tasks],
        "easy": pool[missed == 0][: config.tasks],
        "greedy-hard": pool[missed >= HARD][: config.tasks],
        "clustered": unseen(config.tasks, config.cities, distribution="clustered"),
        f"{config.cities + 2} cities": unseen(config.tasks, config.cities + 2),
    }


def writers(config: Config, policy: Policy) -> dict[str, tuple[str, Any]]:
    """Everything that writes tours: name → (nature, what does it)."""

    def of(method: str) -> Any:
        return lambda data: heuristic(data.points, method, num_threads=config.num_threads)

    def by_chance(data: Labelled) -> Tensor:
        return write(any_city, data.points, generator=torch.Generator().manual_seed(config.seed))

    return {
        "optimum": ("exact", lambda data: data.order),
        "pointer, beam": (f"trained, {config.beam} prefixes", lambda data: beam(policy, data.points, config.beam)),
        "pointer, greedy": ("trained", lambda data: write(policy, data.points)),
        "2-opt": ("local search", of("two_opt")),
        "nearest neighbour": ("greedy", of("nearest_neighbour")),
        "random": ("chance", by_chance),
    }


def run(
    config: Config, out: Path, *, resume: bool = False, overwrite: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Trains, freezes, decodes and writes the report; returns the summary."""
    begun = time.process_time()
    training, pointer = config.training(), PointerConfig(config.width, config.layers)
    start_run(out, NAME, asdict(config), resume=resume, overwrite=overwrite)
    with bars(quiet) as progress:
        data = labelled(config.instances, config.cities, seed=config.seed, num_threads=config.num_threads)
        problem = NextCity(pointer, data, {"seed": config.seed})
        report = supervised_bar(progress, "pointer", config.iterations)
        policy = train(training, problem, out / "pointer", resume=resume, report=report)
        policy.eval()
        tests = slices(config)
        todo = writers(config, policy)
        bar = progress.add_task("decode", total=len(tests) * len(todo), detail="")
        tours: dict[str, dict[str, np.ndarray]] = {}
        evaluations: list[Evaluation] = []
        for slice_name, test in tests.items():
            for name, (nature, make) in todo.items():
                progress.update(bar, detail=f"{name}, {slice_name}")
                before, started = weights_hash(policy), time.process_time()
                order = make(test)
                seconds, after = time.process_time() - started, weights_hash(policy)
                tours.setdefault(slice_name, {})[name] = test.gap(order)
                if slice_name == "uniform":
                    rewards = -tour_lengths(test.points, order).float().numpy()[:, None]
                    count = np.full(len(test), config.cities)
                    evaluations.append(Evaluation(name, nature, rewards, count, {}, before, after, seconds))
                progress.advance(bar)
    by_name = {e.agent: e for e in evaluations}
    floor, ceiling = (float(by_name[name].returns.mean()) for name in ("random", "optimum"))
    rows = [summarize(e, floor, ceiling, trained=e.agent.startswith("pointer")) for e in evaluations]
    below_optimum(rows, evaluations)
    gap_table, gaps = table_of_gaps(tours)
    hits = {name: (next_city_hits(policy, test), next_city_hits(nearest_city, test)) for name, test in tests.items()}
    summary = {
        "question": question(sys.modules[__name__]),
        "verdicts": verdicts(config, gaps, hits["uniform"]),
        "reading": "reward is minus the tour's length; ceiling: the optimum; floor: random tours; both on these instances. "
        f"Labels, training and decoding took {time.process_time() - begun:.0f} CPU seconds.",
        "world": "tours", "options": {"cities": config.cities}, "seed": config.seed, "agents": rows,
        "tables": [gap_table, table_of_hits(hits)], "curves": [curve_of_hits(hits["uniform"])], "gaps": gaps,
    }  # fmt: skip
    return finish_run(out, NAME, asdict(config), Config(), summary, evaluations)


def table_of_gaps(tours: dict[str, dict[str, np.ndarray]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """slice → writer → gaps, as the report's table and as numbers: one row a slice and writer."""
    rows, numbers = [], []
    for slice_name, writers_gaps in tours.items():
        for name, gap in writers_gaps.items():
            if not len(gap):
                continue
            off, share = interval(gap), interval(100.0 * (gap == 0))
            figures = [f"{off[0]:.2f}", _range(off), f"{share[0]:.1f}", _range(share, 1)]
            rows.append([slice_name, name, f"{len(gap):,}", *figures])
            numbers.append({"slice": slice_name, "writer": name, "gap": off, "optimal": share})
    head = ["slice", "writer", "instances", "gap %", "95 %", "optimal %", "95 %"]
    note = (
        "Gap: mean excess over the proved optimum. Intervals: bootstrap over instances. Easy: the nearest neighbour from city "
        f"0 writes the optimum; greedy-hard: it is {HARD:.0f} % off or more; clustered and more cities: never trained on."
    )
    return {"title": "Gap and optimal tours by slice", "head": head, "rows": rows, "note": note}, numbers


def table_of_hits(hits: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
    rows = []
    for name, (ours, nearest) in hits.items():
        if len(ours):
            excess = interval(100 * (ours - nearest).mean(axis=1))
            shares = [f"{100 * ours.mean():.1f}", f"{100 * nearest.mean():.1f}"]
            rows.append([name, f"{len(ours):,}", *shares, f"{excess[0]:+.1f}", _range(excess, 1)])
    head = ["slice", "instances", "pointer %", "nearest city %", "difference", "95 %"]
    note = (
        "Share of an optimal tour's next cities named, given the optimal tour so far (after the first city either neighbour "
        "is right; the last city needs no choice and counts). What greed alone names is subtracted, instance by instance."
    )
    return {"title": "Next city of the optimal tour", "head": head, "rows": rows, "note": note}


def curve_of_hits(hits: tuple[np.ndarray, np.ndarray]) -> dict[str, Any]:
    series = []
    for name, hit in zip(("pointer", "nearest city"), hits, strict=True):
        se = hit.std(axis=0) / np.sqrt(len(hit))
        steps = list(range(2, hit.shape[1] + 2))
        series.append({"name": name, "x": steps, "y": hit.mean(axis=0).tolist(), "se": se.tolist()})
    return {
        "title": "Share of next cities named, by position in the tour", "x": "city of the tour", "y": "share named",
        "series": series,
    }  # fmt: skip


def verdicts(config: Config, gaps: list[dict[str, Any]], hits: tuple[np.ndarray, np.ndarray]) -> list[str]:
    """What the numbers say, in sentences."""
    found = {(row["slice"], row["writer"]): row for row in gaps}
    greedy, optimal = found["uniform", "pointer, greedy"]["gap"], found["uniform", "pointer, greedy"]["optimal"]
    others = ", ".join(f"{n} {found['uniform', n]['gap'][0]:.2f} %" for n in ("2-opt", "nearest neighbour", "random"))
    excess = interval(100 * (hits[0] - hits[1]).mean(axis=1))
    said = [
        f"Greedy decoding at {config.cities} cities: {greedy[0]:.2f} % above the optimum (95 %: {_range(greedy)}), "
        f"{optimal[0]:.1f} % optimal ({_range(optimal, 1)}). Beside it: {others}; optimum 0.",
        f"It names {100 * hits[0].mean():.1f} % of an optimal tour's next cities, the nearest city {100 * hits[1].mean():.1f} %: "
        f"{excess[0]:+.1f} points (95 %: {_range(excess, 1)}).",
    ]
    easy, hard = found.get(("easy", "pointer, greedy")), found.get(("greedy-hard", "pointer, greedy"))
    if easy and hard:
        worse = hard["gap"][1] > greedy[2]
        said.append(
            f"Where the nearest neighbour is {found['greedy-hard', 'nearest neighbour']['gap'][0]:.1f} % off, greedy decoding is "
            f"{hard['gap'][0]:.2f} % off (95 %: {_range(hard['gap'])}); where it is optimal, {easy['gap'][0]:.2f} % "
            f"({_range(easy['gap'])}); on all instances {greedy[0]:.2f} %: greed's failure "
            f"{'predicts' if worse else 'does not predict'} the network's."
        )
    return said


def _range(estimate: tuple[float, float, float], digits: int = 2) -> str:
    return f"{estimate[1]:.{digits}f} to {estimate[2]:.{digits}f}"
