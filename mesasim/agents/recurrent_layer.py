"""A GRU or LSTM layer along a rollout, in one native call each way: the operator torch.ops.mesasim.recurrent_layer, on the CPU.
torch's own is a dozen passes over memory a step, whose overhead bounds small networks; here a tile of slots goes through all
steps in the cache, and episodes may start anywhere (csrc/network/recurrent.h). Numbers do not depend on the number of threads."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mesasim import _core

WEIGHTS = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")  # of a layer, in the order of the operator


@torch.library.custom_op("mesasim::recurrent_layer", mutates_args=(), device_types="cpu")
def recurrent_layer(
    x: Tensor, is_first: Tensor, carry: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Of the equations of torch.nn.GRU, or with four gates of torch.nn.LSTM: states after each step, [T, N, hidden]; of an LSTM
    its cell after the last, [N, hidden]; and what `keep` keeps for the gradients.

    Args:
        x: [T, N, inputs], float32 or float64, as are the others.
        is_first: bool [T, N]; the state is cleared before such a step.
        carry: [N, hidden], the state before the first step; of an LSTM [N, 2 hidden], the cell beside it.
        weight_ih, weight_hh, bias_ih, bias_hh: [gates hidden, inputs], [gates hidden, hidden], [gates hidden] twice, torch's.
        keep: whether gradients will be asked for.
    """
    _check(x, is_first, carry, weight_ih, weight_hh, bias_ih, bias_hh)
    output, cell, kept = _made(x, weight_hh, keep)
    given = _contiguous(weight_ih, weight_hh, bias_ih, bias_hh, x, is_first, carry)
    where = addresses(*given, output, kept if keep else None, cell if len(cell) else None)
    _core.run_layer(x.dtype == torch.float64, _shape(x, weight_hh), where, torch.get_num_threads())
    return output, cell, kept


@recurrent_layer.register_fake
def _(x, is_first, carry, weight_ih, weight_hh, bias_ih, bias_hh, keep):  # type: ignore[no-untyped-def]
    return _made(x, weight_hh, keep)


def _shape(x: Tensor, weight_hh: Tensor) -> _core.LayerShape:
    steps, slots, inputs = x.shape
    rows, hidden = weight_hh.shape
    return _core.LayerShape(steps, slots, inputs, hidden, rows == 4 * hidden)


def _made(x: Tensor, weight_hh: Tensor, keep: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Room for the states, the cells and what is kept."""
    (steps, slots, inputs), (rows, hidden) = x.shape, weight_hh.shape
    lstm = rows == 4 * hidden
    kept = _core.LayerShape(1, 1, inputs, hidden, lstm).kept()
    room = x.new_empty(steps, slots, hidden), x.new_empty((slots, hidden) if lstm else 0)
    return *room, x.new_empty((steps, slots, kept) if keep else 0)


@torch.library.custom_op("mesasim::recurrent_layer_gradients", mutates_args=(), device_types="cpu")
def recurrent_layer_gradients(
    by_output: Tensor, by_cell: Tensor | None, output: Tensor, kept: Tensor, x: Tensor, is_first: Tensor, carry: Tensor,
    weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor, of_x: bool, of_carry: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Gradients by x, carry and the four weights, given those by the states, [T, N, hidden], and by an LSTM's last cell (None:
    0); empty where not asked for."""
    given = _contiguous(weight_ih, weight_hh, bias_ih, bias_hh, x, is_first, carry, output, kept)
    by_output = by_output.contiguous()
    by_cell = None if by_cell is None else by_cell.contiguous()
    found = [torch.empty_like(t, memory_format=torch.contiguous_format) for t in (x, carry)]
    found = [t if asked else x.new_empty(0) for t, asked in zip(found, (of_x, of_carry), strict=True)]
    weights = [torch.empty_like(w) for w in given[:4]]
    asked = found[0] if of_x else None, found[1] if of_carry else None
    where = addresses(*given, None, by_output, by_cell, *asked, *weights)
    _core.layer_gradients(x.dtype == torch.float64, _shape(x, weight_hh), where, torch.get_num_threads())
    return found[0], found[1], weights[0], weights[1], weights[2], weights[3]


@recurrent_layer_gradients.register_fake
def _(by_output, by_cell, output, kept, x, is_first, carry, weight_ih, weight_hh, bias_ih, bias_hh, of_x, of_carry):  # type: ignore[no-untyped-def]
    return (
        torch.empty_like(x) if of_x else x.new_empty(0), torch.empty_like(carry) if of_carry else x.new_empty(0),
        torch.empty_like(weight_ih), torch.empty_like(weight_hh), torch.empty_like(bias_ih), torch.empty_like(bias_hh),
    )  # fmt: skip


def _save(ctx, inputs, output):  # type: ignore[no-untyped-def]
    *tensors, keep = inputs
    if not keep:
        raise RuntimeError("keep: got False where gradients are asked for, allowed: True")
    states, _, kept = output
    ctx.save_for_backward(states, kept, *tensors)
    ctx.set_materialize_grads(False)  # `kept` has none, and zeros in its place would be the largest tensor here


def _backward(ctx, by_output, by_cell, by_kept):  # type: ignore[no-untyped-def]
    if by_output is None and by_cell is None:
        return (None,) * 8
    output, kept, *given = ctx.saved_tensors
    of_x, _, of_carry, *_ = ctx.needs_input_grad
    by_output = torch.zeros_like(output) if by_output is None else by_output
    by_x, by_carry, *by_weights = recurrent_layer_gradients(by_output, by_cell, output, kept, *given, of_x, of_carry)
    return by_x if of_x else None, None, by_carry if of_carry else None, *by_weights, None


recurrent_layer.register_autograd(_backward, setup_context=_save)


def _contiguous(*tensors: Tensor) -> list[Tensor]:
    return [tensor.contiguous() for tensor in tensors]


def addresses(*tensors: Tensor | None) -> tuple[int, ...]:
    """Of contiguous tensors, as the engine takes them; 0 for none."""
    return tuple(0 if tensor is None else tensor.data_ptr() for tensor in tensors)


def _check(x: Tensor, is_first: Tensor, carry: Tensor, *weights: Tensor) -> None:
    """Raises TypeError or ValueError for what the engine must not be handed."""
    if x.dim() != 3 or x.dtype not in (torch.float32, torch.float64):
        raise TypeError(f"x: got {x.dtype} {tuple(x.shape)}, allowed: float32 or float64 [T, N, inputs]")
    weight_hh = weights[1]
    if weight_hh.dim() != 2 or weight_hh.shape[0] not in (3 * weight_hh.shape[1], 4 * weight_hh.shape[1]):
        raise ValueError(f"weight_hh: got {tuple(weight_hh.shape)}, allowed: [3 hidden, hidden] or [4 hidden, hidden]")
    (steps, slots, inputs), (rows, hidden) = x.shape, weight_hh.shape
    expected = {
        "carry": (carry, (slots, hidden if rows == 3 * hidden else 2 * hidden)),
        **{name: (w, (rows, inputs) if name == "weight_ih" else (rows,)) for name, w in zip(
            ("weight_ih", "bias_ih", "bias_hh"), (weights[0], weights[2], weights[3]), strict=True)},
        "weight_hh": (weight_hh, (rows, hidden)),
    }  # fmt: skip
    for name, (tensor, shape) in expected.items():
        if tensor.dtype != x.dtype or tuple(tensor.shape) != shape or tensor.device != x.device:
            raise ValueError(f"{name}: got {tensor.dtype} {tuple(tensor.shape)}, allowed: {x.dtype} {shape}")
    if is_first.dtype != torch.bool or tuple(is_first.shape) != (steps, slots):
        got = f"{is_first.dtype} {tuple(is_first.shape)}"
        raise ValueError(f"is_first: got {got}, allowed: torch.bool {(steps, slots)}")


def run_layer(core: nn.GRU | nn.LSTM, inputs: Tensor, is_first: Tensor, carry: Tensor) -> tuple[Tensor, Tensor]:
    """A layer's states [T, N, hidden] along [T, N, inputs], and the carry after them."""
    weights = [core.get_parameter(name) for name in WEIGHTS]
    keep = torch.is_grad_enabled() and any(t.requires_grad for t in (inputs, carry, *weights))
    output, cell, _ = recurrent_layer(inputs, is_first, carry, *weights, keep)
    return output, torch.cat([output[-1], cell], dim=-1) if isinstance(core, nn.LSTM) else output[-1]
