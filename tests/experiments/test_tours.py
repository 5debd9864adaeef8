"""What the experiments on tours measure: labels and figures, on tours and policies of known nature."""

import itertools
import math

import numpy as np
import pytest
import torch

from mesasim import tsp
from mesasim.agents.pointer import PointerConfig
from mesasim.agents.tour_policies import any_city, nearest_city, write
from mesasim.experiments import tsp_tour
from mesasim.experiments.shared.tours import NextCity, heuristic, labelled, next_city_hits
from mesasim.metrics import interval
from mesasim.results import read_summary


@pytest.fixture(scope="module")
def data():
    return labelled(300, 7, seed=4, num_threads=1)


def follow(data):
    """The planted searcher: a policy that knows the optimal tours of `data` (all of them at once, in order)."""

    def policy(points, prefix):
        place = (data.order[:, None] == prefix[..., None]).int().argmax(-1)  # where each prefix's last city stands
        after = data.order.gather(1, (place + 1) % data.order.shape[1])
        logits = any_city(points, prefix)
        return torch.where(torch.nn.functional.one_hot(after, logits.shape[-1]).bool(), logits, logits - 9)

    return policy


def test_labels_are_optimal_by_trying_every_tour(data):
    everything = torch.tensor([(0, *rest) for rest in itertools.permutations(range(1, 7)) if rest[0] < rest[-1]])
    for points, order, length in list(zip(data.points, data.order, data.length, strict=True))[:15]:
        best = min(sum(math.dist(points[t[i - 1]], points[t[i]]) for i in range(7)) for t in everything.tolist())
        assert length.item() == pytest.approx(best, rel=1e-12)
        assert order[0] == 0 and order[1] < order[-1]


def test_the_optimum_has_no_gap_and_a_worse_tour_has_the_gap_it_has(data):
    assert (data.gap(data.order) == 0).all()
    other = data.order.roll(3, 1).flip(1)
    assert (data.gap(other) == 0).all(), "the same tour, written otherwise"
    worse = data.order.clone()
    worse[:, [2, 4]] = worse[:, [4, 2]]
    points, tour = data.points[0], worse[0].tolist()
    length = sum(math.dist(points[tour[i - 1]], points[tour[i]]) for i in range(7))
    assert data.gap(worse)[0] == pytest.approx(100 * (length / data.length[0].item() - 1))


def test_planted_policies_land_where_they_should(data):
    optimal, greedy, chance = (next_city_hits(p, data).mean() for p in (follow(data), nearest_city, any_city))
    assert optimal == 1.0 > greedy > 0.7 > chance
    assert (data.gap(write(follow(data), data.points)) == 0).all()
    near = write(nearest_city, data.points)
    assert torch.equal(tsp.canonical(near), heuristic(data.points, "nearest_neighbour", num_threads=1))
    random = write(any_city, data.points, generator=torch.Generator().manual_seed(1))
    assert 3 < data.gap(near).mean() < 15 and data.gap(random).mean() > 35


def test_greed_names_four_in_five_next_cities_at_ten_cities():
    share = next_city_hits(nearest_city, labelled(3000, 10, seed=9, num_threads=1)).mean()
    assert share == pytest.approx(0.82, abs=0.01)  # references.md, E15


def test_a_perfect_network_would_have_the_least_loss_there_is(data):
    """Half a bit at the first city, whose two neighbours are alike to it, and nothing else."""
    problem = NextCity(PointerConfig(8, 1, 1), data, {})

    class Perfect(torch.nn.Linear):  # with some weights, as networks have, which it does not use
        def forward(self, points, prefix):
            keys = {tuple(points[b, 0].tolist()): b for b in range(len(points))}
            assert len(keys) == len(points)
            order = batch_order(points)
            logits = torch.full((*prefix.shape, 7), -1e9)
            for t in range(prefix.shape[1]):
                logits[torch.arange(len(points)), t, order[:, t + 1]] = 0
            logits[torch.arange(len(points)), 0, order[:, -1]] = 0
            return logits

    def batch_order(points):  # every pairwise distance survives the symmetries: look the instance up by one
        known = torch.cdist(data.points, data.points)[:, 0, 1]
        ours = (points[:, 0] - points[:, 1]).double().norm(dim=-1)
        return data.order[(ours[:, None] - known).abs().argmin(1)]

    loss, more = problem.loss(Perfect(1, 1), 64, torch.Generator().manual_seed(0))
    assert loss.item() == pytest.approx(
        math.log(2) / 5, abs=1e-6
    )  # five choices: seven cities, the first and last given
    assert more["accuracy"] > 0.85


def test_an_interval_holds_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(5)
    held = [low <= 1 <= high for _, low, high in (interval(rng.exponential(size=200), 200) for _ in range(300))]
    assert 0.9 <= np.mean(held) <= 0.98
    with pytest.raises(ValueError, match="values"):
        interval(np.zeros(0))


def test_a_short_training_beats_chance_and_the_report_says_so(tmp_path):
    config = tsp_tour.Config(cities=5, instances=2000, iterations=80, width=32, layers=1, tasks=100, num_threads=1)
    tsp_tour.run(config, tmp_path / "run", quiet=True)
    summary = read_summary(tmp_path / "run")
    rows = {row["agent"]: row for row in summary["agents"]}
    assert rows["optimum"]["fraction"] == 1 and rows["random"]["fraction"] == 0 == rows["optimum"]["below_optimum"]
    assert rows["pointer, greedy"]["fraction"] > 0.6 and rows["pointer, greedy"]["weights_unchanged"]
    gaps = {(row["slice"], row["writer"]): row["gap"][0] for row in summary["gaps"]}
    assert gaps["easy", "nearest neighbour"] == 0 and gaps["greedy-hard", "nearest neighbour"] >= tsp_tour.HARD
    assert all(gap == 0 for (_, writer), gap in gaps.items() if writer == "optimum")
    assert gaps["uniform", "pointer, beam"] <= gaps["uniform", "pointer, greedy"] < gaps["uniform", "random"]
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Gap and optimal tours by slice" in page and "Next city of the optimal tour" in page


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="cities"):
        tsp_tour.Config(cities=4)
    with pytest.raises(ValueError, match="beam"):
        tsp_tour.Config(beam=0)
