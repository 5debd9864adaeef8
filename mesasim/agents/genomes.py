"""Policies that a vector of numbers (a genome) spells out, many genomes at once: a recurrent net of fixed weights, and a rule
by which the weights of a memoryless net change as it plays. What may be kept from step to step is either the one or the
other, so that freezing it tells where a learner lives. How genomes come about is not here."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mesasim.agents.base import Agent, Observation, Output
from mesasim.agents.encoding import HISTORY_FIELDS, Encoder, FieldShape, within_mask

FREEZE = ("nothing", "activations", "plastic")


class Species:
    """How a genome plays. A carry is [P, N, activations + plastic]: P genomes, N slots each, first what is carried in
    activations, then the plastic weights and what only they read."""

    size: int  # numbers of a genome
    activations: int
    plastic: int
    actions: int

    def describe(self) -> dict[str, int | str]:
        return {"species": type(self).__name__, "size": self.size, "actions": self.actions}

    def initial(self, genomes: int, slots: int) -> Tensor:
        """The carry at an episode's first observation."""
        return torch.zeros(genomes, slots, self.activations + self.plastic)

    def learn(self, genomes: Tensor, obs: Observation, carry: Tensor) -> Tensor:
        """The carry after plastic weights took in the last action and its reward; genomes [P, size], obs[field]
        [P, N, *shape]."""
        return carry

    def act(self, genomes: Tensor, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        """Log-odds [P, N, actions], and the carry after activations took in the observation."""
        raise NotImplementedError

    def _split(self, genomes: Tensor, shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
        """The genomes' parts, [P, *shape] each."""
        parts = genomes.split([torch.Size(shape).numel() for shape in shapes], dim=1)
        return [part.unflatten(1, shape) for part, shape in zip(parts, shapes, strict=True)]


class RecurrentNet(Species):
    """A GRU (Cho et al. 2014) that sees the observation, last action and reward among it; its weights are the genome and
    do not change. The zero genome chooses uniformly."""

    plastic = 0

    def __init__(self, fields: Sequence[FieldShape], actions: int, hidden: int = 8) -> None:
        self.encoder, self.actions, self.hidden = Encoder(fields), actions, hidden
        self.activations = hidden
        gates = 3 * hidden
        self.shapes = [(self.encoder.width, gates), (hidden, gates), (1, gates), (hidden, actions), (1, actions)]
        self.size = sum(torch.Size(shape).numel() for shape in self.shapes)

    def act(self, genomes: Tensor, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        from_input, from_hidden, bias, policy, policy_bias = self._split(genomes, self.shapes)
        inputs = torch.baddbmm(bias, self.encoder(obs), from_input).split(self.hidden, dim=2)
        before = torch.bmm(carry, from_hidden).split(self.hidden, dim=2)
        reset, keep = torch.sigmoid(inputs[0] + before[0]), torch.sigmoid(inputs[1] + before[1])
        hidden = (1 - keep) * torch.tanh(inputs[2] + reset * before[2]) + keep * carry
        return within_mask(torch.baddbmm(policy_bias, hidden, policy), obs), hidden


class PlasticRule(Species):
    """A net without memory whose weights change by a rule; the rule is the genome, and no weight is in it.

    The net: the world's observation (no history) and a constant → `hidden` tanh units → log-odds. Its weights start at
    fixed draws (first layer) and 0 (second), so that every rule starts from the uniform policy. When the reward r of an
    action arrives, every weight of layer l moves by

        (r - m_l) (A_l pre post + B_l pre + C_l post + D_l),

    the ABCD rule of Najarro & Risi (2020, "Meta-learning through Hebbian plasticity in random networks") with the reward
    as modulator (there the coefficients were of each weight; here of each layer, and the learning rate is in them). The
    second layer's postsynaptic activity is the action taken, one-hot. Genome: A, B, C, D, m of the first layer, then of
    the second. Weights stay within BOUND.
    """

    activations = 0
    size = 10
    BOUND = 30.0

    def __init__(self, fields: Sequence[FieldShape], actions: int, hidden: int = 4) -> None:
        self.encoder = Encoder([field for field in fields if field.name not in HISTORY_FIELDS])
        self.actions, self.hidden = actions, hidden
        self.inputs = self.encoder.width + 1
        draws = torch.randn(hidden * self.inputs, generator=torch.Generator().manual_seed(0)) / self.inputs**0.5
        # first layer, second layer, and the inputs and hidden activities that the last action came from
        self.widths = [hidden * self.inputs, actions * hidden, self.inputs, hidden]
        self.plastic = sum(self.widths)
        self.start = torch.cat([draws, torch.zeros(self.plastic - len(draws))])

    def initial(self, genomes: int, slots: int) -> Tensor:
        return self.start.expand(genomes, slots, self.plastic)

    def learn(self, genomes: Tensor, obs: Observation, carry: Tensor) -> Tensor:
        first, second, inputs, hidden = self._parts(carry)
        action, reward = obs["previous_action"].long(), obs["previous_reward"]  # [P, N, 1]
        acted = nn.functional.one_hot(action[..., 0].clamp(min=0), self.actions).to(carry)
        first = self._learn(genomes[:, :5], first, inputs, hidden, reward, action >= 0)
        second = self._learn(genomes[:, 5:], second, hidden, acted, reward, action >= 0)
        return torch.cat([first.flatten(2), second.flatten(2), inputs, hidden], dim=2)

    def act(self, genomes: Tensor, obs: Observation, carry: Tensor) -> tuple[Tensor, Tensor]:
        first, second, _, _ = self._parts(carry)
        seen = self.encoder(obs)
        inputs = torch.cat([seen, torch.ones_like(seen[..., :1])], dim=2)
        hidden = torch.tanh((first * inputs[:, :, None]).sum(3))
        logits = (second * hidden[:, :, None]).sum(3)
        return within_mask(logits, obs), torch.cat([first.flatten(2), second.flatten(2), inputs, hidden], dim=2)

    def _parts(self, carry: Tensor) -> tuple[Tensor, ...]:
        """Both layers' weights [P, N, post, pre], and the inputs and hidden activities of the last action."""
        first, second, inputs, hidden = carry.split(self.widths, dim=2)
        first = first.unflatten(2, (self.hidden, self.inputs))
        return first, second.unflatten(2, (self.actions, self.hidden)), inputs, hidden

    def _learn(self, rule: Tensor, weights: Tensor, pre: Tensor, post: Tensor, reward: Tensor, acted: Tensor) -> Tensor:
        """weights [P, N, post, pre] after the reward [P, N, 1]; rule [P, 5]."""
        a, b, c, d, modulator = rule[:, :, None, None, None].unbind(1)
        pre, post = pre[:, :, None], post[:, :, :, None]
        change = (reward[..., None] - modulator) * (a * pre * post + b * pre + c * post + d)
        return (weights + change * acted[..., None]).clamp(-self.BOUND, self.BOUND)

    @staticmethod
    def counting(rate: float = 1.0, baseline: float = 0.5) -> Tensor:
        """A genome by hand: every arm's log-odds are rate * (rewards - baseline * pulls), times a constant of the first
        layer: the sufficient statistic of a bandit."""
        return torch.tensor([0.0, 0, 0, 0, 0, rate, 0, 0, 0, baseline])


class GenomeAgent(Agent):
    """One genome of a species as an agent. `freeze` puts what is carried in activations, or the plastic weights, back to
    what they are at an episode's start, at every step before an action is chosen. Its policy is stochastic: sample its
    actions."""

    on_cpu = True

    def __init__(self, species: Species, genome: Tensor, freeze: str = "nothing") -> None:
        super().__init__()
        if tuple(genome.shape) != (species.size,):
            raise ValueError(f"genome: got shape {tuple(genome.shape)}, allowed: ({species.size},)")
        if not genome.isfinite().all():
            raise ValueError("genome: got numbers that are not finite, allowed: finite ones")
        if freeze not in FREEZE:
            raise ValueError(f"freeze: got {freeze!r}, allowed: {', '.join(FREEZE)}")
        self.species, self.freeze = species, freeze
        self.genome = nn.Parameter(genome.detach().clone().float(), requires_grad=False)

    def initial_carry(self, num_slots: int) -> Tensor:
        return self.species.initial(1, num_slots)[0]

    def unroll(self, obs: Observation, is_first: Tensor, carry: Tensor) -> Output:
        start, wide, rows = self.initial_carry(len(carry))[None], self.species.activations, []
        genomes = self.genome[None]
        for t in range(len(is_first)):
            now = {name: field[t : t + 1] for name, field in obs.items()}
            kept = self.species.learn(genomes, now, torch.where(is_first[t, :, None], start, carry))
            if self.freeze == "activations":
                kept = torch.cat([start[..., :wide], kept[..., wide:]], dim=2)
            elif self.freeze == "plastic":
                kept = torch.cat([kept[..., :wide], start[..., wide:]], dim=2)
            logits, kept = self.species.act(genomes, now, kept)
            carry = kept[0]
            rows.append(logits[0])
        stacked = torch.stack(rows)
        return Output(stacked, torch.zeros(stacked.shape[:2]), carry)
