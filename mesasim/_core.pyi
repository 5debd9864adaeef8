"""Typed face of the native engine (csrc/binding)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

OptionValue = bool | int | float | str

class Field:
    name: str
    dtype: str
    shape: tuple[int, ...]
    low: float
    high: float
    categories: int
    help: str
    def __init__(
        self,
        name: str,
        dtype: str,
        shape: Sequence[int],
        low: float,
        high: float,
        categories: int = 0,
        help: str = "",
    ) -> None: ...

class Option:
    name: str
    type: str
    default: OptionValue
    low: float
    high: float
    choices: list[str]
    help: str
    def __init__(
        self, name: str, type: str, default: OptionValue, low: float, high: float, choices: list[str], help: str
    ) -> None: ...

class Spec:
    id: str
    help: str
    options: list[Option]
    observation: list[Field]
    oracle: list[Field]
    actions: list[str]
    max_episode_steps: int
    variants: list[dict[str, OptionValue]]
    def __init__(
        self,
        id: str,
        help: str,
        options: list[Option],
        observation: list[Field],
        oracle: list[Field],
        actions: list[str],
        max_episode_steps: int,
        variants: list[dict[str, Any]],
    ) -> None: ...

class Buffer:
    group: str
    field: Field
    def __init__(self, group: str, field: Field) -> None: ...

class Vector:
    def __init__(
        self,
        id: str,
        options: dict[str, object],
        *,
        num_envs: int,
        cuda_device: int = -1,
        num_threads: int = 1,
        first_slot: int = 0,
        autoreset: int = 0,
        history: bool = False,
        oracle: bool = False,
        max_episode_steps: int | None = None,
        num_levels: int = 0,
    ) -> None: ...
    spec: Spec
    max_episode_steps: int
    level_bytes: int
    def buffers(self) -> list[Buffer]: ...
    def bind(self, addresses: Sequence[int]) -> None: ...
    def reset(self, mask: int = 0, seeds: int = 0, seed: int | None = None, stream: int = 0) -> None: ...
    def step(self, stream: int = 0) -> tuple[int, int, int] | None: ...
    def fault(self, stream: int = 0) -> tuple[int, int, int] | None: ...
    def invalid_slot(self, state: bytes) -> int: ...
    def picture(self, state: bytes) -> tuple[str, NDArray[np.uint8]]: ...

def world_ids() -> list[str]: ...
def spec(id: str, options: dict[str, object] = ...) -> Spec: ...
def read_options(owner: str, known: list[Option], given: dict[str, Any]) -> dict[str, Any]: ...
def instruction_sets() -> list[str]: ...
def instruction_set() -> str: ...
def use_instruction_set(name: str) -> None: ...
def cuda_status() -> tuple[bool, list[str], str]: ...

BUILD: dict[str, str]  # compiler, type, flags, sanitizers, cuda, pybind11
CUDA_ARCHITECTURES: str  # as CMake names them, with commas; empty without CUDA

# Of builds with MESASIM_CUDA=EMULATED
def run_planted(name: str) -> list[int]: ...
def current_device() -> int: ...
def use_device(device: int) -> None: ...
def philox4x32_10(counter: Sequence[int], key: Sequence[int]) -> list[int]: ...
def sha256(message: bytes) -> list[int]: ...
def portable_log(x: ArrayLike) -> NDArray[np.float64]: ...
def portable_exp(x: ArrayLike) -> NDArray[np.float64]: ...
def normal_quantile(p: ArrayLike) -> NDArray[np.float64]: ...
def beta_draws(a: float, b: float, seed: int, count: int) -> NDArray[np.float64]: ...
def gittins_indices(pulls: int, alpha: float = 1.0, beta: float = 1.0) -> NDArray[np.float64]: ...
def bayes_optimal_states(arms: int, pulls: int) -> float: ...

class BayesOptimalBandit:
    max_states: int
    def __init__(self, arms: int, pulls: int, alpha: float = 1.0, beta: float = 1.0) -> None: ...
    @property
    def value(self) -> float: ...
    def action_values(self, successes: ArrayLike, failures: ArrayLike) -> NDArray[np.float64]: ...

MAX_MAZE_SIDE: int

class Machine:
    def __init__(self, *, num_threads: int = 1, cuda_device: int = -1, stream: int = 0) -> None: ...

def maze_algorithms() -> dict[str, tuple[str, list[Option]]]: ...
def generate_mazes(
    algorithm: str,
    options: dict[str, object],
    rows: int,
    cols: int,
    seed: int,
    first: int,
    count: int,
    bits: int,
    machine: Machine,
) -> None: ...
def maze_distances(bits: int, rows: int, cols: int, count: int, arrays: Sequence[int], machine: Machine) -> None: ...
def maze_actions(bits: int, rows: int, cols: int, count: int, arrays: Sequence[int], machine: Machine) -> None: ...
def maze_solutions(bits: int, rows: int, cols: int, count: int, arrays: Sequence[int], machine: Machine) -> None: ...
def maze_only_paths(bits: int, rows: int, cols: int, count: int, arrays: Sequence[int], machine: Machine) -> None: ...
def maze_components(bits: int, rows: int, cols: int, count: int, arrays: Sequence[int], machine: Machine) -> None: ...
def maze_degrees(bits: int, rows: int, cols: int, count: int, arrays: Sequence[int], machine: Machine) -> None: ...
def maze_dead_end_filling(
    bits: int, rows: int, cols: int, count: int, arrays: Sequence[int], machine: Machine
) -> None: ...
def maze_decision_squares(
    bits: int, rows: int, cols: int, count: int, arrays: Sequence[int], machine: Machine
) -> None: ...
def maze_lookahead(bits: int, rows: int, cols: int, count: int, arrays: Sequence[int], machine: Machine) -> None: ...
def maze_words(seed: int, first: int, count: int, each: int, out: int) -> None: ...
def maze_paths(rows: int, cols: int, count: int, arrays: Sequence[int], machine: Machine) -> None: ...
def maze_endpoints(
    bits: int,
    rows: int,
    cols: int,
    count: int,
    dead_ends: bool,
    not_equal: bool,
    min_distance: int,
    max_distance: int,
    seed: int,
    first: int,
    arrays: Sequence[int],
    machine: Machine,
) -> None: ...
def maze_agent_memory_bytes(size: int) -> int: ...
def maze_agents_act(
    *,
    kind: int,
    size: int,
    side: int,
    relayout: bool,
    depth: int,
    region: int,
    seed: int,
    count: int,
    view: int,
    trial_start: int,
    memory: int,
    action: int,
    machine: Machine,
) -> None: ...

MAX_CLAUSES: int
MAX_LITERALS: int

class ProblemSize:
    n: int
    clauses: int
    literals: int
    colours: int
    def __init__(self, *, n: int, clauses: int = 0, literals: int = 0, colours: int = 0) -> None: ...

class CurriculumFamily:  # each of these is a module
    MIN_N: int
    MAX_N: int
    @staticmethod
    def options() -> list[Option]: ...
    @staticmethod
    def size(n: int, options: dict[str, object]) -> ProblemSize: ...
    @staticmethod
    def generate(
        *,
        size: ProblemSize,
        options: dict[str, object],
        seed: int,
        first: int,
        count: int,
        arrays: Sequence[int],
        num_threads: int,
    ) -> None: ...
    @staticmethod
    def solve(
        *,
        size: ProblemSize,
        node_limit: int,
        count: int,
        arrays: Sequence[int],
        found: Sequence[int],
        num_threads: int,
    ) -> None: ...
    @staticmethod
    def greedy(
        *, size: ProblemSize, count: int, arrays: Sequence[int], found: Sequence[int], num_threads: int
    ) -> None: ...

class curriculum:
    subset_sum: CurriculumFamily
    knapsack: CurriculumFamily
    satisfiability: CurriculumFamily
    colouring: CurriculumFamily

MAX_CITIES: int
MAX_CITIES_HELD_KARP: int

def solve_tours(
    *,
    points: int,
    given: int,
    n: int,
    metric: int,
    method: int,
    node_limit: int,
    seconds: float,
    seed: int,
    count: int,
    found: Sequence[int],
    trace: Sequence[int],
    events: int,
    machine: Machine,
) -> bool: ...

MAX_NEIGHBOURS: int
MAX_NEIGHBOURS_LOCAL_SEARCH: int
TOUR_STARTS: dict[str, int]

def construct_tours(
    *,
    points: int,
    given: int,
    n: int,
    metric: int,
    seed: int,
    number: int,
    order: int,
    length: int,
    count: int,
    method: int,
    start: int,
    machine: Machine,
) -> None: ...
def improve_tours(
    *,
    points: int,
    given: int,
    n: int,
    metric: int,
    seed: int,
    number: int,
    order: int,
    length: int,
    count: int,
    method: int,
    begun: int,
    neighbours: int,
    kicks: int,
    sweeps: int,
    cooling: int,
    first_temperature: float,
    last_temperature: float,
    keep_best: bool,
    machine: Machine,
) -> None: ...
def tour_distributions() -> dict[str, tuple[str, list[Option], bool]]: ...
def greedy_hard_options() -> tuple[str, list[Option]]: ...
def draw_tours(
    *,
    distribution: str,
    options: dict[str, object],
    n: int,
    seed: int,
    first: int,
    count: int,
    drawn: int,
    machine: Machine,
) -> None: ...
def draw_greedy_hard(
    *,
    base: str,
    options: dict[str, object],
    n: int,
    seed: int,
    count: int,
    most: int,
    number: int,
    drawn: int,
    trials: int,
    nearest_neighbour: int,
    two_opt: int,
    found: int,
    machine: Machine,
) -> None: ...

class SequenceLaw:
    def __init__(self, options: dict[str, object]) -> None: ...
    num_symbols: int
    def tables(self) -> NDArray[np.uint32]: ...
    def filter_weights(self, length: int) -> int: ...

SEQUENCE_REGIMES: list[str]

def sequence_options() -> list[Option]: ...
def generate_sequences(
    *, law: SequenceLaw, length: int, seed: int, first: int, count: int, arrays: Sequence[int], machine: Machine
) -> None: ...

MAX_TASKS_IN_ORACLE: int

def draw_regressions(
    *,
    options: dict[str, object],
    seed: int,
    first: int,
    count: int,
    task: int,
    w: int,
    x: int,
    y: int,
    machine: Machine,
) -> None: ...
def draw_regression_tasks(*, options: dict[str, object], w: int, machine: Machine) -> None: ...

# Layers of networks (csrc/network): addresses of contiguous tensors, in the order of the C++ binding.

class LayerShape:
    def __init__(self, steps: int, slots: int, inputs: int, hidden: int, lstm: bool) -> None: ...
    def kept(self) -> int: ...

class PPOLossSettings:
    def __init__(
        self,
        steps: int,
        slots: int,
        chosen: int,
        actions: int,
        clip: float,
        value_weight: float,
        horizon: float,
        entropy_weight: float,
    ) -> None: ...

def run_layer(is_double: bool, shape: LayerShape, addresses: tuple[int, ...], num_threads: int) -> None: ...
def layer_gradients(is_double: bool, shape: LayerShape, addresses: tuple[int, ...], num_threads: int) -> None: ...
def ppo_loss(
    settings: PPOLossSettings, addresses: tuple[int, ...], num_threads: int
) -> tuple[float, float, float, float]: ...
def ppo_update(
    shape: LayerShape, settings: PPOLossSettings, addresses: tuple[int, ...], num_threads: int
) -> tuple[float, float, float, float]: ...
def clipped_adam(
    rate: float,
    first_decay: float,
    second_decay: float,
    eps: float,
    most: float,
    addresses: tuple[int, ...],
    counts: Sequence[int],
) -> None: ...
