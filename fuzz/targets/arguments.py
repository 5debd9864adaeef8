"""Arguments from strangers: every function of the engine's module and every public door of the package, called as it should be
but for one or two arguments from a pool of what they should not be. An answer or a refusal may come out, nothing else.

What takes addresses is not called here: memory that an address leads to is the doors' promise, and they are (`DOORS`)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import torch

import mesasim
from fuzz.targets.reading import Reading
from mesasim import _core, curriculum, machine, mazes, regression, sequences, tsp
from mesasim.exact import bandit
from mesasim.mazes import Mazes

MEMORY = 1 << 28
REFUSALS = (TypeError, ValueError, KeyError, IndexError, RuntimeError, NotImplementedError, OSError)
# RuntimeError is for missing devices and unbound memory; these of its kind are the engine's or torch's own failures.
NOT_REFUSALS = ("INTERNAL ASSERT", "std::bad_alloc", "vector::", "basic_string", "allocate memory", "Unable to cast")

# Functions of the module that take addresses of arrays; tests/hostile holds this against the module.
OF_ADDRESSES = {
    "construct_tours", "draw_greedy_hard", "draw_regression_tasks", "draw_regressions", "draw_tours", "generate_mazes",
    "generate_sequences", "improve_tours", "maze_actions", "maze_agents_act", "maze_components", "maze_dead_end_filling",
    "maze_decision_squares", "maze_degrees", "maze_distances", "maze_endpoints", "maze_lookahead", "maze_only_paths",
    "clipped_adam", "layer_gradients", "maze_paths", "ppo_loss", "ppo_update", "maze_solutions", "maze_words", "run_layer",
    "solve_tours",
}  # fmt: skip
OF_ADDRESSES_IN_CLASSES = {
    "Vector.bind",
    "Vector.reset",
    "curriculum.generate",
    "curriculum.solve",
    "curriculum.greedy",
}

STATE = mesasim.make_vec("Bandit-v0", 1)
STATE.reset(seed=0)
SLOT = STATE.buffers.group["core"]["state"].numpy().tobytes()
SOME = mazes.generate(2, 4, seed=1, num_threads=1)
TOKENIZER = mazes.MazeTokenizer(4, 4)
POINTS = torch.rand(2, 5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
FIELD = {"name": "x", "dtype": "int32", "shape": [2], "low": 0.0, "high": 1.0}
OPTION = {"name": "a", "type": "int", "default": 1, "low": 0.0, "high": 9.0, "choices": [], "help": ""}
VECTOR = {"id": "Bandit-v0", "options": {}, "num_envs": 2, "num_threads": 1, "first_slot": 0, "autoreset": 0, "history": True,
          "oracle": True, "max_episode_steps": 5, "num_levels": 0}  # fmt: skip


def _locked() -> np.ndarray:
    array = np.arange(6)
    array.flags.writeable = False
    return array


def _self_holding() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


POOL: list[Callable[[], Any]] = [
    *(lambda x=x: x for x in (-(2**70), -(2**63) - 1, -(2**63), -(2**31) - 1, -(2**31), -2, -1, 0, 1, 2, 3, 5, 16, 17, 255, 256)),
    *(lambda x=x: x for x in (257, 65537, 2**31 - 1, 2**31, 2**32, 2**40, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 2**70)),
    *(lambda x=x: x for x in (0.0, -0.0, 0.5, -1.5, 1e-320, 1e308, float("nan"), float("inf"), -float("inf"), 1j)),
    *(lambda x=x: x for x in (None, True, False, "", "x", "uniform", "\0", "\ud800", "é" * 999, b"", b"\xff" * 9, bytearray(3))),
    *(lambda x=x: x for x in ((), [], {}, [[]], [None], [1.5], [2**64], ["x"], {"x": 1}, {1: 2}, object(), int, len, slice(2))),
    *(lambda shape=shape: torch.zeros(shape, dtype=torch.int32) for shape in ((), (0,), (1,), (2,), (3,), (2, 0), (2, 5), (2, 2, 2))),
    *(lambda kind=kind: torch.ones(2, dtype=kind) for kind in (torch.bool, torch.uint8, torch.int64, torch.float16, torch.complex64)),
    *(lambda kind=kind: np.ones(2, dtype=kind) for kind in ("?", "u1", "i8", "u8", "f4", "f8", "c16", "O", "U3", "M8[s]", ">i4")),
    lambda: torch.full((2, 5, 2), float("nan")), lambda: torch.full((2, 5, 5), -1.0), lambda: torch.full((2,), 2**62),
    lambda: torch.rand(5, 2, 2).transpose(0, 1), lambda: torch.ones(1).expand(2), lambda: torch.zeros(2, device="meta"),
    lambda: torch.zeros(2).to_sparse(), lambda: np.arange(12)[::-3], lambda: np.ma.masked_array([1, 2], [True, False]),
    lambda: np.zeros((2, 2, 4, 1), np.uint8), lambda: np.full((2, 2, 4, 1), 255, np.uint8), lambda: np.float32(2), lambda: np.int64(3),
    lambda: np.array(7), lambda: torch.tensor(-1), _locked, _self_holding, lambda: SLOT, lambda: SLOT[:-1], lambda: SLOT + b"\0",
    lambda: bytes(len(SLOT)), lambda: b"\xff" * len(SLOT), lambda: POINTS, lambda: SOME, lambda: SOME.packed,
    lambda: np.broadcast_to(np.uint8(1), (2**16,)), lambda: np.broadcast_to(np.float64(1), (2**8, 2**8, 2)),
]  # fmt: skip


def _vector(method: str) -> Callable[..., Any]:
    return lambda *args, **kwargs: getattr(_core.Vector("Bandit-v0", {}, num_envs=2), method)(*args, **kwargs)


def _law(method: str) -> Callable[..., Any]:
    return lambda *args, **kwargs: getattr(_core.SequenceLaw({"process": "coin"}), method)(*args, **kwargs)


def _bandit(*args: Any, **kwargs: Any) -> Any:
    return _core.BayesOptimalBandit(2, 3).action_values(*args, **kwargs)


def _instances(name: str) -> Callable[..., Any]:
    family = getattr(curriculum, name)
    return lambda **kwargs: family.solve(family.Instances(**kwargs), 50, 1)


# The module's own functions → arguments with which they answer.
NATIVE: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "Field": (_core.Field, FIELD),
    "Option": (_core.Option, OPTION),
    "Spec": (_core.Spec, {"id": "x", "help": "", "options": [_core.Option(**OPTION)], "observation": [_core.Field(**FIELD)],
                          "oracle": [], "actions": ["a"], "max_episode_steps": 3, "variants": [{"a": 1}]}),
    "Buffer": (_core.Buffer, {"group": "core", "field": _core.Field(**FIELD)}),
    "Vector": (_core.Vector, VECTOR),
    "Vector.buffers": (_vector("buffers"), {}),
    "Vector.step": (_vector("step"), {"stream": 0}),
    "Vector.fault": (_vector("fault"), {"stream": 0}),
    "Vector.invalid_slot": (_vector("invalid_slot"), {0: SLOT}),
    "Vector.picture": (_vector("picture"), {0: SLOT}),
    "Machine": (_core.Machine, {"num_threads": 1, "cuda_device": -1, "stream": 0}),
    "ProblemSize": (_core.ProblemSize, {"n": 3, "clauses": 0, "literals": 0, "colours": 0}),
    "SequenceLaw": (_core.SequenceLaw, {"options": {"process": "coin"}}),
    "SequenceLaw.tables": (_law("tables"), {}),
    "SequenceLaw.filter_weights": (_law("filter_weights"), {"length": 9}),
    "BayesOptimalBandit": (_core.BayesOptimalBandit, {"arms": 2, "pulls": 3, "alpha": 1.0, "beta": 1.0}),
    "BayesOptimalBandit.action_values": (_bandit, {"successes": np.zeros((1, 2)), "failures": np.zeros((1, 2))}),
    "bayes_optimal_states": (_core.bayes_optimal_states, {"arms": 2, "pulls": 3}),
    "beta_draws": (_core.beta_draws, {0: 1.0, 1: 2.0, 2: 3, 3: 4}),
    "cuda_status": (_core.cuda_status, {}),
    "gittins_indices": (_core.gittins_indices, {"pulls": 4, "alpha": 1.0, "beta": 1.0}),
    "greedy_hard_options": (_core.greedy_hard_options, {}),
    "instruction_set": (_core.instruction_set, {}),
    "LayerShape": (_core.LayerShape, {"steps": 2, "slots": 3, "inputs": 4, "hidden": 5, "lstm": True}),
    "LayerShape.kept": (lambda **given: _core.LayerShape(2, 3, 4, **given).kept(), {"hidden": 5, "lstm": False}),
    "PPOLossSettings": (
        _core.PPOLossSettings,
        {
            "steps": 2, "slots": 3, "chosen": 2, "actions": 4, "clip": 0.2, "value_weight": 0.5, "horizon": 1.0,
            "entropy_weight": 0.0,
        },
    ),
    "instruction_sets": (_core.instruction_sets, {}),
    "maze_agent_memory_bytes": (_core.maze_agent_memory_bytes, {"size": 8}),
    "maze_algorithms": (_core.maze_algorithms, {}),
    "normal_quantile": (_core.normal_quantile, {0: 0.5}),
    "philox4x32_10": (_core.philox4x32_10, {0: [1, 2, 3, 4], 1: [5, 6]}),
    "portable_exp": (_core.portable_exp, {0: 0.5}),
    "portable_log": (_core.portable_log, {0: 0.5}),
    "read_options": (_core.read_options, {"owner": "x", "known": [_core.Option(**OPTION)], "given": {"a": 2}}),
    "sequence_options": (_core.sequence_options, {}),
    "sha256": (_core.sha256, {0: b"abc"}),
    "spec": (_core.spec, {"id": "Maze-v0", "options": {"size": 5}}),
    "tour_distributions": (_core.tour_distributions, {}),
    "use_instruction_set": (_core.use_instruction_set, {"name": "baseline"}),
    "world_ids": (_core.world_ids, {}),
}  # fmt: skip
for _family in ("subset_sum", "knapsack", "satisfiability", "colouring"):
    _module = getattr(_core.curriculum, _family)
    NATIVE[f"curriculum.{_family}.options"] = (_module.options, {})
    NATIVE[f"curriculum.{_family}.size"] = (_module.size, {"n": 5, "options": {}})

# The package's doors, behind which are the functions that take addresses.
DRAWN = {"count": 2, "seed": 1, "first": 0, "num_threads": 1}
DOORS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "make_vec": (mesasim.make_vec, {"id": "Maze-v0", "num_envs": 2, "num_threads": 1, "seed": 1, "first_slot": 0, "size": 4,
                                    "levels": SOME, "max_episode_steps": 9, "output": "torch", "buffers": None}),
    "make_vec of tours": (mesasim.make_vec, {"id": "Tour-v0", "num_envs": 2, "num_threads": 1, "levels": POINTS}),
    "step": (lambda **k: STATE.step(**k), {"actions": [0]}),
    "reset": (lambda **k: STATE.reset(**k), {"seed": 0, "options": {"reset_mask": np.array([True])}}),
    "mazes.generate": (mazes.generate, {**DRAWN, "size": (4, 5), "algorithm": "depth_first", "braid": 0.1}),
    "mazes.Mazes": (Mazes, {"packed": SOME.packed, "cols": 4}),
    "mazes.solve": (lambda **k: SOME.solve(**k).cells, {"start": 0, "goal": 15, "on_impossible": "mask", "num_threads": 1}),
    "mazes.endpoints": (SOME.endpoints, {"seed": 0, "first": 0, "rule": "uniform", "start": None, "goal": None, "min_distance": 0,
                                         "max_distance": None, "not_equal": True, "on_impossible": "mask", "num_threads": 1}),
    "mazes.lookahead": (SOME.lookahead, {"start": 0, "goal": 5, "num_threads": 1}),
    "mazes.decision_square": (SOME.decision_square, {"start": 0, "goal_a": 5, "goal_b": 6, "num_threads": 1}),
    "mazes.from_connections": (Mazes.from_connections, {"connections": SOME.connections}),
    "mazes.from_pixels": (Mazes.from_pixels, {"picture": SOME.pixels()}),
    "mazes.from_text": (Mazes.from_text, {"texts": SOME.text()}),
    "mazes.index": (lambda which: SOME[which], {"which": [0]}),
    "mazes.MazeTokenizer": (mazes.MazeTokenizer, {"rows": 4, "cols": 4, "graph": "walls", "path": "forks"}),
    "mazes.decode": (TOKENIZER.decode, {"tokens": TOKENIZER.encode(SOME.solve(0, 15, num_threads=1))[0]}),
    "tsp.generate": (tsp.generate, {**DRAWN, "n": 5, "distribution": "uniform"}),
    "tsp.generate hard": (tsp.generate, {**DRAWN, "n": 5, "distribution": "greedy_hard", "base": "uniform", "gap": 0.01, "max_trials": 50}),
    "tsp.solve": (tsp.solve, {"instances": POINTS, "method": "auto", "metric": "euclidean", "node_limit": 5, "time_limit": 1.0,
                              "num_threads": 1, "seed": 0}),
    "tsp.construct": (tsp.construct, {"instances": POINTS, "method": "nearest_neighbour", "start": 0, "num_threads": 1}),
    "tsp.improve": (tsp.improve, {"instances": POINTS, "order": None, "method": "or_2opt", "neighbours": 3, "num_threads": 1}),
    "tsp.canonical": (tsp.canonical, {"order": [[0, 2, 1, 3]]}),
    "sequences.generate": (sequences.generate, {**DRAWN, "process": "coin", "length": 5, "give": ["filter"], "output": "numpy"}),
    "regression.generate": (regression.generate, {**DRAWN, "dim": 3, "points": 4, "noise_std": 0.5, "num_tasks": 2}),
    "regression.ridge": (regression.ridge, {"x": torch.rand(2, 4, 3), "y": torch.rand(2, 4), "noise_std": 0.5}),
    "knapsack.generate": (curriculum.knapsack.generate, {**DRAWN, "n": 6, "range": 50}),
    "knapsack": (_instances("knapsack"), {"weights": [[1, 2, 3]], "profits": [[3, 2, 1]], "capacity": [3]}),
    "subset_sum.generate": (curriculum.subset_sum.generate, {**DRAWN, "n": 6}),
    "satisfiability.generate": (curriculum.satisfiability.generate, {**DRAWN, "n": 6, "k": 3}),
    "colouring.generate": (curriculum.colouring.generate, {**DRAWN, "n": 6}),
    "exact.gittins": (bandit.gittins_table, {"pulls": 4, "alpha": 1.0, "beta": 1.0}),
}  # fmt: skip
CALLS = list((NATIVE | DOORS).items())


def one_input(data: bytes) -> None:
    reading = Reading(data)
    name, (function, right) = CALLS[reading.byte() % len(CALLS)]
    given: dict[Any, Any] = dict(right)
    for _ in range(1 + reading.byte() % 2):
        value = POOL[reading.byte() % len(POOL)]()
        if given:
            key = list(given)[reading.byte() % len(given)]
            takes_minutes = key == "pulls" and isinstance(value, int) and 20 < value <= 500
            given[key] = right[key] if takes_minutes else value
    places = [given.pop(key) for key in sorted(key for key in given if isinstance(key, int))]
    try:
        # On a large machine 2^31 mazes fit, and take their time: work that was asked for.
        with warnings.catch_warnings(), mock.patch.object(machine, "memory_bytes", lambda: MEMORY):
            warnings.simplefilter("ignore")  # NumPy's and torch's, of casts
            function(*places, **given)
    except REFUSALS as error:
        if any(words in str(error) for words in NOT_REFUSALS):
            raise AssertionError(f"{name}: {error}") from error
