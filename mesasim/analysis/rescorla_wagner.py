"""Maximum-likelihood fits of Rescorla-Wagner learning to an agent's choices: which learning rate would have made them?

Values start at `initial` and value += alpha (reward - value) for the arm pulled (Rescorla and Wagner 1972; Sutton and Barto
2018, eq. 2.5). Arm a is chosen with probability (1 - epsilon) softmax(beta value)_a + epsilon / arms: epsilon is a lapse, a
choice at random. Wang et al. 2016 (arXiv 1611.05763) fit models called b, ab, be and abe, by their free parameters; its
tables could not be read, so what is fixed where is defined here:

    model  a block's own          shared by all blocks
    b      beta                   alpha
    be     beta, epsilon          alpha
    ab     alpha, beta
    abe    alpha, beta, epsilon

The shared alpha is fitted too, unless it is given. So b and be say that one learning rate made all blocks, ab and abe that it
differed, and BIC = (free parameters) ln(choices) - 2 ln L (Schwarz 1978), over all blocks together, tells which. Fits of
this kind and their pitfalls: Wilson and Collins 2019, "Ten simple rules for the computational modeling of behavioral data".
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
MODELS = {"b": ("beta",), "be": ("beta", "epsilon"), "ab": ("alpha", "beta"), "abe": ("alpha", "beta", "epsilon")}
LOW = {"alpha": 0.0, "beta": np.log(0.01), "epsilon": 0.0}  # beta is searched by its logarithm
HIGH = {"alpha": 1.0, "beta": np.log(200.0), "epsilon": 1.0}
STARTS = {
    "alpha": (0.05, 0.15, 0.35, 0.6, 0.9),
    "beta": tuple(np.log((0.3, 1.0, 3.0, 9.0, 27.0))),
    "epsilon": (0.02, 0.2),
}
FIRST_STEP = {"alpha": 0.1, "beta": 0.5, "epsilon": 0.05}
NUMBERS_AT_ONCE = 1_000_000  # a few megabytes: more is slower
NATS = 1e-4  # a smaller gain is none: along a ridge there is always one
HALVINGS = 9  # of the first steps: alpha is good to 2e-4


@dataclass(frozen=True)
class Fit:
    """One model's best parameters; B blocks. What a model does not have is 0 (epsilon) or the same in all blocks (alpha)."""

    model: str
    alpha: Array  # [B]
    beta: Array  # [B]: inverse temperature, 0.01 to 200; at 200 choices are as good as greedy
    epsilon: Array  # [B]
    log_likelihood: Array  # [B], nats
    choices: Array  # [B]: how many choices each block has
    parameters: int  # free ones, all blocks together

    @property
    def bic(self) -> float:
        """Lower is better; over all blocks together."""
        return float(self.parameters * np.log(self.choices.sum()) - 2 * self.log_likelihood.sum())


def log_likelihood(
    choices: ArrayLike,
    rewards: ArrayLike,
    arms: int,
    alpha: ArrayLike,
    beta: ArrayLike,
    epsilon: ArrayLike = 0.0,
    *,
    initial: float = 0.5,
) -> Array:
    """Of each episode: [..., episodes], for parameters that broadcast to that; choices and rewards are [episodes, T]."""
    choices, rewards, _ = _checked(choices, rewards, np.zeros(len(np.asarray(choices)), np.int64), arms)
    lead = _lead(choices, rewards, arms, np.asarray(alpha, float), initial)
    return _likelihood(lead, arms, np.asarray(beta, float), np.asarray(epsilon, float))


def _lead(choices: NDArray[np.int64], rewards: Array, arms: int, alpha: Array, initial: float) -> Array:
    """By how much the value of each other arm is above that of the arm chosen, [..., episodes, T, arms - 1]."""
    episodes, steps = choices.shape
    shape = np.broadcast_shapes(alpha.shape, (episodes,))
    rate = np.broadcast_to(alpha, shape)[..., None]
    values = np.empty((*shape, steps, arms))
    value = np.full((*shape, arms), float(initial))
    chosen = np.arange(arms) == choices[:, :, None]  # [episodes, T, arms]
    for t in range(steps):
        values[..., t, :] = value
        value = value + chosen[:, t] * rate * (rewards[:, t, None] - value)
    others = (choices[:, :, None] + np.arange(arms)) % arms  # the chosen one first
    values = np.take_along_axis(values, np.broadcast_to(others, values.shape), axis=-1)
    return values[..., 1:] - values[..., :1]


def _likelihood(lead: Array, arms: int, beta: Array, epsilon: Array) -> Array:
    """Log-likelihood of each episode [..., episodes] from `_lead`."""
    against = np.exp(np.minimum(beta[..., None, None] * lead, 700)).sum(axis=-1)
    likely = (1 - epsilon)[..., None] / (1 + against) + epsilon[..., None] / arms
    return np.log(likely).sum(axis=-1)


def fit(
    choices: ArrayLike,
    rewards: ArrayLike,
    blocks: ArrayLike,
    model: str = "ab",
    *,
    arms: int = 2,
    alpha: float | None = None,
    initial: float = 0.5,
) -> Fit:
    """Fits one model, all blocks at once.

    Args:
        choices: the arms pulled, integers [episodes, T]. Values start anew in each episode.
        rewards: what they paid, [episodes, T].
        blocks: which block each episode belongs to, integers [episodes]; blocks 0 … B - 1, each with an episode.
        model: "b", "be", "ab" or "abe".
        alpha: the learning rate of b and be where it is known; None: the best one for all blocks together.

    Raises:
        ValueError: naming the argument, for shapes that do not match, rewards that are not finite, arms that are not there.
    """
    if model not in MODELS:
        raise ValueError(f"model: got {model!r}, allowed: {', '.join(map(repr, MODELS))}")
    if alpha is not None and ("a" in model or not 0 <= alpha <= 1):
        raise ValueError(f"alpha: got {alpha!r} with model {model!r}, allowed: 0 to 1 with b or be, else None")
    free, data = MODELS[model], _Data(*_checked(choices, rewards, blocks, arms), arms, initial)
    if "a" in model:
        point, best = data.search(free)
        return data.result(model, point, best, parameters=len(free) * data.count)
    shared = data.shared_alpha(free) if alpha is None else alpha
    point, best = data.search(free, np.array([[shared]]))
    first = {name: value[0] for name, value in point.items()}
    return data.result(model, first, best[0], parameters=len(free) * data.count + (alpha is None))


def compare(choices: ArrayLike, rewards: ArrayLike, blocks: ArrayLike, **settings: Any) -> dict[str, Fit]:
    """Every model's fit, best (lowest BIC) first; `settings` as `fit` takes them."""
    fits = [fit(choices, rewards, blocks, model, **settings) for model in MODELS]
    return {one.model: one for one in sorted(fits, key=lambda one: one.bic)}


@dataclass
class _Data:
    choices: NDArray[np.int64]
    rewards: Array
    blocks: NDArray[np.int64]
    arms: int
    initial: float

    def __post_init__(self) -> None:
        self.count = int(self.blocks.max()) + 1
        self.members = (self.blocks[:, None] == np.arange(self.count)).astype(float)  # [episodes, B]

    def lead(self, alpha: Array) -> Array:
        return _lead(self.choices, self.rewards, self.arms, alpha[..., self.blocks], self.initial)

    def by_block(self, point: dict[str, Array], lead: Array | None = None) -> Array:
        """Log-likelihood [..., B] of parameters [..., B]; `lead` where that is known."""
        lead = self.lead(point["alpha"]) if lead is None else lead
        beta, epsilon = np.exp(point["beta"])[..., self.blocks], point["epsilon"][..., self.blocks]
        return _likelihood(lead, self.arms, beta, epsilon) @ self.members

    def search(
        self, free: tuple[str, ...], alpha: Array | None = None, halvings: int = HALVINGS
    ) -> tuple[dict[str, Array], Array]:
        """Pattern search, every block at its own pace: from the best of a grid, to the best neighbour one step away, or
        where there is none better, half the step. With learning rates `alpha` [A, 1] given, for each of them: parameters
        and log-likelihoods are then [A, B], else [B]."""
        shape = (self.count,) if alpha is None else (len(alpha), self.count)
        given = {} if alpha is None else {"alpha": np.broadcast_to(alpha, shape)}
        lead = None if alpha is None else self.lead(given["alpha"])
        numbers = self.choices.size * self.arms * (1 if alpha is None else len(alpha))  # that one point takes
        at_once = max(1, NUMBERS_AT_ONCE // numbers)

        def of(values: Array) -> dict[str, Array]:  # [free, ...] → by name
            point = {name: np.broadcast_to(value, values.shape[1:]) for name, value in given.items()}
            point = {"epsilon": np.zeros(values.shape[1:])} | point
            return point | {name: values[i] for i, name in enumerate(free)}

        def best_of(tried: Array) -> tuple[Array, Array]:
            """Of points [free, points, *shape] the likeliest, [free, *shape], and how likely it is."""
            parts = range(0, tried.shape[1], at_once)
            value = np.concatenate([self.by_block(of(tried[:, i : i + at_once]), lead) for i in parts])
            first = value.argmax(axis=0)[None]
            return np.take_along_axis(tried, first[None], 1)[:, 0], np.take_along_axis(value, first, 0)[0]

        def column(values: Any) -> Array:  # [free, …] in front of a point's own axes
            array = np.array(list(values), dtype=float)
            return array.reshape(array.shape + (1,) * len(shape))

        starts = column(product(*[STARTS[name] for name in free])).swapaxes(0, 1)
        here, best = best_of(np.broadcast_to(starts, (*starts.shape[:2], *shape)))
        moves = column(product((-1.0, 0.0, 1.0), repeat=len(free))).swapaxes(0, 1)
        step, low, high = (column(side[name] for name in free) for side in (FIRST_STEP, LOW, HIGH))
        halved = np.zeros(shape, int)
        while (halved < halvings).any():
            size = (step * 0.5**halved)[:, None]
            tried, reached = best_of(np.clip(here[:, None] + moves * size, low[:, None], high[:, None]))
            better = reached > best + NATS
            here, best = np.where(better, tried, here), np.where(better, reached, best)
            halved += ~better
        return of(here), best

    def shared_alpha(self, free: tuple[str, ...]) -> float:
        """The likeliest learning rate of all blocks: the best of a grid, of a finer one around it, and then the top of the
        parabola through its neighbours."""
        low, high, best, top = 0.0, 1.0, 0.0, 0.0
        for points in (11, 9):
            tried = np.linspace(low, high, points)
            total = self.search(free, tried[:, None], halvings=5)[1].sum(axis=1)
            i, gap = int(total.argmax()), tried[1] - tried[0]
            best, top = float(tried[i]), 0.0
            if 0 < i < points - 1:
                bend = total[i - 1] - 2 * total[i] + total[i + 1]
                top = 0.5 * (total[i - 1] - total[i + 1]) / bend if bend < 0 else 0.0
            low, high = max(0.0, best - gap), min(1.0, best + gap)
        return float(np.clip(best + top * gap, 0, 1))

    def result(self, model: str, point: dict[str, Array], best: Array, parameters: int) -> Fit:
        choices = self.members.sum(axis=0) * self.choices.shape[1]
        return Fit(model, point["alpha"], np.exp(point["beta"]), point["epsilon"], best, choices, parameters)


def _checked(
    choices: ArrayLike, rewards: ArrayLike, blocks: ArrayLike, arms: int
) -> tuple[NDArray[np.int64], Array, NDArray[np.int64]]:
    choices, rewards, blocks = np.asarray(choices), np.asarray(rewards, dtype=np.float64), np.asarray(blocks)
    if choices.ndim != 2 or not choices.size or not np.issubdtype(choices.dtype, np.integer):
        raise ValueError(f"choices: got {choices.dtype} {choices.shape}, allowed: integers [episodes, T]")
    if choices.min() < 0 or choices.max() >= arms:
        raise ValueError(f"choices: got {choices.min()} to {choices.max()}, allowed: 0 to {arms - 1}")
    if rewards.shape != choices.shape or not np.isfinite(rewards).all():
        raise ValueError(f"rewards: got shape {rewards.shape} or some not finite, allowed: finite, {choices.shape}")
    if blocks.shape != (len(choices),) or not np.issubdtype(blocks.dtype, np.integer):
        raise ValueError(f"blocks: got {blocks.dtype} {blocks.shape}, allowed: integers [{len(choices)}]")
    if blocks.min() < 0 or len(np.unique(blocks)) != blocks.max() + 1:
        raise ValueError("blocks: got numbers with gaps or below 0, allowed: 0 … B - 1, each with an episode")
    return choices.astype(np.int64), rewards, blocks.astype(np.int64)
