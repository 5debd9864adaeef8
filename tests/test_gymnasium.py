"""Gymnasium's checker, registry and wrappers take our environments; so do other people's learners. The examples of
these run here."""

import importlib.util
import pickle
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers.vector import FlattenObservation, NormalizeObservation, NumpyToTorch, RecordEpisodeStatistics

import mesasim
from mesasim import _core
from mesasim.testing import check_vector_env

EXAMPLES = Path(__file__).parent.parent / "examples"


def example(name):
    described = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module


# Gymnasium's advice, not its contract: a reward that history shows back has no bound, and a bandit shows nothing
advice = [
    pytest.mark.filterwarnings("ignore:.*A Box observation space (minimum|maximum) value is -?infinity"),
    pytest.mark.filterwarnings("ignore:.*A Box observation space maximum and minimum values are equal"),
]


@pytest.fixture(autouse=True)
def one_torch_thread():
    """Networks this small only wait for one another in threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def advised(test):
    for mark in advice:
        test = mark(test)
    return test


@advised
@pytest.mark.parametrize("form", [{}, {"history": True}, {"oracle": True}])
def test_single_twin_passes_gymnasiums_checker(case, form):
    world, options = case
    env = gymnasium.make(f"mesasim/{world}", **form, **options)
    check_env(env.unwrapped, skip_render_check=True)


@advised
@pytest.mark.parametrize("mode", ["rgb_array", "ansi"])
@pytest.mark.parametrize("world", _core.world_ids())
def test_single_twin_passes_gymnasiums_checker_in_every_render_mode(world, mode):
    check_env(gymnasium.make(f"mesasim/{world}", render_mode=mode).unwrapped)


@pytest.mark.parametrize("world", _core.world_ids())
def test_every_world_is_registered_for_both_makers(world):
    single = gymnasium.make(f"mesasim/{world}")
    vector = gymnasium.make_vec(f"mesasim/{world}", num_envs=3)
    assert vector.unwrapped.spec.id == single.spec.id == f"mesasim/{world}"
    assert isinstance(vector, mesasim.MesaVectorEnv) and vector.output == "numpy"
    assert vector.single_observation_space == single.observation_space
    check_vector_env(vector, steps=5000)


def test_make_vec_takes_gymnasiums_time_limit_and_modes():
    env = gymnasium.make_vec("mesasim/Maze-v0", num_envs=2, max_episode_steps=3, autoreset_mode=AutoresetMode.SAME_STEP)
    env.reset(seed=0)
    assert env.unwrapped.max_episode_steps == 3
    assert env.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    assert mesasim.make_vec("Maze-v0", 2).metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP


def test_numpy_and_torch_outputs_are_the_same_story(case):
    world, options = case
    array = mesasim.make_vec(world, 4, output="numpy", oracle=True, **options)
    tensor = mesasim.make_vec(world, 4, output="torch", oracle=True, **options)
    (a, a_info), (b, b_info) = array.reset(seed=1), tensor.reset(seed=1)
    for _ in range(12):
        fields = zip(a.values(), b.values(), strict=True) if isinstance(a, dict) else [(a, b)]
        for x, y in fields:
            assert isinstance(x, np.ndarray) and isinstance(y, torch.Tensor) and np.array_equal(x, y.numpy())
        assert all(np.array_equal(a_info[name], b_info[name].numpy()) for name in a_info)
        a, *a_rest, a_info = array.step(np.zeros(4, dtype=np.int64))
        b, *b_rest, b_info = tensor.step(torch.zeros(4, dtype=torch.int64))
        assert all(np.array_equal(x, y.numpy()) for x, y in zip(a_rest, b_rest, strict=True))


# Rendering


@pytest.mark.parametrize("world", _core.world_ids())
def test_render_gives_a_frame_a_slot(world):
    frames = {}
    for mode in ("rgb_array", "ansi"):
        env = mesasim.make_vec(world, 3, render_mode=mode)
        env.reset(seed=0)
        frames[mode] = env.render()
        assert len(frames[mode]) == 3
    for pixels, text in zip(frames["rgb_array"], frames["ansi"], strict=True):
        lines = text.splitlines()
        assert pixels.dtype == np.uint8 and pixels.shape == (8 * len(lines), 8 * len(lines[0]), 3)


def test_rendered_maze_is_the_observed_maze():
    env = mesasim.make_vec("Maze-v0", 2, size=6, view=0, output="numpy", render_mode="ansi")
    observation, _ = env.reset(seed=3)
    for tiles, text in zip(observation, env.render(), strict=True):
        assert text == "".join("".join("# GA"[tile] for tile in row) + "\n" for row in tiles)


def test_render_without_a_mode_warns():
    env = mesasim.make_vec("Maze-v0", 2)
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="without a render_mode"):
        assert env.render() is None


# Wrappers


def test_record_episode_statistics_counts_the_engines_episodes():
    for mode in ("NextStep", "SameStep"):
        env = RecordEpisodeStatistics(
            gymnasium.make_vec("mesasim/Bandit-v0", num_envs=3, pulls=4, autoreset_mode=mode, oracle=True)
        )
        env.reset(seed=0)
        total = np.zeros(3)
        for _ in range(4):
            _, reward, terminated, _, info = env.step(np.zeros(3, dtype=int))
            total += reward
        assert terminated.all() and info["_episode"].all()
        np.testing.assert_allclose(info["episode"]["r"], total)
        assert (info["episode"]["l"] == 4).all()


def test_observation_wrappers_accept_every_world(case):
    world, options = case
    flat = FlattenObservation(gymnasium.make_vec(f"mesasim/{world}", num_envs=3, history=True, **options))
    env = NormalizeObservation(flat)
    observation, _ = env.reset(seed=0)
    for _ in range(20):
        assert observation.shape == env.observation_space.shape and np.isfinite(observation).all()
        observation, *_ = env.step(np.zeros(3, dtype=int))


def test_numpy_to_torch_wraps_the_numpy_surface():
    env = NumpyToTorch(gymnasium.make_vec("mesasim/Maze-v0", num_envs=3))
    observation, _ = env.reset(seed=0)
    assert isinstance(observation, torch.Tensor) and observation.dtype == torch.uint8
    _, reward, terminated, *_ = env.step(torch.zeros(3, dtype=torch.int64))
    assert reward.dtype == torch.float32 and terminated.dtype == torch.bool


def test_spec_of_a_made_environment_can_be_stored():
    env = gymnasium.make_vec("mesasim/Maze-v0", num_envs=3, size=5)
    assert "mesasim/Maze-v0" in env.unwrapped.spec.to_json()
    assert pickle.loads(pickle.dumps(env.unwrapped.spec)).kwargs["size"] == 5


# Examples


def test_wrappers_example_runs(capsys):
    assert 0 < example("gymnasium_wrappers").main(num_envs=8, steps=150) <= 1
    assert "mean return" in capsys.readouterr().out


def test_mazes_example_runs_and_keeps_the_hard_ones(capsys):
    module = example("mazes_for_a_sequence_model")
    assert module.main(count=600) > module.main(count=600, keep=(0, 25)) > 0
    assert "<PATH_END>" in capsys.readouterr().out


def test_cleanrl_style_example_runs_and_improves(capsys):
    module = example("cleanrl_style")
    untrained = module.main(num_envs=64, rollout_steps=16, updates=1)
    trained = module.main(num_envs=64, rollout_steps=16, updates=60)
    assert trained > 1.2 * untrained
    assert "goals a step" in capsys.readouterr().out


def test_stable_baselines3_example_learns_a_few_hundred_steps(capsys):
    module = example("stable_baselines3_ppo")
    model = module.main(total_timesteps=512, num_envs=16, n_steps=16)
    assert model.num_timesteps == 512
    assert "reward a pull" in capsys.readouterr().out


def test_adapter_for_stable_baselines3_hands_over_the_last_observation():
    env = example("stable_baselines3_ppo").SB3VecEnv("Bandit-v0", 2, pulls=3, clock=True)
    env.seed(4)
    assert env.reset().tolist() == [[0], [0]]
    for _ in range(3):
        observation, _, done, infos = env.step(np.zeros(2, dtype=int))
    assert done.all() and observation.tolist() == [[0], [0]]
    assert [info["terminal_observation"].tolist() for info in infos] == [[3], [3]]
    assert not any(info["TimeLimit.truncated"] for info in infos)
