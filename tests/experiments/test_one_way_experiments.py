"""Planted players and walkers land where their nature is; edits move what they should, and nothing else."""

import numpy as np
import pytest
import torch

from mesasim import MesaVectorEnv, baselines
from mesasim.agents.one_way_references import REFERENCES, Fixed
from mesasim.evaluate import Evaluation
from mesasim.exact import deception as exact_deception
from mesasim.experiments import deception, one_way_game, who_controls_memory
from mesasim.experiments.shared import known_opponent
from mesasim.experiments.shared.imitation import Imitation, watch
from mesasim.metrics import estimate
from mesasim.train.ppo import PPOConfig

TOOL = {"n": 6, "tool": True}


def setting(tasks=3000, **options):
    return baselines.Setting("OneWay-v0", options, tasks, 11, 1, True)


# The one-way game


def test_an_opponent_that_knows_its_player_takes_all_from_a_fixed_z_and_half_from_a_random_one():
    game = setting(**TOOL, random_bits=True)
    for name in ("stateful_random", "history_reader", "interspersed", "inverter"):
        player = REFERENCES[name].make(game.full_options(), 3)
        pay = estimate(one_way_game.known(game, player, name, "").returns)
        assert abs(pay.mean - 0.5) < 4 * pay.se < 0.03
    assert one_way_game.known(game, Fixed(6, z=37), "fixed", "").returns.max() == 0


def test_two_points_known_by_heart_need_no_memory_and_are_told_by_how_few_they_are():
    game = setting(**TOOL)
    player = REFERENCES["two_points"].make({**game.full_options(), "tool": False}, 3)
    without = setting(n=6)
    found = one_way_game.known(without, player, "two_points", "")
    pay = estimate(found.returns)
    assert abs(pay.mean - 0.5) < 4 * pay.se and found.notes[0] == "2 different z"
    stateful = one_way_game.known(without, REFERENCES["stateful_random"].make(without.full_options(), 3), "", "")
    assert stateful.notes[0] == "64 different z"


def test_an_opponent_that_is_fitted_pays_nothing_for_a_foreseen_z(tmp_path):
    config = one_way_game.Config(quick=True, num_threads=1)
    network = one_way_game.pupils(3)["gru"].network
    trainer = known_opponent.AgainstAKnower(config.rewarded(network, False), tmp_path)
    trainer.iterate()
    before = trainer.ones.clone()
    trainer.save()
    trainer.iterate()
    assert not torch.equal(before, trainer.ones) and ((trainer.ones > 0) & (trainer.ones < 1)).all()
    again = known_opponent.AgainstAKnower(config.rewarded(network, False), tmp_path)
    again.resume()
    again.iterate()
    assert torch.equal(again.ones, trainer.ones), "a resumed run goes on to the same bits"
    z = torch.tensor([1, 0, 1])  # said by everyone: after k rollouts A writes it but for 1 in 2^k
    trainer.ones = z.float() * 0.998 + 0.001
    rollout = trainer.collector.collect(6, 1.0)
    rollout.action[3:] = z[:, None]
    rollout.obs["y"][3] = (int(trainer.table[5]) >> torch.tensor([2, 1, 0]) & 1).int()
    trainer.update(rollout, 0.0, 1.0)
    assert (rollout.reward[-1] < 0.002).all() and (rollout.reward[:-1] == 0).all()


def test_a_fitted_opponent_refuses_other_games():
    with pytest.raises(ValueError, match=r"^world: got"):
        known_opponent.AgainstAKnower(PPOConfig(world="OneWay-v0", options={"n": 4}, rollout_steps=8, num_envs=8))


def test_the_budget_table_is_on_the_closed_form_and_sees_the_naive_one(monkeypatch):
    monkeypatch.setattr(one_way_game, "KEYS", 8)
    config = one_way_game.Config(n=6, tasks=4000, num_threads=1)
    table, curve = one_way_game.budget_table(config)
    column = table["head"].index
    rows = [row for row in table["rows"] if row[0] == "8"]
    for row in rows:
        pay, se, counted, closed, naive = (
            float(row[column(name)]) for name in ("pay", "± SE", "counted", "closed form", "naive form")
        )
        assert abs(pay - counted) < 0.012 and abs(pay - closed) < 4 * se + 0.005
        assert pay - naive > 8 * se
    assert [s["name"] for s in curve["series"]] == ["simulated, n = 6", "closed form"]


def test_networks_of_the_game_are_compared_round_by_round():
    config = one_way_game.Config(n=6, largest=4, tasks=400, num_threads=1)
    luck = np.random.default_rng(1).normal(0.4, 0.3, 400)
    gains = {"gru": 0.02, "window": 0.0, "window + random bits": 0.02}
    names = {f"{name}, n = 4": gain for name, gain in gains.items()} | {f"{name}, rewarded": 0.0 for name in gains}
    names |= dict.fromkeys(("stateful_random", "interspersed", "fixed", "two_points"), 0.0)

    def played(name, gain, seed):
        returns = luck + gain + np.random.default_rng(seed).normal(0, 0.01, 400)
        return Evaluation(name, "", returns[:, None], np.ones(400), {}, "", "", 0.0, notes=["2 different z"])

    evaluations = [played(name, gain, 2 + i) for i, (name, gain) in enumerate(names.items())]
    said = next(one for one in one_way_game.verdicts(config, evaluations, {"rows": []}) if one.startswith("Taught"))
    assert "The gru is above the window (+0.0" in said, "beyond doubt only if their common luck is taken off"
    assert "the window is not told apart from the gru (" in said and "± 0.001)." in said


def test_a_teacher_is_watched_as_it_plays_in_the_world():
    game = setting(4, **TOOL)
    teacher = REFERENCES["stateful_random"].make(game.full_options(), 3)
    env = MesaVectorEnv("OneWay-v0", 4, history=True, num_threads=1, autoreset_mode="SameStep", **TOOL)
    record, _ = watch(teacher, env, seed=5, steps=12)
    assert torch.equal(record.action[:6], record.action[6:]), "it says what it drafted"
    assert torch.equal(record.obs["previous_action"][1:, :, 0].long(), record.action[:-1])
    assert record.is_first[0].all() and not record.is_first[1:].any()
    y = record.obs["y"][6]
    assert (y >= 0).all() and (record.obs["y"][:6] == -1).all()


def test_a_lesson_is_decided_by_its_generator_alone():
    network = one_way_game.pupils(6)["gru"].network
    teacher = REFERENCES["stateful_random"].make(setting(1, **TOOL).full_options())
    problem = Imitation(network, "OneWay-v0", TOOL, teacher, "stateful_random", 12)
    model = problem.model()
    one, other, third = (problem.loss(model, 8, torch.Generator().manual_seed(seed))[0].item() for seed in (1, 2, 1))
    assert one == third != other


@pytest.mark.parametrize(("flags", "named"), [({"n": 15}, "n"), ({"largest": 3}, "largest"), ({"tasks": 0}, "tasks")])
def test_impossible_flags_of_the_game_are_refused(flags, named):
    with pytest.raises(ValueError, match=f"^{named}: got"):
        one_way_game.Config(**flags)


# Who controls memory

CONFIG = who_controls_memory.Config(n=6, tasks=1000, num_threads=1)


def agreements(name, reads):
    options = {"f": "sha256", "key": 0, **CONFIG.options}
    player = who_controls_memory.Player(REFERENCES[name].make(options, 1), "", reads, False)
    played = {edit: who_controls_memory.play(player, CONFIG, edit) for edit in who_controls_memory.EDITS}
    return played, {edit: estimate(one.own) for edit, one in played.items()}


@pytest.mark.parametrize(
    ("name", "reads", "where"), [("stateful_random", False, "state"), ("history_reader", True, "record")]
)
def test_planted_players_lose_their_memory_where_they_have_it_and_nowhere_else(name, reads, where):
    played, own = agreements(name, reads)
    other = "record" if where == "state" else "state"
    for edit in ("none", f"{other} swapped", f"{other} erased"):
        assert (played[edit].own == 1).all() and abs(played[edit].pay.mean() - 0.5) < 0.03
    assert (played[f"{where} swapped"].other == 1).all(), "it says what another drafted"
    for edit in (f"{where} swapped", f"{where} erased"):
        assert abs(own[edit].mean) < 0.15 and played[edit].pay.mean() < 0.1
    said = who_controls_memory.verdict(name, {edit: one.own for edit, one in played.items()})
    assert f"in {'its state' if where == 'state' else 'the record'}:" in said


def test_a_player_without_memory_is_said_to_have_too_little():
    played, _ = agreements("random", False)
    said = who_controls_memory.verdict("random", {edit: one.own for edit, one in played.items()})
    assert "too little of it is remembered" in said


def test_where_a_memory_is_is_not_concluded_from_a_few_games():
    """Six games of agreements all over, and many of the same: only the many say that the record's edit reaches no half."""
    rng = np.random.default_rng(1)

    def own(games):
        lived = 0.8 + 0.2 * rng.choice([-1, 1], games)
        return {"none": lived, "record swapped": lived - 0.1, "state swapped": 0.3 * rng.choice([-1.0, 1.0], games)}

    few, many = (who_controls_memory.verdict("planted", own(games)) for games in (6, 2000))
    assert "is not told" in few and "±" in few
    assert "in its state" in many and "record swapped 0.100 ± 0.000" in many
    idle = {edit: 0.1 + rng.normal(0, 0.5, 50) for edit in who_controls_memory.EDITS}
    assert "whether it follows it is not told" in who_controls_memory.verdict("idle", idle)


def test_an_unknown_edit_is_refused():
    player = who_controls_memory.Player(REFERENCES["random"].make({"n": 6, "f": "sha256", "key": 0}), "", False, False)
    with pytest.raises(ValueError, match=r"^edit: got 'burned'"):
        who_controls_memory.play(player, CONFIG, "burned")


# Deception


@pytest.mark.parametrize(("discount", "value"), [(0.0, 1.0), (0.6, 1.0), (0.78, 3.0), (1.0, 3.0)])
def test_learners_wait_exactly_if_they_are_patient_enough(discount, value):
    config = deception.Config(iterations=60, tasks=50, num_threads=1)
    assert (discount > exact_deception.patience()) == (value == 3.0)
    found = baselines.Setting("Deception-v0", config.options, 50, 5, 1).evaluate(
        deception.learn(config, discount), "", ""
    )
    assert np.unique(found.returns).tolist() == [value]


def test_impossible_flags_of_the_toy_are_refused():
    with pytest.raises(ValueError, match=r"^walks: got 11"):
        deception.Config(walks=11)


def test_a_door_is_told_from_red_by_the_test_preset_alone():
    for preset, colours in (("MazeRedDoor-v0", {0, 1}), ("MazeRedDoorTest-v0", {1, 0})):
        world, options = baselines.setting.resolve(preset, {})
        assert world == "Maze-v0" and set(options["colours"]) == colours and options["shapes"] == [0, 1]
    train = baselines.setting.resolve("MazeRedDoor-v0", {})[1]
    test = baselines.setting.resolve("MazeRedDoorTest-v0", {})[1]
    assert train["rewards"] == test["rewards"] == [1.0, -1.0], "object 0 is the door, which is rewarded"
    assert (train["colours"][0], test["colours"][0]) == (0, 1), "red in training, and not in the test"
