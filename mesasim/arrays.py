"""Where arrays of other libraries become torch tensors, and the only place: NumPy's, anything with DLPack (CuPy, JAX,
PyArrow, array-api-strict), anything with __cuda_array_interface__ (Numba). Memory that can be shared is shared, nothing is
ever moved between devices, and what cannot be taken is refused by name. The way out is torch's own (docs/arrays.md)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mesasim.buffers import address
from mesasim.devices import devices, missing_cuda
from mesasim.machine import check_room

KINDS = {"integers": "i", "floats": "f", "numbers": "if", "bool": "b", "integers or bool": "ib"}
PLAIN = "?bhilqBHILQefd"  # NumPy's letters of what torch has too
HOST, CUDA, CUDA_HOST, CUDA_MANAGED = 1, 2, 3, 13  # of DLPack's DLDeviceType
LARGE = 2**28  # numbers
CANNOT_SHARE = (BufferError, TypeError, ValueError, RuntimeError, NotImplementedError, DeprecationWarning)


def as_tensor(
    name: str, value: Any, kind: str | torch.dtype = "numbers", *, device: torch.device | None = None, written: bool = False,
    allowed: str | None = None,
) -> Tensor:  # fmt: skip
    """`value` as a tensor that shares its memory.

    Lists and other sequences are converted, onto `device`. So is a lazily negated tensor and, on the host, what torch has no
    word for: negative strides, foreign byte order, a library's packed bits. A tensor's gradient is left behind.

    Args:
        name: of the caller's argument, which every message begins with.
        kind: one of KINDS ("numbers": integers or floats), or one dtype.
        device: where it must be already; None: on the CPU or any GPU that can be used here.
        written: whether it will be written to; then only memory that torch can share and write will do.
        allowed: what messages say may be given; default: the kind.

    Raises:
        TypeError: no array, or of another dtype.
        ValueError: ragged, read-only though `written`, masked, on another device, or laid out as torch cannot express.
        RuntimeError: on a GPU that cannot be used here.
    """
    wanted = allowed or str(kind)
    tensor = value if isinstance(value, Tensor) else _tensor(name, value, wanted, device, written)
    if tensor.numel() > LARGE:  # a view that repeats a number may be larger than memory, as what is made of it would be
        check_room(name, f"{tensor.numel()} numbers", tensor.numel() * tensor.element_size(), tensor.device)
    if tensor.layout != torch.strided:
        raise TypeError(f"{name}: got {tensor.dtype}, {tensor.layout}, allowed: {wanted}, dense")
    if not _is_of(tensor.dtype, kind):
        raise TypeError(f"{name}: got dtype {tensor.dtype}, allowed: {wanted}")
    if device is None and tensor.device.type not in ("cpu", "cuda"):
        raise ValueError(f"{name}: got a tensor on {tensor.device}, allowed: on the CPU or a GPU")
    if device is not None and tensor.device != device:
        how = name if isinstance(value, Tensor) else f"torch.from_dlpack({name})"
        raise ValueError(
            f"{name}: got a tensor on {tensor.device}, allowed: {device}; nothing is copied between devices unasked, "
            f"{how}.to('{device}') does it"
        )
    if tensor.is_neg():  # a view whose memory holds the opposite numbers (the imaginary part of a conjugate)
        if written:
            raise ValueError(f"{name}: got a lazily negated view, allowed: one that can be written as it lies")
        tensor = tensor.resolve_neg()
    return tensor.detach() if tensor.requires_grad else tensor


def is_array(value: Any) -> bool:
    """Whether `value` is an array of some library, rather than a number or a sequence of numbers."""
    protocols = ("__dlpack_device__", "__cuda_array_interface__")
    return isinstance(value, (Tensor, np.ndarray)) or any(hasattr(value, protocol) for protocol in protocols)


def selection(which: Any, device: torch.device) -> slice | Tensor:
    """What the tensors of a batch on `device` are indexed with to be a batch again: a slice, or an array or list of indices
    or bool. TypeError for a single number."""
    if isinstance(which, slice):
        return which
    if isinstance(which, (int, np.integer)):
        raise TypeError(f"index: got {which}, allowed: a slice or a tensor; [{which}:{which + 1}] is a batch of one")
    chosen = as_tensor("index", which, "integers or bool", device=device)
    return chosen if chosen.dtype == torch.bool else chosen.long()


def _is_of(dtype: torch.dtype, kind: str | torch.dtype) -> bool:
    if isinstance(kind, torch.dtype):
        return dtype == kind
    letter = "b" if dtype == torch.bool else "c" if dtype.is_complex else "f" if dtype.is_floating_point else "i"
    return letter in KINDS[kind]


def _tensor(name: str, value: Any, wanted: str, device: torch.device | None, written: bool) -> Tensor:
    if isinstance(value, np.ndarray):
        return _of_numpy(name, value, wanted, written)
    memory = None
    if hasattr(value, "__dlpack__") and hasattr(value, "__dlpack_device__"):
        memory, index = value.__dlpack_device__()
        if memory in (HOST, CUDA_HOST):
            return _of_numpy(name, _shared(name, value, written), wanted, written)
    interface = getattr(value, "__cuda_array_interface__", None)  # made anew at each look, by code that may fail
    if memory is not None:
        if memory == CUDA:
            if interface is not None:  # DLPack carries no strides that could be looked at before torch has them
                _check_interface(name, interface, wanted, written)
            _check_gpu(name, int(index))
            return _of_dlpack(name, value, wanted)
        if memory != CUDA_MANAGED or interface is None:
            raise ValueError(
                f"{name}: got memory of DLPack's kind {int(memory)}, allowed: {wanted} on the CPU or a GPU"
            )
    if interface is not None:
        _check_interface(name, interface, wanted, written)
        _check_gpu(name, None)
        return _of_interface(name, value, interface, device)
    if written:
        raise TypeError(f"{name}: got {type(value).__name__}, allowed: an array to be filled")
    tensor = _of_sequence(name, value, wanted)
    return tensor if device is None else tensor.to(device)


# The host


class _Lent:
    """Read-only memory as NumPy takes it for writable. torch knows no other and warns of it; nobody here writes to it."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array  # stays alive with the view
        self.__array_interface__ = {**array.__array_interface__, "data": (array.ctypes.data, False)}


def _of_numpy(name: str, array: np.ndarray, wanted: str, written: bool) -> Tensor:
    if type(array) is np.ndarray and array.flags.carray and array.dtype.isnative and array.dtype.char in PLAIN:
        return torch.from_numpy(array)  # almost every array: none of what follows can be
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name}: got dtype {array.dtype}, allowed: {wanted}")
    if np.ma.is_masked(array):
        raise ValueError(f"{name}: got an array with values masked, allowed: {wanted}, none masked")
    size = array.dtype.itemsize
    shareable = array.dtype.isnative and all(step >= 0 and step % size == 0 for step in array.strides)
    if written and not (shareable and array.flags.writeable):
        what = "a read-only array" if shareable else f"{array.dtype.str} with strides {array.strides}"
        raise ValueError(f"{name}: got {what}, allowed: one that can be written as it lies")
    if not shareable:
        array = np.array(array, dtype=array.dtype.newbyteorder("="), order="C")
    elif not array.flags.writeable:
        array = np.asarray(_Lent(array))
    try:
        return torch.from_numpy(array)
    except TypeError as error:  # a long double, say
        raise TypeError(f"{name}: got dtype {array.dtype}, allowed: {wanted}") from error


def _shared(name: str, value: Any, written: bool) -> np.ndarray:
    """Host memory by DLPack; converted where that cannot say what it holds (PyArrow's bits and nulls). By way of NumPy:
    torch.from_dlpack ends the process where a stride is negative, and forgets what is read-only."""
    try:
        return np.from_dlpack(value)
    except CANNOT_SHARE as error:
        if written:  # a copy would be filled, and thrown away
            raise ValueError(
                f"{name}: got {type(value).__name__} that DLPack cannot hand over ({error}), allowed: one that can be written "
                "as it lies"
            ) from error
        return np.asarray(value)


def _of_sequence(name: str, value: Any, wanted: str) -> Tensor:
    try:
        if isinstance(value, (list, tuple)) and value and all(isinstance(row, Tensor) for row in value):
            return torch.stack(list(value))
        array = np.asarray(value)
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"{name}: got {type(value).__name__} that makes no array, allowed: {wanted}") from error
    except TypeError as error:
        raise TypeError(f"{name}: got {type(value).__name__} that makes no array, allowed: {wanted}") from error
    if array.ndim == 0 and not isinstance(value, np.generic):
        raise TypeError(f"{name}: got {type(value).__name__}, allowed: {wanted}")
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name}: got {type(value).__name__} of {array.dtype}, allowed: {wanted}")
    return _of_numpy(name, array, wanted, written=False)


# GPUs


def _check_gpu(name: str, index: int | None) -> None:
    usable = devices()
    if (f"cuda:{index}" in usable) if index is not None else len(usable) > 1:
        return
    where = "a GPU" if index is None else f"cuda:{index}"
    why = f" ({missing_cuda()})" if missing_cuda() else ""
    raise RuntimeError(f"{name}: got an array on {where}, but only {', '.join(usable)} can be used here{why}")


def _of_dlpack(name: str, value: Any, wanted: str) -> Tensor:
    try:
        return torch.from_dlpack(value)  # hands over torch's current stream, which the producer makes wait
    except CANNOT_SHARE as error:
        raise TypeError(
            f"{name}: got {type(value).__name__} that DLPack cannot hand over ({error}), allowed: {wanted}"
        ) from error


def _check_interface(name: str, interface: Any, wanted: str, written: bool) -> None:
    """Refuses what torch would take for something else, or not at all."""
    try:
        dtype, (_, read_only) = np.dtype(interface["typestr"]), interface["data"]
        version, shape = int(interface["version"]), tuple(interface["shape"])
        strides = tuple(interface.get("strides") or ())
    except (KeyError, TypeError, ValueError) as error:
        raise TypeError(f"{name}: got a __cuda_array_interface__ that is none ({error}), allowed: {wanted}") from error
    if version < 2:
        raise ValueError(f"{name}: got __cuda_array_interface__ of version {version}, allowed: 2 or later")
    if interface.get("mask") is not None:
        raise ValueError(f"{name}: got an array with a mask, allowed: {wanted}, none masked")
    if not dtype.isnative or dtype.kind not in "biuf":
        raise TypeError(f"{name}: got dtype {dtype.str}, allowed: {wanted}, of this machine's byte order")
    if len(strides) not in (0, len(shape)) or any(step < 0 or step % dtype.itemsize for step in strides):
        raise ValueError(
            f"{name}: got strides {strides} in bytes, allowed: none negative, each of whole numbers; make it contiguous first"
        )
    if written and read_only:
        raise ValueError(f"{name}: got a read-only array, allowed: one that can be written as it lies")


def _of_interface(name: str, value: Any, interface: dict[str, Any], device: torch.device | None) -> Tensor:
    """By torch's own reader of the interface, which looks neither at streams nor at whose GPU the memory is on."""
    found = [torch.device("cuda", i) for i in range(torch.cuda.device_count())]
    at, _ = interface["data"]
    if 0 in interface["shape"]:
        on = device if device in found else found[0]
        return torch.empty(interface["shape"], dtype=_torch_dtype(interface["typestr"]), device=on)
    for on in [device] if device in found else found:
        view = _LentOnGpu(value, {**interface, "data": (at, False)})
        tensor = torch.as_tensor(view, device=on)
        if address(tensor) == at:  # else it was copied there, from another GPU
            wait_for(name, interface.get("stream"), on)
            return tensor
    raise ValueError(f"{name}: got an array on another GPU, allowed: {device or 'one of torch'}; move it there first")


class _LentOnGpu:
    """As _Lent: torch refuses memory of the GPU that is said to be read-only."""

    def __init__(self, array: Any, interface: dict[str, Any]) -> None:
        self.array, self.__cuda_array_interface__ = array, interface


def _torch_dtype(typestr: str) -> torch.dtype:
    return torch.from_numpy(np.empty(0, np.dtype(typestr))).dtype


def wait_for(name: str, stream: int | None, device: torch.device) -> None:
    """Lets torch's current stream on `device` wait until what a producer has put on `stream` is done: an entry of
    __cuda_array_interface__, version 3. None: there is nothing to wait for; 1: the default stream; 2: that of the thread."""
    if stream is None:
        return
    if stream == 0:
        raise ValueError(
            f"{name}: got stream 0, which the __cuda_array_interface__ has no meaning for, allowed: 1 or more"
        )
    if stream == 2:  # torch has no name for it
        torch.cuda.synchronize(device)
        return
    producer = torch.cuda.default_stream(device) if stream == 1 else torch.cuda.ExternalStream(stream, device)
    torch.cuda.current_stream(device).wait_stream(producer)
