"""The native GRU layer is torch's, with episodes that start anywhere; its gradients are its slopes."""

import pytest
import torch

from mesasim import _core
from mesasim.agents.gru import gru, gru_layer

SHAPES = pytest.mark.parametrize(
    "steps, slots, inputs, hidden",
    [(1, 1, 1, 1), (4, 50, 3, 5), (7, 100, 20, 33), (10, 49, 8, 64), (3, 800, 2, 16)],  # more than a group has tiles
)


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


def problem(steps, slots, inputs, hidden, dtype=torch.float32):
    """A layer, what it is shown, and how its states are weighed."""
    with torch.random.fork_rng():
        torch.manual_seed(steps * slots + hidden)
        core = torch.nn.GRU(inputs, hidden).to(dtype)
        x, carry = torch.randn(steps, slots, inputs, dtype=dtype), torch.randn(slots, hidden, dtype=dtype)
        is_first, weight = torch.rand(steps, slots) < 0.3, torch.randn(steps, slots, hidden, dtype=dtype)
    return core, x.requires_grad_(), is_first, carry.requires_grad_(), weight


def step_by_step(core, x, is_first, carry):
    states = []
    for t in range(len(x)):
        carry = core(x[t : t + 1], (carry * ~is_first[t].unsqueeze(-1)).unsqueeze(0))[1].squeeze(0)
        states.append(carry)
    return torch.stack(states)


def slopes(states, weight, core, x, carry):
    return torch.autograd.grad((states * weight).sum(), [x, carry, *core.parameters()])


@SHAPES
def test_states_and_gradients_are_torchs(steps, slots, inputs, hidden, instruction_set):
    core, x, is_first, carry, weight = problem(steps, slots, inputs, hidden)
    theirs, (ours, last) = step_by_step(core, x, is_first, carry), gru_layer(core, x, is_first, carry)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-6)
    assert last.equal(ours[-1])
    pairs = zip(slopes(ours, weight, core, x, carry), slopes(theirs, weight, core, x, carry), strict=True)
    for mine, other in pairs:
        assert (mine - other).abs().max() <= 2e-6 * max(1.0, other.abs().max())


def test_gradients_are_slopes_of_the_states():
    core, x, is_first, carry, _ = problem(4, 6, 3, 5, torch.float64)
    weights = [p.detach().requires_grad_() for p in core.parameters()]
    assert torch.autograd.gradcheck(lambda x, carry, *w: gru(x, is_first, carry, *w, True)[0], (x, carry, *weights))


def test_it_is_an_operator_as_torch_wants_them():
    core, x, is_first, carry, _ = problem(3, 4, 2, 5)
    weights = [p.detach().requires_grad_() for p in core.parameters()]
    torch.library.opcheck(torch.ops.mesasim.gru, (x, is_first, carry, *weights, True))


def test_threads_change_no_bit(two_threads):
    core, x, is_first, carry, weight = problem(5, 1000, 4, 24)
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        states = gru_layer(core, x, is_first, carry)[0]
        found.append([states, *slopes(states, weight, core, x, carry)])
    assert all(one.equal(other) for one, other in zip(*found, strict=True))


def test_what_is_laid_out_otherwise_is_the_same():
    core, x, is_first, carry, weight = problem(5, 7, 4, 6)
    states = gru_layer(core, x, is_first, carry)[0]
    turned = [t.detach().transpose(0, 1).contiguous().transpose(0, 1) for t in (x, is_first, carry)]
    assert not turned[0].is_contiguous()
    x2, carry2 = turned[0].requires_grad_(), turned[2].requires_grad_()
    again = gru_layer(core, x2, turned[1], carry2)[0]
    assert again.equal(states)
    by_x = slopes(states, weight, core, x, carry)[0]
    assert torch.autograd.grad((again * weight).sum(), x2)[0].equal(by_x)


def test_nothing_is_kept_where_no_gradient_will_be_asked_for():
    core, x, is_first, carry, _ = problem(3, 4, 2, 5)
    with torch.no_grad():
        states = gru_layer(core, x, is_first, carry)[0]
    assert states.grad_fn is None and states.equal(gru_layer(core, x, is_first, carry)[0])
    weights = tuple(core.parameters())
    assert gru(x, is_first, carry, *weights, True)[1].numel() > 0
    with pytest.raises(RuntimeError, match="keep: got False"):
        gru(x, is_first, carry, *weights, False)[0].sum().backward()


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"x": torch.zeros(3, 4)}, "x: got"),
        ({"x": torch.zeros(3, 4, 2, dtype=torch.int64)}, "x: got"),
        ({"carry": torch.zeros(4)}, "carry: got"),
        ({"carry": torch.zeros(5, 5)}, r"carry: got torch.float32 \(5, 5\), allowed: torch.float32 \(4, 5\)"),
        ({"is_first": torch.zeros(3, 4)}, "is_first: got"),
        ({"is_first": torch.zeros(4, 3, dtype=torch.bool)}, "is_first: got"),
        ({"weight_hh": torch.zeros(15, 4)}, "weight_hh: got"),
        ({"bias_ih": torch.zeros(15, dtype=torch.float64)}, "bias_ih: got"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changed, message):
    core, x, is_first, carry, _ = problem(3, 4, 2, 5)
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    given = {
        "x": x,
        "is_first": is_first,
        "carry": carry,
        **dict(zip(names, core.parameters(), strict=True)),
        "keep": True,
    }
    with pytest.raises((TypeError, ValueError), match=message):
        gru(**given | changed)
