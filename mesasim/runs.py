"""Run folders: config.yaml, then what a run makes, then summary.json, evaluation.parquet and report.html."""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

import mesasim
from mesasim.devices import usable_cores
from mesasim.evaluate import Evaluation
from mesasim.integrity import LOCK, write_whole
from mesasim.report import PAGE, write_report
from mesasim.results import SUMMARY, TABLE, write_summary, write_table
from mesasim.train.logs import METRICS, TENSORBOARD, WANDB, WANDB_ID
from mesasim.train.loop import CONFIG, check_same_settings

MAX_CONFIG_BYTES = 2**20
TRAINED = {CONFIG, METRICS, "checkpoints", TENSORBOARD, WANDB, WANDB_ID, LOCK}  # what the folder of a network holds


def start_run(out: Path, experiment: str, config: dict[str, Any], *, resume: bool, overwrite: bool) -> None:
    """Makes the folder, or refuses one that already holds a run. `resume` goes on in a folder with the same settings,
    but for those that change no result (a flag added to the experiment since has its default); `overwrite` removes
    the run that is there."""
    held = out / CONFIG
    described = json.loads(json.dumps({"experiment": experiment, **config}))  # as a file holds it: tuples are lists
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"out: {out} is a file, allowed: a folder")
    if held.exists() and resume:
        was = read_settings(held)
        check_same_settings(f"out: {out}", {**default_flags(experiment, config), **was}, described)
    elif held.exists() and overwrite:
        remove_run(out)
    elif out.exists() and any(out.iterdir()):
        raise FileExistsError(f"out: {out} is not empty; pass --resume, --overwrite or another folder")
    write_whole(held, lambda path: path.write_text(yaml.safe_dump(described, sort_keys=False)))


class _PlainLoader(yaml.SafeLoader):
    """Plain values only: no tags, and no aliases, by which a line of text stands for a billion values."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias, allowed: values written out")
        return super().compose_node(parent, index)


def read_settings(path: Path) -> dict[str, Any]:
    """The settings of a config.yaml, which may be anybody's; ValueError for a file that is none."""
    with open(path, "rb") as file:
        text = file.read(MAX_CONFIG_BYTES + 1)
    if len(text) > MAX_CONFIG_BYTES:
        raise ValueError(f"out: {path} has more than {MAX_CONFIG_BYTES} bytes, allowed: settings of a run")
    try:
        settings = yaml.load(text, _PlainLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"out: {path} holds no settings ({str(error)[:200]})") from error
    if not isinstance(settings, dict) or not all(isinstance(name, str) for name in settings):
        raise ValueError(f"out: {path} holds no settings, allowed: name: value")
    return settings


def default_flags(experiment: str, config: dict[str, Any]) -> dict[str, Any]:
    """An experiment's flags by default, in its quick form if the settings ask for that; none of an unknown experiment."""
    from mesasim.experiments import experiments  # which import this module

    module = experiments().get(experiment)
    return json.loads(json.dumps(asdict(module.Config(quick=config["quick"])))) if module else {}


def remove_run(out: Path) -> None:
    """Removes what a run wrote, and only that: a folder of something else is refused by its lack of config.yaml."""
    for held in out.glob(f"*/{CONFIG}"):
        shutil.rmtree(held.parent)
    for held in sorted(
        out.glob(f"*/*/{CONFIG}")
    ):  # a run of runs has folders of trained networks in folders of their own
        if {path.name for path in held.parent.iterdir()} <= TRAINED:
            shutil.rmtree(held.parent)
            _remove_results(held.parent.parent)
            if not any(held.parent.parent.iterdir()):
                held.parent.parent.rmdir()
    _remove_results(out)
    (out / CONFIG).unlink(missing_ok=True)


def _remove_results(folder: Path) -> None:
    for name in (SUMMARY, TABLE, PAGE):
        (folder / name).unlink(missing_ok=True)


def finish_run(
    out: Path,
    experiment: str,
    config: dict[str, Any],
    defaults: Any,
    summary: dict[str, Any],
    evaluations: list[Evaluation],
) -> dict[str, Any]:
    """Writes evaluation.parquet, summary.json and report.html, and returns the summary."""
    command = " ".join(
        ["mesasim run", experiment, *flags(config, defaults), "--out", shlex.quote(os.path.relpath(out))]
    )
    summary = {"experiment": experiment, **summary, "command": command, **provenance()}
    write_table(out, evaluations)
    write_summary(out, summary)
    write_report([out], out / PAGE)
    return summary


def flags(config: dict[str, Any], defaults: Any) -> list[str]:
    """What to type for these settings: --quick, and what differs from the defaults, which --quick makes others."""
    quick = bool(config.get("quick"))
    base = type(defaults)(quick=True) if quick else defaults
    differing = [_flag(name, value) for name, value in config.items() if value != getattr(base, name)]
    return ["--quick", *differing] if quick else differing


def _flag(name: str, value: Any) -> str:
    """As it is given on the command line."""
    dashed = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{dashed}" if value else f"--no-{dashed}"
    values = value if isinstance(value, (list, tuple)) else [value]
    return " ".join([f"--{dashed}", *(shlex.quote(str(one)) for one in values)])


def provenance() -> dict[str, Any]:
    """What a figure was measured with."""
    return {
        "version": mesasim.__version__,
        "machine": f"{cpu_name()}, {usable_cores()} cores, Python {platform.python_version()}",
    }


def cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
