"""Players of the one-way-function game that learn by reward from an opponent that knows them: PPO whose pay is that of an A
fitted to B anew after every rollout. Not an experiment itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mesasim.agents.base import Agent
from mesasim.agents.one_way_references import as_number
from mesasim.exact import one_way as exact
from mesasim.train.loop import train_in_folder
from mesasim.train.ppo import PPOConfig, Trainer
from mesasim.train.rollout import Rollout


class AgainstAKnower(Trainer):
    """A writes bits as often as B was found to say them, averaged over rollouts with weight 1/2 on the newest (a best response
    would swing from rollout to rollout). One round a rollout, in the game with the tool; its pay takes the world's place."""

    def __init__(self, config: PPOConfig, run: Path | None = None) -> None:
        n = config.options.get("n")
        if config.world != "OneWay-v0" or not config.options.get("tool") or config.rollout_steps != 2 * (n or 0):
            raise ValueError(
                f"world: got {config.world} with {config.options}, allowed: OneWay-v0, tool=True, 2 n steps"
            )
        super().__init__(config, run)
        self.n = config.rollout_steps // 2
        self.table = torch.from_numpy(exact.table(self.n).copy()).to(self.env.device)
        self.ones = torch.full((self.n,), 0.5, device=self.env.device)  # how often A writes 1 at each place

    def update(self, rollout: Rollout, *settings: Any) -> dict[str, Tensor]:
        z = rollout.action[self.n :].T  # [N, n]
        inverted = self.table[as_number(z)] == as_number(rollout.obs["y"][self.n])
        if inverted.any():
            self.ones = (self.ones + z[inverted].float().mean(dim=0)) / 2
        rollout.reward[-1] = rollout.earned[-1] = inverted * (z - self.ones).abs().mean(dim=1)
        return super().update(rollout, *settings)

    def tensors(self) -> dict[str, Tensor]:
        return super().tensors() | {"trainer/ones": self.ones}

    def restore(self, tensors: Mapping[str, Tensor], path: Path) -> None:
        super().restore(tensors, path)
        self.ones = tensors["trainer/ones"].to(self.env.device)


def train(config: PPOConfig, run: Path, **how: Any) -> Agent:
    """Trains to config.iterations in a folder (`how`: resume, report), and freezes."""
    trainer = AgainstAKnower(config, run)
    train_in_folder(trainer, config.iterations, checkpoint_every=config.checkpoint_every, **how)
    return trainer.agent.cpu().eval().requires_grad_(False)
