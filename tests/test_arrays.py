"""Arrays of other libraries come in without a copy, or are refused by name: what cannot be shared, written or moved."""

import re
import runpy
from pathlib import Path

import array_api_strict
import numpy as np
import pyarrow
import pytest
import torch
from plain.foreign_arrays import Dlpack, Interface, OnlyDlpack, frozen

from mesasim import arrays, tsp
from mesasim.arrays import as_tensor
from mesasim.devices import devices, missing_cuda

needs_no_gpu = pytest.mark.skipif("cuda:0" in devices(), reason="there is a GPU here")
needs_gpu = pytest.mark.skipif("cuda:0" not in devices(), reason=f"no CUDA device: {missing_cuda()}")
CPU = torch.device("cpu")


EXAMPLE = 0.26472187603562736  # of 50 maps of 7 cities


# What is shared


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64", "float32", "float64", "bool"])
@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (7,), (2, 3, 4)])
def test_memory_of_every_host_library_is_shared(dtype, shape):
    numpy = np.arange(np.prod(shape, dtype=int)).astype(dtype).reshape(shape)
    given = {
        "NumPy": numpy, "torch": torch.from_numpy(numpy), "read-only": frozen(numpy.view()), "DLPack": OnlyDlpack(numpy),
        "array-api-strict": array_api_strict.asarray(numpy), "transposed": numpy.T,
    }  # fmt: skip
    for library, value in given.items():
        tensor = as_tensor("x", value, torch.from_numpy(numpy).dtype)
        assert tensor.data_ptr() == (numpy.ctypes.data if numpy.size else tensor.data_ptr()), library
        assert np.array_equal(tensor.numpy(), numpy.T if library == "transposed" else numpy), library


def test_memory_of_pyarrow_is_shared_and_its_bits_are_unpacked():
    whole = pyarrow.array([3, 1, 2])
    assert as_tensor("x", whole, "integers").data_ptr() == whole.buffers()[1].address
    assert as_tensor("x", whole.slice(1), "integers").tolist() == [1, 2]
    assert as_tensor("x", pyarrow.array([True, False]), "bool").tolist() == [True, False]


@pytest.mark.parametrize(
    "value",
    [np.arange(6)[::-1], np.arange(12)[::-2], np.arange(6, dtype=">i8")[::-1], np.arange(6, dtype=">f4")[::-1],
     np.zeros(6, [("a", "i4"), ("b", "i1")])["a"], OnlyDlpack(np.arange(6)[::-1]), array_api_strict.arange(6)[::-1]],
    ids=["reversed", "every other", "big-endian", "big-endian floats", "a field", "reversed by DLPack", "reversed, strict"],
)  # fmt: skip
def test_what_torch_cannot_lay_out_is_converted_on_the_host(value):
    expected = np.asarray(getattr(value, "array", value))
    assert as_tensor("x", value).tolist() == expected.tolist()


def test_a_lazily_negated_view_is_what_it_says():
    lengths = torch.tensor([[0.0, 1.0, 2.0, 2.5], [1.0, 0.0, 1.5, 2.0], [2.0, 1.5, 0.0, 1.0], [2.5, 2.0, 1.0, 0.0]])
    lengths = lengths.double()[None]
    negated = torch._neg_view(-lengths)
    assert torch.equal(as_tensor("x", negated), lengths) and not as_tensor("x", negated).is_neg()
    given, found = tsp.solve(lengths), tsp.solve(negated)
    assert torch.equal(given.length, found.length) and torch.equal(given.order, found.order)
    with pytest.raises(ValueError, match=r"^x: got a lazily negated view, allowed: one that can be written"):
        as_tensor("x", negated, written=True)


class NoInterface(OnlyDlpack):
    @property
    def __cuda_array_interface__(self):
        raise RuntimeError("not on a GPU")


def test_an_interface_that_fails_is_not_asked_of_memory_of_the_host():
    assert as_tensor("x", NoInterface(np.arange(3))).tolist() == [0, 1, 2]


def test_sequences_are_converted():
    assert as_tensor("x", [[1, 2], [3, 4]]).dtype == torch.int64
    assert as_tensor("x", (0.5, 1), "floats").dtype == torch.float64
    assert as_tensor("x", [torch.tensor([1, 2]), torch.tensor([3, 4])]).tolist() == [[1, 2], [3, 4]]
    assert as_tensor("x", range(3)).tolist() == [0, 1, 2]


def test_a_gradient_is_left_behind_and_the_memory_is_not():
    learned = torch.ones(3, requires_grad=True)
    assert not as_tensor("x", learned).requires_grad
    assert as_tensor("x", learned).data_ptr() == learned.data_ptr()


def test_a_shared_array_stays_alive_with_the_tensor():
    tensor = as_tensor("x", frozen(np.full(10**6, 7)))
    others = [np.zeros(10**6, int) for _ in range(4)]
    assert (tensor == 7).all() and len(others) == 4


# What is refused on the host


@pytest.mark.parametrize(
    ("value", "kind", "error", "words"),
    [
        (np.zeros(3), "integers", TypeError, r"x: got dtype torch\.float64, allowed: integers"),
        (np.zeros(3, int), "floats", TypeError, r"x: got dtype torch\.int64, allowed: floats"),
        (np.zeros(3, int), "bool", TypeError, r"x: got dtype torch\.int64, allowed: bool"),
        (np.zeros(3, bool), "numbers", TypeError, r"x: got dtype torch\.bool, allowed: numbers"),
        (np.zeros(3, int), torch.uint8, TypeError, r"x: got dtype torch\.int64, allowed: torch\.uint8"),
        (np.zeros(3, complex), "numbers", TypeError, "x: got dtype complex128"),
        (np.zeros(3, np.longdouble), "numbers", TypeError, "x: got dtype float128"),
        (np.array(["a"]), "numbers", TypeError, "x: got dtype <U1"),
        (np.array([None]), "numbers", TypeError, "x: got dtype object"),
        (np.ma.masked_array([1, 2], [0, 1]), "numbers", ValueError, "x: got an array with values masked"),
        (torch.zeros(3).to_sparse(), "numbers", TypeError, r"x: got torch\.float32, torch\.sparse_coo"),
        (torch.zeros(3, device="meta"), "numbers", ValueError, "x: got a tensor on meta, allowed: on the CPU or a GPU"),
        (None, "numbers", TypeError, "x: got NoneType"),
        (3, "numbers", TypeError, "x: got int"),
        ("abc", "numbers", TypeError, "x: got str"),
        ([[1], [2, 3]], "numbers", ValueError, "x: got list that makes no array"),
        ([torch.zeros(2), torch.zeros(3)], "numbers", ValueError, "x: got list that makes no array"),
        (object(), "numbers", TypeError, "x: got object"),
        (Dlpack(8), "numbers", ValueError, "x: got memory of DLPack's kind 8"),
        (Dlpack(13), "numbers", ValueError, "x: got memory of DLPack's kind 13"),
    ],
)  # fmt: skip
def test_what_is_no_such_array_is_refused_by_name(value, kind, error, words):
    with pytest.raises(error, match=f"^{words}") as refusal:
        as_tensor("x", value, kind)
    assert "allowed: " in str(refusal.value)


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (frozen(np.zeros(3)), ValueError, "a read-only array"), (np.zeros(3)[::-1], ValueError, "strides"),
        (np.zeros(3, ">f8"), ValueError, ">f8"), ([1.0, 2.0], TypeError, "list"),
        (OnlyDlpack(frozen(np.zeros(3))), ValueError, "a read-only array"), (pyarrow.array([1.0]), ValueError, "read-only"),
        (pyarrow.array([True]), ValueError, "BooleanArray that DLPack cannot hand over"),
        (OnlyDlpack(np.zeros(3)[::-1]), ValueError, "strides"),
        (Interface(data=(4096, True)), ValueError, "a read-only array"),
    ],
)  # fmt: skip
def test_memory_that_cannot_be_written_is_refused_where_it_will_be(value, error, words):
    with pytest.raises(error, match=f"^x: got .*{words}.*allowed: "):
        as_tensor("x", value, written=True)


def test_what_is_written_is_the_callers():
    mine = np.zeros(3)
    as_tensor("x", mine, written=True).fill_(5)
    assert mine.tolist() == [5, 5, 5]


def test_an_array_elsewhere_is_never_moved_and_the_message_says_how():
    for value, how in ((torch.zeros(3), r"x\.to\('meta'\)"), (np.zeros(3), r"torch\.from_dlpack\(x\)\.to\('meta'\)")):
        with pytest.raises(
            ValueError, match=rf"^x: got a tensor on cpu, allowed: meta; nothing is copied .* {how} does it"
        ):
            as_tensor("x", value, device=torch.device("meta"))
    assert as_tensor("x", [1, 2], device=torch.device("meta")).is_meta  # a list is nowhere yet


# GPUs


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        ({"version": 1}, ValueError, "version 1, allowed: 2 or later"), ({"mask": Interface()}, ValueError, "with a mask"),
        ({"typestr": ">i4"}, TypeError, "dtype >i4"), ({"typestr": "<c8"}, TypeError, "dtype <c8"),
        ({"strides": (-4,)}, ValueError, r"strides \(-4,\)"), ({"strides": (6,)}, ValueError, r"strides \(6,\)"),
        ({"strides": (4, 4)}, ValueError, r"strides \(4, 4\)"), ({"typestr": "nonsense"}, TypeError, "that is none"),
        ({"data": 4096}, TypeError, "that is none"), ({"shape": None}, TypeError, "that is none"),
        ({"version": None}, TypeError, "that is none"),
    ],
)  # fmt: skip
def test_an_interface_that_torch_would_misread_is_refused(changed, error, words):
    for given in (Interface(**changed), Dlpack(2, **changed)):
        with pytest.raises(error, match=f"^x: got .*{words}"):
            as_tensor("x", given)


@needs_no_gpu
@pytest.mark.parametrize(
    ("value", "where"),
    [(Dlpack(2), "cuda:0"), (Dlpack(2, 3), "cuda:3"), (Interface(), "a GPU"), (Interface(version=2), "a GPU"),
     (Interface(stream=1), "a GPU"), (Dlpack(13, version=3), "a GPU"), (Interface(data=(0, False), shape=(0,)), "a GPU")],
)  # fmt: skip
def test_an_array_on_a_gpu_that_cannot_be_used_is_refused_and_says_why(value, where):
    with pytest.raises(RuntimeError) as refusal:
        as_tensor("x", value)
    assert str(refusal.value) == f"x: got an array on {where}, but only cpu can be used here ({missing_cuda()})"


def test_the_producers_stream_is_waited_for_as_the_protocol_says(monkeypatch):
    on, done = torch.device("cuda", 1), []

    class Stream:
        def __init__(self, *name):
            self.name = name

        def wait_stream(self, other):
            done.append((*self.name, "waits for", *other.name))

    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream("current", device))
    monkeypatch.setattr(torch.cuda, "default_stream", lambda device: Stream("default", device))
    monkeypatch.setattr(torch.cuda, "ExternalStream", lambda number, device: Stream(number, device))
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: done.append(("all of", device)))
    for stream in (None, 1, 2, 0x7F00):
        arrays.wait_for("x", stream, on)
    assert done == [
        ("current", on, "waits for", "default", on), ("all of", on), ("current", on, "waits for", 0x7F00, on),
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"^x: got stream 0"):
        arrays.wait_for("x", 0, on)


@needs_gpu
def test_memory_of_cupy_is_shared_both_ways():
    cupy = pytest.importorskip("cupy")
    points = cupy.random.default_rng(1).random((50, 8, 2))
    tensor = as_tensor("x", points, device=torch.device("cuda", 0))
    assert tensor.data_ptr() == points.data.ptr
    tours = tsp.solve(points, "held_karp", device="cuda")
    order = cupy.from_dlpack(tours.order)
    assert order.data.ptr == tours.order.data_ptr()
    there = tsp.solve(cupy.asnumpy(points), "held_karp")
    assert cupy.asnumpy(order).tolist() == there.order.tolist()
    with pytest.raises(ValueError, match=r"^instances: got a tensor on cuda:0, allowed: cpu"):
        tsp.solve(points)
    with pytest.raises(ValueError, match="strides"):
        as_tensor("x", points[::-1])


@needs_gpu
def test_the_interface_alone_is_enough_on_a_gpu():
    source = torch.arange(12, device="cuda").view(3, 4)
    described = source.__cuda_array_interface__

    class Alone:
        __cuda_array_interface__ = described | {"version": 3, "stream": 1, "data": (described["data"][0], True)}

    tensor = as_tensor("x", Alone())
    assert tensor.data_ptr() == source.data_ptr() and torch.equal(tensor, source)
    assert as_tensor("x", Interface(shape=(0, 2), data=(0, False))).shape == (0, 2)


# Out


def test_results_go_out_without_a_copy():
    order = tsp.solve(tsp.generate(4, 6, seed=1)).order
    assert np.asarray(order).ctypes.data == np.from_dlpack(order).ctypes.data == order.data_ptr()
    assert array_api_strict.from_dlpack(order).__dlpack_device__() == (1, 0)


@pytest.mark.parametrize(
    ("library", "device"),
    [("numpy", "cpu"), ("array_api_strict", "cpu"), pytest.param("cupy", "cuda", marks=needs_gpu)],
)
def test_the_example_runs_in_every_library(library, device):
    xp = pytest.importorskip(library)
    path = Path(__file__).parents[1] / "examples" / "arrays.py"
    assert runpy.run_path(str(path))["main"](xp, device, count=50, n=7) == pytest.approx(EXAMPLE, rel=1e-6)


def test_the_page_about_arrays_runs():
    page = (Path(__file__).parents[1] / "docs" / "arrays.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        exec(compile(example, "docs/arrays.md", "exec"), {})
