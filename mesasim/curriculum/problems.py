"""What the families of problems share: batches of instances, what a solver says about them, and the way to the native
engine. Holds no family's rules; those are in csrc/curriculum."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from typing_extensions import Self

from mesasim import _core
from mesasim.arrays import as_tensor, selection
from mesasim.buffers import address
from mesasim.machine import integer, threads

CPU = torch.device("cpu")
MAX_COUNT = 2**40
NO_LIMIT = 2**63 - 1
CALL_SECONDS = (
    0.2  # a native call takes about this long, so that an interrupt is heard; a single instance may take longer
)


@dataclass(frozen=True)
class Solutions:
    """What was found for each instance.

    Attributes:
        answer: int8 [count, n], a value a decision (family's docstring); -1 throughout where nothing was found.
        value: int64 [count], of the answer; -1 where nothing was found.
        feasible: bool [count], whether the answer solves the problem as asked.
        optimal: bool [count], whether that is proved to be the last word: no better answer exists or, where none was
            found, none at all. False where the node limit came first, and for greedy answers.
        nodes: int64 [count], partial solutions the search arrived at, the empty one and dead ends included; 0 if greedy.
    """

    answer: Tensor
    value: Tensor
    feasible: Tensor
    optimal: Tensor
    nodes: Tensor

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, which: Any) -> Solutions:
        """Those of some of the instances: a slice, or a tensor, array or list of indices or bool."""
        chosen = selection(which, self.value.device)
        return Solutions(*(t[chosen] for t in (self.answer, self.value, self.feasible, self.optimal, self.nodes)))

    def __repr__(self) -> str:
        share = float(self.optimal.double().mean()) if len(self) else 1.0
        return f"Solutions({len(self)}, {share:.0%} proved, {int(self.nodes.sum())} nodes)"


class Problems:
    """A batch of instances of one family and size, on the CPU; each family's Instances says what they hold."""

    family: ClassVar[_core.CurriculumFamily]
    arrays: ClassVar[tuple[str, ...]]  # attributes, tensors [count, …], as the engine wants them
    size: _core.ProblemSize

    def __len__(self) -> int:
        return len(getattr(self, self.arrays[0]))

    def __repr__(self) -> str:
        numbers = {name: getattr(self.size, name) for name in ("n", "clauses", "literals", "colours")}
        shown = ", ".join(f"{name}={number}" for name, number in numbers.items() if number)
        return f"{type(self).__module__.rpartition('.')[2]}.Instances({len(self)}, {shown})"

    def __getitem__(self, which: Any) -> Self:
        """Some of the instances: a slice, or a tensor, array or list of indices or bool."""
        chosen = selection(which, CPU)
        return self._of(self.size, [getattr(self, name)[chosen] for name in self.arrays])

    @classmethod
    def _of(cls, size: _core.ProblemSize, tensors: list[Tensor]) -> Self:
        """Of tensors known to be right."""
        made = cls.__new__(cls)
        made.size = size
        for name, tensor in zip(cls.arrays, tensors, strict=True):
            setattr(made, name, tensor.contiguous())
        return made

    def _addresses(self, begin: int, end: int) -> list[int]:
        return [address(getattr(self, name)[begin:end]) for name in self.arrays]


def generate_into(made: Problems, options: dict[str, Any], seed: int, first: int, num_threads: int | None) -> None:
    """Draws instances first … first + len(made) - 1 of a seed into the tensors of `made`."""
    seed = integer("seed", seed, 0, 2**64 - 1)
    first = integer("first", first, 0, 2**63 - 1 - len(made))
    workers = threads(num_threads)
    for begin, end in portions(len(made)):
        made.family.generate(
            size=made.size, options=options, seed=seed, first=first + begin, count=end - begin,
            arrays=made._addresses(begin, end), num_threads=workers,
        )  # fmt: skip


def checked_count(count: Any) -> int:
    return integer("count", count, 0, MAX_COUNT)


def sized(family: _core.CurriculumFamily, n: Any, options: dict[str, Any]) -> _core.ProblemSize:
    """The size of instances with n decisions under these options; raises for what the family does not allow."""
    return family.size(integer("n", n, family.MIN_N, family.MAX_N), options)


def solve(instances: Problems, node_limit: int | None = None, num_threads: int | None = None) -> Solutions:
    """Depth-first search to the end, or to `node_limit` nodes (1 or more) an instance; the same on any number of threads.

    Raises:
        TypeError, ValueError: an argument of the wrong kind or out of range, by name.
    """
    limit = NO_LIMIT if node_limit is None else integer("node_limit", node_limit, 1, NO_LIMIT)

    def call(begin: int, end: int, found: list[int], workers: int) -> None:
        instances.family.solve(
            size=instances.size, node_limit=limit, count=end - begin, arrays=instances._addresses(begin, end),
            found=found, num_threads=workers,
        )  # fmt: skip

    return _found(instances, call, num_threads)


def greedy(instances: Problems, num_threads: int | None = None) -> Solutions:
    """What one pass without second thoughts finds (each family's docstring says how): where it is worse than what
    `solve` finds, greed fails."""

    def call(begin: int, end: int, found: list[int], workers: int) -> None:
        instances.family.greedy(
            size=instances.size, count=end - begin, arrays=instances._addresses(begin, end), found=found,
            num_threads=workers,
        )  # fmt: skip

    return _found(instances, call, num_threads)


def _found(instances: Problems, call: Callable[[int, int, list[int], int], None], num_threads: int | None) -> Solutions:
    if not isinstance(instances, Problems):
        raise TypeError(f"instances: got {type(instances).__name__}, allowed: Instances of a family")
    workers, count = threads(num_threads), len(instances)
    found = Solutions(
        answer=torch.empty((count, instances.size.n), dtype=torch.int8),
        value=torch.empty(count, dtype=torch.int64),
        feasible=torch.empty(count, dtype=torch.bool),
        optimal=torch.empty(count, dtype=torch.bool),
        nodes=torch.empty(count, dtype=torch.int64),
    )
    for begin, end in portions(count):
        parts = (found.answer, found.value, found.nodes, found.feasible, found.optimal)  # FoundArrays of jobs.h
        call(begin, end, [address(t[begin:end]) for t in parts], workers)
    return found


def portions(count: int) -> Iterator[tuple[int, int]]:
    """(begin, end) of calls, grown and shrunk so that each takes about CALL_SECONDS; one, empty, for none."""
    begin, step = 0, 256
    while True:
        end = min(count, begin + step)
        started = time.monotonic()
        yield begin, end
        took = time.monotonic() - started
        step = min(2 * step, 2**20) if took < CALL_SECONDS / 2 else max(step // 2, 64) if took > CALL_SECONDS else step
        begin = end
        if begin >= count:
            return


# The checks of tensors a caller brings


def whole_numbers(name: str, given: Any, dims: int, low: int, high: int) -> Tensor:
    """int64 on the CPU, of `dims` dimensions, each number in low … high; TypeError or ValueError names what is not."""
    tensor = as_tensor(name, given, "integers", device=CPU)
    if tensor.dim() != dims:
        raise ValueError(f"{name}: got shape {tuple(tensor.shape)}, allowed: {dims} dimensions")
    tensor = tensor.long()
    refuse(name, (tensor < low) | (tensor > high), tensor, f"{low} to {high}")
    return tensor.contiguous()


def refuse(name: str, bad: Tensor, given: Tensor, allowed: str) -> None:
    """ValueError with the first of `given` marked in `bad`, and which instance it is in."""
    if bad.any():
        where = tuple(int(i) for i in bad.nonzero()[0])
        raise ValueError(f"{name}: got {given[where].tolist()} in instance {where[0]}, allowed: {allowed}")


def one_each(name: str, tensor: Tensor, count: int) -> Tensor:
    if tensor.shape != (count,):
        raise ValueError(f"{name}: got shape {tuple(tensor.shape)}, allowed: ({count},), one an instance")
    return tensor
