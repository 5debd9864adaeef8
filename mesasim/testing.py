"""Checks for vector environments: `check_vector_env` holds any gymnasium.vector.VectorEnv, in NumPy or torch, to
Gymnasium's contract (which has a checker for single environments only); `record` writes a rollout down for comparing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from mesasim.vector import MesaVectorEnv


class ContractError(AssertionError):
    """A vector environment broke the contract; the message says where."""


def check_vector_env(env: VectorEnv, *, steps: int = 1000, seed: int = 0) -> None:
    """Raises ContractError at the first breach it finds, and closes `env`.

    Args:
        env: any vector environment whose story is a function of its seed and actions.
        steps: at most so many random steps to see an episode end; none ending within them is a breach too, for the
            autoreset mode then went unchecked.
        seed: of the resets and of the sampled actions.
    """
    _check_attributes(env)
    _check_reset(env, seed)
    _check_actions(env, seed)
    _check_ownership(env, seed)
    _check_autoreset(env, steps, seed)
    _check_reset_mask(env, seed)
    env.close()
    try:
        env.close()
    except Exception as error:
        raise ContractError(f"closing twice raises {error!r}") from error
    _require(env.closed is True, "after close() the attribute `closed` is not True")


def record(env: MesaVectorEnv, steps: int, *, seed: Any = 0, slots: slice = slice(None)) -> dict[str, np.ndarray]:
    """A rollout under actions that depend on a slot's global number and the step alone: every buffer the engine writes,
    [steps + 1, slots, ...] (final ones are zero where no episode ended), and the slots' state bytes at the end. `slots`
    picks those to keep."""
    env.reset(seed=seed)
    kept = [(name, tensor) for name, tensor in env.buffers.items() if name not in ("core/state", "core/action")]
    core = env.buffers.group["core"]
    story: dict[str, list[np.ndarray]] = {name: [] for name, _ in kept}
    for step in range(steps + 1):
        for name, tensor in kept:
            array = tensor[slots].cpu().numpy().copy()
            if name.startswith("final_"):
                array[~(core["terminated"] | core["truncated"])[slots].cpu().numpy()] = 0
            story[name].append(array)
        if step == steps:
            break
        if env.autoreset_mode is AutoresetMode.DISABLED:
            done = core["terminated"] | core["truncated"]
            if done.any():
                env.reset(options={"reset_mask": done})
        env.step(scripted_actions(env, step))
    arrays = {name: np.stack(values) for name, values in story.items()}
    return arrays | {"core/state": core["state"][slots].cpu().numpy().copy()}


def scripted_actions(env: MesaVectorEnv, step: int) -> torch.Tensor:
    """An action a slot from its global number and the step: scattered, and the same wherever the slot stands."""
    mixed = np.arange(env.first_slot, env.first_slot + env.num_envs, dtype=np.uint64) << np.uint64(32) | np.uint64(step)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # splitmix64's finaliser
        mixed = (mixed ^ mixed >> np.uint64(shift)) * np.uint64(factor)
    chosen = (mixed >> np.uint64(32)) % np.uint64(len(env.world_spec.actions))
    return torch.from_numpy(chosen.astype(np.int32)).to(env.device)


# The parts of check_vector_env, in the order it runs them


def _check_attributes(env: VectorEnv) -> None:
    _require(isinstance(env, VectorEnv), f"{type(env).__name__} is not a gymnasium.vector.VectorEnv")
    n = env.num_envs
    _require(isinstance(n, int) and n > 0, f"num_envs is {n!r}, not a positive int")
    for kind in ("observation", "action"):
        batched, single = getattr(env, f"{kind}_space"), getattr(env, f"single_{kind}_space")
        expected = batch_space(single, n)
        _require(
            batched == expected, f"{kind}_space is {batched}, not batch_space(single_{kind}_space, {n}) = {expected}"
        )
    metadata = env.unwrapped.metadata
    _require(isinstance(metadata, dict), f"metadata is a {type(metadata).__name__}, not a dict")
    shared = metadata is getattr(type(env.unwrapped), "metadata", None)
    _require(not shared, "metadata is the class's dict: one environment's mode would become every other's")
    mode = metadata.get("autoreset_mode")
    _require(isinstance(mode, AutoresetMode), f"metadata['autoreset_mode'] is {mode!r}, not an AutoresetMode")


def _check_reset(env: VectorEnv, seed: int) -> None:
    first = _reset(env, seed=seed)
    _check_observation(env, first[0], "reset")
    _check_info(env, first[1], "reset")
    again = _reset(env, seed=seed)
    _require(_equal(first, again), f"two resets with seed={seed} give different observations or info")


def _check_actions(env: VectorEnv, seed: int) -> None:
    """One step's results, and that int32 and int64 actions mean the same."""
    sampled = _sample(env, seed, 1)[0]
    results = []
    for dtype in (np.int32, np.int64):
        _reset(env, seed=seed)
        action = sampled.astype(dtype) if isinstance(sampled, np.ndarray) and sampled.dtype.kind in "iu" else sampled
        results.append(_step(env, action, f"{np.dtype(dtype)} actions"))
    _require(_equal(*results), "the same seed and action give another step with int32 than with int64 actions")


def _check_ownership(env: VectorEnv, seed: int) -> None:
    """What was returned stays as it was, and apart from what is returned later; unless the environment says copy=False."""
    if not getattr(env.unwrapped, "copy", True):
        return
    held = [_reset(env, seed=seed)]
    frozen = [_frozen(held[0])]
    for action in _sample(env, seed, 4):
        held.append(_unchecked_step(env, action))
        frozen.append(_frozen(held[-1]))
        if _done(held[-1]).any() and _mode(env) is AutoresetMode.DISABLED:
            break
    for index, (result, before) in enumerate(zip(held, frozen, strict=True)):
        _require(_equal(result, before), f"the arrays returned by call {index} change when the environment steps on")
    for earlier, later in itertools.pairwise(held):
        for a in _leaves(earlier):
            shared = any(_share_memory(a, b) for b in _leaves(later))
            _require(not shared, "an array returned by one call is handed out again by the next, without copy=False")


def _check_autoreset(env: VectorEnv, steps: int, seed: int) -> None:
    actions = _sample(env, seed, steps)
    _reset(env, seed=seed)
    for step, action in enumerate(actions):
        result = _step(env, action, f"step {step}")
        done = _done(result)
        if done.any():
            break
    else:
        raise ContractError(f"no episode ended in {steps} steps, so the autoreset mode could not be checked; pass more")
    mode = _mode(env)
    if mode is AutoresetMode.NEXT_STEP:
        _check_next_step(env, actions[: step + 1], done, seed)
    elif mode is AutoresetMode.SAME_STEP:
        _check_same_step(env, result, done)
    else:
        _check_disabled(env, actions[0], result, done)


def _check_next_step(env: VectorEnv, actions: list[Any], done: np.ndarray, seed: int) -> None:
    """Two different actions after the end must lead to the same reset."""
    after = []
    for other in _two_actions(env, actions[-1], done, seed):
        _reset(env, seed=seed)
        for action in actions:
            _unchecked_step(env, action)
        after.append(_step(env, other, "the step after an episode's end"))
    _, reward, terminated, truncated, _ = (_numpy_tree(part) for part in after[0])
    _require(not reward[done].any(), f"NEXT_STEP: the step that resets gives reward {reward[done]}, not 0")
    flags = terminated[done] | truncated[done]
    _require(not flags.any(), "NEXT_STEP: the step after an episode's end did not reset: a flag is still set")
    _require(_equal(*after), "NEXT_STEP: the action of the step that resets is not ignored")


def _check_same_step(env: VectorEnv, result: Any, done: np.ndarray) -> None:
    info = result[4]
    for key in ("final_obs", "_final_obs"):
        _require(key in info, f"SAME_STEP: an episode ended, but info has no {key!r}")
    for key in ("_final_obs", "_final_info"):
        mask = _numpy(info[key]) if key in info else done
        _require(
            np.array_equal(mask, done), f"SAME_STEP: info[{key!r}] is {mask}, but the episodes that ended are {done}"
        )
    for slot in np.flatnonzero(done):
        final = _slot(info["final_obs"], int(slot))
        inside = final is not None and env.single_observation_space.contains(final)
        _require(inside, f"SAME_STEP: final_obs of slot {slot} is not in single_observation_space: {final!r}")
    _step(env, _sample(env, 1, 1)[0], "the step after an episode's end")


def _check_disabled(env: VectorEnv, action: Any, result: Any, done: np.ndarray) -> None:
    try:
        after = _unchecked_step(env, action)
    except Exception:
        after = None  # refusing to step a finished episode is the better behaviour
    if after is not None:
        _require(_done(after)[done].all(), "DISABLED: an episode that had ended went on without a reset")
    observation, info = _reset(env, options={"reset_mask": done.copy()})
    _check_observation(env, observation, "reset(options={'reset_mask': ...})")
    _check_info(env, info, "reset(options={'reset_mask': ...})")
    if done.all():
        _step(env, action, "the step after a masked reset")


def _check_reset_mask(env: VectorEnv, seed: int) -> None:
    """Only the slots asked for start anew."""
    _reset(env, seed=seed)
    n = env.num_envs
    before, *_ = _step(env, _sample(env, seed, 1)[0], "a step")
    before = _frozen(before)
    mask = np.zeros(n, dtype=bool)
    mask[0] = True
    try:
        after, _ = _reset(env, options={"reset_mask": mask.copy()})
    except Exception as error:
        raise ContractError(f"reset(options={{'reset_mask': bool array}}) raises {error!r}") from error
    _check_observation(env, after, "reset with a reset_mask")
    for a, b in zip(_leaves(before), _leaves(after), strict=True):
        same = np.array_equal(_numpy(a)[1:], _numpy(b)[1:], equal_nan=_numpy(a).dtype.kind == "f")
        _require(same, "reset_mask: a slot that was not asked to reset shows another observation")


# What one call returns


def _reset(env: VectorEnv, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
    result = env.reset(**kwargs)
    _require(isinstance(result, tuple) and len(result) == 2, "reset() does not return (observation, info)")
    return result


def _unchecked_step(env: VectorEnv, action: Any) -> Any:
    result = env.step(_like_output(env, action))
    _require(isinstance(result, tuple) and len(result) == 5, "step() does not return five values")
    return result


def _step(env: VectorEnv, action: Any, when: str) -> Any:
    result = _unchecked_step(env, action)
    observation, reward, terminated, truncated, info = result
    n = env.num_envs
    _check_observation(env, observation, when)
    for name, value, kinds in (("reward", reward, "f"), ("terminated", terminated, "b"), ("truncated", truncated, "b")):
        _require(
            isinstance(value, (np.ndarray, torch.Tensor)), f"{when}: {name} is a {type(value).__name__}, not an array"
        )
        array = _numpy(value)
        _require(array.shape == (n,), f"{when}: {name} has shape {array.shape}, not ({n},)")
        wanted = "floating-point" if kinds == "f" else "bool"
        _require(array.dtype.kind in kinds, f"{when}: {name} has dtype {array.dtype}, not {wanted}")
    _check_info(env, info, when)
    return result


def _check_observation(env: VectorEnv, observation: Any, when: str) -> None:
    spaces, values = list(_space_leaves(env.observation_space)), list(_leaves(observation))
    _require(len(spaces) == len(values), f"{when}: the observation has {len(values)} arrays, its space {len(spaces)}")
    for space, value in zip(spaces, values, strict=True):
        array = _numpy(value)
        _require(array.shape == space.shape, f"{when}: an observation has shape {array.shape}, its space {space.shape}")
        _require(array.dtype == space.dtype, f"{when}: an observation has dtype {array.dtype}, its space {space.dtype}")
    inside = env.observation_space.contains(_numpy_tree(observation))
    _require(inside, f"{when}: the observation is not in observation_space")


def _check_info(env: VectorEnv, info: Any, when: str) -> None:
    """Every array stands beside the mask of the slots it speaks of."""
    _require(isinstance(info, dict), f"{when}: info is a {type(info).__name__}, not a dict")
    n = env.num_envs
    for key, value in info.items():
        for leaf in _leaves(value):
            length = len(leaf) if isinstance(leaf, (np.ndarray, torch.Tensor)) and leaf.ndim else None
            _require(length == n, f"{when}: info[{key!r}] is not an array with a row for each of the {n} slots")
        if key.startswith("_"):
            kind = _numpy(value).dtype
            _require(kind == np.bool_, f"{when}: the mask info[{key!r}] has dtype {kind}, not bool")
            _require(key[1:] in info, f"{when}: info has the mask {key!r}, but no {key[1:]!r}")
        else:
            _require(f"_{key}" in info, f"{when}: info[{key!r}] has no mask {'_' + key!r} beside it")


# Arrays of either library


def _require(holds: Any, sentence: str) -> None:
    if not holds:
        raise ContractError(sentence)


def _mode(env: VectorEnv) -> AutoresetMode:
    return env.unwrapped.metadata["autoreset_mode"]


def _numpy(value: Any) -> np.ndarray:
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


def _numpy_tree(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _numpy_tree(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return tuple(_numpy_tree(part) for part in value)
    return _numpy(value)


def _slot(value: Any, slot: int) -> Any:
    if isinstance(value, dict):
        return {name: _slot(part, slot) for name, part in value.items()}
    if isinstance(value, tuple):
        return tuple(_slot(part, slot) for part in value)
    one = value[slot]
    return _numpy_tree(one) if isinstance(one, (dict, tuple, np.ndarray, torch.Tensor)) else one


def _leaves(value: Any) -> Iterator[Any]:
    """The arrays in nested dicts and tuples, dict keys in order of name."""
    if isinstance(value, dict):
        for name in sorted(value):
            yield from _leaves(value[name])
    elif isinstance(value, tuple):
        for part in value:
            yield from _leaves(part)
    else:
        yield value


def _space_leaves(space: Any) -> Iterator[Any]:
    parts = getattr(space, "spaces", None)
    if parts is None:
        yield space
    elif isinstance(parts, (tuple, list)):
        for part in parts:
            yield from _space_leaves(part)
    else:
        for name in sorted(parts):
            yield from _space_leaves(parts[name])


def _frozen(value: Any) -> Any:
    """A deep copy in NumPy."""
    if isinstance(value, dict):
        return {name: _frozen(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return tuple(_frozen(part) for part in value)
    array = _numpy(value)
    if array.dtype == object:
        return np.array([_frozen(part) if part is not None else None for part in array] + [None], dtype=object)[:-1]
    return array.copy()


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal(a[name], b[name]) for name in a)
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(_equal(x, y) for x, y in zip(a, b, strict=True))
    if a is None or b is None:
        return a is b
    x, y = _numpy(a), _numpy(b)
    if x.dtype == object and y.dtype == object:
        return x.shape == y.shape and all(_equal(p, q) for p, q in zip(x, y, strict=True))
    return x.dtype == y.dtype and np.array_equal(x, y, equal_nan=x.dtype.kind == "f")


def _share_memory(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return np.shares_memory(a, b)
    return False


def _done(result: Any) -> np.ndarray:
    return _numpy(result[2]) | _numpy(result[3])


def _sample(env: VectorEnv, seed: int, count: int) -> list[Any]:
    env.action_space.seed(seed)
    return [env.action_space.sample() for _ in range(count)]


def _two_actions(env: VectorEnv, action: Any, done: np.ndarray, seed: int) -> Iterator[Any]:
    """`action`, and one that differs from it in the finished slots alone."""
    yield action
    env.action_space.seed(seed + 1)
    for _ in range(100):
        other = env.action_space.sample()
        if isinstance(other, np.ndarray):
            other[~done] = action[~done]
            if np.array_equal(other, action):
                continue
        yield other
        return
    yield action


def _like_output(env: VectorEnv, action: Any) -> Any:
    """Torch environments are given torch actions, on their device."""
    if not isinstance(action, np.ndarray) or getattr(env.unwrapped, "output", None) == "numpy":
        return action
    device = getattr(env.unwrapped, "device", None)
    speaks_torch = getattr(env.unwrapped, "output", None) == "torch" or type(env).__name__ == "NumpyToTorch"
    return torch.from_numpy(action).to(device or "cpu") if speaks_torch else action
