"""Run folders: what is removed, what is recorded."""

import shlex

import pytest
import tyro

from mesasim.experiments import experiments
from mesasim.runs import CONFIG, _flag, remove_run, start_run


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


@pytest.mark.parametrize("name", sorted(experiments()))
def test_the_recorded_flags_are_those_the_command_line_takes(name):
    config = experiments()[name].Config
    changed = config(quick=True, seed=7, num_threads=1)
    flags = [_flag(key, value) for key, value in vars(changed).items() if value != getattr(config(), key)]
    assert tyro.cli(config, args=shlex.split(" ".join(flags))) == changed
