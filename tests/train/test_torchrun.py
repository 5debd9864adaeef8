"""The command under torchrun itself: a rank that is killed ends the job with a message, what it leaves goes on on several
processes and on one, and torchrun's SIGTERM is a clean stop."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mesasim.__main__ import main
from mesasim.train.checkpoint import latest_checkpoint
from mesasim.train.ppo import Trainer

FLAGS = [
    "--num-envs", "32", "--iterations", "4000", "--epochs", "1", "--minibatches", "2", "--checkpoint-every", "10",
    "--num-threads", "1", "--hidden", "8",
]  # fmt: skip
PATIENCE_S = 60


@pytest.fixture
def job(tmp_path):
    """Starts `torchrun -m mesasim train` of two processes in the folder; what is left of it is killed in the end."""
    started = []

    def start(*more):
        python_path = os.pathsep.join(filter(None, sys.path))
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        command += ["-m", "mesasim", "train", "--out", str(tmp_path / "run"), *FLAGS, *more]
        started.append(subprocess.Popen(
            command, env={**os.environ, "PYTHONPATH": python_path}, cwd=tmp_path, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ))  # fmt: skip
        return started[-1]

    yield start
    for process in started:
        process.terminate()  # which it hands on
        process.communicate(timeout=PATIENCE_S)


@pytest.mark.slow  # a start of three processes that import torch
def test_a_job_that_ends_before_its_first_checkpoint_is_due_ends_well(job, tmp_path):
    short = job("--iterations", "3", "--checkpoint-every", "50", "--json", "--quiet")
    told, said = short.communicate(timeout=PATIENCE_S)
    assert short.returncode == 0, said
    made = json.loads(told)
    assert made["iterations"] == made["last"]["iteration"] == 3
    assert Path(made["checkpoint"]) == latest_checkpoint(tmp_path / "run")


def process_of_rank(rank, parent):
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            child = f"\nPPid:\t{parent}\n" in (folder / "status").read_text()
            if child and f"\0RANK={rank}\0".encode() in (folder / "environ").read_bytes():
                return int(folder.name)
        except OSError:  # it has ended
            continue
    raise LookupError(f"no process of rank {rank}")


def wait_for_a_checkpoint_after(run, iteration, process):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        found = sorted((run / "checkpoints").glob("*.safetensors"))
        if found and int(found[-1].stem) > iteration:
            return
        time.sleep(0.01)
    process.terminate()
    pytest.fail(f"no checkpoint after {iteration}: {process.communicate(timeout=PATIENCE_S)}")


@pytest.mark.slow  # two starts of three processes that import torch
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the processes in /proc")
def test_a_killed_rank_ends_the_job_and_what_it_leaves_goes_on_on_two_processes_and_on_one(job, tmp_path, monkeypatch):
    run, first = tmp_path / "run", job()
    wait_for_a_checkpoint_after(run, 0, first)
    os.kill(process_of_rank(1, first.pid), signal.SIGKILL)
    _, said = first.communicate(timeout=PATIENCE_S)
    assert first.returncode != 0
    assert "mesasim: rank 0 of 2: another process of this training is gone" in said and "--resume goes on" in said
    left = int(latest_checkpoint(run).stem)
    assert 0 < left < 4000

    second = job("--resume")
    wait_for_a_checkpoint_after(run, left, second)
    second.send_signal(signal.SIGTERM)
    _, said = second.communicate(timeout=PATIENCE_S)
    assert second.returncode != 0 and said.count("mesasim: terminated") == 2
    stopped = int(latest_checkpoint(run).stem)
    assert left < stopped < 4000

    trained, iterate = [], Trainer.iterate

    def until_enough(trainer):
        trained.append(trainer.iteration)
        if len(trained) == 20:
            os.kill(os.getpid(), signal.SIGINT)
        return iterate(trainer)

    monkeypatch.setattr(Trainer, "iterate", until_enough)
    with pytest.raises(SystemExit):
        main(["train", "--out", str(run), *FLAGS, "--resume", "--quiet"])
    assert trained[0] == stopped and int(latest_checkpoint(run).stem) == stopped + 20
