"""What every world owes, whatever it is: a slot's story is a function of its seed, its number and its actions; it can
be saved and continued; modes, masks and buffers behave."""

import hashlib
import os
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
import torch
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode

import mesasim
from mesasim import _core
from mesasim.saved_state import DIGEST_BYTES
from mesasim.single import MesaEnv
from mesasim.testing import record, scripted_actions

MODES = list(AutoresetMode)
STEPS = 30
CPU = torch.device("cpu")
DONE_BYTE = 21  # of a slot: seed 8, stream 4, episode 4, step 4, live 1, done 1 (csrc/core/batch.h)


def make(case, num_envs=5, **kwargs):
    world, options = case
    kwargs = {"history": True, "oracle": True, "num_threads": 1, **kwargs}
    return mesasim.make_vec(world, num_envs, **kwargs, **options)


def assert_same(a, b, names=None):
    assert a.keys() == b.keys()
    for name in names or a:
        assert a[name].tobytes() == b[name].tobytes(), f"{name} differs"


@pytest.fixture
def instruction_set():
    """Puts back the instruction set that was in use."""
    before = _core.instruction_set()
    yield
    _core.use_instruction_set(before)


# One slot's story


@pytest.mark.parametrize("mode", MODES)
def test_same_seed_gives_same_rollout(case, device, mode):
    env, twin = (make(case, device=device, autoreset_mode=mode) for _ in range(2))
    first = record(env, STEPS, seed=11)
    assert_same(first, record(twin, STEPS, seed=11))
    assert_same(first, record(env, STEPS, seed=11))  # an earlier story leaves nothing behind


def test_another_seed_gives_another_rollout(case, device):
    a, b = (record(make(case, device=device), STEPS, seed=seed) for seed in (1, 2))
    assert any(a[name].tobytes() != b[name].tobytes() for name in a if name.startswith(("oracle", "core/reward")))


def test_slots_tell_different_stories(case):
    slots = 64  # a task may be one bit: of 64 such slots all are equal once in 2^63
    story = record(make(case, slots), STEPS)
    kept = [name for name in story if name.startswith("oracle")]
    tasks = {b"".join(story[name][0, slot].tobytes() for name in kept) for slot in range(slots)}
    assert len(tasks) > 1


def test_slots_do_not_influence_each_other(case, device):
    env, other = make(case, 6, device=device), make(case, 6, device=device)
    env.reset(seed=3)
    other.reset(seed=3)
    num_actions = len(env.world_spec.actions)
    for step in range(STEPS):
        actions = scripted_actions(env, step)
        changed = (actions + 1) % num_actions
        changed[2] = actions[2]
        env.step(actions)
        other.step(changed)
        for (name, a), (_, b) in zip(env.buffers.items(), other.buffers.items(), strict=True):
            assert torch.equal(a[2], b[2]), f"{name} of slot 2 depends on the others' actions"


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_batch_size_does_not_change_slot_0(case, device, mode):
    alone = record(make(case, 1, device=device, autoreset_mode=mode), STEPS, seed=5)
    for num_envs in (2, 131):
        crowd = make(case, num_envs, device=device, autoreset_mode=mode)
        assert_same(alone, record(crowd, STEPS, seed=5, slots=slice(0, 1)))


def test_thread_count_does_not_change_anything(case):
    one = record(make(case, 450, num_threads=1), 12, seed=5)
    for num_threads in (2, 7):
        assert_same(one, record(make(case, 450, num_threads=num_threads), 12, seed=5))


def test_instruction_set_does_not_change_anything(case, instruction_set):
    stories = []
    for name in _core.instruction_sets():
        _core.use_instruction_set(name)
        assert _core.instruction_set() == name
        stories.append(record(make(case, 70), STEPS, seed=9))
    for story in stories[1:]:
        assert_same(stories[0], story)


def test_cpu_and_device_tell_the_same_story(case, device):
    if device == CPU:
        pytest.skip("the CPU is what others are compared with")
    assert_same(record(make(case, 70), STEPS, seed=9), record(make(case, 70, device=device), STEPS, seed=9))


def test_first_slot_is_a_slice_of_the_larger_batch(case, device):
    part = record(make(case, 4, device=device, first_slot=7), STEPS, seed=5)
    assert_same(part, record(make(case, 20, device=device), STEPS, seed=5, slots=slice(7, 11)))


def test_seeds_given_slot_by_slot_equal_single_environments(case, device):
    world, options = case
    seeds = [4, 0, 2**64 - 1]
    env = make(case, 3, device=device, output="numpy", autoreset_mode="Disabled")
    observation, info = env.reset(seed=seeds)
    for slot, seed in enumerate(seeds):
        single = MesaEnv(world, device=device, history=True, oracle=True, **options)
        alone, alone_info = single.reset(seed=seed)
        shown = {name: array[slot] for name, array in observation.items()}
        assert all(np.array_equal(alone[name], shown[name]) for name in alone)
        assert all(np.array_equal(alone_info[name], info[name][slot]) for name in alone_info)
    stories = record(env, STEPS, seed=seeds)
    actions = [scripted_actions(env, step).cpu().numpy() for step in range(STEPS)]
    for slot, seed in enumerate(seeds):
        single.reset(seed=seed)
        for step in range(STEPS):
            alone, reward, terminated, truncated, _ = single.step(actions[step][slot])
            assert reward == stories["core/reward"][step + 1, slot]
            assert terminated == stories["core/terminated"][step + 1, slot]
            assert truncated == stories["core/truncated"][step + 1, slot]
            assert all(np.array_equal(alone[n], stories[f"observation/{n}"][step + 1, slot]) for n in alone)
            if terminated or truncated:
                break


def test_seed_of_the_constructor_is_the_first_resets(case):
    named, given = make(case, seed=8), make(case)
    a, b = record(named, 3, seed=None), record(given, 3, seed=8)
    assert_same(a, b)


def test_reset_without_seed_goes_on_to_the_next_episode(case):
    env, other = make(case), make(case)
    env.reset(seed=1)
    other.reset(seed=1)
    first = env.get_state()
    env.reset()
    assert env.get_state() != first
    other.reset()
    assert env.get_state() == other.get_state()


# What is shown


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("history", [False, True])
def test_observation_stays_inside_space(case, device, mode, history):
    env = make(case, 9, device=device, output="numpy", autoreset_mode=mode, history=history, max_episode_steps=13)
    observation, _ = env.reset(seed=2)
    assert observation in env.observation_space
    for step in range(STEPS):
        core = env.buffers.group["core"]
        done = core["terminated"] | core["truncated"]
        if mode is AutoresetMode.DISABLED and done.any():
            env.reset(options={"reset_mask": done})
        observation, _, terminated, truncated, info = env.step(scripted_actions(env, step))
        assert observation in env.observation_space
        for slot in np.flatnonzero(terminated | truncated):
            if mode is AutoresetMode.SAME_STEP:
                assert info["final_obs"][slot] in env.single_observation_space


def test_oracle_stays_inside_its_bounds(case, device):
    env = make(case, 9, device=device)
    story = record(env, STEPS, seed=2)
    for field in env.world_spec.oracle:
        values = story[f"oracle/{field.name}"]
        assert values.shape == (STEPS + 1, 9, *field.shape)
        assert values.min() >= field.low and values.max() <= field.high, field.name


def test_history_shows_the_action_and_reward_before(case, device):
    env = make(case, 6, device=device)
    observation, _ = env.reset(seed=1)
    assert (observation["previous_action"] == -1).all() and (observation["previous_reward"] == 0).all()
    assert observation["trial_start"].all()
    done = torch.zeros(6, dtype=torch.bool, device=device)
    for step in range(60):
        actions = scripted_actions(env, step)
        observation, reward, terminated, truncated, _ = env.step(actions)
        expected = torch.where(done, -1, actions)
        assert torch.equal(observation["previous_action"][:, 0], expected.int())
        assert torch.equal(observation["previous_reward"][:, 0], reward)
        assert observation["trial_start"][:, 0][done | terminated].all()
        done = terminated | truncated


def test_history_and_oracle_change_nothing_else(case):
    plain = make(case, history=False, oracle=False)
    assert set(plain.buffers.group["oracle"]) == set(plain.buffers.group["final_oracle"]) == set()
    assert not {"previous_action", "previous_reward", "trial_start"} & set(plain.buffers.group["observation"])
    assert plain.reset(seed=3)[1] == {}
    assert plain.step(scripted_actions(plain, 0))[4] == {}
    full = make(case)
    assert plain.buffers.bytes_per_slot < full.buffers.bytes_per_slot
    a, b = record(plain, STEPS, seed=3), record(full, STEPS, seed=3)
    assert_same({n: a[n] for n in a if n != "core/state"}, {n: b[n] for n in a if n != "core/state"})


# Ends


def test_episode_is_truncated_at_max_episode_steps(case, device):
    env = make(case, 4, device=device, max_episode_steps=3, autoreset_mode="Disabled")
    assert env.max_episode_steps == 3
    env.reset(seed=0)
    ended = torch.zeros(4, dtype=torch.bool, device=device)
    for step in range(3):
        _, _, terminated, truncated, _ = env.step(scripted_actions(env, step))
        assert not (terminated & truncated).any()
        assert torch.equal(truncated, ~terminated & (step == 2))
        ended = terminated | truncated
        if ended.any():
            break
    assert ended.any()


def test_next_step_mode_ignores_the_action_after_an_end(case, device):
    env = make(case, 3, device=device, max_episode_steps=2)
    env.reset(seed=0)
    for _ in range(2):
        _, _, terminated, truncated, info = env.step([0, 0, 0])
    assert (terminated | truncated).all() and "final_obs" not in info
    observation, reward, terminated, truncated, _ = env.step([10**9, -5, 0])
    assert not reward.any() and not terminated.any() and not truncated.any()
    assert (observation["previous_action"] == -1).all()
    fresh = make(case, 3, device=device)
    fresh.reset(seed=0)
    expected, _ = fresh.reset()
    assert all(torch.equal(observation[name], expected[name]) for name in expected)


def test_same_step_mode_shows_the_end_and_the_beginning(case, device):
    next_step = make(case, 3, device=device, max_episode_steps=2, copy=True)
    same_step = make(case, 3, device=device, max_episode_steps=2, copy=True, autoreset_mode="SameStep")
    for env in (next_step, same_step):
        env.reset(seed=0)
    for _ in range(2):
        last, reward, terminated, truncated, last_info = next_step.step([0, 0, 0])
        observation, *result, info = same_step.step([0, 0, 0])
        for a, b in zip(result, (reward, terminated, truncated), strict=True):
            assert torch.equal(a, b)
    assert info["_final_obs"].all() and info["_final_info"].all()
    assert all(torch.equal(info["final_obs"][name], last[name]) for name in last)
    assert all(torch.equal(info["final_info"][name], last_info[name]) for name in last_info)
    begun, *_, begun_info = next_step.step([0, 0, 0])
    assert all(torch.equal(observation[name], begun[name]) for name in begun)
    assert all(torch.equal(info[name], begun_info[name]) for name in begun_info)


def test_a_masked_reset_after_same_step_repeats_no_end(case):
    env = make(case, 3, output="numpy", max_episode_steps=1, autoreset_mode="SameStep")
    env.reset(seed=0)
    assert "final_obs" in env.step([0, 0, 0])[4]
    assert "final_obs" not in env.reset(options={"reset_mask": np.array([True, False, False])})[1]


def test_disabled_mode_refuses_to_step_what_has_ended(case, device):
    env = make(case, 3, device=device, max_episode_steps=1, autoreset_mode="Disabled")
    env.reset(seed=0)
    env.step([0, 0, 0])
    env.reset(options={"reset_mask": np.array([True, False, True])})
    before = env.get_state()
    with pytest.raises(ResetNeeded, match="slot 1 is done"):
        for _ in range(2):  # on CUDA a later call raises
            env.step([0, 0, 0])
            torch.cuda.synchronize(device)
            env.reset(options={"reset_mask": np.array([True, False, True])})
            env.step([0, 0, 0])
    env.reset(options={"reset_mask": np.array([False, True, False])})
    assert env.get_state() != before


def test_step_before_the_first_reset_is_refused(case, device):
    env = make(case, device=device)
    with pytest.raises(ResetNeeded, match="reset"):
        for _ in range(3):
            env.step([0] * 5)
            torch.cuda.synchronize(device)
    with pytest.raises(ResetNeeded, match="reset_mask"):
        env.reset(options={"reset_mask": np.ones(5, dtype=bool)})
    with pytest.raises(ResetNeeded, match="reset"):
        env.get_state()


def test_reset_mask_resets_those_slots_only(case, device):
    env = make(case, 4, device=device, copy=True)
    env.reset(seed=0)
    for step in range(2):
        observation, *_ = env.step(scripted_actions(env, step))
    state = env.buffers.group["core"]["state"].clone()
    mask = torch.tensor([False, True, False, True], device=device)
    options = {"reset_mask": mask, "mine": 1}
    after, _ = env.reset(options=options)
    assert options == {"mine": 1}  # popped, as Gymnasium's own vector environments do
    for name in after:
        assert torch.equal(after[name][~mask], observation[name][~mask])
    assert torch.equal(env.buffers.group["core"]["state"][~mask], state[~mask])
    assert (after["previous_action"][mask] == -1).all()
    for slot in (1, 3):
        assert not torch.equal(env.buffers.group["core"]["state"][slot], state[slot])


def test_masked_reset_with_a_seed_starts_those_stories_over(case):
    env, fresh = make(case, 3, copy=True), make(case, 3, copy=True)
    env.reset(seed=0)
    env.step([0, 0, 0])
    seeded, _ = env.reset(seed=6, options={"reset_mask": np.array([False, True, False])})
    expected, _ = fresh.reset(seed=6)
    assert all(torch.equal(seeded[name][1], expected[name][1]) for name in expected)


def test_action_out_of_range_leaves_its_slot_and_steps_the_others(case, device):
    env, twin = make(case, 4, device=device), make(case, 4, device=device)
    for one in (env, twin):
        one.reset(seed=0)
    num_actions = len(env.world_spec.actions)
    with pytest.raises(ValueError, match=rf"actions: slot 1 got {num_actions}, allowed: 0 to {num_actions - 1}"):
        env.step([0, num_actions, 0, 0])
        torch.cuda.synchronize(device)
        env.step([0, 0, 0, 0])  # on CUDA it is this call that raises
    twin.step([0, 0, 0, 0])
    if device == CPU:
        state, other = (one.buffers.group["core"]["state"] for one in (env, twin))
        assert torch.equal(state[[0, 2, 3]], other[[0, 2, 3]]) and not torch.equal(state[1], other[1])
    env.step([0, 0, 0, 0])


# Saved state

CONTINUE = """
    import hashlib, sys, torch, mesasim
    from mesasim.testing import scripted_actions
    device, folder = torch.device(sys.argv[1]), sys.argv[2]
    for world, options, name in eval(open(f"{folder}/cases").read()):
        env = mesasim.make_vec(world, 5, device=device, history=True, oracle=True, **options)
        env.set_state(open(f"{folder}/{name}", "rb").read())
        for step in range(9, 30):
            env.step(scripted_actions(env, step))
        print(hashlib.sha256(env.get_state()).hexdigest())
"""


@pytest.mark.parametrize("mode", MODES)
def test_saved_state_continues_identically(case, device, mode):
    env = make(case, device=device, autoreset_mode=mode, max_episode_steps=STEPS + 1)
    record(env, 4, seed=4)
    saved = env.get_state()
    other = make(case, device=device, autoreset_mode=mode, max_episode_steps=STEPS + 1, num_threads=2)
    other.reset(seed=99)
    other.set_state(saved)
    assert other.get_state() == saved
    for step in range(4, 7):
        core = env.buffers.group["core"]
        done = core["terminated"] | core["truncated"]
        for one in (env, other):
            if mode is AutoresetMode.DISABLED and done.any():
                one.reset(options={"reset_mask": done})
            one.step(scripted_actions(one, step))
        assert env.get_state() == other.get_state()


def test_saved_state_continues_identically_in_a_new_process(device, tmp_path):
    cases = [(world, options) for world in _core.world_ids() for options in _core.spec(world).variants]
    listed, expected = [], []
    for index, case in enumerate(cases):
        env = make(case, device=device)
        env.reset(seed=4)
        for step in range(30):
            if step == 9:
                (tmp_path / str(index)).write_bytes(env.get_state())
            env.step(scripted_actions(env, step))
        listed.append((case[0], dict(case[1]), str(index)))
        expected.append(hashlib.sha256(env.get_state()).hexdigest())
    (tmp_path / "cases").write_text(repr(listed))
    done = run_python(CONTINUE, str(device), str(tmp_path))
    assert done.stdout.split() == expected


def run_python(source, *args):
    """A fresh interpreter that sees the same mesasim."""
    path = ["-c", f"import sys; sys.path[:] = {sys.path!r}\n" + textwrap.dedent(source), *args]
    return subprocess.run([sys.executable, *path], check=True, capture_output=True, text=True, timeout=60)


def signed(body):
    return body + hashlib.sha256(body).digest()


def test_damaged_state_is_refused_and_changes_nothing(case, device):
    env = make(case, device=device)
    env.reset(seed=4)
    env.step([0] * 5)
    saved = env.get_state()
    body = saved[:-DIGEST_BYTES]
    rng = np.random.default_rng(0)
    damaged = [b"", b"x", saved[:-1], saved[1:], saved + b"\0", saved[: len(saved) // 2], body, bytes(len(saved))]
    for position in [0, 16, 30, len(saved) - 1, *rng.integers(0, len(saved), 20)]:
        flipped = bytearray(saved)
        flipped[position] ^= 1 << int(rng.integers(8))
        damaged.append(bytes(flipped))
    damaged += [signed(body[:-1]), signed(body + b"\0"), signed(body[:24]), signed(body[:16]), signed(body[:60])]
    for bytes_ in damaged:
        with pytest.raises(ValueError, match="state:"):
            env.set_state(bytes_)
        assert env.get_state() == saved
    for wrong in (None, 3, "text", [1, 2]):
        with pytest.raises(TypeError, match="state:"):
            env.set_state(wrong)
    env.set_state(bytearray(saved))
    env.step([0] * 5)


def test_forged_state_no_world_can_have_is_refused(case):
    """A right checksum over slots that would lead out of their memory."""
    env = make(case)
    env.reset(seed=4)
    saved = env.get_state()
    state = env.buffers.group["core"]["state"]
    start = saved.index(state.numpy().tobytes())
    forged = bytearray(saved[:-DIGEST_BYTES])
    forged[start : start + state.numel()] = b"\xff" * state.numel()
    with pytest.raises(ValueError, match="slot 0 holds values its world cannot have"):
        env.set_state(signed(bytes(forged)))
    assert env.get_state() == saved


@pytest.mark.parametrize("limit", [None, 3])
def test_forged_state_in_which_the_end_goes_on_is_refused(case, limit):
    """A right checksum over a slot whose episode ended or met its time limit, and which says that it did not: what a world
    keeps an episode has no room for more."""
    env = make(case, max_episode_steps=limit)
    env.reset(seed=4)
    core = env.buffers.group["core"]
    for step in range(20_000):
        env.step(scripted_actions(env, step))
        over = core["terminated"] | core["truncated"]
        if over.any():
            break
    slot = int(over.int().argmax())
    saved, done = env.get_state(), core["state"][slot, DONE_BYTE]
    start = saved.index(core["state"].numpy().tobytes())
    assert done == 1
    done.zero_()
    forged = bytearray(saved[:-DIGEST_BYTES])
    forged[start : start + core["state"].numel()] = core["state"].numpy().tobytes()
    done.fill_(1)
    with pytest.raises(ValueError, match=f"slot {slot} holds values its world cannot have"):
        env.set_state(signed(bytes(forged)))
    assert env.get_state() == saved
    env.set_state(saved)


def test_state_of_another_environment_is_refused(case):
    env = make(case)
    env.reset(seed=4)
    saved = env.get_state()
    others = [
        make(case, 6), make(case, history=False), make(case, oracle=False), make(case, max_episode_steps=77),
        make(case, autoreset_mode="SameStep"), make(("Bandit-v0", {"arms": 9})), make(("Maze-v0", {"size": 9})),
    ]  # fmt: skip
    for other in others:
        other.reset(seed=1)
        before = other.get_state()
        with pytest.raises(ValueError, match="it was saved from"):
            other.set_state(saved)
        assert other.get_state() == before


# Memory and threads


def test_buffers_of_the_callers_are_used_in_place(case, device):
    pattern = make(case, device=device)
    given = {}
    for group, named in pattern.buffers.group.items():
        for name, tensor in named.items():
            given[name if group == "core" else f"{group}/{name}"] = torch.zeros_like(tensor)
    given["state"].fill_(255)  # what lay there before is not taken for a slot
    env = make(case, device=device, buffers=dict(given))
    with pytest.raises(ResetNeeded):
        for _ in range(2):
            env.step([0] * 5)
            torch.cuda.synchronize(device)
    observation, _ = env.reset(seed=7)
    for name, tensor in observation.items():
        assert tensor.data_ptr() == given[f"observation/{name}"].data_ptr()
    pattern.reset(seed=7)
    env.step([1] * 5)
    given["action"].fill_(1)
    pattern.step(given["action"])
    for (name, a), (_, b) in zip(env.buffers.items(), pattern.buffers.items(), strict=True):
        assert torch.equal(a, b), name
    over = env.buffers.group["core"]["terminated"] | env.buffers.group["core"]["truncated"]  # these begin anew
    env.actions.fill_(0)
    env.step(env.actions)
    assert (given["observation/previous_action"][:, 0] == torch.where(over, -1, 0)).all()


def test_returned_arrays_are_the_callers_unless_copy_is_off(case, device):
    for output, copies in (("torch", False), ("numpy", True)):
        env = make(case, device=device, output=output)
        assert env.copy is copies
    kept = make(case, device=device, copy=True)
    first, _ = kept.reset(seed=0)
    frozen = {name: tensor.clone() for name, tensor in first.items()}
    for step in range(5):
        kept.step(scripted_actions(kept, step))
    assert all(torch.equal(first[name], frozen[name]) for name in first)
    shared = make(case, device=device, copy=False)
    a, _ = shared.reset(seed=0)
    b, *_ = shared.step([0] * 5)
    assert all(a[name].data_ptr() == b[name].data_ptr() for name in a)


def test_two_threads_stepping_one_environment_are_refused_or_take_turns(case):
    env = make(case, 300, num_threads=2)
    env.reset(seed=0)
    errors, steps = [], []

    def work():
        for _ in range(40):
            try:
                env.step(env.actions)
                steps.append(1)
            except RuntimeError as error:
                errors.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(steps) + len(errors) == 80 and steps
    assert set(errors) <= {"this environment is being stepped by another thread"}
    env.reset(seed=0)
    env.step(env.actions)


FORK = """
    import os, signal, sys, time, torch, mesasim
    def story(env):
        env.reset(seed=1)
        for _ in range(5):
            env.step(torch.zeros(256, dtype=torch.int32))
        return env.get_state()
    envs = [mesasim.make_vec("Maze-v0", 256, num_threads=2, size=4) for _ in range(2)]
    expected = [story(env) for env in envs][0]
    time.sleep(0.01)  # the pool's threads are asleep now
    child = os.fork()
    if child == 0:
        signal.alarm(10)  # a child that hangs dies, and is seen to
        same = story(envs[0]) == expected
        del envs  # one stepped since the fork, one not
        os._exit(0 if same else 3)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert story(envs[0]) == expected
    print(status)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_environment_survives_a_fork_on_both_sides():
    assert run_python(FORK).stdout.strip() == "0"


NO_MORE_THREADS = """
    import resource, mesasim
    env = mesasim.make_vec("Bandit-v0", 64 * 300, num_threads=300)
    few = mesasim.make_vec("Bandit-v0", 64, num_threads=1)
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 200 * 2**20,) * 2)
    try:
        env.reset(seed=1)
    except RuntimeError:
        few.reset(seed=1)
        print("refused")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits a process's memory by Linux's means")
def test_threads_the_system_will_not_give_are_an_exception_not_an_abort():
    assert run_python(NO_MORE_THREADS).stdout.strip() == "refused"
