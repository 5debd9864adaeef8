"""Environment steps a second of PPO end to end, rollouts and updates, on bandits: GRU-64 as the trainer's defaults have it,
by the number of slots."""

from __future__ import annotations

import statistics
import sys

from part import Part

from mesasim.agents import NetworkConfig
from mesasim.train.ppo import PPOConfig, Trainer

NETWORKS = ("gru", "mlp")


def main(argv: list[str] | None = None) -> int:
    part = Part(__doc__, argv)
    sizes, rounds, hidden = ((32,), 1, 8) if part.quick else ((1 << 14, 1 << 16, 1 << 18), 5, 64)
    for slots in sizes:
        for kind in NETWORKS:
            if not part.in_time(f"{kind}, {slots:,} slots"):
                continue
            config = PPOConfig(
                network=NetworkConfig(kind, hidden=hidden), num_envs=slots, device=str(part.device), num_threads=1,
                iterations=rounds + 2,
            )  # fmt: skip
            try:
                trainer = Trainer(config)
                for _ in range(2):  # warm
                    trainer.iterate()
                found = [trainer.iterate() for _ in range(rounds)]
            except (RuntimeError, ValueError) as error:
                part.fail(f"{kind}, {slots:,} slots: {str(error).splitlines()[0]}")
                continue
            rates = [metrics["steps_per_second"] for metrics in found]
            part.row(
                network=kind, hidden=hidden, slots=slots, rollout_steps=config.rollout_steps, epochs=config.epochs,
                minibatches=config.minibatches, steps_per_second=statistics.median(rates), least=min(rates), most=max(rates),
                rollout_share=statistics.median(metrics["rollout_share"] for metrics in found), rounds=rounds,
            )  # fmt: skip
    return part.finish()


if __name__ == "__main__":
    sys.exit(main())
