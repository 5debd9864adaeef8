"""bench/soak.py, for seconds; and that it can fail."""

import numpy as np
import torch

from bench import soak


def test_several_users_at_once_make_what_one_makes():
    torch.set_num_threads(1)
    running, memory = soak.soak(3.0, 3, seed=1, quick=True)
    assert running.wrong == []
    assert running.played.total() > 30 and len(memory) > 2


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


def at_rest(used_mb, blocks, resident_mb):
    seconds = np.arange(0, 600, 6.0)
    return [soak.Memory(*row) for row in np.broadcast(seconds, used_mb, 30.0, blocks, resident_mb)]


def test_a_leak_is_found_and_noise_is_not():
    rng, minutes = np.random.default_rng(1), np.arange(0, 600, 6.0) / 60
    used, blocks, resident = (mean + rng.normal(0, sd, 100) for mean, sd in ((115, 0.03), (826_400, 30), (380, 5)))
    assert soak.judged(at_rest(used, blocks, resident), 180)[0]
    assert soak.judged(at_rest(115.0, 826_400.0, 380.0), 180)[0]  # nothing moves at all
    assert not soak.judged(at_rest(used + minutes * 0.3, blocks, resident), 180)[0]  # 75 bytes of each scene
    assert not soak.judged(at_rest(used, blocks + minutes * 400, resident), 180)[0]
    assert not soak.judged(at_rest(used, blocks, resident + minutes * 10), 180)[0]


def test_what_is_kept_shows_at_rest_to_the_byte():
    before = soak.Memory.now(0.0)
    kept = [torch.zeros(2**18) for _ in range(4)]
    objects = [object() for _ in range(5000)]
    after = soak.Memory.now(1.0)
    assert abs(after.used_mb - before.used_mb - sum(t.nbytes for t in kept) / 1e6) < 0.2
    assert after.blocks - before.blocks > len(objects)
