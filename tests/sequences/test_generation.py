"""Sequences by the batch: the world's own, whatever the threads and portions; every process's law against closed forms, with
defects planted; filters calibrated; bad input refused."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

import mesasim
from mesasim import _core, sequences
from mesasim.exact import sequences as exact
from mesasim.sequences import generate

TASKS = {"tasks": 4, "symbols": 3, "relabel": "episode"}
SETTINGS = [
    *((process, {}) for process in sequences.processes()), ("categorical", TASKS),
    ("categorical", {"tasks": 6, "order": 0, "relabel": "fixed"}), ("switching_coin", {"hazard": 0.2, "alpha": 0.5}),
]  # fmt: skip


def numpy(process, count, length, **options):
    return generate(process, count, length, output="numpy", num_threads=1, **options)


# The same as the world's


@pytest.mark.parametrize(("process", "options"), SETTINGS, ids=str)
def test_sequence_i_is_what_slot_i_of_the_world_shows(process, options):
    drawn = numpy(process, 5, 40, seed=3, first=2, give=sequences.GIVE, **options)
    env = mesasim.make_vec(
        "Sequence-v0", 5, first_slot=2, oracle=True, output="numpy", process=process, length=40, **options
    )
    _, info = env.reset(seed=3)
    for t in range(39):
        assert np.array_equal(info["filter"], drawn.filter[:, t])
        assert np.array_equal(info["regime_oracle"], drawn.oracle[:, t])
        assert np.array_equal(info["hidden"][:, 0], drawn.hidden[:, t])
        observation, _, _, _, info = env.step(np.zeros(5, int))
        assert np.array_equal(observation[:, 0], drawn.symbols[:, t])
        assert np.array_equal(info["log_chances"], np.stack([drawn.filter_log[:, t], drawn.oracle_log[:, t]], axis=1))


@pytest.mark.parametrize(("process", "options"), SETTINGS, ids=str)
def test_threads_portions_and_what_is_given_change_nothing(process, options, monkeypatch):
    whole = generate(process, 200, 30, seed=1, num_threads=1, give=sequences.GIVE, **options)
    for threads in (2, 3):
        again = generate(process, 200, 30, seed=1, num_threads=threads, give=sequences.GIVE, **options)
        assert all(torch.equal(getattr(whole, n), getattr(again, n)) for n in ("symbols", *sequences.GIVE))
    monkeypatch.setattr("mesasim.sequences.generation.WORK_A_CALL", 1)  # a sequence a call
    assert torch.equal(generate(process, 200, 30, seed=1, give=["filter"], **options).filter, whole.filter)
    monkeypatch.setattr("mesasim.sequences.generation.SYMBOLS_A_CALL", 30 * 7)
    assert torch.equal(generate(process, 200, 30, seed=1, **options).symbols, whole.symbols)
    assert torch.equal(generate(process, 150, 30, seed=1, first=50, **options).symbols, whole.symbols[50:])
    assert not torch.equal(generate(process, 200, 30, seed=2, **options).symbols, whole.symbols)
    assert torch.equal(generate(process, 200, 20, seed=1, **options).symbols, whole.symbols[:, :20])


@pytest.mark.parametrize(
    ("process", "length", "options", "weights"),
    [
        ("switching_coin", 4000, {}, 2 * 4001),
        ("categorical", 1000, {"symbols": 8, "tasks": 2, "relabel": "episode"}, 8 * 2 * 40320),
        ("regimes", 100, {}, 2 * 10),
    ],
)
def test_a_call_does_a_second_of_work_so_that_an_interrupt_is_heard(process, length, options, weights, monkeypatch):
    counts = []
    monkeypatch.setattr(_core, "generate_sequences", lambda *, count, **rest: counts.append(count))
    generate(process, 500, length, give=["filter_log"], num_threads=1, **options)
    assert sum(counts) == 500
    assert max(counts) == 1 or max(counts) * length * weights <= 2**28
    counts.clear()
    generate(process, 500, length, **options)
    assert counts == [500], "without a filter the symbols alone are work"


def test_a_read_only_array_is_refused_and_not_written():
    fixed = np.zeros((2, 4), np.uint8)
    fixed.flags.writeable = False
    with pytest.raises(ValueError, match=r"^out\.symbols: got a read-only array"):
        generate("coin", 2, 4, out=sequences.Sequences(fixed))
    assert not fixed.any()


def test_the_callers_memory_is_filled_and_given_back():
    symbols, logs = np.full((6, 9), 77, np.uint8), torch.zeros(6, 9)
    given = generate("regimes", 6, 9, seed=5, out=sequences.Sequences(symbols, filter_log=logs), give=["hidden"])
    expected = generate("regimes", 6, 9, seed=5, give=sequences.GIVE)
    assert torch.equal(torch.from_numpy(symbols), expected.symbols) and torch.equal(logs, expected.filter_log)
    assert given.filter_log is logs and torch.equal(given.hidden, expected.hidden) and given.oracle is None
    assert len(generate("coin", 0, 5)) == 0


# Laws


@pytest.mark.parametrize(
    ("process", "options"),
    [("coin", {"alpha": 0.01, "beta": 0.01}), ("categorical", {"symbols": 2, "order": 0, "concentration": 0.01})],
)
def test_draws_that_underflow_are_of_their_law_and_not_a_half(process, options):
    # Sequences of seed 0 whose two gamma variates are both below 1e-307, found by a search through eight million.
    numbers = [3384124, 3671614, 4905266, 5631175, 7038647, 7116765, 7328218, 7815845]
    shares = [float(generate(process, 1, 1, first=i, give=["oracle"], **options).oracle[0, 0, 1]) for i in numbers]
    assert all(min(share, 1 - share) < 0.01 for share in shares) and 0 < sum(share > 0.5 for share in shares) < 8


@pytest.mark.parametrize("process", ["regimes", "switching_coin"])
def test_a_hazard_that_vanishes_beside_one_changes_nothing(process):
    for hazard in (1e-300, 1e-17):
        drawn = generate(process, 50, 200, hazard=hazard, give=["hidden", "oracle"])
        still = generate(process, 50, 200, hazard=0.0, give=["hidden", "oracle"])
        assert torch.equal(drawn.hidden, still.hidden) and torch.equal(drawn.oracle, still.oracle)


def z(count, total, p):
    return (count - total * p) / math.sqrt(total * p * (1 - p))


def test_rain_comes_in_pairs_that_begin_with_chance_a_fifth():
    rain = numpy("pairs", 4000, 100, seed=1).symbols.T.astype(bool)
    owed, free_days, begun = np.zeros(4000, bool), 0, 0
    for day in rain:
        assert day[owed].all(), "the second day of a pair"
        begins = ~owed & day
        free_days, begun, owed = free_days + (~owed).sum(), begun + begins.sum(), begins
    assert abs(z(begun, free_days, 0.2)) < 4 < abs(z(begun, free_days, 0.21))


def test_markov_days_stay_as_often_as_they_should():
    symbols = numpy("markov", 4000, 100, seed=1).symbols
    before, after = symbols[:, :-1], symbols[:, 1:]
    for last, rain in ((0, 0.1), (1, 0.7)):
        days = after[before == last]
        assert abs(z(days.sum(), len(days), rain)) < 4 < abs(z(days.sum(), len(days), rain + 0.01))
    assert abs(z(symbols[:, 0].sum(), 4000, 0.25)) < 4 and abs(symbols[:, -1].mean() - 0.25) < 0.03


@pytest.mark.parametrize("hazard", [0.02, 0.3, 1.0])
def test_regimes_change_as_often_as_the_hazard_says_and_are_equally_likely(hazard):
    hidden = numpy("regimes", 4000, 60, seed=2, hazard=hazard, give=["hidden"]).hidden
    assert stats.chisquare(np.bincount(hidden[:, -1], minlength=5)).pvalue > 1e-3
    changed = (hidden[:, 1:] != hidden[:, :-1]).sum()
    total = hidden[:, 1:].size
    assert abs(z(changed, total, 0.8 * hazard)) < 4 < abs(z(changed, total, 0.8 * hazard * 0.9))


def test_without_hazard_nothing_changes_and_without_noise_rules_are_kept():
    still = numpy("regimes", 500, 100, seed=1, hazard=0.0, noise=0.0, give=["hidden"])
    assert (still.hidden == still.hidden[:, :1]).all()
    alternate = still.symbols[still.hidden[:, 0] == sequences.REGIMES.index("alternate")]
    assert len(alternate) > 50 and (alternate[:, 1:] != alternate[:, :-1]).all()
    pattern = still.symbols[still.hidden[:, 0] == sequences.REGIMES.index("patterns")]
    assert (pattern[:, 4:] == pattern[:, 1:-3]).all(), "rain-rain-sun comes again every third day"


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, 2.0)])
def test_the_coins_bias_has_its_prior_and_heads_are_beta_binomial(alpha, beta):
    drawn = numpy("coin", 20_000, 12, seed=1, alpha=alpha, beta=beta, give=["oracle"])
    bias = drawn.oracle[:, 0, 1].astype(np.float64)
    assert stats.kstest(bias, stats.beta(alpha, beta).cdf).pvalue > 1e-3
    assert stats.kstest(bias, stats.beta(alpha * 1.1, beta).cdf).pvalue < 1e-3
    heads = np.bincount(drawn.symbols.sum(axis=1), minlength=13)
    law = stats.betabinom(12, alpha, beta).pmf(np.arange(13))
    assert stats.chisquare(heads, 20_000 * law).pvalue > 1e-3
    assert stats.chisquare(heads, 20_000 * stats.binom(12, alpha / (alpha + beta)).pmf(np.arange(13))).pvalue < 1e-3


def test_a_switching_coin_forgets_with_the_hazard():
    oracle = numpy("switching_coin", 5000, 40, seed=1, hazard=0.1, give=["oracle"]).oracle[..., 1]
    kept = (oracle[:, 1:] == oracle[:, :-1]).sum()
    assert abs(z(kept, oracle[:, 1:].size, 0.9)) < 4 < abs(z(kept, oracle[:, 1:].size, 0.905))


@pytest.mark.parametrize("order", [0, 1])
def test_categorical_symbols_come_as_their_tasks_table_says(order):
    options = {"tasks": 3, "symbols": 5, "order": order, "task_seed": 7}
    tables = sequences.tables(**options)
    assert tables.shape == (3, 5 if order else 1, 5)
    np.testing.assert_allclose(tables.sum(axis=2), 1, atol=1e-15)
    drawn = numpy("categorical", 3000, 60, seed=1, give=["hidden"], **options)
    assert stats.chisquare(np.bincount(drawn.hidden[:, 0], minlength=3)).pvalue > 1e-3
    for task in range(3):
        of = drawn.symbols[drawn.hidden[:, 0] == task]
        for row in range(tables.shape[1]):
            after = of[:, 1:][of[:, :-1] == row] if order else of.ravel()
            counts = np.bincount(after, minlength=5)
            assert stats.chisquare(counts, len(after) * tables[task, row]).pvalue > 1e-4
            assert stats.chisquare(counts, len(after) * tables[task - 1, row - order]).pvalue < 1e-4


def test_rows_of_fresh_tables_are_dirichlet():
    rows = numpy("categorical", 20_000, 1, seed=3, symbols=3, order=0, concentration=0.5, give=["oracle"]).oracle[
        :, 0, 1
    ]
    assert (
        stats.kstest(rows, stats.beta(0.5, 1.0).cdf).pvalue > 1e-3 > stats.kstest(rows, stats.beta(0.55, 1).cdf).pvalue
    )


def test_relabelling_renames_the_same_sequences():
    options = {"tasks": 4, "symbols": 5, "seed": 1, "order": 0}
    plain, fixed = (numpy("categorical", 300, 50, relabel=how, **options) for how in ("none", "fixed"))
    tables = [sequences.tables(tasks=4, symbols=5, order=0, relabel=how)[:, 0] for how in ("none", "fixed")]
    names = [int(np.flatnonzero((tables[1] == tables[0][:, [k]]).all(axis=0))[0]) for k in range(5)]
    assert sorted(names) == list(range(5)) and names != list(range(5))
    renamed = sequences.relabel(plain.symbols, names)
    shares = [np.bincount(s.ravel(), minlength=5) / s.size for s in (renamed, fixed.symbols)]
    np.testing.assert_allclose(*shares, atol=0.02)
    assert np.array_equal(sequences.relabel(renamed, np.argsort(names)), plain.symbols)
    each = torch.stack([torch.randperm(5) for _ in range(300)])
    assert torch.equal(
        sequences.relabel(torch.from_numpy(plain.symbols), each)[7], each[7][plain.symbols[7].tolist()].byte()
    )


# Filters


@pytest.mark.parametrize(("process", "options"), SETTINGS, ids=str)
def test_the_filter_is_calibrated_and_below_it_is_only_who_is_told(process, options):
    drawn = numpy(process, 4000, 60, seed=9, give=sequences.GIVE, **options)
    for chances, logs in ((drawn.filter, drawn.filter_log), (drawn.oracle, drawn.oracle_log)):
        p = chances.astype(np.float64)
        np.testing.assert_allclose(p.sum(axis=2), 1, atol=1e-6)
        with np.errstate(divide="ignore", invalid="ignore"):
            own = -np.where(p > 0, p * np.log(p), 0).sum(axis=2)  # the loss it expects of itself
        surprise = (-logs - own).mean(axis=1)
        assert abs(surprise.mean()) < 4 * surprise.std() / math.sqrt(4000) + 1e-6
        came = np.take_along_axis(p, drawn.symbols[..., None].astype(int), axis=2)[..., 0]
        np.testing.assert_allclose(logs, np.log(came), atol=2e-5)
    behind = (drawn.oracle_log - drawn.filter_log).mean(axis=1)
    assert behind.mean() > -1e-6 and (behind.mean() > 1e-3) == (process not in ("pairs", "markov", "streak"))


def test_a_filter_of_the_wrong_process_is_worse_by_more_than_chance():
    drawn = numpy("regimes", 1000, 80, seed=4, give=["filter_log"])
    for defect in ({"hazard": 0.01}, {"noise": 0.08}):
        law, believed = exact.chain("regimes"), exact.chain("regimes", **defect)
        losses = [chain_losses(*of, drawn.symbols) for of in (law, believed)]
        np.testing.assert_allclose(losses[0], -drawn.filter_log[:, 1:].astype(float), atol=1e-5)
        worse = (losses[1] - losses[0]).mean(axis=1)
        assert worse.mean() > 3 * worse.std() / math.sqrt(1000)


def chain_losses(start, move, symbols):
    """The filter once more: forward over the chain of (rule, last symbol, streak), from the second symbol on."""
    belief = np.broadcast_to(start, (len(symbols), len(start))).copy()
    belief = belief * (np.arange(len(start)) // exact.LONGEST_STREAK["regimes"] % 2 == symbols[:, :1])
    belief /= belief.sum(axis=1, keepdims=True)
    losses = []
    for symbol in symbols.T[1:]:
        belief = np.where(symbol[:, None] == 1, belief @ move[1], belief @ move[0])
        chance = belief.sum(axis=1, keepdims=True)
        losses.append(-np.log(chance[:, 0]))
        belief /= chance
    return np.stack(losses, axis=1)


# Bad input


def test_processes_listed_are_those_of_the_engine():
    process = next(option for option in _core.sequence_options() if option.name == "process")
    assert list(sequences.processes()) == process.choices
    assert all(option.name != "process" and option.help for option in sequences.options())


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"process": "tides"}, "process"), ({"count": -1}, "count"), ({"length": 0}, "length"), ({"seed": -1}, "seed"),
        ({"give": "filter"}, "give"), ({"give": ["odds"]}, "give"), ({"output": "jax"}, "output"), ({"hazard": 2}, "hazard"),
        ({"num_threads": 0}, "num_threads"), ({"out": sequences.Sequences(torch.zeros(3, 5).byte())}, "out.symbols"),
        ({"out": sequences.Sequences(torch.zeros(4, 3, dtype=torch.uint8).T)}, "contiguous"),
        ({"relabel": "episode", "symbols": 16, "process": "categorical", "tasks": 2}, "relabel"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_by_name(given, word):
    with pytest.raises(ValueError, match=word):
        generate(**{"process": "regimes", "count": 3, "length": 4} | given)


def test_wrong_kinds_are_type_errors():
    for given in ({"count": 2.5}, {"wind": 3}, {"hazard": "high"}, {"out": sequences.Sequences([[1]])},
                  {"out": sequences.Sequences(torch.zeros(3, 4))}):  # fmt: skip
        with pytest.raises(TypeError):
            generate(**{"process": "regimes", "count": 3, "length": 4} | given)


@pytest.mark.parametrize("names", [[0, 0, 1], [0, 1], [[0, 1, 2]] * 2])
def test_names_that_are_no_permutation_are_refused(names):
    with pytest.raises(ValueError, match="names"):
        sequences.relabel(torch.tensor([[0, 1, 2]]), names)
    with pytest.raises(TypeError, match="names: got dtype"):
        sequences.relabel(torch.tensor([[0, 1, 2]]), [0.0, 1.0, 2.0])
