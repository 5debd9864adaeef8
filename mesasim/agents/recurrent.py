"""Agents whose memory is a recurrent state. It is cleared inside unroll where is_first is set."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mesasim.agents.encoding import FieldShape
from mesasim.agents.network import Network


class Recurrent(Network):
    """One GRU or LSTM layer over the whole observation, history fields and all. The carry is the hidden state, and for
    the LSTM its cell beside it."""

    def __init__(self, fields: Sequence[FieldShape], num_actions: int, hidden: int = 64, cell: str = "gru") -> None:
        super().__init__(fields)
        if cell not in ("gru", "lstm"):
            raise ValueError(f"cell: got {cell!r}, allowed: 'gru', 'lstm'")
        self.hidden, self.cell = hidden, cell
        self.core = (nn.GRU if cell == "gru" else nn.LSTM)(self.encoder.width, hidden)
        for name, parameter in self.core.named_parameters():
            if "weight_hh" in name:
                for gate in parameter.data.split(hidden):
                    nn.init.orthogonal_(gate)
        self.add_heads(hidden, num_actions)

    def initial_carry(self, num_slots: int) -> Tensor:
        return self.cleared(num_slots, self.hidden * (2 if self.cell == "lstm" else 1))

    def advance(self, inputs: Tensor, is_first: Tensor, carry: Tensor) -> tuple[Tensor, Tensor]:
        # Between two steps at which some episode starts the core runs uninterrupted.
        cuts = is_first.any(dim=1).nonzero().flatten().tolist()
        starts = sorted({0, *cuts})
        outputs = []
        for start, end in zip(starts, [*starts[1:], len(inputs)], strict=True):
            carry = carry * ~is_first[start].unsqueeze(-1)
            output, carry = self._run(inputs[start:end], carry)
            outputs.append(output)
        return torch.cat(outputs), carry

    def _run(self, inputs: Tensor, carry: Tensor) -> tuple[Tensor, Tensor]:
        if self.cell == "gru":
            output, state = self.core(inputs, carry.unsqueeze(0))
            return output, state.squeeze(0)
        hidden, cell = carry.unsqueeze(0).split(self.hidden, dim=-1)
        output, (hidden, cell) = self.core(inputs, (hidden.contiguous(), cell.contiguous()))
        return output, torch.cat([hidden, cell], dim=-1).squeeze(0)
