"""Every condition of why-it-emerges differs from its control in the factor it is named for, and in nothing else."""

from dataclasses import asdict

import pytest

from mesasim.experiments import why_it_emerges
from mesasim.experiments.why_it_emerges import DENSE, PLAIN, Config, conditions
from mesasim.results import read_summary

OPTIONS = {"arms": 5, "pulls": 10}
ALLOWED = {
    "one fixed task": {"options"}, "no memory": {"network"}, "one fixed task, no memory": {"options"},
    DENSE: {"gae_lambda", "discount"}, "rewards told at the end, in sum": {"reward_at"},
    "a tenth of the outer learning rate": {"learning_rate"}, "three times the outer learning rate": {"learning_rate"},
}  # fmt: skip


def test_a_condition_differs_from_its_control_in_its_factor_alone():
    chosen = conditions(Config(num_threads=1), OPTIONS)
    for steps, span in (
        (1, "step"),
        (2, "2 steps"),
        (5, "5 steps"),
    ):  # as many steps played, in other portions; cut alike
        cut = f"gradients and advantages cut every {span}, an update an episode"
        ALLOWED.update({cut: {"cut_every"}, f"an update every {span}": {"cut_every", "rollout_steps", "iterations"}})
        often, rare = chosen[f"an update every {span}"].ppo, chosen[cut].ppo
        assert often.rollout_steps == rare.cut_every == steps
        assert often.rollout_steps * often.iterations == rare.rollout_steps * rare.iterations
        assert chosen[f"an update every {span}"].beside == cut
    assert chosen.keys() == {PLAIN} | ALLOWED.keys()
    for name, factor in ALLOWED.items():
        own, control = asdict(chosen[name].ppo), asdict(chosen[chosen[name].beside].ppo)
        assert {key for key in own if own[key] != control[key]} == factor, name


@pytest.mark.parametrize(("pulls", "expected"), [(2, {1}), (7, {1}), (20, {1, 2, 5})])
def test_updates_are_as_frequent_as_share_an_episode_out_evenly(pulls, expected):
    chosen = conditions(Config(pulls=pulls, num_threads=1), {"arms": 5, "pulls": pulls})
    assert {one.ppo.rollout_steps for name, one in chosen.items() if name.startswith("an update every")} == expected


def test_the_report_holds_every_condition_against_its_control(tmp_path):
    config = Config(quick=True, num_threads=1, iterations=1, tasks=50, seeds=2, pulls=5)
    why_it_emerges.run(config, tmp_path / "run", quiet=True)
    summary = read_summary(tmp_path / "run")
    means = {row["agent"]: row["reward_mean"] for row in summary["agents"]}
    name, control, difference, _ = next(
        row for row in summary["tables"][1]["rows"] if row[0].startswith("rewards told")
    )
    gaps = [means[f"{name}, seed {seed}"] - means[f"{control}, seed {seed}"] for seed in (1, 2)]
    assert control == DENSE and float(difference) == pytest.approx(sum(gaps) / 2, abs=1e-3)
