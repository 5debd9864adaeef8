"""bench/gpu.sh as far as a CPU can show it: every part runs and reports, a part that fails, hangs or is killed leaves the
rest to go on and makes the status 1, and the table fits a screen."""

import importlib
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import gymnasium
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
    rows = [row["what"] for row in once("parity")[1]["rows"]]
    for mode in ("SameStep", "NextStep", "Disabled"):
        rollouts = [what for what in rows if what.startswith("rollout") and what.endswith(mode)]
        assert {what.replace(",", "").split()[1] for what in rollouts} == set(_core.world_ids())
        assert sum("levels" in what for what in rollouts) == 2
    compared = " ".join(rows)
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


def test_parity_notices_one_reward_of_one_slot_in_each_mode_and_of_levels(bench, found, monkeypatch):
    parity = bench("parity")
    record = parity.record

    def wrong_reward(env, steps, **options):
        story = record(env, steps, **options)
        if env.num_threads == 2 and (env.world_id == "TwoStep-v0" or env.levels is not None):
            story["core/reward"][-1, -1] += 1
        return story

    monkeypatch.setattr(parity, "record", wrong_reward)
    failures = {text.split(":")[0] for text in found("parity")[1]["failures"]}
    expected = {f"rollout TwoStep-v0, {mode}" for mode in parity.MODES}
    expected |= {f"rollout Maze-v0 of {count} levels, {mode}" for mode in parity.MODES for count in (16, 297)}
    assert failures == expected


def test_rollouts_that_are_compared_begin_new_episodes_in_every_mode_and_run_out_of_levels(bench, monkeypatch):
    parity = bench("parity")
    seen, record = {}, parity.record

    def watched(env, steps, **options):
        story = record(env, steps, **options)
        ends = (story["core/terminated"] | story["core/truncated"]).sum(0)
        levels = story.get("levels/level")
        seen.setdefault(str(env.autoreset_mode), []).append((env.world_id, ends.min(), levels))
        return story

    monkeypatch.setattr(parity, "record", watched)
    for what, holds in parity.rollouts(parity.CPU, quick=True):
        if "TwoStep" in what or "levels" in what:
            assert holds(), what
    for mode, stories in seen.items():
        assert mode.endswith("SAME_STEP") or all(ends > 0 for world, ends, _ in stories if world == "TwoStep-v0")
        played = [levels for *_, levels in stories if levels is not None]
        few, many = (next(p for p in played if (p.max() < 16) == less) for less in (True, False))
        assert (few == -1).any() and ((many >= 0).all(0) & (many.min(0) < many.max(0))).any()
    assert len(seen) == 3


def test_a_part_whose_time_is_up_says_what_it_left_out(found):
    status, report = found("mazes", "--seconds", "0")
    assert status == 0 and report["rows"] == []
    assert report["left_out"][0] == "depth_first, generate: the part's time was up"


def test_parity_cut_short_is_a_failure(found):
    status, report = found("parity", "--seconds", "0")
    assert status == 1 and report["rows"] == [] and len(report["left_out"]) > 50
    assert report["failures"] == ["the time was up before signature Corridor-v0 and what follows"]


TOOL = """#!{python}
# What stands for compute-sanitizer; what it starts outlives it unless it is stopped too.
import subprocess, sys, time
tool = sys.argv[sys.argv.index("--tool") + 1]
{then}
"""
SANITIZED = {
    "done": ("print('done')", 0, [], []),
    "refuses": ("print('Device not supported')", 0, [], ["memcheck: Device not supported"]),
    "finds": ("print('a race'); sys.exit(66)", 1, ["memcheck: status 66: a race"], []),
    "crashes quietly": ("pass", 1, ["memcheck: status 0: "], []),
    "hangs": ("subprocess.run(['sleep', '60'])", 1, ["memcheck: not done in 0 s"], []),
}


@pytest.mark.parametrize("how", SANITIZED)
def test_a_sanitizer_that_is_not_clean_or_not_done_is_a_failure_and_one_that_refuses_is_left_out(
    bench, tmp_path, monkeypatch, how
):
    then, status, failures, left_out = SANITIZED[how]
    tool = tmp_path / "compute-sanitizer"
    tool.write_text(TOOL.format(python=sys.executable, then=then))
    tool.chmod(0o755)
    sanitizer = bench("sanitizer")
    monkeypatch.setattr(sanitizer, "TOOLS", ("memcheck",))
    monkeypatch.setattr(sanitizer, "TOOL_SECONDS", 0.4 if how == "hangs" else 20)
    monkeypatch.setattr(sanitizer, "find_tool", lambda: str(tool))
    monkeypatch.setattr(
        bench("part").Part, "cuda", property(lambda part: True, lambda part, value: None), raising=False
    )
    out, begun = tmp_path / "found.json", time.monotonic()
    assert sanitizer.main(["--device", "cpu", "--out", str(out)]) == status
    report = json.loads(out.read_text())
    assert (report["failures"], report["left_out"]) == (failures, left_out)
    assert time.monotonic() - begun < 20


def test_a_sanitizer_that_is_missing_is_left_out_and_one_there_is_no_time_for_is_a_failure(
    bench, tmp_path, monkeypatch
):
    sanitizer = bench("sanitizer")
    monkeypatch.setattr(
        bench("part").Part, "cuda", property(lambda part: True, lambda part, value: None), raising=False
    )
    out = tmp_path / "found.json"
    monkeypatch.setattr(sanitizer, "find_tool", lambda: None)
    assert sanitizer.main(["--device", "cpu", "--out", str(out)]) == 0
    assert len(json.loads(out.read_text())["left_out"]) == 3
    monkeypatch.setattr(sanitizer, "find_tool", lambda: "compute-sanitizer")
    assert sanitizer.main(["--device", "cpu", "--out", str(out), "--seconds", "0"]) == 1
    assert json.loads(out.read_text())["failures"] == ["the time was up before memcheck and what follows"]


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


def test_everything_is_to_stay_under_eight_minutes(bench):
    run = bench("run")
    everything = run.parser().get_default("seconds") + run.GRACE
    assert everything <= 470  # 10 s for what is neither the build nor a part
    script = (ROOT / "bench" / "gpu.sh").read_text()
    build = int(re.search(r"^build_limit=(\d+)", script, re.M)[1])
    assert build + run.PARTS["parity"] < everything and next(iter(run.PARTS)) == "parity"
    names = list(run.PARTS)
    assert names.index("sanitizer") < names.index("training")
    assert run.PARTS["sanitizer"] >= 3 * bench("sanitizer").TOOL_SECONDS


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


def test_unproved_tours_are_not_counted(bench, found, monkeypatch):
    row = {"n": 10, "instances_per_second": {"1": 800.0}, "proved_share": 0.25}
    monkeypatch.setattr(bench("tours"), "bench_tours", lambda *arguments, **options: [row])
    rows = found("tours")[1]["rows"]
    assert [row["proved_per_second"] for row in rows] == [200, 200]
    parts = {"tours": {"rows": [{**rows[0], "n": 20}]}}
    line = next(line for line in bench("table").aims(parts) if "n = 20" in line)
    assert line.split()[-4:] == ["1", "M", "200", "0%"]
    assert bench("table").tours(parts)[1].split() == ["n", "=", "20:", "200", "(25.0%)"]


HIDES = """# Gymnasium is installed only where a wheel brings it.
import importlib.machinery
find = importlib.machinery.PathFinder.find_spec
def shown(name, path=None, target=None):
    spec = find(name, path, target)
    return None if name == "gymnasium" and spec and "/wheels/" not in spec.origin else spec
importlib.machinery.PathFinder.find_spec = shown
"""


def run_script(tmp_path, *flags, **environment):
    (tmp_path / "sitecustomize.py").write_text(HIDES)
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        ["bash", str(ROOT / "bench" / "gpu.sh"), "--skip-build", *flags], capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHON": sys.executable, "PYTHONPATH": path, **environment},
    )  # fmt: skip


def test_the_script_says_what_is_missing_and_where_wheels_would_do(tmp_path):
    done = run_script(tmp_path, MESASIM_WHEELS=str(tmp_path))
    assert done.returncode == 1
    assert f"has no gymnasium; wheels in {tmp_path} would do" in done.stderr


def test_the_script_runs_on_a_cpu_with_gymnasium_from_a_wheel(tmp_path):
    out = tmp_path / "results.json"
    package = Path(gymnasium.__file__).parent
    with zipfile.ZipFile(tmp_path / "gymnasium-0-py3-none-any.whl", "w") as wheel:
        for file in package.rglob("*.py"):
            wheel.write(file, file.relative_to(package.parent))
    flags = ["--device", "cpu", "--quick", "--only", "bandwidth", "--out", str(out)]
    done = run_script(tmp_path, *flags, MESASIM_WHEELS=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(out.read_text())
    assert results["parts"]["bandwidth"]["ok"] and results["about"]["quick"]
    assert done.stdout.rstrip().endswith(f"Everything: {out}")
