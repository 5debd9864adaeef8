"""Adam (Kingma and Ba 2015) of gradients whose norm is clipped (Pascanu et al. 2013): torch's, or natively in one pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mesasim import _core
from mesasim.agents.recurrent_layer import addresses

Parts = Sequence[Sequence[nn.Parameter]]


class ClippedAdam(torch.optim.Adam):
    """torch.optim.Adam, whose state it keeps as torch does, with `clipped_step`.

    Args:
        parts: the parameters; those of a part are clipped together.
        most: what a part's longer gradient is shortened to.
        lr, eps, capturable, fused: as torch has them.
        native: `clipped_step` by native code, where parameters are float32 on the CPU. Other rounding than torch's; the
            gradients themselves stay as they are.
    """

    def __init__(
        self, parts: Parts, most: float, *, native: bool, lr: float | Tensor = 1e-3, eps: float = 1e-8,
        capturable: bool = False, fused: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__([p for part in parts for p in part], lr=lr, eps=eps, capturable=capturable, fused=fused)
        self.parts, self.most, self.native = parts, most, native

    @torch.no_grad()
    def clipped_step(self) -> None:
        if self.native and all(map(_plain, (p for part in self.parts for p in part))):
            for part in self.parts:
                self._step_natively([p for p in part if p.grad is not None])
            return
        for part in self.parts:
            if part:
                torch.nn.utils.clip_grad_norm_(part, self.most)
        self.step()

    def _step_natively(self, part: Sequence[nn.Parameter]) -> None:
        settings = self.param_groups[0]
        tensors: list[Tensor | None] = []
        for parameter in part:
            state = self.state[parameter]
            if not state:  # as torch begins it
                state["step"] = torch.zeros((), dtype=torch.float32)
                state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
            tensors += parameter, parameter.grad, state["exp_avg"], state["exp_avg_sq"], state["step"]
        counts = [parameter.numel() for parameter in part]
        first, second = settings["betas"]
        _core.clipped_adam(
            float(settings["lr"]), first, second, settings["eps"], self.most, addresses(*tensors), counts
        )


def _plain(parameter: nn.Parameter) -> bool:
    """Whether it and its gradient are what native code takes."""
    return all(
        t.dtype == torch.float32 and t.device.type == "cpu" and t.is_contiguous()
        for t in (parameter, parameter.grad)
        if t is not None
    )
