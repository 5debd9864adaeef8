"""Run folders: what is removed, what is recorded."""

import shlex
from dataclasses import asdict

import pytest

from mesasim.__main__ import main
from mesasim.experiments import experiments
from mesasim.runs import CONFIG, flags, remove_run, start_run


def test_a_run_of_several_runs_is_removed_whole_and_nothing_else(tmp_path):
    for inside in ("", "2x100", "2x100/gru", "mlp"):
        (tmp_path / inside).mkdir(exist_ok=True)
        (tmp_path / inside / CONFIG).write_text("experiment: x\n")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "mine.txt").write_text("kept")
    (tmp_path / "other.txt").write_text("kept")
    remove_run(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["mine.txt", "notes", "other.txt"]


def test_settings_are_compared_as_a_file_holds_them(tmp_path):
    start_run(tmp_path / "run", "x", {"sizes": (3, 4)}, resume=False, overwrite=False)
    start_run(tmp_path / "run", "x", {"sizes": (3, 4)}, resume=True, overwrite=False)
    with pytest.raises(ValueError, match="other settings"):
        start_run(tmp_path / "run", "x", {"sizes": (3,)}, resume=True, overwrite=False)


def test_a_run_goes_on_with_another_number_of_threads_and_with_no_other_tasks(tmp_path):
    out, settings = tmp_path / "run", {"tasks": 50, "num_threads": 1}
    start_run(out, "x", settings, resume=False, overwrite=False)
    start_run(out, "x", settings | {"num_threads": 2}, resume=True, overwrite=False)
    assert "num_threads: 2" in (out / CONFIG).read_text()
    with pytest.raises(ValueError, match=r"^out: .* other settings \(then, now\): {'tasks': \(50, 51\)}$"):
        start_run(out, "x", settings | {"tasks": 51}, resume=True, overwrite=False)


def test_a_flag_added_since_counts_as_its_default(tmp_path):
    out, config = tmp_path / "run", asdict(experiments()["transfer"].Config(quick=True))
    before = {name: value for name, value in config.items() if name not in ("seeds", "pulls")}
    start_run(out, "transfer", before, resume=False, overwrite=False)
    with pytest.raises(ValueError, match=r"{'seeds': \(1, 2\)}"):
        start_run(out, "transfer", config | {"seeds": 2}, resume=True, overwrite=False)
    start_run(out, "transfer", config, resume=True, overwrite=False)
    (out / CONFIG).write_text((out / CONFIG).read_text() + "flavour: null\n")
    with pytest.raises(ValueError, match="flavour"):
        start_run(out, "transfer", config, resume=True, overwrite=False)


@pytest.fixture
def typed(monkeypatch):
    """What is typed after `mesasim run` → the Config the experiment would be run with."""

    def parse(line):
        asked = shlex.split(line)
        seen = []
        monkeypatch.setattr(experiments()[asked[0]], "run", lambda config, out, **_: seen.append(config) or SUMMARY)
        main(["run", *asked])
        return seen[0]

    return parse


SUMMARY = {"experiment": "x", "agents": [dict.fromkeys(("reward_mean", "reward_se", "floor", "ceiling", "fraction"), 1.0)
                                         | {"agent": "a", "nature": "b"}]}  # fmt: skip


@pytest.mark.parametrize("name", sorted(experiments()))
def test_the_recorded_flags_are_those_the_command_line_takes(name, typed):
    config = experiments()[name].Config
    for given in ({"quick": True, "seed": 7, "num_threads": 1}, {"seed": 7}, {**asdict(config()), "quick": True}, {}):
        changed = config(**given)
        assert typed(shlex.join([name, *" ".join(flags(asdict(changed), config())).split()])) == changed


@pytest.mark.parametrize("name", sorted(experiments()))
def test_what_is_given_beside_quick_wins_even_if_it_is_the_ordinary_default(name, typed):
    config = experiments()[name].Config
    full, quick = asdict(config()), asdict(config(quick=True))
    shrunk = [key for key in quick if key != "quick" and quick[key] != full[key]]
    assert shrunk, "the quick form is smaller"
    for key in shrunk:
        assert asdict(config(quick=True, **{key: full[key]})) == quick | {key: full[key]}
        if full[key] is not None:
            flag = f"--no-{key}" if full[key] is False else f"--{key}" if full[key] is True else f"--{key} {full[key]}"
            assert asdict(typed(f"{name} {flag.replace('_', '-')} --quick")) == quick | {key: full[key]}
    assert asdict(typed(f"{name} --quick --no-quick")) == full


def test_overwriting_a_run_of_runs_leaves_what_is_not_its_own(tmp_path):
    settings = {"num_threads": 1}
    start_run(tmp_path, "x", settings, resume=False, overwrite=False)
    for name in ("2x100/gru", "project/conf"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.yaml").write_text("a: 1")
    (tmp_path / "2x100" / "gru" / "metrics.csv").write_text("iteration")
    (tmp_path / "2x100" / "summary.json").write_text("{}")
    (tmp_path / "project" / "thesis.tex").write_text("all of it")
    (tmp_path / "project" / "conf" / "mine.txt").write_text("too")
    start_run(tmp_path, "x", settings, resume=False, overwrite=True)
    assert not (tmp_path / "2x100").exists()
    assert (tmp_path / "project" / "thesis.tex").exists() and (tmp_path / "project" / "conf" / "config.yaml").exists()
