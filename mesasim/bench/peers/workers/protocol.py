"""What a worker does, whichever side it measures: told over a pipe to prepare some work, then to run it for a while, it
answers in JSON lines. Imports nothing of mesasim, so that it runs in a peer's own environment.

    {"prepare": {…work…}}                →  {"facts": {…}}
    {"run": .3, "span": null}            →  {"units": 81920, "wall": .31, "cpu": .6, "found": …}
    anything that fails                  →  {"error": "ValueError: …"}
"""

import gc
import json
import os
import sys
import time
from contextlib import suppress


def restrict(threads):
    """Keeps this process on `threads` cores, before any library counts them."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


class Work:
    """A prepared benchmark. `once()` does some of it and returns how many units that was; `facts` are told to the table.

    `processes`: times the whole of it is run side by side, for what knows no threads. `over(span)`: before a round, which
    instances to work on (None: go on where the last round ended); `found()`: after it, what came out."""

    def __init__(self, once, facts=None, processes=1, over=None, found=None):
        self.once, self.facts, self.processes = once, facts or {}, processes
        self.over, self.found = over, found

    def round(self, seconds):
        """Units, wall seconds and CPU seconds (all threads') of about `seconds`."""
        units = 0
        gc.collect()
        gc.disable()
        wall, cpu = time.perf_counter(), time.process_time()
        while units == 0 or time.perf_counter() - wall < seconds:
            units += self.once()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        gc.enable()
        return {"units": units, "wall": wall, "cpu": cpu}

    def rounds(self, seconds):
        """The same in `processes` forks of this process: units and CPU seconds are summed, the longest wall time counts."""
        if self.processes == 1:
            return self.round(seconds)
        pipes = [_fork(lambda: self.round(seconds)) for _ in range(self.processes - 1)]
        parts = [self.round(seconds), *map(_join, pipes)]
        failed = [part for part in parts if "error" in part]
        if failed:
            raise RuntimeError(failed[0]["error"])
        return {
            "units": sum(part["units"] for part in parts),
            "wall": max(part["wall"] for part in parts),
            "cpu": sum(part["cpu"] for part in parts),
        }


def _fork(measure):
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    try:
        answer = measure()
    except BaseException as error:
        answer = {"error": describe(error)}
    with suppress(OSError):
        os.write(writing, json.dumps(answer).encode())
    os._exit(0)


def _join(pipe):
    child, reading = pipe
    with os.fdopen(reading) as file:
        text = file.read()
    _, status = os.waitpid(child, 0)
    return json.loads(text) if text else {"error": f"a fork ended with status {os.waitstatus_to_exitcode(status)}"}


def describe(error):
    """One line."""
    return f"{type(error).__name__}: {error}".strip().splitlines()[0][:160]


def serve(prepare):
    """Answers until the pipe is closed. `prepare(work)` gives a Work. What libraries print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    work = None
    for line in sys.stdin:
        ask = json.loads(line)
        try:
            if "prepare" in ask:
                work = None  # what was prepared before is let go first
                gc.collect()
                work = prepare(ask["prepare"])
                answer = {"facts": work.facts}
            else:
                if work is None:
                    raise RuntimeError("nothing was prepared")
                if work.over:
                    work.over(ask.get("span"))
                answer = work.rounds(ask["run"])
                if work.found:
                    answer["found"] = work.found()
        except Exception as error:  # the library's own: the table says so
            answer = {"error": describe(error)}
        print(json.dumps(answer), file=answers, flush=True)
