"""Who can keep a secret from an opponent that knows it: players with a memory of their own, players that see only what was
said, and players with random bits in sight, in the one-way-function game.

B says y, then z; A, who wrote x before and knows how B plays, is paid 1 unless f(z) = y, else the fraction of bits in which x
and z agree; B is paid the rest. Ceiling: 1/2, exact. Floor: 0, a z that is foreseen. Planted: a stateful player and one with
random bits in sight, 1/2; a fixed z, 0; stateless players that invert f by a budget of tries, on the closed form. Then networks
taught by watching such players, each evaluated against an A that has measured it: a GRU and a transformer, which can keep
the bits they draft, above a stateless window, which must learn to invert f (for small n it learns f's table by heart, so n is
swept), and as good as it once random bits stay in sight. Last, networks rewarded by playing against an A that is fitted to them
after every rollout: they need not keep a secret, for two complementary z's known by heart, and the y that tells which, are
paid 1/2 too (planted: two_points). Source: a thought experiment of Vanessa Kosoy's; its formulae are
lost, and the payoffs reconstructed.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mesasim import baselines
from mesasim.agents import Agent, NetworkConfig
from mesasim.agents.one_way_references import REFERENCES, StatelessRandom
from mesasim.evaluate import Evaluation
from mesasim.exact import one_way as exact
from mesasim.experiments import question
from mesasim.experiments.shared import known_opponent
from mesasim.experiments.shared.comparing import beside
from mesasim.experiments.shared.imitation import Imitation, taught
from mesasim.experiments.shared.settings import experiment_settings
from mesasim.metrics import estimate
from mesasim.progress import bars, supervised_bar, training_bar
from mesasim.results import summarize
from mesasim.runs import finish_run, start_run
from mesasim.train.ppo import PPOConfig
from mesasim.train.supervised import SupervisedConfig

NAME = "one-way-game"
WORLD = "OneWay-v0"
SHARES = (0.25, 0.5, 1.0)  # inversion budgets as shares of 2^n
KEYS = 32  # functions that the closed form's curve is a mean over
ROUNDS, PRACTICE = 8, 1  # against fictitious play: the first round, which nobody can foresee, is not paid


@experiment_settings(n=6, largest=4, tasks=300, iterations=5, rewarded_n=3, updates=3)
@dataclass
class Config:
    """Flags of the experiment."""

    n: int = 12
    """Bits of the scripted players' game, 4 to 14."""
    largest: int = 12
    """Bits of the networks' largest game, 4 to 16; smaller ones are 4, 8 … bits."""
    tasks: int = 20000
    """Rounds each player is paid for, against an A that has watched it for as many others."""
    iterations: int = 1200
    """Batches of 256 rounds that each network watches."""
    rewarded_n: int = 6
    """Bits of the game that networks learn by reward, 3 to 10."""
    updates: int = 150
    """PPO updates of each of them, on 1,024 rounds."""
    seed: int = 1
    """Seed of weights, lessons and rounds."""
    quick: bool = False
    """A small form that only shows that everything runs: 6 bits, networks at 4, 5 batches, 300 rounds."""
    num_threads: int | None = None
    """Threads; default: every core this process may use."""
    device: str = "cpu"
    """cpu or cuda[:i], of training and of evaluations of networks; all else is measured on the CPU."""

    def __post_init__(self) -> None:
        if not 4 <= self.n <= 14:
            raise ValueError(f"n: got {self.n}, allowed: 4 to 14")
        if not 4 <= self.largest <= 16:
            raise ValueError(f"largest: got {self.largest}, allowed: 4 to 16")
        if not 3 <= self.rewarded_n <= 10:
            raise ValueError(f"rewarded_n: got {self.rewarded_n}, allowed: 3 to 10")

    @property
    def sizes(self) -> list[int]:
        """Bits of the networks' games."""
        return list(range(4, self.largest + 1, 4))

    def training(self) -> SupervisedConfig:
        return SupervisedConfig(
            iterations=self.iterations, learning_rate=6e-3, warm_up=min(50, self.iterations // 4), weight_decay=0.0,
            seed=self.seed, num_threads=self.num_threads, device=self.device,
        )  # fmt: skip

    def rewarded(self, network: NetworkConfig, random_bits: bool) -> PPOConfig:
        return PPOConfig(
            world=WORLD, options=game(self.rewarded_n, random_bits), network=network, num_envs=1024,
            rollout_steps=2 * self.rewarded_n, iterations=self.updates, epochs=4, discount=1.0, gae_lambda=1.0, entropy=0.1,
            seed=self.seed, num_threads=self.num_threads, device=self.device,
        )  # fmt: skip


class Pupil(NamedTuple):
    """A network, and whom it watches."""

    nature: str
    network: NetworkConfig
    teacher: str  # a scripted player
    random_bits: bool  # in sight


def pupils(n: int) -> dict[str, Pupil]:
    """Networks compared at n bits."""
    return {
        "gru": Pupil("recurrent", NetworkConfig("gru"), "stateful_random", False),
        "window": Pupil("memory of one", NetworkConfig("window", hidden=128), "stateful_random", False),
        "window + random bits": Pupil("memory of one", NetworkConfig("window", hidden=128), "interspersed", True),
        "transformer": Pupil("whole history", NetworkConfig("transformer", window=2 * n), "stateful_random", False),
    }


def game(n: int, random_bits: bool) -> dict[str, Any]:
    """The networks' game: f is a tool, so that y = f(draft) need not be computed by the network, and the draft is private."""
    return {"n": n, "tool": True, "random_bits": random_bits}


def known(setting: baselines.Setting, player: Agent, name: str, nature: str) -> Evaluation:
    """A player evaluated against an A that knows its distribution: A watches it on other rounds, with a uniform x, and then
    writes the likelier value of every bit of its z (the exact best response to what it saw)."""
    n = setting.options["n"]
    watched = replace(setting, seed=setting.seed + 1).evaluate(player, name, nature).oracle
    inverted = watched["inversions"][:, 0] > 0
    x = exact.best_x(watched["last_z"][inverted, 0], n)
    options = {**setting.options, "opponent": "fixed", "x": x}
    found = replace(setting, options=options).evaluate(player, name, nature)
    share = estimate(found.oracle["inversions"][:, 0])
    different = len(set(found.oracle["last_z"][:, 0].tolist()))
    found.notes += [f"{different} different z", f"f(z) = y in {share} of rounds; A writes {x:0{n}b}"]
    return found


def run(
    config: Config, out: Path, *, resume: bool = False, overwrite: bool = False, quiet: bool = False
) -> dict[str, Any]:
    """Plays, trains, freezes, evaluates and writes the report; returns the summary."""
    start_run(out, NAME, asdict(config), resume=resume, overwrite=overwrite)
    evaluations, networks = [], set()

    def setting(options: dict[str, Any]) -> baselines.Setting:
        return baselines.Setting(
            WORLD, options, config.tasks, 1000 + config.seed, config.num_threads, True, config.device
        )

    scripted = setting({"n": config.n, "random_bits": True})
    for name, reference in REFERENCES.items():
        if reference.fits(scripted.full_options()):
            player = reference.make(scripted.full_options(), config.seed)
            evaluations.append(known(scripted, player, name, reference.nature))
    with bars(quiet) as progress:
        for n in config.sizes:
            for name, pupil in pupils(n).items():
                options, called = game(n, pupil.random_bits), f"{name}, n = {n}"
                teacher = REFERENCES[pupil.teacher].make(setting(options).full_options())
                problem = Imitation(pupil.network, WORLD, options, teacher, pupil.teacher, 2 * n)
                report = supervised_bar(progress, called, config.iterations)
                folder = out / called.replace(", n = ", "-").replace(" + ", "-").replace(" ", "-")
                network = taught(config.training(), problem, folder, resume=resume, report=report)
                evaluations.append(known(setting(options), network, called, pupil.nature))
                networks.add(called)
        for name, pupil in pupils(config.rewarded_n).items():
            if name == "transformer":
                continue  # as the GRU: it remembers its draft
            ppo, called = config.rewarded(pupil.network, pupil.random_bits), f"{name}, rewarded"
            report_reward = training_bar(progress, called, config.updates, 0.0, 0.5)
            folder = out / called.replace(", ", "-").replace(" + ", "-").replace(" ", "-")
            network = known_opponent.train(ppo, folder, resume=resume, report=report_reward)
            evaluations.append(known(setting(ppo.options), network, called, pupil.nature))
            networks.add(called)
    rows = [summarize(e, 0.0, 0.5, trained=e.agent in networks) for e in evaluations]
    budgets, series = budget_table(config)
    summary = {
        "question": question(sys.modules[__name__]), "verdicts": verdicts(config, evaluations, budgets),
        "reading": f"Pay of one round, {config.n} bits for scripted players, against an A that knows the player's distribution "
        "and writes the best response to it. Ceiling: 1/2, exact; floor: 0, a z that is foreseen. "
        "Networks (*) were taught by watching, not by reward, unless it is said that they were rewarded.",
        "world": WORLD, "options": {"n": config.n}, "seed": config.seed, "agents": rows,
        "tables": [budgets, fictitious_table(config)], "curves": [series, *size_curves(config, rows)],
    }  # fmt: skip
    return finish_run(out, NAME, asdict(config), Config(), summary, evaluations)


def budget_table(config: Config) -> tuple[dict[str, Any], dict[str, Any]]:
    """Pay of the stateless player by n and budget, a mean over KEYS functions: simulated in the world, counted for these
    functions, by the closed form and by the naive one."""
    rows: list[list[str]] = []
    xs, means, errors = [], [], []
    keys, each = (KEYS, max(2, config.tasks // 8)) if not config.quick else (2, 50)
    for n in sorted({4, 8, config.n} if not config.quick else {config.n}):
        for share in SHARES:
            budget, simulated = int(share * 2**n), []
            for key in range(keys):
                setting = baselines.Setting(
                    WORLD, {"n": n, "key": key}, each, 2000 + config.seed, config.num_threads, device=config.device
                )
                player = StatelessRandom(n, seed=config.seed + key, key=key, budget=budget)
                simulated.append(setting.evaluate(player, "", "").returns.mean())
            pay = estimate(np.array(simulated))  # functions differ: its error is over them
            counted = np.array([exact.exact_pay(budget, n, key=key) for key in range(keys)])
            distinct = np.mean([exact.exact_pay(budget, n, order="distinct", key=key) for key in range(keys)])
            closed = exact.closed_form(budget, n)
            rows.append(
                [f"{n}", f"{budget:,}", f"{pay.mean:.4f}", f"{pay.se:.4f}", f"{counted.mean():.4f}", f"{counted.std(ddof=1):.4f}",
                 f"{closed:.4f}", f"{(pay.mean - closed) / pay.se:+.1f}", f"{exact.naive_form(budget, n):.4f}", f"{distinct:.4f}"]
            )  # fmt: skip
            if n == config.n:
                xs.append(share)
                means.append(pay.mean)
                errors.append(pay.se)
    curve = {"name": f"simulated, n = {config.n}", "x": xs, "y": means, "se": errors}
    grid = np.linspace(0, 1, 41)
    drawn = [exact.closed_form(share * 2**config.n, config.n) for share in grid]
    zero = [0.0] * len(grid)
    head = [
        "n",
        "tries",
        "pay",
        "± SE",
        "counted",
        "SD of one f",
        "closed form",
        "off, SE",
        "naive form",
        "distinct tries",
    ]
    note = (
        f"Against a uniform x, a mean over {keys} functions: the first n bits of SHA-256 under as many keys. Counted: exact for "
        "these functions, which differ among themselves by the SD. Closed form: for a random function at large n, "
        "(1 - e^-b exp(e^-b - 1)) / 2, b = tries / 2^n. Naive: as if a y had one preimage. Distinct: counted, no try made twice."
    )
    table = {"title": "Stateless players by inversion budget", "head": head, "rows": rows, "note": note}
    series = [curve, {"name": "closed form", "x": grid.tolist(), "y": drawn, "se": zero}]
    return table, {
        "title": f"Pay by inversion budget, n = {config.n}", "x": "tries / 2^n", "y": "pay of a round", "series": series,
    }  # fmt: skip


def fictitious_table(config: Config) -> dict[str, Any]:
    """The world's own adaptive opponent, which learns within an episode."""
    options = {"n": config.n, "opponent": "adaptive", "rounds": ROUNDS, "practice": PRACTICE, "random_bits": True}
    tasks = max(100, config.tasks // ROUNDS)
    setting = baselines.Setting(WORLD, options, tasks, 3000 + config.seed, config.num_threads, device=config.device)
    rows, most = [], exact.most_against_fictitious_play(ROUNDS - PRACTICE, PRACTICE) / (ROUNDS - PRACTICE)
    for name, evaluate in baselines.references(setting):
        pay = estimate(evaluate().returns / (ROUNDS - PRACTICE))
        rows.append([name, REFERENCES[name].nature, f"{pay.mean:.4f}", f"{pay.se:.4f}", "0", f"{most:.4f}"])
    note = (
        f"Pay a round over {ROUNDS - PRACTICE} rounds after {PRACTICE} unpaid. This A knows only the z's said to it, and "
        "always writes their majority: who remembers them foresees it (counter) and earns more than the 1/2 that can be had "
        "from an A that knows B; the ceiling is the most that can be had so, exact. So no network was trained against it."
    )
    head = ["player", "nature", "pay", "± SE", "floor", "ceiling"]
    return {"title": "Against fictitious play within the episode", "head": head, "rows": rows, "note": note}


def size_curves(config: Config, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    by_name = {row["agent"]: row for row in rows}
    series = []
    for name in pupils(2):
        found = [by_name[f"{name}, n = {n}"] for n in config.sizes]
        means, errors = [row["reward_mean"] for row in found], [row["reward_se"] for row in found]
        series.append({"name": name, "x": config.sizes, "y": means, "se": errors})
    return [{"title": "Networks' pay by n", "x": "bits", "y": "pay of a round", "series": series}]


def verdicts(config: Config, evaluations: list[Evaluation], budgets: dict[str, Any]) -> list[str]:
    """What the numbers say, in sentences; networks are compared round by round, on the same tasks."""
    by_name = {e.agent: e for e in evaluations}

    def pay(name: str) -> str:
        return str(estimate(by_name[name].returns))

    def stands(name: str, other: str, called: str) -> str:
        return beside(estimate(by_name[name].returns - by_name[other].returns), called)

    said = [
        f"Scripted, {config.n} bits, A knows B: stateful {pay('stateful_random')}, random bits in sight "
        f"{pay('interspersed')} (ceiling .5), a fixed z {pay('fixed')} (floor 0)."
    ]
    worst = max((abs(float(row[7])) for row in budgets["rows"] if row[0] == str(config.n)), default=0.0)
    said.append(f"Budget curve at {config.n} bits: at most {worst:.1f} SE from the closed form.")
    for n in config.sizes:
        names = [f"{name}, n = {n}" for name in ("gru", "window", "window + random bits")]
        gru, window, bits = names
        said.append(
            f"Taught, {n} bits: gru {pay(gru)}, window {pay(window)}, window with random bits {pay(bits)}. The gru is "
            f"{stands(gru, window, 'the window')}; with random bits in sight the window is {stands(bits, gru, 'the gru')}."
        )
    names = [f"{name}, rewarded" for name in ("gru", "window", "window + random bits")]
    found = "; ".join(f"{name} {pay(name)}, {by_name[name].notes[0]}" for name in names)
    said.append(
        f"By reward, {config.rewarded_n} bits: {found}. Planted, two z's known by heart: {pay('two_points')}. Pay near 1/2 is no "
        "evidence of a memory where few different z are said."
    )
    return said
