"""Exact values of tabular MDPs (TabularMDP-v0) over a finite horizon, for many MDPs at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Solution(NamedTuple):
    """Undiscounted; `step` counts from a trial's start."""

    values: NDArray[np.float64]  # [N, H + 1, S]: V*(step, state), 0 at step H
    action_values: NDArray[np.float64]  # [N, H, S, A]: Q*(step, state, action)


def solve(mean_rewards: ArrayLike, transitions: ArrayLike, horizon: int) -> Solution:
    """Backward induction (Bellman 1957).

    Args:
        mean_rewards: [N, S, A].
        transitions: [N, S, A, S], rows that sum to 1 within 1e-4.
        horizon: steps in a trial, at least 1.
    """
    rewards, chances = np.asarray(mean_rewards, np.float64), np.asarray(transitions, np.float64)
    if rewards.ndim != 3 or chances.shape != (*rewards.shape, rewards.shape[1]):
        raise ValueError(
            f"transitions: got shape {chances.shape} beside mean_rewards {rewards.shape}, allowed: [N, S, A, S] beside "
            "[N, S, A]"
        )
    if not isinstance(horizon, (int, np.integer)) or isinstance(horizon, bool) or horizon < 1:
        raise ValueError(f"horizon: got {horizon!r}, allowed: integers from 1")
    if not np.isfinite(rewards).all():
        raise ValueError("mean_rewards: got values that are not finite, allowed: finite ones")
    if not (chances >= 0).all() or not np.allclose(chances.sum(axis=-1), 1, atol=1e-4):
        raise ValueError("transitions: got rows that are no probabilities, allowed: from 0, summing to 1")
    tasks, states, actions = rewards.shape
    values = np.zeros((tasks, horizon + 1, states))
    action_values = np.empty((tasks, horizon, states, actions))
    flat = chances.reshape(tasks, states * actions, states)
    for step in reversed(range(horizon)):
        after = np.matmul(flat, values[:, step + 1, :, None])
        action_values[:, step] = rewards + after.reshape(rewards.shape)
        values[:, step] = action_values[:, step].max(axis=-1)
    return Solution(values, action_values)


def floor(options: dict[str, Any]) -> float:
    """Expected reward of an episode for any policy that does not look at rewards: which pairs it visits then says nothing
    about what they pay. `options`: those of TabularMDP-v0, all of them."""
    return float(options["mean"] * options["horizon"] * options["trials"])
