"""Recurrent PPO (Schulman et al. 2017, "Proximal policy optimization algorithms"), whole, read top to bottom. Minibatches are
whole sequences of some slots, so that a carry is recomputed from the rollout's start and never stale inside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mesasim import waits
from mesasim.agents import Agent, NetworkConfig, build_network
from mesasim.agents.base import Observation, Output
from mesasim.agents.encoding import FieldShape, field_shapes
from mesasim.saved_state import join_states, part_of_state
from mesasim.train import loop
from mesasim.train.checkpoint import latest_checkpoint, load_checkpoint, load_weights, made_to_fit
from mesasim.train.clipped_adam import ClippedAdam
from mesasim.train.clock import Clock, elapsed, share
from mesasim.train.critic import OracleCritic, OwnCritic
from mesasim.train.distributed import ALONE, Ranks, device_of, joined
from mesasim.train.loop import Metrics, load_optimizer, optimizer_tensors
from mesasim.train.ppo_config import PPOConfig
from mesasim.train.ppo_loss import Samples, Weights, native_ppo_loss, ppo_loss
from mesasim.train.ppo_update import NativeUpdate
from mesasim.train.recording import Recorder
from mesasim.train.rollout import REGRET, Collector, Rollout, Standing
from mesasim.vector import MesaVectorEnv


def advantages(reward: Tensor, value: Tensor, done: Tensor, last_value: Tensor, discount: float, lam: float) -> Tensor:
    """Generalized advantage estimation (Schulman et al. 2016, eq. 16), all [T, N] but last_value [N]:
    delta_t = r_t + discount v_{t+1} - v_t, A_t = delta_t + discount lam A_{t+1}, both cut where an episode ended."""
    result = torch.empty_like(reward)
    running, next_value = torch.zeros_like(last_value), last_value
    for t in reversed(range(reward.shape[0])):
        alive = (~done[t]).float()
        delta = reward[t] + discount * next_value * alive - value[t]
        running = delta + discount * lam * alive * running
        result[t], next_value = running, value[t]
    return result


class Work(NamedTuple):
    """What the updates of one rollout are made from."""

    rollout: Rollout
    advantage: Tensor  # [T, N], normalised
    target: Tensor  # [T, N] of the values
    entropy_weight: Tensor | float  # a tensor [] where updates are recorded
    starts: tuple[int, ...] | None  # see Agent.unroll_from
    totals: Tensor  # [4], over minibatches, of LOGGED
    native: NativeUpdate | None = None


LOGGED = ("policy_loss", "value_loss", "entropy", "clipped_share")


class Trainer(loop.Trainer):
    """One run: `iterate()` makes one rollout and one update. `save` and `resume` continue to the same bits on the same
    machine. Nothing in a step or a minibatch looks at a value; metrics leave the device once an iteration."""

    recorder: Recorder | None = None

    def __init__(self, config: PPOConfig, run: Path | None = None, ranks: Ranks = ALONE) -> None:
        self.config, self.run, self.ranks = config, run, ranks
        if config.cuda_graphs == "on" and ranks.size > 1:
            raise ValueError(f"cuda_graphs: got 'on' on {ranks.size} processes, allowed: 'auto', 'off'")
        recorded = config.recorded and ranks.size == 1  # a rank's share of a minibatch is never of the same length
        slots = ranks.share_of(config.num_envs)
        self.env = MesaVectorEnv(
            config.world, slots, device=device_of(config.device, ranks), num_threads=ranks.threads(config.num_threads),
            seed=config.seed, first_slot=ranks.rank * slots,
            history=True, oracle=config.critic == "oracle" or config.told == "regret",
            autoreset_mode="SameStep", **config.options,
        )  # fmt: skip
        if config.told == "regret" and REGRET not in self.env.buffers.group.get("oracle", {}):
            raise ValueError(f"told: got 'regret', which the oracle of {config.world} does not know with these options")
        self.set_threads()
        self.fields = field_shapes(self.env.fields)
        self.agent = new_agent(config, self.fields, len(self.env.world_spec.actions)).to(self.env.device)
        self.critic = new_critic(config, field_shapes(self.env.world_spec.oracle)).to(self.env.device)
        self.generator = torch.Generator(self.env.device).manual_seed(config.seed)
        rate: Tensor | float = config.learning_rate
        if recorded:
            self.recorder = Recorder(self.env.device, [self.generator])
            rate = torch.tensor(rate, device=self.env.device)  # a recorded update finds it changed
        self.optimizer = ClippedAdam(
            [list(self.agent.parameters()), list(self.critic.parameters())], config.max_gradient_norm,
            native=config.natively, lr=rate, eps=1e-5, capturable=recorded, fused=config.natively,
        )  # fmt: skip
        self.env.reset(seed=config.seed)
        self.clock = Clock(self.env.device, fine=not recorded)
        self.collector = Collector(
            self.env, self.agent, self.critic, self.generator, at_end=config.reward_at == "episode",
            regret=config.told == "regret", recorder=self.recorder, clock=self.clock,
            ranks=ranks,
        )  # fmt: skip
        self.collector.check_room(config.rollout_steps)

    def set_threads(self) -> None:
        """torch's threads are the process's: whoever made a trainer last has set them."""
        torch.set_num_threads(self.env.num_threads)

    def iterate(self) -> Metrics:
        with self.recorder.at_work() if self.recorder else nullcontext():
            return self._iterate()

    def _iterate(self) -> Metrics:
        config, clock = self.config, self.clock
        started = time.perf_counter()
        clock.restart()
        scale = 1 - self.iteration / config.iterations if config.schedule == "linear" else 1.0
        self.set_rate(config.learning_rate * scale)
        discount = self.discount()
        self.critic.set_horizon(discount, config.rollout_steps)
        with clock.lap("rollout"):
            rollout = self.collector.collect(config.rollout_steps, discount)
        found = self.update(rollout, config.entropy * scale, discount)
        found |= {
            "episodes": rollout.done.sum(),
            "mean": rollout.earned.mean() / self.ranks.size,
            "sum": rollout.earned.sum(),
        }
        self.iteration += 1
        # One copy; the host waits for all it has queued. float64 holds what was float32 or a count.
        values = waits.read(self.ranks.sum(torch.stack([value.double() for value in found.values()]))).tolist()
        metrics = dict(zip(found, values, strict=True))
        episodes, mean, earned = (metrics.pop(name) for name in ("episodes", "mean", "sum"))
        steps = config.num_envs * config.rollout_steps
        wall = elapsed(started, time.perf_counter())
        return {
            "iteration": self.iteration,
            "steps": self.iteration * steps,
            "reward_per_step": mean,
            "episode_return": earned / episodes if episodes else float("nan"),
            **metrics,
            "steps_per_second": share(steps, wall),
            "rollout_share": share(clock.total("rollout"), wall),
            "simulator_share": share(clock.total("simulator"), wall),
            "forward_share": share(clock.total("forward"), wall),
            "backward_share": share(clock.total("backward"), wall),
            "rest_share": max(1 - share(clock.total("simulator", "forward", "backward"), wall), 0.0),  # nan stays nan
        }

    def set_rate(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def discount(self) -> float:
        """This iteration's."""
        config = self.config
        if config.first_discount is None:
            return config.discount
        share = min(1.0, 2 * self.iteration / config.iterations)
        return 1 - (1 - config.first_discount) ** (1 - share) * (1 - config.discount) ** share

    def update(self, rollout: Rollout, entropy_weight: float, discount: float) -> dict[str, Tensor]:
        """Every epoch's minibatches; returns what is worth logging, still on the device."""
        config = self.config
        advantage = self.advantage(rollout, discount)
        target = advantage + rollout.value
        pieces = [advantage[p] for p in self.pieces(len(advantage))]
        advantage = torch.cat([self.ranks.standardised(piece) for piece in pieces])
        work = Work(
            rollout, advantage, target, entropy_weight, self.starts(rollout), torch.zeros(4, device=advantage.device)
        )
        if self.recorder is not None:
            work = self.kept(self.recorder, work)
        if config.natively:
            work = work._replace(native=NativeUpdate.of(self.agent, self.critic, rollout, config.cut_every))
        updates = 0
        for _ in range(config.epochs):
            order = torch.randperm(config.num_envs, generator=self.generator, device=advantage.device)
            for slots in order.chunk(config.minibatches):
                if self.recorder is None:
                    self.minibatch(work, *self.ranks.of_minibatch(slots, self.env.num_envs))
                else:
                    slots = self.recorder.keep("slots", slots)
                    self.recorder.run(("minibatch", work.starts), partial(self.minibatch, work, slots))
                updates += 1
        return dict(zip(LOGGED, work.totals / updates, strict=True))

    def kept(self, recorder: Recorder, work: Work) -> Work:
        """The same in memory that stays (where a recorded rollout is anyway), with one of two sets of starts: at the rollout's
        own alone, or anywhere, so that two recordings serve all."""
        weight = torch.zeros((), device=work.advantage.device) + work.entropy_weight
        return work._replace(
            advantage=recorder.keep("advantage", work.advantage),
            target=recorder.keep("target", work.target),
            entropy_weight=recorder.keep("entropy weight", weight),
            totals=recorder.keep("totals", work.totals),
            starts=work.starts if work.starts in (None, (0,)) else tuple(range(len(work.advantage))),
        )

    def starts(self, rollout: Rollout) -> tuple[int, ...] | None:
        """The steps at which some slot's episode starts, 0 among them, for agents that are helped by it: the host waits once, so
        that no minibatch has to. Where looking is free, each minibatch looks for its own."""
        if not self.agent.runs_between_starts or waits.readable(rollout.is_first):
            return None
        some = waits.read(rollout.is_first.any(dim=1))
        return tuple(sorted({0, *some.nonzero().flatten().tolist()}))

    def minibatch(self, work: Work, slots: Tensor, share: float = 1.0) -> None:
        """One update from the whole sequences of some slots, int64 [n], that are this share of the minibatch."""
        config = self.config
        samples = Samples(work.rollout.action, work.rollout.log_prob, work.advantage, work.target)
        weights = Weights(config.clip, config.value_weight, self.critic.horizon, work.entropy_weight)
        if work.native is None:
            terms = self.gradients(work, samples, slots, weights)
        else:
            with self.clock.part("backward"):  # and forward: they are one call
                terms = work.native.minibatch(samples, slots, weights)
        with self.clock.part("backward"):
            self.ranks.sum_gradients([p for part in self.optimizer.parts for p in part], share)
            self.optimizer.clipped_step()
        work.totals.add_(terms, alpha=share)

    def gradients(self, work: Work, samples: Samples, slots: Tensor, weights: Weights) -> Tensor:
        """Fills the parameters'; returns the loss's terms."""
        config, rollout = self.config, work.rollout
        obs = {name: value[:, slots] for name, value in rollout.obs.items()}
        with self.clock.part("forward"):
            out = self.unroll(obs, rollout.is_first[:, slots], rollout.first_carry[slots], work.starts)
            value = self.critic(out.value, {name: field[:, slots] for name, field in rollout.oracle.items()})
            compute = native_ppo_loss if config.natively else ppo_loss
            loss, terms = compute(out.logits, value, samples, slots, weights)
        with self.clock.part("backward"):
            self.optimizer.zero_grad()
            loss.backward()
        return terms

    def pieces(self, steps: int) -> list[slice]:
        """The steps of a rollout, cut as `cut_every` has it."""
        length = self.config.cut_every or steps
        return [slice(begin, begin + length) for begin in range(0, steps, length)]

    def advantage(self, rollout: Rollout, discount: float) -> Tensor:
        """[T, N]: each piece's, its last step worth the value of the step after it."""
        ahead = torch.cat([rollout.value[1:], rollout.last_value.unsqueeze(0)])
        return torch.cat([
            advantages(rollout.reward[p], rollout.value[p], rollout.done[p], ahead[p][-1], discount, self.config.gae_lambda)
            for p in self.pieces(len(ahead))
        ])  # fmt: skip

    def unroll(self, obs: Observation, is_first: Tensor, carry: Tensor, starts: Sequence[int] | None = None) -> Output:
        """The agent's, no gradient passing from one piece into the one before."""
        parts = []
        for p in self.pieces(len(is_first)):
            own = None if starts is None else [step - p.start for step in starts if p.start <= step < p.stop]
            seen = {name: value[p] for name, value in obs.items()}
            parts.append(self.agent.unroll_from(seen, is_first[p], carry, own))
            carry = parts[-1].carry.detach()
        if len(parts) == 1:
            return parts[0]
        return Output(torch.cat([part.logits for part in parts]), torch.cat([part.value for part in parts]), carry)

    # Checkpoints

    def description(self) -> dict[str, Any]:
        return asdict(self.config)

    def meta(self) -> dict[str, Any]:
        return {"fields": self.fields, "num_actions": len(self.env.world_spec.actions)}

    def tensors(self) -> dict[str, Tensor]:
        """On rank 0, which writes them, of every rank's slots."""
        same = {
            **{f"model/{name}": tensor for name, tensor in self.agent.state_dict().items()},
            **{f"critic/{name}": tensor for name, tensor in self.critic.state_dict().items()},
            **optimizer_tensors(self.optimizer),
            "trainer/generator": self.generator.get_state(),
        }
        self.ranks.check_same("weights, optimiser and generator", same)
        slots = {f"trainer/{name}": self.ranks.gather(getattr(self.collector, name)) for name in Standing._fields}
        return {**same, **slots, "trainer/env": self.state_of_all()}

    def state_of_all(self) -> Tensor:
        """The environment's of every rank's slots, uint8 [bytes]; on other ranks than 0 its own."""
        own = torch.frombuffer(bytearray(self.env.get_state()), dtype=torch.uint8)
        if self.ranks.size == 1:
            return own
        parts = self.ranks.gather(own).view(-1, len(own))  # equally long: of equally many slots
        return torch.frombuffer(bytearray(join_states([part.numpy().tobytes() for part in parts])), dtype=torch.uint8)

    def restore(self, tensors: Mapping[str, Tensor], path: Path) -> None:
        load_weights(self.agent, tensors, path)
        load_weights(self.critic, tensors, path, "critic/")
        load_optimizer(self.optimizer, tensors)
        state, slots = tensors["trainer/env"].numpy().tobytes(), self.env.num_envs
        whole = self.ranks.size == 1
        self.env.set_state(state if whole else part_of_state(state, self.ranks.rank * slots, slots))
        for name in Standing._fields:
            setattr(self.collector, name, self.ranks.part(tensors[f"trainer/{name}"]).to(self.env.device))
        self.generator.set_state(tensors["trainer/generator"])
        if self.recorder is not None:
            self.recorder.forget()
            self.collector.block = None


def new_agent(config: PPOConfig, fields: list[FieldShape], num_actions: int) -> Agent:
    """The network at its first weights, drawn from config.seed without touching torch's global generator."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return build_network(config.network, fields, num_actions)


def new_critic(config: PPOConfig, fields: list[FieldShape]) -> OwnCritic | OracleCritic:
    """The critic at its first weights; `fields`: the world's oracle. ValueError where that has none."""
    if config.critic == "agent":
        return OwnCritic()
    if not fields:
        raise ValueError(f"critic: got 'oracle', but {config.world} has no oracle fields with these options")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        return OracleCritic(fields)


def load_agent(run: Path) -> tuple[Agent, PPOConfig]:
    """The agent of a run's newest checkpoint, on the CPU, and the configuration it was trained with."""
    path = latest_checkpoint(run)
    tensors, meta = load_checkpoint(path)
    try:
        network = NetworkConfig(**meta["config"].pop("network"))
        config = PPOConfig(**meta["config"], network=network)
        if not isinstance(config.options, dict):
            raise TypeError(f"options: got {config.options!r}, allowed: names and values")
        fields = [
            FieldShape(name, tuple(shape), low, high, categories)
            for name, shape, low, high, categories in meta["fields"]
        ]
        num_actions = meta["num_actions"]
        if type(num_actions) is not int or num_actions < 1:
            raise ValueError(f"num_actions: got {num_actions!r}, allowed: an integer of at least 1")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"checkpoint: {path} has a description this version cannot read ({error})") from error
    return made_to_fit(lambda: new_agent(config, fields, num_actions), tensors, path), config


def train(
    config: PPOConfig, run: Path, *, resume: bool = False, report: Callable[[Metrics], None] | None = None
) -> Agent:
    """Trains to config.iterations in the folder `run`: see loop.train_in_folder. Under `torchrun` its processes train together
    (docs/scaling.md). The agent comes back on the CPU."""
    with joined(config.device, config.rank_timeout) as ranks:
        trainer = Trainer(config, run, ranks)
        loop.train_in_folder(
            trainer, config.iterations, checkpoint_every=config.checkpoint_every, resume=resume, report=report
        )
    return trainer.agent.cpu()
