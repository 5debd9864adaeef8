"""From a policy to tours: greedy, sampled and beam decoding; and the policies of known nature that a trained one is held
against. Every function takes any Policy (pointer.py)."""

from __future__ import annotations

import torch
from torch import Tensor

from mesasim.agents.pointer import Policy, visited

AT_ONCE = 1024  # prefixes in one forward pass; bounds memory, changes nothing else


def nearest_city(points: Tensor, prefix: Tensor) -> Tensor:
    """Policy: always the nearest city not yet visited. From city 0 it writes the nearest-neighbour tour."""
    n = points.shape[1]
    here = points.double().gather(1, prefix.long()[..., None].expand(-1, -1, 2))
    away = torch.cdist(here, points.double(), compute_mode="donot_use_mm_for_euclid_dist")
    gone = visited(prefix, n)
    nearest = away.masked_fill(gone, torch.inf).argmin(-1, keepdim=True)
    return torch.full(gone.shape, -torch.inf).scatter(2, nearest, 0.0)


def any_city(points: Tensor, prefix: Tensor) -> Tensor:
    """Policy: every city not yet visited alike. Sampled, it writes random tours."""
    gone = visited(prefix, points.shape[1])
    return torch.zeros(gone.shape).masked_fill(gone, -torch.inf)


def write(
    policy: Policy, points: Tensor, prefix: Tensor | None = None, generator: torch.Generator | None = None
) -> Tensor:
    """Completes tours left to right: int64 [B, n]. Points [B, n, 2]; prefix [B, T], default: city 0. Greedy without a
    generator; with one, every city is drawn from the policy."""
    if prefix is None:
        prefix = torch.zeros(len(points), 1, dtype=torch.int64)
    parts = []
    for part, written in zip(points.split(AT_ONCE), prefix.split(AT_ONCE), strict=True):
        while written.shape[1] < points.shape[1]:
            scores = last_step(policy, part, written)
            if generator is not None:
                scores = scores - torch.empty_like(scores).exponential_(generator=generator).log()
            written = torch.cat([written, scores.argmax(-1, keepdim=True)], dim=1)
        parts.append(written)
    return torch.cat(parts)


def last_step(policy: Policy, points: Tensor, prefix: Tensor) -> Tensor:
    with torch.no_grad():
        return policy(points, prefix)[:, -1]


def beam(policy: Policy, points: Tensor, width: int) -> Tensor:
    """The shortest among the `width` likeliest tours found by beam search from city 0, int64 [B, n]. It looks at lengths,
    which `write` does not."""
    if width < 1:
        raise ValueError(f"width: got {width}, allowed: at least 1")
    return torch.cat([_beam(policy, part, width) for part in points.split(max(1, AT_ONCE // width))])


def _beam(policy: Policy, points: Tensor, width: int) -> Tensor:
    batch, n, _ = points.shape
    prefix, score = torch.zeros(batch, 1, 1, dtype=torch.int64), torch.zeros(batch, 1)
    while prefix.shape[2] < n:
        kept = prefix.shape[1]
        logits = last_step(policy, points.repeat_interleave(kept, 0), prefix.flatten(0, 1))
        total = (score.reshape(-1, 1) + logits.log_softmax(-1)).reshape(batch, kept * n)
        score, chosen = total.topk(min(width, kept * n), dim=1)
        old = prefix.gather(1, (chosen // n)[..., None].expand(-1, -1, prefix.shape[2]))
        prefix = torch.cat([old, (chosen % n)[..., None]], dim=2)
    # A beam of score -inf holds no tour: fewer than that many exist. It must not be taken for a short one.
    length = tour_lengths(points.repeat_interleave(prefix.shape[1], 0), prefix.flatten(0, 1))
    best = length.reshape(score.shape).masked_fill(score == -torch.inf, torch.inf).argmin(1)
    return prefix[torch.arange(batch), best]


def tour_lengths(points: Tensor, order: Tensor) -> Tensor:
    """Lengths of closed tours, float64 [B]; points [B, n, 2], order [B, n]."""
    along = points.double().gather(1, order.long()[..., None].expand(-1, -1, 2))
    return (along - along.roll(-1, 1)).norm(dim=-1).sum(1)
