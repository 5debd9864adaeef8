"""Stay probabilities in the two-step task: how a trial's reward and transition bear on repeating its first-stage action
(Daw et al. 2011, Neuron 69:1204). A model-free learner stays after rewards, however they were come by; one that uses the
task's structure stays after a common reward or a rare miss: the reward x transition interaction.

Two limits. An agent better than chance is oftener at the right action after just the outcomes that speak for it, so that a
model-free learner shows some interaction too; whether the action was right goes into the regression as a predictor of its
own (Akam, Costa and Dayan 2015, PLoS Comput Biol 11:e1004648). And an interaction says that structure is used, not that
anything is learned: heading for wherever the last reward was shows the largest of all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from mesasim.agents.base import Agent
from mesasim.baselines.setting import Setting
from mesasim.metrics import Estimate
from mesasim.vector import MesaVectorEnv


class Trials(NamedTuple):
    """What an agent did, all [episodes, trials]."""

    action: NDArray[np.int64]  # in the first stage
    common: NDArray[np.bool_]  # the transition
    reward: NDArray[np.bool_]
    right: NDArray[np.bool_]  # the action was toward the good state


class Stay(NamedTuple):
    """Pooled over episodes; standard errors hold for episodes drawn independently (trials in one may depend on another)."""

    probability: dict[str, Estimate]  # of staying after "common_reward", "common_miss", "rare_reward", "rare_miss"
    effects: dict[
        str, Estimate
    ]  # log-odds of a predictor coded -1 or 1: "reward", "transition", "interaction", "right"
    model_free_index: Estimate  # P(stay) after rewards minus after misses, summed over transitions: -2 to 2
    model_based_index: Estimate  # common reward + rare miss - common miss - rare reward: -2 to 2


BLUR = 1e-3
NULL = 1e-12  # of the largest eigenvalue of the information: below it, nothing; BLUR keeps what is met far above
OUTCOMES = ("common_reward", "common_miss", "rare_reward", "rare_miss")
SIGNS = {  # of each outcome
    "reward": np.array([1, -1, 1, -1]),
    "transition": np.array([1, 1, -1, -1]),
    "interaction": np.array([1, -1, -1, 1]),
}


def play(
    agent: Agent, options: Mapping[str, Any], episodes: int, seed: int, *, num_threads: int | None = None,
    sample_actions: bool = False,
) -> Trials:  # fmt: skip
    """The first episode of slots 0 … episodes-1 of `seed` in TwoStep-v0, as mesasim.evaluate plays them."""
    if episodes < 1:
        raise ValueError(f"episodes: got {episodes}, allowed: at least 1")
    env = MesaVectorEnv(
        "TwoStep-v0", episodes, seed=seed, history=True, oracle=True, num_threads=num_threads, **options
    )
    env.reset()
    groups, carry = env.buffers.group, agent.initial_carry(episodes)
    generator = torch.Generator().manual_seed(seed)
    trials = Setting("TwoStep-v0", dict(options), episodes, seed).full_options()["trials"]
    rows: list[tuple[torch.Tensor, ...]] = []
    with torch.no_grad():
        for step in range(2 * trials):
            obs = {name: tensor.unsqueeze(0) for name, tensor in groups["observation"].items()}
            if agent.needs_oracle:
                obs |= {f"oracle/{name}": tensor.unsqueeze(0) for name, tensor in groups["oracle"].items()}
            logits, _, carry = agent.unroll(obs, torch.full((1, episodes), step == 0), carry)
            scores = logits[0]
            if sample_actions:
                scores = scores - torch.empty_like(scores).exponential_(generator=generator).log()
            action, good = scores.argmax(dim=-1), groups["oracle"]["good_state"][:, 0].clone()
            _, reward, *_ = env.step(action)
            if step % 2 == 0:
                chosen, right = action, action + 1 == good
            else:
                rows.append((chosen, groups["oracle"]["transition"][:, 0] == 1, reward > 0.5, right))
    return Trials(*(torch.stack(column, dim=1).numpy() for column in zip(*rows, strict=True)))


def stay(trials: Trials) -> Stay:
    """The analysis of what was done; at least two episodes of at least two trials.

    What these trials do not tell is nan, with standard error nan: the probability after an outcome that never came, indices
    made of it, and an effect that the predictors met do not identify (of whether the action was right, say, where it
    always was).

    Effects are of a logistic regression of staying on reward, transition, their product and `right`, each coded -1 or 1.
    Every combination of these is given BLUR of its count as more stays and as more shifts, so that the log-odds of who
    always does the same stay finite, the same in rare combinations as in common ones (about 7). Standard errors are
    clustered by episode (sandwich), of indices likewise.
    """
    if trials.action.ndim != 2 or min(trials.action.shape) < 2:
        raise ValueError(f"trials: got shape {trials.action.shape}, allowed: at least 2 episodes of at least 2 trials")
    stayed, total = _counts(trials)  # [episodes, 8]: outcomes of a wrong action, then of a right one
    by_outcome, seen = stayed[:, :4] + stayed[:, 4:], total[:, :4] + total[:, 4:]
    met = np.where(seen.sum(axis=0) > 0, seen.sum(axis=0), np.nan)  # nan: an outcome that never came
    chance = by_outcome.sum(axis=0) / met
    pull = (by_outcome - seen * chance) / met  # each episode's, on each probability
    indices = [_clustered(float(w @ chance), pull @ w) for w in (SIGNS["reward"], SIGNS["interaction"])]
    probability = {name: _clustered(float(chance[i]), pull[:, i]) for i, name in enumerate(OUTCOMES)}
    return Stay(probability, _logistic(stayed, total), *indices)


def _counts(trials: Trials) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times an episode stayed after, and times it met, each combination of action right or not and outcome."""
    outcome = 4 * trials.right + 2 * ~trials.common + ~trials.reward
    stayed = trials.action[:, 1:] == trials.action[:, :-1]
    met = outcome[:, :-1, None] == np.arange(8)
    return (met & stayed[:, :, None]).sum(axis=1).astype(float), met.sum(axis=1).astype(float)


def _clustered(value: float, pull: NDArray[np.float64]) -> Estimate:
    """A value with the standard error of a sum of the episodes' pulls at it, whose mean is 0."""
    return Estimate(value, float(np.sqrt((pull**2).sum() * len(pull) / (len(pull) - 1))), len(pull) - 1.0)


def _logistic(stayed: NDArray[np.float64], total: NDArray[np.float64]) -> dict[str, Estimate]:
    outcomes = np.stack([np.ones(4), *SIGNS.values()], axis=1)
    design = np.concatenate([np.column_stack([outcomes, np.full(4, right)]) for right in (-1, 1)])
    met = total.sum(axis=0)
    cells = design[met > 0]
    # An effect is identified if it is a combination of the cells met; of the others the pseudo-inverse takes the shortest.
    identified = np.isclose(np.diag(np.linalg.pinv(cells) @ cells), 1)
    met, yes = met * (1 + 2 * BLUR), stayed.sum(axis=0) + met * BLUR
    weights = np.zeros(design.shape[1])
    for _ in range(50):
        chance = 1 / (1 + np.exp(-design @ weights))
        information = design.T @ ((met * chance * (1 - chance))[:, None] * design)
        change = np.linalg.pinv(information, rcond=NULL, hermitian=True) @ design.T @ (yes - met * chance)
        weights += np.clip(change, -2, 2)
        if abs(change).max() < 1e-10:
            break
    scores = (stayed - total * chance) @ design @ np.linalg.pinv(information, rcond=NULL, hermitian=True)
    weights, scores = np.where(identified, weights, np.nan), np.where(identified, scores, np.nan)
    return {name: _clustered(float(weights[i]), scores[:, i]) for i, name in enumerate((*SIGNS, "right"), start=1)}
