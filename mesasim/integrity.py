"""Files that are whole or absent, or grow by whole pieces, and digests that say whether weights changed."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from torch import Tensor, nn

LOCK = ".lock"
PATIENCE_S = 1.0  # for the last workers of a process that was killed to end, which may hold its lock


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keeps a folder, made if need be, to this process: two at work in one would take each other's unfinished files for
    leftovers. BlockingIOError names the process that has it. The kernel frees what a killed process held; processes on other
    machines are kept out where the file system passes locks on."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = _locked(folder / LOCK)
    try:
        yield
    finally:
        with suppress(OSError):  # while still locked: whoever opened it meanwhile finds it gone, and makes another
            (folder / LOCK).unlink(missing_ok=True)
        os.close(handle)


def _locked(path: Path) -> int:
    """The file descriptor that holds the lock."""
    until = time.monotonic() + PATIENCE_S
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.exists(path) and os.path.samestat(os.fstat(handle), os.stat(path)):
                with suppress(OSError):  # of a full disk, which whoever writes next tells of
                    os.ftruncate(handle, 0)
                    os.write(handle, str(os.getpid()).encode())
                return handle
        except BlockingIOError:
            if time.monotonic() > until:
                who = os.read(handle, 20).decode(errors="replace") or "another"
                os.close(handle)
                message = f"{path.parent} is being worked in by process {who}; allowed: one at a time"
                raise BlockingIOError(message) from None
            time.sleep(0.02)
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                os.close(handle)
                raise
            warnings.warn(
                f"{path.parent} is on a file system without locks: see that nobody else writes there", stacklevel=3
            )
            return handle
        os.close(handle)


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Calls write(temporary path) and renames: a reader, a crash, or a machine that loses power never finds half a file. An
    OSError names the file; what was there before is then as it was."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        _to_disk(temporary)
        os.replace(temporary, path)
        _to_disk(path.parent)
    except OSError as error:
        raise OSError(error.errno or errno.EIO, f"{path} was not written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):  # of a folder that cannot be written to, where there is none
            temporary.unlink(missing_ok=True)


def append(path: Path, end: int, content: bytes) -> int:
    """Puts `content` in the place of all that a file holds after its first `end` bytes, and waits until it would outlast the
    power; where it then ends. An OSError names the file, which then ends at `end`. A kill may leave a part of `content`."""
    try:
        with path.open("r+b", buffering=0) as file:
            if (size := file.seek(0, os.SEEK_END)) < end:
                raise OSError(errno.EIO, f"it has {size} bytes, expected {end}: something else has cut it")
            file.truncate(end)
            file.seek(end)
            try:
                rest = memoryview(content)
                while rest:
                    rest = rest[file.write(rest) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(end)
                raise
    except OSError as error:
        raise OSError(error.errno or errno.EIO, f"{path} was not written: {error.strerror or error}") from error
    return end + len(content)


def _to_disk(path: Path) -> None:
    """Waits until a file, or the names in a folder, would outlast the power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_leftovers(folder: Path, names: Iterable[str] = ("*",)) -> None:
    """Removes what `write_whole` had not finished of the files of these names (`*`: any) when its process was killed. For who
    holds the folder, so that nobody is writing them: a process's number says nothing, for a container's first is always 1."""
    for name in names:
        for file in folder.glob(f".{name}.*.tmp"):
            if file.name.split(".")[-2].isdigit():
                file.unlink(missing_ok=True)


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, dtypes, shapes and bytes, in order of name."""
    hasher = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().cpu().contiguous()
        hasher.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        hasher.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return hasher.hexdigest()


def weights_hash(module: nn.Module) -> str:
    """The digest of every parameter and buffer: equal before and after means the weights did not change."""
    return digest(module.state_dict())
