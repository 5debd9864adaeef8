"""A GRU layer along a rollout, in one native call each way: the operator torch.ops.mesasim.gru, on the CPU. torch's own is a
dozen passes over memory a step, whose overhead bounds small networks; here a tile of slots goes through all steps in the
cache, and episodes may start anywhere (csrc/network/gru.h). Numbers do not depend on the number of threads."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mesasim import _core


@torch.library.custom_op("mesasim::gru", mutates_args=(), device_types="cpu")
def gru(
    x: Tensor, is_first: Tensor, carry: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor,
    keep: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Hidden states after each step, [T, N, hidden], of torch.nn.GRU's equations; and what `keep` keeps for the gradients.

    Args:
        x: [T, N, inputs], float32 or float64, as are the others.
        is_first: bool [T, N]; the state is cleared before such a step.
        carry: [N, hidden], the state before the first step.
        weight_ih, weight_hh, bias_ih, bias_hh: [3 hidden, inputs], [3 hidden, hidden], [3 hidden] twice, torch.nn.GRU's.
        keep: whether gradients will be asked for.
    """
    hidden = _check(x, is_first, carry, weight_ih, weight_hh, bias_ih, bias_hh)
    output, kept = _made(x, hidden, keep)
    given = _contiguous(weight_ih, weight_hh, bias_ih, bias_hh, x, is_first, carry)
    where = addresses(*given, output, kept if keep else None)
    steps, slots, inputs = x.shape
    shape = _core.GruShape(steps, slots, inputs, hidden)
    _core.run_gru(x.dtype == torch.float64, shape, where, torch.get_num_threads())
    return output, kept


@gru.register_fake
def _(x, is_first, carry, weight_ih, weight_hh, bias_ih, bias_hh, keep):  # type: ignore[no-untyped-def]
    return _made(x, carry.shape[1], keep)


def _made(x: Tensor, hidden: int, keep: bool) -> tuple[Tensor, Tensor]:
    """Room for the states and for what is kept."""
    steps, slots, inputs = x.shape
    kept = _core.GruShape(1, 1, inputs, hidden).kept()
    return x.new_empty(steps, slots, hidden), x.new_empty((steps, slots, kept) if keep else 0)


@torch.library.custom_op("mesasim::gru_gradients", mutates_args=(), device_types="cpu")
def gru_gradients(
    by_output: Tensor, output: Tensor, kept: Tensor, x: Tensor, is_first: Tensor, carry: Tensor, weight_ih: Tensor,
    weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor, of_x: bool, of_carry: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Gradients by x, carry and the four weights, given those by the states, [T, N, hidden]; empty where not asked for."""
    given = _contiguous(weight_ih, weight_hh, bias_ih, bias_hh, x, is_first, carry, output, kept, by_output)
    by_x, by_carry = (torch.empty_like(t, memory_format=torch.contiguous_format) for t in (x, carry))
    by_weights = [torch.empty_like(w) for w in given[:4]]
    where = addresses(*given, by_x if of_x else None, by_carry if of_carry else None, *by_weights)
    steps, slots, inputs = x.shape
    shape = _core.GruShape(steps, slots, inputs, carry.shape[1])
    _core.gru_gradients(x.dtype == torch.float64, shape, where, torch.get_num_threads())
    by_ih, by_hh, by_bias_ih, by_bias_hh = by_weights
    by_x, by_carry = by_x if of_x else x.new_empty(0), by_carry if of_carry else x.new_empty(0)
    return by_x, by_carry, by_ih, by_hh, by_bias_ih, by_bias_hh


@gru_gradients.register_fake
def _(by_output, output, kept, x, is_first, carry, weight_ih, weight_hh, bias_ih, bias_hh, of_x, of_carry):  # type: ignore[no-untyped-def]
    return (
        torch.empty_like(x) if of_x else x.new_empty(0), torch.empty_like(carry) if of_carry else x.new_empty(0),
        torch.empty_like(weight_ih), torch.empty_like(weight_hh), torch.empty_like(bias_ih), torch.empty_like(bias_hh),
    )  # fmt: skip


def _save(ctx, inputs, output):  # type: ignore[no-untyped-def]
    *tensors, keep = inputs
    if not keep:
        raise RuntimeError("keep: got False where gradients are asked for, allowed: True")
    ctx.save_for_backward(*output, *tensors)
    ctx.set_materialize_grads(False)  # `kept` has none, and zeros in its place would be the largest tensor here


def _backward(ctx, by_output, by_kept):  # type: ignore[no-untyped-def]
    output, kept, *given = ctx.saved_tensors
    of_x, _, of_carry, *_ = ctx.needs_input_grad
    if by_output is None:
        return (None,) * 8
    by_x, by_carry, *by_weights = gru_gradients(by_output, output, kept, *given, of_x, of_carry)
    return by_x if of_x else None, None, by_carry if of_carry else None, *by_weights, None


gru.register_autograd(_backward, setup_context=_save)


def _contiguous(*tensors: Tensor) -> list[Tensor]:
    return [tensor.contiguous() for tensor in tensors]


def addresses(*tensors: Tensor | None) -> tuple[int, ...]:
    """Of contiguous tensors, as the engine takes them; 0 for none."""
    return tuple(0 if tensor is None else tensor.data_ptr() for tensor in tensors)


def _check(x: Tensor, is_first: Tensor, carry: Tensor, *weights: Tensor) -> int:
    """Raises TypeError or ValueError for what the engine must not be handed; the number of hidden units."""
    if x.dim() != 3 or x.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"x: got {x.dtype} {tuple(x.shape)}, allowed: float32 or float64 [T, N, inputs]")
    if carry.dim() != 2:
        raise ValueError(f"carry: got {tuple(carry.shape)}, allowed: [N, hidden]")
    (steps, slots, inputs), hidden = x.shape, carry.shape[1]
    shapes = [(3 * hidden, inputs), (3 * hidden, hidden), (3 * hidden,), (3 * hidden,)]
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    rows = [("carry", carry, (slots, hidden)), *zip(names, weights, shapes, strict=True)]
    for name, tensor, shape in rows:
        if tensor.dtype != x.dtype or tuple(tensor.shape) != shape or tensor.device != x.device:
            raise ValueError(f"{name}: got {tensor.dtype} {tuple(tensor.shape)}, allowed: {x.dtype} {shape}")
    if is_first.dtype != torch.bool or tuple(is_first.shape) != (steps, slots):
        raise ValueError(
            f"is_first: got {is_first.dtype} {tuple(is_first.shape)}, allowed: torch.bool {(steps, slots)}"
        )
    return hidden


def gru_layer(core: nn.GRU, inputs: Tensor, is_first: Tensor, carry: Tensor) -> tuple[Tensor, Tensor]:
    """A layer's states [T, N, hidden] along [T, N, inputs], and the carry after them."""
    weights = core.weight_ih_l0, core.weight_hh_l0, core.bias_ih_l0, core.bias_hh_l0
    keep = torch.is_grad_enabled() and any(t.requires_grad for t in (inputs, carry, *weights))
    output, _ = gru(inputs, is_first, carry, *weights, keep)
    return output, output[-1]
