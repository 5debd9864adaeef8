"""Agents that use what they carry are told from agents that only carry it, and from agents that carry nothing."""

import pytest
import torch
from plants import ARMS, PLAYING, STEP, Deaf, counts, greedy_record, random_record, untrained

from mesasim.agents.bandit_references import Greedy
from mesasim.analysis.carries import record
from mesasim.analysis.interventions import (
    causal_edit,
    edit,
    next_policy,
    outputs_after_mapping,
    play_with_memory,
    transplant,
)
from mesasim.analysis.probing import probe, shuffled
from mesasim.metrics import estimate

PULLS = PLAYING["options"]["pulls"]


def maps(lived):
    """carry → counts and back, each fitted to the other."""
    known = counts(lived)
    return probe(lived.carry, known, lived.running), probe(known, lived.carry, lived.running)


def more_successes(lived, by=4):
    """The change of the counts by `by` successes of the arm after the one pulled, and that arm."""
    arm = (lived.action[:, STEP] + 1) % ARMS
    change = torch.zeros(len(arm), 2 * ARMS, dtype=torch.float64)
    rows = torch.arange(len(arm))
    change[rows, arm], change[rows, ARMS + arm] = by, by
    return change, arm


def edited(agent, lived):
    there, back = maps(lived)
    change, arm = more_successes(lived)
    return causal_edit(agent, lived, STEP, edit(there.map, back.map, change), arm)


@pytest.fixture(scope="module")
def ceiling():
    return edited(Greedy(ARMS, PULLS, 2), greedy_record()).effect.mean


def test_an_edit_changes_what_is_decoded_and_nothing_else():
    lived = greedy_record()
    there, back = maps(lived)
    change, _ = more_successes(lived)
    moved = edit(there.map, back.map, change)
    possible = change.clone()  # the pulls of all arms make up the step: what one gains the arms together give
    possible[:, :ARMS] -= change[:, :ARMS].mean(dim=1, keepdim=True)
    assert torch.allclose(moved, possible, atol=1e-4), "a carry that is the counts moves by what the counts move"
    carry = lived.carry[:, STEP].double()
    assert torch.allclose(there.map.at(STEP, carry + moved) - there.map.at(STEP, carry), possible, atol=1e-4)


def test_editing_a_learners_counts_changes_its_arm(ceiling):
    found = edited(Greedy(ARMS, PULLS, 2), greedy_record())
    assert found.effect.mean > 0.3 and found.used(ceiling)


def test_a_statistic_that_is_carried_and_ignored_fails_the_edit(ceiling):
    """Decodable is not used."""
    lived = random_record()
    assert maps(lived)[0].r2.mean > 0.999
    assert not edited(Deaf(ARMS, PULLS, 3), lived).used(ceiling)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_editing_an_untrained_network_changes_nothing_to_speak_of(ceiling, seed):
    agent = untrained(seed)
    lived = record(agent, "gru", "untrained", **PLAYING)
    assert maps(lived)[0].r2.mean > 0.85, "though the counts can be read"
    found = edited(agent, lived)
    assert not found.used(ceiling) and abs(found.specific.mean) < 0.01


def test_random_directions_do_not_pass_for_an_edit(ceiling):
    """A push of an edit's length, not along the counts of the arm asked about, is not read as use."""
    lived = greedy_record()
    change, arm = more_successes(lived)
    g = torch.Generator().manual_seed(9)
    push = torch.randn(change.shape, generator=g, dtype=torch.float64)
    push *= change.norm(dim=1, keepdim=True) / push.norm(dim=1, keepdim=True)
    assert not causal_edit(Greedy(ARMS, PULLS, 2), lived, STEP, push, arm).used(ceiling)


def test_an_edit_of_no_length_has_no_effect():
    lived = greedy_record()
    found = causal_edit(Greedy(ARMS, PULLS, 2), lived, STEP, torch.zeros(800, 2 * ARMS), lived.action[:, STEP])
    assert found.effect[:2] == found.specific[:2] == (0.0, 0.0) and found.length == 0


def test_outputs_after_mapping_agree_with_an_agent_that_is_its_counts():
    lived = greedy_record()
    there = counts(lived)[:, STEP]
    back = maps(lived)[1].map
    found = outputs_after_mapping(
        Greedy(ARMS, PULLS, 2), lived, STEP, back.at(STEP, there), back.at(STEP, shuffled(there))
    )
    assert found.agreement.mean > 0.9
    assert found.divergence.mean < 0.2 * found.divergence_of_others.mean


def test_a_memory_of_the_exact_counts_is_all_a_learner_needs():
    lived = greedy_record()
    back = maps(lived)[1].map

    def image(moment):
        known = torch.cat([moment.oracle["pull_counts"], moment.oracle["reward_sums"]], dim=-1)
        return back.at(moment.step, known)

    agent = Greedy(ARMS, PULLS, 2)
    own = lived.evaluation.returns
    written = play_with_memory(agent, "greedy", "", image, **PLAYING).returns
    mistaken = play_with_memory(agent, "greedy", "", lambda moment: shuffled(image(moment)), **PLAYING).returns
    paired = estimate(written - own)
    assert abs(paired.mean) < max(0.05, 4 * paired.se)
    assert estimate(own - mistaken).mean > 0.5


def right(oracle):
    return oracle["best_arm"][:, 0].long()


def moved(agent, **options):
    return transplant(agent, right, step=STEP, **(PLAYING | options))


def test_behaviour_follows_a_learners_carry_into_another_task():
    found = moved(Greedy(ARMS, PULLS, 2))
    assert found.without.mean < -0.1 and found.transplanted.mean > 0.1
    assert found.moved.mean == pytest.approx(found.transplanted.mean - found.without.mean)
    assert found.moved.mean > 10 * found.moved.se and 400 < found.pairs < 700


@pytest.mark.parametrize("agent", [untrained(1, kind="mlp"), untrained(1)], ids=["stateless", "untrained"])
def test_agents_without_a_memory_that_matters_do_not_care(agent):
    found = moved(agent)
    assert abs(found.moved.mean) <= 4 * found.moved.se + 1e-12 and abs(found.moved.mean) < 0.01


def test_a_stateless_agent_does_exactly_what_it_did():
    assert moved(untrained(1, kind="mlp")).moved[:2] == (0.0, 0.0)


def test_bad_input_is_refused():
    lived = greedy_record()
    with pytest.raises(ValueError, match="step: got 11"):
        next_policy(Greedy(ARMS, PULLS, 2), lived, PULLS - 1, lived.carry[:, -1])
    with pytest.raises(ValueError, match="carry: got shape"):
        next_policy(Greedy(ARMS, PULLS, 2), lived, STEP, lived.carry[:, STEP, :2])
    with pytest.raises(ValueError, match="step: got 40"):
        transplant(Greedy(ARMS, PULLS, 2), right, step=40, **PLAYING)
    with pytest.raises(ValueError, match="tasks, step, within"):
        moved(Greedy(ARMS, PULLS, 2), tasks=1)
    with pytest.raises(ValueError, match="right"):
        transplant(Greedy(ARMS, PULLS, 2), lambda oracle: torch.zeros(800, dtype=torch.int64), step=STEP, **PLAYING)
