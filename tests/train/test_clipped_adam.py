"""The native step of Adam beside torch's."""

import pytest
import torch

from mesasim.train.clipped_adam import ClippedAdam

SHAPES = ((3, 17), (1,), (64, 71), (33,))


def two(most: float = 0.5, **settings):
    """An optimiser by torch and one natively, of equal parameters in two parts."""
    made = []
    for native in (False, True):
        torch.manual_seed(1)
        parameters = [torch.nn.Parameter(torch.randn(shape)) for shape in SHAPES]
        made.append(ClippedAdam([parameters[:3], parameters[3:]], most, native=native, lr=0.01, **settings))
    return made


def parameters(optimizer):
    return [p for part in optimizer.parts for p in part]


def step(optimizers, size: float, seed: int):
    """One of each, by the same gradients of about this norm an element."""
    generator = torch.Generator().manual_seed(seed)
    gradients = [size * torch.randn(shape, generator=generator) for shape in SHAPES]
    for optimizer in optimizers:
        for parameter, gradient in zip(parameters(optimizer), gradients, strict=True):
            parameter.grad = gradient.clone()
        optimizer.clipped_step()


def furthest(optimizers):
    return max(float((a - b).detach().abs().max()) for a, b in zip(*map(parameters, optimizers), strict=True))


@pytest.mark.parametrize("size", (1e-4, 0.01, 30))  # of no part clipped, of one, of both
@pytest.mark.parametrize("eps", (1e-5, 1e-8))
def test_weights_are_torchs(size, eps):
    both = two(eps=eps)
    first = [p.detach().clone() for p in parameters(both[0])]
    for seed in range(30):
        step(both, size, seed)
    assert furthest(both) < 2e-6
    assert min(float((p - old).detach().abs().max()) for p, old in zip(parameters(both[1]), first, strict=True)) > 0.01


def test_clipping_changes_what_the_step_is_of():
    both = two(most=0.5), two(most=1e9)
    for optimizers in both:
        for seed in range(5):
            step(optimizers, 30 / (1 + seed), seed)
    natively = [optimizers[1] for optimizers in both]
    assert furthest(natively) > 1e-4


def test_either_goes_on_from_the_others_state():
    both = two()
    for seed in range(5):
        step(both, 1, seed)
    states = [optimizer.state_dict() for optimizer in both]
    for optimizer, state in zip(both, reversed(states), strict=True):
        optimizer.load_state_dict(state)
    for seed in range(5, 10):
        step(both, 1, seed)
    assert furthest(both) < 2e-6
    assert all(float(both[1].state[p]["step"]) == 10 for p in parameters(both[1]))


def test_a_parameter_without_a_gradient_stays():
    both = two()
    for optimizer in both:
        weights = parameters(optimizer)
        before = weights[1].detach().clone()
        for parameter in weights:
            parameter.grad = torch.ones_like(parameter)
        weights[1].grad = None
        optimizer.clipped_step()
        assert torch.equal(weights[1], before)
    assert furthest(both) < 1e-6


def test_a_gradient_that_is_no_number_is_seen():
    both = two()
    for optimizer in both:
        for parameter in parameters(optimizer):
            parameter.grad = torch.zeros_like(parameter)
        parameters(optimizer)[0].grad[0, 0] = float("nan")
        optimizer.clipped_step()
        assert [bool(p.isnan().all()) for p in parameters(optimizer)] == [True, True, True, False]


def test_what_native_code_does_not_take_is_torchs():
    both = two()
    for optimizer in both:
        for parameter in parameters(optimizer):
            parameter.grad = torch.ones_like(parameter)
        parameters(optimizer)[2].grad = torch.ones(71, 64).t()
        optimizer.clipped_step()
    assert furthest(both) == 0
