"""Agents whose memory is a recurrent state. It is cleared inside unroll where is_first is set."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mesasim import waits
from mesasim.agents.base import Observation, Output
from mesasim.agents.encoding import FieldShape
from mesasim.agents.network import Network
from mesasim.agents.recurrent_layer import run_layer


def starts_of(is_first: Tensor) -> Sequence[int]:
    """0, and the steps at which some slot's episode starts; where the host may not look, every step: as right, but slower."""
    if len(is_first) == 1:
        return [0]
    if not waits.readable(is_first):
        return range(len(is_first))
    return sorted({0, *is_first.any(dim=1).nonzero().flatten().tolist()})


class Recurrent(Network):
    """One GRU or LSTM layer over the whole observation, history fields and all. The carry is the hidden state, and for
    the LSTM its cell beside it.

    Args:
        embed: units of a tanh layer before it, which can tell an action that was rewarded from one that was not before the
            core sees either (dense - LSTM - dense in Mikulik et al. 2020); 0: none.
        readout: units of a tanh layer after it that reads the core's state together with its input, so that what is done can
            depend on the memory of what is seen now; 0: none, actions are linear in the state.
        memory: steps over which its units begin by forgetting, spread from 1 to this many (chrono initialisation, Tallec
            and Ollivier 2018, "Can recurrent neural networks warp time?"); 0: torch's, which forgets half a step.
    """

    runs_between_starts = True

    def __init__(
        self, fields: Sequence[FieldShape], num_actions: int, hidden: int = 64, cell: str = "gru", embed: int = 0,
        readout: int = 0, memory: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(fields)
        if cell not in ("gru", "lstm"):
            raise ValueError(f"cell: got {cell!r}, allowed: 'gru', 'lstm'")
        self.hidden, self.cell = hidden, cell
        self.embed = nn.Sequential(nn.Linear(self.encoder.width, embed), nn.Tanh()) if embed else nn.Identity()
        width = embed or self.encoder.width
        self.core = (nn.GRU if cell == "gru" else nn.LSTM)(width, hidden)
        for name, parameter in self.core.named_parameters():
            if "weight_hh" in name:
                for gate in parameter.data.split(hidden):
                    nn.init.orthogonal_(gate)
        if memory:
            self._remember(memory)
        self.readout = nn.Sequential(nn.Linear(hidden + width, readout), nn.Tanh()) if readout else None
        self.add_heads(readout or hidden, num_actions)

    def _remember(self, steps: int) -> None:
        """Biases of the gate that keeps: b, so that it keeps T / (T + 1) with T from 1 to steps."""
        kept = torch.empty(self.hidden).uniform_(1, max(2, steps)).log()
        # torch's order is reset, update, new (GRU; the update gate keeps) and input, forget, cell, output (LSTM).
        biases = {name: parameter.data for name, parameter in self.core.named_parameters() if "bias" in name}
        gates = [(slice(self.hidden, 2 * self.hidden), kept)]
        if self.cell == "lstm":
            gates.append((slice(0, self.hidden), -kept))
        for gate, bias in gates:
            biases["bias_ih_l0"][gate], biases["bias_hh_l0"][gate] = bias, 0.0

    def initial_carry(self, num_slots: int) -> Tensor:
        return self.cleared(num_slots, self.hidden * (2 if self.cell == "lstm" else 1))

    def advance(self, inputs: Tensor, is_first: Tensor, carry: Tensor) -> tuple[Tensor, Tensor]:
        return self.run(inputs, is_first, carry, None)

    def unroll_from(self, obs: Observation, is_first: Tensor, carry: Tensor, starts: Sequence[int] | None) -> Output:
        return self.answer(obs, *self.run(self.encoder(obs), is_first, carry, starts))

    def run(
        self, inputs: Tensor, is_first: Tensor, carry: Tensor, starts: Sequence[int] | None
    ) -> tuple[Tensor, Tensor]:
        """`advance`, told the steps of which alone `is_first` may hold anywhere (None: unknown). On the CPU the core is the
        native one (recurrent_layer.py), which needs not be told."""
        inputs = self.embed(inputs)
        if inputs.device.type == "cpu":
            hidden, carry = run_layer(self.core, inputs, is_first, carry)
        else:
            hidden, carry = self._stretches(inputs, is_first, carry, starts)
        return (hidden if self.readout is None else self.readout(torch.cat([hidden, inputs], dim=-1))), carry

    def _stretches(
        self, inputs: Tensor, is_first: Tensor, carry: Tensor, starts: Sequence[int] | None
    ) -> tuple[Tensor, Tensor]:
        """torch's core, uninterrupted from one start to the next."""
        steps = starts_of(is_first) if starts is None else sorted({0, *starts})
        outputs = []
        for start, end in zip(steps, [*steps[1:], len(inputs)], strict=True):
            carry = carry * ~is_first[start].unsqueeze(-1)
            output, carry = self._stretch(inputs[start:end], carry)
            outputs.append(output)
        return torch.cat(outputs), carry

    def _stretch(self, inputs: Tensor, carry: Tensor) -> tuple[Tensor, Tensor]:
        if self.cell == "gru":
            output, state = self.core(inputs, carry.unsqueeze(0))
            return output, state.squeeze(0)
        hidden, cell = carry.unsqueeze(0).split(self.hidden, dim=-1)
        output, (hidden, cell) = self.core(inputs, (hidden.contiguous(), cell.contiguous()))
        return output, torch.cat([hidden, cell], dim=-1).squeeze(0)
