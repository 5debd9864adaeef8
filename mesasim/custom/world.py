"""A world in Python: what it declares under given options, and its functions compiled, each refused by its name."""

from __future__ import annotations

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
from mesasim.custom.declaring import Description, check_description
from mesasim.custom.draws import Key
from mesasim.custom.engine import CustomEngine
from mesasim.custom.refusing import check_rule
from mesasim.custom.slot import slot_rules
from mesasim.spec import NUMPY_DTYPES

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
        config_type = namedtuple("Config", [option.name for option in self.options])  # type: ignore[misc]
        self.config_type: Callable[..., Any] = config_type
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
        third = {
            "reset": (key,),
            "step": (types.int32, key),
            "observe": (seen,),
            "oracle": (known,),
            "valid": (types.boolean,),
        }
        for name, more in third.items():
            function, given = self.functions[name], (numba.typeof(config), state, *more)
            try:
                function.compile(given)
            except Exception as error:  # besides its own errors, Numba lets those of its workings through
                kind = "" if isinstance(error, NumbaError) else f"{type(error).__name__}: "
                raise TypeError(f"{name}: Numba cannot compile {self.id}'s: {kind}{error}") from error
            check_rule(name, self.id, function, given)
            _check_returned(name, function.overloads[given].signature.return_type)


def _row_type(one: _core.Field) -> types.Array:
    return types.Array(numba.from_dtype(np.dtype(NUMPY_DTYPES[one.dtype])), len(one.shape), "C")


def _check_returned(name: str, returned: Any) -> None:
    if name == "step":
        parts: list[Any] = list(returned) if isinstance(returned, types.BaseTuple) else []  # type: ignore[call-overload]
        right = len(parts) == 3 and isinstance(parts[0], (types.Integer, types.Float, types.Boolean))
        right = right and all(isinstance(part, types.Boolean) for part in parts[1:])
        allowed = "(reward, terminated, trial_over): a number and two bools"
    elif name == "valid":
        right, allowed = isinstance(returned, types.Boolean), "a bool"
    else:
        right, allowed = returned == types.none, "nothing: it writes into what it is given"
    if not right:
        raise TypeError(f"{name}: returns {returned}, allowed: {allowed}")


def _shows_nothing(config, state, out):
    pass


def _always_valid(config, state, done):
    return True


RULES: dict[str, Any] = {
    "reset": None, "step": None, "observe": None, "oracle": _shows_nothing, "valid": _always_valid,
}  # fmt: skip
