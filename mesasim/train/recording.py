"""CUDA graphs: a function of memory that stays where it is runs a few times as it is written, is recorded, and is replayed from
then on, so that the host queues one graph in place of a hundred kernels. On any other device the function is called every
time: the same memory, the same path. What is recorded must take all it reads from tensors that stay (`keep`), and must not
look at values (mesasim/waits.py)."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor

WARM_UPS = 3  # ordinary runs first: libraries choose their kernels and take their memory, an optimiser makes its own


class CudaGraphs:
    """torch's, all of one memory pool. Recording needs a stream of its own, and what is recorded must have run on that one."""

    def __init__(self, device: torch.device) -> None:
        self.stream = torch.cuda.Stream(device)
        self.forget()

    def forget(self) -> None:
        self.pool = torch.cuda.graph_pool_handle()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        outer = torch.cuda.current_stream(self.stream.device)
        self.stream.wait_stream(outer)
        with torch.cuda.stream(self.stream):
            yield
        outer.wait_stream(self.stream)

    def new(self) -> torch.cuda.CUDAGraph:
        return torch.cuda.CUDAGraph()

    def record(self, graph: Any, function: Callable[[], object]) -> None:
        with torch.cuda.graph(graph, pool=self.pool, stream=self.stream):
            function()


class Recorder:
    """Functions by key, and tensors by name that stay where they are.

    Args:
        device: where all of it happens.
        generators: those that recorded functions draw from; a replay goes on with their numbers.
        graphs: what records; default: CUDA graphs on a GPU, elsewhere nothing.
    """

    def __init__(
        self, device: torch.device, generators: Sequence[torch.Generator] = (), graphs: CudaGraphs | None = None
    ) -> None:
        self.generators = list(generators)
        self.machinery = CudaGraphs(device) if graphs is None and device.type == "cuda" else graphs
        self.forget()

    def forget(self) -> None:
        """Drops every recording and every kept tensor: after memory they refer to has been replaced."""
        self.kept: dict[str, Tensor] = {}
        self.runs: Counter[Hashable] = Counter()
        self.graphs: dict[Hashable, Any] = {}
        if self.machinery is not None:
            self.machinery.forget()

    def at_work(self) -> AbstractContextManager[None]:
        """What is run and kept inside is in order with what comes before and after."""
        return nullcontext() if self.machinery is None else self.machinery.at_work()

    def keep(self, name: str, tensor: Tensor) -> Tensor:
        """The memory of that name, now holding the tensor's values; its shape and dtype are the first one's."""
        if name not in self.kept:
            self.kept[name] = tensor.clone(memory_format=torch.contiguous_format)
            return self.kept[name]
        held = self.kept[name]
        if held.shape != tensor.shape or held.dtype != tensor.dtype:
            raise ValueError(
                f"{name}: got {tensor.dtype} {tuple(tensor.shape)}, allowed: {held.dtype} {tuple(held.shape)}, as at first"
            )
        return held.copy_(tensor)

    def run(self, key: Hashable, function: Callable[[], object]) -> None:
        """Does what `function` does; of one key, what it does to which memory is always the same."""
        if self.machinery is None:
            function()
        elif key in self.graphs:
            self.graphs[key].replay()
        elif self.runs[key] < WARM_UPS:
            self.runs[key] += 1
            with warnings.catch_warnings():  # torch expects an optimiser fit for recording to run recorded only
                warnings.filterwarnings("ignore", message=".*capturable=True.*")
                function()
        else:
            graph = self.machinery.new()
            for generator in self.generators:
                graph.register_generator_state(generator)
            self.machinery.record(graph, function)
            self.graphs[key] = graph
            graph.replay()  # recording ran nothing
