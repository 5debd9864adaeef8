"""With which learning rate does a network learn inside its activations, and does it adapt it? A GRU is trained on restless
bandits of low and high volatility, which it is not told apart, frozen, and its choices are fitted by Rescorla-Wagner models.

Two arms pay with probability p and 1 - p, and p walks. A learning rate that follows the world is higher where the world moves
faster (Behrens et al. 2007); Wang et al. 2016 found it so in their network's choices. Ceiling: the exact Bayes filter, with
both volatilities possible at the start. Floor: chance. Planted controls: a Rescorla-Wagner agent of one learning rate, .5,
which must be recovered in both, and one that is told the volatility and uses .2 or .7, which must be told from it; then the
filter and UCB. Expected: the network's fitted rate is higher where volatility is high. Source: Wang et al. 2016, section 3.1.3.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mesasim import baselines
from mesasim.agents import Agent
from mesasim.agents.bandit_filters import FilterGreedy, RescorlaWagner
from mesasim.agents.bandit_references import UCB1, Random
from mesasim.agents.base import Observation
from mesasim.analysis import rescorla_wagner
from mesasim.evaluate import Evaluation, Moment, evaluate_agent
from mesasim.experiments import question
from mesasim.experiments.bandit_learning import recipe
from mesasim.experiments.shared.comparing import Learner, train_learners
from mesasim.experiments.shared.settings import experiment_settings
from mesasim.metrics import Estimate, beyond_doubt, estimate, welch
from mesasim.progress import bars
from mesasim.results import below_optimum, summarize
from mesasim.runs import finish_run, start_run
from mesasim.vector import MesaVectorEnv

NAME = "inner-learning-rate"
FIXED_RATE, RATES_BY_VOLATILITY, TEMPERATURE = 0.5, (0.2, 0.7), 5.0
CLASSES = ("low", "high")
DISCOUNT = 0.5


@experiment_settings(iterations=2, tasks=150, blocks=6, block_episodes=5, pulls=50)
@dataclass
class Config:
    """Flags of the experiment."""

    pulls: int = 100
    """Pulls in an episode."""
    low: float = 0.02
    """Standard deviation of a walk's step where volatility is low."""
    high: float = 0.2
    """The same where it is high."""
    tasks: int = 4000
    """Unseen episodes on which reward is measured."""
    blocks: int = 20
    """Blocks of each volatility that choices are fitted in."""
    block_episodes: int = 10
    """Episodes in a block."""
    iterations: int = 150
    """PPO iterations of the network, of 512 episodes each."""
    seed: int = 1
    """Seed of weights, training and evaluation."""
    quick: bool = False
    """A small form that only shows that everything runs: 2 iterations, 6 blocks of each volatility."""
    num_threads: int | None = None
    """Threads; default: every core this process may use."""
    device: str = "cpu"
    """cpu or cuda[:i], of training and of evaluations of networks; all else is measured on the CPU."""

    def __post_init__(self) -> None:
        for name in ("blocks", "block_episodes"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name}: got {getattr(self, name)}, allowed: at least 2")
        if not 0 < self.low < self.high:
            raise ValueError(f"low, high: got {self.low}, {self.high}, allowed: 0 < low < high")


class ToldVolatility(RescorlaWagner):
    """A Rescorla-Wagner agent that reads the episode's volatility off the oracle and has a learning rate for each: what
    the fits must see."""

    needs_oracle = True

    def __init__(self, arms: int, seed: int, border: float, rates: tuple[float, float], beta: float) -> None:
        super().__init__(arms, seed, rates[0], beta)
        self.border, self.rates = border, torch.tensor(rates, dtype=torch.float64)

    def act(self, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        self.alpha = self.rates[(obs["oracle/volatility"][:, 0] > self.border).long()]  # [N]
        return super().act(obs, carry)


class Played(NamedTuple):
    evaluation: Evaluation
    choices: np.ndarray  # int64 [tasks, pulls]
    high: np.ndarray  # bool [tasks]: the episode's volatility is the higher one


class Fitted(NamedTuple):
    """What the fits say of one agent."""

    rate: dict[str, Estimate]  # by volatility: mean over blocks of the rate fitted by the better of ab and abe
    difference: Estimate  # high - low
    by_block: dict[str, float]  # model → BIC, every block its own parameters
    by_volatility: dict[str, float]  # model → BIC, the two volatilities as two blocks


def options(config: Config) -> dict[str, Any]:
    walk = {"drift": "walk", "volatility": [config.low, config.high]}
    return {"arms": 2, "pulls": config.pulls, "prior": "dependent_uniform", **walk}


def planted(config: Config) -> dict[str, tuple[str, Agent]]:
    """The agents of known nature, by name."""
    seed, border = config.seed, (config.low + config.high) / 2
    return {
        "bayes_optimal": ("optimal", FilterGreedy(options(config), seed)),
        f"rescorla_wagner {FIXED_RATE}": ("learner", RescorlaWagner(2, seed, FIXED_RATE, TEMPERATURE)),
        "rescorla_wagner {} or {}".format(*RATES_BY_VOLATILITY): (
            "learner told the volatility", ToldVolatility(2, seed, border, RATES_BY_VOLATILITY, TEMPERATURE)
        ),
        "ucb1_textbook": ("learner", UCB1(2, config.pulls, seed)),
        "random": ("random", Random(2, config.pulls, seed)),
    }  # fmt: skip


def run(
    config: Config, out: Path, *, resume: bool = False, overwrite: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Trains, freezes, plays, fits and writes the report; returns the summary."""
    setting = baselines.Setting(
        "Bandit-v0", options(config), config.tasks, 1000 + config.seed, config.num_threads, device=config.device
    )
    enough_blocks(setting, config)
    # Both arms tell as much about p, so the next rewards are all there is to aim at: a short horizon costs nothing.
    gru = recipe(
        options(config), iterations=config.iterations, num_threads=config.num_threads, device=config.device,
        first_discount=DISCOUNT,
        discount=DISCOUNT, num_envs=64 if config.quick else None, seed=config.seed,
    )  # fmt: skip
    start_run(out, NAME, asdict(config), resume=resume, overwrite=overwrite)
    with bars(quiet) as progress:
        trained = train_learners({"gru": Learner("recurrent", gru)}, [config.seed], out, progress, resume=resume)
        agents = {"gru": ("recurrent", trained["gru"].agent)} | planted(config)
        bar = progress.add_task("play and fit", total=len(agents), detail="")
        played, fitted = {}, {}
        for name, (nature, agent) in agents.items():
            progress.update(bar, detail=name)
            played[name] = play(setting, name, nature, agent)
            fitted[name] = fit(played[name], config)
            progress.advance(bar)
    evaluations = [one.evaluation for one in played.values()]
    scale = baselines.scale(setting, evaluations)
    rows = [summarize(e, scale.floor, scale.ceiling, trained=e.agent in trained) for e in evaluations]
    below_optimum(rows, evaluations)
    for row in rows:
        found = fitted[row["agent"]]
        row |= {
            "learning_rate": {c: list(found.rate[c][:2]) for c in CLASSES},
            "learning_rate_difference": list(found.difference[:2]),
            "bic_by_block": found.by_block,
            "bic_by_volatility": found.by_volatility,
            "adapts": adapts(found),
        }
    summary = {
        "question": question(sys.modules[__name__]),
        "verdicts": [verdict(name, found) for name, found in fitted.items()],
        "reading": scale.how + ". Actions are drawn from each policy, as the models have it.",
        "world": "Bandit-v0", "options": options(config), "seed": config.seed, "agents": rows,
        "tables": [table(fitted, config)],
    }  # fmt: skip
    return finish_run(out, NAME, asdict(config), Config(), summary, evaluations)


def enough_blocks(setting: baselines.Setting, config: Config) -> None:
    """ValueError where the setting's tasks have too few episodes of either volatility for the blocks asked for."""
    env = MesaVectorEnv(
        setting.world, setting.tasks, seed=setting.seed, oracle=True, num_threads=config.num_threads, **setting.options
    )
    env.reset()
    high = is_high(env.buffers.group["oracle"]["volatility"].numpy(), setting)
    each, wanted = (len(high) - int(high.sum()), int(high.sum())), config.blocks * config.block_episodes
    if min(each) < wanted:
        raise ValueError(
            f"tasks: got {config.tasks}, of which {each[0]} are of low and {each[1]} of high volatility, allowed: enough for "
            f"{wanted} of each (blocks * block_episodes)"
        )


def is_high(volatility: np.ndarray, setting: baselines.Setting) -> np.ndarray:
    """bool [tasks] from the oracle's volatility [tasks, 1]."""
    return np.asarray(volatility[:, 0] > np.mean(setting.options["volatility"]))


def play(setting: baselines.Setting, name: str, nature: str, agent: Agent) -> Played:
    """Plays the setting's tasks with actions drawn from the policy, and keeps them."""
    chunks: dict[int, list[np.ndarray]] = {}

    def keep(moment: Moment) -> None:
        chunks.setdefault(moment.first, []).append(moment.action.cpu().numpy().copy())

    evaluation = evaluate_agent(
        agent, name, nature, world=setting.world, options=setting.options, tasks=setting.tasks, seed=setting.seed,
        num_threads=setting.num_threads, sample_actions=True, watch=keep, device=setting.device,
    )  # fmt: skip
    choices = np.concatenate([np.stack(chunks[first], axis=1) for first in sorted(chunks)])
    return Played(evaluation, choices, is_high(evaluation.oracle["volatility"], setting))


def fit(played: Played, config: Config) -> Fitted:
    """All four models, block by block and volatility by volatility, on the first episodes of each volatility."""
    wanted = config.blocks * config.block_episodes
    episodes = np.concatenate([np.flatnonzero(played.high == high)[:wanted] for high in (False, True)])
    choices, rewards = played.choices[episodes], played.evaluation.rewards[episodes]
    blocks = np.arange(len(episodes)) // config.block_episodes
    by_block = rescorla_wagner.compare(choices, rewards, blocks)
    by_volatility = rescorla_wagner.compare(choices, rewards, (blocks >= config.blocks).astype(int))
    free = next(one for name, one in by_block.items() if "a" in name)  # the better of ab and abe
    rate = {c: estimate(part) for c, part in zip(CLASSES, np.split(free.alpha, 2), strict=True)}
    high, low = rate["high"], rate["low"]
    gap = Estimate(high.mean - low.mean, float(np.hypot(high.se, low.se)), welch(high, low))
    return Fitted(
        rate, gap, {n: one.bic for n, one in by_block.items()}, {n: one.bic for n, one in by_volatility.items()}
    )


def adapts(found: Fitted) -> bool:
    """Whether a learning rate for each volatility is told from one for both: by BIC over the two volatilities, and by a
    difference, of either sign, that is beyond doubt over blocks (metrics.beyond_doubt)."""
    apart = found.difference._replace(mean=abs(found.difference.mean))
    return "a" in min(found.by_volatility, key=found.by_volatility.__getitem__) and beyond_doubt(apart)


def verdict(name: str, found: Fitted) -> str:
    """One sentence of what an agent's fits say."""
    low, high = found.rate["low"], found.rate["high"]
    rates = f"{name}: fitted learning rate {low} where volatility is low, {high} where it is high"
    blockwise = min(found.by_block, key=found.by_block.__getitem__)
    best = min(found.by_volatility, key=found.by_volatility.__getitem__)
    won = f"; lowest BIC by block: {blockwise}, by volatility: {best}."
    if not adapts(found):
        return rates + won + " One learning rate is not told from two."
    return rates + won + f" It adapts its rate, {'upwards' if found.difference.mean > 0 else 'downwards'}."


def table(fitted: dict[str, Fitted], config: Config) -> dict[str, Any]:
    """A row an agent."""
    models = list(rescorla_wagner.MODELS)
    head = ["agent", "rate, low", "rate, high", "difference"]
    head += [f"BIC {model}, by {kind}" for kind in ("block", "volatility") for model in models]
    rows = []
    for name, found in fitted.items():
        shown = [f"{one.mean:.3f} ± {1.96 * one.se:.3f}" for one in (*found.rate.values(), found.difference)]
        bics = [f"{bic[model]:.0f}" for bic in (found.by_block, found.by_volatility) for model in models]
        rows.append([name, *shown, *bics])
    return {
        "title": "Fitted learning rates, ± 95 % interval over blocks, and each model's BIC (lower is better)",
        "head": head, "rows": rows,
        "note": f"{config.blocks} blocks of {config.block_episodes} episodes of each volatility. Models: "
        "mesasim/analysis/rescorla_wagner.py. Those without a (b, be) have one learning rate for all.",
    }  # fmt: skip
