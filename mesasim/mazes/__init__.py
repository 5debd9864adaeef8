"""Mazes in batches: laid out by algorithms of known law, solved exactly, as packed bits in torch tensors."""

from mesasim.mazes.batch import Mazes
from mesasim.mazes.generation import algorithms, generate

__all__ = ["Mazes", "algorithms", "generate"]
