"""Jobs in other processes: all are answered, a dead worker is one job's failure, and none outlives who started it."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from plain.jobs import say_progress, square, wait_or_say, wait_or_say_unless_first

from mesasim.workers import WorkerDied, check_workers, each

TESTS = Path(__file__).parents[1]


def test_every_item_is_answered_and_a_failure_or_a_death_is_its_own_alone():
    with closing(each(square, range(10), workers=2)) as answers:
        found = dict(answers)
    assert sorted(found) == list(range(10))
    assert all(found[k][0] == k * k for k in (0, 1, 2, 4, 6, 8, 9))
    assert len({found[k][1] for k in (0, 1, 2, 4, 6, 8, 9)} | {os.getpid()}) >= 2
    assert isinstance(found[3], ValueError) and str(found[3]) == "three: got 3"
    assert isinstance(found[5], WorkerDied) and "killed by SIGKILL" in str(found[5])
    assert isinstance(found[7], RuntimeError) and "Unsendable: a" in str(found[7])
    assert not multiprocessing.active_children()


def test_a_fresh_process_for_each_item_where_that_is_asked_for():
    assert len({pid for _, (_, pid) in each(square, [0, 1, 2, 4], workers=2, fresh=True)}) == 4


def test_what_a_job_says_of_its_progress_is_heard():
    heard = []
    assert dict(each(say_progress, [1, 2], workers=1, told=lambda *said: heard.append(said))) == {1: 1, 2: 2}
    assert heard == [(1, 1.5), (2, 2.5)]


def test_closing_interrupts_what_is_under_way_once(tmp_path):
    answers = each(partial(wait_or_say, tmp_path), iter([1, 2]), workers=2)
    signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))

    def when_begun():
        while len(list(tmp_path.glob("begun *"))) < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGALRM)

    threading.Thread(target=when_begun, daemon=True).start()
    with pytest.raises(KeyboardInterrupt), closing(answers):
        next(answers)
    assert sorted(path.name for path in tmp_path.glob("interrupted *")) == ["interrupted 1", "interrupted 2"]
    assert not multiprocessing.active_children()


def test_a_job_whose_worker_was_not_heard_yet_is_interrupted_too_or_never_begins(tmp_path):
    def items():
        yield 0
        time.sleep(0.5)  # the answer to 0 is there when 1's worker starts, and so is read before that worker is
        yield 1

    with closing(each(partial(wait_or_say_unless_first, tmp_path), items(), workers=2)) as answers:
        assert next(answers)[0] == 0
        until = time.monotonic() + 1.5
        while not list(tmp_path.glob("begun *")) and time.monotonic() < until:
            time.sleep(0.01)
    assert len(list(tmp_path.glob("begun *"))) == len(list(tmp_path.glob("interrupted *")))
    assert not multiprocessing.active_children()


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys\nfrom functools import partial\nfrom pathlib import Path\n"
        f"sys.path.insert(0, {str(TESTS)!r})\nfrom plain.jobs import wait_or_say\nfrom mesasim.workers import each\n"
        f"if __name__ == '__main__':\n    print(list(each(partial(wait_or_say, Path({str(tmp_path)!r})), [1, 2], workers=2)))\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)])
    until = time.monotonic() + 60
    while len(list(tmp_path.glob("begun *"))) < 2 and time.monotonic() < until and parent.poll() is None:
        time.sleep(0.02)
    family = _descendants(parent.pid)
    assert len(family) >= 3  # two workers and who forks them
    parent.kill()
    parent.wait()
    until = time.monotonic() + 10
    while any(map(_alive, family)) and time.monotonic() < until:
        time.sleep(0.01)
    assert not [pid for pid in family if _alive(pid)]


def _descendants(pid):
    found = [int(c) for task in Path(f"/proc/{pid}/task").iterdir() for c in (task / "children").read_text().split()]
    return found + [further for child in found for further in _descendants(child)]


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("workers", "backend", "error", "message"),
    [(0, "local", ValueError, "workers: got 0"), (2.5, "local", TypeError, "workers: got 2.5"),
     (1, "slurm", ValueError, "backend: got 'slurm', allowed: local, ray")],
)  # fmt: skip
def test_workers_and_backends_that_cannot_be_are_refused(workers, backend, error, message):
    with pytest.raises(error, match=message):
        check_workers(workers, backend)


@pytest.mark.slow
def test_ray_tries_no_job_twice_and_waits_for_those_it_cancels(tmp_path):
    pytest.importorskip("ray", reason="ray is not installed (mesasim[ray])")
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys, time\nfrom contextlib import closing\nfrom functools import partial\nfrom pathlib import Path\n"
        f"sys.path.insert(0, {str(TESTS)!r})\nfrom plain.jobs import die_or_say\nfrom mesasim.workers import each\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "with closing(each(partial(die_or_say, folder), [0, 2], workers=2, backend='ray')) as answers:\n"
        "    assert 'WorkerCrashedError' in str(next(answers)[1])\n"
        "    while not (folder / 'begun 2').exists():\n        time.sleep(0.01)\n"
        "assert (folder / 'interrupted 2').exists()\n"
    )
    environment = {
        **os.environ,
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]),
    }
    subprocess.run([sys.executable, str(script)], check=True, env=environment, cwd=tmp_path, capture_output=True)
    assert (tmp_path / "begun 0").read_text() == "x"


def test_ray_that_is_not_installed_is_said_to_be(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RuntimeError, match=r"not installed; allowed: local, or install mesasim\[ray\]"):
        check_workers(1, "ray")
