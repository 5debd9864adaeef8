"""CUDA graphs on the CPU, as their documentation has them: a recording is the list of operators that came to the device, with
the memory and the numbers they were called with; a replay runs that list over the same memory, and no Python. What a function
reads from anywhere but memory is thereby fixed at what it was, as on a GPU. Looking at a value within a recording is refused."""

from contextlib import nullcontext

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Graph(TorchDispatchMode):
    """A recording."""

    recording = None  # the one that is being made

    def __init__(self):
        super().__init__()
        self.calls, self.registered, self.replays = [], [], 0

    def register_generator_state(self, generator):
        assert not self.calls, "generators are registered before recording"
        self.registered.append(generator)

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if operator is torch.ops.aten._local_scalar_dense.default:
            raise RuntimeError("a value was looked at while recording")
        drawn = kwargs.get("generator")
        if drawn is not None:  # another Python object than the caller's: known by its state
            known = any(torch.equal(drawn.get_state(), own.get_state()) for own in self.registered)
            assert known, "drawn from a generator that was not registered: every replay would draw the same numbers"
        made = operator(*args, **kwargs)
        given = {_memory(t) for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)}
        own = [t for t in tree_leaves(made) if isinstance(t, torch.Tensor)]
        if operator._schema.is_mutable:
            self.calls.append(lambda: operator(*args, **kwargs))
        elif not all(_memory(t) in given for t in own):  # else another view of memory there is
            self.calls.append(lambda: _fill(own, operator(*args, **kwargs)))
        return made

    def replay(self):
        self.replays += 1
        if self.replays > 1:  # a GPU runs nothing while recording; here the first run was that
            with torch.no_grad():
                for call in self.calls:
                    call()


def _memory(tensor):
    return tensor.untyped_storage()._cdata


def _fill(old, made):
    for one, new in zip(old, (t for t in tree_leaves(made) if isinstance(t, torch.Tensor)), strict=True):
        one.copy_(new)


class Graphs:
    """In place of mesasim.train.recording.CudaGraphs. `env`: what steps of it do is no operator of torch, and recorded too."""

    def __init__(self, env):
        self.made, self.forgotten = [], 0
        launch = env.launch

        def launched(actions):
            launch(actions)
            if Graph.recording is not None:
                Graph.recording.calls.append(lambda: launch(actions))

        env.launch = launched

    def forget(self):
        self.forgotten += 1

    def at_work(self):
        return nullcontext()

    def new(self):
        self.made.append(Graph())
        return self.made[-1]

    def record(self, graph, function):
        Graph.recording = graph
        try:
            with graph:
                function()
        finally:
            Graph.recording = None
