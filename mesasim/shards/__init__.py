"""Data sets by the million on disk: shards by number range and a manifest. Knows nothing of what the instances are; that,
mesasim.mazes.datasets, mesasim.tsp.datasets and mesasim.sequences.datasets say. How they are read: mesasim.datasets."""

from mesasim.shards.files import Columns, Shard, columns_of, open_shard
from mesasim.shards.manifest import Sharded, one_of, read_manifest, shard_size_for
from mesasim.shards.reading import ShardedDataset, joined, read_whole
from mesasim.shards.writing import threads_each, write_shards

__all__ = [
    "Columns", "Shard", "Sharded", "ShardedDataset", "columns_of", "joined", "one_of", "open_shard", "read_manifest",
    "read_whole", "shard_size_for", "threads_each", "write_shards",
]  # fmt: skip
