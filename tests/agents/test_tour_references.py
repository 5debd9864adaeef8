"""The tour worlds' reference agents are what they are called: each against the world's oracle, published figures, or
chance."""

import numpy as np
import pytest
import torch

from mesasim import baselines, make_vec
from mesasim.agents.tour_references import NearestNeighbour, RandomTour, SteepestDescent


def evaluations(world, tasks=300, **options):
    setting = baselines.Setting(world, options, tasks, 5, num_threads=1)
    return setting, {name: evaluate() for name, evaluate in baselines.references(setting)}


def steps_of(agent, world, oracle, slots, steps, **options):
    """(the agent's actions, an oracle field [slots, 1]) at each step."""
    env = make_vec(world, slots, seed=3, oracle=True, num_threads=1, **options)
    obs, info = env.reset()
    for _ in range(steps):
        action, _ = agent.act(obs, agent.initial_carry(slots))
        yield action, info[oracle][:, 0].clone(), obs
        obs, *_, info = env.step(action)


@pytest.mark.parametrize("distribution", ["uniform", "clustered"])
def test_nearest_neighbour_does_what_the_world_calls_nearest(distribution):
    agent = NearestNeighbour(30)
    options = {"n": 30, "start": "random", "distribution": distribution, "spread": 0.0}  # many on one spot: ties
    for action, nearest, _ in steps_of(agent, "Tour-v0", "nearest", 400, 29, **options):
        assert torch.equal(action.int(), nearest)


@pytest.mark.parametrize("n,length", [(20, 4.50), (50, 7.00)])
def test_nearest_neighbour_is_as_long_as_published(n, length):
    """Kool, van Hoof and Welling 2019, "Attention, learn to solve routing problems!", table 1: 10,000 instances."""
    setting = baselines.Setting("Tour-v0", {"n": n}, 10000, 5, num_threads=1)
    played = dict(baselines.references(setting))["nearest_neighbour"]()
    assert -played.returns.mean() == pytest.approx(length, abs=0.005 + 3 * played.returns.std() / 100)


def test_random_visits_each_city_left_equally_often():
    agent, counts = RandomTour(6), torch.zeros(6)
    for action, _, obs in steps_of(agent, "Tour-v0", "nearest", 3000, 3, n=6):
        assert obs["action_mask"].gather(1, action[:, None]).all()
        counts += torch.bincount(action, minlength=6)
    assert counts[0] == 0 and (counts[1:] / 1800 - 1).abs().max() < 0.1


def test_steepest_descent_takes_the_worlds_best_move_and_ends_in_a_local_optimum():
    agent = SteepestDescent(12 * 9 // 2 + 12, 12)
    played = list(steps_of(agent, "TourEdit-v0", "best_move", 400, 40, n=12))
    for action, best, _ in played:
        assert torch.equal(action.int()[best >= 0], best[best >= 0])
    ended = torch.stack([best < 0 for _, best, _ in played])
    assert not ended[0].all() and ended.any(dim=0).all()


def test_who_follows_the_oracle_is_optimal_and_no_one_is_better():
    setting, played = evaluations("Tour-v0", n=9)
    best = played["oracle_follower"]
    assert np.allclose(best.returns, -best.oracle["optimal_length"][:, 0], atol=1e-6) and not best.oracle["gap"].any()
    assert (best.returns >= played["nearest_neighbour"].returns - 1e-6).all()
    scale = baselines.scale(setting, list(played.values()))
    assert scale.floor < played["nearest_neighbour"].returns.mean() < scale.ceiling == best.returns.mean()


@pytest.mark.parametrize("reward", ["best", "current"])
def test_what_editing_can_win_is_known_before_it_begins(reward):
    setting, played = evaluations("TourEdit-v0", n=8, moves="two_opt", accept="if_better", edits=60, reward=reward)
    scales = [baselines.scale(setting, [played[name], played["random"]]) for name in played]
    assert scales[0].ceiling == pytest.approx(scales[1].ceiling, abs=1e-5)  # whoever plays
    env = make_vec("TourEdit-v0", 300, seed=5, oracle=True, n=8)
    obs, info = env.reset()
    assert scales[0].ceiling == pytest.approx(float((obs["length"] - info["optimal_length"]).mean()), abs=1e-5)
    assert scales[0].floor <= played["steepest_descent"].returns.mean() <= scales[0].ceiling


def test_where_the_optimum_is_not_known_no_ceiling_is_made_up():
    for world in ("Tour-v0", "TourEdit-v0"):
        setting, played = evaluations(world, tasks=20, n=17)
        assert "oracle_follower" not in played
        with pytest.raises(ValueError, match="n <= 16"):
            baselines.scale(setting, list(played.values()))
    assert "steepest_descent" not in evaluations("TourEdit-v0", tasks=20, moves="resample")[1]
