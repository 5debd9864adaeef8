"""Starts trainings of several processes, as torchrun would, from one process that has imported everything: a start then
costs a fork. `python ranks.py jobs.json`, a list of [ranks, folder, case, overrides, resume]; `case` as in
training_cases.config_of; `resume`: from the last checkpoint but one, as if the run had ended in the middle. Prints the exit
statuses of each job, a JSON list a line: 1 also of a process that ends before the last checkpoint is there."""

import dataclasses
import json
import os
import socket
import sys
import traceback
from pathlib import Path

import torch._dynamo  # noqa: F401  (what Adam imports when first made)
from plain.training_cases import config_of

from mesasim.train.checkpoint import latest_checkpoint
from mesasim.train.ppo import train


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def run(ranks, folder, case, overrides, resume):
    """The exit statuses by rank."""
    port, children = free_port(), []
    if resume:
        latest_checkpoint(Path(folder)).unlink()
    for rank in range(ranks):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                if ranks > 1:
                    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(ranks))
                    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
                config = dataclasses.replace(config_of(*case), **overrides)
                train(config, Path(folder), resume=resume)
                status = int(int(latest_checkpoint(Path(folder)).stem) != config.iterations)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


if __name__ == "__main__":
    for job in json.loads(Path(sys.argv[1]).read_text()):
        print(json.dumps(run(*job)), flush=True)
