"""Where time goes: parts are added up by name, and what was not timed is not a number."""

import math
import time

import torch

from mesasim.train.clock import Clock


def test_parts_are_added_up_by_name():
    clock = Clock(torch.device("cpu"))
    for _ in range(2):
        with clock.lap("outer"), clock.part("inner"):
            time.sleep(0.002)
    assert 0.004 <= clock.total("inner") <= clock.total("outer") <= 0.9
    assert clock.total("inner", "outer") == clock.total("inner") + clock.total("outer")
    clock.restart()
    assert math.isnan(clock.total("inner"))


def test_what_may_be_recorded_is_timed_on_request_alone():
    clock = Clock(torch.device("cpu"), fine=False)
    with clock.lap("outer"), clock.part("inner"):
        pass
    assert math.isnan(clock.total("inner")) and clock.total("outer") > 0
