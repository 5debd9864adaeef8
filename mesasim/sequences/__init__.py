"""Sequences of symbols by the batch, from the code that Sequence-v0 runs: coins, the weather ladder, categorical tasks; with
the exact Bayes filter's and the regime oracle's predictions where asked for."""

from mesasim.sequences.datasets import SequenceDataset, SequenceDatasetConfig, generate_dataset, load
from mesasim.sequences.generation import GIVE, REGIMES, Sequences, generate, options, processes, relabel, tables
from mesasim.sequences.source import SequenceSource, as_examples

__all__ = [
    "GIVE",
    "REGIMES",
    "SequenceDataset",
    "SequenceDatasetConfig",
    "SequenceSource",
    "Sequences",
    "as_examples",
    "generate",
    "generate_dataset",
    "load",
    "options",
    "processes",
    "relabel",
    "tables",
]
