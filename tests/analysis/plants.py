"""Agents whose carry is known by construction, and episodes to meet them in."""

from functools import lru_cache

import torch

from mesasim.agents import NetworkConfig, build_network
from mesasim.agents.bandit_references import Greedy, Random
from mesasim.agents.encoding import field_shapes
from mesasim.analysis import statistics
from mesasim.analysis.carries import record
from mesasim.vector import MesaVectorEnv

ARMS, PULLS, STEP = 3, 12, 6
PLAYING = {
    "world": "Bandit-v0",
    "options": {"arms": ARMS, "pulls": PULLS},
    "tasks": 800,
    "seed": 11,
    "num_threads": 1,
    "sample_actions": True,
}


class Deaf(Random):
    """Keeps the counts in its carry and pulls any arm."""


def untrained(seed, hidden=32, kind="gru"):
    env = MesaVectorEnv("Bandit-v0", 1, history=True, **PLAYING["options"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_network(NetworkConfig(kind, hidden=hidden), field_shapes(env.fields), ARMS)


def counts(lived):
    """[tasks, T, 2 arms]."""
    found = statistics.bandit()
    return torch.cat([found["pulls"](lived.oracle), found["successes"](lived.oracle)], dim=-1)


@lru_cache
def greedy_record():
    return record(Greedy(ARMS, PULLS, 1), "greedy", "learner", **PLAYING)


@lru_cache
def random_record():
    return record(Deaf(ARMS, PULLS, 1), "deaf", "random", **PLAYING)
