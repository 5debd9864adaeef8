"""One safetensors file a checkpoint: weights, optimiser, environment and generators as tensors, everything else as JSON
in the file's header, with a digest of the tensors. No pickle. Files appear whole or not at all."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from mesasim.integrity import digest, write_whole

M = TypeVar("M", bound=nn.Module)
FORMAT = "mesasim checkpoint 2"
OLDER = "mesasim checkpoint 1"  # its digest is of the tensors alone


@cache
def git_commit() -> str | None:
    """The source tree's commit, if this package is run from one: not that of a repository which the package is installed in.
    None also where there is no git, or one that refuses."""
    tree = Path(__file__).resolve().parents[2]
    asked = ["git", "-C", str(tree), "rev-parse", "--show-toplevel", "HEAD"]
    try:
        found = subprocess.run(asked, capture_output=True, text=True, check=False)
    except OSError:
        return None
    top, _, commit = found.stdout.strip().rpartition("\n")
    return commit if found.returncode == 0 and top and Path(top).resolve() == tree else None


def save_checkpoint(path: Path, tensors: Mapping[str, Tensor], meta: dict[str, Any]) -> None:
    ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    described = json.dumps(meta)
    header = {"format": FORMAT, "digest": _digest(ready, described), "meta": described}
    # Not save_file, which writes beside the file given under a name of its own, left behind when the process is killed
    write_whole(path, lambda temporary: temporary.write_bytes(save(ready, header)))


def _digest(tensors: Mapping[str, Tensor], described: str) -> str:
    """SHA-256 over the tensors' digest and the description."""
    return hashlib.sha256(f"{digest(tensors)} {described}".encode()).hexdigest()


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and meta of a checkpoint. Raises FileNotFoundError, or ValueError if it is damaged or not ours."""
    if not path.is_file():
        raise FileNotFoundError(f"checkpoint: {path} does not exist")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"checkpoint: {path} is damaged or not a safetensors file ({error})") from error
    if header.get("format") not in (FORMAT, OLDER):
        raise ValueError(f"checkpoint: {path} has format {header.get('format')!r}, allowed: {FORMAT!r} (or {OLDER!r})")
    described = header.get("meta", "")
    if header.get("digest") != (digest(tensors) if header["format"] == OLDER else _digest(tensors, described)):
        raise ValueError(f"checkpoint: {path} is damaged: what is in it does not match its digest")
    try:
        meta = json.loads(described)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"checkpoint: {path} has no readable description") from error
    if not isinstance(meta, dict) or not isinstance(meta.get("config"), dict):
        raise ValueError(f"checkpoint: {path} has a description without settings")
    iteration = meta.get("iteration")
    if type(iteration) is not int or iteration < 0:
        raise ValueError(f"checkpoint: {path} is of iteration {iteration!r}, allowed: an integer of at least 0")
    return tensors, meta


def latest_checkpoint(run: Path) -> Path:
    """The newest checkpoint of a run folder (names sort by iteration)."""
    found = sorted((run / "checkpoints").glob("*.safetensors"))
    if not found:
        raise FileNotFoundError(f"run: {run} holds no checkpoints/*.safetensors")
    return found[-1]


def newest_whole_checkpoint(run: Path) -> Path | None:
    """The newest that can be read, or None."""
    for path in sorted((run / "checkpoints").glob("*.safetensors"), reverse=True):
        with suppress(ValueError):
            load_checkpoint(path)
            return path
    return None


def load_weights(agent: nn.Module, tensors: Mapping[str, Tensor], path: Path, prefix: str = "model/") -> None:
    """Fills `agent` from a checkpoint's tensors whose names begin so, all or nothing."""
    agent.load_state_dict(fitting(agent, tensors, path, prefix))


def made_to_fit(make: Callable[[], M], tensors: Mapping[str, Tensor], path: Path) -> M:
    """What `make` builds, filled from a checkpoint. Built without memory first: a small file may describe a large network.
    ValueError where it cannot be built, or weights are of other shapes."""
    try:
        with torch.device("meta"):
            described = make()
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"checkpoint: {path} has a description this version cannot read ({error})") from error
    fitting(described, tensors, path, "model/")
    made = make()
    load_weights(made, tensors, path)
    return made


def fitting(agent: nn.Module, tensors: Mapping[str, Tensor], path: Path, prefix: str) -> dict[str, Tensor]:
    """The weights of `agent` in a checkpoint; ValueError for other names or shapes."""
    weights = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
    expected = {name: tuple(tensor.shape) for name, tensor in agent.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    if expected != found:
        differing = sorted(n for n in expected.keys() | found.keys() if expected.get(n) != found.get(n))
        raise ValueError(
            f"checkpoint: {path} is for another agent or world: "
            + "; ".join(f"{n} is {found.get(n)}, allowed {expected.get(n)}" for n in differing[:4])
        )
    return weights
