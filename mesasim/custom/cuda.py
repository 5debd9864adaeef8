"""The GPU's loops over slots: one kernel a verb, a slot a thread, on the caller's stream, compiled by Numba from the functions
the CPU runs; or, under NUMBA_ENABLE_CUDASIM=1, kernels run by Numba's simulator on arrays in host memory. No rules here.
Nothing is allocated or waited for in a step."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numba import cuda
from numba.core.errors import NumbaPerformanceWarning

from mesasim.custom.compiling import SIMULATED
from mesasim.custom.slot import Batch, SlotRules

THREADS_PER_BLOCK = 128
MOST_BLOCKS = 2**30


def cuda_kernels(rules: SlotRules) -> dict[str, Any]:
    """The kernels as plain functions."""
    reset_slot, step_slot, _ = rules

    def reset_kernel(batch, mask, seeds, has_seed, seed):
        for slot in range(cuda.grid(1), batch.num_slots, cuda.gridsize(1)):
            reset_slot(batch, mask, seeds, has_seed, seed, slot)

    def step_kernel(batch, shared):
        """`shared`: fault, slot, action of the first to be refused since it was last cleared; the host reads it unasked."""
        for slot in range(cuda.grid(1), batch.num_slots, cuda.gridsize(1)):
            fault = step_slot(batch, slot)
            if fault != 0 and cuda.atomic.cas(shared, 0, 0, fault) == 0:
                shared[1] = slot
                shared[2] = batch.action[slot]
                cuda.threadfence_system()

    return {"reset": reset_kernel, "step": step_kernel}


class CudaLoops:
    """A world's kernels over one batch."""

    def __init__(self, kernels: dict[str, Any], batch: Batch, reset_arguments: tuple[Any, ...], device: int) -> None:
        """`reset_arguments`: some (mask, seeds, has_seed, seed), for their types."""
        self.batch, self.device = batch, device
        self.threads = min(THREADS_PER_BLOCK, batch.num_slots)
        self.blocks = min(-(-batch.num_slots // self.threads), MOST_BLOCKS)
        with cuda.gpus[device]:
            self.shared = cuda.mapped_array(3, dtype=np.int64, portable=True)
            self.shared[:] = 0
            # specialised: a launch then looks up no types, which takes longer than the launch
            self.reset_kernel = cuda.jit(kernels["reset"]).specialize(batch, *reset_arguments)
            self.step_kernel = cuda.jit(kernels["step"]).specialize(batch, self.shared)
        self.launches: dict[tuple[str, int], Any] = {}

    def reset(self, arguments: tuple[Any, ...], stream: int) -> None:
        self.shared[:] = 0
        with cuda.gpus[self.device]:
            self._configured(self.reset_kernel, "reset", stream)(self.batch, *arguments)

    def step(self, stream: int) -> tuple[int, int, int] | None:
        """(fault, slot, action) of a slot that was refused, in a step before if this one still runs: launches do not wait."""
        with cuda.gpus[self.device]:
            self._configured(self.step_kernel, "step", stream)(self.batch, self.shared)
        return self.fault()

    def fault(self) -> tuple[int, int, int] | None:
        if self.shared[0] == 0:
            return None
        with cuda.gpus[self.device]:
            cuda.synchronize()
        fault, slot, action = (int(self.shared[index]) for index in range(3))
        self.shared[:] = 0
        return fault, slot, action

    def _configured(self, kernel: Any, name: str, stream: int) -> Any:
        """The kernel with its grid and stream. Kept, for a step is to allocate nothing."""
        if (name, stream) not in self.launches:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NumbaPerformanceWarning)  # a small batch is the caller's choice
                self.launches[name, stream] = kernel[self.blocks, self.threads, _stream(stream)]
        return self.launches[name, stream]


class _Memory:
    """An array of `dtype` at an address on a GPU, as Numba takes those of other libraries."""

    def __init__(self, address: int, shape: tuple[int, ...], strides: tuple[int, ...], dtype: np.dtype) -> None:
        # Numba reads `typestr` by np.dtype(), which takes a structured dtype as it is; in text it would lose its names
        self.__cuda_array_interface__ = {
            "data": (address, False), "shape": shape, "strides": strides, "typestr": dtype, "version": 3,
        }  # fmt: skip


def device_array(address: int, shape: tuple[int, ...], strides: tuple[int, ...], dtype: np.dtype, device: int) -> Any:
    """The array at `address` on the device, for kernels."""
    with cuda.gpus[device]:
        return cuda.as_cuda_array(_Memory(address, shape, strides, dtype))


def _stream(pointer: int) -> Any:
    if SIMULATED:
        return 0
    return cuda.external_stream(pointer) if pointer else cuda.default_stream()
