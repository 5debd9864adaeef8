"""A world in Python: its declaration and its functions, checked and compiled; and `register`, which adds it under an id."""

from __future__ import annotations

import inspect
import re
from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import types
from numba.core.errors import NumbaError

from mesasim import _core
from mesasim.custom.compiling import SIMULATED, inner
from mesasim.custom.cpu import cpu_loops
from mesasim.custom.cuda import cuda_kernels
from mesasim.custom.declaring import Description, check_description, check_different
from mesasim.custom.draws import Key
from mesasim.custom.engine import CustomEngine
from mesasim.custom.slot import slot_rules
from mesasim.engines import ADDED
from mesasim.presets import PRESETS
from mesasim.registration import register_world
from mesasim.spec import NUMPY_DTYPES
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
UNNAMED_COLOUR = (200, 200, 200)


class Program(NamedTuple):
    """A world's loops under options that give its fields these names."""

    observation: Any  # the class of named tuples of its fields
    oracle: Any
    loops: dict[str, Any]
    kernels: dict[str, Any]


class CustomWorld:
    """What `register` was given, and what is compiled of it (mesasim.engines.AddedWorld)."""

    def __init__(
        self,
        id: str,
        help: str,
        options: Sequence[_core.Option],
        variants: Sequence[dict[str, Any]],
        functions: dict[str, Callable[..., Any]],
        colours: dict[str, tuple[int, int, int]],
    ) -> None:
        self.id, self.help, self.options, self.variants = id, help, list(options), list(variants)
        self.describe, self.draw = functions["describe"], functions.get("picture")
        self.functions = {name: inner(functions.get(name, default)) for name, default in RULES.items()}
        self.has_oracle, self.colours = "oracle" in functions, colours
        self.config_type: Any = namedtuple("Config", [option.name for option in self.options])
        self.programs: dict[tuple[tuple[str, ...], tuple[str, ...]], Program] = {}

    def config(self, options: dict[str, Any]) -> Any:
        """The options' values, as the rules see them: integers, floats, bools; a choice's index."""
        return self.config_type(**_core.read_options(self.id, self.options, options))

    def spec(self, options: dict[str, Any]) -> _core.Spec:
        described = self._described(options)
        return _core.Spec(
            self.id, self.help, self.options, list(described.observation), list(described.oracle),
            list(described.actions), int(described.max_episode_steps), self.variants,
        )  # fmt: skip

    def record(self, options: dict[str, Any]) -> np.dtype:
        return check_description(self._described(options))

    def engine(self, options: dict[str, Any], **settings: Any) -> CustomEngine:
        return CustomEngine(self, options, **settings)

    def program(self, spec: _core.Spec, config: Any, record: np.dtype) -> Program:
        """The loops; what does not compile is refused by its name. Compiled once: options are read as they run."""
        names = tuple(f.name for f in spec.observation), tuple(f.name for f in spec.oracle)
        if names not in self.programs:
            observation, oracle = (namedtuple("Out", group) for group in names)  # type: ignore[misc]
            rules = slot_rules(self, observation, oracle)
            self.programs[names] = Program(observation, oracle, cpu_loops(rules), cuda_kernels(rules))
        program = self.programs[names]
        if not SIMULATED:
            self._compile(spec, config, record, program)
        return program

    def picture(self, config: Any, state: Any) -> tuple[str, np.ndarray]:
        """(letters, rgb) of a slot."""
        if self.draw is None:
            raise NotImplementedError(f"render: {self.id} was registered without `picture`")
        rows = [str(row) for row in self.draw(config, state)]
        if not rows or not rows[0] or len({len(row) for row in rows}) > 1:
            raise ValueError(f"picture: returned {rows}, allowed: rows of letters, all of one length")
        rgb = [[self.colours.get(letter, UNNAMED_COLOUR) for letter in row] for row in rows]
        return "".join(rows), np.array(rgb, np.uint8)

    def _described(self, options: dict[str, Any]) -> Description:
        described = self.describe(self.config(options))
        check_description(described)
        if bool(described.oracle) != self.has_oracle:
            raise ValueError(
                f"oracle: got {len(described.oracle)} fields and {'a' if self.has_oracle else 'no'} function `oracle`, "
                "allowed: both or neither"
            )
        return described

    def _compile(self, spec: _core.Spec, config: Any, record: np.dtype, program: Program) -> None:
        """Compiles each rule by itself, so that what Numba says of it comes under its name."""
        state, key = numba.from_dtype(record), types.NamedTuple((types.uint64, types.uint32, types.uint32), Key)
        seen, known = (
            types.BaseTuple.from_types([_row_type(f) for f in fields], kind)
            for fields, kind in ((spec.observation, program.observation), (spec.oracle, program.oracle))
        )
        third = {"reset": (key,), "step": (types.int32, key), "observe": (seen,), "oracle": (known,), "valid": (types.boolean,)}
        for name, more in third.items():
            given = (numba.typeof(config), state, *more)
            try:
                returned = self.functions[name].get_call_template(given, {})[0].cases[0].return_type
            except NumbaError as error:
                raise TypeError(f"{self.id}: Numba cannot compile `{name}`: {error}") from error
            _check_returned(f"{self.id}: {name}", name, returned)


def _row_type(one: _core.Field) -> types.Array:
    return types.Array(numba.from_dtype(np.dtype(NUMPY_DTYPES[one.dtype])), len(one.shape), "C")


def _check_returned(what: str, name: str, returned: Any) -> None:
    if name == "step":
        parts = returned.types if isinstance(returned, types.BaseTuple) else ()
        numbers = (types.Number, types.Boolean)
        right = len(parts) == 3 and isinstance(parts[0], numbers) and all(isinstance(p, types.Boolean) for p in parts[1:])
        allowed = "(reward, terminated, trial_over): a number and two bools"
    elif name == "valid":
        right, allowed = isinstance(returned, types.Boolean), "a bool"
    else:
        right, allowed = returned == types.none, "nothing; write into its last argument" if name != "reset" else "nothing"
    if not right:
        raise TypeError(f"{what} returns {returned}, allowed: {allowed}")


def _shows_nothing(config, state, out):
    pass


def _always_valid(config, state, done):
    return True


RULES: dict[str, Any] = {
    "reset": None, "step": None, "observe": None, "oracle": _shows_nothing, "valid": _always_valid,
}  # fmt: skip


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
    given = {"describe": describe, "reset": reset, "step": step, "observe": observe, "oracle": oracle, "valid": valid, "picture": picture}  # fmt: skip
    functions = {name: function for name, function in given.items() if function is not None}
    for name in given.keys() - {"oracle", "valid", "picture"} | functions.keys():
        _check_parameters(name, given[name])
    names = [option.name for option in options]
    check_different("options", names)
    taken = sorted(set(names) & set(inspect.signature(MesaVectorEnv.__init__).parameters))
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
