"""MesaEnv: the single-environment twin, for check_env, wrappers and tools that know no vectors. A batch of one."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode

from mesasim.vector import RENDER_FPS, RENDER_MODES, MesaVectorEnv


class MesaEnv(gymnasium.Env):
    """One slot of `world`. With seed s it tells the story of a vector's slot seeded s (see MesaVectorEnv.reset)."""

    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": RENDER_FPS}  # noqa: RUF012

    def __init__(self, world: str, render_mode: str | None = None, **kwargs: Any) -> None:
        refused = {"num_envs", "output", "copy", "autoreset_mode", "buffers"} & kwargs.keys()
        if refused:
            raise TypeError(f"{', '.join(sorted(refused))}: not an argument of a single environment")
        self.vector = MesaVectorEnv(
            world, 1, num_threads=1, output="numpy", copy=True, autoreset_mode=AutoresetMode.DISABLED,
            render_mode=render_mode, **kwargs,
        )  # fmt: skip
        self.observation_space = self.vector.single_observation_space
        self.action_space = self.vector.single_action_space
        self.render_mode = render_mode

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        observation, info = self.vector.reset(seed=seed)
        return self._first(observation), self._first_info(info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.vector.step(np.reshape(action, (1,)))
        return (
            self._first(observation),
            float(reward[0]),
            bool(terminated[0]),
            bool(truncated[0]),
            self._first_info(info),
        )

    def render(self) -> Any:
        if self.render_mode is None:
            gymnasium.logger.warn("render() was called without a render_mode; pass render_mode='rgb_array' or 'ansi'")
            return None
        return self.vector.render_slot(0)

    @staticmethod
    def _first(value: Any) -> Any:
        return {name: array[0] for name, array in value.items()} if isinstance(value, dict) else value[0]

    @staticmethod
    def _first_info(info: dict[str, Any]) -> dict[str, Any]:
        return {name: value[0] for name, value in info.items() if not name.startswith("_")}
