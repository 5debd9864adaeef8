"""The native GRU and LSTM layers are torch's, with episodes that start anywhere; their gradients are their slopes."""

from threading import Thread

import pytest
import torch

from mesasim import _core
from mesasim.agents.encoding import FieldShape
from mesasim.agents.recurrent import Recurrent
from mesasim.agents.recurrent_layer import recurrent_layer, run_layer

SHAPES = pytest.mark.parametrize(
    "steps, slots, inputs, hidden",
    [(1, 1, 1, 1), (4, 50, 3, 5), (7, 100, 20, 33), (10, 49, 8, 64), (3, 800, 2, 16)],  # more than a group has tiles
)


CELLS = pytest.mark.parametrize("cell", [torch.nn.GRU, torch.nn.LSTM], ids=["gru", "lstm"])


@pytest.fixture(params=_core.instruction_sets())
def instruction_set(request):
    before = _core.instruction_set()
    _core.use_instruction_set(request.param)
    yield request.param
    _core.use_instruction_set(before)


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def problem(cell, steps, slots, inputs, hidden, dtype=torch.float32):
    """A layer, what it is shown, and how its states and its last carry are weighed."""
    with torch.random.fork_rng():
        torch.manual_seed(steps * slots + hidden)
        core = cell(inputs, hidden).to(dtype)
        width = hidden * (2 if cell is torch.nn.LSTM else 1)
        x, carry = torch.randn(steps, slots, inputs, dtype=dtype), torch.randn(slots, width, dtype=dtype)
        is_first = torch.rand(steps, slots) < 0.3
        weights = torch.randn(steps, slots, hidden, dtype=dtype), torch.randn(slots, width, dtype=dtype)
    return core, x.requires_grad_(), is_first, carry.requires_grad_(), weights


def step_by_step(core, x, is_first, carry):
    states = []
    for t in range(len(x)):
        carry = carry * ~is_first[t].unsqueeze(-1)
        if isinstance(core, torch.nn.LSTM):
            parts = carry.unsqueeze(0).chunk(2, dim=-1)
            carry = torch.cat(core(x[t : t + 1], tuple(part.contiguous() for part in parts))[1], dim=-1).squeeze(0)
        else:
            carry = core(x[t : t + 1], carry.unsqueeze(0))[1].squeeze(0)
        states.append(carry[:, : core.hidden_size])
    return torch.stack(states), carry


def slopes(found, weights, core, x, carry):
    loss = sum((value * weight).sum() for value, weight in zip(found, weights, strict=True))
    return torch.autograd.grad(loss, [x, carry, *core.parameters()])


@CELLS
@SHAPES
def test_states_and_gradients_are_torchs(cell, steps, slots, inputs, hidden, instruction_set):
    core, x, is_first, carry, weights = problem(cell, steps, slots, inputs, hidden)
    theirs, ours = step_by_step(core, x, is_first, carry), run_layer(core, x, is_first, carry)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-6)
    pairs = zip(slopes(ours, weights, core, x, carry), slopes(theirs, weights, core, x, carry), strict=True)
    for mine, other in pairs:
        assert (mine - other).abs().max() <= 2e-6 * max(1.0, other.abs().max())


@CELLS
def test_no_steps_leave_the_cell_as_it_was(cell):
    core, x, is_first, carry, _ = problem(cell, 0, 3, 2, 5)
    states, last, _ = recurrent_layer(x, is_first, carry, *core.parameters(), True)
    assert states.shape == (0, 3, 5)
    if cell is torch.nn.LSTM:
        torch.testing.assert_close(last, carry[:, 5:], rtol=0, atol=0)
        (by_carry,) = torch.autograd.grad(last.sum(), carry)
        torch.testing.assert_close(by_carry, torch.tensor([0.0, 1.0]).repeat_interleave(5).expand(3, 10))


@CELLS
def test_gradients_are_slopes_of_the_states_and_of_the_last_cell(cell):
    core, x, is_first, carry, _ = problem(cell, 4, 6, 3, 5, torch.float64)
    weights = [p.detach().requires_grad_() for p in core.parameters()]

    def layer(x, carry, *weights):
        states, last, _ = recurrent_layer(x, is_first, carry, *weights, True)
        return (states, last) if len(last) else states

    assert torch.autograd.gradcheck(layer, (x, carry, *weights))


@CELLS
def test_it_is_an_operator_as_torch_wants_them(cell):
    core, x, is_first, carry, _ = problem(cell, 3, 4, 2, 5)
    weights = [p.detach().requires_grad_() for p in core.parameters()]
    torch.library.opcheck(torch.ops.mesasim.recurrent_layer, (x, is_first, carry, *weights, True))


@CELLS
def test_threads_change_no_bit(cell, two_threads):
    core, x, is_first, carry, weights = problem(cell, 5, 1000, 4, 24)
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        states = run_layer(core, x, is_first, carry)
        found.append([*states, *slopes(states, weights, core, x, carry)])
    assert all(one.equal(other) for one, other in zip(*found, strict=True))


@CELLS
def test_what_was_computed_before_changes_no_bit(cell):
    """Memory is kept from call to call by the thread: of other sizes, and with what was left in it."""
    small, large, other = (problem(cell, *sizes) for sizes in ((4, 50, 3, 5), (9, 900, 8, 40), (2, 7, 1, 17)))

    def made(given):
        core, x, is_first, carry, weights = given
        states = run_layer(core, x, is_first, carry)
        return [*states, *slopes(states, weights, core, x, carry)]

    alone = {}
    for name, given in (("small", small), ("large", large)):
        thread = Thread(target=lambda name=name, given=given: alone.update({name: made(given)}))  # with no memory yet
        thread.start()
        thread.join()
    made(other)
    for name, given in (("large", large), ("small", small), ("large", large)):
        assert all(one.equal(again) for one, again in zip(alone[name], made(given), strict=True))


@CELLS
def test_what_is_laid_out_otherwise_is_the_same(cell):
    core, x, is_first, carry, weights = problem(cell, 5, 7, 4, 6)
    found = run_layer(core, x, is_first, carry)
    turned = [t.detach().transpose(0, 1).contiguous().transpose(0, 1) for t in (x, is_first, carry)]
    assert not turned[0].is_contiguous()
    x2, carry2 = turned[0].requires_grad_(), turned[2].requires_grad_()
    again = run_layer(core, x2, turned[1], carry2)
    assert again[0].equal(found[0]) and again[1].equal(found[1])
    assert slopes(again, weights, core, x2, carry2)[0].equal(slopes(found, weights, core, x, carry)[0])


@CELLS
def test_nothing_is_kept_where_no_gradient_will_be_asked_for(cell):
    core, x, is_first, carry, _ = problem(cell, 3, 4, 2, 5)
    with torch.no_grad():
        states = run_layer(core, x, is_first, carry)[0]
    assert states.grad_fn is None and states.equal(run_layer(core, x, is_first, carry)[0])
    weights = tuple(core.parameters())
    assert recurrent_layer(x, is_first, carry, *weights, True)[2].numel() > 0
    with pytest.raises(RuntimeError, match="keep: got False"):
        recurrent_layer(x, is_first, carry, *weights, False)[0].sum().backward()


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"x": torch.zeros(3, 4)}, "x: got"),
        ({"x": torch.zeros(3, 4, 2, dtype=torch.int64)}, "x: got"),
        ({"carry": torch.zeros(4)}, "carry: got"),
        ({"carry": torch.zeros(5, 5)}, r"carry: got torch.float32 \(5, 5\), allowed: torch.float32 \(4, 5\)"),
        ({"carry": torch.zeros(4, 10)}, "carry: got"),
        ({"is_first": torch.zeros(3, 4)}, "is_first: got"),
        ({"is_first": torch.zeros(4, 3, dtype=torch.bool)}, "is_first: got"),
        ({"weight_hh": torch.zeros(15, 4)}, "weight_hh: got"),
        ({"weight_hh": torch.zeros(20, 5)}, "carry: got"),
        ({"bias_ih": torch.zeros(15, dtype=torch.float64)}, "bias_ih: got"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changed, message):
    core, x, is_first, carry, _ = problem(torch.nn.GRU, 3, 4, 2, 5)
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    weights = dict(zip(names, core.parameters(), strict=True))
    with pytest.raises((TypeError, ValueError), match=message):
        recurrent_layer(**{"x": x, "is_first": is_first, "carry": carry, **weights, "keep": True} | changed)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("told", [False, True])
def test_the_way_of_other_devices_gives_the_same(cell, told):
    agent = Recurrent([FieldShape("seen", (3,), -1.0, 1.0, 0)], 2, hidden=5, cell=cell)
    draw = torch.Generator().manual_seed(1)
    inputs = torch.randn(6, 9, 3, generator=draw)
    is_first = torch.zeros(6, 9, dtype=torch.bool)
    is_first[2, :4] = is_first[5, 3:] = True
    carry = torch.randn(9, agent.initial_carry(9).shape[1], generator=draw)
    found = agent._stretches(inputs, is_first, carry, (2, 5) if told else None)
    torch.testing.assert_close(found, run_layer(agent.core, inputs, is_first, carry), rtol=0, atol=2e-6)
