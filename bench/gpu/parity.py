"""The device computes what the CPU computes: every committed signature; rollouts, mazes, their
solutions, tours, generated data bit for bit; branch and bound's proved lengths. Cut short it is a failure."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from part import Part

from mesasim import MesaVectorEnv, _core, mazes, regression, sequences, tsp
from mesasim.signature import signed
from mesasim.spec import load_spec
from mesasim.testing import record

GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden" / "signatures.json"
Check = tuple[str, Callable[[], bool]]


def signatures(on: dict[str, Any], quick: bool) -> Iterator[Check]:
    """Against those committed, which every build on a CPU reproduces."""
    committed = json.loads(GOLDEN.read_text())

    found = signed()

    def same(name: str, kept: str) -> bool:
        return found[name](on["device"], on.get("num_threads", 1)) == kept

    for name, kept in committed.items():
        if quick and name not in ("Corridor-v0", "TwoStep-v0", "mazes/kruskal"):
            continue
        yield f"signature {name}", partial(same, name, kept)
    yield "signatures of all there is", lambda: set(committed) == set(found)


def rollouts(on: dict[str, Any], quick: bool) -> Iterator[Check]:
    """Every array of every variant in each autoreset mode, over several blocks of threads and one that is not full; and
    given levels, too few for the slots and more than most of them play."""
    slots, steps = (33, 12) if quick else (1025, 40)

    def same(world: str, options: dict[str, Any], levels: mazes.Mazes | None = None) -> bool:
        stories = []
        for where in (CPU, on):
            given = {} if levels is None else {"levels": levels.to(where["device"])}
            env = MesaVectorEnv(world, slots, history=True, oracle=True, first_slot=5, **where, **given, **options)
            stories.append(record(env, steps, seed=7))
        return all(np.array_equal(array, stories[1][name], equal_nan=True) for name, array in stories[0].items())

    for mode, limit in MODES.items():
        how = {"autoreset_mode": mode, **limit}
        for world in _core.world_ids():
            for options in load_spec(world).variants[: 1 if quick else None]:
                what = f"rollout {world} {dict(options) or ''}".strip()
                yield f"{what}, {mode}", partial(same, world, {**options, **how})
        for count in (slots // 2, 9 * slots):
            levels = mazes.generate(count, 5, "kruskal", seed=8, **CPU)
            options = {"size": 5, "view": 0, **how, **SHORT}
            yield f"rollout Maze-v0 of {count} levels, {mode}", partial(same, "Maze-v0", options, levels)


def labyrinths(on: dict[str, Any], quick: bool) -> Iterator[Check]:
    """Mazes, and all that is computed of them."""
    count = 65 if quick else 4097

    def same(algorithm: str, size: tuple[int, int], options: dict[str, Any]) -> bool:
        made = [mazes.generate(count, size, algorithm, seed=9, first=3, **options, **w) for w in (CPU, on)]
        if not torch.equal(made[0].packed, made[1].packed.cpu()):
            return False
        goal = size[0] * size[1] - 1
        for name, arguments in (("distances", (goal,)), ("optimal_actions", (goal,)), ("lookahead", (0, goal))):
            if not torch.equal(*(getattr(m, name)(*arguments).cpu() for m in made)):
                return False
        ways = [m.solve(0, goal, on_impossible="mask") for m in made]
        return all(equal(getattr(ways[0], name), getattr(ways[1], name)) for name in PATHS) and all(
            equal(a, b) for a, b in zip(made[0].components(), made[1].components(), strict=True)
        )

    for algorithm in mazes.algorithms():
        for size, options in (((16, 16), {}), ((9, 14), {"braid": 0.3})):
            what = f"mazes {algorithm} {size[0]}×{size[1]} {options or ''}".strip()
            yield what, partial(same, algorithm, size, options)


def journeys(on: dict[str, Any], quick: bool) -> Iterator[Check]:
    """Constructed and improved tours bit for bit; optimal lengths as far as `Tours.optimal` promises them."""
    count = 16 if quick else 512

    def made(distribution: str, n: int) -> list[torch.Tensor]:
        return [tsp.generate(count, n, distribution, seed=2, **w) for w in (CPU, on)]

    def drawn(distribution: str) -> bool:
        return all(equal(*made(distribution, n)) for n in (5, 20))

    def tours(call: Callable[..., Any], n: int, distribution: str) -> bool:
        here, there = (call(given, **w) for given, w in zip(made(distribution, n), (CPU, on), strict=True))
        return equal(here.order, there.order) and equal(here.length, there.length)

    def optimal(method: str, n: int, distribution: str) -> bool:
        given = made(distribution, n)
        here = tsp.solve(given[0], **CPU)  # by whatever method is quickest there
        there = tsp.solve(given[1], method, **on)
        unit = 2.0**-49 * 2.0 ** torch.ceil(torch.log2(longest(given[0])))  # as Tours.optimal has it
        near = (here.length - there.length.cpu()).abs() <= 3 * n * unit
        return bool(near.all() and here.optimal.all() and there.optimal.all())

    plain = [name for name in tsp.distributions() if name != "greedy_hard"]  # which is for CPUs alone
    for distribution in plain:
        yield f"tour problems {distribution}", partial(drawn, distribution)
    for method in tsp.CONSTRUCTIONS:
        made_by = partial(tsp.construct, method=method, seed=4)
        yield f"tours {method}", partial(tours, made_by, 30, "uniform")
    for method in tsp.IMPROVEMENTS:
        few = {"sweeps": 20} if method == "annealing" else {}
        made_by = partial(tsp.improve, method=method, seed=4, **few)
        yield f"tours {method}", partial(tours, made_by, 30, "clustered")
    for n in (5, 9, 12) if quick else (5, 10, 16, 20, 30):
        yield f"optimal lengths, uniform, n = {n}", partial(optimal, "branch_and_bound", n, "uniform")
    yield "optimal lengths by dynamic programming, n = 11", partial(optimal, "held_karp", 11, "clustered")
    yield "optimal lengths, random_matrix, n = 12", partial(optimal, "branch_and_bound", 12, "random_matrix")


def generators(on: dict[str, Any], quick: bool) -> Iterator[Check]:
    """Sequences with their filters, and regression data."""
    count = 33 if quick else 1025

    def told(process: str) -> bool:
        give = ("filter", "oracle", "filter_log", "oracle_log", "hidden")
        made = [sequences.generate(process, count, 40, seed=3, give=give, **w) for w in (CPU, on)]
        return all(equal(getattr(made[0], name), getattr(made[1], name)) for name in ("symbols", *give))

    def fitted(num_tasks: int) -> bool:
        here, there = (regression.generate(count, num_tasks=num_tasks, seed=3, **w) for w in (CPU, on))
        return all(equal(value, getattr(there, name)) for name, value in vars(here).items())

    for process in sequences.processes():
        yield f"sequences {process}", partial(told, process)
    for num_tasks in (0, 8):
        yield f"regression data, num_tasks={num_tasks}", partial(fitted, num_tasks)


SHORT = {"max_episode_steps": 7}  # so that every slot begins anew, several times
MODES: dict[str, dict[str, Any]] = {"SameStep": {}, "NextStep": SHORT, "Disabled": SHORT}  # the last by masked resets
PATHS = ("start", "goal", "length", "unique", "packed_moves")  # of mazes.Solutions
CPU = {"device": "cpu", "num_threads": 1}


def equal(a: Any, b: Any) -> bool:
    """Bits of tensors; else values."""
    if isinstance(a, torch.Tensor):
        return a.shape == b.shape and a.dtype == b.dtype and a.cpu().numpy().tobytes() == b.cpu().numpy().tobytes()
    return a == b


def longest(instances: torch.Tensor) -> torch.Tensor:
    """Of each problem's distances, float64 [count]."""
    distances = instances if instances.shape[-1] == instances.shape[-2] else torch.cdist(instances, instances)
    return distances.flatten(1).amax(1)


def main(argv: list[str] | None = None) -> int:
    part = Part(__doc__, argv, complete=True)
    on: dict[str, Any] = {"device": str(part.device)}
    if not part.cuda:
        on["num_threads"] = 2  # on a CPU, against one thread
    for family in (signatures, rollouts, labyrinths, journeys, generators):
        for what, holds in family(on, part.quick):
            if not part.in_time(what):
                continue
            try:
                same = holds()
            except (RuntimeError, ValueError) as error:
                same = False
                part.fail(f"{what}: {str(error).splitlines()[0]}")
            else:
                if not same:
                    part.fail(f"{what}: differs from the CPU")
            part.row(what=what, equal=same)
    return part.finish()


if __name__ == "__main__":
    sys.exit(main())
