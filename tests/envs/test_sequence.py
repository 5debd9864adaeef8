"""Sequence-v0 against its rules written again in plain Python, filter and all; then what ends an episode and what it shows."""

import math
from itertools import pairwise, permutations

import numpy as np
import pytest
from plain.draws import LAYOUT, PLACEMENT, STEP, TASK, Draws

import mesasim
from mesasim import _core

# The rules, once more

WEATHER = ("pairs", "markov", "streak", "regimes")
DEFAULTS = {o.name: o.default for o in _core.spec("Sequence-v0").options}


def steady(sun, rain):
    return (sun, rain), (sun, rain), (1, 1)


REGIMES = [
    [steady(1, 1)],
    [steady(p, 1 - p) for p in (0.1, 0.3, 0.5, 0.7, 0.9)],
    [steady(0.15, 0.15)],
    [((0.05, 0.05), (0.5, 0.5), (4, 4)), ((0.05, 0.05), (0.5, 0.5), (5, 5))],
    [((0, 0), (1, 1), (1, 2))],
]
RULES = [(regime, rule) for regime, rules in enumerate(REGIMES) for rule in rules]
PRIOR = [1 / 5 / len(REGIMES[regime]) for regime, _ in RULES]


def permutation(draws, size):
    names = list(range(size))
    for i in range(size - 1, 0, -1):
        j = draws.below(i + 1)
        names[i], names[j] = names[j], names[i]
    return names


def draw_table(o, draws, names):
    size = o["symbols"]
    table = {}
    for row in range(size if o["order"] else 1):
        shares = [draws.gamma(o["concentration"]) + 1e-300 for _ in range(size)]
        masses = [1 + int(s / sum(shares) * (1 - 1e-8) * 2**32) for s in shares]
        masses[shares.index(max(shares))] += 2**32 - sum(masses)
        table[names[row] if o["order"] else 0] = [masses[names.index(k)] / 2**32 for k in range(size)]
    return table


def rain_of_rule(rule, past, noise):
    if not past:
        return 0.5
    young, old, length = rule
    streak, last = streak_of(past), past[-1]
    end = young[last] if streak < length[last] else old[last]
    rain = 1 - end if last else end
    return rain * (1 - noise) + (1 - rain) * noise


def streak_of(past):
    return next((k for k, s in enumerate(reversed(past)) if s != past[-1]), len(past))


class PlainSequence:
    """One slot, one episode."""

    def __init__(self, options, key):
        self.o, self.key, self.past = DEFAULTS | options, key, []
        self.categorical = self.o["process"] == "categorical"
        self.size = self.o["symbols"] if self.categorical else 2
        self.draws, self.hidden, self.changes_at, self.table, self.bias = 0, 0, math.inf, None, None
        self.draw_hidden()
        self.begin_filter()

    def draw_hidden(self):
        o, process = self.o, self.o["process"]
        draws = Draws(self.key, TASK, 256 * self.draws)
        self.draws += 1
        if process == "regimes":
            regime = draws.u32() * 5 >> 32
            self.hidden, rules = regime, REGIMES[regime]
            self.rule = rules[draws.u32() * len(rules) >> 32]
        elif process in ("coin", "switching_coin"):
            uniform = o["alpha"] == o["beta"] == 1
            self.bias = draws.uniform() if uniform else draws.beta(o["alpha"], o["beta"])
        elif self.categorical and o["tasks"]:
            self.hidden = draws.below(o["tasks"])
            anew = o["relabel"] == "episode"
            self.table = self.table_of(self.hidden, permutation(draws, self.size) if anew else self.fixed_names())
        elif self.categorical:
            self.table = draw_table(o, draws, list(range(self.size)))
        if process in ("regimes", "switching_coin") and o["hazard"] > 0:
            u = draws.uniform()
            wait = 1 if o["hazard"] == 1 else int(1 + math.log(u) / math.log(1 - o["hazard"]))
            self.changes_at = len(self.past) + wait

    def fixed_names(self):
        if self.o["relabel"] != "fixed":
            return list(range(self.size))
        return permutation(Draws((self.o["relabel_seed"], 0, 0), PLACEMENT), self.size)

    def table_of(self, task, names):
        return draw_table(self.o, Draws((self.o["task_seed"], task, 0), LAYOUT), names)

    def row(self, table):
        if self.o["order"] and not self.past:
            return [1 / self.size] * self.size
        return table[self.past[-1] if self.o["order"] else 0]

    def told(self):
        """Chances for who knows what is hidden."""
        if self.categorical:
            return self.row(self.table)
        one = {"regimes": lambda: rain_of_rule(self.rule, self.past, self.o["noise"])}.get(
            self.o["process"], lambda: self.bias
        )
        return self.binary(self.known_rain() if self.o["process"] in WEATHER[:3] else one())

    @staticmethod
    def binary(one):
        return [1 - one, one]

    def known_rain(self):
        past, process = self.past, self.o["process"]
        if process == "pairs":
            return 1.0 if past and past[-1] and streak_of(past) % 2 else 0.2
        if process == "markov":
            return (0.1, 0.7)[past[-1]] if past else 0.25
        if not past:
            return 0.5
        end = 0.06 + (0.3, 0.38)[past[-1]] * 0.7 ** (streak_of(past) - 1)
        return 1 - end if past[-1] else end

    # The filter: hypotheses with weights, each giving chances of the next symbol

    def begin_filter(self):
        o = self.o
        if o["process"] == "regimes":
            self.belief = dict(enumerate(PRIOR))
        elif o["process"] in ("coin", "switching_coin"):
            self.belief = {0: 1.0}  # by the time at which the present bias was drawn
        elif self.categorical and o["tasks"]:
            every = o["relabel"] == "episode"
            names = list(permutations(range(self.size))) if every else [self.fixed_names()]
            self.tables = {(t, tuple(n)): self.table_of(t, list(n)) for t in range(o["tasks"]) for n in names}
            self.belief = {hypothesis: 1 / len(self.tables) for hypothesis in self.tables}
        else:
            self.belief = {None: 1.0}

    def chances_under(self, hypothesis):
        o, past = self.o, self.past
        if o["process"] == "regimes":
            return self.binary(rain_of_rule(RULES[hypothesis][1], past, o["noise"]))
        if o["process"] in ("coin", "switching_coin"):
            run = past[hypothesis:]
            return self.binary((o["alpha"] + sum(run)) / (o["alpha"] + o["beta"] + len(run)))
        if self.categorical and o["tasks"]:
            return self.row(self.tables[hypothesis])
        if self.categorical:
            pairs = list(zip([None, *past], past, strict=False)) if not o["order"] else list(pairwise(past))
            seen = [s for before, s in pairs if not o["order"] or before == past[-1]]
            c = o["concentration"]
            return [(seen.count(k) + c) / (len(seen) + self.size * c) for k in range(self.size)]
        return self.binary(self.known_rain())

    def filter(self):
        each = [(weight, self.chances_under(h)) for h, weight in self.belief.items()]
        return [sum(weight * chances[k] for weight, chances in each) for k in range(self.size)]

    def posterior(self):
        return [sum(w for h, w in self.belief.items() if RULES[h][0] == regime) for regime in range(5)]

    def next_symbol(self):
        words = Draws(self.key, STEP, len(self.past) // 4)
        bits = [words.u32() for _ in range(4)][len(self.past) % 4]
        told = self.told()
        if not self.categorical:
            return int(bits < int(told[1] * 2**32))
        if self.o["order"] and not self.past:
            return bits * self.size >> 32
        return next(k for k in range(self.size) if bits < sum(round(p * 2**32) for p in told[: k + 1]))

    def step(self, action):
        known, told, symbol = self.filter(), self.told(), self.next_symbol()
        posterior = {h: weight * self.chances_under(h)[symbol] for h, weight in self.belief.items()}
        total, hazard = sum(posterior.values()), self.o["hazard"]
        self.belief = {h: weight / total for h, weight in posterior.items()}
        self.past.append(symbol)
        if self.o["process"] == "regimes":
            self.belief = {h: (1 - hazard) * w + hazard * PRIOR[h] for h, w in self.belief.items()}
        if self.o["process"] == "switching_coin":
            self.belief = {h: (1 - hazard) * w for h, w in self.belief.items()} | {len(self.past): hazard}
        self.logs = [math.log(known[symbol]), math.log(told[symbol])]
        if len(self.past) == self.changes_at:
            self.draw_hidden()
        return float(action == symbol), len(self.past) == self.o["length"]


VARIANTS = [
    *_core.spec("Sequence-v0").variants,
    {"hazard": 0.0, "length": 30},
    {"hazard": 1.0, "length": 30, "noise": 0.5},
    {"process": "switching_coin", "hazard": 0.0, "alpha": 3.0, "length": 25},
    {"process": "categorical", "symbols": 16, "order": 0, "length": 40, "concentration": 0.05},
    {"process": "categorical", "symbols": 2, "tasks": 3, "relabel": "fixed", "relabel_seed": 5, "length": 40},
    {"process": "categorical", "symbols": 4, "tasks": 2, "order": 0, "relabel": "episode", "length": 20, "task_seed": 9},
]  # fmt: skip


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_engine_follows_the_rules_at_every_step(options):
    for seed, first_slot in ((0, 0), (2**63 + 12345, 2**32 - 3)):
        env = mesasim.make_vec("Sequence-v0", 2, first_slot=first_slot, oracle=True, output="numpy", **options)
        observation, info = env.reset(seed=seed)
        episodes, ended = [0, 0], [False, False]
        plain = [PlainSequence(options, (seed, first_slot + slot, 0)) for slot in range(2)]
        rng = np.random.default_rng(seed)
        for _ in range(36):
            for slot, sequence in enumerate(plain):
                assert info["next_symbol"][slot, 0] == sequence.next_symbol()
                assert observation[slot, 0] == (sequence.past[-1] if sequence.past else -1)
                np.testing.assert_allclose(info["filter"][slot], sequence.filter(), rtol=1e-5, atol=1e-9)
                np.testing.assert_allclose(info["regime_oracle"][slot], sequence.told(), rtol=1e-5, atol=1e-9)
                best = info["filter"][slot] >= info["filter"][slot].max() - 1e-6
                assert best[info["optimal_actions"][slot]].all() and info["optimal_actions"][slot].any()
                assert info["symbol_counts"][slot].tolist() == [sequence.past.count(k) for k in range(sequence.size)]
                assert info["hidden"][slot, 0] == sequence.hidden
                logs = sequence.logs if sequence.past else [0, 0]
                np.testing.assert_allclose(info["log_chances"][slot], logs, rtol=1e-5, atol=1e-7)
                if sequence.o["process"] == "regimes":
                    np.testing.assert_allclose(info["posterior"][slot], sequence.posterior(), rtol=1e-5, atol=1e-7)
            actions = rng.integers(env.single_action_space.n, size=2)
            observation, reward, terminated, truncated, info = env.step(actions)
            assert not truncated.any()
            for slot in range(2):
                expected, end = (0.0, False) if ended[slot] else plain[slot].step(int(actions[slot]))
                assert (reward[slot], terminated[slot]) == (expected, end)
                if ended[slot]:
                    episodes[slot] += 1
                    plain[slot] = PlainSequence(options, (seed, first_slot + slot, episodes[slot]))
                ended[slot] = end


# Cases worked by hand


def test_what_is_predicted_does_not_change_what_comes():
    a, b = (mesasim.make_vec("Sequence-v0", 50, output="numpy", length=60) for _ in range(2))
    a.reset(seed=4), b.reset(seed=4)
    for t in range(59):
        zeros, mixed = a.step(np.zeros(50, int)), b.step(np.full(50, t % 2))
        assert np.array_equal(zeros[0], mixed[0])


def test_the_filter_that_predicts_is_rewarded_as_often_as_it_says():
    env = mesasim.make_vec("Sequence-v0", 4000, oracle=True, output="numpy", length=50)
    _, info = env.reset(seed=1)
    for _ in range(49):
        sure = info["filter"].max(axis=1)
        _, reward, _, _, info = env.step(info["optimal_actions"].argmax(axis=1))
        assert abs((reward - sure).sum()) < 4.5 * np.sqrt((sure * (1 - sure)).sum())


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"tasks": 65536, "process": "categorical", "symbols": 16}, "tasks"),
        ({"tasks": 1, "process": "categorical", "symbols": 16, "relabel": "episode"}, "relabel"),
        ({"length": 0}, "length"),
        ({"hazard": 1.5}, "hazard"),
        ({"noise": float("nan")}, "noise"),
        ({"process": "tides"}, "process"),
        ({"symbols": 1}, "symbols"),
    ],
)
def test_an_option_out_of_range_is_named(options, word):
    with pytest.raises(ValueError, match=word):
        mesasim.make_vec("Sequence-v0", 1, **options)
