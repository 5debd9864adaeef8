"""Ways of editing what has been written, one resampled place at a time, over any medium that can cost its fillings. Not an
experiment itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from mesasim.agents.tour_policies import tour_lengths

# (what is written [B, L], share of the edits done, generator) → what is written after one more edit.
Edit = Callable[[Tensor, float, torch.Generator], Tensor]


class Medium(Protocol):
    """Something written in places, B instances of it."""

    heat: tuple[float, float]

    @property
    def places(self) -> int: ...
    def cost(self, written: Tensor) -> Tensor: ...
    def fillings(self, written: Tensor, place: Tensor) -> Tensor: ...
    def fill(self, written: Tensor, place: Tensor, filling: Tensor) -> Tensor: ...


@dataclass
class Tours:
    """Tours as a medium: place i is city i, taken out; filling k puts it back after the k-th of the others."""

    points: Tensor  # [B, n, 2] float64
    heat = (0.15, 0.01)  # temperatures that annealing goes through, in sides of the square

    def __post_init__(self) -> None:
        self.distance = torch.cdist(self.points, self.points)

    @property
    def places(self) -> int:
        return self.points.shape[1]

    def cost(self, order: Tensor) -> Tensor:
        return tour_lengths(self.points, order)

    def fillings(self, order: Tensor, place: Tensor) -> Tensor:
        """What the tour gains in length where city `place` [B] comes after each of the others: [B, n - 1]."""
        left = without(order, place)
        rows = torch.arange(len(order))[:, None]
        following, city = left.roll(-1, 1), place[:, None]
        d = self.distance
        return d[rows, left, city] + d[rows, city, following] - d[rows, left, following]

    def fill(self, order: Tensor, place: Tensor, filling: Tensor) -> Tensor:
        left, n = without(order, place), order.shape[1]
        at = torch.arange(n)[None] - (torch.arange(n)[None] > filling[:, None] + 1).long()
        filled = left.gather(1, at.clamp(max=n - 2))
        return filled.scatter(1, filling[:, None] + 1, place[:, None])

    def chance(self) -> Tensor:
        """Expected length of a random tour, [B]: n times the mean distance of two cities."""
        return self.distance.sum((1, 2)) / (self.places - 1)


def without(order: Tensor, city: Tensor) -> Tensor:
    """The tour [B, n] with one city taken out, [B, n - 1]."""
    return order[order != city[:, None]].reshape(len(order), -1)


def any_place(written: Tensor, medium: Medium, generator: torch.Generator) -> Tensor:
    return torch.randint(medium.places, (len(written),), generator=generator)


def accept_if_better(medium: Medium) -> Edit:
    """A random place, filled at random; kept where that is cheaper."""

    def edit(written: Tensor, _: float, generator: torch.Generator) -> Tensor:
        place = any_place(written, medium, generator)
        count = medium.fillings(written, place).shape[1]
        new = medium.fill(written, place, torch.randint(count, (len(written),), generator=generator))
        return torch.where((medium.cost(new) < medium.cost(written))[:, None], new, written)

    return edit


def best_filling(medium: Medium) -> Edit:
    """A random place, filled as cheaply as can be: coordinate descent."""

    def edit(written: Tensor, _: float, generator: torch.Generator) -> Tensor:
        place = any_place(written, medium, generator)
        return medium.fill(written, place, medium.fillings(written, place).argmin(1))

    return edit


def annealed(medium: Medium) -> Edit:
    """Gibbs sampling at a falling temperature (Geman & Geman 1984; Kirkpatrick et al. 1983): a random place, filled with
    odds exp(-cost / T)."""

    def edit(written: Tensor, done: float, generator: torch.Generator) -> Tensor:
        hot, cold = medium.heat
        temperature = hot * (cold / hot) ** done
        place = any_place(written, medium, generator)
        odds = (-medium.fillings(written, place) / temperature).softmax(1)
        return medium.fill(written, place, torch.multinomial(odds, 1, generator=generator).squeeze(1))

    return edit


def best_seen(medium: Medium, start: Tensor, edit: Edit, budgets: list[int], seed: int) -> dict[int, Tensor]:
    """Number of edits → the cheapest seen so far, in one go through `budgets` (ascending), [B]. An edit that depends on the
    share done sees that of the last budget."""
    generator = torch.Generator().manual_seed(seed)
    written, best, found = start, medium.cost(start), {}
    for step in range(budgets[-1] + 1):
        if step:
            written = edit(written, (step - 1) / budgets[-1], generator)
            best = torch.minimum(best, medium.cost(written))
        if step in budgets:
            found[step] = best
    return found
