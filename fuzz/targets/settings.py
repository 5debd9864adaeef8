"""Settings of a run from strangers: config.yaml in a folder to be resumed."""

from __future__ import annotations

import shutil
from pathlib import Path

from fuzz.targets.reading import FOLDER, Reading, changed
from mesasim.runs import CONFIG, start_run

VALID = (
    b"experiment: one-way-game\nquick: true\nseed: 3\nsizes: [1, 2, 3]\noptions: {arms: 4, prior: uniform}\nlr: 0.001\n"
)
NOW = {"quick": True, "seed": 3, "sizes": [1, 2, 3], "options": {"arms": 4, "prior": "uniform"}, "lr": 0.001}


def one_input(data: bytes) -> None:
    reading = Reading(data)
    out = Path(FOLDER.name) / "run"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    (out / CONFIG).write_bytes(changed(VALID, reading) if reading.byte() % 2 else reading.rest())
    try:
        start_run(out, "one-way-game", NOW, resume=True, overwrite=False)
    except ValueError:
        return
