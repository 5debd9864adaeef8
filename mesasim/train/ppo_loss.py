"""The loss of proximal policy optimisation over a minibatch (Schulman et al. 2017, eq. 9), written once in torch, where it can
be read and runs on any device, and once natively for the CPU (csrc/network/ppo_loss.h), in one pass instead of a hundred."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from mesasim import _core
from mesasim.agents.recurrent_layer import addresses


class Samples(NamedTuple):
    """Of a rollout, [T, N]: what was done and what it is to be told."""

    action: Tensor  # int64
    log_prob: Tensor  # of the action, when it was taken
    advantage: Tensor
    target: Tensor  # of the values


class Weights(NamedTuple):
    """Of the loss' terms."""

    clip: float  # the range of the probability ratio
    value: float
    horizon: float | Tensor  # values are compared in this unit
    entropy: Tensor | float


def ppo_loss(logits: Tensor, value: Tensor, samples: Samples, slots: Tensor, weights: Weights) -> tuple[Tensor, Tensor]:
    """The loss [] and, without gradients, [4]: the policy's loss, the values' loss, the entropy, the share of ratios outside
    the clip range.

    Args:
        logits: [T, n, actions] of the slots chosen, as `value` [T, n].
        samples: of every slot.
        slots: int64 [n], those chosen.
    """
    action, old, advantage, target = (tensor[:, slots] for tensor in samples)
    log_probs = logits.log_softmax(-1)
    ratio = (log_probs.gather(-1, action.unsqueeze(-1)).squeeze(-1) - old).exp()
    clipped = ratio.clamp(1 - weights.clip, 1 + weights.clip)
    policy_loss = -torch.min(ratio * advantage, clipped * advantage).mean()
    value_loss = 0.5 * ((value - target) / weights.horizon).square().mean()
    entropy = -(log_probs.exp() * log_probs).sum(-1).mean()
    loss = policy_loss + weights.value * value_loss - weights.entropy * entropy
    outside = ((ratio - 1).abs() > weights.clip).float().mean()
    return loss, torch.stack([policy_loss, value_loss, entropy, outside]).detach()


def means(sums: tuple[float, ...], samples: int) -> Tensor:
    """The terms [4] from their sums."""
    return torch.tensor([term / samples for term in sums])


def native_ppo_loss(
    logits: Tensor, value: Tensor, samples: Samples, slots: Tensor, weights: Weights
) -> tuple[Tensor, Tensor]:
    """The same of float32 on the CPU. ValueError for a slot or an action that is not there."""
    return _Native.apply(logits, value, samples, slots, weights)  # type: ignore[no-any-return, no-untyped-call]


class _Native(torch.autograd.Function):
    """The gradients are found with the loss."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, value: Tensor, samples: Samples, slots: Tensor, weights: Weights) -> Any:
        logits, value, slots = logits.contiguous(), value.contiguous(), slots.contiguous()
        samples = Samples(*(tensor.contiguous() for tensor in samples))
        by_logits, by_value = torch.empty_like(logits), torch.empty_like(value)
        (steps, chosen, actions), entropy = logits.shape, float(weights.entropy)
        settings = _core.PPOLossSettings(
            steps,
            samples.action.shape[1],
            chosen,
            actions,
            weights.clip,
            weights.value,
            float(weights.horizon),
            entropy,
        )
        where = addresses(logits, value, slots, *samples, by_logits, by_value)
        sums = _core.ppo_loss(settings, where, torch.get_num_threads())
        ctx.save_for_backward(by_logits, by_value)
        terms = means(sums, steps * chosen)
        ctx.mark_non_differentiable(terms)
        ctx.set_materialize_grads(False)
        return terms[0] + weights.value * terms[1] - entropy * terms[2], terms

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, by_loss: Tensor, by_terms: None) -> Any:
        by_logits, by_value = ctx.saved_tensors
        return by_logits * by_loss, by_value * by_loss, None, None, None
