"""Mazes in batches: laid out by algorithms of known law, solved exactly, as packed bits in torch tensors; for worlds, data
sets, sequence models and planners alike."""

from mesasim.mazes.batch import Mazes
from mesasim.mazes.datasets import DatasetConfig, MazeDataset, generate_dataset, load
from mesasim.mazes.generation import algorithms, generate
from mesasim.mazes.pixels import easy_to_hard
from mesasim.mazes.selection import select
from mesasim.mazes.solving import Solutions
from mesasim.mazes.tokens import MazeTokenizer

__all__ = [
    "DatasetConfig",
    "MazeDataset",
    "MazeTokenizer",
    "Mazes",
    "Solutions",
    "algorithms",
    "easy_to_hard",
    "generate",
    "generate_dataset",
    "load",
    "select",
]
