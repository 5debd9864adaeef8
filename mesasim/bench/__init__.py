"""Benchmarks of the engine, each through the Python call its users make."""
