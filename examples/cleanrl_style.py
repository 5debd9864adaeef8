"""A whole PPO in one page, in the manner of CleanRL, on a mesasim world: torch in, torch out, nothing copied to NumPy.

For reading and for a start of your own; mesasim.train has the trainer that experiments use, with memory.
"""

import torch
from torch import nn
from torch.distributions import Categorical

import mesasim


def main(num_envs: int = 256, rollout_steps: int = 32, updates: int = 200, device: str = "cpu") -> float:
    """Trains a reflex agent on 3 x 3 mazes seen whole; returns the mean reward a step of the last rollout."""
    torch.manual_seed(0)
    env = mesasim.make_vec("Maze-v0", num_envs, device=device, size=3, view=0, autoreset_mode="SameStep", copy=True)
    cells = env.single_observation_space.shape[0] * env.single_observation_space.shape[1]
    torso = nn.Sequential(nn.Flatten(), nn.Linear(cells * 4, 128), nn.Tanh(), nn.Linear(128, 128), nn.Tanh())
    net = nn.ModuleDict({"torso": torso, "actor": nn.Linear(128, 4), "critic": nn.Linear(128, 1)}).to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, eps=1e-5)

    def forward(observation):
        hidden = net["torso"](nn.functional.one_hot(observation.long(), 4).float())
        return Categorical(logits=net["actor"](hidden)), net["critic"](hidden)[:, 0]

    observation, _ = env.reset(seed=0)
    mean_reward = 0.0
    for update in range(updates):
        rollout = []
        for _ in range(rollout_steps):
            with torch.no_grad():
                policy, value = forward(observation)
                action = policy.sample()
                following, reward, terminated, truncated, info = env.step(action)
                # an episode cut short by the time limit would have gone on: its last observation's value stands in
                bootstrap = torch.where(truncated, forward(info["final_obs"])[1], 0.0)
            done = (terminated | truncated).float()
            rollout.append((observation, action, policy.log_prob(action), value, reward + 0.99 * bootstrap, done))
            mean_reward += float(reward.mean()) / rollout_steps
            observation = following

        with torch.no_grad():
            next_value, advantage, advantages = forward(observation)[1], 0.0, []
            for _, _, _, value, reward, done in reversed(rollout):
                delta = reward + 0.99 * next_value * (1 - done) - value
                advantage = delta + 0.99 * 0.95 * (1 - done) * advantage
                next_value = value
                advantages.insert(0, advantage)
        seen, actions, old_log_prob, values, _, _ = (torch.cat(column) for column in zip(*rollout, strict=True))
        advantages = torch.cat(advantages)
        returns = advantages + values
        for _ in range(4):
            for batch in torch.randperm(len(actions), device=device).chunk(4):
                policy, value = forward(seen[batch])
                ratio = (policy.log_prob(actions[batch]) - old_log_prob[batch]).exp()
                scaled = (advantages[batch] - advantages[batch].mean()) / (advantages[batch].std() + 1e-8)
                policy_loss = -torch.min(ratio * scaled, ratio.clamp(0.8, 1.2) * scaled).mean()
                value_loss = 0.5 * (value - returns[batch]).square().mean()
                loss = policy_loss + 0.5 * value_loss - 0.01 * policy.entropy().mean()
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(net.parameters(), 0.5)
                optimizer.step()
        if update % 20 == 0 or update == updates - 1:
            print(f"update {update}: goals a step {mean_reward:.3f}")
        if update < updates - 1:
            mean_reward = 0.0
    env.close()
    return mean_reward


if __name__ == "__main__":
    main()
