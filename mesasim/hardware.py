"""Cores and memory of the machine, and what a container leaves of them. None where the system does not tell."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

CGROUP, OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
GIB = 2**30


def logical_cores() -> int | None:
    """Hardware threads of the machine, whoever may use them."""
    return os.cpu_count()


def physical_cores(cpus: Path = Path("/sys/devices/system/cpu")) -> int | None:
    """Cores, each counted once however many hardware threads it has."""
    siblings = {file.read_text().strip() for file in cpus.glob("cpu[0-9]*/topology/thread_siblings_list")}
    return len(siblings) or None


def groups(controller: str, cgroup: Path = CGROUP, own: Path = OWN_GROUPS) -> list[Path]:
    """This process's control group and those it is in, all of whose limits hold: folders of version 2, then of version 1's
    hierarchy of this controller. The root of each is among them, which in a container is its own."""
    found = {"": "/", controller: "/"}
    for line in (_read(own) or "").splitlines():
        _, names, path = line.split(":", 2)
        found |= dict.fromkeys(found.keys() & set(names.split(",")), path)
    folders = []
    for name, path in found.items():
        inside = PurePosixPath(path.lstrip("/"))
        outside = ".." in inside.parts  # of what this process may see
        folders += [cgroup / name / part for part in ([] if outside else [inside, *inside.parents])] or [cgroup / name]
    return folders


def cpu_quota(cgroup: Path = CGROUP, own: Path = OWN_GROUPS) -> float | None:
    """Cores' worth of time that the container may use; None: no limit. Of version 2 of control groups, or 1."""
    quotas = []
    for group in groups("cpu", cgroup, own):
        both = (_read(group / "cpu.max") or "").split()
        quota, period = both or (_read(group / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
        if quota not in (None, "max", "-1") and period is not None:
            quotas.append(int(quota) / int(period))
    return min(quotas, default=None)


def memory_limit(cgroup: Path = CGROUP, own: Path = OWN_GROUPS) -> int | None:
    """Bytes that the process's control groups leave it; None: no limit."""
    files = [
        group / name for group in groups("memory", cgroup, own) for name in ("memory.max", "memory.limit_in_bytes")
    ]
    return min((int(text) for text in map(_read, files) if text not in (None, "max")), default=None)


def memory_gib(
    cgroup: Path = CGROUP, meminfo: Path = Path("/proc/meminfo"), own: Path = OWN_GROUPS
) -> dict[str, float | None]:
    """GiB of the machine, of it available now, and the container's limit."""
    lines = dict(line.split(":", 1) for line in (_read(meminfo) or "").splitlines())
    in_kib = {name: int(text.split()[0]) for name, text in lines.items()}
    limit = memory_limit(cgroup, own)
    total = in_kib["MemTotal"] * 1024 if "MemTotal" in in_kib else _pages()
    available = in_kib.get("MemAvailable")
    return {
        "memory_gib": None if total is None else total / GIB,
        "memory_available_gib": None if available is None else available * 1024 / GIB,
        "memory_limit_gib": None if limit is None or (total is not None and limit >= total) else limit / GIB,
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
