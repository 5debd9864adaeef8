"""The pointer decoder and what writes tours: one pass equals step by step, cities are a set, decoders are what they say."""

import itertools
import math

import pytest
import torch

from mesasim.agents.pointer import Pointer, PointerConfig
from mesasim.agents.tour_policies import any_city, beam, nearest_city, tour_lengths, write


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Pointer(PointerConfig(width=16, layers=2, heads=2)).eval()


@pytest.fixture(scope="module")
def points():
    return torch.rand(6, 7, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def orders(count, n, seed=2):
    generator = torch.Generator().manual_seed(seed)
    rest = torch.stack([1 + torch.randperm(n - 1, generator=generator) for _ in range(count)])
    return torch.cat([torch.zeros(count, 1, dtype=torch.int64), rest], dim=1)


def test_step_by_step_equals_one_pass_over_the_tour(network, points):
    order = orders(6, 7)
    whole = network(points, order[:, :-1])
    for t in range(6):
        torch.testing.assert_close(network(points, order[:, : t + 1])[:, -1], whole[:, t], rtol=0, atol=1e-5)


def test_a_later_city_does_not_change_an_earlier_choice(network, points):
    order = orders(6, 7)
    other = torch.cat([order[:, :3], order[:, 3:].flip(1)], dim=1)
    torch.testing.assert_close(network(points, order)[:, :3], network(points, other)[:, :3], rtol=0, atol=1e-6)
    assert (network(points, order)[:, 3] - network(points, other)[:, 3]).nan_to_num(0, 0, 0).abs().max() > 1e-4


def test_renumbering_the_cities_renumbers_the_choice(network, points):
    order, renumbered = orders(6, 7), torch.tensor([3, 0, 6, 1, 2, 5, 4])  # new number of each old city
    moved = torch.empty_like(points)
    moved[:, renumbered] = points
    there = network(moved, renumbered[order])[..., renumbered]
    torch.testing.assert_close(there, network(points, order), rtol=0, atol=1e-5)


def test_visited_cities_and_only_those_cannot_be_chosen(network, points):
    order = orders(6, 7)
    logits = network(points, order)
    for t in range(7):
        for b in range(6):
            assert (logits[b, t] == -math.inf).nonzero().flatten().tolist() == sorted(order[b, : t + 1].tolist())


def test_every_decoder_writes_permutations_from_city_0(network, points):
    generator = torch.Generator().manual_seed(0)
    for tours in (
        write(network, points), beam(network, points, 4), write(network, points, generator=generator),
        write(any_city, points, generator=generator), write(nearest_city, points),
    ):  # fmt: skip
        assert torch.equal(tours.sort(1).values, torch.arange(7).expand(6, 7)) and (tours[:, 0] == 0).all()


def test_a_beam_of_one_is_greedy_and_a_wide_one_finds_the_shortest_of_all(network, points):
    assert torch.equal(beam(network, points, 1), write(network, points))
    everything = torch.tensor([(0, *rest) for rest in itertools.permutations(range(1, 7))])
    for instance in points:
        shortest = tour_lengths(instance.expand(len(everything), -1, -1), everything).min()
        found = tour_lengths(instance[None], beam(network, instance[None], 720))
        torch.testing.assert_close(found[0], shortest)
    with pytest.raises(ValueError, match="width"):
        beam(network, points, 0)


def test_a_beam_wider_than_the_policy_allows_takes_no_impossible_tour(points):
    assert torch.equal(beam(nearest_city, points, 9), write(nearest_city, points))


def test_the_nearest_city_policy_writes_the_nearest_neighbour_tour(points):
    for instance, tour in zip(points, write(nearest_city, points).tolist(), strict=True):
        left, here = set(range(1, 7)), 0
        for city in tour[1:]:
            assert city == min(left, key=lambda c: math.dist(instance[here], instance[c]))
            left.remove(city)
            here = city


def test_sampling_follows_the_policy():
    points, generator = torch.rand(1, 4, 2).expand(6000, -1, -1), torch.Generator().manual_seed(3)

    def leaning(points, prefix):  # after city 0: city 1, 2, 3 with odds 1 : 2 : 3
        return any_city(points, prefix) + torch.tensor([1.0, 1.0, 2.0, 3.0]).log()

    second = write(leaning, points, generator=generator)[:, 1]
    share = torch.bincount(second, minlength=4)[1:] / len(second)
    torch.testing.assert_close(share, torch.tensor([1 / 6, 2 / 6, 3 / 6]), rtol=0, atol=0.025)


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match="heads"):
        PointerConfig(width=10, heads=3)
    with pytest.raises(ValueError, match="layers"):
        PointerConfig(layers=0)
