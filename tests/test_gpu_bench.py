"""bench/gpu.sh as far as a CPU can show it: every part runs and reports, a part that fails, hangs or is killed leaves the
rest to go on and makes the status 1, and the table fits a screen."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mesasim import _core
from mesasim.mazes import algorithms

ROOT = Path(__file__).resolve().parents[1]
MODULES = ("bandwidth", "mazes", "parity", "part", "run", "sanitizer", "small", "table", "tours", "training", "worlds")


@pytest.fixture
def bench(monkeypatch):
    """Imports a module of bench/gpu as its scripts import each other, and forgets them all afterwards."""
    monkeypatch.syspath_prepend(ROOT / "bench" / "gpu")
    yield importlib.import_module
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def found(bench, tmp_path):
    """Runs a part in its quick form on the CPU: (its status, what it wrote)."""

    def run(name, *flags):
        out = tmp_path / f"{name}.json"
        status = bench(name).main(["--device", "cpu", "--quick", "--out", str(out), *flags])
        return status, json.loads(out.read_text())

    return run


PARTS = ("bandwidth", "mazes", "parity", "tours", "training", "worlds")
KEPT = {}  # a part's status and report, as they were when it first ran


@pytest.fixture
def once(found):
    """As `found`, each part run once in all the tests that ask for it here."""

    def run(name):
        if name not in KEPT:
            KEPT[name] = json.dumps(found(name))
        return json.loads(KEPT[name])

    return run


@pytest.mark.parametrize("name", PARTS)
def test_every_part_runs_to_its_end(once, name):
    status, report = once(name)
    assert (status, report["failures"], report["left_out"], report["finished"]) == (0, [], [], True)
    assert report["rows"]


def test_the_parts_speak_of_every_world_and_algorithm(once):
    assert {row["world"] for row in once("worlds")[1]["rows"]} == set(_core.world_ids())
    assert {row["algorithm"] for row in once("mazes")[1]["rows"]} == set(algorithms())
    compared = " ".join(row["what"] for row in once("parity")[1]["rows"])
    assert all(f"rollout {world}" in compared for world in _core.world_ids())
    assert all(f"mazes {algorithm} " in compared for algorithm in algorithms())


def test_parity_notices_a_signature_that_is_not_the_committed_one(bench, found, monkeypatch, tmp_path):
    parity = bench("parity")
    committed = json.loads(parity.GOLDEN.read_text())
    monkeypatch.setattr(parity, "GOLDEN", tmp_path / "golden.json")
    parity.GOLDEN.write_text(json.dumps({**committed, "Corridor-v0": "0" * 64}))
    status, report = found("parity")
    assert status == 1 and report["failures"] == ["signature Corridor-v0: differs from the CPU"]
    assert {"what": "signature Corridor-v0", "equal": False} in report["rows"]
    del committed["TwoStep-v0"]  # a world nobody signed
    parity.GOLDEN.write_text(json.dumps(committed))
    assert found("parity")[1]["failures"] == ["signatures of all there is: differs from the CPU"]


def test_parity_notices_one_bit_of_one_maze_and_one_city_of_one_tour(bench, found, monkeypatch):
    parity = bench("parity")
    generate, construct = parity.mazes.generate, parity.tsp.construct

    def wrong_maze(count, size, algorithm, *, num_threads, **options):
        made = generate(count, size, algorithm, num_threads=num_threads, **options)
        if num_threads == 2 and algorithm == "wilson":  # what stands for the device
            made.packed[-1, 0, 0, 0] ^= 1
        return made

    def wrong_tour(given, method, *, num_threads, **options):
        tours = construct(given, method, num_threads=num_threads, **options)
        if num_threads == 2 and method == "greedy_edge":
            tours.order[3, [4, 5]] = tours.order[3, [5, 4]]
        return tours

    monkeypatch.setattr(parity.mazes, "generate", wrong_maze)
    monkeypatch.setattr(parity.tsp, "construct", wrong_tour)
    failures = found("parity")[1]["failures"]
    assert len(failures) == 3 and {text.split(":")[0].split()[1] for text in failures} == {"wilson", "greedy_edge"}


def test_a_part_whose_time_is_up_says_what_it_left_out(found):
    status, report = found("mazes", "--seconds", "0")
    assert status == 0 and report["rows"] == []
    assert report["left_out"][0] == "depth_first, generate: the part's time was up"


def test_the_bytes_of_a_step_are_those_that_change_and_those_that_are_shown(bench):
    worlds = bench("worlds")
    env = worlds.MesaVectorEnv("Corridor-v0", 4, num_threads=1)
    assert worlds.bytes_shown(env) == 4 + 4 + 4 + 1 + 1 + 3  # cell, action, reward, flags; the mask that step() makes
    state = env.buffers.group["core"]["state"].shape[1]
    touched = worlds.sectors_changed("Corridor-v0", {}, slots=64, steps=8)
    assert 32 <= touched <= state + 32  # the step's count is kept in the state, so something changes every time


PART = """
import json, sys, time
out = sys.argv[sys.argv.index("--out") + 1]
report = {{"rows": [{{"n": 1}}], "failures": [], "left_out": [], "finished": False}}
json.dump(report, open(out, "w"))
{then}
json.dump(report | {{"finished": True}}, open(out, "w"))
"""


def test_a_part_that_fails_crashes_or_hangs_leaves_the_rest_to_go_on(bench, tmp_path, monkeypatch):
    run = bench("run")
    monkeypatch.setattr(run, "GRACE", 0.5)
    endings = {
        "raises": "raise SystemExit('no such kernel')", "crashes": "import os; os.abort()", "hangs": "time.sleep(60)",
        "silent": "sys.exit(0)", "fine": "",
    }  # fmt: skip
    for name, then in endings.items():
        (tmp_path / f"{name}.py").write_text(PART.format(then=then))
    results, out = {"about": {}, "parts": {}}, tmp_path / "results.json"
    well = run.run_all(dict.fromkeys(endings, 1.5), tmp_path, results, out, "cpu", True, seconds=60)
    parts = json.loads(out.read_text())["parts"]
    assert not well and [name for name, part in parts.items() if part["ok"]] == ["fine"]
    assert all(part["rows"] == [{"n": 1}] for part in parts.values())
    assert parts["raises"]["failures"] == ["status 1: no such kernel"]
    assert parts["crashes"]["failures"][0].startswith("status -6")
    assert parts["hangs"]["failures"] == ["stopped after 2 s"]
    assert parts["silent"]["failures"] == ["ended before its report did"]
    assert run.run_all({"fine": 5}, tmp_path, {"parts": {}}, out, "cpu", True, seconds=60)


def test_parts_there_is_no_time_for_are_failures_and_are_named(bench, tmp_path):
    run = bench("run")
    results = {"parts": {}}
    assert not run.run_all({"worlds": 5}, tmp_path, results, tmp_path / "r.json", "cpu", True, seconds=0)
    assert results["parts"]["worlds"]["failures"] == ["no time was left"]


def test_results_are_kept_by_the_name_of_the_gpu(bench):
    assert bench("run").results_file("NVIDIA H200").name == "nvidia-h200.json"
    assert bench("run").results_file("NVIDIA A100-SXM4-80GB").name == "nvidia-a100-sxm4-80gb.json"


def everything(once):
    """Results as a GPU's could be: all parts, with the most rows there may be."""
    parts = {name: once(name)[1] for name in PARTS}
    of_worlds = [row for row in parts["worlds"]["rows"] if row["slots"] == 64]
    parts["worlds"]["rows"] = [{**row, "slots": 1 << k} for row in of_worlds for k in range(14, 23, 2)]
    parts["tours"]["rows"] = [{**parts["tours"]["rows"][0], "n": n} for n in (10, 12, 15, 20, 25, 30, 40, 50)]
    parts["training"]["rows"] = [{**r, "slots": 1 << k} for r in parts["training"]["rows"] for k in (14, 16, 18)]
    parts["sanitizer"] = {"rows": [{"tool": "memcheck", "clean": True}], "failures": ["x" * 500] * 20, "left_out": []}
    for part in parts.values():
        part |= {"ok": not part["failures"], "took": 1.0}
    about = {"gpu": "NVIDIA H200", "mesasim": "0", "commit": "c", "torch": "2", "date": "d", "quick": True}
    return {"about": {**about, "build_seconds": 9.0, "module_bytes": 1 << 20}, "parts": parts}


def test_the_table_fits_one_screen_and_says_what_failed(bench, once):
    results = everything(once)
    text = bench("table").table(results)
    lines = text.splitlines()
    assert len(lines) <= bench("table").LINES and max(map(len, lines)) <= 160
    assert "QUICK" in lines[0] and "sanitizer FAILED" in text and "more, in the file" in text
    assert "gru-8, 262,144 slots" in lines[-1] or "mlp-8, 262,144 slots" in lines[-1]  # nothing was cut off the end
    assert all(world in text for world in _core.world_ids())


def test_aims_are_held_against_the_best_that_was_measured(bench):
    table = bench("table")
    row = {"world": "Bandit-v0", "slots": 4, "steps_per_second": 2.5e9, "bytes_per_step": 100.0, "options": {}}
    parts = {
        "worlds": {"rows": [row, {**row, "slots": 8, "steps_per_second": 1e10}]},
        "bandwidth": {"rows": [{"bytes_per_second": 4e12}]},
    }
    bandit = next(line for line in table.aims(parts) if line.startswith("Bandit"))
    assert bandit.split()[-5:] == ["5", "G", "10", "G", "200%"]
    assert table.worlds(parts)[1].endswith("25.0%")  # 1e10 steps of 100 bytes, of 4e12 bytes a second
    assert next(line for line in table.aims(parts) if "n = 50" in line).endswith("–")


def test_the_script_itself_runs_on_a_cpu(tmp_path):
    out = tmp_path / "results.json"
    flags = ["--skip-build", "--device", "cpu", "--quick", "--only", "bandwidth", "--out", str(out)]
    done = subprocess.run(
        ["bash", str(ROOT / "bench" / "gpu.sh"), *flags], env={**os.environ, "PYTHON": sys.executable}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(out.read_text())
    assert results["parts"]["bandwidth"]["ok"] and results["about"]["quick"]
    assert done.stdout.rstrip().endswith(f"Everything: {out}")
