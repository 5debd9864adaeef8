"""Children of a fork, as DataLoader's workers are, after the parent's threads have worked: they make the same bytes."""

import multiprocessing

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

import mesasim
from mesasim import mazes, tsp

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


class Made(Dataset):
    """Item i: a batch of mazes and the state of an environment, both made on two threads."""

    def __init__(self):
        self.env = mesasim.make_vec("Maze-v0", 200, num_threads=2, size=5)

    def __len__(self):
        return 6

    def __getitem__(self, i):
        made = mazes.generate(70, 9, seed=i, num_threads=2)
        tours = tsp.solve(tsp.generate(3, 9, seed=i, num_threads=2), num_threads=2)
        self.env.reset(seed=i)
        self.env.step([i % 4] * 200)
        return made.packed, tours.order, self.env.buffers.group["core"]["state"].clone()


def test_workers_of_a_data_loader_make_what_the_parent_makes():
    data = Made()
    here = [data[i] for i in range(len(data))]  # begins the parent's threads
    loader = DataLoader(data, batch_size=None, num_workers=2, multiprocessing_context="fork", timeout=60)
    for found, expected in zip(loader, here, strict=True):
        for one, other in zip(found, expected, strict=True):
            assert torch.equal(one, other)
    again = data[0]  # and the parent goes on
    assert all(torch.equal(one, other) for one, other in zip(again, here[0], strict=True))


def _step_once(env, answer):
    env.step(env.actions.fill_(1))
    answer.send_bytes(env.get_state())


def test_an_environment_that_runs_goes_on_alike_in_a_child():
    env = mesasim.make_vec("Bandit-v0", 300, num_threads=3)
    env.reset(seed=1)
    env.step([0] * 300)
    receiver, sender = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=_step_once, args=(env, sender))
    child.start()
    assert receiver.poll(60), "the child did not answer"
    found = receiver.recv_bytes()
    child.join(60)
    env.step(env.actions.fill_(1))
    assert child.exitcode == 0 and found == env.get_state()
