"""mesasim.tsp.solve is exact for the numbers given, says no more than it has proved, and refuses what it cannot solve. The
same checks on 20,000 instances, and against HiGHS and OR-tools at 20 to 40 cities: bench/prove_tours.py."""

import _thread
import itertools
import json
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from plain import tour_proofs as plain

from mesasim import _core, tsp
from mesasim.tsp import solving

DATA = Path(__file__).parents[1] / "data" / "tsplib"
OPTIMA = json.loads((DATA / "optima.json").read_text())["optima"]
EXACT = ("held_karp", "branch_and_bound", "branch_and_cut")
FIELDS = ("order", "length", "lower_bound", "optimal", "nodes", "one_trees", "cuts", "method")


def uniform(count, n, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random((count, n, 2)))


def same(a, b):
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in FIELDS)


@pytest.fixture
def restored_instruction_set():
    before = _core.instruction_set()
    yield
    _core.use_instruction_set(before)


# Exactness


def test_the_dynamic_programme_of_these_tests_finds_what_all_permutations_do():
    units = plain.FAMILIES["0 to 999"](np.random.default_rng(0), 20, 7)
    tours = [np.array((0, *rest)) for rest in itertools.permutations(range(1, 7))]
    assert plain.optimal_lengths(units).tolist() == [min(plain.unit_length(d, o) for o in tours) for d in units]


@pytest.mark.parametrize("method", EXACT)
@pytest.mark.parametrize("family", plain.FAMILIES)
def test_tours_are_those_of_plain_dynamic_programming(family, method):
    for n in (3, 4, 5, 6, 7, 8, 9, 11, 13):
        faults = plain.faults(family, n, count=3 if n > 9 else 6, seed=1, method=method)
        assert not faults, faults


def test_a_tour_that_filtering_alone_leaves_is_looked_at():
    rng, count = np.random.default_rng(1), 2000
    which = rng.integers(2, size=(count, 10))
    points = np.array([[0.51, 0.87], [0.67, 0.08]])[which] + 1e-4 * rng.random((count, 10, 2))
    by_sets, by_search = (tsp.solve(points, method) for method in ("held_karp", "branch_and_bound"))
    assert by_search.optimal.all() and torch.allclose(by_search.length, by_sets.length, rtol=1e-12, atol=0)


def worse(tours, distances):
    """Each tour with two cities exchanged, and what it then costs."""
    order = tours.order.clone()
    order[:, [2, 4]] = order[:, [4, 2]]
    length = torch.stack([d[o, o.roll(-1)].cumsum(0)[-1] for d, o in zip(distances, order.long(), strict=True)])
    return replace(tours, order=order, length=length, lower_bound=length)


@pytest.mark.parametrize(
    ("planted", "words"),
    [
        (worse, "but the optimum has"),
        (lambda tours, _: replace(tours, order=tours.order.roll(1, 1)), "canonical order"),
        (lambda tours, _: replace(tours, length=tours.length.nextafter(tours.length + 1)), "distances sum to"),
        (lambda tours, _: replace(tours, optimal=~tours.optimal), "not proved"),
    ],
)
def test_planted_defects_are_found(planted, words):
    def solve(given, method, **options):
        return planted(tsp.solve(given, method, **options), torch.from_numpy(given))

    assert not plain.faults("to 2^49", 8, 5, 1, "auto")
    found = plain.faults("to 2^49", 8, 5, 1, "auto", solve)
    assert len(found) >= 4 and all(words in text for text in found if "not proved" not in text)


@pytest.mark.parametrize("n", [20, 40])
def test_methods_orders_and_seeds_agree_beyond_dynamic_programming(n):
    for family in ("uniform", "0 to 999", "to 2^49", "floats", "circle"):
        given = plain.FAMILIES[family](np.random.default_rng([2, n]), 8, n)
        found = tsp.solve(given, num_threads=1)
        assert found.optimal.all()
        shuffle = np.random.default_rng(3).permutation(n)
        other = given[:, shuffle] if given.shape[2] == 2 else given[:, shuffle][:, :, shuffle]
        again = tsp.solve(other, seed=7, num_threads=1)
        assert again.optimal.all() and torch.allclose(found.length, again.length, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", [name for name in OPTIMA if int("".join(filter(str.isdigit, name))) <= 60])
def test_tsplib_instances_are_proved_at_their_known_optima(name):
    tours = tsp.solve(tsp.read_tsplib(DATA / f"{name}.tsp").distances, num_threads=1)
    assert tours.optimal.all() and tours.length.item() == tours.lower_bound.item() == OPTIMA[name]


@pytest.mark.parametrize("metric", ["EUC_2D", "CEIL_2D", "ATT"])
def test_rounded_metrics_are_those_of_the_files(metric, tmp_path):
    points = np.random.default_rng(4).integers(0, 300, (12, 2))
    head = f"TYPE : TSP\nDIMENSION : 12\nEDGE_WEIGHT_TYPE : {metric}\nNODE_COORD_SECTION\n"
    path = tmp_path / "f.tsp"
    path.write_text(head + "".join(f"{i} {x} {y}\n" for i, (x, y) in enumerate(points, 1)) + "EOF\n")
    from_points, from_file = tsp.solve(points, metric=metric), tsp.solve(tsp.read_tsplib(path).distances)
    assert same(from_points, from_file) and from_file.length.item() == int(from_file.length.item())


def test_whole_numbers_are_exact_up_to_the_last_bit():
    d = torch.zeros(4, 4, dtype=torch.int64)
    for a, b, c in ((0, 1, 2**49 - 1), (2, 3, 2), (0, 2, 2**49 - 1), (1, 3, 1), (0, 3, 2**49 - 1), (1, 2, 0)):
        d[a, b] = d[b, a] = c
    for method in EXACT:  # three tours, lengths 2^50 - 2 + 1, + 2 and + 3
        assert tsp.solve(d, method).length.item() == 2**50 - 1


def test_the_diagonal_is_not_looked_at():
    given = torch.cdist(uniform(1, 9), uniform(1, 9))
    plainly = tsp.solve(given)
    for value in (1e30, -1.0, float("inf"), float("nan")):
        given[0].fill_diagonal_(value)
        assert same(tsp.solve(given), plainly)
    whole = plain.FAMILIES["0 to 999"](np.random.default_rng(0), 2, 9)
    assert same(tsp.solve(whole + 2**60 * np.eye(9, dtype=np.int64)), tsp.solve(whole))


# The same answer whoever works


def test_threads_and_place_in_the_batch_change_nothing():
    points = uniform(24, 25)
    one = tsp.solve(points, num_threads=1)
    assert all(same(tsp.solve(points, num_threads=threads), one) for threads in (2, 7))
    back = tsp.solve(points.flip(0), num_threads=2)
    assert all(torch.equal(getattr(back, name).flip(0), getattr(one, name)) for name in FIELDS)
    alone = tsp.solve(points[5], num_threads=1)
    assert all(torch.equal(getattr(alone, name)[0], getattr(one, name)[5]) for name in FIELDS)


def test_each_instruction_set_gives_the_same(restored_instruction_set):
    batches = [(uniform(12, 13), "held_karp"), (uniform(12, 40), "branch_and_bound")]
    batches.append((torch.from_numpy(plain.FAMILIES["floats"](np.random.default_rng(5), 12, 30)), "auto"))
    found = []
    for name in _core.instruction_sets():
        _core.use_instruction_set(name)
        found.append([tsp.solve(given, method, num_threads=1) for given, method in batches])
    assert all(same(a, b) for other in found[1:] for a, b in zip(found[0], other, strict=True))


def test_lists_mix_sizes_and_kinds_and_keep_their_order():
    points = [uniform(1, n, seed=n)[0] for n in (9, 5, 20, 5, 9)]
    given = [
        points[0],
        points[1].numpy(),
        torch.cdist(points[2][None], points[2][None])[0],
        points[3].tolist(),
        points[4],
    ]
    found = tsp.solve(given)
    for i, one in enumerate(given):
        alone = tsp.solve(one)
        assert torch.equal(found.order[i], alone.order[0]) and found.length[i] == alone.length[0]
    assert isinstance(found.order, list) and tsp.solve(points[1:4:2]).order.shape == (2, 5)
    ragged = tsp.solve([[[0, 0], [1, 0], [0, 1]], [[0, 0], [1, 0], [0, 1], [1, 1]]])
    assert ragged.length.tolist() == pytest.approx([2 + 2**0.5, 4])


@pytest.mark.parametrize("nothing", [[], (), np.zeros((0, 5, 2)), torch.zeros(0, 5, 5)])
def test_no_instances_give_no_tours_of_the_promised_types(nothing):
    tours, some = tsp.solve(nothing), tsp.solve(uniform(1, 5))
    assert len(tours) == 0 and len(tours.order) == 0 and "0" in repr(tours)
    for name in FIELDS[1:]:
        assert getattr(tours, name).dtype == getattr(some, name).dtype and getattr(tours, name).shape == (0,)


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int16, torch.int32, torch.uint16, torch.uint32, torch.uint64,
                                   torch.float16, torch.bfloat16, torch.float32])  # fmt: skip
def test_every_kind_of_number_is_taken(dtype):
    given = torch.from_numpy(plain.FAMILIES["0 to 3"](np.random.default_rng(6), 3, 8))
    assert same(tsp.solve(given.to(dtype)), tsp.solve(given))


def test_arrays_may_lie_in_memory_as_they_like():
    points = uniform(3, 8).numpy()
    expected = tsp.solve(points)
    frozen = points.copy()
    frozen.setflags(write=False)
    for given in (
        frozen,
        np.asfortranarray(points),
        points[..., ::-1][..., ::-1],
        points.astype(">f8"),
        points.tolist(),
    ):
        assert same(tsp.solve(given), expected)
    assert same(tsp.solve(torch.from_numpy(points).requires_grad_()), expected)


# Limits


def test_a_node_limit_leaves_a_tour_between_true_bounds():
    points = uniform(30, 50, seed=8)
    optima = tsp.solve(points)
    assert optima.optimal.all()
    nodes = []
    for limit in (1, 5, 30):
        cut = tsp.solve(points, node_limit=limit)
        assert (cut.order.sort(1).values == torch.arange(50)).all()
        visited = points.gather(1, cut.order.long()[..., None].expand(-1, -1, 2))
        assert torch.allclose(cut.length, (visited - visited.roll(-1, 1)).norm(dim=2).sum(1))
        assert (cut.lower_bound <= optima.length * (1 + 1e-12)).all() and (
            cut.length >= optima.length * (1 - 1e-12)
        ).all()
        assert (cut.lower_bound > 0.9 * optima.length).all()
        assert ((cut.lower_bound == cut.length) == cut.optimal).all()
        assert (cut.nodes[~cut.optimal] >= limit).all()
        nodes.append(int(cut.optimal.sum()))
    assert nodes[0] < 30 and nodes == sorted(nodes)
    assert same(tsp.solve(points, node_limit=30, num_threads=1), cut)


def hard():
    """One that no bound closes soon: any way out and back along a line is optimal, but for the last bits."""
    return plain.FAMILIES["collinear"](np.random.default_rng(9), 1, 40)


def test_a_time_limit_is_heard():
    begun = time.monotonic()
    tours = tsp.solve(hard(), "branch_and_bound", time_limit=0.3)
    assert time.monotonic() - begun < 2
    assert not tours.optimal.any() and (tours.lower_bound <= tours.length).all()


def test_an_interrupt_is_heard():
    # A process begun in the background of a shell ignores interrupts; this one is to hear it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Timer(0.3, _thread.interrupt_main).start()
        begun = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            tsp.solve(hard(), "branch_and_bound", time_limit=20)
        assert time.monotonic() - begun < 3
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_time_limit_is_heard_by_a_large_batch():
    begun = time.monotonic()
    tsp.solve(uniform(200, 100), time_limit=0.1, num_threads=1)
    assert time.monotonic() - begun < 2


def test_without_a_limit_every_tour_is_proved():
    given = plain.FAMILIES["30 powers of ten"](np.random.default_rng(0), 10, 16)
    assert tsp.solve(given, "branch_and_bound").optimal.all()


# Bad input

OK = uniform(2, 6)
MATRIX = torch.cdist(OK, OK)


def changed(value, place=(1, 2, 3)):
    given = MATRIX.clone()
    given[place] = given[place[0], place[2], place[1]] = value
    return given


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (torch.zeros(2, 2), ValueError, "instances: got 2 cities, allowed: 3 to 256"),
        (torch.zeros(1, 257, 2), ValueError, "instances: got 257 cities, allowed: 3 to 256"),
        (torch.zeros(4, 5), ValueError, r"got shape \(1, 4, 5\)"),
        (torch.zeros(1, 1, 4, 2), ValueError, r"got shape \(1, 1, 4, 2\)"),
        ([1, 2, 3], ValueError, r"got shape \(3,\)"),
        (None, TypeError, "instances: got NoneType"),
        ("tour", TypeError, "instances: got str"),
        ([["a", "b"]] * 3, TypeError, r"instances\[0\]: got list of <U1"),
        ([[[0, 0], [1]], [[0, 0], [1, 0]]], ValueError, r"instances\[0\]: got list that makes no array"),
        (MATRIX > 0, TypeError, "got dtype torch.bool"),
        (OK.to_sparse(), TypeError, "got torch.float64, torch.sparse_coo"),
        (OK.to("meta"), ValueError, "on meta, allowed: cpu; nothing is copied"),
        (OK * float("nan"), ValueError, "problem 0 has a coordinate nan, allowed: finite numbers"),
        (OK * 2.0**510, ValueError, "cannot be squared; allowed: up to 2\\^500"),
        (OK * 1e-200, ValueError, "cannot be squared; allowed: 2\\^-460 or more"),
        (changed(float("inf")), ValueError, "problem 1 has a distance inf, allowed: finite"),
        (changed(-0.5), ValueError, "problem 1 has a distance -0.5, allowed: 0 or more"),
        (changed(1e290), ValueError, "problem 1 has a distance 1e\\+290, allowed: up to 2\\^900"),
        (MATRIX * 1e-310, ValueError, "scale of 2\\^49 units cannot divide; allowed: 2\\^-1000 or more"),
        (changed(2.0**49).long(), ValueError, "has a distance 562949953421312, which the scale of 2\\^49 units"),
        (MATRIX.triu(1), ValueError, "problem 0 has distance .* from 0 to 1 and 0.0 back, allowed: symmetric"),
        ([OK[0], OK], ValueError, r"instances\[1\]: got 2 problems, allowed: one"),
        ([OK[0], OK[1] * float("inf")], ValueError, r"instances\[1\]: problem 0 has a coordinate"),
    ],
)
def test_what_is_no_problem_is_refused_with_a_reason(given, error, words):
    with pytest.raises(error, match=words):
        tsp.solve(given)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"method": "magic"}, ValueError, "method: got 'magic', allowed: auto"),
        ({"method": 1}, ValueError, "method: got 1"),
        ({"metric": "GEO"}, ValueError, "metric: got 'GEO', allowed: euclidean, EUC_2D"),
        ({"instances": MATRIX, "metric": "ATT"}, ValueError, "metric: got 'ATT' with distances"),
        ({"instances": OK * 2.0**60, "metric": "EUC_2D"}, ValueError, "EUC_2D distances the scale of 2\\^49 units"),
        (
            {"instances": uniform(1, 17), "method": "held_karp"},
            ValueError,
            "held_karp for 17 cities, allowed: up to 16",
        ),
        ({"node_limit": 0}, ValueError, "node_limit: got 0"),
        ({"node_limit": 1.5}, TypeError, "node_limit: got 1.5"),
        ({"time_limit": 0}, ValueError, "time_limit: got 0"),
        ({"time_limit": float("nan")}, ValueError, "time_limit: got nan"),
        ({"time_limit": "1"}, TypeError, "time_limit: got '1'"),
        ({"num_threads": 0}, ValueError, "num_threads: got 0"),
        ({"seed": -1}, ValueError, "seed: got -1"),
        ({"seed": True}, TypeError, "seed: got True"),
        ({"device": "abacus"}, ValueError, "device: got 'abacus'"),
    ],
)
def test_arguments_out_of_range_are_refused_by_name(arguments, error, words):
    with pytest.raises(error, match=words):
        tsp.solve(**{"instances": OK, **arguments})


def test_rows_may_be_arrays_and_gaps_are_shares():
    points = uniform(1, 9)[0]
    tours = tsp.solve(list(points))
    assert same(tours, tsp.solve(points)) and tours.gap.tolist() == [0.0]
    given = uniform(4, 60)
    cut_short = tsp.solve(given, "branch_and_bound", node_limit=1)
    assert ((cut_short.gap > 0) == ~cut_short.optimal).all() and (cut_short.gap < 0.1).all()


def test_a_trace_tells_the_search():
    points = torch.from_numpy(np.random.default_rng(5).random((25, 2)))
    for method in ("branch_and_bound", "branch_and_cut"):
        trace = tsp.trace(points, method)
        kinds = [tsp.tracing.KINDS[k] for k in trace.kind]
        assert kinds[0] == "tour" and trace.total == len(trace) and trace.tours.optimal.all()
        lengths = trace.value[trace.kind == 4]
        assert (lengths[1:] < lengths[:-1]).all() and lengths[-1] == pytest.approx(
            float(trace.tours.length[0]), rel=1e-12
        )
        # A node gone into is bounded or closed next (a better tour may come between); no bound passes the optimum.
        for at, kind in enumerate(kinds):
            if kind in ("exclude", "include"):
                after = next(k for k in kinds[at + 1 :] if k != "tour")
                assert after in ("bound", "closed") and trace.a[at] != trace.b[at]
        assert (trace.value[trace.kind == 0] <= trace.tours.length[0] + 1e-9).all()
        assert torch.equal(tsp.solve(points, method).nodes, trace.tours.nodes)
    short = tsp.trace(points, "branch_and_bound", max_events=2)
    assert len(short) == 2 < short.total and str(short).endswith("…")
    assert len(tsp.trace(points[:8])) >= 2
    with pytest.raises(ValueError, match="method: got 'held_karp'"):
        tsp.trace(points, "held_karp")


def test_cities_in_one_place_are_solved_as_one():
    places = uniform(3, 14)
    tours, alone = tsp.solve(places.repeat_interleave(4, 1)), tsp.solve(places)
    assert tours.optimal.all() and torch.allclose(tours.length, alone.length, rtol=1e-14, atol=0)
    assert (tours.order.sort(1).values == torch.arange(56)).all() and (tours.nodes <= 4 * alone.nodes + 4).all()
    # A detour by way of the place is shorter than going past it: standing for all would be wrong.
    matrix = torch.full((1, 14, 14), 9.0)
    matrix[:, 0, :], matrix[:, :, 0], matrix[:, 1, :], matrix[:, :, 1] = 1.0, 1.0, 1.0, 1.0
    matrix[:, 0, 1] = matrix[:, 1, 0] = 0.0
    assert tsp.solve(matrix, "branch_and_bound").length == tsp.solve(matrix, "held_karp").length == 2 * 2 + 10 * 9


def test_what_only_the_cpu_does_is_refused_on_a_gpu_and_nothing_else_done_in_its_place(monkeypatch):
    monkeypatch.setattr(solving, "check_device", lambda device: torch.device("cuda", 0))
    with pytest.raises(
        ValueError, match=r"^method: got branch_and_cut on cuda:0, allowed: auto, held_karp, branch_and_bo"
    ):
        tsp.solve(OK, "branch_and_cut", device="cuda")
    with pytest.raises(ValueError, match=r"^time_limit: got 3 on cuda:0, allowed: None; node_limit"):
        tsp.solve(OK, time_limit=3, device="cuda")
