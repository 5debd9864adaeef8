"""A batch of slots of a world in Python, with the face of `_core.Vector` (mesasim.engines.Engine): the same buffers in the same
order and layout (csrc/backends/bound.h), the same refusals. The rules are in slot.py, the loops in cpu.py and cuda.py."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from mesasim import _core
from mesasim.custom.compiling import SIMULATED
from mesasim.custom.cpu import CpuLoops
from mesasim.custom.cuda import CudaLoops, device_array
from mesasim.custom.slot import HEADER, HEADER_BYTES, SAME_STEP, Batch, History
from mesasim.spec import NUMPY_DTYPES

UNBOUNDED = float("inf")


class CustomEngine:
    """See `_core.Vector`; `world` is a mesasim.custom.world.CustomWorld."""

    def __init__(
        self,
        world: Any,
        options: dict[str, Any],
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
    ) -> None:
        self.world, self.spec = world, world.spec(options)
        self.max_episode_steps = self.spec.max_episode_steps if max_episode_steps is None else max_episode_steps
        _check_range("num_envs", num_envs, 1, 2**32)
        _check_range("first_slot", first_slot, 0, 2**32 - num_envs)
        _check_range("num_threads", num_threads, 1, 1024)
        _check_range("autoreset", autoreset, 0, 2)
        _check_range("max_episode_steps", self.max_episode_steps, 0, 2**31 - 1)
        if num_levels:
            raise ValueError(f"levels: got {num_levels}, but {self.spec.id} takes none")
        self.num_envs, self.first_slot, self.autoreset = num_envs, first_slot, autoreset
        self.history, self.oracle, self.device = bool(history), bool(oracle), cuda_device
        self.config, self.record = world.config(options), world.record(options)
        self.stride = -(-(HEADER_BYTES + self.record.itemsize) // 8) * 8
        self.program = world.program(self.spec, self.config, self.record)
        self.num_threads, self.lock = num_threads, threading.Lock()
        self.loops: CpuLoops | CudaLoops | None = None

    def buffers(self) -> list[_core.Buffer]:
        """The arrays the caller allocates: [num_envs, *field.shape], contiguous, zeroed, on the batch's device."""
        actions, field = len(self.spec.actions), _core.Field
        observation, oracle = self.spec.observation, self.spec.oracle if self.oracle else []
        if self.history:
            observation = [*observation, *self._history_fields()]
        groups = {
            "core": [
                field("state", "uint8", (self.stride,), 0, 255, 0, "slots, bytes"),
                field("action", "int32", (), 0, actions - 1, actions, "what each slot does next"),
                field("reward", "float32", (), -UNBOUNDED, UNBOUNDED, 0, "of the last step"),
                field("terminated", "bool", (), 0, 1, 0, "the task ended"),
                field("truncated", "bool", (), 0, 1, 0, "the time limit was reached"),
            ],
            "observation": observation,
            "oracle": oracle,
        }
        if self.autoreset == SAME_STEP:
            groups |= {"final_observation": observation, "final_oracle": oracle}
        return [_core.Buffer(group, one) for group, fields in groups.items() for one in fields]

    def _history_fields(self) -> list[_core.Field]:
        actions, about = len(self.spec.actions), "the action before this observation; -1 at an episode's first"
        return [
            _core.Field("previous_action", "int32", (1,), -1, actions - 1, actions, about),
            _core.Field("previous_reward", "float32", (1,), -UNBOUNDED, UNBOUNDED, 0, "and its reward"),
            _core.Field("trial_start", "bool", (1,), 0, 1, 0, "whether a trial starts here"),
        ]

    def bind(self, addresses: Sequence[int]) -> None:
        """Takes the memory, in the order of buffers()."""
        listed = self.buffers()
        if len(addresses) != len(listed):
            raise ValueError(f"buffers: got {len(addresses)}, allowed: {len(listed)}")
        at = {(b.group, b.field.name): address for b, address in zip(listed, addresses, strict=True)}
        n, state, final = self.num_envs, at["core", "state"], self.autoreset == SAME_STEP

        def rows(group: str, one: _core.Field) -> Any:
            address = at.get((group, one.name), 0)  # none is bound where the settings leave a group out: no rows
            return self._array(address, (n if address else 0, *one.shape), NUMPY_DTYPES[one.dtype])

        def fields(group: str, kind: Any, described: list[_core.Field]) -> Any:
            return kind(*(rows(group, one) for one in described))

        core = {b.field.name: rows("core", b.field) for b in listed if b.group == "core"}
        end = "final_" if final else "no_"
        batch = Batch(
            header=self._array(state, (n,), HEADER, self.stride),
            state=self._array(state + HEADER_BYTES, (n,), self.record, self.stride),
            memory=core["state"],
            action=core["action"],
            reward=core["reward"],
            terminated=core["terminated"],
            truncated=core["truncated"],
            observation=fields("observation", self.program.observation, self.spec.observation),
            oracle=fields("oracle", self.program.oracle, self.spec.oracle),
            history=fields("observation", History, self._history_fields()),
            final_observation=fields(f"{end}observation", self.program.observation, self.spec.observation),
            final_oracle=fields(f"{end}oracle", self.program.oracle, self.spec.oracle),
            final_history=fields(f"{end}observation", History, self._history_fields()),
            config=self.config,
            num_slots=n,
            first_slot=self.first_slot,
            num_actions=len(self.spec.actions),
            max_episode_steps=self.max_episode_steps,
            autoreset=self.autoreset,
            shows_history=self.history,
            shows_oracle=self.oracle,
        )
        if self.device >= 0 or SIMULATED:
            self.loops = CudaLoops(self.program.kernels, batch, self._reset_arguments(), max(self.device, 0))
        else:
            self.loops = CpuLoops(self.program.loops, batch, self._reset_arguments(), self.num_threads)

    def reset(self, mask: int = 0, seeds: int = 0, seed: int | None = None, stream: int = 0) -> None:
        with self._turn() as loops:
            loops.reset(self._reset_arguments(mask, seeds, seed), stream)

    def step(self, stream: int = 0) -> tuple[int, int, int] | None:
        """None, or (fault, slot, action) of a refused slot."""
        with self._turn() as loops:
            return loops.step(stream)

    def fault(self, stream: int = 0) -> tuple[int, int, int] | None:
        """What steps replayed from a CUDA graph refused, as `step` gives it; the CPU's steps say it themselves."""
        with self._turn() as loops:
            return loops.fault()

    def invalid_slot(self, state: bytes) -> int:
        """The first slot of these state bytes that its world cannot have; -1: none."""
        if len(state) != self.num_envs * self.stride:
            return 0
        header, records = self._views(bytearray(state))
        return int(self.program.loops["invalid"](self.config, header, records, self.max_episode_steps))

    def picture(self, state: bytes) -> tuple[str, np.ndarray]:
        """(letters, rgb) of one slot's state bytes."""
        _, records = self._views(bytearray(state))
        return self.world.picture(self.config, records.view(np.recarray)[0])

    @contextmanager
    def _turn(self) -> Iterator[CpuLoops | CudaLoops]:
        """One call at a time; another thread's is refused."""
        if self.loops is None:
            raise RuntimeError("buffers: none are bound")
        if not self.lock.acquire(blocking=False):
            raise RuntimeError("this environment is being stepped by another thread")
        try:
            yield self.loops
        finally:
            self.lock.release()

    def _reset_arguments(self, mask: int = 0, seeds: int = 0, seed: int | None = None) -> tuple[Any, ...]:
        """(mask, seeds, has_seed, seed) as the rules take them: no rows where there is no mask, no seeds."""
        masked = self._array(mask, (self.num_envs if mask else 0,), np.bool_)
        seeded = self._array(seeds, (self.num_envs if seeds else 0,), np.uint64)
        return masked, seeded, seed is not None, np.uint64(seed or 0)

    def _array(self, address: int, shape: tuple[int, ...], dtype: Any, stride: int | None = None) -> Any:
        """The array at `address` on the batch's device; `stride`: bytes from row to row, where rows are not all there is."""
        dtype = np.dtype(dtype)
        strides = (stride,) if stride else tuple(np.cumprod([dtype.itemsize, *shape[:0:-1]])[::-1].tolist())
        if self.device >= 0:
            return device_array(address, shape, strides, dtype, self.device)
        extent = sum((n - 1) * s for n, s in zip(shape, strides, strict=True)) + dtype.itemsize if shape[0] else 0
        memory: Any = (ctypes.c_char * extent).from_address(address)
        array = np.ndarray(shape, dtype, memory, 0, strides)
        return array.view(np.recarray) if SIMULATED and dtype.names else array

    def _views(self, state: bytearray) -> tuple[Any, Any]:
        count = len(state) // self.stride
        header = np.ndarray((count,), HEADER, state, 0, (self.stride,))
        records = np.ndarray((count,), self.record, state, HEADER_BYTES, (self.stride,))
        return (header.view(np.recarray), records.view(np.recarray)) if SIMULATED else (header, records)


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name}: got {value}, allowed: {low} to {high}")
