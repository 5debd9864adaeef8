"""Sweeps: the same command over seeds, sizes and options, each point a run folder of its own, all in one table.

points.py says which points there are, running.py runs one, table.py gathers them, command.py is `mesasim sweep`."""

from mesasim.sweep.points import Plan, Point, points
from mesasim.sweep.running import run_sweep

__all__ = ["Plan", "Point", "points", "run_sweep"]
