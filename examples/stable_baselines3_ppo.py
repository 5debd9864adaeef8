"""Stable-Baselines3's PPO on a mesasim world, through a VecEnv adapter (SB3 has its own vector interface)."""

import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv

import mesasim


class SB3VecEnv(VecEnv):
    """SB3 wants the new episode's first observation from the step that ends one, and the last in info: that is
    same-step autoreset, with other names."""

    def __init__(self, world, num_envs, **options):
        self.env = mesasim.MesaVectorEnv(world, num_envs, output="numpy", autoreset_mode="SameStep", **options)
        self.first_seed = None
        self.render_mode = None
        super().__init__(num_envs, self.env.single_observation_space, self.env.single_action_space)

    def seed(self, seed=None):
        self.first_seed = seed
        return [seed] * self.num_envs

    def reset(self):
        observation, _ = self.env.reset(seed=self.first_seed)
        self.first_seed = None
        return observation

    def step_async(self, actions):
        self.pending = actions

    def step_wait(self):
        observation, reward, terminated, truncated, info = self.env.step(self.pending)
        infos = [{} for _ in range(self.num_envs)]
        for slot in np.flatnonzero(terminated | truncated):
            cut_short = bool(truncated[slot])
            infos[slot] = {"terminal_observation": info["final_obs"][slot], "TimeLimit.truncated": cut_short}
        return observation, reward, terminated | truncated, infos

    def close(self):
        self.env.close()

    def env_is_wrapped(self, wrapper_class, indices=None):
        return [False] * self.num_envs

    def get_attr(self, attr_name, indices=None):
        return [getattr(self.env, attr_name)] * self.num_envs

    def set_attr(self, attr_name, value, indices=None):
        setattr(self.env, attr_name, value)

    def env_method(self, method_name, *args, indices=None, **kwargs):
        return [getattr(self.env, method_name)(*args, **kwargs)]


def main(total_timesteps: int = 100_000, num_envs: int = 64, n_steps: int = 32) -> PPO:
    """Trains on a two-armed bandit with history; without memory PPO can only learn to repeat what has just paid."""
    env = SB3VecEnv("Bandit-v0", num_envs, arms=2, prior="dependent_easy", history=True)
    model = PPO("MultiInputPolicy", env, n_steps=n_steps, batch_size=num_envs * n_steps, seed=0, device="cpu")
    model.learn(total_timesteps)

    observation, total, steps = env.reset(), 0.0, 100
    for _ in range(steps):
        actions, _ = model.predict(observation, deterministic=True)
        observation, reward, _, _ = env.step(actions)
        total += float(reward.mean())
    print(f"reward a pull {total / steps:.3f} (chance 0.5, the better arm 0.9)")
    env.close()
    return model


if __name__ == "__main__":
    main()
