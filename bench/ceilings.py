"""Every ceiling and floor that an independent calculation has given before, computed again by this package's exact code, beside
it: a Markdown table, and exit status 1 if one differs by more than its tolerance. `python bench/ceilings.py`, about a minute.

The numbers beside ours were measured with other scripts. A tolerance is .001 where both are exact, two standard errors (or
the rounding of the figure given, if that is more) where one was simulated. One figure is wrong, and passes by being beaten."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mesasim import baselines
from mesasim.exact import bandit, informative_arm, last_outcome, sequences, two_step
from mesasim.exact.one_way import closed_form, exact_pay
from mesasim.vector import MesaVectorEnv

TASKS = 20_000


class Row(NamedTuple):
    what: str
    before: float  # the value given elsewhere
    tolerance: float
    ours: Callable[[], float]
    how: str
    # The figure given was said to be an optimum; ours is the exact value of a policy that earns more.
    beaten: bool = False


def exact(what: str, before: float, ours: Callable[[], float], tolerance: float = 1e-3) -> Row:
    return Row(what, before, tolerance, ours, "exact")


def last_ten(arms: int, pulls: int, by: str) -> Callable[[], float]:
    """Mean reward of the best arm of the last ten pulls, simulated."""
    setting = baselines.Setting("Bandit-v0", {"arms": arms, "pulls": pulls}, TASKS, 7)
    evaluate = dict(baselines.references(setting))[f"last_ten_{by}"]
    return lambda: float(evaluate().returns.mean())


def mdp_oracle() -> float:
    """Expected optimal return of a trial of ten steps, over random MDPs of 10 states and 5 actions."""
    env = MesaVectorEnv("TabularMDP-v0", TASKS, oracle=True, seed=7)
    env.reset()
    return float(env.buffers.group["oracle"]["optimal_value"].double().mean())


def rows() -> list[Row]:
    regret = {10: 0.6449, 20: 0.9021, 30: 1.0801, 50: 1.3366, 100: 1.7482}
    # The mean of the larger of two uniform means is 2/3.
    found = [
        exact(f"two arms, {n} pulls: regret", r, lambda n=n: 2 / 3 * n - bandit.BernoulliBandit(2, n).value)
        for n, r in regret.items()
    ]
    found += [
        exact("two arms, 100 pulls: reward", 64.9184, lambda: bandit.BernoulliBandit(2, 100).value),
        exact("5 arms, 10 pulls: reward", 6.6600, lambda: bandit.BernoulliBandit(5, 10).value),
        exact("10 arms, 10 pulls: reward", 6.7140, lambda: bandit.BernoulliBandit(10, 10).value),
        exact("two arms, 100 pulls: regret at random", 16.667, lambda: 200 / 3 - bandit.floor(100)),
        exact("dependent uniform, 100 pulls: regret", 1.2214, lambda: bandit.dependent_regret(100, "dependent_uniform")),
        exact("dependent uniform, 30 pulls: regret", 0.9260, lambda: bandit.dependent_regret(30, "dependent_uniform")),
        exact("dependent easy, 100 pulls: regret", 0.6250, lambda: bandit.dependent_regret(100, "dependent_easy")),
        exact("dependent medium, 100 pulls: regret", 1.0000, lambda: bandit.dependent_regret(100, "dependent_medium")),
        exact("dependent hard, 100 pulls: regret", 2.3121, lambda: bandit.dependent_regret(100, "dependent_hard")),
        exact("informative arm, 11 arms, 5 pulls: optimum", 20.55, informative_arm.value, 0.005),
        exact("informative arm: myopic, and Thompson sampling", 11.00, informative_arm.myopic_value, 0.005),
        exact("informative arm: random", 6.61, informative_arm.random_value, 0.005),
        exact("two-step, 100 trials: optimum", 69.688, lambda: two_step.optimum(100)),
        exact("two-step, 20 trials: optimum", 13.688, lambda: two_step.optimum(20)),
        exact("two-step, 100 trials: knowing the assignment", 70.0, lambda: two_step.knowing(100)),
        Row("best memory of one, two arms, 100 pulls", 58.92, 0.15, lambda: bandit.memory_of_one(2, 100), "exact"),
        Row("the same with a clock", 59.29, 0.15, lambda: last_outcome.best_with_clock(2, 100).value,
            "exact, of a policy found, which shows that 59.29 is no optimum", beaten=True),
        Row("last ten by mean, two arms, 100 pulls (61.1 to 61.4)", 61.25, 0.30, last_ten(2, 100, "mean"), f"{TASKS:,} tasks"),
        Row("last ten by sum, 5 arms, 10 pulls", 6.02, 0.03, last_ten(5, 10, "sum"), f"{TASKS:,} tasks"),
        Row("last ten by sum, 5 arms, 100 pulls", 67.2, 0.3, last_ten(5, 100, "sum"), f"{TASKS:,} tasks"),
        Row("last ten by mean, 5 arms, 100 pulls", 70.0, 0.3, last_ten(5, 100, "mean"), f"{TASKS:,} tasks"),
        Row("tabular MDP, 10 states, 5 actions: a trial of ten steps", 21.84, 0.08, mdp_oracle, f"{TASKS:,} tasks"),
    ]  # fmt: skip
    simulated = ((5, 10, 6.29, 0.02), (5, 100, 67.98, 0.15), (10, 10, 6.44, 0.02), (10, 100, 72.66, 0.15))
    for arms, pulls, before, tolerance in simulated:
        found.append(
            Row(f"win-stay lose-shift to any arm, {arms} arms, {pulls} pulls", before, tolerance,
                lambda a=arms, p=pulls: bandit.memory_of_one(a, p, switch="uniform"), "quasi-Monte Carlo")
        )  # fmt: skip
    coin = {0: 0.69315, 1: 0.63651, 2: 0.60594, 4: 0.57346, 8: 0.54576, 16: 0.52621, 32: 0.51418, 64: 0.50741,
            128: 0.50380, 256: 0.50192}  # fmt: skip
    found += [
        exact(f"coin, window of {c}: nats", v, lambda c=c: sequences.window_loss("coin", c), 1e-5)
        for c, v in coin.items()
    ]
    found.append(exact("coin, all of the past: nats", 0.5, sequences.coin_loss, 1e-5))
    for share, before in ((1.0, 0.408), (0.5, 0.304), (0.25, 0.176)):
        budget = int(share * 4096)
        found.append(Row(f"one-way game, n=12, budget 2^n × {share:g}: closed form", {1.0: 0.402, 0.5: 0.295, 0.25: 0.188}[share],
                         1e-3, lambda b=budget: closed_form(b, 12), "exact"))  # fmt: skip
        found.append(Row(f"one-way game, n=12, budget 2^n × {share:g}: simulated elsewhere", before, 0.02,
                         lambda b=budget: exact_pay(b, 12), "exact, of this f"))  # fmt: skip
    return found


def main() -> None:
    failed = 0
    print("| quantity | elsewhere | here | difference | tolerance | |\n|---|---|---|---|---|---|")
    for row in rows():
        ours = row.ours()
        difference = ours - row.before
        agrees = difference > row.tolerance if row.beaten else abs(difference) <= row.tolerance
        bad = not np.isfinite(ours) or not agrees
        failed += bad
        verdict = "DIFFERS" if bad else row.how
        print(
            f"| {row.what} | {row.before:g} | {ours:.5g} | {difference:+.5f} | {row.tolerance:g} | {verdict} |",
            flush=True,
        )
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
