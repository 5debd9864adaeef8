"""The table of docs/agents.md: steps a CPU second of every network in a rollout (a step at a time) and in an update (a block at
once, with gradients), on one thread. `python bench/agents.py`"""

import statistics
import time

import torch

from mesasim.agents import Agent, NetworkConfig, build_network
from mesasim.agents.base import Observation
from mesasim.agents.encoding import field_shapes
from mesasim.vector import make_vec

ROUNDS, ARMS = 3, 5
NETWORKS = ["mlp", "window", "gru", "lstm", "transformer"]


def observed(steps: int, slots: int) -> Observation:
    """The same first observation at every step: what is seen does not matter to the time."""
    env = make_vec("Bandit-v0", slots, history=True, arms=ARMS, pulls=steps, clock=True, num_threads=1)
    env.reset()
    fields = env.buffers.group["observation"].items()
    return {name: seen.unsqueeze(0).expand(steps, *seen.shape).contiguous() for name, seen in fields}


def starts(steps: int, slots: int, every: int) -> torch.Tensor:
    """Where episodes of `every` steps start: slot by slot one step later."""
    step, slot = torch.arange(steps)[:, None], torch.arange(slots)
    return (step == 0) | ((step + slot) % every == 0) if every < steps else (step == 0).expand(-1, slots).contiguous()


def rollout(agent: Agent, obs: Observation, is_first: torch.Tensor) -> None:
    carry = agent.initial_carry(is_first.shape[1])
    with torch.no_grad():
        for t in range(len(is_first)):
            seen = {name: field[t : t + 1] for name, field in obs.items()}
            carry = agent.unroll(seen, is_first[t : t + 1], carry).carry


def update(agent: Agent, obs: Observation, is_first: torch.Tensor) -> None:
    agent.zero_grad()
    out = agent.unroll(obs, is_first, agent.initial_carry(is_first.shape[1]))
    (out.logits.sum() + out.value.sum()).backward()


def steps_per_second(work, agent: Agent, obs: Observation, is_first: torch.Tensor) -> float:
    seconds = []
    for _ in range(ROUNDS + 1):  # the first is not counted
        started = time.process_time()
        work(agent, obs, is_first)
        seconds.append(time.process_time() - started)
    return is_first.numel() / statistics.median(seconds[1:])


def main() -> None:
    torch.set_num_threads(1)
    print("| network | context | episodes start | carry, numbers a slot | rollout, steps/s | update, steps/s |")
    print("|---|---|---|---|---|---|")
    for steps, slots in ((10, 2048), (100, 512)):
        configs = [NetworkConfig(kind, window=steps) for kind in NETWORKS]
        configs += [NetworkConfig("transformer", layers=1, window=steps)]
        if steps == 10:  # of longer windows an update holds every one in memory
            configs += [NetworkConfig(kind, window=5, strict=True) for kind in ("gru", "transformer")]
        obs = observed(steps, slots)
        fields = field_shapes(make_vec("Bandit-v0", 1, history=True, arms=ARMS, pulls=steps, clock=True).fields)
        cases = [(config, steps) for config in configs]
        cases += [(NetworkConfig(kind, window=steps), steps // 2) for kind in ("gru", "transformer")]
        for config, every in cases:
            torch.manual_seed(0)
            agent, is_first = build_network(config, fields, ARMS), starts(steps, slots, every)
            rates = [steps_per_second(work, agent, obs, is_first) for work in (rollout, update)]
            blocks = f", {config.layers} block{'s'[: config.layers - 1]}" if config.kind == "transformer" else ""
            sight = f" of {config.window}, strict" if config.strict else ""
            together = "together" if every == steps else "one after another"
            width = agent.initial_carry(1).shape[1]
            print(
                f"| {config.kind}-{config.hidden}{blocks}{sight} | {steps} | {together} | {width:,} | "
                f"{rates[0]:,.0f} | {rates[1]:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
