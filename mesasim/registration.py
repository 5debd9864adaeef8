"""Every world of the engine and every preset, registered with Gymnasium as mesasim/<id>. No id is typed by hand."""

from __future__ import annotations

import gymnasium

from mesasim.spec import PREFIX, known_ids


def register_worlds() -> None:
    for world in known_ids():
        register_world(world)


def register_world(world: str) -> None:
    """Registers one; what Gymnasium knows already stays."""
    if PREFIX + world in gymnasium.registry:
        return
    gymnasium.register(
        id=PREFIX + world,
        entry_point="mesasim.single:MesaEnv",
        vector_entry_point="mesasim.vector:gymnasium_vec",
        kwargs={"world": world},
        disable_env_checker=True,  # mesasim.testing checks the worlds; a user's make() need not again
    )
