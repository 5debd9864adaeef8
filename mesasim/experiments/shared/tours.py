"""What the experiments on tours share: labelled tours, the problem that a pointer network learns, and figures of merit. Not
an experiment itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mesasim import tsp
from mesasim.agents.pointer import Pointer, PointerConfig, Policy
from mesasim.agents.tour_policies import tour_lengths
from mesasim.train.supervised import home


@dataclass
class Labelled:
    """Instances with an optimal tour each."""

    points: Tensor  # [B, n, 2] float64
    order: Tensor  # [B, n] int64, canonical
    length: Tensor  # [B] float64

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, chosen: Any) -> Labelled:
        return Labelled(self.points[chosen], self.order[chosen], self.length[chosen])

    def gap(self, order: Tensor) -> np.ndarray:
        """How much longer tours are than the optimum, in percent, [B]; differences in the last digits are none."""
        gap = 100 * (tour_lengths(self.points, order) / self.length - 1)
        return torch.where(gap.abs() < 1e-9, 0.0, gap).numpy()


def labelled(
    count: int, n: int, *, seed: int, first: int = 0, distribution: str = "uniform", num_threads: int | None = None
) -> Labelled:
    """Instances first … first + count - 1 of a seed, solved exactly."""
    points = tsp.generate(count, n, distribution, seed=seed, first=first, num_threads=num_threads)
    order = torch.as_tensor(tsp.solve(points, num_threads=num_threads).order).long()
    return Labelled(points, order, tour_lengths(points, order))


def heuristic(points: Tensor, method: str, *, num_threads: int | None = None) -> Tensor:
    """Tours of one of the native heuristics, int64 [B, n]; improvements begin at the nearest neighbour's."""
    tours = (
        tsp.construct(points, method, num_threads=num_threads)
        if method in tsp.CONSTRUCTIONS
        else tsp.improve(points, method=method, num_threads=num_threads)
    )
    return torch.as_tensor(tours.order).long()


class NextCity:
    """The supervised problem: name an optimal tour's next city after each of its prefixes. To the network cities are a set, so
    that it cannot know which neighbour of city 0 has the smaller number: after the first city alone, half is the best there
    is. Random symmetries of the square make eight instances of one."""

    def __init__(self, network: PointerConfig, data: Labelled, origin: dict[str, Any]) -> None:
        self.network, self.origin = network, origin
        self.points, self.order = data.points.float(), data.order

    def describe(self) -> dict[str, Any]:
        return {"network": asdict(self.network), "examples": len(self.points), **self.origin}

    def model(self) -> nn.Module:
        return Pointer(self.network)

    def loss(self, model: nn.Module, batch: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        chosen = torch.randint(len(self.points), (batch,), generator=generator)
        points = tsp.augment(self.points[chosen], torch.randint(8, (batch,), generator=generator))
        order = self.order[chosen]
        points, order = (drawn.to(home(model)) for drawn in (points, order))
        logits = model(points, order[:, :-2])  # the last city needs no choice
        target = order[:, 1:-1]
        loss = functional.cross_entropy(logits.flatten(0, 1), target.flatten())
        return loss, {"accuracy": (logits.argmax(-1) == target).float().mean().detach()}


def next_city_hits(policy: Policy, data: Labelled) -> np.ndarray:
    """Whether a policy names the optimal tour's next city after each of its prefixes, [B, n - 1] of 0 and 1 (the last city
    needs no choice and is right). After the first city alone both of its neighbours are right."""
    parts = []
    for part in (data[begin : begin + 4096] for begin in range(0, len(data), 4096)):
        with torch.no_grad():
            named = policy(part.points, part.order[:, :-2]).argmax(-1)
        hit = named == part.order[:, 1:-1]
        hit[:, 0] |= named[:, 0] == part.order[:, -1]
        parts.append(torch.cat([hit, torch.ones_like(hit[:, :1])], dim=1))
    return torch.cat(parts).double().numpy()


__all__ = ["Labelled", "NextCity", "heuristic", "labelled", "next_city_hits"]
