"""Tours held to other people's proofs: 20,000 instances of 5 to 13 cities to dynamic programming (tests/plain/tour_proofs.py),
and, at 20 to 40 cities, HiGHS with lazy subtour rows and OR-tools' CP-SAT on the same whole numbers. Prints every mismatch;
exit status 1 if there is one.

    python bench/prove_tours.py [--venvs FOLDER] [--count 112] [--instances 200] [--peer highspy] [--peer ortools]"""

from __future__ import annotations

import argparse
import importlib.util
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import torch

from mesasim import tsp

ROOT = Path(__file__).resolve().parent.parent
METHODS = {"highspy": "lazy subtours", "ortools": "CP-SAT AddCircuit"}
FAMILIES = ("uniform", "clustered", "duplicates", "0 to 999", "two halves")
SIZES = (20, 23, 26, 30, 35, 40)


def module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def against_dynamic_programming(plain: ModuleType, count: int) -> int:
    """`count` instances of every family and size by each method; how many faults."""
    faults = total = 0
    for method in ("held_karp", "branch_and_bound", "branch_and_cut"):
        for family in plain.FAMILIES:
            for n in range(5, 14):
                for fault in plain.faults(family, n, count, 7, method):
                    print(fault)
                    faults += 1
                total += count
    print(f"dynamic programming: {faults} faults in {total // 3:,} instances by 3 methods")
    return faults


def against(peer_name: str, venvs: Path, plain: ModuleType, instances: int) -> int:
    """Whole distances, up to 1,000, each instance solved by us and proved by the peer; how many lengths differ."""
    import sys

    sys.path.insert(0, str(ROOT / "bench"))
    from peers.tours import Peer

    peer, differ, proved, done = Peer(peer_name, venvs), 0, 0, 0
    begun, beyond = time.monotonic(), set()  # family and size for which the peer takes too long
    for k in range(instances):
        family, n = FAMILIES[k % len(FAMILIES)], SIZES[k // len(FAMILIES) % len(SIZES)]
        if n > peer.largest[METHODS[peer_name]] or (family, n) in beyond:
            continue
        given = plain.FAMILIES[family](np.random.default_rng([11, k]), 1, n)
        distances = np.round(1000 * plain.distances_of(given)).astype(int) if given.shape[2] == 2 else given
        ours = tsp.solve(distances, num_threads=1)
        try:
            answer = peer.solve(METHODS[peer_name], torch.from_numpy(distances))[0]
        except RuntimeError as error:
            print(f"{family}, n = {n}, number {k}: {peer_name} {error}")
            beyond |= {(family, larger) for larger in SIZES if larger >= n}
            continue
        theirs = plain.unit_length(distances[0], np.array(answer["order"]))
        done += 1
        proved += answer["proved"]
        if not ours.optimal.item() or ours.length.item() != theirs:
            print(
                f"{family}, n = {n}, number {k}: {ours.length.item()} (proved: {ours.optimal.item()}), theirs {theirs}"
            )
            differ += 1
    print(f"{peer_name}: {differ} of {done} differ, {proved} proved by it, {time.monotonic() - begun:.0f} s")
    return differ


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venvs", type=Path, default=Path("runs/peers"))
    parser.add_argument("--count", type=int, default=112, help="instances a family, size and method; 0: none")
    parser.add_argument("--instances", type=int, default=200, help="for each peer")
    parser.add_argument("--peer", action="append", choices=METHODS, default=None)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    plain = module(ROOT / "tests" / "plain" / "tour_proofs.py")
    faults = against_dynamic_programming(plain, arguments.count) if arguments.count else 0
    for name in arguments.peer or METHODS:
        faults += against(name, arguments.venvs, plain, arguments.instances)
    raise SystemExit(1 if faults else 0)


if __name__ == "__main__":
    main()
