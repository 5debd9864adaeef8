"""Metrics of every trainer go to every sink, once an iteration, whatever interrupts; a sink that breaks costs no training."""

import dataclasses
import json
import math
import resource
import sys
import types

import pytest
import torch
from plain.training_cases import BANDIT
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mesasim.agents import NetworkConfig
from mesasim.integrity import weights_hash
from mesasim.sequences import SequenceSource
from mesasim.train import evolution, logs, loop, maml, ppo, supervised
from mesasim.train.logs import METRICS, read_rows
from mesasim.train.prediction import Prediction

BANDIT_TO_6 = dataclasses.replace(BANDIT, iterations=6, checkpoint_every=2)
MAML = maml.MAMLConfig(
    options={"arms": 3}, adapt_pulls=6, test_pulls=3, tasks=8, iterations=6, num_threads=1, checkpoint_every=2
)
SUPERVISED = supervised.SupervisedConfig(iterations=6, batch=8, num_threads=1, checkpoint_every=2, log_every=1)


class Sphere:
    def describe(self):
        return {}

    def evaluate(self, genomes, seed):
        return -genomes.square().sum(1)

    size = 4


def train_supervised(run, **more):
    source = SequenceSource("coin", 8)
    network = NetworkConfig("mlp", hidden=4)
    return supervised.train(SUPERVISED, Prediction(network, source), run, **more)


def train_ppo(run, **more):
    return ppo.train(BANDIT_TO_6, run, **more)


TRAINERS = {
    "ppo": train_ppo, "supervised": train_supervised, "maml": lambda run, **more: maml.train(MAML, run, **more),
    "evolution": lambda run, **more: evolution.evolve(
        evolution.EvolutionConfig(generations=6, population=4, num_threads=1, checkpoint_every=2), Sphere(), run, **more
    ),
}  # fmt: skip


def events(run):
    """Tag → [(step, value)], as TensorBoard shows them."""
    found = EventAccumulator(str(run / "tensorboard")).Reload()
    return {tag: [(event.step, event.value) for event in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def iterations(run):
    return [row["iteration"] for row in read_rows(run / METRICS)]


@pytest.mark.parametrize("trainer", TRAINERS)
def test_every_trainer_logs_the_same_numbers_to_every_sink(trainer, tmp_path):
    TRAINERS[trainer](tmp_path)
    rows, shown = read_rows(tmp_path / METRICS), events(tmp_path)
    assert [row["iteration"] for row in rows] == [1, 2, 3, 4, 5, 6] and set(shown) == set(rows[0])
    for name, points in shown.items():
        values = torch.tensor([row[name] for row in rows], dtype=torch.float32).tolist()  # an event's precision
        steps, seen = zip(*points, strict=True)
        assert steps == (1, 2, 3, 4, 5, 6) and list(seen) == pytest.approx(values, nan_ok=True), name


def test_a_kill_right_after_a_checkpoint_leaves_no_gap_in_the_rows(tmp_path, monkeypatch):
    save = loop.save_checkpoint

    def saved_and_killed(path, *arguments):
        save(path, *arguments)
        if path.name == "00000004.safetensors":
            raise SystemExit("killed")

    monkeypatch.setattr(loop, "save_checkpoint", saved_and_killed)
    with pytest.raises(SystemExit):
        train_ppo(tmp_path)
    monkeypatch.undo()
    train_ppo(tmp_path, resume=True)
    assert iterations(tmp_path) == [1, 2, 3, 4, 5, 6]


def test_iterations_made_again_after_an_interrupt_are_there_once(tmp_path, monkeypatch):
    iterate = ppo.Trainer.iterate

    def killed_in_the_sixth(self):
        if self.iteration == 5:
            raise SystemExit("killed")
        return iterate(self)

    monkeypatch.setattr(ppo.Trainer, "iterate", killed_in_the_sixth)
    with pytest.raises(SystemExit):
        train_ppo(tmp_path)
    assert [step for step, _ in events(tmp_path)["entropy"]] == [1, 2, 3, 4, 5] and iterations(tmp_path) == [1, 2, 3, 4]
    monkeypatch.undo()
    train_ppo(tmp_path, resume=True)
    assert [step for step, _ in events(tmp_path)["entropy"]] == iterations(tmp_path) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("resume", [False, True])
def test_iterations_before_a_kill_without_a_checkpoint_are_not_shown_twice(resume, tmp_path, monkeypatch):
    iterate = ppo.Trainer.iterate

    def killed_in_the_second(self):
        if self.iteration == 1:
            raise SystemExit("killed")
        return iterate(self)

    with monkeypatch.context() as patch:
        patch.setattr(ppo.Trainer, "iterate", killed_in_the_second)
        with pytest.raises(SystemExit):
            train_ppo(tmp_path)
    shown = {step: value for step, value in events(tmp_path)["entropy"]}
    train_ppo(tmp_path, resume=resume)
    points = events(tmp_path)["entropy"]
    assert [step for step, _ in points] == [1, 2, 3, 4, 5, 6] and dict(points) == dict(points) | shown


def test_a_run_goes_on_whose_metrics_were_others_before(tmp_path, monkeypatch):
    iterate = ppo.Trainer.iterate

    def of_another_version(self):
        row = dict(iterate(self))
        del row["entropy"]
        return row | {"since_gone": 0.5}

    with monkeypatch.context() as patch:
        patch.setattr(ppo.Trainer, "iterate", of_another_version)
        train_ppo(tmp_path)
    (tmp_path / "checkpoints" / "00000006.safetensors").unlink()
    train_ppo(tmp_path, resume=True)
    train_ppo(tmp_path, resume=True)
    rows = read_rows(tmp_path / METRICS)
    assert [math.isnan(row["entropy"]) for row in rows] == [True] * 4 + [False] * 2
    assert [row["since_gone"] for row in rows[:4]] == [0.5] * 4 and math.isnan(rows[5]["since_gone"])


def rows_to(last):
    return [{"iteration": k, "steps": 32 * k, "loss": 1 / k, "none": float("nan")} for k in range(1, last + 1)]


def write_through(sink, rows):
    for row in rows:
        sink.write(row)
        if row["iteration"] % 2 == 0:  # a checkpoint
            sink.flush()


def test_rows_are_added_to_the_file_and_not_written_again(tmp_path, monkeypatch):
    sink, file = logs.Csv(tmp_path, 0, {}), tmp_path / METRICS
    write_through(sink, rows_to(2))
    monkeypatch.setattr(logs, "write_whole", lambda *_: pytest.fail("written again"))
    first, found = file.read_bytes(), file.stat().st_ino
    write_through(sink, rows_to(8)[2:])
    assert file.read_bytes().startswith(first) and file.stat().st_ino == found
    assert [row["iteration"] for row in read_rows(file)] == [1, 2, 3, 4, 5, 6, 7, 8]
    resumed = logs.Csv(tmp_path, 8, {})
    write_through(resumed, rows_to(12)[8:])
    assert [row["loss"] for row in read_rows(file)] == [row["loss"] for row in rows_to(12)]


def test_a_kill_at_any_byte_of_a_rows_writing_leaves_whole_rows_and_a_file_to_go_on_with(tmp_path):
    file = tmp_path / METRICS
    sink = logs.Csv(tmp_path, 0, {})
    write_through(sink, rows_to(2))
    kept = file.stat().st_size
    write_through(sink, rows_to(4)[2:])
    whole = file.read_bytes()
    for cut in range(kept, len(whole) + 1):
        file.write_bytes(whole[:cut])
        seen = [row["iteration"] for row in read_rows(file)]
        assert seen == list(range(1, 3 + whole[kept:cut].count(b"\n"))), cut
        resumed = logs.Csv(tmp_path, 2, {})
        assert file.read_bytes() == whole[:cut]  # until there is a row in the place of those cut
        write_through(resumed, rows_to(4)[2:])
        assert file.read_bytes() == whole, cut


def test_rows_that_do_not_fit_on_the_disk_leave_those_before_and_the_error_names_the_file(tmp_path):
    """A limit on the size of files stands in for the disk: a part of the rows is written, as there."""
    sink, file = logs.Csv(tmp_path, 0, {}), tmp_path / METRICS
    write_through(sink, rows_to(2))
    before = file.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, limits[1]))
        with pytest.raises(OSError, match=r"metrics\.csv was not written: File too large"):
            write_through(sink, rows_to(4)[2:])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == before


def test_a_file_that_something_else_has_cut_is_told_of_and_not_filled_up(tmp_path):
    sink, file = logs.Csv(tmp_path, 0, {}), tmp_path / METRICS
    write_through(sink, rows_to(2))
    file.write_bytes(b"cut")
    with pytest.raises(OSError, match=r"metrics\.csv was not written: it has 3 bytes, expected \d+"):
        write_through(sink, rows_to(4)[2:])
    assert file.read_bytes() == b"cut"


def broken(*_):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("sink", [logs.Csv, logs.TensorBoard])
@pytest.mark.parametrize("verb", ["write", "flush", "close"])
def test_a_sink_that_breaks_is_told_of_once_and_costs_neither_the_training_nor_the_other_sink(
    sink, verb, tmp_path, monkeypatch
):
    expected = weights_hash(train_ppo(tmp_path / "whole"))
    monkeypatch.setattr(sink, verb, broken)
    with pytest.warns(RuntimeWarning, match=r"failed and is left out from here on \(OSError: .*No space left") as told:
        agent = train_ppo(tmp_path / "broken")
    assert len(told) == 1 and weights_hash(agent) == expected
    if sink is logs.Csv:
        assert len(events(tmp_path / "broken")["entropy"]) == 6
    else:
        assert iterations(tmp_path / "broken") == [1, 2, 3, 4, 5, 6]


def test_a_sink_that_cannot_start_is_an_error_at_first_and_a_warning_on_resuming(tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(logs.TensorBoard, "__init__", broken)
        with pytest.raises(RuntimeError, match=r"^log: tensorboard cannot be started"):
            train_ppo(tmp_path / "new")
    cut = ppo.Trainer(BANDIT_TO_6, tmp_path / "old")
    cut.iterate()
    cut.save()
    monkeypatch.setattr(logs.TensorBoard, "__init__", broken)
    with pytest.warns(RuntimeWarning, match="^log: tensorboard failed"):
        train_ppo(tmp_path / "old", resume=True)
    assert iterations(tmp_path / "old") == [2, 3, 4, 5, 6]


def test_only_the_chosen_sinks_and_only_the_first_rank_write(tmp_path, monkeypatch):
    with logs.chosen(["tensorboard"]):
        train_ppo(tmp_path / "a")
    assert not (tmp_path / "a" / METRICS).exists() and events(tmp_path / "a")
    monkeypatch.setenv("RANK", "1")  # alone: a scheduler's, not torchrun's
    train_ppo(tmp_path / "alone")
    assert iterations(tmp_path / "alone") == [1, 2, 3, 4, 5, 6]
    for name, value in {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    logger = logs.Logger(tmp_path / "b", 0, {})
    logger.write({"iteration": 1})
    logger.flush()
    assert logger.sinks == {} and not (tmp_path / "b").exists()


def test_what_is_no_sink_is_refused_and_one_not_installed_names_its_extra(monkeypatch):
    with (
        pytest.raises(ValueError, match=r"^log: got 'paper', allowed: csv, tensorboard, wandb"),
        logs.chosen(["paper"]),
    ):
        pass
    monkeypatch.setitem(sys.modules, "wandb", None)
    with (
        pytest.raises(RuntimeError, match=r"^log: got 'wandb', .*pip install 'mesasim\[wandb\]'"),
        logs.chosen(["wandb"]),
    ):
        pass


def test_a_resumed_run_is_the_same_run_of_weights_and_biases(tmp_path, monkeypatch):
    begun, rows = [], []
    session = types.SimpleNamespace(define_metric=lambda *_, **__: None, log=rows.append, finish=lambda: None)
    service = types.ModuleType("wandb")
    service.Settings = dict
    service.init = lambda **given: begun.append(given) or session
    monkeypatch.setitem(sys.modules, "wandb", service)
    with logs.chosen(["csv", "wandb"]):
        train_ppo(tmp_path)
        (tmp_path / "checkpoints" / "00000006.safetensors").unlink()
        train_ppo(tmp_path, resume=True)
    assert len(begun) == 2 and begun[0]["id"] == begun[1]["id"] and len(begun[0]["id"]) == 16
    assert [row["iteration"] for row in rows] == [1, 2, 3, 4, 5, 6, 5, 6]
    json.dumps(begun[0]["config"], allow_nan=False)


@pytest.mark.filterwarnings("ignore", "error:log. wandb")  # those of a package that is not ours
def test_weights_and_biases_writes_offline(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb", reason="Weights & Biases is not installed: pip install 'mesasim[wandb]'")
    monkeypatch.setenv("WANDB_MODE", "offline")
    with logs.chosen(["csv", "wandb"]):
        train_ppo(tmp_path)
    wandb.teardown()  # its service, which writes on its own, has written all
    kept = (tmp_path / "wandb_id").read_text()
    (written,) = (tmp_path / "wandb").glob(f"offline-run-*-{kept}/run-{kept}.wandb")
    assert written.read_bytes().count(b"clipped_share") >= 6 and iterations(tmp_path) == [1, 2, 3, 4, 5, 6]
