"""Where does the learner live that evolution makes: in the activations of a net whose weights are fixed for life, or in a
coded rule by which weights change?

CMA-ES evolves (i) a small GRU whose genome is its weights, and (ii) a learning rule (ABCD with reward as modulator) for a
memoryless net whose genome holds no weight, on the same bandits, evaluated alike on tasks neither saw. Then each is frozen
in one place at a time: its activations are cleared at every step, or its plastic weights are. Ceiling: the exact
Bayes-optimal value. Floors: chance, and thermostats (the best memory of one, exact; best arm of the last ten pulls).
Planted controls: a rule by hand that counts rewards (learner in plastic weights), the zero rule and a GRU of drawn weights
(no learner), Thompson, Bayes-optimal, random. Expected: (i) falls to at most the memory of one that its inputs are when
activations are cleared, (ii) to chance when plastic weights are; the other freezing changes no reward. Sources: the essay's
"evolution from scratch" against "ML code as genome"; Najarro & Risi 2020.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from mesasim import baselines
from mesasim.agents.genomes import FREEZE, GenomeAgent, PlasticRule, RecurrentNet, Species
from mesasim.evaluate import Evaluation
from mesasim.exact import bandit as exact_bandit
from mesasim.experiments import question
from mesasim.experiments.shared.comparing import outcome
from mesasim.experiments.shared.settings import check_exact, experiment_settings
from mesasim.metrics import Estimate, beyond_doubt, estimate
from mesasim.progress import bars, iteration_bar
from mesasim.results import below_optimum, summarize
from mesasim.runs import finish_run, start_run
from mesasim.train.evolution import EvolutionConfig, Played, evolve

NAME = "outer-evolution"
MEMORY_OF_ONE = "win_stay_lose_next"  # the best policy known that sees its last action and reward only
REFERENCES = ("random", MEMORY_OF_ONE, "last_ten_sum", "last_ten_mean", "thompson", "bayes_optimal")
FROZEN = {"nothing": "", "activations": ", activations cleared", "plastic": ", plastic weights frozen"}
COUNTING_RATE = 10.0  # of the rule by hand; the best of .3, 1, 3 and 10 with two arms and with five


@experiment_settings(generations=5, tasks=500, seeds=1)
@dataclass
class Config:
    """Flags of the experiment."""

    arms: int = 2
    """Arms of the bandit; with the pulls, few enough for the exact solver."""
    pulls: int = 20
    """Pulls in an episode."""
    tasks: int = 10000
    """Unseen tasks everything is evaluated on."""
    generations: int = 300
    """Generations of the GRUs, of 64 genomes x 64 tasks; rules get a fifth of them, of 32 genomes x 128 tasks."""
    hidden: int = 8
    """Units of the GRU."""
    seeds: int = 3
    """Evolutions of each species."""
    seed: int = 1
    """Seed of the first evolution and of the evaluation."""
    quick: bool = False
    """A small form that only shows that everything runs: one seed, 5 generations, 500 tasks."""
    num_threads: int | None = None
    """Threads; default: every core this process may use."""
    device: str = "cpu"
    """cpu or cuda[:i], of training; all else is measured on the CPU."""

    def __post_init__(self) -> None:
        check_exact(self.arms, self.pulls)


def evolutions(config: Config) -> dict[str, tuple[Callable[..., Species], EvolutionConfig, int]]:
    """Species → (what makes it, how it evolves with the first seed, tasks a genome plays a generation)."""
    evolution = partial(EvolutionConfig, num_threads=config.num_threads, seed=config.seed)
    rule = evolution(generations=max(1, config.generations // 5), population=32)
    net = evolution(generations=config.generations, covariance="diagonal")
    return {"GRU": (partial(RecurrentNet, hidden=config.hidden), net, 64), "rule": (PlasticRule, rule, 128)}


def planted(species: dict[str, Species], seed: int) -> dict[str, tuple[str, Species, torch.Tensor]]:
    """Genomes of known nature."""
    drawn = torch.randn(species["GRU"].size, generator=torch.Generator().manual_seed(seed)) * 0.5
    return {
        "rule by hand": ("learner", species["rule"], PlasticRule.counting(COUNTING_RATE)),
        "zero rule": ("no learner", species["rule"], torch.zeros(PlasticRule.size)),
        "drawn GRU": ("no learner", species["GRU"], drawn),
    }


def run(
    config: Config, out: Path, *, resume: bool = False, overwrite: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Evolves, evaluates everything whole and frozen in each place, and writes the report; returns the summary."""
    options = {"arms": config.arms, "pulls": config.pulls}
    setting = baselines.Setting(
        "Bandit-v0", options, config.tasks, 1000 + config.seed, config.num_threads, sample_actions=True
    )
    start_run(out, NAME, asdict(config), resume=resume, overwrite=overwrite)
    agents: dict[str, tuple[str, GenomeAgent, dict[str, Any]]] = {}
    species: dict[str, Species] = {}
    with bars(quiet) as progress:
        for kind, (make, how, tasks) in evolutions(config).items():
            fitness = Played(
                "Bandit-v0", options, make, tasks=tasks, num_threads=config.num_threads, device=config.device
            )
            species[kind] = fitness.species
            for number in range(config.seeds):
                name = f"{kind} {number + 1}"
                settings = EvolutionConfig(**{**asdict(how), "seed": config.seed + number})
                report = iteration_bar(progress, name, settings.generations, "fitness_mean")
                genome = evolve(settings, fitness, out / name.replace(" ", "-"), resume=resume, report=report)
                agents |= frozen(name, "evolved", fitness.species, genome, trained=True, kind=kind)
        for name, (nature, of, genome) in planted(species, config.seed).items():
            agents |= frozen(name, nature, of, genome, trained=False)
        references = [pair for pair in baselines.references(setting) if pair[0] in REFERENCES]
        bar = progress.add_task("evaluate", total=len(agents) + len(references), detail="")
        evaluations, more = [], []
        for name, (nature, agent, known) in agents.items():
            progress.update(bar, detail=name)
            evaluations.append(setting.evaluate(agent, name, nature))
            more.append(known)
            progress.advance(bar)
        for name, evaluate in references:
            progress.update(bar, detail=name)
            evaluations.append(evaluate())
            more.append({"trained": False})
            progress.advance(bar)
    scale = baselines.scale(setting, evaluations)
    rows = [summarize(e, scale.floor, scale.ceiling, **known) for e, known in zip(evaluations, more, strict=True)]
    below_optimum(rows, evaluations)
    memory_of_one = exact_bandit.memory_of_one(config.arms, config.pulls)
    places = {name: where(name, evaluations) for name in agents if name + FROZEN["plastic"] in agents}
    summary = {
        "question": question(sys.modules[__name__]),
        "verdicts": verdicts(places, rows, evaluations, memory_of_one, scale.floor),
        "reading": scale.how + f". The best policy that remembers one action and reward earns {memory_of_one:.3f}. All "
        "policies are sampled. Genomes never change in an evaluation; activations or plastic weights do.",
        "world": "Bandit-v0", "options": options, "seed": config.seed, "memory_of_one": memory_of_one, "agents": rows,
        "tables": [table_of_places(places, rows)],
        "places": {name: asdict(found) for name, found in places.items()},
    }  # fmt: skip
    return finish_run(out, NAME, asdict(config), Config(), summary, evaluations)


def frozen(
    name: str, nature: str, species: Species, genome: torch.Tensor, **known: Any
) -> dict[str, tuple[str, GenomeAgent, dict[str, Any]]]:
    """The agent, whole and frozen in each place."""
    return {
        name + FROZEN[place]: (nature, GenomeAgent(species, genome, place), {**known, "frozen": place})
        for place in FREEZE
    }


@dataclass(frozen=True)
class Place:
    """Where a learner lives, and the rewards that say so, each paired on the same tasks."""

    lives: str  # activations, plastic, both, elsewhere, nowhere, not told apart
    excess: Estimate  # of the whole genome's reward over MEMORY_OF_ONE's
    lost: dict[str, Estimate]  # place → the whole genome's reward minus that of the one frozen there


def where(name: str, evaluations: list[Evaluation]) -> Place:
    """Where the learner called `name` lives. `nowhere` if it earns less than MEMORY_OF_ONE; else in the places whose freezing
    takes away more than half of what it earns above that (`activations`, `plastic`, `both`), or `elsewhere` if neither does.
    Each of these, and that the other place takes away less than half, is beyond doubt; else `not told apart`."""
    returns = {e.agent: e.returns for e in evaluations}
    whole, least = returns[name], returns[MEMORY_OF_ONE]
    frozen_at = {place: returns[name + FROZEN[place]] for place in ("activations", "plastic")}
    excess = estimate(whole - least)
    lost = {place: estimate(whole - rest) for place, rest in frozen_at.items()}
    if (beside := outcome(excess)) != "above":
        return Place("nowhere" if beside == "below" else beside, excess, lost)
    left = {place: outcome(estimate(rest - (whole + least) / 2)) for place, rest in frozen_at.items()}
    lives = [place for place, beside in left.items() if beside == "below"]
    if "not told apart" in left.values():
        return Place("not told apart", excess, lost)
    return Place("both" if len(lives) == 2 else lives[0] if lives else "elsewhere", excess, lost)


def table_of_places(places: dict[str, Place], rows: list[dict[str, Any]]) -> dict[str, Any]:
    by_name = {row["agent"]: row for row in rows}

    def cell(name: str) -> str:
        return f"{by_name[name]['reward_mean']:.3f} ± {by_name[name]['reward_se']:.3f}"

    cells = [
        [name, cell(name), str(found.excess), *(str(by) for by in found.lost.values()), found.lives]
        for name, found in places.items()
    ]
    head = [
        "genome", "whole", f"above {MEMORY_OF_ONE}", "lost, activations cleared", "lost, plastic weights frozen",
        "its learner lives in",
    ]  # fmt: skip
    note = (
        "Reward of an episode; differences are task by task. It lives where freezing takes away more than half of what it earns "
        f"above {MEMORY_OF_ONE} (a net's inputs hold the last action and reward even then); nowhere: it earns less than that; "
        "not told apart: these tasks do not say, by the error of the difference."
    )
    return {"title": "Frozen in one place at a time", "head": head, "rows": cells, "note": note}


def verdicts(
    places: dict[str, Place],
    rows: list[dict[str, Any]],
    evaluations: list[Evaluation],
    memory_of_one: float,
    floor: float,
) -> list[str]:
    by_name, returns = {row["agent"]: row for row in rows}, {e.agent: e.returns for e in evaluations}
    best = max((row for row in rows if row["nature"] == "thermostat"), key=lambda row: row["reward_mean"])
    said = []
    for kind, place in (("GRU", "activations"), ("rule", "plastic")):
        mine = [row for row in rows if row.get("kind") == kind]
        whole = [row for row in mine if row["frozen"] == "nothing"]
        cut = [row for row in mine if row["frozen"] == place]
        fractions = ", ".join(f"{row['fraction']:.1%}" for row in whole)
        above = [row for row in whole if beyond_doubt(estimate(returns[row["agent"]] - returns[best["agent"]]))]
        lives = [places[row["agent"]].lives for row in whole]
        said.append(
            f"Evolved {kind}s reach {fractions} of the way from chance to the ceiling, {len(above)} of {len(whole)} above the "
            f"best thermostat here beyond doubt ({best['agent']}, {best['fraction']:.1%}). Frozen in {place}: "
            f"{', '.join(format(row['reward_mean'], '.2f') for row in cut)} (chance {floor:.1f}, memory of one "
            f"{memory_of_one:.2f}). The learner lives in: {', '.join(lives)}."
        )
    said.append(
        f"Planted: the rule by hand reads as {places['rule by hand'].lives} ({by_name['rule by hand']['fraction']:.1%}), the "
        f"zero rule as {places['zero rule'].lives}, a GRU of drawn weights as {places['drawn GRU'].lives}."
    )
    return said
