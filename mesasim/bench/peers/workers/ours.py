"""Our side, as a worker like the peers': a work of each kind to a protocol.Work. Through the public calls alone, so that an
older commit's package answers too (bench/compare.py); each kind imports for itself what it calls, so that a package without
one kind still does the others."""

import torch
from protocol import Work

STEPS = 100  # a call, so that each holds whole episodes with their resets
POOL_ENTRIES = 1 << 20  # random actions drawn beforehand


def mesasim(work, threads):
    """By the work's kind. torch has one thread but in training: its own, spinning, would take the simulator's cores."""
    torch.set_num_threads(1)
    kinds = {"stepping": _stepping, "mazes": _mazes, "tours": _tours, "training": _training}
    return kinds[work["kind"]](work, threads)


def _stepping(work, threads):
    """Copying the actions in is part of the time."""
    from mesasim.vector import MesaVectorEnv

    count = work["num_envs"]
    env = MesaVectorEnv(
        work["world"], count, num_threads=threads, seed=1, autoreset_mode="SameStep",
        max_episode_steps=work["max_episode_steps"], **work["options"],
    )  # fmt: skip
    generator = torch.Generator().manual_seed(1)
    rows = max(2, min(64, POOL_ENTRIES // count))
    pool = torch.randint(len(env.world_spec.actions), (rows, count), generator=generator, dtype=torch.int32)
    env.reset()

    def once():
        for k in range(STEPS):
            env.actions.copy_(pool[k % rows])
            env.step(env.actions)
        return STEPS * count

    once()
    moved = {**env.buffers.group["core"], **env.buffers.group["observation"]}
    del moved["state"]
    return Work(once, {"bytes_per_step": sum(part[0].numel() * part.element_size() for part in moved.values())})


def _mazes(work, threads):
    """New mazes every call."""
    from mesasim.mazes import generate

    size, count, first = work["size"], work["count"], [0]

    def once():
        made = generate(count, size, work["algorithm"], seed=1, first=first[0], num_threads=threads, **work["options"])
        if work["mode"] == "solve":
            made.solve(0, size * size - 1, on_impossible="mask", num_threads=threads)
        first[0] += count
        return count

    once()
    return Work(once)


def _tours(work, threads):
    """Solves the instances that the peer just solved, in one call, again and again; found: [which, order, proved]."""
    from mesasim import tsp

    points = torch.tensor(work["points"], dtype=torch.float64)
    chosen = list(range(len(points)))
    solved = []

    def over(span):
        chosen[:] = range(len(points)) if span is None else span

    def once():
        solved[:] = [tsp.solve(points[chosen], num_threads=threads)]
        return len(chosen)

    def found():
        (tours,) = solved
        return list(map(list, zip(chosen, tours.order.tolist(), tours.optimal.tolist(), strict=True)))

    once()
    return Work(once, over=over, found=found)


def _training(work, threads):
    """A call is an iteration."""
    from mesasim.agents import NetworkConfig
    from mesasim.train.ppo import PPOConfig, Trainer

    hide = {"hide": tuple(work["hide"])} if "hide" in work else {}  # older packages do not know it
    config = PPOConfig(
        world="Bandit-v0", options={"arms": 5, "pulls": 10},
        network=NetworkConfig(work["network"], hidden=work["hidden"], **hide),
        num_envs=work["num_envs"], rollout_steps=work["rollout_steps"], epochs=work["epochs"],
        minibatches=work["minibatches"], num_threads=threads, schedule="constant",
    )  # fmt: skip
    trainer = Trainer(config)

    def once():
        trainer.set_threads()
        trainer.iterate()
        return work["num_envs"] * work["rollout_steps"]

    once()
    return Work(once, {"parameters": sum(weights.numel() for weights in trainer.agent.parameters())})
