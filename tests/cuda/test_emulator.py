"""The emulated runtime runs kernels as a GPU would, and tells faults of kernels that a GPU may hide. Runs on the build with
MESASIM_CUDA=EMULATED (make test-emulated)."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import mesasim
from mesasim import _core, mazes, regression, sequences, tsp

CSRC = Path(__file__).resolve().parents[2] / "csrc"

if not hasattr(_core, "run_planted"):
    pytest.skip("this build's CUDA is not emulated; make test-emulated runs these", allow_module_level=True)


@pytest.fixture(params=["ascending", "descending"])
def order(request, monkeypatch):
    monkeypatch.setenv("MESASIM_EMULATED_ORDER", request.param)
    return request.param


def test_lanes_agree_on_a_sum(order):
    assert _core.run_planted("sound") == [sum(range(32))] * 32


def test_a_race_gives_another_result_in_the_other_order(monkeypatch):
    seen = []
    for order in ("ascending", "descending"):
        monkeypatch.setenv("MESASIM_EMULATED_ORDER", order)
        seen.append(_core.run_planted("race"))
    assert seen[0] != seen[1]


def test_the_same_order_gives_the_same_race(order):
    assert _core.run_planted("race") == _core.run_planted("race")


def test_lanes_that_wait_for_different_things_fail_the_launch(order):
    with pytest.raises(RuntimeError, match="lanes of a warp wait for different things"):
        _core.run_planted("divergence")


@pytest.mark.parametrize("name", ["places", "sums", "masks"])
def test_a_shuffle_at_two_places_or_with_two_masks_fails_the_launch(order, name):
    with pytest.raises(RuntimeError, match="lanes of a warp wait for different things") as failure:
        _core.run_planted(name)
    lines = re.findall(r"at __shfl_xor_sync, planted\.cpp:(\d+)", str(failure.value))
    assert len(lines) == 2 and (len(set(lines)) == 2) == (name != "masks")


@pytest.mark.parametrize("name", ["lane_gone", "warp_gone"])
def test_a_barrier_of_a_block_whose_threads_have_ended_fails_the_launch(order, name):
    with pytest.raises(RuntimeError, match="a thread waits at the block's barrier for one that has ended"):
        _core.run_planted(name)


def test_warps_at_different_barriers_fail_the_launch(order):
    with pytest.raises(RuntimeError, match="threads of a block wait at different barriers"):
        _core.run_planted("barriers")


def test_waiting_for_a_lane_that_has_ended_fails_the_launch(order):
    with pytest.raises(RuntimeError, match="a lane waits for one that has ended"):
        _core.run_planted("absence")


def test_a_failed_launch_leaves_the_next_one_whole(order):
    with pytest.raises(RuntimeError):
        _core.run_planted("divergence")
    assert _core.run_planted("sound") == [sum(range(32))] * 32


def test_a_block_has_48_kib_of_shared_memory_and_not_a_byte_more():
    assert _core.run_planted("roomy") == [sum(range(32))] * 32
    with pytest.raises(RuntimeError, match="invalid argument"):
        _core.run_planted("too_roomy")


@pytest.mark.skipif(not shutil.which("c++"), reason="there is no C++ compiler")
@pytest.mark.parametrize(("size", "compiles"), [(4096, True), (4097, False)])
def test_a_kernel_with_more_than_4096_bytes_of_parameters_does_not_compile(size, compiles):
    source = f"""
    #include "backends/cuda_launch.h"
    struct Parameter {{ char byte[{size}]; }};
    void kernel(Parameter) {{}}
    cudaError_t f() {{ return mesa::launch(&kernel, 1, 32, 0, nullptr, Parameter{{}}); }}
    """
    command = [
        "c++",
        "-std=c++17",
        "-fsyntax-only",
        "-DMESA_EMULATED_CUDA",
        "-I",
        CSRC / "emulator",
        "-I",
        CSRC,
        "-xc++",
        "-",
    ]
    done = subprocess.run(command, input=source, text=True, capture_output=True, check=False)
    assert (done.returncode == 0) == compiles, done.stderr
    assert compiles or "a kernel's parameters have 4096 bytes" in done.stderr


@pytest.fixture
def second_device():
    _core.use_device(1)
    yield
    _core.use_device(0)


def worlds():
    for world in ("Corridor-v0", "Maze-v0"):  # a slot a thread; a warp begins the episodes
        env = mesasim.make_vec(world, 3, num_threads=1, autoreset_mode="SameStep")
        env.reset(seed=1)
        env.step(env.action_space.sample())


def failing_launch():
    with pytest.raises(RuntimeError, match="ended"):
        _core.run_planted("absence")


RUNS = {
    "worlds": worlds,
    "mazes": lambda: mazes.generate(3, 5).distances(0),
    "tours": lambda: tsp.solve(tsp.generate(2, 6)),
    "sequences": lambda: sequences.generate(next(iter(sequences.processes())), 2, 4),
    "regression": lambda: regression.generate(2),
    "a launch that fails": failing_launch,
}


@pytest.mark.parametrize("run", RUNS)
def test_the_current_device_stays_what_the_caller_made_it(second_device, run):
    RUNS[run]()
    assert _core.current_device() == 1


def test_there_are_no_more_devices_than_two():
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        _core.use_device(2)
    assert _core.current_device() == 0


def test_everything_runs_on_the_emulated_devices():
    compiled, names, reason = _core.cuda_status()
    assert (compiled, names, reason) == (True, ["emulated on the CPU"] * 2, "")
