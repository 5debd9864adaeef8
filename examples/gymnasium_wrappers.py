"""Gymnasium's own vector wrappers around a mesasim world: statistics, normalised observations, torch tensors."""

import gymnasium
from gymnasium.wrappers.vector import FlattenObservation, NormalizeObservation, NumpyToTorch, RecordEpisodeStatistics

import mesasim  # noqa: F401  registers mesasim/… with gymnasium


def main(num_envs: int = 64, steps: int = 200) -> float:
    """Mean return of a random walker in 4 x 4 mazes."""
    env = gymnasium.make_vec("mesasim/Maze-v0", num_envs=num_envs, size=4, history=True)
    env = NumpyToTorch(NormalizeObservation(FlattenObservation(RecordEpisodeStatistics(env))))
    env.action_space.seed(0)
    observation, _ = env.reset(seed=0)
    returns = []
    for _ in range(steps):
        actions = observation.new_tensor(env.action_space.sample()).long()
        observation, _, _, _, info = env.step(actions)
        if "episode" in info:
            returns += info["episode"]["r"][info["_episode"]].tolist()
    env.close()
    mean = sum(returns) / max(len(returns), 1)
    print(
        f"{len(returns)} episodes, mean return {mean:.2f}, observations {tuple(observation.shape)} {observation.dtype}"
    )
    return mean


if __name__ == "__main__":
    main()
