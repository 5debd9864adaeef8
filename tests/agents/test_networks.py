"""Every network answers to the Agent contract."""

import pytest
import torch

from mesasim.agents import NetworkConfig, build_network
from mesasim.agents.encoding import HISTORY_FIELDS, Encoder, FieldShape, field_shapes
from mesasim.vector import make_vec

STEPS, SLOTS = 9, 7
KINDS = [
    NetworkConfig("mlp"),
    NetworkConfig("window", window=1),
    NetworkConfig("window", window=4),
    NetworkConfig("gru"),
    NetworkConfig("lstm"),
    NetworkConfig("gru", embed=12, readout=8, memory=20),
    NetworkConfig("lstm", embed=12, readout=8, memory=20),
    NetworkConfig("gru", embed=12, window=3, strict=True),
    NetworkConfig("transformer", window=STEPS),
    NetworkConfig("transformer", window=4, layers=1),
    NetworkConfig("transformer", window=3),
    NetworkConfig("transformer", window=1),
    NetworkConfig("transformer", window=4, strict=True),
    NetworkConfig("transformer", window=1, strict=True),
    NetworkConfig("gru", window=3, strict=True),
    NetworkConfig("lstm", window=1, strict=True),
]
WORLDS = [
    ("Bandit-v0", {"arms": 3, "pulls": 4, "clock": True}),
    ("Maze-v0", {"size": 4, "trials": 2, "trial_steps": 3}),
    ("Tour-v0", {"n": 5, "start": "random"}),
]


def label(config):
    return f"{config.kind}{config.window}{'-strict' * config.strict}{'-embed' * bool(config.embed)}"


@pytest.fixture(params=WORLDS, ids=lambda w: w[0])
def experience(request):
    """fields, number of actions, obs [T, N], is_first with starts in mid-sequence."""
    world, options = request.param
    env = make_vec(world, SLOTS, seed=3, history=True, autoreset_mode="SameStep", **options)
    env.reset()
    seen = env.buffers.group["observation"]
    obs, is_first = {name: [] for name in seen}, []
    first = torch.ones(SLOTS, dtype=torch.bool)
    for t in range(STEPS):
        for name, tensor in seen.items():
            obs[name].append(tensor.clone())
        is_first.append(first)
        _, _, terminated, truncated, _ = env.step((torch.arange(SLOTS) + t) % len(env.world_spec.actions))
        first = terminated | truncated
    is_first = torch.stack(is_first)
    is_first[5, 2] = True  # one slot out of step with the others
    return field_shapes(env.fields), len(env.world_spec.actions), {k: torch.stack(v) for k, v in obs.items()}, is_first


def make(config, experience):
    torch.manual_seed(0)
    return build_network(config, experience[0], experience[1])


@pytest.mark.parametrize("config", KINDS, ids=label)
def test_step_by_step_equals_unroll(config, experience):
    agent, (_, actions, obs, is_first) = make(config, experience), experience
    whole = agent.unroll(obs, is_first, agent.initial_carry(SLOTS))
    assert whole.logits.shape == (STEPS, SLOTS, actions) and whole.value.shape == (STEPS, SLOTS)
    carry = agent.initial_carry(SLOTS)
    for t in range(STEPS):
        one = agent.unroll({k: v[t : t + 1] for k, v in obs.items()}, is_first[t : t + 1], carry)
        carry = one.carry
        torch.testing.assert_close(one.logits[0], whole.logits[t], rtol=0, atol=1e-5)
        torch.testing.assert_close(one.value[0], whole.value[t], rtol=0, atol=1e-5)
    torch.testing.assert_close(carry, whole.carry, rtol=0, atol=1e-5)


@pytest.mark.parametrize("config", KINDS, ids=label)
def test_carry_clears_at_is_first(config, experience):
    agent, (_, _, obs, is_first) = make(config, experience), experience
    clean = agent.unroll(obs, is_first, agent.initial_carry(SLOTS))
    dirty = agent.unroll(obs, is_first, agent.initial_carry(SLOTS) + 5.0)  # row 0 is first everywhere
    assert torch.equal(clean.logits, dirty.logits)
    # What came before slot 2's start at step 5 does not reach beyond it.
    changed = {k: v.clone() for k, v in obs.items()}
    for tensor in changed.values():
        tensor[:5, 2] = tensor[:5, 3]
    assert torch.equal(agent.unroll(changed, is_first, agent.initial_carry(SLOTS)).logits[5:, 2], clean.logits[5:, 2])


@pytest.mark.parametrize("config", KINDS, ids=label)
def test_the_past_reaches_exactly_the_agents_that_remember(config, experience):
    agent, (_, _, obs, is_first) = make(config, experience), experience
    only_start = torch.zeros_like(is_first)
    only_start[0] = True
    changed = {k: v.clone() for k, v in obs.items()}
    changed["previous_action"][2] = (changed["previous_action"][2] + 1) % 3
    before = agent.unroll(obs, only_start, agent.initial_carry(SLOTS)).logits
    after = agent.unroll(changed, only_start, agent.initial_carry(SLOTS)).logits
    differs = (before != after).any(dim=2).any(dim=1)
    through_blocks = 1 + (config.window - 1) * config.layers
    reach = {"mlp": 0, "window": config.window, "gru": STEPS, "lstm": STEPS, "transformer": through_blocks}[config.kind]
    reach = config.window if config.strict else reach
    assert differs.tolist() == [2 <= t < 2 + reach for t in range(STEPS)]


def test_a_stateless_network_is_not_shown_the_history():
    agent = build_network(NetworkConfig("mlp"), field_shapes(make_vec("Bandit-v0", 1, history=True).fields), 5)
    assert not {field.name for field in agent.encoder.fields} & set(HISTORY_FIELDS)
    assert agent.initial_carry(4).shape == (4, 0)


def test_a_withheld_field_reaches_no_network_and_an_unknown_one_is_refused():
    fields = field_shapes(make_vec("Bandit-v0", 1, history=True).fields)
    agent = build_network(NetworkConfig("gru", hide=("previous_reward",)), fields, 5)
    assert [f.name for f in agent.encoder.fields] == [f.name for f in fields if f.name != "previous_reward"]
    with pytest.raises(ValueError, match=r"hide: got nothing, allowed: .*previous_reward"):
        build_network(NetworkConfig("gru", hide=("nothing",)), fields, 5)


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_a_long_memory_holds_what_a_short_one_forgets(kind, steps=20):
    """With no input at all, how much of a state is left after 20 steps: chrono initialisation spreads the times from 1 to
    200 steps, so that more than half of the units' states are still there; torch's biases leave next to nothing."""
    field = [FieldShape("nothing", (1,), 0, 0, 0)]
    obs = {"nothing": torch.zeros(steps, 1, 1)}
    left = {}
    for memory in (0, 200):
        torch.manual_seed(0)
        agent = build_network(NetworkConfig(kind, memory=memory), field, 2)
        for name, parameter in agent.core.named_parameters():
            if "weight" in name:
                parameter.data.zero_()  # each unit by itself
        cell = slice(64, 128) if kind == "lstm" else slice(0, 64)
        carry = torch.ones_like(agent.initial_carry(1))
        blank = torch.zeros_like(carry)
        first = torch.zeros(steps, 1, dtype=torch.bool)
        kept = agent.unroll(obs, first, carry).carry - agent.unroll(obs, first, blank).carry
        left[memory] = kept[0, cell].median().item()
    assert left[0] < 0.01 and left[200] > 0.5


def test_labels_become_one_hot_and_bounded_quantities_unit():
    encoder = Encoder(
        [
            FieldShape("label", (2,), -1, 2, 3),
            FieldShape("amount", (1,), 10, 20, 0),
            FieldShape("free", (1,), -float("inf"), float("inf"), 0),
        ]
    )
    obs = {"label": torch.tensor([[[2, -1]]]), "amount": torch.tensor([[[15]]]), "free": torch.tensor([[[-3.5]]])}
    assert encoder(obs).tolist() == [[[0, 0, 1, 0, 0, 0, 0.5, -3.5]]]
    assert encoder.width == 8


@pytest.mark.parametrize(
    "bad", [{"kind": "perceptron"}, {"hidden": 0}, {"layers": 1.5}, {"window": 0}, {"embed": -1}, {"memory": 1.5}]
)
def test_a_bad_network_is_refused(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        NetworkConfig(**bad)


@pytest.mark.parametrize("config", KINDS, ids=label)
def test_actions_a_world_masks_are_never_likely_and_teach_nothing_that_is_not_a_number(config):
    env = make_vec("Tour-v0", SLOTS, seed=1, history=True, n=6, start="random")
    obs, _ = env.reset()
    torch.manual_seed(0)
    agent = build_network(config, field_shapes(env.fields), 6)
    carry, first = agent.initial_carry(SLOTS), torch.ones(1, SLOTS, dtype=torch.bool)
    for step in range(6):
        out = agent.unroll({name: field[None].clone() for name, field in obs.items()}, first, carry)
        log_probs = out.logits[0].log_softmax(-1)
        mask = obs["action_mask"] if step < 5 else torch.ones_like(obs["action_mask"])  # the tour is closed
        assert (log_probs.exp()[~mask] == 0).all() and (log_probs.exp()[mask] > 0).all()
        (log_probs.exp() * log_probs).sum().backward()
        assert all(torch.isfinite(p.grad).all() for p in agent.parameters() if p.grad is not None)
        carry, first = out.carry.detach(), torch.zeros_like(first)
        if step < 5:
            obs, *_ = env.step(log_probs.argmax(dim=1))
