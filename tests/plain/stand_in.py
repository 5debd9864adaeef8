"""A stand-in for a GPU on a machine without one: torch's meta device. Its tensors have shapes and no values, so nothing can look
at one, and the CPU is another device than theirs. What runs there to the end, watched by `Watch`, makes a host wait for no
GPU and mixes no devices."""

import types
from contextlib import contextmanager

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mesasim import waits

META = torch.device("meta")
aten = torch.ops.aten
LOOKS = {  # what learns a value, or a shape that depends on values
    aten._local_scalar_dense, aten.is_nonzero, aten.equal, aten.nonzero, aten.nonzero_static, aten.masked_select, aten.unique_dim,
    aten._unique, aten._unique2, aten.unique_consecutive, aten.unique_dim_consecutive, aten.allclose, aten.bincount,
    aten.repeat_interleave,
}  # fmt: skip
LITERALS = {torch.tensor, torch.as_tensor, torch.asarray, torch.Tensor.new_tensor}
COPIES = {aten._to_copy, aten.copy_, aten.copy}
MASKS = (torch.bool, torch.uint8)
INDEXING = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_, aten._unsafe_index}


class Waits(AssertionError):
    """The host would wait for the device, or two devices would be mixed."""


class Literals(TorchFunctionMode):
    """Raises Waits at a tensor made there of Python's numbers: a copy from the host."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if func in LITERALS and made.device == META and not isinstance(args[-1], torch.Tensor):
            raise Waits(f"{func} copies Python's numbers")
        return made


class Watch(TorchDispatchMode):
    """Raises Waits at any operator that would make a host wait for a GPU, or that would not find all it needs there."""

    def __enter__(self):
        self.literals = Literals()
        self.literals.__enter__()
        return super().__enter__()

    def __exit__(self, *failure):
        super().__exit__(*failure)
        self.literals.__exit__(*failure)

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name, given = func.overloadpacket, [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        there = [t for t in given if t.device == META]
        here = [t for t in given if t.device != META]
        if there and (name in LOOKS and not kwargs.get("output_size")):
            raise Waits(f"{func} looks at values")
        if there and name in INDEXING and any(t is not None and t.dtype in MASKS for t in args[1]):
            raise Waits(f"{func} by a mask has to count it")
        if there and any(t.ndim for t in here):  # a scalar goes along with a launch
            raise Waits(f"{func} of tensors on two devices")
        out = func(*args, **kwargs)
        made = [t for t in tree_leaves(out) if isinstance(t, torch.Tensor)]
        if name in COPIES and {t.device for t in given + made} > {META}:
            raise Waits(f"{func} from one device to another")
        if not given and any(t.device != META and t.ndim for t in made):
            raise Waits(f"{func} makes a tensor on the CPU")
        return out


@contextmanager
def counted_waits(monkeypatch):
    """Lets the waits of mesasim/waits.py happen, with values made up, and counts them."""
    seen = []

    def read(tensor):
        seen.append("read")
        return torch.zeros(tensor.shape, dtype=tensor.dtype)

    def places(mask):
        seen.append("places")
        return tuple(torch.zeros(3, dtype=torch.int64, device=META) for _ in mask.shape)

    def unwatched(function):
        def call(tensor):
            with torch.utils._python_dispatch._disable_current_modes():
                return function(tensor)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(waits, "read", unwatched(read))
        patch.setattr(waits, "places", unwatched(places))
        yield seen


def moved(env):
    """The environment as it would be on a GPU: its buffers there, its native engine launching into the void."""
    env.device = META
    groups = env.buffers.group
    env.buffers.group = {g: {name: t.to(META) for name, t in named.items()} for g, named in groups.items()}
    core = env.buffers.group["core"]
    env.actions, env._core_views = core["action"], (core["reward"], core["terminated"], core["truncated"])
    nothing = lambda *_, **__: None  # noqa: E731
    env._native = types.SimpleNamespace(step=nothing, fault=nothing, reset=nothing)
    env._stream = lambda: 0
    return env
