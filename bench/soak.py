"""Everything at once in one process, for minutes or hours: `python bench/soak.py --minutes 10 --threads 4`.

Several Python threads make worlds of every kind, step, save, restore, resize and drop them, lay out and solve mazes, solve
tours, draw sequences, regressions and problems, on one to four engine threads each, and run networks' layers back and
forth. Every scene's bytes are compared with those of the same scene played alone at the start. Every ROUND_S seconds the
threads end and memory is read at rest: bytes that malloc has given out and Python's own blocks, which must not grow. After
the warm-up a line is fitted through means of blocks of rounds; the run passes if the upper end of its slope's 95 %
interval, over the time measured, stays below the bound. Resident memory is no such measure: it also has what malloc keeps
free, tens of megabytes in arenas of threads that come and go, and grows to each arena's highest for as long as one is
looked at."""

from __future__ import annotations

import argparse
import ctypes
import gc
import hashlib
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

import mesasim
from mesasim import _core, curriculum, mazes, regression, sequences, tsp
from mesasim.agents.recurrent_layer import recurrent_layer, recurrent_layer_gradients
from mesasim.train.ppo_loss import Samples, Weights, native_ppo_loss

# Growth after the warm-up that would still pass. At rest malloc's bytes go up and down by .05 MB and Python's blocks by a few
# dozen, so that what is lost in one scene of a hundred is seen, if it is kilobytes.
BOUND_MB, BOUND_BLOCKS = 1.0, 2000.0
BOUND_RESIDENT_MB = 24.0  # what is not malloc's, such as stacks; half of what its arenas have been seen to keep free
WARM_UP, BLOCKS, ROUND_S = 0.3, 20, 6.0
Scene = Callable[[int], str]  # engine threads → digest of what was made


def digest(*parts: Any) -> str:
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(part if isinstance(part, bytes) else np.ascontiguousarray(part).tobytes())
    return hasher.hexdigest()


def world_scene(world: str, options: dict[str, Any], num_envs: int, seed: int) -> Scene:
    """Steps, saves, steps on; a new environment of another number of threads is given the state and must do the same."""

    def play(threads: int) -> str:
        def make(threads: int) -> mesasim.MesaVectorEnv:
            return mesasim.make_vec(world, num_envs, num_threads=threads, history=True, oracle=True, **options)

        def step(env: mesasim.MesaVectorEnv, rng: np.random.Generator) -> None:
            for _ in range(12):
                env.step(rng.integers(len(env.world_spec.actions), size=num_envs))

        env = make(threads)
        env.reset(seed=seed)
        rng = np.random.default_rng(seed)
        step(env, rng)
        middle = env.get_state()
        follow = np.random.default_rng(seed + 1)
        step(env, follow)
        twin = make(1 + threads % 4)
        twin.set_state(middle)
        step(twin, np.random.default_rng(seed + 1))
        if twin.get_state() != env.get_state():
            raise AssertionError(f"{world} {options}: a restored state went on to others")
        env.close()
        return digest(env.get_state(), str(env.render_slot(0)).encode())

    return play


def maze_scene(algorithm: str, seed: int) -> Scene:
    def play(threads: int) -> str:
        made = mazes.generate(150, (11, 13), algorithm, seed=seed, num_threads=threads)
        solved = made.solve(0, 100, on_impossible="mask", num_threads=threads)
        return digest(made.packed, solved.length, solved.packed_moves)

    return play


def tour_scene(n: int, seed: int) -> Scene:
    def play(threads: int) -> str:
        problems = tsp.generate(6, n, seed=seed, num_threads=threads)
        solved = tsp.solve(problems, num_threads=threads)
        better = tsp.improve(problems, method="local_search", kicks=20, num_threads=threads)
        return digest(problems, solved.order, better.order)

    return play


def data_scene(seed: int) -> Scene:
    def play(threads: int) -> str:
        symbols = sequences.generate("regimes", 50, 60, seed=seed, give=["filter_log"], num_threads=threads)
        drawn = regression.generate(100, seed=seed, num_threads=threads)
        packs = curriculum.knapsack.generate(30, 25, seed=seed, num_threads=threads)
        found = curriculum.knapsack.solve(packs, 2000, threads)
        return digest(symbols.symbols, symbols.filter_log, drawn.x, drawn.y, found.answer, found.nodes)

    return play


def network_scene(kind: type[nn.GRU] | type[nn.LSTM], slots: int, seed: int) -> Scene:
    """A layer forward and back and a loss, on the scene's one torch thread."""

    def play(threads: int) -> str:
        generator = torch.Generator().manual_seed(seed)

        def drawn(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator) / 4

        gates, inputs, hidden, actions = (4 if kind is nn.LSTM else 3), 7, 40, 5
        x, is_first = drawn(6, slots, inputs), drawn(6, slots) > 0.3
        weights = [drawn(gates * hidden, size) for size in (inputs, hidden)] + [drawn(gates * hidden) for _ in range(2)]
        carry = drawn(slots, hidden * (gates - 2 if gates == 4 else 1))
        states, cell, kept = recurrent_layer(x, is_first, carry, *weights, True)
        found = recurrent_layer_gradients(
            drawn(6, slots, hidden), None, states, kept, x, is_first, carry, *weights, True, True
        )
        logits = states[..., :actions].contiguous().requires_grad_()
        samples = Samples(torch.arange(6 * slots).view(6, slots) % actions, *(drawn(6, slots) for _ in range(3)))
        loss, terms = native_ppo_loss(
            logits, states[..., -1], samples, torch.arange(slots), Weights(0.2, 0.5, 1.0, 0.01)
        )
        loss.backward()
        return digest(states, cell, *found, logits.grad, terms)

    return play


def refusal_scene(threads: int) -> str:
    """What is refused on the way leaves nothing behind."""
    for world, bad in (("Maze-v0", {"size": 0}), ("Bandit-v0", {"arms": -1})):
        try:
            mesasim.make_vec(world, 3, num_threads=threads, **bad)
        except ValueError:
            continue
        raise AssertionError("a bad option was taken")
    env = mesasim.make_vec("Corridor-v0", 3, num_threads=threads)
    env.reset(seed=1)
    try:
        env.set_state(env.get_state()[:-1] + b"x")
    except ValueError:
        return "refused"
    raise AssertionError("a damaged state was taken")


def all_scenes(quick: bool) -> dict[str, Scene]:
    found: dict[str, Scene] = {"refusals": refusal_scene}
    for world in _core.world_ids():
        variants = [{}, *_core.spec(world).variants]
        for k, options in enumerate(variants[:2] if quick else variants):
            for num_envs in (3,) if quick else (3, 200):
                found[f"{world} {k} × {num_envs}"] = world_scene(world, options, num_envs, k)
    for algorithm in mazes.algorithms():
        found[f"mazes {algorithm}"] = maze_scene(algorithm, 3)
    for n in (8, 14) if quick else (8, 14, 25, 40):
        found[f"tours of {n}"] = tour_scene(n, 5)
    for kind in (nn.GRU, nn.LSTM):
        for slots in (5, 300):
            found[f"{kind.__name__} × {slots}"] = network_scene(kind, slots, 1)
    found |= {f"data {seed}": data_scene(seed) for seed in range(2)}
    return found


@dataclass
class Soak:
    """What several threads do until the time is up."""

    scenes: dict[str, Scene]
    expected: dict[str, str]
    played: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def user(self, seed: int) -> None:
        rng = random.Random(seed)
        names = list(self.scenes)
        while not self.over.is_set():
            name = rng.choice(names)
            try:
                if self.scenes[name](rng.randint(1, 4)) != self.expected[name]:
                    self.wrong.append(f"{name}: other bytes than alone")
            except Exception as error:  # whatever it is, the run has failed and says so
                self.wrong.append(f"{name}: {error!r}")
            self.played[name] += 1


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Malloc(ctypes.Structure):
    """glibc's struct mallinfo2, over all arenas."""

    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"
    )]  # fmt: skip


@dataclass(frozen=True)
class Memory:
    """At rest."""

    seconds: float
    used_mb: float  # given out by malloc
    free_mb: float  # kept by it, then given back to the system
    blocks: float  # of Python's own allocator
    resident_mb: float

    @classmethod
    def now(cls, seconds: float) -> Memory:
        gc.collect()
        libc = ctypes.CDLL(None)
        if not hasattr(libc, "mallinfo2"):
            raise RuntimeError("soak: needs glibc 2.33 or later, whose malloc says what it has given out")
        libc.mallinfo2.restype = Malloc
        malloc = libc.mallinfo2()
        used, free = (malloc.uordblks + malloc.hblkhd) / 1e6, malloc.fordblks / 1e6
        blocks = float(sys.getallocatedblocks())
        libc.malloc_trim(0)
        return cls(seconds, used, free, blocks, resident_mb())


def growth(samples: list[tuple[float, float]], warm_up: float) -> tuple[float, float, float, float]:
    """(growth a minute, lower and upper end of its 95 % interval, minutes measured) by least squares over means of blocks of
    (seconds, amount), whose errors are closer to independent than those of samples one after the other."""
    kept = np.array([(t, amount) for t, amount in samples if t >= warm_up])
    blocks = np.array([block.mean(0) for block in np.array_split(kept, min(BLOCKS, len(kept)))])
    if not np.ptp(blocks[:, 1]):
        return 0.0, 0.0, 0.0, (kept[-1, 0] - kept[0, 0]) / 60
    fit = stats.linregress(blocks[:, 0] / 60, blocks[:, 1])
    half = stats.t.ppf(0.975, len(blocks) - 2) * fit.stderr
    return fit.slope, fit.slope - half, fit.slope + half, (kept[-1, 0] - kept[0, 0]) / 60


def soak(seconds: float, threads: int, seed: int, quick: bool) -> tuple[Soak, list[Memory]]:
    scenes = all_scenes(quick)
    whole = Soak(scenes, {name: scene(1) for name, scene in scenes.items()})
    length = min(ROUND_S, seconds / 10)
    memory = np.zeros(
        (int(seconds / length) + 2, len(fields(Memory)))
    )  # all of it now, so that the record does not grow
    begun, rounds = time.monotonic(), 0
    while (now := time.monotonic() - begun) < seconds and not whole.wrong:
        first = seed * 100_000 + rounds * threads
        play_round(whole, min(length, seconds - now), [first + k for k in range(threads)])
        memory[rounds] = astuple(Memory.now(time.monotonic() - begun))
        rounds += 1
    return whole, [Memory(*row) for row in memory[:rounds].tolist()]


def play_round(soak: Soak, seconds: float, seeds: list[int]) -> None:
    soak.over.clear()
    users = [threading.Thread(target=soak.user, args=(seed,)) for seed in seeds]
    for user in users:
        user.start()
    time.sleep(seconds)
    soak.over.set()
    for user in users:
        user.join()


JUDGED = {  # what is read at rest → its name and bound
    "used_mb": ("given out by malloc, MB", BOUND_MB),
    "blocks": ("Python's blocks", BOUND_BLOCKS),
    "resident_mb": ("resident, MB", BOUND_RESIDENT_MB),
}


def judged(memory: list[Memory], warm_up: float) -> tuple[bool, list[str]]:
    """Whether nothing grows beyond its bound, and a table's rows that say so."""
    good, rows = True, []
    for field_name, (name, bound) in JUDGED.items():
        amounts = [(at.seconds, getattr(at, field_name)) for at in memory]
        slope, low, high, minutes = growth(amounts, warm_up)
        good &= high * minutes < bound
        ends = f"{amounts[0][1]:,.2f} | {amounts[-1][1]:,.2f}"
        rows.append(
            f"| {name} | {ends} | {slope:.3f} ({low:.3f} to {high:.3f}) | {high * minutes:.2f} | {bound:,.0f} |"
        )
    return good, rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--threads", type=int, default=4, help="Python threads at once")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="fewer kinds of scenes")
    parser.add_argument("--out", type=Path, help="write the table there, too")
    flags = parser.parse_args()
    torch.set_num_threads(1)
    seconds = 60 * flags.minutes
    running, memory = soak(seconds, flags.threads, flags.seed, flags.quick)
    lines = [f"`python bench/soak.py --minutes {flags.minutes:g} --threads {flags.threads} --seed {flags.seed}`", ""]
    good = not running.wrong
    if good:
        good, rows = judged(memory, WARM_UP * seconds)
        kinds = f"{len(running.played)} of {len(running.scenes)} kinds"
        lines += [
            f"{running.played.total():,} scenes of {kinds}, none with other bytes than alone. Memory at rest {len(memory)} "
            f"times, the first {WARM_UP:.0%} left out of growth; malloc kept {min(at.free_mb for at in memory):.0f} to "
            f"{max(at.free_mb for at in memory):.0f} MB free.", "",
            "| at rest | first | last | growth a minute (95 %) | at most, over the run | allowed |", "|---|---|---|---|---|---|",
            *rows,
        ]  # fmt: skip
    lines += ["", "passed" if good else "FAILED", *running.wrong[:20]]
    print("\n".join(lines))
    if flags.out:
        flags.out.write_text("# Soak\n\n" + "\n".join(lines) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
