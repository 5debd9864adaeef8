"""Files that are whole or absent, and digests that say whether weights changed."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from torch import Tensor, nn


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


def _to_disk(path: Path) -> None:
    """Waits until a file, or the names in a folder, would outlast the power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


LOCK = "training.lock"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Holds a folder for this process alone, by a lock on a file in it that goes with the process however it ends.
    BlockingIOError naming the process that has it. Where the file system knows no locks nothing is held."""
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 20, 0).decode(errors="replace").strip() or "unknown"
            raise BlockingIOError(f"run: {folder} is being trained in by process {holder}") from None
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise
        with suppress(OSError):  # of a full disk, which the first checkpoint tells of
            os.truncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
        with suppress(OSError):
            os.truncate(handle, 0)
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
