"""Virtual environments of the peers: made once, made again when their pins change."""

from __future__ import annotations

import os
import shutil
import subprocess
import venv
from pathlib import Path

from mesasim.bench.peers.pins import FROM_SOURCE, PINS, WANTED_BINDINGS

LIMIT_S = 900.0  # of one call of pip
MARK = ".installed"


class NotInstalled(RuntimeError):
    """Says why a peer is not there."""


def environment(peer: str, folder: Path) -> Path:
    """The peer's python, installed in folder/peer if it is not there yet. NotInstalled gives the reason."""
    home = folder.resolve() / peer
    python, mark = home / "bin" / "python", home / MARK
    wanted = repr((PINS[peer], FROM_SOURCE.get(peer)))
    if mark.exists() and mark.read_text() == wanted:
        return python
    try:
        if not python.exists():
            venv.create(home, with_pip=True)
        for arguments in PINS[peer]:
            _pip(python, ["install", *arguments])
        if peer in FROM_SOURCE:
            _pufferlib(python, home / "source")
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"pip took longer than {LIMIT_S:.0f} s") from None
    except OSError as error:
        raise NotInstalled(f"{type(error).__name__}: {error}") from error
    mark.write_text(wanted)
    return python


def _pip(
    python: Path,
    arguments: list[str],
    env: dict[str, str] | None = None,
    *,
    cwd: Path | None = None,
    check: bool = True,
) -> None:
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    if done.returncode and check:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        said = [line for line in lines if line.startswith("ERROR:") or "Error: " in line] or lines
        raise NotInstalled(f"pip {' '.join(arguments[:2])}: {(said or ['no message'])[-1][:200]}")


def _pufferlib(python: Path, source: Path) -> None:
    """Its source distribution as pip unpacks it, whose set-up would first fetch graphics and physics libraries that the
    environments wanted here do without: folders in their place keep it from that. The advantage kernel is built for the CPU,
    so nvcc is kept out of its sight."""
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir()
    path = os.pathsep.join(p for p in os.environ["PATH"].split(os.pathsep) if not (Path(p) / "nvcc").exists())
    env = {"PATH": os.pathsep.join([str(python.parent), path]), "TMPDIR": str(source)}
    asked = ["--no-deps", "--no-build-isolation", "--no-binary", ":all:", "--no-clean", "--dest", str(source)]
    _pip(python, ["download", *asked, f"pufferlib=={FROM_SOURCE['pufferlib']}"], env, check=False)
    tree = next((path.parent for path in source.glob("**/pufferlib_*/setup.py")), None)
    if tree is None:
        raise NotInstalled("its source distribution could not be downloaded")
    for name in ("raylib-5.5_webassembly", "box2d-web", "box2d-linux-amd64"):
        (tree / name).mkdir(exist_ok=True)
    for binding in tree.glob("pufferlib/ocean/**/binding.c"):
        if binding.parent.name not in WANTED_BINDINGS:
            binding.unlink()
    _pip(python, ["install", "--no-deps", "--no-build-isolation", "."], env, cwd=tree)
    shutil.rmtree(source)
