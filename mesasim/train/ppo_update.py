"""A minibatch's gradients in one native call (csrc/network/ppo_update.h), for the network that recurrent PPO is mostly used with:
a GRU or an LSTM with a head for actions and one for values, on the CPU. Its small matrices take torch less time than the calls
that hand them over, and what is kept between forward and back need not leave the cache."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mesasim import _core
from mesasim.agents import Agent
from mesasim.agents.recurrent import Recurrent
from mesasim.agents.recurrent_layer import WEIGHTS, addresses
from mesasim.train.ppo_loss import Samples, Weights, means
from mesasim.train.rollout import Rollout

MOST_BYTES = 1 << 28  # of a rollout's observations encoded, which are made once for all its minibatches


class NativeUpdate:
    """Of one rollout; `of` makes it where it can be used."""

    def __init__(self, agent: Recurrent, rollout: Rollout) -> None:
        self.agent = agent
        self.x = agent.encoder(rollout.obs).contiguous()
        mask = rollout.obs.get("action_mask")
        self.mask = None if mask is None else mask.contiguous()
        self.is_first, self.first_carry = rollout.is_first.contiguous(), rollout.first_carry.contiguous()
        self.parameters: list[Tensor] = [
            *(agent.core.get_parameter(name) for name in WEIGHTS),
            agent.policy.weight, agent.policy.bias, agent.value.weight, agent.value.bias,
        ]  # fmt: skip
        for parameter in self.parameters:
            if parameter.grad is None:
                parameter.grad = torch.empty_like(parameter)

    @classmethod
    def of(cls, agent: Agent, critic: nn.Module, rollout: Rollout, cut_every: int | None) -> NativeUpdate | None:
        """None where torch has to do it: no recurrent layer, others before or after it, values from elsewhere, gradients that are
        cut, or a rollout too large to be encoded at once."""
        if not isinstance(agent, Recurrent) or agent.readout is not None:
            return None
        if not isinstance(agent.embed, nn.Identity) or list(critic.parameters()) or cut_every is not None:
            return None
        steps, slots = rollout.is_first.shape
        fits = steps * slots * agent.encoder.width * 4 <= MOST_BYTES
        here = rollout.is_first.device.type == "cpu" and agent.policy.weight.dtype == torch.float32
        return cls(agent, rollout) if fits and here else None

    def minibatch(self, samples: Samples, slots: Tensor, weights: Weights) -> Tensor:
        """The terms of the loss, as `ppo_loss` gives them; gradients are in the parameters."""
        (steps, all_slots, inputs), actions = self.x.shape, self.agent.policy.out_features
        shape = _core.LayerShape(steps, len(slots), inputs, self.agent.hidden, self.agent.cell == "lstm")
        settings = _core.PPOLossSettings(
            steps, all_slots, len(slots), actions, weights.clip, weights.value, float(weights.horizon),
            float(weights.entropy),
        )  # fmt: skip
        slots, samples = slots.contiguous(), Samples(*(tensor.contiguous() for tensor in samples))
        given = *samples, self.x, self.is_first, self.first_carry, self.mask
        gradients = (parameter.grad for parameter in self.parameters)
        where = addresses(*self.parameters, slots, *given, *gradients)
        return means(_core.ppo_update(shape, settings, where, torch.get_num_threads()), steps * len(slots))
