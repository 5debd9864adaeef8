"""The trainer: its arithmetic, its determinism, its checkpoints, and that it learns what it must."""

import dataclasses
import os
import resource
import signal

import pytest
import torch

from mesasim.agents import NetworkConfig
from mesasim.integrity import weights_hash
from mesasim.train.checkpoint import latest_checkpoint, load_checkpoint, save_checkpoint
from mesasim.train.clipped_adam import ClippedAdam
from mesasim.train.ppo import PPOConfig, Trainer, advantages, load_agent, train

SMALL = PPOConfig(
    options={"arms": 3, "pulls": 4},
    network=NetworkConfig("gru", hidden=8),
    num_envs=32,
    rollout_steps=6,
    iterations=4,
    epochs=2,
    minibatches=2,
    num_threads=1,
)
MAZE = dataclasses.replace(SMALL, world="Maze-v0", options={"size": 3, "view": 3, "trials": 2, "trial_steps": 5})

LOOKING_BACK = dataclasses.replace(MAZE, network=NetworkConfig("transformer", hidden=8, heads=2, window=4))
TRUNCATED = dataclasses.replace(MAZE, network=NetworkConfig("gru", hidden=8, window=3, strict=True))
REGRET = dataclasses.replace(SMALL, told="regret", reward_at="episode")
TAUGHT = dataclasses.replace(  # by a critic that sees the oracle, told rewards in sum, with short discounts first
    SMALL, critic="oracle", reward_at="episode", first_discount=0.5,
    network=NetworkConfig("gru", hidden=8, embed=6, readout=6, memory=4),
)  # fmt: skip
CONFIGS = pytest.mark.parametrize(
    "config",
    [SMALL, MAZE, LOOKING_BACK, TRUNCATED, TAUGHT, REGRET],
    ids=["bandit", "maze", "looking back", "truncated", "taught", "regret"],
)


def test_gae_matches_hand_computed():
    reward = torch.tensor([[1.0], [2.0], [3.0]])
    value = torch.tensor([[0.5], [1.0], [1.5]])
    done = torch.tensor([[False], [True], [False]])
    # discount .5, lambda .5; t=2: 3 + .5*2 - 1.5 = 2.5; t=1 ends: 2 - 1 = 1; t=0: 1 + .5*1 - .5 = 1, + .25*1 = 1.25
    result = advantages(reward, value, done, torch.tensor([2.0]), 0.5, 0.5)
    assert result.flatten().tolist() == [1.25, 1.0, 2.5]


@CONFIGS
def test_first_update_ratio_is_exactly_one(config):
    trainer = Trainer(config)
    trainer.collector.collect(config.rollout_steps, 0.99)  # the next begins in mid-episode
    rollout = trainer.collector.collect(config.rollout_steps, 0.99)
    out = trainer.agent.unroll(rollout.obs, rollout.is_first, rollout.first_carry)
    again = out.logits.log_softmax(-1).gather(-1, rollout.action[..., None]).squeeze(-1)
    torch.testing.assert_close(again, rollout.log_prob, rtol=0, atol=1e-6)


@pytest.fixture
def cut_short():
    """A trainer whose every value is 2, on mazes that pay nothing and are cut off after 3 steps."""
    trainer = Trainer(dataclasses.replace(MAZE, options={"size": 8, "view": 3, "goal_reward": 0.0}, discount=0.5))
    trainer.env = type(trainer.env)(
        "Maze-v0", 32, history=True, autoreset_mode="SameStep", seed=1, max_episode_steps=3, **trainer.config.options
    )
    trainer.env.reset()
    trainer.collector.env = trainer.env
    with torch.no_grad():
        trainer.agent.value.bias.fill_(2.0)
        trainer.agent.value.weight.zero_()
    return trainer


def test_a_truncated_episode_is_worth_the_value_of_what_was_cut_off(cut_short):
    rollout = cut_short.collector.collect(6, 0.5)
    cut = rollout.done[2] & (rollout.is_first[3])
    assert cut.sum() > 16
    assert torch.all(rollout.reward[2][cut] == 1.0)  # 0 + discount .5 * value 2
    assert torch.all(rollout.reward[:2][~rollout.done[:2]] == 0.0)
    assert torch.all(rollout.earned == 0.0)


def test_the_logged_reward_is_what_the_world_paid(cut_short, monkeypatch):
    blocks, collect = [], cut_short.collector.collect
    monkeypatch.setattr(cut_short.collector, "collect", lambda *given: blocks.append(collect(*given)) or blocks[-1])
    metrics = cut_short.iterate()
    assert blocks[0].reward.sum() > 16
    assert metrics["reward_per_step"] == metrics["episode_return"] == 0.0


def test_a_rollout_cut_every_few_steps_learns_as_short_rollouts_of_the_same_weights():
    """Two rollouts of 3 steps against one of 6 that is cut every 3: same advantages, same gradient of the log-chances."""
    short = Trainer(dataclasses.replace(SMALL, rollout_steps=3))
    long, whole = (Trainer(dataclasses.replace(SMALL, rollout_steps=6, cut_every=cut)) for cut in (3, None))
    blocks = [short.collector.collect(3, 0.9) for _ in range(2)]
    block = long.collector.collect(6, 0.9)
    assert torch.equal(block.action, torch.cat([b.action for b in blocks]))
    expected = torch.cat([short.advantage(b, 0.9) for b in blocks])
    torch.testing.assert_close(long.advantage(block, 0.9), expected, rtol=0, atol=1e-6)
    assert not torch.allclose(whole.advantage(block, 0.9), expected, atol=1e-3)

    def gradient(trainer, blocks):
        trainer.agent.zero_grad()
        for b in blocks:
            out = trainer.unroll(b.obs, b.is_first, b.first_carry)
            out.logits.log_softmax(-1).gather(-1, b.action[..., None]).sum().backward()
        return torch.cat([p.grad.flatten() for p in trainer.agent.parameters() if p.grad is not None])

    expected = gradient(short, blocks)
    torch.testing.assert_close(gradient(long, [block]), expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(gradient(whole, [block]), expected, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("config", [SMALL, MAZE], ids=["bandit", "maze"])
def test_two_trainings_are_equal(config, tmp_path):
    hashes = [weights_hash(train(config, tmp_path / name)) for name in "ab"]
    assert hashes[0] == hashes[1]
    assert weights_hash(train(dataclasses.replace(config, seed=2), tmp_path / "c")) != hashes[0]


@CONFIGS
def test_a_resumed_training_ends_in_the_same_bits(config, tmp_path):
    whole = train(config, tmp_path / "whole")
    interrupted = Trainer(config, tmp_path / "cut")
    interrupted.iterate()
    interrupted.iterate()
    interrupted.save()
    resumed = train(config, tmp_path / "cut", resume=True)
    assert weights_hash(whole) == weights_hash(resumed)
    lines = (tmp_path / "cut" / "metrics.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["iteration", "3", "4"]


def test_an_interrupt_in_mid_update_leaves_a_checkpoint_that_resumes_to_the_same_bits(tmp_path, monkeypatch):
    step, calls = ClippedAdam.clipped_step, []

    def interrupted(self, *arguments):
        calls.append(1)
        if len(calls) == 6:  # in the middle of the second iteration's four updates
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(ClippedAdam, "clipped_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(SMALL, tmp_path)
    assert latest_checkpoint(tmp_path).name == "00000002.safetensors"
    resumed = train(SMALL, tmp_path, resume=True)
    assert weights_hash(resumed) == weights_hash(train(SMALL, tmp_path / "whole"))


def test_rewards_told_at_the_end_are_the_same_in_sum():
    """Four-pull episodes, rollouts of six steps: sums go on from one rollout to the next."""
    told = {}
    for when in ("step", "episode"):
        trainer = Trainer(dataclasses.replace(SMALL, reward_at=when))
        blocks = [trainer.collector.collect(6, 0.9) for _ in range(4)]
        told[when] = torch.cat([b.reward for b in blocks]), torch.cat([b.done for b in blocks])
    (dense, done), (sparse, same) = told["step"], told["episode"]
    assert torch.equal(done, same) and done[3].all() and done.sum() == 6 * SMALL.num_envs
    assert (sparse[~done] == 0).all()
    sums = dense.reshape(6, 4, SMALL.num_envs).sum(dim=1)
    assert torch.equal(sparse[3::4], sums) and sums.std() > 0.5


@pytest.mark.parametrize(
    ("world", "options"),
    [
        ("Bandit-v0", {"arms": 3, "pulls": 4}),
        ("TabularMDP-v0", {"trials": 2, "horizon": 3}),
        ("TwoStep-v0", {"trials": 3}),
    ],
)
def test_the_regret_told_is_the_reward_without_its_luck(world, options):
    """On average over episodes both differ by what the optimum earns, a constant of the task; and the regret spreads less."""
    config = dataclasses.replace(SMALL, world=world, options=options, num_envs=4096, rollout_steps=12, told="regret")
    trainer = Trainer(config)
    rollout = trainer.collector.collect(12, 0.9)
    ends, known = rollout.done, rollout.oracle["expected_regret"][..., 0]
    assert ends[-1].all() and (rollout.reward <= 1e-4).all() and rollout.reward.std() > 0
    summed = rollout.reward[ends.shape[0] - _length(ends) :].sum(dim=0)
    torch.testing.assert_close(-summed[None], (known - rollout.reward)[-1:], atol=1e-4, rtol=0)
    best, total = _best(world, rollout), rollout.earned[-_length(ends) :].sum(dim=0)
    luck = total - (best + summed)
    assert luck.mean().abs() < 4 * luck.std() / len(luck) ** 0.5
    assert summed.std() < total.std()


def _length(ends):
    """Steps of an episode."""
    return int(ends[:, 0].nonzero()[0]) + 1


def _best(world, rollout):
    """What the optimum of each slot's last task earns in an episode, on average [N]."""
    oracle, steps = rollout.oracle, _length(rollout.done)
    if world == "Bandit-v0":
        return oracle["arm_means"][-1].amax(dim=-1) * steps
    if world == "TabularMDP-v0":
        return oracle["optimal_value"][-1, :, 0] * 2
    return torch.tensor(0.7 * 3)  # TwoStep: .75 of .9 and .25 of .1 in each of three trials


def test_regret_is_refused_where_the_oracle_does_not_know_it():
    with pytest.raises(ValueError, match=r"told: got 'regret', which the oracle of Maze-v0"):
        Trainer(dataclasses.replace(MAZE, told="regret"))
    with pytest.raises(ValueError, match="told: got 'luck'"):
        PPOConfig(told="luck")


def test_the_discount_begins_short_and_ends_where_it_is_set():
    trainer = Trainer(dataclasses.replace(SMALL, iterations=100, first_discount=0.5, discount=0.98))
    seen = []
    for iteration in (0, 25, 50, 99):
        trainer.iteration = iteration
        seen.append(trainer.discount())
    # The horizon goes 2, 10, 50: evenly in its logarithm over the first half.
    assert seen == pytest.approx([0.5, 0.9, 0.98, 0.98])


def test_a_critic_on_the_oracle_serves_training_alone(tmp_path):
    config = dataclasses.replace(SMALL, critic="oracle")
    agent = train(config, tmp_path)
    loaded, _ = load_agent(tmp_path)
    assert weights_hash(loaded) == weights_hash(agent)
    assert {f.name for f in agent.encoder.fields} == {f.name for f in train(SMALL, tmp_path / "own").encoder.fields}
    names = set(load_checkpoint(latest_checkpoint(tmp_path))[0])
    assert any(name.startswith("critic/") for name in names) and not agent.needs_oracle


def test_a_critic_on_the_oracle_learns_what_a_task_is_worth():
    """Values of the first step: the oracle's critic knows the arms, an agent's own head cannot."""
    explained = {}
    for critic in ("agent", "oracle"):
        trainer = Trainer(dataclasses.replace(SMALL, critic=critic, num_envs=512, iterations=40, rollout_steps=4))
        for _ in range(40):
            trainer.iterate()
        rollout = trainer.collector.collect(4, 0.99)
        returns, first = rollout.reward.sum(dim=0), rollout.value[0]
        explained[critic] = 1 - (returns - first).var().item() / returns.var().item()
    assert explained["oracle"] > 0.25 and explained["agent"] < 0.1


def test_a_failure_in_mid_iteration_saves_nothing(tmp_path):
    def fail(metrics):
        raise RuntimeError("planted")

    with pytest.raises(RuntimeError, match="planted"):
        train(SMALL, tmp_path, report=fail)
    assert not (tmp_path / "checkpoints").exists()


def test_a_trained_agent_is_loaded_as_it_was(tmp_path):
    agent = train(SMALL, tmp_path)
    loaded, config = load_agent(tmp_path)
    assert weights_hash(loaded) == weights_hash(agent)
    assert config == SMALL


def test_learns_to_walk_in_a_tiny_maze(tmp_path):
    config = PPOConfig(
        world="Maze-v0",
        options={"size": 3, "view": 5, "step_reward": -0.05},
        network=NetworkConfig("mlp"),
        num_envs=256,
        rollout_steps=16,
        iterations=60,
        gae_lambda=0.9,
        minibatches=4,
        epochs=4,
        num_threads=1,
    )
    rewards = []
    train(config, tmp_path, report=lambda m: rewards.append(m["reward_per_step"]))
    assert sum(rewards[:5]) / 5 < 0.01 and sum(rewards[-5:]) / 5 > 0.035


def test_memory_beats_none_on_a_task_of_memory(tmp_path):
    # Two dependent arms at .9 / .1: chance 5.0 of 10; only an agent that remembers its rewards does better.
    base = PPOConfig(
        options={"arms": 2, "prior": "dependent_easy"},
        num_envs=512,
        iterations=40,
        epochs=4,
        minibatches=2,
        num_threads=1,
    )
    last = {}
    networks = [NetworkConfig("gru", hidden=32), NetworkConfig("mlp", hidden=32)]
    networks.append(NetworkConfig("transformer", hidden=16, layers=1, window=10))
    for network in networks:
        kind, enough = network.kind, 15 if network.kind == "transformer" else 40
        config = dataclasses.replace(base, network=network, iterations=enough)
        train(config, tmp_path / kind, report=lambda m, kind=kind: last.__setitem__(kind, m["episode_return"]))
    assert last["gru"] > 7.0 and last["transformer"] > 7.0
    assert 4.7 < last["mlp"] < 5.3


@pytest.mark.parametrize(
    "bad",
    [
        {"num_envs": 0}, {"epochs": 0}, {"learning_rate": -1}, {"learning_rate": float("nan")}, {"discount": 1.5},
        {"schedule": "cosine"}, {"minibatches": 99}, {"iterations": 1.5}, {"critic": "crowd"}, {"reward_at": "noon"},
        {"first_discount": 1.0}, {"cut_every": 4}, {"cut_every": 0}, {"cut_every": 1.5},
    ],
)  # fmt: skip
def test_a_bad_setting_is_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        dataclasses.replace(SMALL, **bad)


def made_without(path, *names, **more):
    """The checkpoint, its stored settings without those of these names (network.x: of its network) and with `more`."""
    tensors, meta = load_checkpoint(path)
    for name in names:
        inside, _, own = name.rpartition(".")
        del (meta["config"][inside] if inside else meta["config"])[own]
    save_checkpoint(path, tensors, meta | {"config": meta["config"] | more})


def test_a_setting_added_since_counts_as_its_default_and_an_unknown_one_is_refused(tmp_path):
    train(SMALL, tmp_path)
    made_without(latest_checkpoint(tmp_path), "told", "cut_every", "network.strict", "network.hide")
    trainer = Trainer(SMALL, tmp_path)
    trainer.resume()
    assert trainer.iteration == SMALL.iterations
    with pytest.raises(ValueError, match=r"other settings \(then, now\): {'told': \('reward', 'regret'\)}"):
        Trainer(dataclasses.replace(SMALL, told="regret"), tmp_path).resume()
    made_without(latest_checkpoint(tmp_path), flavour=None)
    with pytest.raises(ValueError, match=r"{'flavour': \(None, '\(absent\)'\)}"):
        trainer.resume()


@pytest.fixture(scope="module")
def small_run(tmp_path_factory):
    run = tmp_path_factory.mktemp("small")
    train(SMALL, run)
    return latest_checkpoint(run)


def with_other(meta, name, value):
    inside = dict(meta["config"])
    if name.startswith("network."):
        inside["network"] = inside["network"] | {name[8:]: value}
    elif name in inside:
        inside[name] = value
    else:
        return {key: old for key, old in meta.items() if key != name} | ({} if value is None else {name: value})
    return meta | {"config": inside}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("config", [1]), ("config", None), ("iteration", None), ("iteration", -1), ("iteration", "3"), ("options", [1]),
        ("num_actions", -1), ("num_actions", True), ("num_actions", None), ("fields", [1]), ("fields", None),
        ("network", "gru"), ("network.hidden", 10**6), ("network.hidden", -1), ("network.hidden", "wide"),
        ("learning_rate", "fast"),
    ],
)  # fmt: skip
def test_a_strangers_checkpoint_with_a_valid_digest_is_refused_naming_the_file(
    name, value, small_run, tmp_path, monkeypatch
):
    tensors, meta = load_checkpoint(small_run)
    path = tmp_path / "checkpoints" / small_run.name
    save_checkpoint(path, tensors, with_other(meta, name, value))
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (2**40, hard))  # of a network of 10⁶ units nothing is allocated
    try:
        with pytest.raises(ValueError, match=str(path)):
            load_agent(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    if name in ("config", "iteration", "options", "network"):
        with pytest.raises(ValueError, match=str(path)):
            Trainer(SMALL, tmp_path).resume()


def test_a_checkpoint_that_lacks_a_tensor_is_refused_on_resuming(small_run, tmp_path):
    tensors, meta = load_checkpoint(small_run)
    path = tmp_path / "checkpoints" / small_run.name
    save_checkpoint(path, {name: tensor for name, tensor in tensors.items() if name != "trainer/env"}, meta)
    with pytest.raises(ValueError, match=f"{path} does not hold what its settings need .*trainer/env"):
        Trainer(SMALL, tmp_path).resume()


def test_a_checkpoint_from_a_gpu_is_evaluated_anywhere_and_resumed_there_alone(tmp_path):
    agent = train(SMALL, tmp_path)
    made_without(latest_checkpoint(tmp_path), device="cuda")
    loaded, config = load_agent(tmp_path)
    assert config.device == "cuda" and weights_hash(loaded) == weights_hash(agent)
    assert next(loaded.parameters()).device.type == "cpu"
    with pytest.raises(ValueError, match=r"other settings \(then, now\): {'device': \('cuda', 'cpu'\)}"):
        Trainer(SMALL, tmp_path).resume()


def test_a_folder_with_a_run_is_not_trained_over(tmp_path):
    train(SMALL, tmp_path)
    before = latest_checkpoint(tmp_path).read_bytes()
    with pytest.raises(FileExistsError, match="resume"):
        train(SMALL, tmp_path)
    with pytest.raises(ValueError, match="other settings"):
        train(dataclasses.replace(SMALL, learning_rate=0.1), tmp_path, resume=True)
    assert latest_checkpoint(tmp_path).read_bytes() == before
