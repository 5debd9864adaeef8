"""mesasim doctor: its facts are of this machine, and each check fails where it should."""

import json
from email.message import Message
from pathlib import Path

import pytest
import torch

from mesasim import _core, doctor, hardware
from mesasim.__main__ import main
from mesasim.devices import usable_cores


def outcome(capsys, *flags):
    """(exit status, what --json gives)."""
    status = 0
    try:
        main(["doctor", "--json", "--quiet", *flags])
    except SystemExit as end:
        status = end.code
    return status, json.loads(capsys.readouterr().out)


def test_it_tells_the_build_the_machine_and_the_versions_and_all_checks_pass(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, found = outcome(capsys)
    states = {check["name"]: check["state"] for check in found["checks"]}
    assert status == 0 and set(states.values()) <= {"passed", "warning"} and len(states) == len(doctor.CHECKS)
    assert states["signatures"] == states["instruction sets"] == states["current folder"] == "passed"
    assert found["build"]["compiler"].split()[0] in ("gcc", "clang") and "-ffp-contract=off" in found["build"]["flags"]
    assert found["instruction sets"]["available"] == _core.instruction_sets()
    assert found["machine"]["usable_cores"] == usable_cores() <= found["machine"]["logical_cores"]
    assert found["versions"]["torch"] == torch.__version__ and "not installed" not in found["versions"].values()
    assert list(tmp_path.iterdir()) == []


def test_a_signature_that_differs_fails_names_it_and_ends_with_status_1(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "CHECKS", [doctor.signatures])
    kept = doctor.kept_signatures()
    monkeypatch.setattr(doctor, "kept_signatures", lambda: kept | {"Maze-v0": "0" * 64})
    status, found = outcome(capsys)
    (check,) = found["checks"]
    assert status == 1 and check["state"] == "failed" and check["found"].startswith("Maze-v0 ") and check["advice"]
    with pytest.raises(SystemExit):
        main(["doctor"])
    assert "failed: signatures: rebuild" in capsys.readouterr().out


def test_where_no_signatures_are_kept_nothing_is_claimed(monkeypatch):
    monkeypatch.setattr(doctor, "kept_signatures", lambda: None)
    assert doctor.signatures().state == "warning"


@pytest.mark.parametrize("of", ["instruction set", "threads"])
def test_results_that_hang_on_the_instruction_set_or_the_threads_fail(of, monkeypatch):
    if of == "instruction set" and len(_core.instruction_sets()) == 1:
        pytest.skip("this machine has one instruction set")

    def planted(device, threads):
        return _core.instruction_set() if of == "instruction set" else str(threads)

    before = _core.instruction_set()
    monkeypatch.setattr(doctor, "signed", lambda: dict.fromkeys(doctor.QUICKLY_SIGNED, planted))
    assert doctor.instruction_sets().state == "failed" and _core.instruction_set() == before


def test_a_check_that_raises_has_failed():
    def torn():
        raise KeyError("engine")

    check = doctor.tried(torn)
    assert check.state == "failed" and "KeyError" in check.found and check.advice


def test_a_folder_that_cannot_be_written_fails(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "nowhere", tmp_path / "file", Path("/proc")):
        assert doctor.folder(str(folder)).state == "failed"


def test_more_threads_than_cores_are_warned_of_also_where_a_container_leaves_fewer(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: usable_cores() + 1)
    assert doctor.threads().state == "warning"
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert doctor.threads().state == "passed"
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(doctor, "cpu_quota", lambda: 1.5)
    check = doctor.threads()
    assert check.state == "warning" and "OMP_NUM_THREADS=1" in check.advice


def test_a_slow_machine_is_warned_of_and_torchs_threads_stay(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr(doctor, "SLOW_STEPS", float("inf"))
    assert doctor.speed().state == "warning" and torch.get_num_threads() == before


def test_extras_tell_versions_or_how_to_get_them(monkeypatch):
    about = Message()
    for name, value in [
        ("Provides-Extra", "plots"), ("Provides-Extra", "more"), ("Requires-Dist", "torch>=2"),
        ("Requires-Dist", 'matplotlib>=3; extra == "plots"'), ("Requires-Dist", 'no-such-package>=1; extra == "more"'),
    ]:  # fmt: skip
        about[name] = value
    monkeypatch.setattr(doctor.metadata, "metadata", lambda _: about)
    assert doctor.extras() == {
        "plots": f"matplotlib {doctor.version('matplotlib')}",
        "more": "no-such-package not installed; for all of it: pip install 'mesasim[more]'",
    }


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5), ({"cpu.max": "max 100000\n"}, None), ({}, None),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
    ],
)  # fmt: skip
def test_the_quota_of_both_kinds_of_control_groups_is_read(files, quota, tmp_path):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert hardware.cpu_quota(tmp_path) == quota


@pytest.mark.parametrize(
    ("own", "quota", "memory"),
    [
        ("0::/job/step\n", 1.5, 2), ("0::/job\n", 4, 2), ("0::/\n", None, None), ("0::/../elsewhere\n", None, None),
        ("5:cpuset:/\n4:memory:/old\n2:cpu,cpuacct:/old\n", 0.5, 1), ("0::/gone\n", None, None),
    ],
)  # fmt: skip
def test_limits_are_those_of_the_processs_own_control_group_and_of_all_around_it(own, quota, memory, tmp_path):
    files = {
        "job/cpu.max": "400000 100000", "job/step/cpu.max": "150000 100000", "job/memory.max": f"{2**31}",
        "job/step/memory.max": "max", "cpu/old/cpu.cfs_quota_us": "50000", "cpu/old/cpu.cfs_period_us": "100000",
        "memory/old/memory.limit_in_bytes": f"{2**30}",
    }  # fmt: skip
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text + "\n")
    (tmp_path / "meminfo").write_text("MemTotal: 4194304 kB\n")
    (tmp_path / "own").write_text(own)
    assert hardware.cpu_quota(tmp_path, tmp_path / "own") == quota
    found = hardware.memory_gib(tmp_path, tmp_path / "meminfo", tmp_path / "own")
    assert found["memory_limit_gib"] == memory


def test_cores_with_two_hardware_threads_count_once(tmp_path):
    for cpu, siblings in enumerate(["0,2", "1,3", "0,2", "1,3"]):
        folder = tmp_path / f"cpu{cpu}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(siblings + "\n")
    assert hardware.physical_cores(tmp_path) == 2 and hardware.physical_cores(tmp_path / "none") is None


def test_memory_is_the_machines_and_the_containers(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 4194304 kB\nMemFree: 1 kB\nMemAvailable: 2097152 kB\n")
    found = hardware.memory_gib(tmp_path, tmp_path / "meminfo")
    assert found == {"memory_gib": 4, "memory_available_gib": 2, "memory_limit_gib": None}
    (tmp_path / "memory.max").write_text(f"{2**30}\n")
    assert hardware.memory_gib(tmp_path, tmp_path / "meminfo")["memory_limit_gib"] == 1
