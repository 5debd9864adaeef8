"""The transformer's keys, values and windows, against attention written out step by step; the contract is in test_networks.py."""

import math

import pytest
import torch

from mesasim.agents import NetworkConfig, build_network
from mesasim.agents.blocks import turn, turning
from mesasim.agents.encoding import FieldShape
from mesasim.agents.transformer import Transformer
from mesasim.agents.truncated import Truncated

FIELDS = [FieldShape("seen", (3,), -math.inf, math.inf, 0)]
SLOTS = 5
KINDS = [  # strict, layers, window
    (False, 2, 12), (False, 2, 4), (False, 1, 4), (False, 3, 2), (False, 2, 1), (True, 2, 4), (True, 3, 2), (True, 2, 1),
]  # fmt: skip


# The rules again, in plain Python: one slot, one step, one head at a time.


def plain_attention(block, rotation, tags, rows, t, window):
    """What block makes of row t, which sees the last min(tag, window) rows; `rows` are the block's inputs."""
    visible = range(max(0, t + 1 - min(int(tags[t]), window)), t + 1)
    width = rows[0].shape[0] // block.heads
    q = block.qkv(block.before(rows[t])).reshape(3, block.heads, width)[0]
    out = []
    for head in range(block.heads):
        scores, values = [], []
        for s in visible:
            _, k, v = block.qkv(block.before(rows[s])).reshape(3, block.heads, width)
            scores.append(plain_turn(q[head], rotation, tags[t]) @ plain_turn(k[head], rotation, tags[s]) / width**0.5)
            values.append(v[head])
        out.append((torch.stack(scores).softmax(0)[:, None] * torch.stack(values)).sum(0))
    x = rows[t] + block.out(torch.cat(out))
    return x + block.mlp(block.after(x))


def plain_turn(x, rotation, tag):
    angle = rotation[int(tag - 1) % len(rotation)].angle()
    a, b = x[0::2], x[1::2]
    return torch.stack([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], dim=1).flatten()


def plain_pass(agent, inputs, tags):
    """One slot's last hidden numbers at every step, each block over all rows."""
    history = agent.history
    rows = [history.embed(x) + history.first * (tag == 1) for x, tag in zip(inputs, tags, strict=True)]
    for block in history.blocks:
        rows = [plain_attention(block, history.rotation, tags, rows, t, history.window) for t in range(len(rows))]
    return history.norm(torch.stack(rows))


def plain_unroll(agent, inputs, is_first, strict):
    tags, count = [], 0
    for first in is_first:
        count = 1 if first else count + 1
        tags.append(count)
    if not strict:
        return agent.policy(plain_pass(agent, inputs, tags))
    hidden = []
    for t, tag in enumerate(tags):
        seen = min(tag, agent.window)
        hidden.append(plain_pass(agent.inner, inputs[t + 1 - seen : t + 1], range(1, seen + 1))[-1])
    return agent.policy(torch.stack(hidden))


def make(strict, layers, window, hidden=8):
    torch.manual_seed(0)
    agent = Transformer(FIELDS, 2, hidden, layers, window, heads=2)
    with torch.no_grad():
        agent.policy.weight.normal_()
        agent.history.first.normal_()
        for block in agent.history.blocks:
            block.qkv.weight.mul_(3)  # attention that is far from uniform
    return Truncated(agent, window) if strict else agent


def experience(steps, seed=0, starts=0.1):
    generator = torch.Generator().manual_seed(seed)
    is_first = torch.rand(steps, SLOTS, generator=generator) < starts
    is_first[0] = True
    return {"seen": torch.randn(steps, SLOTS, 3, generator=generator)}, is_first


def in_blocks(agent, obs, is_first, sizes):
    carry, logits, begin = agent.initial_carry(SLOTS), [], 0
    for size in sizes:
        rows = slice(begin, begin + size)
        before = carry.clone()
        out = agent.unroll({name: field[rows] for name, field in obs.items()}, is_first[rows], carry)
        assert torch.equal(before, carry), "unroll changes a carry it was given"
        logits.append(out.logits)
        carry, begin = out.carry, begin + size
    assert begin == len(is_first)
    return torch.cat(logits), carry


@pytest.mark.parametrize(("strict", "layers", "window"), KINDS)
def test_it_computes_what_attention_written_out_computes(strict, layers, window):
    agent, (obs, is_first) = make(strict, layers, window), experience(13, starts=0.12)
    with torch.no_grad():
        logits = agent.unroll(obs, is_first, agent.initial_carry(SLOTS)).logits
        for slot in range(SLOTS):
            plain = plain_unroll(agent, obs["seen"][:, slot], is_first[:, slot].tolist(), strict)
            torch.testing.assert_close(logits[:, slot], plain, rtol=0, atol=2e-5)


@pytest.mark.parametrize(("strict", "layers", "window"), KINDS)
def test_blocks_of_any_length_and_their_gradients_equal_one_pass(strict, layers, window):
    agent, (obs, is_first) = make(strict, layers, window), experience(24, seed=1)
    target = torch.randn(24, SLOTS, 2, generator=torch.Generator().manual_seed(2))
    results = []
    for sizes in ([24], [1] * 24, [5, 1, 1, 10, 7], [3, 3, 18]):
        agent.zero_grad()
        with torch.no_grad():
            frozen, frozen_carry = in_blocks(agent, obs, is_first, sizes)
        logits, carry = in_blocks(agent, obs, is_first, sizes)
        torch.testing.assert_close(frozen, logits, rtol=0, atol=2e-5)
        torch.testing.assert_close(frozen_carry, carry, rtol=0, atol=2e-5)
        (logits * target).sum().backward()
        grads = {name: p.grad.clone() for name, p in agent.named_parameters() if p.grad is not None}
        results.append((logits.detach(), carry.detach(), grads))
    for logits, carry, grads in results[1:]:
        torch.testing.assert_close(logits, results[0][0], rtol=0, atol=2e-5)
        torch.testing.assert_close(carry, results[0][1], rtol=0, atol=2e-5)
        for name, grad in grads.items():
            torch.testing.assert_close(grad, results[0][2][name], rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize(("strict", "layers", "window"), KINDS)
def test_nothing_of_an_earlier_episode_stays_in_the_carry(strict, layers, window):
    agent, (obs, is_first) = make(strict, layers, window), experience(9, starts=0.0)
    is_first[7, 1] = True  # two steps into a new episode where all others are nine steps into theirs
    carry = in_blocks(agent, obs, is_first, [4, 5])[1]
    fresh = agent.unroll(
        {"seen": obs["seen"][7:]}, torch.tensor([[True] * SLOTS, [False] * SLOTS]), agent.initial_carry(SLOTS)
    ).carry
    torch.testing.assert_close(carry[1], fresh[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize(("strict", "layers", "window"), KINDS)
def test_two_futures_of_one_carry_do_not_meet(strict, layers, window):
    # Without gradients a step is written next to the carry it follows; the second to follow must not write over the first.
    agent, (obs, is_first) = make(strict, layers, window), experience(8, starts=0.0)
    other = {"seen": obs["seen"] + 1.0}

    def walk(start, obs, begin):
        carries, logits = [start], []
        for t in range(begin, 8):
            out = agent.unroll({"seen": obs["seen"][t : t + 1]}, is_first[t : t + 1], carries[-1])
            carries.append(out.carry)
            logits.append(out.logits)
        return carries, torch.cat(logits)

    with torch.no_grad():
        carries, alone = walk(agent.initial_carry(SLOTS), obs, 0)
        copies = [carry.clone() for carry in carries]
        walk(carries[4], other, 4)
        again = walk(carries[4], obs, 4)[1]
        beside = walk(carries[7].clone(), other, 7)[1]
        assert torch.equal(beside, walk(carries[7], other, 7)[1])
    assert torch.equal(again, alone[4:])
    assert all(torch.equal(carry, copy) for carry, copy in zip(carries, copies, strict=True))


@pytest.mark.parametrize("strict", [False, True])
def test_what_it_sees_means_the_same_however_long_the_episode(strict):
    agent = make(strict, layers=2, window=3)
    period = len((agent.inner if strict else agent).history.rotation)
    steps = 3 * period + 10
    obs, is_first = experience(steps, starts=0.0)
    obs["seen"][-10:] = obs["seen"][20:30]
    with torch.no_grad():
        logits, _ = in_blocks(agent, obs, is_first, [steps - 40] + [1] * 40)
    reach = 3 if strict else 5  # two blocks of three steps
    torch.testing.assert_close(logits[-10 + reach - 1 :], logits[20 + reach - 1 : 30], rtol=0, atol=1e-5)


def test_strict_sight_ends_where_kept_sight_does_not():
    obs, is_first = experience(12, starts=0.0)
    changed = {"seen": obs["seen"].clone()}
    changed["seen"][0] += 1.0
    reach = {}
    for strict in (False, True):
        agent = make(strict, layers=3, window=4)
        before, after = (in_blocks(agent, o, is_first, [1] * 12)[0] for o in (obs, changed))
        reach[strict] = int((before != after).any(2).any(1).nonzero().max()) + 1
    assert reach == {False: 1 + 3 * 3, True: 4}


def test_the_carry_is_as_wide_as_documented():
    assert make(False, layers=2, window=12).initial_carry(3).shape == (3, 11 * (1 + 2 * 2 * 8))
    assert make(True, layers=2, window=12).initial_carry(3).shape == (3, 11 * (1 + 3))


@pytest.mark.parametrize("reach", [1, 10, 100, 1000])
def test_rotary_positions_depend_on_differences_alone_and_tell_all_in_reach_apart(reach):
    rotation = turning(16, reach)
    period = len(rotation)
    assert period >= 4 * reach
    q, k = torch.randn(2, 16, generator=torch.Generator().manual_seed(0))

    def score(a, b):
        return float(turn(q, rotation[a % period]) @ turn(k, rotation[b % period]))

    assert score(reach, 0) == pytest.approx(score(period + 7 + reach, period + 7), abs=1e-5)
    slowest = rotation[: reach + 1, 0]  # one turn a period: no two differences in reach look alike
    assert len(set(slowest.tolist())) == reach + 1


@pytest.mark.parametrize("kind", ["gru", "lstm", "transformer"])
def test_a_truncated_network_is_its_inner_one_begun_anew_at_every_window(kind):
    torch.manual_seed(0)
    agent = build_network(NetworkConfig(kind, hidden=8, window=4, strict=True), FIELDS, 2)
    assert isinstance(agent, Truncated)
    obs, is_first = experience(15, seed=5)
    logits = in_blocks(agent, obs, is_first, [4, 1, 8, 2])[0]
    for slot in range(SLOTS):
        for t in range(15):
            begin = max(s for s in range(t + 1) if is_first[s, slot])
            seen = obs["seen"][max(begin, t - 3) : t + 1, slot : slot + 1]
            first = torch.zeros(len(seen), 1, dtype=torch.bool)
            alone = agent.inner.unroll({"seen": seen}, first, agent.inner.initial_carry(1)).logits[-1]
            torch.testing.assert_close(logits[t, slot], alone[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("bad", [{"heads": 3}, {"hidden": 12, "heads": 4}, {"strict": 1}, {"heads": 0}])
def test_bad_settings_are_refused(bad):
    with pytest.raises(ValueError, match="strict" if "strict" in bad else "heads"):
        NetworkConfig("transformer", **bad)
