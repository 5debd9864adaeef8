"""Exact and counted predictors of sequences, in NumPy: the best predictor with a window of c symbols and its loss, n-grams of
order c, and the loss of a coin's filter. The filters themselves are native (mesasim.sequences); no torch here.

All losses are in nats a symbol. Two-symbol processes only, but for n-grams."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, digamma

from mesasim import _core
from mesasim.exact.bandit import _integer

Floats = NDArray[np.float64]
MAX_ENUMERATED = 16  # symbols of a window whose histories are listed one by one
MAX_NGRAM_CELLS = 2**24
LONGEST_STREAK = {
    "pairs": 2,
    "markov": 1,
    "streak": 40,
    "regimes": 5,
}  # beyond it nothing changes (pairs: it alternates)
PAIR_BEGINS = 0.2
# Rules of W3, a regime each line: chance that a streak of (sun, rain) ends before and from day `length` on (sun, rain).
RULES = (
    [((1.0, 1.0), (1.0, 1.0), (1, 1))],
    [((p, 1 - p), (p, 1 - p), (1, 1)) for p in (0.1, 0.3, 0.5, 0.7, 0.9)],
    [((0.15, 0.15), (0.15, 0.15), (1, 1))],
    [((0.05, 0.05), (0.5, 0.5), (days, days)) for days in (4, 5)],
    [((0.0, 0.0), (1.0, 1.0), (1, 2))],
)


def entropy(chance: ArrayLike) -> Floats:
    """Of a coin, in nats; 0 at 0 and 1."""
    p = np.asarray(chance, dtype=np.float64)
    q = 1 - p
    return -(
        np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0) + np.where(q > 0, q * np.log(np.where(q > 0, q, 1)), 0)
    )


# Windows


def window_loss(process: str, context: int, **options: float) -> float:
    """Expected loss, in the long run, of the best predictor that sees the last `context` symbols and nothing else, not even
    how many came before; 0 allowed.

    Args:
        process: coin or switching_coin (alpha, beta, hazard), or of the weather ladder (hazard, noise of regimes). A coin
            has a closed form and no limit on `context`.

    Raises:
        TypeError, ValueError: a negative context; one above MAX_ENUMERATED where all histories must be listed; another
            process; an option that mesasim.sequences does not know or allow.
    """
    context, law = _context(process, context), _checked_options(process, options)
    if process == "coin":
        ones, a, b = np.arange(context + 1), law["alpha"], law["beta"]
        log_choose = -betaln(ones + 1, context - ones + 1) - np.log(context + 1)
        mass = np.exp(log_choose + betaln(a + ones, b + context - ones) - betaln(a, b))
        return float(mass @ entropy((a + ones) / (a + b + context)))
    mass, one = _windows(process, context, law)
    return float(mass @ entropy(one))


def window_chances(process: str, context: int, **options: float) -> Floats:
    """Chance of symbol 1 after each of the 2^context windows, float64: index is the window read as a binary number, the last
    symbol its lowest bit. A window that cannot occur has chance 1/2. See `window_loss`."""
    context = _context(process, context)
    if context > MAX_ENUMERATED:
        raise ValueError(f"context: got {context}, allowed: up to {MAX_ENUMERATED} where every window is listed")
    return _windows(process, context, _checked_options(process, options))[1]


def coin_loss(alpha: float = 1.0, beta: float = 1.0) -> float:
    """Expected entropy of a coin whose bias is from Beta(alpha, beta): the loss once the bias is known, the limit of
    `window_loss("coin", c)`; 1/2 for the uniform prior."""
    law = _checked_options("coin", {"alpha": alpha, "beta": beta})
    a, b = law["alpha"], law["beta"]
    total = digamma(a + b + 1)
    return float((a * (total - digamma(a + 1)) + b * (total - digamma(b + 1))) / (a + b))


def _context(process: str, context: Any) -> int:
    if process not in ("coin", "switching_coin", *LONGEST_STREAK):
        raise ValueError(f"process: got {process!r}, allowed: coin, switching_coin, {', '.join(LONGEST_STREAK)}")
    context = _integer("context", context, 0)
    if process != "coin" and context > MAX_ENUMERATED:
        raise ValueError(
            f"context: got {context}, allowed: up to {MAX_ENUMERATED} for {process}, whose 2^context histories are listed one "
            "by one; take an n-gram counted on more data instead"
        )
    return context


def _checked_options(process: str, given: dict[str, float]) -> dict[str, Any]:
    """All of the process's options, those not given at their defaults; refused as the engine refuses them."""
    _core.SequenceLaw({"process": process, **given})
    return {option.name: option.default for option in _core.sequence_options()} | given


def _windows(process: str, context: int, law: dict[str, Any]) -> tuple[Floats, Floats]:
    """(probability of each window, chance of symbol 1 after it)."""
    if process in ("coin", "switching_coin"):
        return _windows_of_coin(
            context, law["alpha"], law["beta"], law["hazard"] if process == "switching_coin" else 0.0
        )
    start, move = chain(process, hazard=law["hazard"], noise=law["noise"])
    masses = long_run(start, move[0] + move[1])[None]
    for _ in range(context):
        masses = np.stack([masses @ move[0], masses @ move[1]], axis=1).reshape(-1, len(start))
    mass = masses.sum(axis=1)
    one = (masses @ move[1]).sum(axis=1)
    return mass, np.where(mass > 0, one / np.where(mass > 0, mass, 1), 0.5)


def _windows_of_coin(context: int, a: float, b: float, hazard: float) -> tuple[Floats, Floats]:
    """A switching coin forgets everything when its bias is drawn anew, so a window is as likely wherever it stands, and what
    can be known from it is what the filter knows that began at its first symbol."""
    mass, weights, ones = np.ones(1), np.ones((1, 1)), np.zeros((1, 1))
    for time in range(context + 1):
        chance = (a + ones) / (a + b + time - np.arange(time + 1))
        one = (weights * chance).sum(axis=1)
        if time == context:
            return mass, one
        both = []
        for symbol, likelihood in ((0, 1 - chance), (1, chance)):
            after = weights * likelihood
            total = after.sum(axis=1, keepdims=True)
            new = np.full((len(after), 1), hazard)
            grown = np.concatenate([(1 - hazard) * after / total, new], axis=1)
            both.append((mass * total[:, 0], grown, np.concatenate([ones + symbol, np.zeros_like(new)], axis=1)))
        mass, weights, ones = (
            np.stack(pair, axis=1).reshape(-1, *pair[0].shape[1:]) for pair in zip(*both, strict=True)
        )
    raise AssertionError


# The weather ladder as a Markov chain over (rule, last symbol, streak)


def chain(process: str, *, hazard: float = 0.02, noise: float = 0.05) -> tuple[Floats, tuple[Floats, Floats]]:
    """(distribution after the first symbol [states], transitions that send 0 and 1, [states, states] each)."""
    longest = LONGEST_STREAK[process]
    rules = [(1 / len(RULES) / len(regime), rule) for regime in RULES for rule in regime]
    prior = np.array([share for share, _ in rules]) if process == "regimes" else np.ones(1)
    change = (1 - hazard) * np.eye(len(prior)) + hazard * prior if process == "regimes" else np.ones((1, 1))
    first_rain = {"pairs": PAIR_BEGINS, "markov": 0.25}.get(process, 0.5)
    shape = (len(prior), 2, longest)
    start = np.zeros(shape)
    start[:, 0, 0], start[:, 1, 0] = prior * (1 - first_rain), prior * first_rain
    start = np.einsum("rls,rq->qls", start, change)  # the rule in force is that of the symbol to come
    move = np.zeros((2, *shape, *shape))
    for rule in range(len(prior)):
        for last in (0, 1):
            for streak in range(1, longest + 1):
                rain = _rain(process, rules[rule][1], last, streak, noise)
                for symbol, chance in ((0, 1 - rain), (1, rain)):
                    after = 1 if symbol != last else streak + 1
                    if after > longest:
                        after = 1 if process == "pairs" else longest
                    move[symbol, rule, last, streak - 1, :, symbol, after - 1] += chance * change[rule]
    size = start.size
    return start.reshape(size), (move[0].reshape(size, size), move[1].reshape(size, size))


def _rain(process: str, rule: Any, last: int, streak: int, noise: float) -> float:
    if process == "pairs":
        return 1.0 if last == 1 and streak == 1 else PAIR_BEGINS
    if process == "markov":
        return 0.7 if last == 1 else 0.1
    if process == "streak":
        end = 0.06 + (0.38 if last == 1 else 0.3) * 0.7 ** (streak - 1)
        return 1 - end if last == 1 else end
    young, old, length = rule
    end = young[last] if streak < length[last] else old[last]
    rain = 1 - end if last == 1 else end
    return rain * (1 - noise) + (1 - rain) * noise


def long_run(start: Floats, move: Floats) -> Floats:
    """Average over time of where the chain is, begun at `start`: by squaring the lazy chain, which has the same average and
    no period."""
    lazy = (move + np.eye(len(move))) / 2
    for _ in range(60):
        lazy = lazy @ lazy
        lazy /= lazy.sum(axis=1, keepdims=True)
    return np.asarray(start @ lazy)


# n-grams


class NGram:
    """What came how often after each context of `order` symbols, add-1/2 smoothed (Krichevsky and Trofimov 1981). The first
    symbols of a sequence, before there is a whole context, are predicted from the shorter one there is.

    Args:
        order: symbols of a context, from 0.
        num_symbols: K.
    """

    def __init__(self, order: int, num_symbols: int = 2) -> None:
        self.order, self.num_symbols = _integer("order", order, 0), _integer("num_symbols", num_symbols, 2, 256)
        if num_symbols ** (order + 1) > MAX_NGRAM_CELLS:
            raise ValueError(
                f"order: got {order} with {num_symbols} symbols, allowed: num_symbols^(order + 1) up to 2^24"
            )
        self.counts = [np.zeros((num_symbols**c, num_symbols), dtype=np.int64) for c in range(order + 1)]
        self.symbols_seen = 0

    def fit(self, symbols: ArrayLike) -> NGram:
        """Counts sequences [count, length], in addition to those counted before."""
        given = self._checked(symbols)
        for c, counts in enumerate(self.counts):
            cells = self._contexts(given, c)[:, c:] * self.num_symbols + given[:, c:]
            counts += np.bincount(cells.ravel(), minlength=counts.size).reshape(counts.shape)
        self.symbols_seen += given.size
        return self

    def table(self, context: int) -> Floats:
        """Chances after each context of that many symbols (at most `order`), float64 [K^context, K]; a context is read as a
        number to base K, its last symbol the lowest digit."""
        smoothed = self.counts[context] + 0.5
        return np.asarray(smoothed / smoothed.sum(axis=1, keepdims=True))

    def chances(self, symbols: ArrayLike) -> Floats:
        """Chances of each symbol before it came, float64 [count, length, K]."""
        given = self._checked(symbols)
        result = np.empty((*given.shape, self.num_symbols))
        for c in range(self.order + 1):
            whole = slice(c, c + 1) if c < self.order else slice(c, None)
            result[:, whole] = self.table(c)[self._contexts(given, c)[:, whole]]
        return result

    def losses(self, symbols: ArrayLike) -> Floats:
        """Loss of each symbol in nats, float64 [count, length]."""
        given = self._checked(symbols)
        return -np.log(np.take_along_axis(self.chances(given), given[..., None], axis=2)[..., 0])

    def _contexts(self, symbols: NDArray[np.int64], context: int) -> NDArray[np.int64]:
        """The `context` symbols before each as a number; right from position `context` on."""
        number = np.zeros_like(symbols)
        for lag in range(context, 0, -1):
            number[:, lag:] = number[:, lag:] * self.num_symbols + symbols[:, :-lag]
        return number

    def _checked(self, symbols: ArrayLike) -> NDArray[np.int64]:
        given = np.asarray(symbols)
        if given.ndim != 2 or not np.issubdtype(given.dtype, np.integer):
            raise ValueError(f"symbols: got {given.dtype} {given.shape}, allowed: integers [count, length]")
        if given.size and not 0 <= given.min() <= given.max() < self.num_symbols:
            raise ValueError(f"symbols: got {given.min()} to {given.max()}, allowed: 0 to {self.num_symbols - 1}")
        return given.astype(np.int64)
