"""What the README and the docs say is so."""

import re
from pathlib import Path

import pytest

from mesasim import _core
from mesasim.experiments import experiments
from mesasim.worlds_page import markdown

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_example_runs_and_says_what_it_should(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.S)
    exec(compile(example, "README.md", "exec"), {})
    out = capsys.readouterr().out
    reflex = float(re.search(r"reflex ([\d.]+)", out)[1])
    assert "chance 5.00" in out and "best possible 6.660" in out
    assert 6.2 < reflex < 6.7  # win-stay lose-next: 6.445 exactly, within 4 standard errors of 4,096 tasks


@pytest.mark.parametrize("name", [*_core.world_ids(), *experiments()])
def test_every_world_and_experiment_is_named(name):
    assert f"`{name}`" in README or f"mesasim run {name}" in README


def test_the_two_commands_exist():
    makefile = (ROOT / "Makefile").read_text()
    for command in ("demo", "test"):
        assert f"make {command}" in README and f"\n{command}:" in makefile
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_every_folder_of_the_tree_is_in_the_readme():
    tree = README.split("## The tree")[1]
    folders = {path.parent.relative_to(ROOT) for path in (ROOT / "csrc").rglob("*.h")}
    assert all(str(folder) in tree for folder in folders)


def test_the_worlds_page_is_current():
    assert (ROOT / "docs" / "worlds.md").read_text() == markdown(), "run `make docs`"
