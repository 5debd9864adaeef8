"""`mesasim bench peers`: its signature is its flags, its docstring its help."""

# No `from __future__ import annotations`: tyro reads the annotations.
import os
from pathlib import Path

from mesasim.bench.peers.measuring import Workers, measure
from mesasim.bench.peers.page import HEAD, cells, write_files
from mesasim.bench.peers.pins import PINS
from mesasim.bench.peers.works import GROUPS, pairs
from mesasim.devices import usable_cores
from mesasim.machine import integer, threads
from mesasim.output import console, dumps
from mesasim.progress import bars, print_table
from mesasim.runs import provenance

SHOWN = ("peer", "theirs", "threads", "their rate", "our rate", "ours over theirs", "aim")  # on a terminal
VENVS = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "mesasim" / "peers"


def peers(
    only: tuple[str, ...] = GROUPS, peer: tuple[str, ...] = (), what: str = "", num_threads: tuple[int, ...] = (),
    rounds: int = 5, seconds: float = 0.3, maze_size: tuple[int, ...] = (16,), n: tuple[int, ...] = (10, 20, 50),
    out: Path = Path("bench/results"), venvs: Path = VENVS, quiet: bool = False, json: bool = False,
) -> None:  # fmt: skip
    """Other libraries' rates beside ours, rounds in turn; writes peers-MACHINE.jsonl, peers.md and peers.png.

    Args:
        only: stepping, mazes, tours, training.
        peer: libraries; default: every one. One that cannot be installed is listed with the reason.
        what: only rows whose name contains this.
        num_threads: threads of both sides, on as many cores; default: one, and as many as there are cores.
        rounds: of each side, in turn; medians are given.
        seconds: of each round; of trainings five times as many.
        maze_size: cells a side of the mazes.
        n: cities of the tours.
        out: folder of the files; rows measured there before stay unless measured again.
        venvs: where each library's virtual environment is kept; made at the first run.
        quiet: no progress bar.
        json: one JSON object a row instead of tables.
    """
    integer("rounds", rounds, 1, 1000)
    if not seconds > 0:
        raise ValueError(f"seconds: got {seconds}, allowed: above 0")
    for name in peer:
        if name not in PINS:
            raise ValueError(f"peer: got {name!r}, allowed: {', '.join(PINS)}")
    counts = tuple(dict.fromkeys(threads(count) for count in num_threads)) or tuple(sorted({1, usable_cores()}))
    if max(counts) > usable_cores():
        raise ValueError(f"num_threads: got {max(counts)}, allowed: 1 to {usable_cores()}, the cores there are")
    chosen = [
        pair for pair in pairs(only, maze_sizes=maze_size, cities=n)
        if (not peer or pair.peer in peer) and what in pair.what
    ]  # fmt: skip
    if not chosen:
        raise ValueError(f"what: got {what!r}, which no row of these groups and peers contains")
    workers, rows = Workers(venvs), []
    try:
        with bars(quiet, ticking=False) as progress:  # a thread that draws would be measured
            bar = progress.add_task("peers", total=len(chosen) * len(counts), detail="")
            for row in measure(
                chosen, counts, rounds, seconds, workers,
                lambda pair, count: progress.update(bar, detail=f"{pair.peer}: {pair.what}, {count} threads"),
            ):  # fmt: skip
                rows.append(row)
                progress.advance(bar)
                if json:
                    print(dumps(row), flush=True)
    finally:
        workers.close()
        if rows:
            written = write_files(rows, out)
    if json:
        return
    for group in dict.fromkeys(row["group"] for row in rows):
        lines = [[cell.replace("*", "") for cell in cells(row)] for row in rows if row["group"] == group]
        shown = [HEAD.index(name) for name in SHOWN]
        table = [tuple(line[column] for column in shown) for line in lines]
        print_table(f"{provenance()['machine']}: {group}; a CPU second (a second)", SHOWN, table)
    console.print("Written: " + ", ".join(map(str, written)), soft_wrap=True)
