"""A library's worker process (workers/main.py) as it is seen from here."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import mesasim

WORKER = Path(__file__).resolve().parent / "workers" / "main.py"
PATIENCE_S = 90.0  # for an answer: compiling counts; python-tsp's Lin–Kernighan goes round for ever on some instances


class WorkerFailed(RuntimeError):
    """Says what the worker answered, or how it ended."""


class Worker:
    """Answers prepare() and run(), on `threads` cores. `python` is the library's own; for "mesasim" ours, which finds the
    package in the folder `site`."""

    def __init__(
        self, library: str, python: Path | str, threads: int, script: Path | None = None, site: Path | None = None
    ) -> None:
        self.library, self.threads = library, threads
        env = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONDONTWRITEBYTECODE": "1"}
        env["PYTHONPATH"] = str(site or "")
        self.said = tempfile.TemporaryFile("w+")  # noqa: SIM115  # as long as the process
        command = [str(python), str(script or WORKER), library, str(threads)]
        self.folder = tempfile.TemporaryDirectory(prefix="mesasim-peer-")  # PufferLib leaves a link where it runs
        self.process = subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.said, text=True,
            cwd=self.folder.name,
        )  # fmt: skip

    def prepare(self, work: dict[str, Any]) -> dict[str, Any]:
        """What is worth telling of the work: bytes_per_step …"""
        return self._ask({"prepare": work}, PATIENCE_S)["facts"]

    def run(self, seconds: float, span: list[int] | None = None) -> dict[str, Any]:
        """units, wall, cpu (and found) of about so many seconds."""
        return self._ask({"run": seconds, "span": span}, seconds + PATIENCE_S)

    def _ask(self, message: dict[str, Any], patience: float) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        if self.process.stdin.closed:
            raise WorkerFailed("was closed before")
        try:
            print(json.dumps(message), file=self.process.stdin, flush=True)
            ready, _, _ = select.select([self.process.stdout], [], [], patience)
            line = self.process.stdout.readline() if ready else ""
        except BrokenPipeError:
            ready, line = [self.process.stdout], ""
        if not line:
            if not ready:
                self.close()
                raise WorkerFailed(f"no answer in {patience:.0f} s")
            raise WorkerFailed(f"ended with status {self.process.wait()}: {self._last_words()}")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerFailed(answer["error"])
        return answer

    def _last_words(self) -> str:
        self.said.seek(0)
        lines = [line.strip() for line in self.said.read().splitlines() if line.strip()]
        return lines[-1][:200] if lines else "no message"

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def close(self) -> None:
        """Ends it."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        self.said.close()
        self.folder.cleanup()


def our_worker(threads: int) -> Worker:
    """Our side."""
    return Worker("mesasim", sys.executable, threads, site=Path(mesasim.__file__).parent.parent)
