"""Nothing in the package makes code of data: read from its own syntax trees. (A world added from Python is a program of the
user's, not data; mesasim.custom compiles it as Numba does.)"""

import ast
from pathlib import Path

import pytest
import yaml

from mesasim import runs

PACKAGE = Path(runs.__file__).resolve().parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
CALLS = {"eval", "exec", "compile", "__import__"}
METHODS = {
    ("torch", "load"), ("np", "load"), ("numpy", "load"), ("yaml", "full_load"), ("yaml", "unsafe_load"), ("yaml", "load"),
    ("yaml", "load_all"), ("os", "system"), ("os", "popen"), ("pd", "read_pickle"), ("torch.hub", "load"),
}  # fmt: skip
# What of it there is, and why it is none: a line of indices for Numba; a loader of plain values, by its class; a worker's own
# exception, there and back, to see whether it can be sent at all.
ALLOWED = {("custom/slot.py", "exec"), ("runs.py", "yaml.load"), ("workers.py", "pickle")}


def found_in(path):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or "").split(".")[0]]
        yield from (name for name in names if name in MODULES)
        if not isinstance(node, ast.Call):
            continue
        if isinstance(node.func, ast.Name) and node.func.id in CALLS:
            yield node.func.id
        if isinstance(node.func, ast.Attribute) and (ast.unparse(node.func.value), node.func.attr) in METHODS:
            yield ast.unparse(node.func)
        for keyword in node.keywords:
            if (keyword.arg, ast.unparse(keyword.value)) in {("shell", "True"), ("allow_pickle", "True")}:
                yield f"{keyword.arg}=True"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_makes_code_of_data(path):
    place = str(path.relative_to(PACKAGE))
    assert [what for what in found_in(path) if (place, what) not in ALLOWED] == []


def test_the_walk_finds_what_it_looks_for(tmp_path):
    path = tmp_path / "bad.py"
    path.write_text(
        "import pickle\nfrom dill import loads\neval(x)\nyaml.load(x, L)\ntorch.load(p)\n"
        "np.load(p, allow_pickle=True)\nsubprocess.run(x, shell=True)\n"
    )
    assert sorted(found_in(path)) == sorted(
        ["pickle", "dill", "eval", "yaml.load", "torch.load", "np.load", "allow_pickle=True", "shell=True"]
    )


def test_every_exception_is_still_needed():
    there = {(str(path.relative_to(PACKAGE)), what) for path in SOURCES for what in found_in(path)}
    assert there == ALLOWED


def test_the_loader_of_settings_is_a_safe_one():
    assert issubclass(runs._PlainLoader, yaml.SafeLoader)
    assert runs._PlainLoader.yaml_constructors == yaml.SafeLoader.yaml_constructors
