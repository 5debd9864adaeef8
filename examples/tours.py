"""From tours to training batches: draw instances on which greed fails, label them, order them by difficulty, augment."""

from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from mesasim import tsp
from mesasim.curriculum import Curriculum


def main(count: int = 2000, n: int = 20, gap: float = 0.1, steps: int = 50) -> float:
    """Returns the mean gap of the best nearest-neighbour tour in the last quarter of training."""
    uniform = tsp.labelled(count, n, seed=1)  # optimal tours, lengths, search nodes, greedy lengths
    hard = tsp.labelled(count, n, "greedy_hard", gap=gap, seed=1)  # the uniform law, given that greed is 10 % off
    print(
        f"uniform: greed {uniform.gap.mean():.1%} above the optimum, {(uniform.gap >= gap).double().mean():.1%} are hard"
    )
    print(f"hard:    greed {hard.gap.mean():.1%} above, 1 of {hard.trials.double().mean():.1f} draws taken")

    with TemporaryDirectory() as folder:  # the same on disk: mesasim generate tours --distribution greedy_hard …
        config = tsp.TourDatasetConfig(count, n, "greedy_hard", {"gap": gap}, seed=1, shard_size=500)
        tsp.generate_dataset(config, Path(folder) / "hard")
        data = tsp.load(Path(folder) / "hard")
        assert torch.equal(data.batch(range(count)).order, hard.order)

    both = torch.cat([uniform.gap, hard.gap])
    points, orders = torch.cat([uniform.problems, hard.problems]), torch.cat([uniform.order, hard.order])
    sampler = Curriculum(both, "easy_to_hard", buckets=8, seed=2)
    seen = []
    for step, chosen in enumerate(sampler.batches(64, steps)):
        turned = torch.randint(8, (64,), generator=torch.Generator().manual_seed(step))
        inputs = tsp.augment(points[chosen], turned).float()  # [64, n, 2], the same tours are optimal
        targets = orders[chosen]  # [64, n]: from city 0 on, one order a tour
        assert inputs.shape == (64, n, 2) and targets.shape == (64, n)
        seen.append(float(both[chosen].mean()))
    print(f"gap in the first quarter of training {sum(seen[: steps // 4]) / (steps // 4):.1%}, in the last", end=" ")
    last = sum(seen[-(steps // 4) :]) / (steps // 4)
    print(f"{last:.1%}")
    return last


if __name__ == "__main__":
    main()
