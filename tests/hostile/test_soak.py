"""bench/soak.py, for seconds; and that it can fail."""

import numpy as np
import torch

from bench import soak


def test_several_users_at_once_make_what_one_makes():
    torch.set_num_threads(1)
    running, samples = soak.soak(4.0, 3, seed=1, quick=True)
    assert running.wrong == []
    assert running.played.total() > 30 and len(samples) > 10


def test_a_difference_is_found():
    def other_bytes(threads):
        running.over.set()
        return "other"

    running = soak.Soak({"a scene": other_bytes}, {"a scene": "these"})
    running.user(1)
    assert running.wrong == ["a scene: other bytes than alone"]


def test_what_a_scene_raises_is_found():
    def raises(threads):
        running.over.set()
        raise RuntimeError("broken")

    running = soak.Soak({"a scene": raises}, {"a scene": "these"})
    running.user(1)
    assert running.wrong == ["a scene: RuntimeError('broken')"]


def test_a_leak_is_found_and_noise_is_not():
    rng = np.random.default_rng(1)
    seconds = np.arange(0, 600, 0.5)
    flat = 500 + rng.normal(0, 5, len(seconds))
    _, low, high, minutes = soak.growth(list(zip(seconds, flat, strict=True)), 180)
    assert low < 0 < high and high * minutes < soak.BOUND_MB
    leaking = flat + seconds / 60 * 10  # ten megabytes a minute
    _, low, high, minutes = soak.growth(list(zip(seconds, leaking, strict=True)), 180)
    assert low > 9 and high < 11 and high * minutes > soak.BOUND_MB
