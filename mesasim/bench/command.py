"""`mesasim bench WHAT`: a function a benchmark; its signature is its flags, its docstring its help."""

# No `from __future__ import annotations`: tyro reads the annotations.
from collections.abc import Callable
from math import isnan
from typing import Annotated

import tyro

from mesasim import _core
from mesasim.agents import NetworkConfig
from mesasim.bench.mazes import MODES, SIZES, bench_mazes
from mesasim.bench.peers.command import peers
from mesasim.bench.step import bench_step
from mesasim.bench.tours import SIZES as TOUR_SIZES
from mesasim.bench.tours import bench_tours
from mesasim.bench.train import SHARES, bench_train
from mesasim.devices import check_device, devices
from mesasim.output import dumps
from mesasim.progress import print_table
from mesasim.runs import provenance
from mesasim.spec import parse_options, world_id

OptionTexts = Annotated[
    tyro.conf.UseAppendAction[tuple[str, ...]],
    tyro.conf.arg(name="option", aliases=["-o"], metavar="NAME=VALUE", help="an option of the world; may be repeated"),
]


def step(
    world: str | None = None, option: OptionTexts = (),
    num_envs: tuple[int, ...] = (4096,), num_threads: tuple[int, ...] = (1,), device: str = "cpu", seconds: float = 0.5,
    rounds: int = 5, history: bool = False, oracle: bool = False, max_episode_steps: int | None = None, json: bool = False,
) -> None:  # fmt: skip
    """Steps a second of worlds through the Python call, autoreset on, a new random action for every slot and step.

    Args:
        world: a world's id; default: every world.
        num_envs: slots; several values give a curve.
        num_threads: threads; several values are measured in turn, round by round.
        device: cpu or cuda[:i].
        seconds: of each round.
        rounds: whose median is given.
        history: with the engine's history fields.
        oracle: with the oracle's fields.
        max_episode_steps: truncate episodes after so many steps; default: the world's.
        json: one JSON object a row instead of a table.
    """
    if option and world is None:
        raise ValueError("option: got options without a world, allowed: --world ID with them")
    worlds = {w: {} for w in _core.world_ids()} if world is None else {world_id(world): parse_options(world, option)}
    rows = bench_step(
        worlds, list(num_envs), list(num_threads), device=device, seconds=seconds, rounds=rounds, history=history,
        oracle=oracle, max_episode_steps=max_episode_steps,
    )  # fmt: skip
    if json:
        for row in rows:
            print(dumps(row))
        return
    head = (
        "world",
        "options",
        "slots",
        "threads",
        "million steps/s",
        "per CPU s",
        "ns/step",
        "bytes/step",
        "bytes/slot",
    )
    cells = [
        (
            r["world"], " ".join(f"{k}={v}" for k, v in r["options"].items()), f"{r['num_envs']:,}", r["num_threads"],
            f"{r['steps_per_second'] / 1e6:.1f}", f"{r['steps_per_cpu_second'] / 1e6:.1f}",
            f"{r['nanoseconds_per_step']:.1f}", r["bytes_per_step"], r["bytes_per_slot"],
        )
        for r in rows
    ]  # fmt: skip
    print_table(provenance()["machine"], head, cells)


def mazes(
    algorithm: tuple[str, ...] = (), size: tuple[int, ...] = SIZES, mode: tuple[str, ...] = MODES, count: int = 4096,
    num_threads: tuple[int, ...] = (1,), device: str = "cpu", seconds: float = 0.3, rounds: int = 5, json: bool = False,
) -> None:  # fmt: skip
    """Mazes a second through the Python call, new mazes every call.

    Args:
        algorithm: names; default: every one.
        size: cells a side.
        mode: generate; distances (generate, then every cell's distance to a corner); solve (generate, then a shortest path
            between two corners).
        count: mazes a call.
        num_threads: threads; several values are measured in turn, round by round.
        device: cpu or cuda[:i].
        seconds: of each round.
        rounds: whose median is given.
        json: one JSON object a row instead of a table.
    """
    rows = bench_mazes(
        list(algorithm), list(size), list(mode), count, list(num_threads), device=device, seconds=seconds, rounds=rounds
    )
    if json:
        for row in rows:
            print(dumps(row))
        return
    sizes = sorted({row["size"] for row in rows})
    lines: dict[tuple, dict[int, str]] = {}
    for row in rows:
        line = lines.setdefault((row["algorithm"], row["mode"], row["num_threads"]), {})
        line[row["size"]] = f"{row['mazes_per_second'] / 1e3:,.1f} ({row['mazes_per_cpu_second'] / 1e3:,.1f})"
    title = f"{provenance()['machine']}: thousand mazes a second (a CPU second), {count:,} a call, medians of {rounds}"
    head = ("algorithm", "mode", "threads", *(f"{n}×{n}" for n in sizes))
    print_table(title, head, [(*key, *(line.get(n, "") for n in sizes)) for key, line in lines.items()])


def tsp(
    n: tuple[int, ...] = TOUR_SIZES, count: int = 200, method: str = "auto", node_limit: int | None = None,
    num_threads: tuple[int, ...] = (1, 2), device: str = "cpu", rounds: int = 3, each: bool = True, seed: int = 0,
    json: bool = False,
) -> None:  # fmt: skip
    """Milliseconds an optimal tour of uniform points takes, proof included, and what the search did.

    Args:
        n: cities.
        count: instances of each size.
        method: auto, held_karp, branch_and_bound or branch_and_cut.
        node_limit: nodes an instance; default: until proved.
        num_threads: of batches, measured in turn; the first is what the others are compared with.
        device: cpu or cuda[:i].
        rounds: of batches; the least is given.
        each: also each instance alone, on one thread: CPU median, mean and most; on the CPU only.
        seed: of the points.
        json: one JSON object a row instead of a table.
    """
    if not num_threads:
        raise ValueError("num_threads: got none, allowed: one or more")
    rows = bench_tours(
        list(n), count, list(num_threads), method=method, node_limit=node_limit, device=device, rounds=rounds, each=each,
        seed=seed,
    )  # fmt: skip
    machine = provenance()["machine"]
    if json:
        for row in rows:
            print(dumps({**row, "machine": machine}))
        return
    cells = [
        (
            row["n"], *(f"{row[key]:.3g}" if key in row else "" for key in ("cpu_ms_median", "cpu_ms_mean", "cpu_ms_most")),
            f"{row['batch_cpu_ms']:.3g}", f"{row['instances_per_second'][str(num_threads[0])]:,.0f}",
            *(f"{row['times_as_many'][str(t)]:.2f}" for t in num_threads[1:]),
            *(f"{row[f'{counted}_mean']:,.1f}" for counted in ("nodes", "one_trees", "cuts")), f"{row['proved_share']:.0%}",
        )
        for row in rows
    ]  # fmt: skip
    head = (
        "n", "median", "mean", "most", "batch", "tours/s", *(f"×, {t} thr." for t in num_threads[1:]),
        "nodes", "1-trees", "cuts", "proved",
    )  # fmt: skip
    what = "CPU ms a tour, each solved alone (the Python call included) and in a batch; nodes, 1-trees and cuts: means"
    print_table(f"{machine}: {count:,} uniform instances of each n. {what}", head, cells)


def train(
    world: str = "Bandit-v0", option: OptionTexts = (), kind: tuple[str, ...] = ("gru", "mlp"), hidden: int = 64,
    num_envs: int = 2048, rollout_steps: int = 10, epochs: int = 6, minibatches: int = 4, num_threads: tuple[int, ...] = (1,),
    rounds: int = 5, device: str = "cpu", cuda_graphs: tuple[str, ...] = ("auto",), json: bool = False,
) -> None:  # fmt: skip
    """Environment steps a second of PPO end to end, and the shares of simulator, forward and backward passes.

    Args:
        world: a world's id.
        kind: networks, measured in turn.
        hidden: units of their layers.
        num_envs: slots.
        rollout_steps: steps a slot between updates.
        epochs: passes over each rollout.
        minibatches: parts of each pass.
        num_threads: of the simulator and of torch; several values are measured in turn.
        rounds: iterations whose median is given, after some that are not counted.
        device: cpu or cuda[:i].
        cuda_graphs: on, off or auto; several are measured in turn. Where steps are recorded, shares are not known.
        json: one JSON object a row instead of a table.
    """
    rows = bench_train(
        {world_id(world): parse_options(world, option)}, [NetworkConfig(name, hidden=hidden) for name in kind],
        list(num_threads), num_envs=num_envs, rollout_steps=rollout_steps, epochs=epochs, minibatches=minibatches,
        rounds=rounds, device=device, cuda_graphs=cuda_graphs,
    )  # fmt: skip
    machine = provenance()["machine"]
    if json:
        for row in rows:
            unknown = {share: None for share in SHARES if isnan(row[share])}  # JSON has no nan
            print(dumps({**row, **unknown, "machine": machine}))
        return
    head = ("network", "graphs", "threads", "steps/s", "per CPU s", "simulator", "forward", "backward", "rest")
    cells = [
        (
            f"{r['network']}-{r['hidden']}", "on" if r["cuda_graphs"] else "off", r["num_threads"],
            f"{r['steps_per_second']:,.0f}", f"{r['steps_per_cpu_second']:,.0f}",
            *("" if isnan(r[share]) else f"{r[share]:.1%}" for share in SHARES),
        )
        for r in rows
    ]  # fmt: skip
    what = (
        f"{num_envs:,} slots × {rollout_steps} steps, {epochs} epochs, {minibatches} minibatches, medians of {rounds}"
    )
    where = "" if device == "cpu" else f" on {devices()[str(check_device(device))]}"
    print_table(f"{machine}{where}: {world_id(world)}, PPO end to end, {what}", head, cells)


BENCHMARKS: dict[str, Callable[..., None]] = {"step": step, "mazes": mazes, "tsp": tsp, "train": train, "peers": peers}
