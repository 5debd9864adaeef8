"""A few slots, mazes and tours of every kind on the device: what compute-sanitizer can watch in reasonable time."""

from __future__ import annotations

import argparse
import sys

import torch

from mesasim import MesaVectorEnv, _core, mazes, regression, sequences, tsp
from mesasim.devices import check_device
from mesasim.spec import load_spec


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda:0")
    on = check_device(parser.parse_args().device)
    for world in _core.world_ids():
        for options in load_spec(world).variants[:3]:
            for mode in ("SameStep", "NextStep"):
                env = MesaVectorEnv(
                    world, 130, device=on, num_threads=1, seed=1, history=True, oracle=True, autoreset_mode=mode,
                    max_episode_steps=2, **dict(options),
                )  # fmt: skip
                env.reset()
                for step in range(3):  # the third is of another episode
                    env.step(torch.full((130,), step % len(env.world_spec.actions), dtype=torch.int32, device=on))
    for algorithm in mazes.algorithms():
        made = mazes.generate(40, (6, 11), algorithm, seed=1, device=on, num_threads=1)
        made.distances(0)
        made.solve(0, 65, on_impossible="mask")
    points = tsp.generate(6, 9, seed=1, device=on)
    for method in tsp.CONSTRUCTIONS:
        tsp.construct(points, method, device=on)
    for method in tsp.IMPROVEMENTS:
        tsp.improve(points, None, method, device=on, **({"sweeps": 2} if method == "annealing" else {}))
    for method in ("held_karp", "branch_and_bound"):
        assert tsp.solve(points, method, device=on).optimal.all()
    for process in sequences.processes():
        sequences.generate(process, 40, 12, give=("filter", "oracle"), device=on)
    regression.generate(40, device=on)
    if on.type == "cuda":
        torch.cuda.synchronize(on)
    print("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
