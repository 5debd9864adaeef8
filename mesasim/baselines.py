"""What a world's results are held against: its reference agents, its floor and its ceiling, and how both are known. No
metric without its ceiling, and none that falls back to another kind of ceiling without saying so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from mesasim.agents.bandit_references import REFERENCES as BANDIT_REFERENCES
from mesasim.agents.base import Agent
from mesasim.agents.maze_references import REFERENCES as MAZE_REFERENCES
from mesasim.agents.maze_references import make_reference, needed_options
from mesasim.agents.tour_references import REFERENCES as TOUR_REFERENCES
from mesasim.evaluate import Evaluation, evaluate_agent
from mesasim.exact import bandit as exact_bandit
from mesasim.metrics import estimate
from mesasim.spec import load_spec, resolve

EXACT = "ceiling: exact Bayes-optimal value by dynamic programming; floor: exact chance"
TUNING_TASKS = 1000  # as many as RL^2 tuned on


@dataclass
class Scale:
    """Expected reward of an episode at chance and at best, and where the two numbers come from."""

    floor: float
    ceiling: float
    how: str


@dataclass
class Setting:
    """A world, its options, and the tasks an evaluation runs on."""

    world: str
    options: dict[str, Any]
    tasks: int
    seed: int
    num_threads: int | None = None
    sample_actions: bool = False

    def __post_init__(self) -> None:
        self.world, self.options = resolve(self.world, self.options)
        load_spec(self.world, self.options)  # refuses bad options before anything is made

    def full_options(self) -> dict[str, Any]:
        return {option.name: self.options.get(option.name, option.default) for option in load_spec(self.world).options}

    def evaluate(self, agent: Agent, name: str, nature: str) -> Evaluation:
        return evaluate_agent(
            agent, name, nature, world=self.world, options=self.options, tasks=self.tasks, seed=self.seed,
            num_threads=self.num_threads, sample_actions=self.sample_actions,
        )  # fmt: skip

    def elsewhere(self, tasks: int) -> Setting:
        """As many other tasks of the same kind, to tune on."""
        return Setting(self.world, self.options, tasks, self.seed + 1, self.num_threads)


def is_exact_bandit(setting: Setting) -> bool:
    """Whether the exact solvers speak of this bandit: 0/1 rewards, independent arms with a Beta prior."""
    options = setting.full_options()
    independent = options.get("prior") in ("uniform", "beta")
    return setting.world == "Bandit-v0" and options["reward"] == "bernoulli" and independent


def bandit_prior(setting: Setting) -> tuple[float, float]:
    """(alpha, beta) of an exact bandit's prior."""
    options = setting.full_options()
    return (options["alpha"], options["beta"]) if options["prior"] == "beta" else (1.0, 1.0)


def references(setting: Setting) -> Iterator[tuple[str, Callable[[], Evaluation]]]:
    """Names of the world's reference agents, each with what evaluates it; those with a free parameter are tuned first,
    on other tasks."""
    if setting.world == "Maze-v0":
        for name in MAZE_REFERENCES:
            yield name, partial(_evaluate_maze_reference, setting, name)
    elif setting.world in TOUR_REFERENCES:
        for name, tour_reference in TOUR_REFERENCES[setting.world].items():
            if tour_reference.fits(setting.full_options()):
                yield name, partial(_evaluate_tour_reference, setting, name)
    elif is_exact_bandit(setting):
        arms, pulls = setting.full_options()["arms"], setting.full_options()["pulls"]
        for name, reference in BANDIT_REFERENCES.items():
            if name == "bayes_optimal" and not exact_bandit.fits(arms, pulls):
                continue  # the scale's `how` says what stands in for it
            if name == "gittins" and pulls > exact_bandit.MAX_GITTINS_PULLS:
                continue  # and here
            yield name, partial(evaluate_bandit_reference, setting, name, reference)


def _evaluate_maze_reference(setting: Setting, name: str) -> Evaluation:
    options = needed_options(name, setting.options)
    agent = make_reference(name, setting.full_options(), setting.seed)
    return replace(setting, options=options).evaluate(agent, name, MAZE_REFERENCES[name].nature)


def _evaluate_tour_reference(setting: Setting, name: str) -> Evaluation:
    reference, options = TOUR_REFERENCES[setting.world][name], setting.full_options()
    agent = reference.make(options, len(load_spec(setting.world, setting.options).actions), setting.seed)
    return setting.evaluate(agent, name, reference.nature)


def evaluate_bandit_reference(setting: Setting, name: str, reference: Any) -> Evaluation:
    """One reference agent of the bandit, its free parameter at the best of its grid on TUNING_TASKS other tasks."""
    arms, pulls = setting.full_options()["arms"], setting.full_options()["pulls"]
    prior = dict(zip(("alpha", "beta"), bandit_prior(setting), strict=True)) if reference.uses_prior else {}
    params = dict(reference.params)
    notes = []
    if reference.grid:
        parameter, values = next(iter(reference.grid.items()))
        other = setting.elsewhere(TUNING_TASKS)
        scores = [
            other.evaluate(reference.make(arms, pulls, setting.seed, **{parameter: value}), name, "").returns.mean()
            for value in values
        ]
        params = {parameter: values[int(np.argmax(scores))]}
        notes = [f"{parameter}={params[parameter]:g}, best of {len(values)} on {TUNING_TASKS} other tasks"]
    evaluation = setting.evaluate(reference.make(arms, pulls, setting.seed, **params, **prior), name, reference.nature)
    evaluation.notes += notes
    return evaluation


def scale(setting: Setting, evaluations: list[Evaluation]) -> Scale:
    """Floor and ceiling of an episode's reward; exact where the world can be solved, else from evaluations (which must
    then hold the agent named in `how`)."""
    by_name = {e.agent: e for e in evaluations}
    options = setting.full_options()
    if is_exact_bandit(setting):
        arms, pulls = options["arms"], options["pulls"]
        alpha, beta = bandit_prior(setting)
        floor = exact_bandit.floor(pulls, alpha, beta)
        if exact_bandit.fits(arms, pulls):
            value = exact_bandit.BernoulliBandit(arms, pulls, alpha, beta).value
            return Scale(floor, value, EXACT)
        if "gittins" in by_name:
            gittins = estimate(by_name["gittins"].returns)
            how = f"ceiling: finite-horizon Gittins agent, simulated ({gittins}), since exact dynamic programming does not fit"
            return Scale(floor, gittins.mean, f"{how}; floor: exact chance")
    if setting.world == "Bandit-v0" and options["reward"] == "bernoulli" and options["prior"].startswith("dependent"):
        value = exact_bandit.dependent_value(options["pulls"], options["prior"])
        return Scale(options["pulls"] / 2, value, EXACT)
    if setting.world == "Bandit-v0":
        means = evaluations[0].oracle["arm_means"]
        return Scale(
            float(means.mean() * options["pulls"]), float(means.max(axis=1).mean() * options["pulls"]),
            "ceiling: always the best arm, which no agent can know at the start; floor: chance; both over these tasks",
        )  # fmt: skip
    if setting.world == "TourEdit-v0" and "optimal_length" in evaluations[0].oracle:
        left = evaluations[0].oracle["best_gap" if options["reward"] == "best" else "gap"]
        above = evaluations[0].returns + (left * evaluations[0].oracle["optimal_length"])[:, 0]  # of the first tours
        return Scale(
            float(by_name["random"].returns.mean()), float(above.mean()),
            "ceiling: from the first tours to optimal ones, exact, which few edits may not reach; floor: random edits, "
            "simulated; both on these tasks",
        )  # fmt: skip
    if "oracle_follower" not in by_name:
        raise ValueError(
            f"world: got {setting.world!r} with {setting.options}, whose ceiling is not known here; allowed: Bandit-v0, "
            "Maze-v0, Tour-v0 and TourEdit-v0 with n <= 16"
        )
    return Scale(
        float(by_name["random"].returns.mean()), float(by_name["oracle_follower"].returns.mean()),
        "ceiling: the oracle's optimal actions; floor: random actions; both simulated on these tasks",
    )  # fmt: skip
