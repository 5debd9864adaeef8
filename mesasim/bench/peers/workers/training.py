"""Peers' trainers: a function a peer from a work {"num_envs", "rollout_steps", "epochs", "minibatches", "hidden"} to a
protocol.Work whose units are environment steps, a call one rollout with its update. Imports nothing of mesasim.

All train one LSTM layer with linear heads by Adam on Bandit: 5 arms × 10 pulls, vectorised in numpy so that it costs next to
nothing. Its observation is what ours gives a recurrent network: the previous action, the previous reward, whether the episode has
just begun."""

import numpy as np
from protocol import Work

ARMS, PULLS = 5, 10
SEEN = ARMS + 2


class Bandit:
    """`count` bandits side by side: `pull` fills obs [count, 7] float32, reward [count] float32, done [count] bool; an episode's
    last step hands over the next one's first observation."""

    def __init__(self, count, obs=None):
        self.rng = np.random.default_rng(1)
        self.obs = np.zeros((count, SEEN), np.float32) if obs is None else obs
        self.rows = np.arange(count)
        self.restart()

    def restart(self):
        self.means = self.rng.random((len(self.rows), ARMS), dtype=np.float32)
        self.pulls = 0
        self.obs[:] = 0
        self.obs[:, -1] = 1
        return self.obs

    def pull(self, actions):
        actions = np.asarray(actions).reshape(-1)
        chances = self.rng.random(len(self.rows), dtype=np.float32)
        reward = (chances < self.means[self.rows, actions]).astype(np.float32)
        self.pulls += 1
        done = self.pulls == PULLS  # all at once: every episode has as many pulls
        if done:
            self.restart()
        else:
            self.obs[:] = 0
            self.obs[self.rows, actions] = 1
            self.obs[:, ARMS] = reward
        return reward, done


def sb3_contrib(work, threads):
    """RecurrentPPO with one LSTM for policy and values; no layers after it, as ours."""
    import gymnasium
    import torch
    from sb3_contrib import RecurrentPPO
    from stable_baselines3.common.vec_env import VecEnv

    torch.set_num_threads(threads)
    count, steps = work["num_envs"], work["rollout_steps"]

    class Many(VecEnv):
        def __init__(self):
            self.bandit = Bandit(count)
            seen = gymnasium.spaces.Box(0, 1, (SEEN,), np.float32)
            super().__init__(count, seen, gymnasium.spaces.Discrete(ARMS))

        def reset(self):
            return self.bandit.restart().copy()

        def step_async(self, actions):
            self.actions = actions

        def step_wait(self):
            reward, done = self.bandit.pull(self.actions)
            return self.bandit.obs.copy(), reward, np.full(count, done), [{} for _ in range(count)]

        def close(self):
            pass

        def get_attr(self, name, indices=None):
            return [None] * count

        def set_attr(self, name, value, indices=None):
            raise NotImplementedError

        def env_method(self, name, *args, indices=None, **kwargs):
            raise NotImplementedError

        def env_is_wrapped(self, wrapper, indices=None):
            return [False] * count

    model = RecurrentPPO(
        "MlpLstmPolicy", Many(), n_steps=steps, batch_size=count * steps // work["minibatches"], n_epochs=work["epochs"],
        device="cpu", seed=1,
        policy_kwargs={
            "lstm_hidden_size": work["hidden"], "n_lstm_layers": 1, "net_arch": [], "shared_lstm": True,
            "enable_critic_lstm": False,
        },
    )  # fmt: skip

    def once():
        model.learn(count * steps, reset_num_timesteps=False)
        return count * steps

    once()
    return Work(once, {"parameters": sum(p.numel() for p in model.policy.parameters())})


def pufferlib(work, threads):
    """PuffeRL on a native environment, its LSTMWrapper around a policy that hands observations on as they are; Adam instead of
    its Muon, without its dashboard and checkpoints."""
    import gymnasium
    import pufferlib
    import torch
    from pufferlib import pufferl
    from pufferlib.models import LSTMWrapper

    torch.set_num_threads(threads)
    count, steps = work["num_envs"], work["rollout_steps"]

    class Native(pufferlib.PufferEnv):
        def __init__(self):
            self.single_observation_space = gymnasium.spaces.Box(0, 1, (SEEN,), np.float32)
            self.single_action_space = gymnasium.spaces.Discrete(ARMS)
            self.num_agents = self.agents_per_batch = count
            super().__init__()
            self.bandit = Bandit(count, self.observations)

        def reset(self, seed=None):
            self.bandit.restart()
            return self.observations, []

        def step(self, actions):
            self.rewards[:], self.terminals[:] = self.bandit.pull(actions)
            return self.observations, self.rewards, self.terminals, self.truncations, []

        def close(self):
            pass

    class Heads(torch.nn.Module):
        is_continuous = False

        def __init__(self):
            super().__init__()
            self.action = torch.nn.Linear(work["hidden"], ARMS)
            self.value = torch.nn.Linear(work["hidden"], 1)

        def encode_observations(self, observations, state=None):
            return observations.view(len(observations), -1)

        def decode_actions(self, hidden):
            return self.action(hidden), self.value(hidden)

    env = Native()
    policy = LSTMWrapper(env, Heads(), input_size=SEEN, hidden_size=work["hidden"])
    config = {
        "seed": 1, "torch_deterministic": True, "cpu_offload": False, "device": "cpu", "optimizer": "adam",
        "anneal_lr": False, "precision": "float32", "total_timesteps": 10**12, "learning_rate": 4e-3, "gamma": 0.99,
        "gae_lambda": 0.3, "update_epochs": work["epochs"], "clip_coef": 0.2, "vf_coef": 0.5, "vf_clip_coef": 0.2,
        "max_grad_norm": 0.5, "ent_coef": 0.02, "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_eps": 1e-8,
        "data_dir": "experiments", "checkpoint_interval": 10**9, "batch_size": count * steps, "bptt_horizon": steps,
        "minibatch_size": count * steps // work["minibatches"], "max_minibatch_size": count * steps, "compile": False,
        "vtrace_rho_clip": 1.0, "vtrace_c_clip": 1.0, "prio_alpha": 0.8, "prio_beta0": 0.2, "use_rnn": True,
        "env": "bandit",
    }  # fmt: skip
    pufferl.PuffeRL.print_dashboard = lambda self, *args, **kwargs: None
    trainer = pufferl.PuffeRL(config, env, policy)

    def once():
        trainer.evaluate()
        trainer.train()
        return count * steps

    once()
    return Work(once, {"parameters": sum(p.numel() for p in policy.parameters())})
