"""Tours: problems solved and proved, and instances and tours in TSPLIB95 files."""

from mesasim.tsp.problems import METRICS, Problems, as_problems
from mesasim.tsp.solving import METHODS, Tours, solve
from mesasim.tsp.tracing import SearchTrace, trace
from mesasim.tsp.tour_files import read_tour, write_tour
from mesasim.tsp.tsplib import TsplibInstance, read_tsplib

__all__ = [
    "METHODS",
    "METRICS",
    "Problems",
    "SearchTrace",
    "Tours",
    "TsplibInstance",
    "as_problems",
    "read_tour",
    "read_tsplib",
    "solve",
    "trace",
    "write_tour",
]
