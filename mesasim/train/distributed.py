"""Training on several processes, one a rank, as `torchrun` starts them: who holds which slots, what is drawn for all of them,
and every collective. Of one process (`ALONE`) all of it is the identity, at no cost and to the same bits."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from mesasim import waits
from mesasim.devices import usable_cores
from mesasim.integrity import digest

T = TypeVar("T")
LAUNCHED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # what torchrun tells each process


def launched() -> tuple[int, int]:
    """(rank, number of ranks) of this process: the process group's, else as its launcher has it; (0, 1) without one. ValueError
    for a launcher's that are no numbers."""
    if dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    if not all(name in os.environ for name in LAUNCHED):  # a scheduler's or another tool's RANK alone is none of ours
        return 0, 1
    rank, size = (_number(name) for name in LAUNCHED[:2])
    if not rank < size:
        raise ValueError(f"RANK: got {rank} with WORLD_SIZE {size}, allowed: 0 to {size - 1}")
    return rank, size


def _number(variable: str) -> int:
    text = os.environ[variable]
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{variable}: got {text!r} in the environment, allowed: an integer of at least 0")
    return int(text)


def first_rank() -> bool:
    """Whether this process is the one of its job that writes and speaks: the first, and any that is alone."""
    return launched()[0] == 0


class RankLost(RuntimeError):
    """A collective failed: another process is gone, or has not answered in time."""


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together. Rank r holds slots r n … (r + 1) n - 1 of num_envs = size n, by the global
    number that keys their random numbers, so that the tasks are the same whatever the size."""

    rank: int = 0
    size: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process writes the run folder and tells of progress: the first alone does."""
        return self.rank == 0

    # Who has what

    def share_of(self, num_envs: int) -> int:
        """Slots a rank. ValueError where they do not come out even."""
        if num_envs % self.size:
            raise ValueError(f"num_envs: got {num_envs} on {self.size} processes, allowed: a multiple of {self.size}")
        return num_envs // self.size

    def threads(self, asked: int | None) -> int | None:
        """Threads a rank: what is asked for, or else an even share of the cores."""
        if asked is not None or self.size == 1:
            return asked
        return max(1, usable_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", self.size)))

    def part(self, whole: Tensor) -> Tensor:
        """This rank's rows of a tensor [num_envs, …]."""
        return whole.chunk(self.size)[self.rank] if self.size > 1 else whole

    def room_for_all(self, own: Tensor) -> Tensor:
        """Unwritten memory for every rank's rows of what `own` [n, …] is one's of, to draw into what `part` is then taken of:
        every rank draws all of it with the same generator, so that each slot's draw is that of one process."""
        return own.new_empty((self.size * len(own), *own.shape[1:])) if self.size > 1 else torch.empty_like(own)

    def of_minibatch(self, slots: Tensor, per_rank: int) -> tuple[Tensor, float]:
        """What this rank has of a minibatch of global slots, int64 [k]: its own numbers of them, and their share of k. A rank
        that has none plays its first slot for nothing, so that gradients are of the same weights on each."""
        if self.size == 1:
            return slots, 1.0
        own = slots - self.rank * per_rank
        own = own[waits.places((own >= 0) & (own < per_rank))]
        return (own, len(own) / len(slots)) if len(own) else (slots.new_zeros(1), 0.0)

    # Collectives: every rank calls them, in the same order

    def sum(self, values: Tensor) -> Tensor:
        """The ranks' values added up, in place."""
        if self.size > 1:
            self._together(lambda: dist.all_reduce(values))
        return values

    def standardised(self, values: Tensor) -> Tensor:
        """Less their mean and divided by their standard deviation, both over every rank's."""
        if self.size == 1:
            return (values - values.mean()) / (values.std() + 1e-8)
        wide = values.double()
        total, squares = self.sum(torch.stack([wide.sum(), wide.square().sum()]))
        count = self.size * values.numel()
        deviation = ((squares - total.square() / count) / (count - 1)).clamp(min=0).sqrt()
        return ((wide - total / count) / (deviation + 1e-8)).to(values.dtype)

    def sum_gradients(self, parameters: Sequence[torch.nn.Parameter], share: float) -> None:
        """Adds the ranks' gradients up, in one message, each weighed by its rank's share of the minibatch."""
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = self.sum(torch.cat([gradient.flatten() for gradient in gradients]).mul_(share))
        for gradient, summed in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(summed.view_as(gradient))

    def wait(self) -> None:
        """Until every rank has come as far."""
        self.sum(torch.zeros(1))

    def largest(self, number: int) -> int:
        """The largest of the ranks' numbers."""
        return max(self.every(number))

    def every(self, own: T) -> list[T]:
        """What each rank gave, in order, on every rank; small things."""
        if self.size == 1:
            return [own]
        found: list[Any] = [None] * self.size
        self._together(lambda: dist.all_gather_object(found, own))
        return found

    def gather(self, own: Tensor) -> Tensor:
        """On rank 0: every rank's rows [num_envs, …] of a tensor [n, …], on the CPU. Elsewhere: its own."""
        if self.size == 1:
            return own
        sent = own.cpu().contiguous()
        raw = sent.flatten().view(torch.uint8)
        parts = [torch.empty_like(raw) for _ in range(self.size)] if self.writes else None
        self._together(lambda: dist.gather(raw, parts))
        return torch.cat([part.view(sent.dtype).view(sent.shape) for part in parts]) if parts else sent

    def agreed(self, what: Callable[[], T]) -> T:
        """What rank 0 finds, or its error, on every rank."""
        if self.size == 1:
            return what()
        found: list[Any] = [None, None]
        if self.writes:
            try:
                found[0] = what()
            except (OSError, ValueError) as error:
                found[1] = error
        self._together(lambda: dist.broadcast_object_list(found))
        if found[1] is not None:
            raise found[1]
        return found[0]

    def check_same(self, what: str, tensors: Mapping[str, Tensor]) -> None:
        """RuntimeError where the ranks differ in what must be the same on each."""
        if self.size == 1:
            return
        found = self.every(digest(tensors)[:16])
        if len(set(found)) > 1:
            raise RuntimeError(
                f"{what}: the {self.size} processes hold others (digests {found}), allowed: the same on each"
            )

    def _together(self, collective: Callable[[], object]) -> None:
        try:
            collective()
        except RuntimeError as error:
            raise RankLost(
                f"rank {self.rank} of {self.size}: another process of this training is gone (killed, out of memory, its machine "
                f"lost; the launcher says which), or did not answer within rank_timeout. This one ends too. --resume goes on "
                f"from the last checkpoint, on any number of processes that num_envs can be shared among. ({error})"
            ) from error


ALONE = Ranks()


@contextmanager
def joined(device: str, timeout_s: float) -> Iterator[Ranks]:
    """The ranks that a launcher has started, connected by gloo, and by NCCL where the device is a GPU; ALONE without one. A
    process group that is there already is used as it is."""
    rank, size = launched()
    if dist.is_initialized():
        yield Ranks(rank, size)
        return
    if size == 1:
        yield ALONE
        return
    backend = "cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo"
    try:
        dist.init_process_group(backend, timeout=timedelta(seconds=timeout_s))
    except RuntimeError as error:
        raise RankLost(f"the {size} processes of this training did not find each other ({error})") from error
    ranks = Ranks(rank, size)
    yield ranks
    ranks.wait()  # until the first has saved: the others may end no sooner than there is what they trained
    dist.destroy_process_group()  # not after an error: others may be gone, and it would wait for them


def device_of(device: str, ranks: Ranks) -> str:
    """This rank's device: of GPUs the one of its number on its machine. ValueError for one GPU that all should take."""
    if ranks.size == 1 or not device.startswith("cuda"):
        return device
    if device != "cuda":
        raise ValueError(f"device: got {device!r} on {ranks.size} processes, allowed: 'cpu', or 'cuda' (a GPU each)")
    return f"cuda:{os.environ.get('LOCAL_RANK', ranks.rank)}"
