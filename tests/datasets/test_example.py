"""examples/train_on_shards.py trains, alone and under torchrun, where each process reads its own part of every epoch."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mesasim import datasets
from mesasim.mazes import DatasetConfig, generate_dataset
from mesasim.mazes.datasets import MazeDataset

EXAMPLE = Path(__file__).parents[2] / "examples" / "train_on_shards.py"
COUNT, EPOCHS = 1024, 2

# A process of the job: the example, then a file of the numbers this rank read in each batch, a line an epoch.
RECORDED = f"""
import os, runpy
from pathlib import Path
from mesasim.mazes.datasets import MazeDataset
read, batch_of = [], MazeDataset.batch_of
MazeDataset.batch_of = lambda self, rows: read.append(rows["number"].tolist()) or batch_of(self, rows)
right = runpy.run_path({str(EXAMPLE)!r})["main"]({{folder!r}}, {COUNT}, {EPOCHS})
half = len(read) // {EPOCHS}
epochs = [sum(read[half * e : half * (e + 1)], []) for e in range({EPOCHS})]
text = "\\n".join(" ".join(map(str, epoch)) for epoch in epochs)
Path({{folder!r}}, "rank " + os.environ["RANK"]).write_text(text)
assert 0 <= right <= 1
"""


def test_alone_it_learns_more_than_guessing_from_every_instance(tmp_path, monkeypatch):
    read, batch_of = [], MazeDataset.batch_of
    monkeypatch.setattr(MazeDataset, "batch_of", lambda self, rows: read.extend(rows["number"]) or batch_of(self, rows))
    assert runpy.run_path(str(EXAMPLE))["main"](tmp_path, 2048, 4) > 0.35  # of four moves
    assert sorted(map(int, read)) == sorted(list(range(2048)) * 4)


def test_ranks_that_torch_distributed_names_read_disjoint_parts_that_are_together_the_whole(tmp_path, monkeypatch):
    generate_dataset(DatasetConfig(count=COUNT, size=4, shard_size=128), tmp_path / "d")
    monkeypatch.setattr(MazeDataset, "batch_of", lambda self, rows: rows["number"].tolist())
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    shares = []
    for rank in range(2):
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        stream = datasets.stream(tmp_path / "d", shuffle=True, buffer=200, batch_size=100, equal=True)
        shares.append([number for batch in stream for number in batch])
    assert [len(share) for share in shares] == [COUNT // 2] * 2
    assert sorted(shares[0] + shares[1]) == list(range(COUNT))


@pytest.mark.slow  # three processes import torch
def test_under_torchrun_two_processes_read_disjoint_parts_of_each_epoch_that_are_together_the_whole(tmp_path):
    script = tmp_path / "recorded.py"
    script.write_text(RECORDED.format(folder=str(tmp_path)))
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"},
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ranks = [(tmp_path / f"rank {rank}").read_text().splitlines() for rank in range(2)]
    epochs = [[list(map(int, text.split())) for text in shares] for shares in zip(*ranks, strict=True)]
    assert len(epochs) == EPOCHS and epochs[0] != epochs[1]
    for shares in epochs:
        assert [len(share) for share in shares] == [COUNT // 2] * 2
        assert sorted(shares[0] + shares[1]) == list(range(COUNT))
