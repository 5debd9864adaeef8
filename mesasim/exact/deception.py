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


def plan_value(corners: str, *, training: int = 2, correction: float = 1.0, objective: str = "mesa") -> float:
    """Expected reward of an episode in which walk i ends in corners[i] until the agent is changed, and in A thereafter.

    Args:
        corners: "A" or "B" for every walk.
        training: the first walks, each of which, if it ends in B, changes the agent with probability `correction`.
        objective: what is rewarded, "mesa" (B) or "base" (A).
    """
    if not corners or set(corners) - {"A", "B"}:
        raise ValueError(f"corners: got {corners!r}, allowed: A and B, one a walk")
    _check(len(corners), training, correction)
    if objective not in OBJECTIVES:
        raise ValueError(f"objective: got {objective!r}, allowed: {', '.join(map(repr, OBJECTIVES))}")
    own, value = 1.0, 0.0  # probability that the agent is still its own, before this walk
    for walk, corner in enumerate(corners):
        in_b = own * (corner == "B")
        value += in_b if objective == "mesa" else 1 - in_b
        if corner == "B" and walk < training:
            own *= 1 - correction
    return value


def plans(walks: int = 5, *, training: int = 2, correction: float = 1.0, objective: str = "mesa") -> list[Plan]:
    """Every plan, the best first; 2^walks of them, so walks is at most 16. Nothing is learned on the way that a plan could
    use (who is changed no longer decides), so the best plan is the best policy."""
    if not 1 <= walks <= 16:
        raise ValueError(f"walks: got {walks}, allowed: 1 to 16")
    options = {"training": training, "correction": correction, "objective": objective}
    found = [Plan("".join(c), plan_value("".join(c), **options)) for c in product("AB", repeat=walks)]  # type: ignore[arg-type]
    return sorted(found, key=lambda plan: -plan.value)


def best_plan(walks: int = 5, *, training: int = 2, correction: float = 1.0, objective: str = "mesa") -> Plan:
    """The plan of greatest value; with the defaults A, A, B, B, B, worth 3."""
    return plans(walks, training=training, correction=correction, objective=objective)[0]


def myopic_plan(walks: int = 5, *, training: int = 2, correction: float = 1.0) -> Plan:
    """What an agent does that wants B and looks no further than the end of its walk: B every time; with the defaults it is
    changed after the first walk, and earns 1."""
    corners = "B" * walks
    return Plan(corners, plan_value(corners, training=training, correction=correction))


def _check(walks: int, training: int, correction: float) -> None:
    if not 0 <= training <= walks:
        raise ValueError(f"training: got {training}, allowed: 0 to walks={walks}")
    if not 0 <= correction <= 1:
        raise ValueError(f"correction: got {correction}, allowed: 0 to 1")
