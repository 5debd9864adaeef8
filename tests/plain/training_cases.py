"""Small trainings that between them have every network, and every option of a rollout: on worlds whose episodes start together
(bandit, MDP), start when they will (maze), and are cut off (corridor)."""

import dataclasses

from mesasim.agents import NetworkConfig
from mesasim.train.ppo import PPOConfig

BANDIT = PPOConfig(
    options={"arms": 3, "pulls": 4}, network=NetworkConfig("gru", hidden=8), num_envs=32, rollout_steps=6, iterations=3,
    epochs=2, minibatches=2, num_threads=1, native=False,  # as on a GPU
)  # fmt: skip
LOOKING = NetworkConfig("transformer", hidden=8, heads=2, window=4)
NETWORKS = {
    "mlp": NetworkConfig("mlp", hidden=8), "window": NetworkConfig("window", hidden=8, window=3), "gru": BANDIT.network,
    "lstm": NetworkConfig("lstm", hidden=8), "deep gru": NetworkConfig("gru", hidden=8, embed=6, readout=6, memory=4),
    "transformer": LOOKING, "short transformer": dataclasses.replace(LOOKING, window=1),
    "truncated gru": NetworkConfig("gru", hidden=8, window=3, strict=True),
    "truncated transformer": dataclasses.replace(LOOKING, strict=True),
}  # fmt: skip
WORLDS = {
    "bandit": {},
    "maze": {"world": "Maze-v0", "options": {"size": 3, "view": 3, "trials": 2, "trial_steps": 5}},
    "MDP": {"world": "TabularMDP-v0", "options": {"trials": 2, "horizon": 3}},
    "corridor": {"world": "Corridor-v0", "options": {"length": 5, "max_episode_steps": 4}},  # cut off in mid-rollout
}
SETTINGS = {
    "own critic": {}, "at the end": {"reward_at": "episode"}, "oracle's critic": {"critic": "oracle", "first_discount": 0.5},
    "regret": {"told": "regret", "reward_at": "episode"}, "cut": {"cut_every": 3},
}  # fmt: skip
CASES = [(network, world, "own critic") for network in NETWORKS for world in ("maze", "corridor")]
CASES += [("gru", world, "own critic") for world in ("bandit", "MDP")]
CASES += [("gru", "bandit", setting) for setting in SETTINGS if setting != "own critic"]
CASES += [("gru", "corridor", setting) for setting in ("at the end", "oracle's critic")]


def config_of(network="gru", world="bandit", setting="own critic"):
    return dataclasses.replace(BANDIT, network=NETWORKS[network], **WORLDS[world], **SETTINGS[setting])
