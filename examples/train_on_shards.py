"""Train a network to see where a shortest path goes first, from a sharded data set that is streamed, never held whole.

    python examples/train_on_shards.py
    torchrun --nproc-per-node 2 examples/train_on_shards.py     each process reads its own part of every epoch

Under torchrun the first process makes the set, on a file system that all see, and tells the others where; it alone prints.
The set is what `mesasim generate mazes --count 20000 --size 4 --shards 8 --out mazes-4` writes."""

import os
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from mesasim import datasets
from mesasim.mazes import DatasetConfig, generate_dataset


def cells(mazes, solutions):
    """Planes of walls, start and goal [B, 4, rows, cols], and each path's first move [B]."""
    ends = torch.stack([solutions.start, solutions.goal], dim=1).long()
    marks = torch.nn.functional.one_hot(ends, mazes.rows * mazes.cols).view(-1, 2, mazes.rows, mazes.cols)
    return torch.cat([mazes.connections, marks], dim=1).float(), (solutions.packed_moves[:, 0] & 3).long()


def main(folder=None, count=20_000, epochs=4):
    """Share of first moves that are right in the last quarter of training."""
    ranks, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
    if ranks > 1:
        dist.init_process_group("gloo")
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as own:
        where = [str(Path(folder or own) / "mazes-4")]
        if rank == 0:
            generate_dataset(DatasetConfig(count=count, size=(4, 4), shard_size=-(-count // 8)), Path(where[0]))
        if ranks > 1:
            dist.broadcast_object_list(where)  # which waits until the set is there
        folder = Path(where[0])
        stream = datasets.stream(folder, shuffle=True, buffer=4096, batch_size=256, equal=True)
        loader = DataLoader(stream, batch_size=None)
        network = torch.nn.Sequential(
            torch.nn.Conv2d(4, 32, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(32, 32, 3, padding=1), torch.nn.ReLU(),
            torch.nn.Flatten(), torch.nn.Linear(32 * 16, 4),
        )  # fmt: skip
        network = DistributedDataParallel(network) if ranks > 1 else network
        optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
        right = []
        for epoch in range(epochs):
            stream.set_epoch(epoch)
            for mazes, solutions in loader:
                seen, move = cells(mazes, solutions)
                answer = network(seen)
                torch.nn.functional.cross_entropy(answer, move).backward()
                optimizer.step()
                optimizer.zero_grad()
                right.append((answer.argmax(1) == move).float().mean().item())
        if ranks > 1:
            dist.barrier()  # the folder goes with the first process's
    if ranks > 1:
        dist.destroy_process_group()
    last = right[-len(right) // 4 :]
    return sum(last) / len(last)


if __name__ == "__main__":
    right = main()
    if int(os.environ.get("RANK", 0)) == 0:
        print(f"{right:.1%} of first moves are right")
