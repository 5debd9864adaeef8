"""Which engine plays a world: the native one, or that of a world added from Python (mesasim.custom). The one place where the
two meet; what drives an engine knows neither."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from mesasim import _core


class Engine(Protocol):
    """A batch of slots over memory that the caller allocates: what `_core.Vector` is (csrc/backends/backend.h)."""

    spec: _core.Spec
    max_episode_steps: int

    def buffers(self) -> list[_core.Buffer]: ...
    def bind(self, addresses: Sequence[int]) -> None: ...
    def reset(self, mask: int = 0, seeds: int = 0, seed: int | None = None, stream: int = 0) -> None: ...
    def step(self, stream: int = 0) -> tuple[int, int, int] | None: ...
    def fault(self, stream: int = 0) -> tuple[int, int, int] | None: ...
    def invalid_slot(self, state: bytes) -> int: ...
    def picture(self, state: bytes) -> tuple[str, Any]: ...


class AddedWorld(Protocol):
    """A world from elsewhere. `engine` takes the keywords of `_core.Vector`."""

    def spec(self, options: dict[str, Any]) -> _core.Spec: ...
    def engine(self, options: dict[str, Any], **settings: Any) -> Engine: ...


ADDED: dict[str, AddedWorld] = {}  # by id, in the order they came


def world_ids() -> list[str]:
    """Every world that can be played in this process."""
    return [*_core.world_ids(), *ADDED]


def spec_of(world: str, options: dict[str, Any]) -> _core.Spec:
    """What `world` shows and accepts under these options (checked: ValueError or TypeError names the option)."""
    return ADDED[world].spec(options) if world in ADDED else _core.spec(world, options)


def engine_of(world: str, options: dict[str, Any], **settings: Any) -> Engine:
    """An engine of `world`; `settings` are the keywords of `_core.Vector`."""
    return ADDED[world].engine(options, **settings) if world in ADDED else _core.Vector(world, options, **settings)
