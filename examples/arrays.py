"""Another library's arrays in and out, on its device and without a copy. Written in the words
that array libraries share: `main()` runs on NumPy; on a GPU it is `main(cupy, "cuda")` and nothing else (mesasim[cuda])."""

from types import ModuleType

import numpy as np

import mesasim
from mesasim import mazes, tsp


def main(xp: ModuleType = np, device: str = "cpu", count: int = 500, n: int = 10) -> float:
    """Returns how much longer the tours are that always go on to the easternmost city left."""
    # Out: what mesasim gives is a torch tensor; from_dlpack is the same memory under another name.
    points = xp.from_dlpack(tsp.generate(count, n, seed=1, device=device))
    # In: solvers take the arrays of any library, where they are.
    best = xp.from_dlpack(tsp.solve(points, device=device).length)
    tripled = xp.from_dlpack(tsp.solve(3 * points, device=device).length)
    assert bool(xp.all(xp.abs(tripled - 3 * best) < 1e-9)), "tours of a map drawn three times as large"

    made = mazes.generate(count, 9, seed=1, device=device)
    farthest = xp.max(xp.from_dlpack(made.distances(0)), axis=(1, 2))  # int32 [count]
    print(f"mazes: the farthest cell is {float(xp.sum(farthest)) / count:.1f} steps away")

    # An environment writes into the same memory at every step, so these two names are made once.
    env = mesasim.make_vec("Tour-v0", count, device=device, levels=points)
    observation, _ = env.reset(seed=1)
    allowed = xp.from_dlpack(observation["action_mask"])  # bool [count, n]
    total = 0 * best
    for _ in range(n):
        _, reward, _, _, _ = env.step(xp.argmax(xp.where(allowed, points[:, :, 0], -1.0), axis=1))
        total = total - xp.from_dlpack(reward)
    longer = float(xp.mean(total / best)) - 1
    print(f"tours: always to the easternmost city left is {longer:.0%} longer than the optimum")
    return longer


if __name__ == "__main__":
    main()
