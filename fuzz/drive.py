"""Runs one target of fuzz/targets under atheris, for fuzz/run.py: `python fuzz/drive.py NAME PROGRAM [flags, folders]`, PROGRAM
being what starts it so, and the rest libFuzzer's."""

import importlib
import sys
from pathlib import Path

import atheris

sys.path.append(str(Path(__file__).resolve().parent.parent))  # fuzz; after mesasim, which is installed elsewhere

if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    with atheris.instrument_imports(include=["mesasim"]):
        target = importlib.import_module(f"fuzz.targets.{sys.argv[1]}")
    atheris.Setup(sys.argv[2:], target.one_input)
    atheris.Fuzz()
