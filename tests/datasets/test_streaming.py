"""A stream has each instance once an epoch over ranks and workers, in an order that its seed and epoch decide, in flat memory."""

import collections
import functools
import itertools
import operator
import subprocess
import sys

import pytest
import torch
from torch.utils.data import DataLoader

from mesasim import datasets, tsp
from mesasim.mazes import DatasetConfig
from mesasim.mazes.datasets import generate_dataset

COUNT = 20_500  # kept of it: fewer, in shards of several groups of rows and one of part of a group


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("streamed") / "d"
    config = DatasetConfig(
        count=COUNT, size=3, algorithm="percolation", options={"p": 0.7}, shard_size=9000, min_distance=3
    )
    generate_dataset(config, path)
    return path


@pytest.fixture(scope="module")
def kept(folder):
    data = datasets.load(folder)
    return torch.cat([data.tensors(k)["number"] for k in range(data.num_shards)]).tolist()


def numbers(stream, workers=0):
    """What one rank sees, by way of a DataLoader."""
    rows = DataLoader(stream, batch_size=None, num_workers=workers)
    return [n for row in rows for n in (row if isinstance(row, list) else [row])]


@pytest.fixture(autouse=True)
def batches_are_numbers(monkeypatch):
    """Of each batch and item, only which instances they are."""
    from mesasim.mazes.datasets import MazeDataset

    monkeypatch.setattr(MazeDataset, "batch_of", lambda self, rows: rows["number"].tolist())
    monkeypatch.setattr(MazeDataset, "item", lambda self, rows: int(rows["number"]))


def test_without_shuffling_instances_come_in_order(folder, kept):
    assert numbers(datasets.stream(folder)) == numbers(datasets.stream(folder, batch_size=100)) == kept
    assert 5000 < len(kept) < COUNT


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(("world_size", "workers"), [(1, 0), (1, 2), (2, 0), (3, 2), (7, 0)])
def test_every_instance_comes_once_over_ranks_and_workers(folder, kept, shuffle, world_size, workers):
    found, sizes = [], []
    for rank in range(world_size):
        stream = datasets.stream(folder, shuffle=shuffle, buffer=3000, batch_size=512, rank=rank, world_size=world_size)
        part = numbers(stream, workers)
        found += part
        sizes.append(len(part))
        assert stream.instances == len(part)
    assert sorted(found) == kept and max(sizes) - min(sizes) <= 1


def test_more_readers_than_instances_is_no_harm(tmp_path):
    generate_dataset(DatasetConfig(count=3, size=3, shard_size=1), tmp_path / "d")
    found = [numbers(datasets.stream(tmp_path / "d", rank=r, world_size=5, shuffle=True)) for r in range(5)]
    assert sorted(functools.reduce(operator.iadd, found, [])) == [0, 1, 2]


def test_equal_ranks_have_as_many_instances_and_batches(folder, kept):
    world = next(w for w in (3, 7, 11, 13) if len(kept) % w)
    parts = []
    for rank in range(world):
        stream = datasets.stream(folder, shuffle=True, batch_size=64, rank=rank, world_size=world, equal=True)
        parts.append(list(DataLoader(stream, batch_size=None, num_workers=2 if rank < 2 else 0)))
    assert {sum(map(len, part)) for part in parts} == {len(kept) // world}
    assert len(parts[0]) == len(parts[1]) and len({len(part) for part in parts[2:]}) == 1
    seen = [n for part in parts for batch in part for n in batch]
    assert len(set(seen)) == len(seen) == len(kept) // world * world


def test_the_order_is_the_seeds_and_the_epochs(folder, kept):
    def order(seed=0, epoch=0):
        stream = datasets.stream(folder, shuffle=True, seed=seed, buffer=4000, batch_size=256)
        stream.set_epoch(epoch)
        return numbers(stream)

    assert order() == order() and order(1, 2) == order(1, 2)
    different = [order(), order(seed=1), order(epoch=1), kept]
    assert all(sorted(one) == kept for one in different)
    assert all(a != b for i, a in enumerate(different) for b in different[:i])


def test_neighbours_are_torn_apart_by_a_buffer(folder, kept):
    found = numbers(datasets.stream(folder, shuffle=True, buffer=8192, batch_size=256))
    together = sum(abs(a - b) <= 3 for a, b in itertools.pairwise(found))
    assert together < 0.02 * len(kept)  # in order: nearly all; drawn from 4,096 and more: about 6 in 4,096


@pytest.fixture(scope="module")
def many_shards(tmp_path_factory):
    """40 shards of 30, and one of three groups of rows and a part of one."""
    path = tmp_path_factory.mktemp("many")
    generate_dataset(DatasetConfig(count=1200, size=3, shard_size=30, endpoints="none"), path / "small")
    generate_dataset(DatasetConfig(count=30_000, size=3, shard_size=30_000, endpoints="none"), path / "large")
    return path


def order_of(path, each, seed=0, epoch=0):
    """The parts of `each` instances in the order in which they come, without a buffer."""
    stream = datasets.stream(path, shuffle=True, seed=seed, buffer=1)
    stream.set_epoch(epoch)
    return list(dict.fromkeys(n // each for n in numbers(stream)))


@pytest.mark.parametrize(("which", "each", "parts"), [("small", 30, 40), ("large", 8192, 4)])
def test_shards_and_groups_of_rows_come_in_another_order_for_each_seed_and_epoch(many_shards, which, each, parts):
    some = [order_of(many_shards / which, each, *how) for how in itertools.product((0, 1, 2**32), range(4))]
    assert all(sorted(order) == list(range(parts)) for order in some)
    assert all(order != list(range(parts)) for order in some) or parts == 4
    assert len({tuple(order) for order in some}) > (11 if parts == 40 else 4)  # of 12; of 24 orders of four
    firsts = sum(order.index(0) for order in some) / len(some)
    assert 0.2 * parts < firsts < 0.8 * parts  # of 0 … parts - 1


def test_each_use_of_random_numbers_has_its_own(folder):
    def drawn(*use, seed=7, epoch=3):
        stream = datasets.stream(folder, seed=seed)
        stream.set_epoch(epoch)
        return stream._drawn(*use).random()

    uses = [drawn(1), *(drawn(2, k) for k in (0, 1, 2**32)), *(drawn(3, *of) for of in ((0, 0), (0, 1), (1, 0)))]
    others = [drawn(1, seed=3, epoch=7), drawn(1, seed=7 << 32), drawn(1, seed=7, epoch=3 << 32), drawn(1, seed=2**62)]
    assert len({*uses, *others}) == len(uses) + len(others)


def test_an_epoch_set_later_reaches_workers_that_stay(folder):
    stream = datasets.stream(folder, shuffle=True, batch_size=256)
    rows = DataLoader(stream, batch_size=None, num_workers=1, persistent_workers=True)
    first = [n for batch in rows for n in batch]
    again = [n for batch in rows for n in batch]
    stream.set_epoch(1)
    other = [n for batch in rows for n in batch]
    assert first == again != other and sorted(first) == sorted(other)


def test_batches_are_full_but_for_the_last(folder, kept):
    sizes = collections.Counter(
        len(batch) for batch in datasets.stream(folder, shuffle=True, batch_size=100, buffer=777)
    )
    rest = {len(kept) % 100: 1} if len(kept) % 100 else {}
    assert sizes == {100: len(kept) // 100, **rest}


def test_items_and_batches_are_those_of_the_map_style_data_set(tmp_path):
    tsp.generate_dataset(tsp.TourDatasetConfig(count=50, n=6, shard_size=20), tmp_path / "d")
    data = datasets.load(tmp_path / "d")
    for i, item in enumerate(datasets.stream(tmp_path / "d")):
        assert (
            item["number"] == i and torch.equal(item["problems"], data[i]["problems"]) and item["gap"] == data[i]["gap"]
        )
    batches = list(datasets.stream(tmp_path / "d", batch_size=30))
    assert [len(batch) for batch in batches] == [30, 20]
    assert torch.equal(batches[1].order, data.batch(range(30, 50)).order)


def test_memory_stays_flat_however_much_is_streamed(tmp_path):
    """Once the first 102 MB of rows have been read, 205 MB more take less than 40 MB more memory: it goes up and down by
    15 MB between epochs, as the allocator has it. docs/datasets.md has the figure for 2 GB."""
    config = DatasetConfig(count=100_000, size=64, endpoints="none", shard_size=20_000, algorithm="binary_tree")
    generate_dataset(config, tmp_path / "d")
    code = f"""
from mesasim import datasets
def used():
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(status["RssAnon"].split()[0]) * 1024
stream = datasets.stream({str(tmp_path / "d")!r}, batch_size=64, shuffle=True, buffer=2000)
most, rows = [0, 0, 0], 0
for epoch in range(3):
    for mazes, _ in stream:
        rows += mazes.packed.numel()
        most[epoch] = max(most[epoch], used())
print(rows, max(most) - most[0])
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path).stdout
    read, grown = map(int, said.split())
    assert read == 3 * 100_000 * 2 * 64 * 8 and grown < 40e6


@pytest.mark.parametrize(
    ("how", "message"),
    [({"rank": 1}, "rank: got 1 with world_size None"), ({"rank": 2, "world_size": 2}, "rank: got 2"), ({"buffer": 0}, "buffer"),
     ({"batch_size": 0}, "batch_size: got 0"), ({"seed": -1}, "seed: got -1")],
)  # fmt: skip
def test_what_cannot_be_is_refused(folder, how, message):
    with pytest.raises(ValueError, match=message):
        datasets.stream(folder, **how)
