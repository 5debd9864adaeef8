"""Cores and memory of the machine, and what a container leaves of them. None where the system does not tell."""

from __future__ import annotations

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
GIB = 2**30


def logical_cores() -> int | None:
    """Hardware threads of the machine, whoever may use them."""
    return os.cpu_count()


def physical_cores(cpus: Path = Path("/sys/devices/system/cpu")) -> int | None:
    """Cores, each counted once however many hardware threads it has."""
    siblings = {file.read_text().strip() for file in cpus.glob("cpu[0-9]*/topology/thread_siblings_list")}
    return len(siblings) or None


def cpu_quota(cgroup: Path = CGROUP) -> float | None:
    """Cores' worth of time that the container may use; None: no limit. Of version 2 of control groups, or 1."""
    text = _read(cgroup / "cpu.max")
    if text is not None:
        quota, _, period = text.partition(" ")
        return None if quota == "max" else int(quota) / int(period)
    old, each = _read(cgroup / "cpu/cpu.cfs_quota_us"), _read(cgroup / "cpu/cpu.cfs_period_us")
    return None if old is None or each is None or int(old) < 0 else int(old) / int(each)


def memory_gib(cgroup: Path = CGROUP, meminfo: Path = Path("/proc/meminfo")) -> dict[str, float | None]:
    """GiB of the machine, of it available now, and the container's limit."""
    lines = dict(line.split(":", 1) for line in (_read(meminfo) or "").splitlines())
    in_kib = {name: int(text.split()[0]) for name, text in lines.items()}
    limit = _read(cgroup / "memory.max") or _read(cgroup / "memory/memory.limit_in_bytes")
    total = in_kib["MemTotal"] * 1024 if "MemTotal" in in_kib else _pages()
    available = in_kib.get("MemAvailable")
    limited = limit is not None and limit != "max" and (total is None or int(limit) < total)
    return {
        "memory_gib": None if total is None else total / GIB,
        "memory_available_gib": None if available is None else available * 1024 / GIB,
        "memory_limit_gib": int(limit) / GIB if limited and limit is not None else None,
    }


def _pages() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None
