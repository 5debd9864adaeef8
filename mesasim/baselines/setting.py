"""The tasks an evaluation runs on, and the two numbers its results are held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mesasim.agents.base import Agent
from mesasim.evaluate import Evaluation, evaluate_agent
from mesasim.spec import load_spec, resolve

Evaluate = Callable[[], Evaluation]


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
    device: str = "cpu"

    def __post_init__(self) -> None:
        self.world, self.options = resolve(self.world, self.options)
        load_spec(self.world, self.options)  # refuses bad options before anything is made

    def full_options(self) -> dict[str, Any]:
        return {option.name: self.options.get(option.name, option.default) for option in load_spec(self.world).options}

    def evaluate(self, agent: Agent, name: str, nature: str) -> Evaluation:
        return evaluate_agent(
            agent, name, nature, world=self.world, options=self.options, tasks=self.tasks, seed=self.seed,
            num_threads=self.num_threads, sample_actions=self.sample_actions, device=self.device,
        )  # fmt: skip

    def elsewhere(self, tasks: int) -> Setting:
        """As many other tasks of the same kind, to tune on."""
        return Setting(self.world, self.options, tasks, self.seed + 1, self.num_threads, device=self.device)


def between_random_and_oracle(setting: Setting, evaluations: list[Evaluation]) -> Scale:
    """From the evaluations of agents called `random` and `oracle_follower`; ValueError where the oracle does not know."""
    by_name = {e.agent: e for e in evaluations}
    if "oracle_follower" not in by_name:
        raise ValueError(
            f"options: got {setting.options}, where the oracle of {setting.world} does not know what is optimal; allowed: "
            "options for which it does (tours: n <= 16)"
        )
    return Scale(
        float(by_name["random"].returns.mean()), float(by_name["oracle_follower"].returns.mean()),
        "ceiling: the oracle's optimal actions; floor: random actions; both simulated on these tasks",
    )  # fmt: skip
