"""Several processes train what one would: the same tasks and actions, the same weights up to the order of sums, and checkpoints
that go on on any number of them."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from plain.training_cases import config_of

from mesasim import make_vec
from mesasim.saved_state import join_states, part_of_state
from mesasim.train.checkpoint import latest_checkpoint, load_checkpoint
from mesasim.train.distributed import ALONE, Ranks, device_of, first_rank, launched
from mesasim.train.ppo import Trainer, train
from mesasim.train.ppo_update import NativeUpdate
from mesasim.train.rollout import sample

ROUNDING = 1e-6  # of weights after a few updates: gradients are the same numbers, added up in another order
TRAINED = [
    ("gru", "bandit", "own critic"), ("gru", "maze", "own critic"), ("transformer", "maze", "own critic"),
    ("mlp", "corridor", "own critic"), ("gru", "corridor", "oracle's critic"), ("gru", "bandit", "regret"),
    ("gru", "bandit", "cut"),
]  # fmt: skip
NATIVE = [("gru", "bandit", "own critic"), ("lstm", "maze", "own critic")]
SPARSE = {"num_envs": 4, "minibatches": 4}  # a minibatch of one slot: one of two ranks has none of it
LONGER = {"iterations": 6, "checkpoint_every": 3}
BETWEEN = [(1, 2), (2, 1), (2, 4)]  # processes before and after a resume


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder of runs on several processes, all started at once since the start of a process is what costs."""
    folder = tmp_path_factory.mktemp("runs")
    jobs = [[2, str(folder / "-".join(case)), case, {}, False] for case in TRAINED]
    jobs.append([2, str(folder / "sparse"), TRAINED[0], SPARSE, False])
    jobs += [[2, str(folder / f"native {'-'.join(case)}"), case, {"native": True}, False] for case in NATIVE]
    jobs.append([2, str(folder / "native sparse"), NATIVE[0], {**SPARSE, "native": True}, False])
    for before, after in BETWEEN:
        run = str(folder / f"from {before} to {after}")
        jobs += [[ranks, run, TRAINED[1], LONGER, ranks is after] for ranks in (before, after)]
    (folder / "jobs.json").write_text(json.dumps(jobs))
    tests = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, tests / "plain" / "ranks.py", folder / "jobs.json"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), *filter(None, sys.path)]), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    statuses = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert statuses == [[0] * ranks for ranks, *_ in jobs], done.stderr[-3000:]
    return folder


def differences(run, other):
    """Largest difference of weights; what of the run's state is not the same bits."""
    (mine, meta), (theirs, also) = (load_checkpoint(latest_checkpoint(each)) for each in (run, other))
    assert mine.keys() == theirs.keys() and meta == also
    weights = max((mine[n] - theirs[n]).abs().max().item() for n in mine if n.startswith(("model/", "critic/")))
    exact = ("trainer/env", "trainer/is_first", "trainer/generator")
    return weights, [name for name in exact if not torch.equal(mine[name], theirs[name])]


@pytest.mark.parametrize("case", TRAINED, ids=" ".join)
def test_two_processes_take_the_actions_of_one_and_learn_its_weights(case, runs, tmp_path):
    train(config_of(*case), tmp_path)
    weights, differing = differences(runs / "-".join(case), tmp_path)
    assert weights < ROUNDING and not differing
    rows = [(each / "metrics.csv").read_text().splitlines() for each in (runs / "-".join(case), tmp_path)]
    assert len(rows[0]) == len(rows[1]) == 4 and rows[0][0] == rows[1][0]
    for one, other in zip(*rows, strict=True):
        for name, mine, theirs in zip(rows[0][0].split(","), one.split(","), other.split(","), strict=True):
            if mine != name and not name.endswith(("_share", "_second", "_seconds")):
                assert float(mine) == pytest.approx(float(theirs), abs=1e-5, nan_ok=True), name


@pytest.mark.parametrize("case", NATIVE, ids=" ".join)
def test_native_updates_of_two_processes_learn_the_weights_of_one(case, runs, tmp_path, monkeypatch):
    """Of 16 slots a minibatch the two have unequal shares."""
    made = []
    monkeypatch.setattr(NativeUpdate, "minibatch", counted(NativeUpdate.minibatch, made))
    config = dataclasses.replace(config_of(*case), native=True)
    train(config, tmp_path)
    weights, differing = differences(runs / f"native {'-'.join(case)}", tmp_path)
    assert weights < ROUNDING and not differing
    assert made


def counted(function, calls):
    return lambda *given: calls.append(1) or function(*given)


@pytest.mark.parametrize("native", [False, True])
def test_a_process_without_slots_in_a_minibatch_adds_nothing(native, runs, tmp_path):
    train(dataclasses.replace(config_of(*TRAINED[0]), **SPARSE, native=native), tmp_path)
    weights, differing = differences(runs / ("native sparse" if native else "sparse"), tmp_path)
    assert weights < ROUNDING and not differing


@pytest.mark.parametrize("before, after", BETWEEN)
def test_a_checkpoint_goes_on_on_another_number_of_processes(before, after, runs, tmp_path):
    train(dataclasses.replace(config_of(*TRAINED[1]), **LONGER), tmp_path)
    weights, differing = differences(runs / f"from {before} to {after}", tmp_path)
    assert weights < ROUNDING and not differing


def test_the_slots_of_two_halves_are_those_of_the_whole_in_every_world(case):
    world, options = case
    settings = {"history": True, "autoreset_mode": "SameStep", "max_episode_steps": 7, "num_threads": 1, **options}
    whole, first, second = (make_vec(world, n, first_slot=at, **settings) for n, at in ((6, 0), (3, 0), (3, 3)))
    parts = [(whole, slice(0, 6)), (first, slice(0, 3)), (second, slice(3, 6))]
    for env, _ in parts:
        env.reset(seed=5)
    draw, ended = torch.Generator().manual_seed(1), torch.zeros(6, dtype=torch.int64)
    for _ in range(24):
        actions = torch.randint(len(whole.world_spec.actions), (6,), generator=draw)
        for env, slots in parts:
            env.step(actions[slots])
        for (name, all_slots), (_, one), (_, other) in zip(*(env.buffers.items() for env, _ in parts), strict=True):
            assert torch.equal(all_slots, torch.cat([one, other])), name
        ended += whole.buffers.group["core"]["terminated"] | whole.buffers.group["core"]["truncated"]
    assert ended.min() >= 3


def test_states_of_parts_join_to_the_state_of_the_whole_and_back():
    whole, *halves = (make_vec("Maze-v0", n, first_slot=at, seed=3, size=4) for n, at in ((6, 0), (3, 0), (3, 3)))
    for env in (whole, *halves):
        env.reset()
        env.step(torch.ones(env.num_envs, dtype=torch.int64))
    states = [env.get_state() for env in halves]
    assert join_states(states) == whole.get_state()
    assert [part_of_state(whole.get_state(), first, 3) for first in (0, 3)] == states
    with pytest.raises(ValueError, match=r"slots 4 to 6, allowed: 0 to 5"):
        part_of_state(whole.get_state(), 4, 3)
    other = make_vec("Maze-v0", 3, seed=3, size=5)
    other.reset()
    with pytest.raises(ValueError, match="one environment's slots"):
        join_states([states[0], other.get_state()])
    with pytest.raises(ValueError, match="checksum"):
        join_states([states[0], states[1][:-40] + bytes(40)])


def test_each_process_draws_its_slots_part_of_the_noise_of_all():
    logits = torch.randn(12, 5, generator=torch.Generator().manual_seed(1))
    whole = sample(logits, torch.Generator().manual_seed(2))
    parts = [sample(logits[4 * r : 4 * r + 4], torch.Generator().manual_seed(2), Ranks(r, 3)) for r in range(3)]
    assert torch.equal(whole, torch.cat(parts))


def test_a_minibatch_is_shared_out_by_who_holds_the_slots():
    slots = torch.tensor([7, 0, 3, 5, 6, 1, 2])
    shares = [Ranks(rank, 2).of_minibatch(slots, 4) for rank in range(2)]
    assert [(own.tolist(), share) for own, share in shares] == [([0, 3, 1, 2], 4 / 7), ([3, 1, 2], 3 / 7)]
    own, share = Ranks(1, 2).of_minibatch(torch.tensor([2, 0]), 4)
    assert own.tolist() == [0] and share == 0.0
    assert ALONE.of_minibatch(slots, 8)[0] is slots


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"num_envs": 33}, "num_envs: got 33 on 2 processes, allowed: a multiple of 2"),
        ({"cuda_graphs": "on", "device": "cuda"}, "cuda_graphs: got 'on' on 2 processes"),
        ({"device": "cuda:1"}, "device: got 'cuda:1' on 2 processes"),
    ],
)
def test_settings_that_several_processes_cannot_have_are_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        Trainer(dataclasses.replace(config_of(), **bad), ranks=Ranks(0, 2))


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"RANK": "first"}, "^RANK: got 'first' in the environment, allowed: an integer of at least 0"),
        ({"WORLD_SIZE": "-2"}, "^WORLD_SIZE: got '-2' in the environment"),
        ({"RANK": "2"}, "^RANK: got 2 with WORLD_SIZE 2, allowed: 0 to 1"),
    ],
)
def test_what_a_launcher_says_is_checked(variables, message, monkeypatch):
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "x", "MASTER_PORT": "1", **variables}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=message):
        launched()
    monkeypatch.delenv("MASTER_PORT")
    assert launched() == (0, 1) and first_rank()


def test_the_process_group_says_who_is_first_where_there_is_one(monkeypatch):
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    monkeypatch.setattr(dist, "get_rank", lambda: 1)
    monkeypatch.setattr(dist, "get_world_size", lambda: 3)
    assert launched() == (1, 3) and not first_rank()


def test_each_process_of_a_machine_takes_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert device_of("cuda", Ranks(7, 8)) == "cuda:3"
    assert device_of("cuda:1", ALONE) == "cuda:1" and device_of("cpu", Ranks(7, 8)) == "cpu"
