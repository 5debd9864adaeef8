"""`register`: adds a world in Python under an id, to be played by MesaVectorEnv."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

from mesasim import _core
from mesasim.custom.declaring import Description, check_different
from mesasim.custom.world import CustomWorld
from mesasim.engines import ADDED
from mesasim.presets import PRESETS
from mesasim.registration import register_world
from mesasim.vector import MesaVectorEnv

PARAMETERS = {
    "describe": ("config",),
    "reset": ("config", "state", "key"),
    "step": ("config", "state", "action", "key"),
    "observe": ("config", "state", "out"),
    "oracle": ("config", "state", "out"),
    "valid": ("config", "state", "done"),
    "picture": ("config", "state"),
}


def register(
    id: str,
    *,
    help: str,
    describe: Callable[[Any], Description],
    reset: Callable[[Any, Any, Any], None],
    step: Callable[[Any, Any, Any, Any], Any],
    observe: Callable[[Any, Any, Any], None],
    oracle: Callable[[Any, Any, Any], None] | None = None,
    valid: Callable[[Any, Any, Any], bool] | None = None,
    picture: Callable[[Any, Any], Sequence[str]] | None = None,
    colours: dict[str, tuple[int, int, int]] | None = None,
    options: Sequence[_core.Option] = (),
    variants: Sequence[dict[str, Any]] = ({},),
) -> None:
    """Adds a world: from here on `make_vec(id)` and Gymnasium's `make_vec("mesasim/" + id)` play it, in this process.
    Registering an id of one's own again replaces it.

    Args:
        id: "Name-v0".
        help: one line, for listings.
        describe: config → Description; may raise ValueError about options that do not go together. Python, not compiled.
        reset: (config, state, key): an episode begins; `state` is a record of zeros to fill.
        step: (config, state, action, key) → (reward, terminated, trial_over): `trial_over` says that the next observation
            starts a new trial.
        observe: (config, state, out): writes each field, out.name[...].
        oracle: (config, state, out): the same for the oracle's fields.
        valid: (config, state, done) → bool: whether a saved state can hold this, `done` saying that the episode is over.
            Without it every record is taken, and a state from a file that was tampered with may index out of bounds.
        picture: (config, state) → rows of letters, all of one length. Python, not compiled.
        colours: red, green, blue (0 to 255) of a letter; grey for others.
        options: integer(...), real(...), flag(...), choice(...): keywords of `make_vec`; `config.name` in the rules.
        variants: option sets that tests and signatures run.

    `key` is what random numbers are drawn with (mesasim.custom.draws). docs/custom_worlds.md says what the functions may use.
    """
    if not isinstance(id, str) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*-v[0-9]+", id):
        raise ValueError(f"id: got {id!r}, allowed: letters, digits and _, then -v and a number, as in 'Corridor-v0'")
    if id in _core.world_ids() or id in PRESETS:
        raise ValueError(f"id: got {id!r}, which the engine has already; allowed: another")
    functions: dict[str, Any] = {"describe": describe, "reset": reset, "step": step, "observe": observe}
    wished = {"oracle": oracle, "valid": valid, "picture": picture}
    functions |= {name: function for name, function in wished.items() if function is not None}
    for name, function in functions.items():
        _check_parameters(name, function)
    if not all(isinstance(option, _core.Option) for option in options):
        raise TypeError(f"options: got {list(options)}, allowed: integer(...), real(...), flag(...), choice(...)")
    names = [option.name for option in options]
    check_different("options", names)
    taken = sorted(set(names) & {"world", *inspect.signature(MesaVectorEnv.__init__).parameters})
    if taken:
        raise ValueError(f"options: got {', '.join(taken)}, which MesaVectorEnv takes itself; allowed: other names")
    world = CustomWorld(id, help, options, variants, functions, colours or {})
    for variant in ({}, *variants):
        world.spec(variant)  # refuses what cannot be described
    ADDED[id] = world
    register_world(id)


def _check_parameters(name: str, function: Any) -> None:
    wanted = PARAMETERS[name]
    if not inspect.isfunction(function):
        raise TypeError(f"{name}: got {function!r}, allowed: a plain function ({', '.join(wanted)})")
    parameters = list(inspect.signature(function).parameters)
    if len(parameters) != len(wanted):
        raise TypeError(f"{name}: got a function of ({', '.join(parameters)}), allowed: ({', '.join(wanted)})")
