"""Where the host waits for a device: what training may ask of a tensor's values, and nothing else on its way does. On a GPU
every look at a value lets the queue of kernels run dry: PPO's steps and minibatches take none, an iteration at most three."""

from __future__ import annotations

from torch import Tensor

ASKED_EVERY = 16  # steps


def readable(tensor: Tensor) -> bool:
    """Whether the host may look at values to save work: on the CPU, where that is free. Elsewhere the work is done."""
    return tensor.device.type == "cpu"


def read(tensor: Tensor) -> Tensor:
    """A copy on the CPU; the host waits."""
    return tensor.cpu()


def any_left(running: Tensor, steps: int, *, throwaway: bool = True) -> bool:
    """Whether some episode is not over. Where asking makes the host wait it is asked every ASKED_EVERY steps, if what is played
    after the last end may be thrown away."""
    if steps % ASKED_EVERY and throwaway and not readable(running):
        return True
    return bool(read(running.any()))


def places(mask: Tensor) -> tuple[Tensor, ...]:
    """Where a mask is True, an index tensor a dimension, on its device; the host waits, to learn how many there are."""
    return mask.nonzero(as_tuple=True)
