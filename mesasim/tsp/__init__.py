"""Tours: problems solved and proved, tours made quickly and improved, and instances and tours in TSPLIB95 files."""

from mesasim.tsp.datasets import TourDataset, TourDatasetConfig, generate_dataset, load
from mesasim.tsp.generation import LabelledTours, distributions, generate, labelled
from mesasim.tsp.heuristics import CONSTRUCTIONS, IMPROVEMENTS, HeuristicTours, construct, improve
from mesasim.tsp.problems import METRICS, Problems, as_problems
from mesasim.tsp.solving import METHODS, Tours, solve
from mesasim.tsp.symmetry import augment, canonical
from mesasim.tsp.tour_files import read_tour, write_tour
from mesasim.tsp.tracing import SearchTrace, trace
from mesasim.tsp.tsplib import TsplibInstance, read_tsplib

__all__ = [
    "CONSTRUCTIONS",
    "IMPROVEMENTS",
    "METHODS",
    "METRICS",
    "HeuristicTours",
    "LabelledTours",
    "Problems",
    "SearchTrace",
    "TourDataset",
    "TourDatasetConfig",
    "Tours",
    "TsplibInstance",
    "as_problems",
    "augment",
    "canonical",
    "construct",
    "distributions",
    "generate",
    "generate_dataset",
    "improve",
    "labelled",
    "load",
    "read_tour",
    "read_tsplib",
    "solve",
    "trace",
    "write_tour",
]
