"""The CPU's loops over slots: equal parts over threads, each compiled and without the interpreter's lock. No rules here.

Threads are Python's own: Numba's parallel loops run on a threading layer that ends the process where two threads step two
environments (workqueue) or where a process forks after a step (OpenMP), and both are allowed here (tests/test_contract.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from mesasim.custom.compiling import compiled, entry
from mesasim.custom.slot import Batch, SlotRules

SLOTS_PER_LINE = 64  # a part is whole cache lines of every per-slot array (csrc/backends/cpu_world.h)


def cpu_loops(rules: SlotRules) -> dict[str, Any]:
    """The loops over a range of slots."""
    reset_slot, step_slot, is_valid = rules

    @compiled
    def reset_range(batch, mask, seeds, has_seed, seed, begin, end):
        for slot in range(begin, end):
            reset_slot(batch, mask, seeds, has_seed, seed, slot)

    @compiled
    def step_range(batch, begin, end):
        """(fault, slot) of the lowest refused slot; (0, -1): none."""
        first_fault, first_slot = 0, -1
        for slot in range(begin, end):
            fault = step_slot(batch, slot)
            if fault != 0 and first_fault == 0:
                first_fault, first_slot = fault, slot
        return first_fault, first_slot

    @compiled
    def first_invalid(config, header, state, max_episode_steps):
        for slot in range(len(header)):
            if not is_valid(config, header[slot], state[slot], max_episode_steps):
                return slot
        return -1

    return {"reset": reset_range, "step": step_range, "invalid": first_invalid}


class CpuLoops:
    """A world's loops over one batch."""

    def __init__(self, loops: dict[str, Any], batch: Batch, reset_arguments: tuple[Any, ...], num_threads: int) -> None:
        """`reset_arguments`: some (mask, seeds, has_seed, seed), for their types."""
        self.batch, self.num_threads = batch, num_threads
        self.step_range = entry(loops["step"], batch, 0, 0)
        self.reset_range = entry(loops["reset"], batch, *reset_arguments, 0, 0)
        self.pool: ThreadPoolExecutor | None = None
        self.process = os.getpid()

    def reset(self, arguments: tuple[Any, ...], stream: int) -> None:
        self._over_slots(lambda begin, end: self.reset_range(self.batch, *arguments, begin, end))

    def step(self, stream: int) -> tuple[int, int, int] | None:
        """(fault, slot, action) of the lowest slot that was refused."""
        for fault, slot in self._over_slots(lambda begin, end: self.step_range(self.batch, begin, end)):
            if fault:
                return fault, slot, int(self.batch.action[slot])
        return None

    def fault(self) -> tuple[int, int, int] | None:
        return None

    def _over_slots(self, body: Callable[[int, int], Any]) -> list[Any]:
        """What `body` returns of each part, in the order of slots."""
        slots = self.batch.num_slots
        lines = -(-slots // SLOTS_PER_LINE)
        parts = min(self.num_threads, lines)
        if parts == 1:
            return [body(0, slots)]
        if self.pool is None or self.process != os.getpid():  # threads do not survive a fork
            self.pool, self.process = ThreadPoolExecutor(parts - 1, "mesasim-custom"), os.getpid()
        bounds = [min(slots, lines * part // parts * SLOTS_PER_LINE) for part in range(parts + 1)]
        others: list[Future[Any]] = []
        try:
            for part in range(1, parts):
                others.append(self.pool.submit(body, bounds[part], bounds[part + 1]))
            first = body(bounds[0], bounds[1])
        finally:
            wait(others)  # whatever came, nothing writes to the batch after this
        return [first, *(other.result() for other in others)]
