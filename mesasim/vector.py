"""MesaVectorEnv: a batch of slots as a gymnasium.vector.VectorEnv, in torch tensors or NumPy arrays. Reset and step
over the engine's buffers, and nothing else."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from torch import Tensor

from mesasim import _core
from mesasim.arrays import as_tensor
from mesasim.buffers import Buffers, address
from mesasim.devices import check_device, usable_cores
from mesasim.engines import engine_of
from mesasim.integrity import digest
from mesasim.levels import read_levels
from mesasim.rendering import frame
from mesasim.saved_state import pack_state, unpack_state
from mesasim.spec import load_spec, observation_space, resolve

AUTORESET = {AutoresetMode.NEXT_STEP: 0, AutoresetMode.SAME_STEP: 1, AutoresetMode.DISABLED: 2}
WIDE, MOST_INT32 = (torch.int64, torch.uint64, torch.uint32), 2**31 - 1  # actions are of 32 bits in the engine
RENDER_MODES = ("rgb_array", "ansi")
RENDER_FPS = 8


class MesaVectorEnv(gymnasium.vector.VectorEnv):
    """`num_envs` slots of one world.

    Args:
        id: the world, "Bandit-v0" or "mesasim/Bandit-v0".
        num_envs: slots, 1 to 2^32.
        device: "cpu" or "cuda[:i]"; a missing device raises.
        num_threads: CPU threads; default: every core this process may use.
        seed: of the first `reset()` that names none; default: fresh entropy.
        history: append the engine's fields `previous_action`, `previous_reward`, `trial_start` to the observation.
        oracle: put what the world knows and an agent must never see into `info`.
        autoreset_mode: "NextStep" (default), "SameStep", "Disabled", or gymnasium's AutoresetMode.
        max_episode_steps: steps after which an episode is truncated, 0 for never; default: the world's.
        output: "torch" (tensors on `device`) or "numpy".
        copy: whether what reset and step return is the caller's to keep. False: the same memory is written again by the
            next call. Default: True for NumPy, False for torch.
        render_mode: None, "rgb_array" (uint8 [rows, cols, 3], 8 pixels a tile) or "ansi" (text).
        first_slot: global number of slot 0; slot i draws the random numbers of global slot first_slot + i.
        buffers: tensors of the caller's to use instead of allocating, by name (see `Buffers`).
        levels: tasks to play instead of drawn ones. Of a maze world: mesasim.mazes.Mazes, (mazes, start, goal), or the
            folder of a data set. Of a tour world: coordinates [count, n, 2], 0 to 1, each taken to the nearest point of
            the world's grid; for TourEdit-v0 also (coordinates, order), order [count, n] being the first tours. Slot i
            plays levels i, i + num_envs, i + 2 num_envs … each once; `info["level"]` is the
            number of the level shown (with same-step autoreset, `info["final_level"]` of the one just ended), -1 once
            there are no more: then they come again, not to be counted.
        options: the world's own (`mesasim list Bandit-v0` prints them).

    Slot i's story is a function of (seed, first_slot + i, its actions), whatever the batch size, threads or device.
    """

    metadata: dict[str, Any]

    def __init__(
        self,
        id: str,
        num_envs: int = 1,
        *,
        device: str | torch.device = "cpu",
        num_threads: int | None = None,
        seed: int | None = None,
        history: bool = False,
        oracle: bool = False,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        output: str = "torch",
        copy: bool | None = None,
        render_mode: str | None = None,
        first_slot: int = 0,
        buffers: dict[str, Tensor] | None = None,
        levels: Any = None,
        **options: Any,
    ) -> None:
        on = check_device(device)
        given = None if levels is None else read_levels(resolve(id)[0], levels, on)
        if given is not None:
            options = {given.option: given.size, **options}
        self.world_id, self.options = resolve(id, options)
        options = self.options
        load_spec(self.world_id, options)
        if given is not None:
            if options[given.option] != given.size:
                raise ValueError(
                    f"{given.option}: got {options[given.option]} with levels of {given.size}, allowed: the same"
                )
            given.check(options)
        self.num_envs = _integer("num_envs", num_envs)
        self.device = on
        self.num_threads = usable_cores() if num_threads is None else _integer("num_threads", num_threads)
        self.history, self.oracle = _flag("history", history), _flag("oracle", oracle)
        self.autoreset_mode = _autoreset_mode(autoreset_mode)
        self.output = _choice("output", output, ("torch", "numpy"))
        self.copy = self.output == "numpy" if copy is None else _flag("copy", copy)
        self.render_mode = _choice("render_mode", render_mode, (None, *RENDER_MODES))
        self.first_slot = _integer("first_slot", first_slot)
        self._seed = None if seed is None else _seed(seed)
        self._native = engine_of(
            self.world_id,
            options,
            num_envs=self.num_envs,
            cuda_device=-1 if self.device.type == "cpu" else self.device.index,
            num_threads=self.num_threads,
            first_slot=self.first_slot,
            autoreset=AUTORESET[self.autoreset_mode],
            history=self.history,
            oracle=self.oracle,
            max_episode_steps=None if max_episode_steps is None else _integer("max_episode_steps", max_episode_steps),
            num_levels=0 if given is None else len(given.bytes),
        )
        self.max_episode_steps: int = self._native.max_episode_steps
        self.world_spec: _core.Spec = self._native.spec
        self.levels = None if given is None else given.bytes.contiguous()
        self.buffers = Buffers(self._native, self.num_envs, self.device, buffers, self.levels)
        self.fields: list[_core.Field] = [b.field for b in self._native.buffers() if b.group == "observation"]
        self.metadata = {
            "autoreset_mode": self.autoreset_mode,
            "render_modes": list(RENDER_MODES),
            "render_fps": RENDER_FPS,
        }
        self.single_observation_space = observation_space(self.fields)
        self.single_action_space = gymnasium.spaces.Discrete(len(self.world_spec.actions))
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        core = self.buffers.group["core"]
        self.actions = core["action"]  # int32 [num_envs]: write here and call step(env.actions) to spare the copy
        self._core_views = (core["reward"], core["terminated"], core["truncated"])
        self._started = False

    # Reset and step

    def reset(
        self, *, seed: int | Sequence[int] | np.ndarray | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts new episodes.

        Args:
            seed: an int keys slot i by (seed, first_slot + i); a sequence of num_envs ints gives slot i the story of a
                single environment with that seed; None goes on to each slot's next episode.
            options: {"reset_mask": bool [num_envs]} resets those slots only, and returns the others as they are.
        """
        mask = self._reset_mask(options)
        seeds: Tensor | None = None
        one_seed: int | None = None
        if seed is None and not self._started:
            seed = self._seed
        if seed is None:
            if not self._started:
                one_seed = int(self.np_random.integers(2**63))
        elif isinstance(seed, (int, np.integer)):
            one_seed = _seed(seed)
            super().reset(seed=one_seed)
        else:
            seeds = self._slot_seeds(seed)
        if mask is not None and not self._started:
            raise gymnasium.error.ResetNeeded("reset_mask: the first reset must be of every slot")
        self._native.reset(mask=address(mask), seeds=address(seeds), seed=one_seed, stream=self._stream())
        self._started = True
        return self._give(self.observation()), self._oracle_info()

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """One action a slot: integers [num_envs], an array of any library on the environment's device (of NumPy, and a
        sequence: wherever that is). Returns observation, reward float32,
        terminated bool, truncated bool (each [num_envs]) and info.

        An action out of range leaves its slot as it was and raises ValueError when the others have stepped (on CUDA,
        at a later call).
        """
        self.launch(actions)
        reward, terminated, truncated = self._core_views
        return (
            self._give(self.observation()),
            self._give(reward),
            self._give(terminated),
            self._give(truncated),
            self._info(),
        )

    def launch(self, actions: Any) -> None:
        """`step` without its answer, which stands in `buffers` alone. On CUDA it waits for nothing and, after one step, can be
        captured in a CUDA graph, whose replays step as well but raise nothing: `check` does. No GPU has run that yet."""
        if actions is not self.actions:
            self._load(actions)
        fault = self._native.step(self._stream())
        if fault is not None:
            self._raise(*fault)

    def check(self) -> None:
        """Raises what a replayed step refused, once the device has come to it."""
        fault = self._native.fault(self._stream())
        if fault is not None:
            self._raise(*fault)

    def observation(self) -> Any:
        """The engine's own observation memory: a tensor, or a dict of tensors where there are several fields."""
        observation = self.buffers.group["observation"]
        return observation if len(observation) > 1 else next(iter(observation.values()))

    # State

    def get_state(self) -> bytes:
        """Everything needed to go on from here to the same bits: versioned, with a checksum."""
        if not self._started:
            raise gymnasium.error.ResetNeeded("get_state: call reset() first")
        return pack_state(self._identity(), self.buffers)

    def set_state(self, state: bytes) -> None:
        """Continues from `get_state()` of an environment of the same world, options and settings. Raises ValueError,
        and changes nothing, if the bytes are damaged or of another environment."""
        unpack_state(state, self._identity(), self.buffers, self._native)
        self._started = True

    def _identity(self) -> dict[str, Any]:
        options = {o.name: self.options.get(o.name, o.default) for o in self.world_spec.options}
        return {
            "world": self.world_id,
            "options": json.loads(json.dumps(options, default=str)),  # as it comes back: tuples are lists
            "num_envs": self.num_envs,
            "history": self.history,
            "oracle": self.oracle,
            "autoreset_mode": self.autoreset_mode.value,
            "max_episode_steps": self.max_episode_steps,
            "levels": None if self.levels is None else digest({"levels": self.levels}),
        }

    # Rendering and closing

    def render(self) -> tuple[Any, ...] | None:
        """One frame a slot, in `render_mode`."""
        if self.render_mode is None:
            gymnasium.logger.warn("render() was called without a render_mode; pass render_mode='rgb_array' or 'ansi'")
            return None
        return tuple(self.render_slot(slot) for slot in range(self.num_envs))

    def render_slot(self, slot: int) -> Any:
        """The frame of one slot, in `render_mode`."""
        if not 0 <= slot < self.num_envs:
            raise ValueError(f"slot: got {slot}, allowed: 0 to {self.num_envs - 1}")
        if not self._started:
            raise gymnasium.error.ResetNeeded("render: call reset() first")
        state = self.buffers.group["core"]["state"][slot].cpu().numpy().tobytes()
        return frame(*self._native.picture(state), mode=self.render_mode or "ansi")

    def close_extras(self, **kwargs: Any) -> None:
        """Nothing is held that Python does not free."""

    # What reset and step are made of

    def _stream(self) -> int:
        return 0 if self.device.type == "cpu" else torch.cuda.current_stream(self.device).cuda_stream

    def _load(self, actions: Any) -> None:
        tensor = self._taken("actions", actions, "integers")
        if tuple(tensor.shape) != (self.num_envs,):
            raise ValueError(f"actions: got shape {tuple(tensor.shape)}, allowed: ({self.num_envs},)")
        if tensor.dtype in WIDE:  # what 32 bits do not hold must not wrap into range
            wide = tensor.to(torch.int64)
            if tensor.dtype == torch.uint64:
                wide = wide.masked_fill(wide < 0, MOST_INT32)  # from 2^63 on
            tensor = wide.clamp(-MOST_INT32 - 1, MOST_INT32)
        self.actions.copy_(tensor)

    def _raise(self, fault: int, slot: int, action: int) -> None:
        if fault == 1:
            allowed = f"0 to {len(self.world_spec.actions) - 1}"
            clamped = {MOST_INT32: " or more", -MOST_INT32 - 1: " or less"}  # by _load
            got = f"{action}{clamped.get(action, '')}"
            raise ValueError(f"actions: slot {slot} got {got}, allowed: {allowed}; the slot is unchanged")
        if fault == 2:
            raise gymnasium.error.ResetNeeded(f"slot {slot} is done; with autoreset disabled, reset it before stepping")
        raise gymnasium.error.ResetNeeded("step: call reset() first")

    def _give(self, value: Any) -> Any:
        """Engine memory in the form the caller asked for."""
        if isinstance(value, dict):
            return {name: self._give(tensor) for name, tensor in value.items()}
        if self.output == "torch":
            return value.clone() if self.copy else value
        array = value.cpu().numpy()
        return array.copy() if self.copy else array

    def _oracle_info(self) -> dict[str, Any]:
        shown = self.buffers.group["oracle"]
        if self.levels is not None:
            shown = {**shown, "level": self.buffers.group["levels"]["level"]}
        if not shown:
            return {}
        return self._masked(shown, torch.ones(self.num_envs, dtype=torch.bool, device=self.device))

    def _info(self) -> dict[str, Any]:
        info = self._oracle_info()
        if self.autoreset_mode is not AutoresetMode.SAME_STEP:
            return info
        done = self.buffers.group["core"]["terminated"] | self.buffers.group["core"]["truncated"]
        if self.levels is not None:
            info |= self._masked({"final_level": self.buffers.group["levels"]["final_level"]}, done)
        final = self.buffers.group["final_observation"]
        final_obs = final if len(final) > 1 else next(iter(final.values()))
        if self.output == "torch":
            info |= {"final_obs": self._give(final_obs), "_final_obs": done}
            if self.oracle:
                info |= {"final_info": self._masked(self.buffers.group["final_oracle"], done), "_final_info": done}
        elif done.any():
            mask = done.cpu().numpy()
            info |= {"final_obs": _object_array(self._give(final_obs), mask), "_final_obs": mask}
            info |= {"final_info": self._masked(self.buffers.group["final_oracle"], done), "_final_info": mask.copy()}
        return info

    def _masked(self, named: dict[str, Tensor], mask: Tensor) -> dict[str, Any]:
        info = {}
        for name, tensor in named.items():
            info[name] = self._give(tensor)
            info[f"_{name}"] = self._give(mask)
        return info

    def _reset_mask(self, options: dict[str, Any] | None) -> Tensor | None:
        if options is not None and not isinstance(options, dict):
            raise TypeError(f"options: got {type(options).__name__}, allowed: a dict")
        if options is None or "reset_mask" not in options:
            return None
        given = options.pop("reset_mask")  # popped, as gymnasium's own vector environments do
        mask = self._taken("reset_mask", given, "bool")
        if tuple(mask.shape) != (self.num_envs,):
            raise ValueError(f"reset_mask: got shape {tuple(mask.shape)}, allowed: ({self.num_envs},)")
        if not mask.any():
            raise ValueError("reset_mask: got no True, allowed: at least one")
        return mask.contiguous()

    def _taken(self, name: str, given: Any, kind: str) -> Tensor:
        """What the caller gives for every slot, on the environment's device. NumPy's arrays are brought there, since
        Gymnasium's spaces and masks are made of them; of any other the caller decides when it is copied."""
        if isinstance(given, np.ndarray):
            return as_tensor(name, given, kind).to(self.device)
        return as_tensor(name, given, kind, device=self.device)

    def _slot_seeds(self, seeds: Any) -> Tensor:
        if isinstance(seeds, (str, bytes, dict)) or not hasattr(seeds, "__iter__"):
            raise TypeError(f"seed: got {seeds!r}, allowed: an integer or {self.num_envs} integers")
        values = list(itertools.islice(seeds, self.num_envs + 1))  # what is longer may be endless
        if len(values) != self.num_envs:
            got = f"{len(values)}{' or more' if len(values) > self.num_envs else ''}"
            raise ValueError(f"seed: got {got} seeds, allowed: an int or {self.num_envs} ints")
        array = np.array([_seed(value) for value in values], dtype=np.uint64)
        return torch.from_numpy(array.view(np.int64)).to(self.device)


def make_vec(id: str, num_envs: int = 1, **kwargs: Any) -> MesaVectorEnv:
    """`num_envs` slots of a world, handing out torch tensors that the next call writes again (see MesaVectorEnv)."""
    return MesaVectorEnv(id, num_envs, **kwargs)


def gymnasium_vec(world: str, num_envs: int = 1, **kwargs: Any) -> MesaVectorEnv:
    """The same object as Gymnasium's wrappers expect it: NumPy arrays, fresh at every call."""
    return MesaVectorEnv(world, num_envs, **{"output": "numpy", **kwargs})


def _object_array(values: Any, mask: np.ndarray) -> np.ndarray:
    array = np.full(mask.shape, None, dtype=object)
    for slot in np.flatnonzero(mask):
        array[slot] = {n: v[slot] for n, v in values.items()} if isinstance(values, dict) else values[slot]
    return array


def _integer(name: str, value: Any) -> int:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name}: got {value!r}, allowed: an integer")
    if not -(2**63) <= value < 2**63:
        raise ValueError(f"{name}: got {value}, allowed: a 64-bit integer")
    return int(value)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name}: got {value!r}, allowed: True or False")
    return bool(value)


def _choice(name: str, value: Any, allowed: tuple[Any, ...]) -> Any:
    if not isinstance(value, (str, type(None))) or value not in allowed:
        raise ValueError(f"{name}: got {value!r}, allowed: {', '.join(map(repr, allowed))}")
    return value


def _seed(value: Any) -> int:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"seed: got {value!r}, allowed: an integer from 0 to 2^64 - 1")
    if not 0 <= value < 2**64:
        raise ValueError(f"seed: got {value}, allowed: 0 to 2^64 - 1")
    return int(value)


def _autoreset_mode(value: str | AutoresetMode) -> AutoresetMode:
    if isinstance(value, AutoresetMode):
        return value
    known = {name: mode for mode in AutoresetMode for name in (mode.value.lower(), mode.name.lower())}
    if not isinstance(value, str) or value.lower() not in known:
        raise ValueError(f"autoreset_mode: got {value!r}, allowed: {', '.join(mode.value for mode in AutoresetMode)}")
    return known[value.lower()]
