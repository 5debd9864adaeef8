"""What asks for more than this process may use is refused before it is set aside, by name. The bound is made small here, as a
control group or `ulimit -v` would."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
import torch

import mesasim
from mesasim import curriculum, hardware, machine, mazes, regression, sequences, tsp
from mesasim.train import ppo, rollout

BOUND = 50_000_000


@pytest.fixture
def small_memory(monkeypatch):
    monkeypatch.setattr(machine, "memory_bytes", lambda: BOUND)


ASKED = {
    "num_envs": [lambda: mesasim.make_vec("Maze-v0", 10**6), lambda: mesasim.make_vec("Bandit-v0", 2**32)],
    "count": [
        lambda: mazes.generate(10**6, 64),
        lambda: mazes.generate(2**40, 2),
        lambda: tsp.generate(10**6, 20),
        lambda: tsp.generate(10**4, 256, "random_matrix"),
        lambda: tsp.generate(10**6, 20, "greedy_hard"),
        lambda: sequences.generate("coin", 10**6, 100),
        lambda: sequences.generate("coin", 10**5, 100, give=["filter"]),
        lambda: regression.generate(10**6),
        lambda: curriculum.knapsack.generate(10**6, 50),
        lambda: curriculum.subset_sum.generate(10**6, 50),
        lambda: curriculum.colouring.generate(10**6, 50),
        lambda: curriculum.satisfiability.generate(10**6, 50),
    ],
}


@pytest.mark.parametrize("name", ASKED)
def test_more_than_memory_is_refused_by_name(name, small_memory):
    for ask in ASKED[name]:
        with pytest.raises(
            ValueError, match=rf"^{name}: got \d+, which takes [\d.]+ GB, allowed: what fits in memory, 0.1 GB"
        ):
            ask()


@pytest.fixture(scope="module")
def large():
    """20,000 mazes that fit in the bound as they are, solved: 2.6 MB of connections, 20 MB of cells."""
    made = mazes.generate(20_000, 32, seed=1, num_threads=1)
    return made, made.solve(0, 31, num_threads=1)


DERIVED = {
    "distances": ("mazes", lambda made, solved: made.distances(0)),
    "components": ("mazes", lambda made, solved: made.components()),
    "connections": ("mazes", lambda made, solved: made.connections),
    "pixels": ("mazes", lambda made, solved: made.pixels()),
    "text": ("mazes", lambda made, solved: made.text()),
    "pictures of paths": ("mazes", lambda made, solved: made.pixels(path=solved)),
    "tokens": ("mazes|solutions", lambda made, solved: mazes.MazeTokenizer(32, 32).encode(solved)),
    "shuffles": ("mazes|solutions", lambda made, solved: mazes.MazeTokenizer(32, 32, shuffle=True).encode(solved)),
    "easy to hard": ("solutions", lambda made, solved: mazes.easy_to_hard(solved)),
}


@pytest.mark.parametrize("derived", DERIVED)
def test_what_is_derived_and_larger_than_memory_is_refused_by_name(derived, large, small_memory):
    name, ask = DERIVED[derived]
    with pytest.raises(
        ValueError, match=rf"^({name}): got 20000, which takes [\d.]+ GB, allowed: what fits in memory, 0.1 GB"
    ):
        ask(*large)


def test_tokens_are_refused_where_connections_fit(large, monkeypatch):
    monkeypatch.setattr(machine, "memory_bytes", lambda: 4 * BOUND)
    assert large[0][:1000].connections.shape == (1000, 2, 32, 32)
    with pytest.raises(ValueError, match=r"^solutions: got 20000, which takes"):
        mazes.MazeTokenizer(32, 32).encode(large[1])


def test_a_rollout_larger_than_memory_is_refused_before_it_begins(small_memory):
    config = {"world": "Bandit-v0", "num_envs": 1000, "num_threads": 1}
    with pytest.raises(
        ValueError,
        match=r"^rollout_steps: got 100000 with num_envs=1000, which takes [\d.]+ GB, allowed: what fits in memory",
    ):
        ppo.Trainer(ppo.PPOConfig(**config, rollout_steps=100_000))
    ppo.Trainer(ppo.PPOConfig(**config, rollout_steps=100))


def test_what_a_rollout_is_said_to_take_is_what_it_takes():
    trainer = ppo.Trainer(ppo.PPOConfig(world="Maze-v0", num_envs=50, rollout_steps=7, num_threads=1))
    asked = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollout, "check_room", lambda name, value, size, device: asked.append(size))
        trainer.collector.check_room(7)
    made, _ = trainer.collector._room(7)
    arrays = [
        *made.obs.values(),
        *made.oracle.values(),
        made.is_first,
        made.done,
        made.action,
        made.log_prob,
        made.value,
    ]
    truncated = made.done.nbytes  # not kept where no episode is cut
    assert asked == [sum(t.nbytes for t in arrays) + made.earned.nbytes + made.reward.nbytes + truncated]


def test_what_fits_is_made(small_memory):
    assert len(mazes.generate(1000, 8, num_threads=1)) == 1000
    assert mesasim.make_vec("Maze-v0", 1000).num_envs == 1000


def test_a_view_larger_than_memory_is_refused(small_memory):
    made = mazes.generate(2, 4, num_threads=1)
    for large in (np.broadcast_to(np.uint8(1), (2**40,)), torch.ones(1, dtype=torch.int32).expand(2**35)):
        with pytest.raises(ValueError, match=r"which takes .* GB, allowed: what fits in memory"):
            made.distances(large)


def test_the_bound_follows_the_limit_of_address_space(tmp_path):
    """In a process of its own, for the limit cannot be raised again."""
    program = (
        "import resource; from mesasim import machine, mazes\n"
        "before = machine.memory_bytes()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (before // 2, resource.getrlimit(resource.RLIMIT_AS)[1]))\n"
        "assert machine.memory_bytes() == before // 2, (before, machine.memory_bytes())\n"
        "try: mazes.generate(before // 8, 8, num_threads=1)\n"
        "except ValueError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("count: got ")


def test_the_control_groups_limit_counts(tmp_path, monkeypatch):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(hardware, "CGROUP", tmp_path)
    whole = machine.memory_bytes()
    limit.write_text("max\n")
    assert machine.memory_bytes() == whole
    limit.write_text("12345\n")
    assert machine.memory_bytes() == 12345


def test_seeds_without_end_are_refused():
    env = mesasim.make_vec("Bandit-v0", 2)
    for endless in (np.broadcast_to(np.float64(1), (2**40,)), itertools.count()):
        with pytest.raises(ValueError, match=r"^seed: got 3 or more seeds, allowed: an int or 2 ints"):
            env.reset(seed=endless)


def test_an_option_that_is_a_large_array_is_refused_with_levels_too():
    with pytest.raises(TypeError, match=r"^size: got "):
        mesasim.make_vec(
            "Maze-v0", 2, levels=mazes.generate(2, 4), size=np.broadcast_to(np.float64(1), (2**20, 2**20, 2))
        )
