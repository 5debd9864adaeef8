"""Recorded training: what stands in memory that stays, and what a GPU does in place of looking at values, gives the numbers
of the plain path. Without a GPU a recording is called instead of replayed, or is a list of operators (plain/graphs.py)."""

import dataclasses
from contextlib import nullcontext
from importlib import import_module

import pytest
import torch
from plain.graphs import Graphs
from plain.training_cases import CASES, config_of

from mesasim import devices, waits
from mesasim.devices import missing_cuda
from mesasim.integrity import weights_hash
from mesasim.train.clipped_adam import ClippedAdam
from mesasim.train.ppo import Trainer, Work
from mesasim.train.recording import WARM_UPS, Recorder


def recorded(config):
    """A trainer with all a recording has but the graphs: memory that stays, the row's number in a tensor."""
    trainer = Trainer(config)
    trainer.recorder = trainer.collector.recorder = Recorder(trainer.env.device, [trainer.generator])
    return trainer


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_memory_that_stays_gives_the_same_bits(case):
    config = config_of(*case)
    found = []
    for trainer in (Trainer(config), recorded(config)):
        rows = [trainer.iterate() for _ in range(3)]
        told = [{k: v for k, v in row.items() if "share" not in k and "second" not in k} for row in rows]
        found.append((weights_hash(trainer.agent), str(told)))
    assert found[0] == found[1]


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_working_in_place_of_looking_gives_the_same_rollouts_and_gradients(case, monkeypatch):
    config = config_of(*case)
    looking, working = Trainer(config), recorded(config)
    for _ in range(3):
        block = looking.collector.collect(6, 0.9)
        with monkeypatch.context() as patch:
            patch.setattr(waits, "readable", lambda tensor: False)
            other = working.collector.collect(6, 0.9)
        for name in ("is_first", "action", "done", "earned"):
            assert torch.equal(getattr(block, name), getattr(other, name)), name
        for name in ("log_prob", "value", "reward", "last_value"):
            torch.testing.assert_close(getattr(other, name), getattr(block, name), rtol=0, atol=1e-6, msg=name)
    if case[1] == "corridor":
        assert (other.reward != other.earned).any()
    looking.update(block, 0.01, 0.9)
    with monkeypatch.context() as patch:
        patch.setattr(waits, "readable", lambda tensor: False)
        working.update(other, 0.01, 0.9)
    for one, same in zip(looking.agent.parameters(), working.agent.parameters(), strict=True):
        torch.testing.assert_close(same, one, rtol=0, atol=2e-4)


def replayed(config, monkeypatch, warm_ups=WARM_UPS):
    """A trainer as on a GPU, whose recordings are lists of operators (plain/graphs.py)."""
    monkeypatch.setattr("mesasim.train.recording.WARM_UPS", warm_ups)
    monkeypatch.setattr(waits, "readable", lambda tensor: False)
    adam = import_module("torch.optim.adam")  # which the package hides
    monkeypatch.setattr(adam, "_get_capturable_supported_devices", lambda: ["cpu"])
    # Its LSTM returns other things where nothing is learned, and no GPU has it.
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", False)
    trainer = Trainer(config)
    old, rate = trainer.optimizer, torch.tensor(trainer.config.learning_rate)
    trainer.optimizer = ClippedAdam(old.parts, old.most, native=False, lr=rate, eps=1e-5, capturable=True)
    graphs = Graphs(trainer.env)
    trainer.recorder = trainer.collector.recorder = Recorder(trainer.env.device, [trainer.generator], graphs)
    return trainer, graphs


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_replays_of_operators_alone_give_the_bits_of_the_runs_they_were_recorded_from(case, monkeypatch):
    config = dataclasses.replace(config_of(*case), iterations=5, schedule="linear")
    found = []
    for warm_ups in (WARM_UPS, 10**9):
        trainer, graphs = replayed(config, monkeypatch, warm_ups)
        earned = [trainer.iterate()["reward_per_step"] for _ in range(5)]
        found.append((weights_hash(trainer.agent), str(earned)))
        runs = {"step": 5 * config.rollout_steps, "minibatch": 5 * config.epochs * config.minibatches}
        recorded_runs = sum(graph.replays for graph in graphs.made)
        if warm_ups == WARM_UPS:
            assert len(graphs.made) == len(trainer.recorder.graphs) in (2, 3)
            assert recorded_runs == sum(runs.values()) - trainer.recorder.runs.total()
        else:
            assert not graphs.made
    assert found[0] == found[1]


def test_a_function_is_run_recorded_and_replayed(monkeypatch):
    trainer, graphs = replayed(config_of(), monkeypatch)
    recorder, memory, calls = trainer.recorder, torch.zeros(()), []

    def add():
        calls.append(0)
        memory.add_(len(calls))

    for _ in range(WARM_UPS + 3):
        recorder.run("add", add)
    assert len(calls) == WARM_UPS + 1 and memory == 1 + 2 + 3 + 4 * 3  # the number is what it was when recorded
    assert [graph.replays for graph in graphs.made] == [3] and graphs.made[0].registered == [trainer.generator]
    recorder.run("other", add)
    assert len(calls) == WARM_UPS + 2 and len(graphs.made) == 1
    before = graphs.forgotten
    recorder.forget()
    assert graphs.forgotten == before + 1 and not recorder.graphs
    recorder.run("add", add)
    assert len(calls) == WARM_UPS + 3 and len(graphs.made) == 1


def test_a_recording_that_looks_at_a_value_or_draws_from_no_known_generator_is_caught(monkeypatch):
    recorder = replayed(config_of(), monkeypatch, warm_ups=0)[0].recorder
    with pytest.raises(RuntimeError, match="a value was looked at"):
        recorder.run("look", lambda: torch.zeros(()).item())
    other = torch.Generator()
    with pytest.raises(AssertionError, match="was not registered"):
        recorder.run("draw", lambda: torch.zeros(2).exponential_(generator=other))


@pytest.mark.parametrize("steps", [1, 4, 5, 6, 8, 9])
def test_there_is_room_for_every_truncation_and_little_more(steps, monkeypatch):
    monkeypatch.setattr(waits, "readable", lambda tensor: False)
    collector = recorded(config_of("gru", "corridor")).collector  # cut off every 4 steps, where no goal was reached
    most = 0
    for _ in range(8):
        collector.collect(steps, 0.9)
        cuts = collector.block[1]
        assert torch.equal(cuts.cut, cuts.truncated.sum(0))
        most = max(most, int(cuts.cut.max()))
    assert len(cuts.carry) == len(cuts.obs["cell"]) == most + 1


def test_two_sets_of_starts_serve_every_rollout():
    trainer = recorded(config_of("gru", "maze"))
    rollout = trainer.collector.collect(6, 0.9)
    for starts, kept in (((0,), (0,)), ((0, 3), tuple(range(6))), (None, None)):
        work = trainer.kept(trainer.recorder, Work(rollout, rollout.value, rollout.value, 0.1, starts, torch.zeros(4)))
        assert work.starts == kept


def test_kept_memory_stays_and_takes_no_other_shape():
    recorder = Recorder(torch.device("cpu"))
    first = recorder.keep("a", torch.arange(3))
    assert recorder.keep("a", torch.arange(3, 6)) is first and first.tolist() == [3, 4, 5]
    with pytest.raises(ValueError, match=r"a: got torch.int64 \(4,\), allowed: torch.int64 \(3,\)"):
        recorder.keep("a", torch.arange(4))
    with pytest.raises(ValueError, match=r"a: got torch\.float32"):
        recorder.keep("a", torch.zeros(3))
    recorder.forget()
    assert len(recorder.keep("a", torch.arange(4))) == 4


def test_who_watches_steps_is_told_that_they_are_recorded():
    trainer = recorded(config_of())
    trainer.collector.watch = lambda *_: None
    with pytest.raises(ValueError, match=r"watch: .* cuda_graphs='off'"):
        trainer.collector.collect(3, 0.9)


def test_a_resumed_run_goes_on_in_other_memory(tmp_path):
    trainer = recorded(dataclasses.replace(config_of("gru", "corridor"), iterations=4))
    trainer.run = tmp_path
    for _ in range(2):
        trainer.iterate()
    trainer.save()
    trainer.iterate()
    once = weights_hash(trainer.agent)
    trainer.resume()
    trainer.iterate()
    assert weights_hash(trainer.agent) == once


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        ({"cuda_graphs": "maybe"}, "cuda_graphs: got 'maybe'"),
        ({"cuda_graphs": "on"}, "cuda_graphs: got 'on' with device=cpu"),
        ({"cuda_graphs": "on", "device": "cuda", "minibatches": 3}, "minibatches: got 3 with cuda_graphs='on'"),
    ],
)
def test_recordings_that_cannot_be_are_refused(bad, named):
    with pytest.raises(ValueError, match=named):
        dataclasses.replace(config_of(), **bad)


def test_auto_records_where_it_can():
    config = config_of()
    assert not config.recorded and dataclasses.replace(config, device="cuda").recorded
    assert not dataclasses.replace(config, device="cuda", minibatches=3).recorded
    assert not dataclasses.replace(config, device="cuda", cuda_graphs="off").recorded


@pytest.mark.skipif("cuda:0" not in devices(), reason=f"no CUDA device: {missing_cuda()}")
@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_replays_give_the_bits_of_the_runs_they_were_recorded_from(case, monkeypatch):
    config = dataclasses.replace(config_of(*case), device="cuda", iterations=6, cuda_graphs="on")
    found = []
    for warm_ups in (WARM_UPS, 10**9):
        monkeypatch.setattr("mesasim.train.recording.WARM_UPS", warm_ups)
        trainer = Trainer(config)
        earned = [trainer.iterate()["reward_per_step"] for _ in range(6)]
        assert bool(trainer.recorder.graphs) == (warm_ups == WARM_UPS)
        found.append((weights_hash(trainer.agent), str(earned)))
    assert found[0] == found[1]


@pytest.mark.skipif("cuda:0" not in devices(), reason=f"no CUDA device: {missing_cuda()}")
@pytest.mark.parametrize("graphs", ["on", "off"])
def test_the_gpu_is_waited_for_as_often_as_on_the_stand_in(graphs):
    config = dataclasses.replace(config_of("gru", "bandit"), device="cuda", iterations=6, cuda_graphs=graphs)
    trainer = Trainer(config)
    trainer.iterate()
    trainer.starts = lambda rollout: (0,)
    with trainer.recorder.at_work() if trainer.recorder else nullcontext():
        rollout = trainer.collector.collect(config.rollout_steps, 0.9)
        trainer.update(rollout, 0.1, 0.9)  # recorded, if it was not: recording waits
        try:
            torch.cuda.set_sync_debug_mode("error")
            trainer.collector.collect(config.rollout_steps, 0.9)
            trainer.update(rollout, 0.1, 0.9)
        finally:
            torch.cuda.set_sync_debug_mode("default")
