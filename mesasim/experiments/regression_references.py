"""Do the two estimators of linear regression in context land where a pilot found them? Ridge regression and discrete MMSE, on
the tasks of the finite set and on fresh ones, by the number of tasks M.

Losses are L/D: the squared error, noise and all, over the dimension (Raventos et al. 2023, arXiv 2306.15063: D = 8, K = 16,
noise variance .25). Ceiling: ridge on fresh tasks, the best there is for them; floor: always 0. Planted: each estimator is the
best on its own tasks. Expected: the pilot's table (one draw of the set a row, a few thousand sequences) within two standard
errors, where the spread over draws of the set, which dominates where M is small, is counted as the pilot's own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesasim import regression
from mesasim.evaluate import Evaluation
from mesasim.experiments import question
from mesasim.experiments.shared.settings import experiment_settings
from mesasim.metrics import estimate
from mesasim.progress import bars
from mesasim.results import summarize
from mesasim.runs import finish_run, start_run

NAME = "regression-references"
DIM, POINTS, NOISE_STD = 8, 16, 0.5
COLUMNS = ("dMMSE, known", "ridge, known", "dMMSE, fresh", "ridge, fresh", "difference, fresh")
# log2 M → the pilot's row: L/D of dMMSE and ridge on the finite set's tasks and on fresh ones, and Delta between them there.
PILOT = {
    1: (0.0507, 0.184, 1.918, 0.373, 1.546),
    3: (0.1057, 0.300, 1.230, 0.377, 0.850),
    5: (0.1580, 0.352, 0.958, 0.378, 0.578),
    6: (0.1871, 0.386, 0.922, 0.379, 0.542),
    8: (0.2329, 0.395, 0.745, 0.376, 0.372),
    10: (0.2601, 0.381, 0.640, 0.380, 0.260),
    12: (0.2921, 0.382, 0.554, 0.376, 0.175),
    14: (0.3085, 0.370, 0.503, 0.389, 0.121),
    15: (0.3125, 0.366, 0.459, 0.375, 0.087),
}
PILOT_SEQUENCES = 2000  # of each row: assumed, it is not on record


@experiment_settings(most=64, sequences=100, draws=5)
@dataclass
class Config:
    """Flags of the experiment."""

    most: int = 32768
    """The largest number of tasks, 2 to 32768; rows are the pilot's up to here."""
    sequences: int = 400
    """Known and as many fresh sequences a draw of the set."""
    draws: int = 64
    """Draws of the set where it is small; a large one gets fewer, at least four."""
    seed: int = 1
    """Seed of sets and sequences."""
    quick: bool = False
    """A small form that only shows that everything runs: up to 64 tasks, 5 draws of 100 sequences."""
    num_threads: int | None = None
    """Threads of the draws; default: every core this process may use."""
    device: str = "cpu"
    """cpu or cuda[:i], of the draws and the estimators."""

    def __post_init__(self) -> None:
        for name, low, high in (("most", 2, 32768), ("sequences", 10, 10**6), ("draws", 4, 10**4)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name}: got {getattr(self, name)}, allowed: {low} to {high}")


def losses(config: Config, number: int) -> Iterator[NDArray[np.float64]]:
    """For each draw of the set [COLUMNS, sequences]: L/D a sequence, and the last column Delta."""
    for draw in range(max(4, min(config.draws, config.draws * 256 // number))):
        options: dict[str, Any] = {
            "dim": DIM, "points": POINTS, "noise_std": NOISE_STD, "num_threads": config.num_threads, "device": config.device,
            "first": draw * config.sequences,
        }  # fmt: skip
        set_seed = 1000 * config.seed + draw
        tasks = regression.task_set(number, DIM, set_seed, device=config.device)
        known = regression.generate(config.sequences, num_tasks=number, task_seed=set_seed, seed=config.seed, **options)
        fresh = regression.generate(config.sequences, seed=config.seed, **options)
        columns = []
        for data in (known, fresh):
            ridge = regression.ridge(data.x, data.y, NOISE_STD)
            mmse = regression.discrete_mmse(data.x, data.y, tasks, NOISE_STD)
            columns += [regression.squared_errors(mmse, data.y), regression.squared_errors(ridge, data.y)]
        columns.append(regression.squared_errors(ridge, mmse))
        yield np.stack([column.cpu().numpy() / DIM for column in columns])


def run(
    config: Config, out: Path, *, resume: bool = False, overwrite: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Evaluates both estimators at every number of tasks and writes the report; returns the summary."""
    start_run(out, NAME, asdict(config), resume=resume, overwrite=overwrite)
    numbers = [2**k for k in PILOT if 2**k <= config.most]
    found: dict[int, NDArray[np.float64]] = {}
    with bars(quiet) as progress:
        bar = progress.add_task("evaluate", total=len(numbers), detail="")
        for number in numbers:
            progress.update(bar, detail=f"{number:,} tasks")
            found[number] = np.stack(list(losses(config, number)))  # [draws, COLUMNS, sequences]
            progress.advance(bar)
    fresh = {f"dMMSE, {number:,} tasks": ("planted: location", all_[:, 2]) for number, all_ in found.items()}
    # The fresh sequences, ridge's only matter, are the same for every number of tasks: those of the most draws hold the rest.
    fresh["ridge"] = ("planted: learning", max(found.values(), key=len)[:, 3])
    evaluations = []
    for name, (nature, loss) in fresh.items():
        rewards = -loss.mean(axis=1, keepdims=True)  # a draw of the set is one observation: its sequences share the set
        steps = np.full(len(rewards), POINTS * config.sequences)
        evaluations.append(Evaluation(name, nature, rewards.astype(np.float32), steps, {}, "", "", 0.0))
    floor, ceiling = -(DIM + NOISE_STD**2) / DIM, float(evaluations[-1].returns.mean())
    rows, deviations = [], []
    for number, all_ in found.items():
        cells = []
        for column, pilot in enumerate(PILOT[int(np.log2(number))]):
            ours, deviation = compare(all_[:, column], pilot)
            cells.append(f"{ours.mean:.4f} ± {ours.se:.4f} ({pilot:.4g}: {deviation:+.1f})")
            deviations.append(deviation)
        rows.append([f"{number:,}", str(len(all_)), *cells])
    summary = {
        "question": question(sys.modules[__name__]),
        "verdicts": [
            f"{sum(abs(d) <= 2 for d in deviations)} of {len(deviations)} figures are within 2 standard errors of the pilot's, "
            f"the furthest {max(np.abs(deviations)):.1f} away."
        ],
        "reading": "reward: -L/D on fresh tasks, a row a draw of the set (its mean over sequences); ceiling: ridge on the same; "
        "floor: always 0, exact.",
        "world": "LinearRegression-v0", "options": {"dim": DIM, "points": POINTS, "noise_std": NOISE_STD},
        "seed": config.seed, "agents": [summarize(e, floor, ceiling) for e in evaluations],
        "tables": [
            {"title": "L/D by number of tasks", "head": ["M", "draws of the set", *COLUMNS], "rows": rows,
             "note": "Mean ± standard error over draws of the set; in brackets the pilot's figure, and how many standard errors "
             f"of one draw's figure it is from ours, if the pilot had {PILOT_SEQUENCES:,} sequences a row (not on record). "
             "The noise alone is .03125."}
        ],
        "deviations": deviations,
    }  # fmt: skip
    return finish_run(out, NAME, asdict(config), Config(), summary, evaluations)


def compare(loss: NDArray[np.float64], pilot: float) -> tuple[Any, float]:
    """Losses [draws, sequences] → their mean with its standard error over draws, and how far the pilot's one draw is from
    it, in standard errors of such a draw (of the set, and of PILOT_SEQUENCES sequences)."""
    over_draws = estimate(loss.mean(axis=1))
    of_sequences = loss.var(axis=1, ddof=1).mean()
    of_sets = max(0.0, loss.mean(axis=1).var(ddof=1) - of_sequences / loss.shape[1])
    spread = np.sqrt(of_sets + of_sequences / PILOT_SEQUENCES + over_draws.se**2)
    return over_draws, float((pilot - over_draws.mean) / spread)
