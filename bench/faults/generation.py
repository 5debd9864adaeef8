"""kill -9 at random moments of making a data set, or of a sweep, restarted until it is whole: its files must equal those of an
undisturbed run bit for bit, no process may outlive the one that was killed, and whoever loses a worker must say so.

    python bench/faults/generation.py --kills 50
    python bench/faults/generation.py --kills 50 --what sweep

Workers are forked from the process that runs, so that a restart does not spend seconds on imports; --forkserver starts them as
they are started otherwise.
Each restart is `--resume`, by one process or by two workers. Exit status 1 if anything differed."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import kills
import torch._dynamo  # noqa: F401  (what an optimiser imports when it is made: here, before the forks)

from mesasim import workers as processes
from mesasim.__main__ import main as mesasim

GENERATE = {
    "mazes": [
        "generate",
        "mazes",
        "--count",
        "24000",
        "--size",
        "24",
        "--algorithm",
        "aldous_broder",
        "--shards",
        "60",
    ],
    "tours": ["generate", "tours", "--count", "6000", "--n", "13", "--shards", "40"],
    "mazes without equals": ["generate", "mazes", "--count", "24000", "--size", "24", "--shards", "60", "--dedupe"],
}
SWEEP = ["sweep", "train", "--seeds", "0:3", "--set", "network.hidden=8,16", "--set", "num_envs=64", "--set", "iterations=10",
         "--set", "checkpoint_every=2", "-o", "arms=2"]  # fmt: skip
TIMED = ("metrics.csv", ".tfevents.")  # files that tell how long things took


def command(arguments: list[str], out: Path, workers: int) -> Callable[[], object]:
    started = out.exists() and any(out.glob("*.json"))
    flags = ["--out", str(out), "--workers", str(workers), "--quiet", *(["--resume"] if started else [])]
    return lambda: mesasim([*arguments, *flags])


def timed(path: Path) -> bool:
    return any(part in path.name for part in TIMED)


def whole_files(out: Path) -> int:
    """How far a run is: shards, or checkpoints."""
    return sum(1 for pattern in ("*.parquet", "*/checkpoints/*.safetensors") for _ in out.glob(pattern))


def moment(out: Path, lasts: float, most: int, rng: random.Random) -> Callable[[float], bool]:
    """When to kill: at any time of the run, its start included, or up to 30 ms after any of the files still missing appears, for
    most of a short run is its start."""
    if rng.random() < 0.2:
        delay = rng.uniform(0, lasts)
        return lambda seconds: seconds >= delay
    files, pause = rng.randint(whole_files(out) + 1, max(most - 1, whole_files(out) + 1)), rng.uniform(0, 0.03)
    reached: list[float] = []

    def due(seconds: float) -> bool:
        if not reached and whole_files(out) >= files:
            reached.append(seconds)
        return bool(reached) and seconds >= reached[0] + pause

    return due


def campaign(name: str, arguments: list[str], folder: Path, count: int, rng: random.Random) -> Iterator[str]:
    """Kills `count` times; yields lines of what was found, those of failures begin with FAILED."""
    alone = "--dedupe" in arguments
    log, reference = folder / "log", folder / "undisturbed"
    lasted: dict[int, float] = {}
    expected: dict[str, str] = {}
    for workers in (2, 1) if not alone else (1,):
        shutil.rmtree(reference, ignore_errors=True)
        first = kills.attempt(command(arguments, reference, workers), log, iter(()), "group", rng)
        if first.status:
            yield f"FAILED: {name}: an undisturbed run ended with status {first.status}: {first.said}"
            return
        found_here = kills.digests(reference, timed)
        if lasted and expected != found_here:
            yield f"FAILED: {name}: one process and two workers make other files"
        lasted[workers], expected = first.seconds, found_here
    out, began = folder / "disturbed", time.monotonic()
    killed: Counter[str] = Counter()
    runs = finished = unsaid = outlived = differing = half = 0
    progress: list[int] = []
    while killed.total() < count or out.exists():
        workers = 1 if alone or rng.random() < 0.4 else 2
        what = rng.choice(("group", "parent", "worker")) if workers == 2 else "group"
        moments = (moment(out, lasted[workers], len(expected), rng) for _ in range(min(4, count - killed.total())))
        runs += 1
        found = kills.attempt(command(arguments, out, workers), log, moments, what, rng)
        outlived += found.outlived
        if found.killed:
            killed.update(found.killed)
            progress.append(whole_files(out))
            half += any(out.rglob(".*.tmp")) if out.exists() else 0
            unsaid += "worker" in found.killed and "killed by SIGKILL" not in found.said
        elif found.status:
            yield f"FAILED: {name}: a restart ended with status {found.status}: {found.said[-500:]}"
            shutil.rmtree(out, ignore_errors=True)
        else:
            finished += 1
            if kills.digests(out, timed) != expected:
                differing += 1
                yield f"FAILED: {name}: other files: {sorted(set(kills.digests(out, timed).items()) ^ set(expected.items()))[:4]}"
            shutil.rmtree(out)
    if outlived or unsaid:
        yield f"FAILED: {name}: {outlived} processes outlived their parent, {unsaid} dead workers were not named"
    kinds = ", ".join(f"{many} of {'a' if kind == 'worker' else 'the'} {kind}" for kind, many in sorted(killed.items()))
    yield (f"{name}: {killed.total()} kills ({kinds}) in {runs} runs; {half} left half a file under a temporary name; at a kill "
           f"{min(progress)} to {max(progress)} of {whole_files(reference)} files were whole; {differing} of "
           f"{finished} finished runs differ from the undisturbed one; {time.monotonic() - began:.0f} s")  # fmt: skip


def main(count: int, what: str, seed: int = 0, forkserver: bool = False) -> int:
    """Status 0 if every file of every finished run was as it should be."""
    if not forkserver:
        processes._method = lambda: "fork"
    rng, status = random.Random(seed), 0
    todo = {"sweep": SWEEP} if what == "sweep" else GENERATE
    for index, (name, arguments) in enumerate(todo.items()):
        share = count * (index + 1) // len(todo) - count * index // len(todo)
        with tempfile.TemporaryDirectory() as folder:
            for line in campaign(name, arguments, Path(folder), share, rng):
                print(line, flush=True)
                status |= line.startswith("FAILED")
    return status


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--what", choices=("generate", "sweep"), default="generate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--forkserver", action="store_true")
    given = parser.parse_args()
    sys.exit(main(given.kills, given.what, given.seed, given.forkserver))
