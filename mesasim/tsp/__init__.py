"""Tours: instances and tours in TSPLIB95 files."""

from mesasim.tsp.tour_files import read_tour, write_tour
from mesasim.tsp.tsplib import TsplibInstance, read_tsplib

__all__ = ["TsplibInstance", "read_tour", "read_tsplib", "write_tour"]
