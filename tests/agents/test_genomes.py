"""Genomes: the nets they spell out against plain ones, and what freezing each place takes away."""

import pytest
import torch

from mesasim.agents.encoding import FieldShape
from mesasim.agents.genomes import GenomeAgent, PlasticRule, RecurrentNet
from mesasim.evaluate import evaluate_agent

FIELDS = [
    FieldShape("pull", (1,), 0, 0, 0),
    FieldShape("previous_action", (1,), -1, 2, 3),
    FieldShape("previous_reward", (1,), 0, 1, 0),
    FieldShape("trial_start", (1,), 0, 1, 0),
]


def played(steps=7, slots=5, seed=0):
    """An arbitrary story: observations [T, N, 1] of a bandit, and where episodes start (all at 0, some again at 4)."""
    rng = torch.Generator().manual_seed(seed)
    action = torch.randint(3, (steps, slots, 1), generator=rng)
    reward = torch.randint(2, (steps, slots, 1), generator=rng).float()
    is_first = torch.zeros(steps, slots, dtype=torch.bool)
    is_first[0] = is_first[4:5, ::2] = True
    action[is_first], reward[is_first] = -1, 0.0
    pull = torch.zeros(steps, slots, 1, dtype=torch.int32)
    return {
        "pull": pull,
        "previous_action": action.int(),
        "previous_reward": reward,
        "trial_start": is_first[..., None],
    }, is_first


def genome_of(species, seed=1):
    return torch.randn(species.size, generator=torch.Generator().manual_seed(seed))


def test_the_recurrent_net_is_torchs_gru():
    species = RecurrentNet(FIELDS, 3, hidden=4)
    genome, (obs, is_first) = genome_of(species), played()
    from_input, from_hidden, bias, policy, policy_bias = (
        part[0] for part in species._split(genome[None], species.shapes)
    )
    gru = torch.nn.GRU(species.encoder.width, 4)
    with torch.no_grad():
        gru.weight_ih_l0.copy_(from_input.T)
        gru.weight_hh_l0.copy_(from_hidden.T)
        gru.bias_ih_l0.copy_(bias[0])
        gru.bias_hh_l0.zero_()
    agent = GenomeAgent(species, genome)
    out = agent.unroll(obs, is_first, agent.initial_carry(5))
    again = torch.nonzero(is_first[4]).flatten()
    hidden, _ = gru(species.encoder(obs))
    torch.testing.assert_close(out.logits[:4], (hidden @ policy + policy_bias)[:4])
    hidden, last = gru(species.encoder({n: v[4:, again] for n, v in obs.items()}))
    torch.testing.assert_close(out.logits[4:, again], hidden @ policy + policy_bias)
    torch.testing.assert_close(out.carry[again], last[0])


def test_the_plastic_rule_moves_every_weight_as_written():
    species = PlasticRule(FIELDS, 3, hidden=2)
    genome, (obs, is_first) = genome_of(species), played()
    agent = GenomeAgent(species, genome)
    logits = agent.unroll(obs, is_first, agent.initial_carry(5)).logits
    g = genome.tolist()
    for slot in range(5):
        x, h = [0.0, 1.0], torch.zeros(2)
        for t in range(7):
            if is_first[t, slot]:
                first, second = species.start[:4].reshape(2, 2).tolist(), [[0.0] * 2 for _ in range(3)]
            else:
                arm, reward = obs["previous_action"][t, slot, 0].item(), obs["previous_reward"][t, slot, 0].item()
                for j in range(2):
                    for i in range(2):
                        pre, post = x[i], h[j].item()
                        first[j][i] += (reward - g[4]) * (g[0] * pre * post + g[1] * pre + g[2] * post + g[3])
                for j in range(3):
                    for i in range(2):
                        pre, post = h[i].item(), float(arm == j)
                        second[j][i] += (reward - g[9]) * (g[5] * pre * post + g[6] * pre + g[7] * post + g[8])
            h = torch.tanh(torch.tensor(first) @ torch.tensor(x))
            torch.testing.assert_close(logits[t, slot], torch.tensor(second) @ h, rtol=1e-4, atol=1e-5)


def test_the_rule_by_hand_holds_the_sufficient_statistic():
    species = PlasticRule(FIELDS, 3)
    agent = GenomeAgent(species, PlasticRule.counting(2.0, 0.4))
    obs, is_first = played(4)
    logits = agent.unroll(obs, is_first & False | (torch.arange(4) == 0)[:, None], agent.initial_carry(5)).logits[-1]
    pulled = torch.nn.functional.one_hot(obs["previous_action"][1:, :, 0].long(), 3)
    statistic = (pulled * (obs["previous_reward"][1:] - 0.4)).sum(0)
    scale = 2.0 * torch.tanh(species.start[1 : 2 * species.hidden : 2]).square().sum()
    torch.testing.assert_close(logits, scale * statistic)


@pytest.mark.parametrize("make", [PlasticRule, RecurrentNet])
def test_step_by_step_equals_unroll_and_the_zero_genome_is_uniform(make):
    species = make(FIELDS, 3)
    agent, (obs, is_first) = GenomeAgent(species, genome_of(species)), played()
    whole = agent.unroll(obs, is_first, agent.initial_carry(5))
    carry, rows = agent.initial_carry(5), []
    for t in range(7):
        out = agent.unroll({n: v[t : t + 1] for n, v in obs.items()}, is_first[t : t + 1], carry)
        carry = out.carry
        rows.append(out.logits)
    assert torch.equal(torch.cat(rows), whole.logits) and torch.equal(carry, whole.carry)
    nothing = GenomeAgent(species, torch.zeros(species.size))
    assert (nothing.unroll(obs, is_first, nothing.initial_carry(5)).logits == 0).all()


FORGETTING = [(PlasticRule, "plastic", "activations"), (RecurrentNet, "activations", "plastic")]


@pytest.mark.parametrize(("make", "place", "other"), FORGETTING)
def test_only_freezing_the_place_a_species_remembers_in_makes_it_forget(make, place, other):
    species = make(FIELDS, 3)
    genome, (obs, is_first) = genome_of(species), played()
    changed = {n: v.clone() for n, v in obs.items()}
    changed["previous_reward"][2] = 1 - changed["previous_reward"][2]  # what came two steps before the fourth row

    def row(freeze, story):
        agent = GenomeAgent(species, genome, freeze)
        return agent.unroll(story, is_first, agent.initial_carry(5)).logits[3]

    assert not torch.equal(row("nothing", obs), row("nothing", changed))
    assert torch.equal(row(place, obs), row(place, changed))
    assert torch.equal(row(other, obs), row("nothing", obs))


def test_a_planted_learner_earns_what_it_should_and_only_with_its_weights_free():
    def earns(genome, freeze="nothing"):
        agent = GenomeAgent(PlasticRule(FIELDS_OF_TWO, 2), genome, freeze)
        return evaluate_agent(
            agent, "", "", world="Bandit-v0", options={"arms": 2, "pulls": 20}, tasks=3000, seed=5, num_threads=1,
            sample_actions=True,
        ).returns.mean()  # fmt: skip

    assert earns(PlasticRule.counting(10.0)) > 12.1  # ceiling 12.43, best memory of one 11.70
    chance = [earns(torch.zeros(10)), earns(PlasticRule.counting(10.0), "plastic")]
    assert chance == pytest.approx([10.0, 10.0], abs=0.3)


FIELDS_OF_TWO = [FIELDS[0], FieldShape("previous_action", (1,), -1, 1, 2), *FIELDS[2:]]


def test_what_cannot_be_is_refused():
    species = PlasticRule(FIELDS, 3)
    for genome, freeze, name in [(torch.zeros(9), "nothing", "genome"), (torch.full((10,), torch.nan), "nothing", "genome"),
                                 (torch.zeros(10), "weights", "freeze")]:  # fmt: skip
        with pytest.raises(ValueError, match=name):
            GenomeAgent(species, genome, freeze)
