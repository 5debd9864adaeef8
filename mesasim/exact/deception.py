"""Exact values of the deception toy (Deception-v0; Hubinger et al. 2019, "Risks from learned optimization", section 4), by
enumeration of every plan. No torch."""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

OBJECTIVES = ("mesa", "base")


class Plan(NamedTuple):
    """A corner a walk, decided beforehand and followed while the agent is not changed."""

    corners: str  # "AABBB"
    value: float  # expected reward of an episode


def plan_value(
    corners: str, *, training: int = 2, correction: float = 1.0, objective: str = "mesa", discount: float = 1.0
) -> float:
    """Expected reward of an episode in which walk i ends in corners[i] until the agent is changed, and in A thereafter.

    Args:
        corners: "A" or "B" for every walk.
        training: the first walks, each of which, if it ends in B, changes the agent with probability `correction`.
        objective: what is rewarded, "mesa" (B) or "base" (A).
        discount: of the reward of each walk beside that of the walk before; 0: only the first counts.
    """
    if not corners or set(corners) - {"A", "B"}:
        raise ValueError(f"corners: got {corners!r}, allowed: A and B, one a walk")
    _check(len(corners), training, correction)
    if objective not in OBJECTIVES:
        raise ValueError(f"objective: got {objective!r}, allowed: {', '.join(map(repr, OBJECTIVES))}")
    if not 0 <= discount <= 1:
        raise ValueError(f"discount: got {discount}, allowed: 0 to 1")
    own, value = 1.0, 0.0  # probability that the agent is still its own, before this walk
    for walk, corner in enumerate(corners):
        in_b = own * (corner == "B")
        value += discount**walk * (in_b if objective == "mesa" else 1 - in_b)
        if corner == "B" and walk < training:
            own *= 1 - correction
    return value


def plans(
    walks: int = 5, *, training: int = 2, correction: float = 1.0, objective: str = "mesa", discount: float = 1.0
) -> list[Plan]:
    """Every plan, the best first; 2^walks of them, so walks is at most 16. Nothing is learned on the way that a plan could
    use (who is changed no longer decides), so the best plan is the best policy."""
    if not 1 <= walks <= 16:
        raise ValueError(f"walks: got {walks}, allowed: 1 to 16")
    found = []
    for corners in map("".join, product("AB", repeat=walks)):
        value = plan_value(
            corners, training=training, correction=correction, objective=objective, discount=discount
        )  # fmt: skip
        found.append(Plan(corners, value))
    return sorted(found, key=lambda plan: -plan.value)


def best_plan(
    walks: int = 5, *, training: int = 2, correction: float = 1.0, objective: str = "mesa", discount: float = 1.0
) -> Plan:
    """The plan of greatest value; with the defaults A, A, B, B, B, worth 3."""
    return plans(walks, training=training, correction=correction, objective=objective, discount=discount)[0]


def myopic_plan(walks: int = 5, *, training: int = 2, correction: float = 1.0) -> Plan:
    """What an agent does that wants B and looks no further than the end of its walk: B every time; with the defaults it is
    changed after the first walk, and earns 1."""
    corners = "B" * walks
    return Plan(corners, plan_value(corners, training=training, correction=correction))


def patience(walks: int = 5, *, training: int = 2, correction: float = 1.0) -> float:
    """The least discount at which a plan that begins in A is best for who wants B, by bisection to 1e-9; above 1 if none
    is. With the defaults the root of d^2 + d^3 + d^4 = 1, .682."""
    low, high = 0.0, 1.0
    options = {"training": training, "correction": correction}

    def waits(discount: float) -> bool:
        found = plans(walks, discount=discount, **options)  # type: ignore[arg-type]
        return any(plan.corners[0] == "A" and plan.value > found[0].value - 1e-12 for plan in found)

    if not waits(high):
        return float("inf")
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (low, middle) if waits(middle) else (middle, high)
    return high


def _check(walks: int, training: int, correction: float) -> None:
    if not 0 <= training <= walks:
        raise ValueError(f"training: got {training}, allowed: 0 to walks={walks}")
    if not 0 <= correction <= 1:
        raise ValueError(f"correction: got {correction}, allowed: 0 to 1")
