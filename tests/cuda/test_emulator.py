"""The emulated runtime runs kernels as a GPU would, and tells faults of kernels that a GPU may hide. Runs on the build with
MESASIM_CUDA=EMULATED (make test-emulated)."""

import pytest

from mesasim import _core

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


def test_waiting_for_a_lane_that_has_ended_fails_the_launch(order):
    with pytest.raises(RuntimeError, match="a lane waits for one that has ended"):
        _core.run_planted("absence")


def test_a_failed_launch_leaves_the_next_one_whole(order):
    with pytest.raises(RuntimeError):
        _core.run_planted("divergence")
    assert _core.run_planted("sound") == [sum(range(32))] * 32


def test_everything_runs_on_the_emulated_device():
    compiled, names, reason = _core.cuda_status()
    assert (compiled, names, reason) == (True, ["emulated on the CPU"], "")
