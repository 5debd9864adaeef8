"""What every world owes (tests/test_contract.py), a world in Python owes too: the same tests, over the example."""

import inspect
import os

import pytest
import test_contract
from custom.twins import example  # noqa: F401  registers it

import mesasim
from mesasim.testing import check_vector_env, record

globals().update(
    {
        name: test
        for name, test in vars(test_contract).items()
        if name.startswith("test_") and "case" in inspect.signature(test).parameters
    }
)
instruction_set = test_contract.instruction_set


@pytest.fixture(params=[{}, {"length": 5, "trials": 1}], ids=str)
def case(request):
    return "PyCorridor-v0", dict(request.param)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
def test_gymnasiums_contract_holds(mode):
    check_vector_env(mesasim.MesaVectorEnv("PyCorridor-v0", 4, output="numpy", autoreset_mode=mode))


ELSEWHERE = """
    import os, signal, sys, mesasim
    from custom.twins import example
    from mesasim.testing import scripted_actions
    env = mesasim.make_vec("PyCorridor-v0", 256, history=True, oracle=True, num_threads=2)
    def story():
        env.set_state(open(sys.argv[1] + "/saved", "rb").read())
        for step in range(9, 30):
            env.step(scripted_actions(env, step))
        return env.get_state()
    open(sys.argv[1] + "/continued", "wb").write(story())
    child = os.fork()
    if child == 0:
        signal.alarm(10)  # a child that hangs dies, and is seen to
        os._exit(0 if story() == open(sys.argv[1] + "/continued", "rb").read() else 3)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_saved_state_continues_identically_in_another_process_and_in_its_fork(tmp_path):
    env = mesasim.make_vec("PyCorridor-v0", 256, history=True, oracle=True, num_threads=2)
    record(env, 9, seed=4)
    (tmp_path / "saved").write_bytes(env.get_state())
    assert test_contract.run_python(ELSEWHERE, str(tmp_path)).stdout.strip() == "0"
    for step in range(9, 30):
        env.step(test_contract.scripted_actions(env, step))
    assert (tmp_path / "continued").read_bytes() == env.get_state()
