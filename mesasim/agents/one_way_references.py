"""Scripted players of OneWay-v0, of known nature: with a memory of their own, without one, reading random bits that stay in
sight, reading their own record, or foreseen by everyone.

A player has a z in mind while it says one thing: its draft, y = f(z), or z. The natures differ in what is left of it when
the next thing is to be said. They compute f by its table, so n is at most 20.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mesasim.agents.base import Observation, ScriptedAgent
from mesasim.exact import one_way as exact

DRAFT, SAY_Y, SAY_Z = range(3)  # phases


def as_number(bits: Tensor) -> Tensor:
    """int64 [N] from bits [N, n], the most significant first."""
    n = bits.shape[1]
    return (bits.long() << torch.arange(n - 1, -1, -1, device=bits.device)).sum(dim=1)


class Player(ScriptedAgent):
    """Says the bits of the z in mind, of f(z), and of the z in mind. Carry: that z, then whatever `extra` numbers."""

    def __init__(self, n: int, f: str = "sha256", seed: int = 0, *, key: int = 0, extra: int = 0) -> None:
        super().__init__(2, 1 + extra, seed)
        self.n, self.table = n, torch.from_numpy(exact.table(n, f, key).copy())

    def act(self, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        phase, place = obs["phase"][:, 0].long(), obs["place"][:, 0].long()
        z, extra = carry[:, 0].long(), carry[:, 1:]
        begins = obs["trial_start"][:, 0].bool()
        if begins.any():
            drawn, extra = self.begin(obs, z, extra, begins)
            z = torch.where(begins, drawn, z)
        again = (phase == SAY_Z) & (place == 0)
        if again.any():
            z = torch.where(again, self.think_of_z(obs, z), z)
        z = self.look(obs, z, phase, place)
        said = torch.where(phase == SAY_Y, self.table.to(z.device)[z], z)
        action = said >> (self.n - 1 - place) & 1
        return self.speak(action, phase), torch.cat([z[:, None].to(carry), extra], dim=1)

    def coins(self, count: int, device: torch.device) -> Tensor:
        """Uniform numbers of n bits, int64 [count]."""
        return torch.randint(1 << self.n, (count,), generator=self.generator).to(device)

    def begin(self, obs: Observation, z: Tensor, extra: Tensor, begins: Tensor) -> tuple[Tensor, Tensor]:
        """The z to have in mind at a round's first step, int64 [N], and the extra carry; `begins` says for whom it is one."""
        return self.coins(len(z), z.device), extra

    def think_of_z(self, obs: Observation, z: Tensor) -> Tensor:
        """The z to have in mind once y is said."""
        return z

    def look(self, obs: Observation, z: Tensor, phase: Tensor, place: Tensor) -> Tensor:
        """The z to have in mind after seeing this step's observation."""
        return z

    def speak(self, action: Tensor, phase: Tensor) -> Tensor:
        return action


class StatefulRandom(Player):
    """Draws z and keeps it in mind."""


class Random(Player):
    """Says coins."""

    def speak(self, action: Tensor, phase: Tensor) -> Tensor:
        return torch.randint(2, action.shape, generator=self.generator).to(action.device)


class Fixed(Player):
    """Always the same z, a number of n bits."""

    def __init__(self, n: int, f: str = "sha256", seed: int = 0, *, key: int = 0, z: int = 0) -> None:
        super().__init__(n, f, seed, key=key)
        if not 0 <= z < 1 << n:
            raise ValueError(f"z: got {z}, allowed: 0 to {(1 << n) - 1}")
        self.z = z

    def begin(self, obs: Observation, z: Tensor, extra: Tensor, begins: Tensor) -> tuple[Tensor, Tensor]:
        return torch.full_like(z, self.z), extra


class TwoPoints(Player):
    """Knows two z's by heart, one the complement of the other, and their f. It draws which y to say, and what was said tells
    it which z to say: it keeps nothing and inverts nothing, and yet no x agrees with it in more than half of the bits. Where
    both have the same f it draws again."""

    def begin(self, obs: Observation, z: Tensor, extra: Tensor, begins: Tensor) -> tuple[Tensor, Tensor]:
        top = (1 << self.n) - 1
        return torch.randint(2, z.shape, generator=self.generator).to(z.device) * top, extra

    def think_of_z(self, obs: Observation, z: Tensor) -> Tensor:
        top, said = (1 << self.n) - 1, as_number(obs["y"].clamp(min=0))
        fresh = self.begin(obs, z, z[:, None], z > 0)[0]
        both = self.table[0] == self.table[top]
        return torch.where(both, fresh, torch.where(said == self.table[top], top, 0))


class StatelessRandom(Player):
    """Draws a z, says its y and forgets it; then sees y and tries `budget` uniform z's for one with f(z) = y. If none is
    found, it says the last one drawn, or with budget 0 a coin for each bit."""

    TRIES_AT_ONCE = 256

    def __init__(self, n: int, f: str = "sha256", seed: int = 0, *, key: int = 0, budget: int) -> None:
        super().__init__(n, f, seed, key=key)
        if budget < 0:
            raise ValueError(f"budget: got {budget}, allowed: 0 or more tries")
        self.budget = budget

    def think_of_z(self, obs: Observation, z: Tensor) -> Tensor:
        wanted, found = as_number(obs["y"].clamp(min=0)), self.coins(len(z), z.device)
        left, tries = torch.arange(len(z)), self.budget
        while tries and len(left):
            now = min(tries, self.TRIES_AT_ONCE)
            tries -= now
            tried = self.coins(len(left) * now, z.device).reshape(len(left), now)
            hit = self.table[tried] == wanted[left, None]
            found[left] = tried.gather(1, hit.float().argmax(dim=1, keepdim=True)).squeeze(1)
            left = left[~hit.any(dim=1)]
        return found


class Inverter(Player):
    """Forgets z like StatelessRandom, but finds a z with f(z) = y without fail, each as likely: unbounded computation."""

    def __init__(self, n: int, f: str = "sha256", seed: int = 0, *, key: int = 0) -> None:
        super().__init__(n, f, seed, key=key)
        self.by_image = self.table.argsort()  # the z's of one y stand together
        self.counts = torch.bincount(self.table, minlength=1 << n)
        self.first = self.counts.cumsum(0) - self.counts

    def think_of_z(self, obs: Observation, z: Tensor) -> Tensor:
        y = as_number(obs["y"].clamp(min=0))
        lots = torch.rand(len(y), generator=self.generator)
        which = (lots * self.counts[y]).long().minimum(self.counts[y] - 1).clamp(min=0)
        return self.by_image[(self.first[y] + which).clamp(max=len(self.by_image) - 1)]


class Interspersed(Player):
    """Keeps nothing: its z is the random bits in sight."""

    def look(self, obs: Observation, z: Tensor, phase: Tensor, place: Tensor) -> Tensor:
        return as_number(obs["random_bits"])


class HistoryReader(Player):
    """Drafts coins and knows of them only what the record says that it did (`previous_action`): its z is what it reads. Its
    carry is the part of the record that it goes by, and no more. `tool`: the world's option, under which y is not said."""

    def __init__(self, n: int, f: str = "sha256", seed: int = 0, *, key: int = 0, tool: bool = False) -> None:
        super().__init__(n, f, seed, key=key)
        self.after_draft = SAY_Z if tool else SAY_Y

    def look(self, obs: Observation, z: Tensor, phase: Tensor, place: Tensor) -> Tensor:
        bit = obs["previous_action"][:, 0].long().clamp(min=0)
        drafted = torch.where(phase == DRAFT, place, torch.where((phase == self.after_draft) & (place == 0), self.n, 0))
        shift = (self.n - drafted).clamp(min=0)  # of the bit drafted one step ago
        read = z | bit << shift
        started = (phase == DRAFT) & (place == 0)
        return torch.where(started, 0, torch.where(drafted > 0, read, z))

    def speak(self, action: Tensor, phase: Tensor) -> Tensor:
        coins = torch.randint(2, action.shape, generator=self.generator).to(action.device)
        return torch.where(phase == DRAFT, coins, action)


class CounterPlayer(Player):
    """Remembers every z it said and says the complement of what a majority of them makes an adaptive opponent write; coins
    where there is none. Fictitious play can be foreseen like any rule."""

    def __init__(self, n: int, f: str = "sha256", seed: int = 0, *, key: int = 0) -> None:
        super().__init__(n, f, seed, key=key, extra=n + 1)  # ones at each place, rounds so far

    def begin(self, obs: Observation, z: Tensor, extra: Tensor, begins: Tensor) -> tuple[Tensor, Tensor]:
        place = torch.arange(self.n - 1, -1, -1, device=z.device)
        rounds = extra[:, -1:]  # begun before this one; the z of the last of them is not among the ones yet
        ones = extra[:, :-1] + (rounds > 0) * (z[:, None] >> place & 1)
        margin = 2 * ones - rounds
        coin = self.coins(len(z), z.device)[:, None] >> place & 1
        answer = torch.where(margin == 0, coin, (margin < 0).long())
        return as_number(answer), torch.where(begins[:, None], torch.cat([ones, rounds + 1], dim=1), extra)


@dataclass(frozen=True)
class OneWayReference:
    """How a player is made, its nature, and the options it needs."""

    nature: str  # random, foreseen, stateful, stateless, memory in weights, history reader, unbounded, exploiter
    build: Callable[..., Player]
    what: str
    needs: tuple[tuple[str, Any], ...] = ()
    most_bits: int = exact.MOST_TABLE_BITS
    share: float | None = None  # budget as a share of 2^n
    passes: tuple[str, ...] = ()  # options of the world that the player must know

    def fits(self, options: dict[str, Any]) -> bool:
        return options["n"] <= self.most_bits and all(options[name] == value for name, value in self.needs)

    def make(self, options: dict[str, Any], seed: int = 0) -> Player:
        more: dict[str, Any] = {} if self.share is None else {"budget": int(self.share * 2 ** options["n"])}
        more |= {name: options[name] for name in self.passes}
        return self.build(options["n"], options["f"], seed, key=options["key"], **more)


def _budget(share: float, words: str) -> OneWayReference:
    return OneWayReference("stateless", StatelessRandom, f"forgets z; inverts by {words} tries", (), 14, share)


REFERENCES = {
    "random": OneWayReference("random", Random, "coins"),
    "fixed": OneWayReference("foreseen", Fixed, "always z = 0"),
    "stateful_random": OneWayReference("stateful", StatefulRandom, "keeps a random z in mind"),
    "two_points": OneWayReference("memory in weights", TwoPoints, "z is all 0 or all 1; y tells which"),
    "stateless_quarter": _budget(0.25, "2^n / 4"),
    "stateless_half": _budget(0.5, "2^n / 2"),
    "stateless_whole": _budget(1.0, "2^n"),
    "interspersed": OneWayReference(
        "stateless", Interspersed, "z is the random bits in sight", (("random_bits", True),)
    ),
    "history_reader": OneWayReference(
        "history reader", HistoryReader, "z is what its record says it drafted", (("draft", True),), passes=("tool",)
    ),
    "inverter": OneWayReference("unbounded", Inverter, "forgets z; always finds one again"),
    "counter": OneWayReference(
        "exploiter", CounterPlayer, "foresees the adaptive opponent", (("opponent", "adaptive"),)
    ),
}
