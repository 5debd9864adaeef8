"""Fuzz targets in Python: a module each, whose one_input(data) must return, whatever the bytes. A module says which of its own
exceptions are answers (refusals that name what is wrong) by catching them; any other is a finding. fuzz/run.py drives them by
atheris, tests/hostile by pytest, over the kept corpus and over bytes of hypothesis."""

NAMES = ("tsplib", "maze_readers", "checkpoints", "states", "settings", "arguments")
