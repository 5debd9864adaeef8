"""How far trainings on several processes are from the same training on one: for each number of iterations the largest
difference between their weights, and whether their worlds are in the same state bit for bit (docs/scaling.md).

    python bench/ranks.py [--world maze] [--iterations 4 8] [--ranks 2] [--no-native]"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from mesasim.train.checkpoint import latest_checkpoint, load_checkpoint

WORLDS = {
    "bandit": ["--world", "Bandit-v0", "-o", "arms=5", "-o", "pulls=10"],
    "maze": ["--world", "Maze-v0", "-o", "size=4", "-o", "view=3", "-o", "trials=2", "-o", "trial_steps=10"],
}
SETTINGS = ["--hidden", "32", "--rollout-steps", "10", "--epochs", "2", "--minibatches", "4", "--num-threads", "1"]


def trained(out: Path, ranks: int, flags: list[str]) -> dict[str, torch.Tensor]:
    """The tensors of the last checkpoint. RuntimeError with what a training said that did not end well."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)] if ranks > 1 else []
    command = [sys.executable, *launcher, "-m", "mesasim", "train", "--out", str(out), *SETTINGS, *flags, "--quiet"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path[1:]))}
    done = subprocess.run(command, env=env, cwd=out.parent, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"a training on {ranks} process(es) ended with {done.returncode}:\n{done.stderr}")
    return load_checkpoint(latest_checkpoint(out))[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", choices=WORLDS, default="bandit")
    parser.add_argument("--num-envs", type=int, default=4096, help="slots of all processes together")
    parser.add_argument("--iterations", type=int, nargs="+", default=[4], help="each is a training of its own")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--native", action=argparse.BooleanOptionalAction, default=True)
    asked = parser.parse_args()
    for iterations in asked.iterations:
        flags = [*WORLDS[asked.world], "--num-envs", str(asked.num_envs), "--iterations", str(iterations)]
        flags += [] if asked.native else ["--no-native"]
        with tempfile.TemporaryDirectory(prefix="mesasim-ranks-") as folder:
            one, several = (trained(Path(folder) / f"of {ranks}", ranks, flags) for ranks in (1, asked.ranks))
        weights = max((one[n] - several[n]).abs().max().item() for n in one if n.startswith("model/"))
        same = torch.equal(one["trainer/env"], several["trainer/env"])
        print(
            f"{asked.world}, {iterations} iterations, 1 × {asked.num_envs:,} and {asked.ranks} × "
            f"{asked.num_envs // asked.ranks:,}: weights differ by at most {weights:.1e}; worlds "
            + ("in the same state" if same else "in other states")
        )


if __name__ == "__main__":
    main()
