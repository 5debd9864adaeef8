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
HALVINGS = 9  # of the first steps: alpha is good to 2e-4
SHARED_ALPHAS = np.linspace(0.02, 1.0, 50)


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
    return _log_likelihood(choices, rewards, arms, *(np.asarray(x, float) for x in (alpha, beta, epsilon)), initial)


def _log_likelihood(
    choices: NDArray[np.int64], rewards: Array, arms: int, alpha: Array, beta: Array, epsilon: Array, initial: float
) -> Array:
    episodes, steps = choices.shape
    shape = np.broadcast_shapes(alpha.shape, beta.shape, epsilon.shape, (episodes,))
    value = np.full((*shape, arms), float(initial))
    total = np.zeros(shape)
    for t in range(steps):
        chosen = np.arange(arms) == choices[:, t, None]  # [episodes, arms]
        of_chosen = (value * chosen).sum(-1)
        likely = 1 / np.exp(np.minimum(beta[..., None] * (value - of_chosen[..., None]), 700)).sum(-1)
        total += np.log((1 - epsilon) * likely + epsilon / arms)
        value = value + np.where(chosen, (alpha * (rewards[:, t] - of_chosen))[..., None], 0.0)
    return total


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
    data = _Data(*_checked(choices, rewards, blocks, arms), arms, initial)
    if "a" in model:
        return data.result(model, *data.search(MODELS[model], {}), parameters=len(MODELS[model]) * data.count)
    shared = alpha
    if shared is None:
        shared = _lowest(lambda a: -data.search(MODELS[model], {"alpha": a}, halvings=4)[1].sum())
    found = data.search(MODELS[model], {"alpha": shared})
    return data.result(model, *found, parameters=len(MODELS[model]) * data.count + (alpha is None))


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

    def by_block(self, point: dict[str, Array]) -> Array:
        """Log-likelihood [..., B] of parameters [..., B]."""
        each = {name: value[..., self.blocks] for name, value in point.items()}
        found = _log_likelihood(
            self.choices, self.rewards, self.arms, each["alpha"], np.exp(each["beta"]), each["epsilon"], self.initial
        )
        total = np.zeros((*found.shape[:-1], self.count))
        np.add.at(total, (..., self.blocks), found)
        return total

    def search(
        self, free: tuple[str, ...], fixed: dict[str, float], halvings: int = HALVINGS
    ) -> tuple[dict[str, Array], Array]:
        """Pattern search, every block at its own pace: from the best of a grid, to the best neighbour one step away, or
        where there is none better, half the step."""
        grid = np.array(list(product(*[STARTS[name] for name in free]))).T  # [free, starts]
        point = self._point(free, fixed, np.repeat(grid[:, :, None], self.count, axis=2))
        value = self.by_block(point)
        first = value.argmax(axis=0)
        here, best = grid[:, first], value[first, np.arange(self.count)]  # [free, B], [B]
        moves = np.array(list(product((-1.0, 0.0, 1.0), repeat=len(free)))).T  # [free, moves]
        step, halved = np.array([FIRST_STEP[name] for name in free])[:, None], np.zeros(self.count, int)
        low, high = (np.array([side[name] for name in free])[:, None, None] for side in (LOW, HIGH))
        while (halved < halvings).any():
            tried = np.clip(here[:, None] + moves[:, :, None] * (step * 0.5**halved)[:, None], low, high)
            value = self.by_block(self._point(free, fixed, tried))
            move = value.argmax(axis=0)
            reached = value[move, np.arange(self.count)]
            better = reached > best + 1e-9
            here = np.where(better, tried[:, move, np.arange(self.count)], here)
            best = np.where(better, reached, best)
            halved += ~better
        return self._point(free, fixed, here), best

    def _point(self, free: tuple[str, ...], fixed: dict[str, float], values: Array) -> dict[str, Array]:
        given = {"alpha": 0.0, "epsilon": 0.0} | fixed
        point = {name: np.full(values.shape[1:], value) for name, value in given.items()}
        return point | {name: values[i] for i, name in enumerate(free)}

    def result(self, model: str, point: dict[str, Array], best: Array, parameters: int) -> Fit:
        choices = np.bincount(self.blocks, minlength=self.count) * float(self.choices.shape[1])
        return Fit(model, point["alpha"], np.exp(point["beta"]), point["epsilon"], best, choices, parameters)


def _lowest(loss: Any) -> float:
    """The alpha of lowest loss: the best of a grid, then golden sections around it."""
    found = [loss(a) for a in SHARED_ALPHAS[::5]]
    best = float(SHARED_ALPHAS[::5][int(np.argmin(found))])
    low, high = max(0.0, best - 0.1), min(1.0, best + 0.1)
    ratio = (5**0.5 - 1) / 2
    inner = [high - ratio * (high - low), low + ratio * (high - low)]
    value = [loss(a) for a in inner]
    while high - low > 1e-3:
        if value[0] <= value[1]:
            high, inner[1], value[1] = inner[1], inner[0], value[0]
            inner[0] = high - ratio * (high - low)
            value[0] = loss(inner[0])
        else:
            low, inner[0], value[0] = inner[0], inner[1], value[1]
            inner[1] = low + ratio * (high - low)
            value[1] = loss(inner[1])
    return (low + high) / 2


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
