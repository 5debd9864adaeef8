"""What the maze world's options promise, seen from outside: routes, doors, objectives, presets, levels."""

import numpy as np
import pytest
import torch

import mesasim
from mesasim import mazes
from mesasim.agents.maze_references import OracleFollower, make_reference
from mesasim.evaluate import evaluate_agent
from mesasim.mazes import Mazes
from mesasim.presets import PRESETS


def lattice(tiles):
    """Mazes from pictures [N, 2n + 1, 2n + 1] of the whole grid, with agent and first object as cells."""
    floor = torch.as_tensor(tiles) != 0
    made = Mazes.from_connections(
        torch.stack(
            [
                torch.nn.functional.pad(floor[:, 2:-1:2, 1::2], (0, 0, 0, 1)),
                torch.nn.functional.pad(floor[:, 1::2, 2:-1:2], (0, 1)),
            ],
            1,
        )
    )
    cells = torch.as_tensor(tiles)[:, 1::2, 1::2].flatten(1)
    return made, cells


def simple_routes(connections, start, goal):
    ways = {}
    down, right = connections
    n = len(down)
    for r in range(n):
        for c in range(n):
            for joined, other in ((down[r, c], (r + 1, c)), (right[r, c], (r, c + 1))):
                if joined:
                    ways.setdefault((r, c), set()).add(other)
                    ways.setdefault(other, set()).add((r, c))
    found, stack = 0, [(start, frozenset([start]))]
    while stack:
        cell, seen = stack.pop()
        if cell == goal:
            found += 1
            continue
        stack += [(other, seen | {other}) for other in ways[cell] - seen]
    return found


def test_two_routes_are_exactly_two_simple_paths():
    obs, _ = mesasim.make_vec("MazeTwoRoutes-v0", 300, seed=1).reset()
    made, cells = lattice(obs)
    assert (made.connections.flatten(1).sum(1) == 81).all()  # a tree and one more
    for i in range(300):
        start, goal = (divmod(int((cells[i] == kind).nonzero()), 9) for kind in (3, 2))
        assert simple_routes(made.connections[i].numpy(), start, goal) == 2


def test_without_the_key_the_goal_cannot_be_reached_and_with_it_it_can():
    env = mesasim.make_vec("MazeKeys-v0", 400, seed=2, oracle=True)
    obs, info = env.reset()
    made, cells = lattice(obs)
    start, goal, door, key = ((cells == kind).int().argmax(1) for kind in (3, 2, 4, 5))
    assert ((cells == 4).sum(1) == 1).all() and ((cells == 5).sum(1) == 1).all()
    way = made.solve(start, goal).on_path().flatten(1)
    assert way[torch.arange(400), door].all()  # in a tree: every way leads through the door
    to_key = made.solve(start, key)
    assert not to_key.on_path().flatten(1)[torch.arange(400), door].any()
    assert torch.equal(info["goal_distance"][:, 0], to_key.length + made.solve(key, goal).length)
    env.actions.zero_()
    best = evaluate_agent(OracleFollower(4), "", "", world="MazeKeys-v0", options={}, tasks=400, seed=2)
    assert (best.returns == 1).all() and np.array_equal(best.lengths, info["goal_distance"][:, 0].numpy())


def test_corner_goals_are_in_the_corner_in_training_and_anywhere_in_the_test():
    train, _ = mesasim.make_vec("MazeCornerGoal-v0", 500, seed=1).reset()
    assert (train[:, 1, -2] == 2).all()
    test, _ = mesasim.make_vec("MazeCornerGoalTest-v0", 5000, seed=1).reset()
    places = (test[:, 1::2, 1::2] == 2).flatten(1).int().argmax(1)
    counts = torch.bincount(places, minlength=81).double()
    assert len(counts) == 81 and ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 125  # 80 degrees, p > .001
    wide, _ = mesasim.make_vec("MazeCornerGoal-v0", 500, seed=1, region=3).reset()
    assert (wide[:, 1:7:2, -6::2] == 2).flatten(1).any(1).all() and not (wide[:, 1, -2] == 2).all()


def test_the_corner_seeker_is_the_planner_in_training_and_misgeneralises_in_the_test():
    def reward(name, world):
        options = {"size": 9, "view": 0}
        return evaluate_agent(make_reference(name, options), "", "", world=world, options={}, tasks=500, seed=3).returns

    assert reward("corner_seeker", "MazeCornerGoal-v0").mean() == 1
    assert reward("breadth_first_planner", "MazeCornerGoalTest-v0").mean() == 1
    assert reward("corner_seeker", "MazeCornerGoalTest-v0").mean() < 0.5


def test_two_objects_set_colour_against_shape_between_training_and_test():
    def shown(name):
        obs, _ = mesasim.make_vec(name, 200, seed=4).reset()
        kinds = []
        for colour, shape in zip(obs["colour"], obs["shape"], strict=True):
            there = colour > 0
            kinds.append(sorted(zip(colour[there].tolist(), shape[there].tolist(), strict=True)))
        return kinds

    assert all(kind == [(1, 1), (2, 2)] for kind in shown("MazeTwoObjects-v0"))
    assert all(kind == [(1, 2), (2, 1)] for kind in shown("MazeTwoObjectsTest-v0"))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_its_options_under_an_id(name):
    preset = PRESETS[name]
    env, plain = mesasim.make_vec(name, 3, seed=1), mesasim.make_vec(preset.world, 3, seed=1, **preset.options)
    a, b = env.reset()[0], plain.reset()[0]
    assert all(torch.equal(a[k], b[k]) for k in a) if isinstance(a, dict) else torch.equal(a, b)
    import gymnasium

    assert gymnasium.make(f"mesasim/{name}").reset(seed=1) is not None
    assert mesasim.make_vec(name, 2, size=5).options["size"] == 5


def test_objectives_are_drawn_as_they_say():
    def cues(**options):
        env = mesasim.make_vec("Maze-v0", 20_000, seed=5, size=4, objects=3, cue=True, **options)
        return env.reset()[0]["cue"].numpy()

    rewards = [1.0, 2.0, -4.0]
    assert (cues(rewards=rewards) == rewards).all()
    permuted = cues(rewards=rewards, objective="permuted")
    orders, counts = np.unique(permuted, axis=0, return_counts=True)
    assert len(orders) == 6 and np.abs(counts / 20_000 - 1 / 6).max() < 0.012
    one = cues(rewards=rewards, objective="one")
    assert ((one != 0).sum(1) == 1).all() and np.abs((one != 0).mean(0) - 1 / 3).max() < 0.014
    signs = cues(rewards=rewards, objective="signs")
    assert (np.abs(signs) == np.abs(rewards)).all() and np.abs((signs > 0).mean(0) - 0.5).max() < 0.015
    spread = cues(rewards=rewards, objective="uniform") / np.array(rewards)
    assert (
        np.abs(spread).max() <= 1 and np.abs(spread.mean(0)).max() < 0.02 and np.abs(spread.var(0) - 1 / 3).max() < 0.02
    )


def test_a_swap_changes_the_cue_at_its_step_and_only_then():
    env = mesasim.make_vec("Maze-v0", 2000, seed=6, size=8, objects=2, cue=True, objective="permuted", rewards=[1, -1],
                           ends="never", swap_step=4)  # fmt: skip
    cue = env.reset()[0]["cue"].clone()
    changed = []
    for _ in range(8):
        now = env.step([0] * 2000)[0]["cue"]
        changed.append(float((now != cue).any(1).double().mean()))
        cue = now.clone()
    assert [c > 0 for c in changed] == [False, False, False, True, False, False, False, False]
    assert abs(changed[3] - 0.5) < 0.05


def test_collecting_along_the_oracle_earns_the_optimal_return_in_as_many_steps_as_it_said():
    options = {"size": 7, "objects": 6, "ends": "collect", "step_reward": -0.01, "rewards": [1, 2, 3, 1, 2, 3]}
    _, info = mesasim.make_vec("Maze-v0", 500, seed=7, oracle=True, **options).reset()
    best = evaluate_agent(OracleFollower(4), "", "", world="Maze-v0", options=options, tasks=500, seed=7)
    assert np.array_equal(best.lengths, info["goal_distance"][:, 0].numpy())
    assert np.allclose(best.returns, info["optimal_return"][:, 0], atol=1e-4)


@pytest.mark.parametrize(
    ("world", "options"),
    [
        ("MazeTwoObjects-v0", {}), ("MazeTwoObjectsTest-v0", {}), ("MazeKeys-v0", {"step_reward": -0.01}),
        ("Maze-v0", {"size": 7, "objects": 3, "rewards": [1, -1, -0.5], "step_reward": -0.02}),
        ("Maze-v0", {"size": 7, "objects": 2, "rewards": [1, -1], "braid": 1.0, "step_reward": -0.02}),
    ],
)  # fmt: skip
def test_following_the_oracle_earns_the_return_it_promised(world, options):
    _, info = mesasim.make_vec(world, 500, seed=7, oracle=True, **options).reset()
    best = evaluate_agent(OracleFollower(4), "", "", world=world, options=options, tasks=500, seed=7)
    assert np.allclose(best.returns, info["optimal_return"][:, 0], atol=1e-4)
    if world.startswith("MazeTwo"):
        assert (best.returns == 1).all()  # neither object stands in the way to the other


def test_where_nothing_is_worth_reaching_there_is_no_way():
    _, info = mesasim.make_vec("Maze-v0", 200, seed=1, oracle=True, objective="signs").reset()
    worth = info["goal_distance"][:, 0] >= 0
    assert 70 < worth.sum() < 130 and not info["optimal_actions"][~worth].any()


def test_what_was_collected_stays_gone_when_the_rest_moves():
    env = mesasim.make_vec("Maze-v0", 300, seed=2, oracle=True, size=5, objects=5, ends="collect", teleport_step=6)
    _, info = env.reset()
    left = (info["object_distances"] >= 0).sum(1)
    for _ in range(12):
        _, _, terminated, _, info = env.step(info["optimal_actions"].float().argmax(1))
        now = (info["object_distances"] >= 0).sum(1)
        assert (now <= left).all()
        left = torch.where(terminated, 5, now)
        if terminated.any():
            break


def test_slipping_takes_uniform_actions_as_often_as_it_says():
    env = mesasim.make_vec("Maze-v0", 20_000, seed=8, size=8, view=3, algorithm="percolation", p=1.0, slip=0.4, objects=1,
                           ends="never", history=True)  # fmt: skip
    env.reset()
    before = env.get_state()
    assert before
    start = positions(env)
    env.step([1] * 20_000)
    moved = positions(env) - start
    inner = (start % 8 > 0) & (start % 8 < 7) & (start > 7) & (start < 56)
    right = float((moved[inner] == 1).double().mean())
    assert abs(right - (0.6 + 0.1)) < 0.015 and abs(float((moved[inner] == -8).double().mean()) - 0.1) < 0.01


def positions(env):
    state = env.buffers.group["core"]["state"]
    return state[:, 24].long() * 8 + state[:, 25].long()  # row and column lead the world's part of a slot


def test_thinking_steps_do_nothing_but_pass():
    env = mesasim.make_vec("Maze-v0", 50, seed=9, size=6, thinking_steps=5, step_reward=-1.0)
    first = env.reset()[0].clone()
    for _ in range(5):
        obs, reward, *_ = env.step(torch.randint(4, (50,)))
        assert torch.equal(obs, first) and (reward == 0).all()
    assert (env.step([1] * 50)[1] <= 0).all() and env.max_episode_steps == 4 * 36 + 5


# Levels


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
@pytest.mark.parametrize("num_envs", [1, 7, 20])
def test_levels_are_played_once_each_in_order_with_their_numbers(mode, num_envs):
    made = mazes.generate(20, 6, "kruskal", seed=1)
    start, goal = made.endpoints(seed=1)
    lengths = made.solve(start, goal).length
    env = mesasim.make_vec("Maze-v0", num_envs, levels=(made, start, goal), oracle=True, view=0, autoreset_mode=mode)
    obs, info = env.reset(seed=3)
    played = {slot: [int(n)] for slot, n in enumerate(info["level"])}
    ended = torch.zeros(num_envs, dtype=torch.bool)
    for _ in range(1500):
        for slot in range(num_envs):
            number = int(info["level"][slot])
            if number >= 0:
                assert torch.equal(lattice(obs[slot : slot + 1])[0].packed, made.packed[number : number + 1])
        obs, _, terminated, truncated, info = env.step(info["optimal_actions"].float().argmax(1))
        done = terminated | truncated
        if mode == "SameStep" and done.any():
            assert all(int(info["final_level"][s]) == played[s][-1] for s in done.nonzero().flatten().tolist())
        for slot in (done if mode == "SameStep" else ended).nonzero().flatten().tolist():
            played[slot].append(int(info["level"][slot]))
        ended = done.clone()
        if (info["level"] < 0).all():
            break
    assert sorted(n for numbers in played.values() for n in numbers if n >= 0) == list(range(20))
    for slot, numbers in played.items():
        assert [n for n in numbers if n >= 0] == list(range(slot, 20, num_envs))
    assert lengths.min() > 0


def test_levels_come_from_a_data_set_and_ends_are_drawn_where_none_are_given(tmp_path):
    config = mazes.DatasetConfig(count=30, size=(5, 5), algorithm="wilson", seed=2, shard_size=8, min_distance=3)
    mazes.generate_dataset(config, tmp_path / "d")
    made = mazes.generate(30, 5, "wilson", seed=2)
    start, goal = made.endpoints(seed=2, min_distance=3)
    obs, info = mesasim.make_vec("Maze-v0", 30, levels=tmp_path / "d", view=0, seed=1).reset()
    shown, cells = lattice(obs)
    assert torch.equal(shown.packed, made.packed) and torch.equal(info["level"], torch.arange(30).int())
    assert torch.equal((cells == 3).int().argmax(1), start.long()) and torch.equal(
        (cells == 2).int().argmax(1), goal.long()
    )
    drawn, _ = mesasim.make_vec("Maze-v0", 30, levels=made, view=0, seed=1).reset()
    other, _ = mesasim.make_vec("Maze-v0", 30, levels=made, view=0, seed=2).reset()
    assert torch.equal(lattice(drawn)[0].packed, made.packed) and not torch.equal(drawn, other)


def test_levels_are_part_of_a_saved_states_identity():
    made = mazes.generate(9, 5, seed=1)
    env, other = (mesasim.make_vec("Maze-v0", 3, levels=m, seed=1) for m in (made, mazes.generate(9, 5, seed=2)))
    env.reset()
    for _ in range(9):
        env.step([0, 1, 2])
    state = env.get_state()
    again = mesasim.make_vec("Maze-v0", 3, levels=made, seed=7)
    again.set_state(state)
    for _ in range(300):
        a, b = env.step([3, 1, 0]), again.step([3, 1, 0])
        assert torch.equal(a[0], b[0]) and torch.equal(a[4]["level"], b[4]["level"])
    with pytest.raises(ValueError, match="state"):
        other.set_state(state)


def test_levels_that_cannot_be_played_are_refused():
    made = mazes.generate(4, 5, seed=1)
    cases = [
        ({"levels": 3}, TypeError, "levels: got int"), ({"levels": mazes.generate(2, (4, 5))}, ValueError, "levels: got 2"),
        ({"levels": mazes.generate(0, 5)}, ValueError, "levels: got 0"), ({"levels": made, "size": 6}, ValueError, "size"),
        ({"levels": (made, 0, 25)}, ValueError, "levels goal"), ({"levels": (made, 3, 3)}, ValueError, "one cell"),
        ({"levels": mazes.generate(2, 2)}, ValueError, "size"), ({"levels": made, "relayout": True}, ValueError, "relayout"),
        ({"levels": made, "routes": 2}, ValueError, "routes"), ({"levels": made, "door": True}, ValueError, "door"),
        ({"levels": (made, 0, 9), "objects": 2}, ValueError, "objects"),
        ({"levels": (mazes.generate(2, 5, "percolation", p=0.0), 0, 9)}, ValueError, "no path joins in 2 mazes"),
        ({"levels": "/nowhere"}, FileNotFoundError, "manifest"),
    ]  # fmt: skip
    for options, error, message in cases:
        with pytest.raises(error, match=message):
            mesasim.make_vec("Maze-v0", 2, **options)
    with pytest.raises((TypeError, ValueError)):
        mesasim.make_vec("Bandit-v0", 2, levels=made)
