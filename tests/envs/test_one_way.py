"""OneWay-v0 against its rules written again in plain Python, then cases worked by hand; SHA-256 against published vectors."""

import hashlib

import numpy as np
import pytest

import mesasim
from mesasim import _core
from mesasim.exact import one_way as exact

SLOTS, STEPS, SEED = 20, 150, 4


def bits(number, n):
    return [number >> (n - 1 - place) & 1 for place in range(n)]


def number_of(said):
    return int("".join(map(str, said)), 2)


def local_image(z, n, key):
    """Bit i: the exclusive or of three bits of z, and of a fourth and fifth together; which, a shuffle says."""
    image = []
    for bit in range(n):
        words = [w for index in range(3) for w in _core.philox4x32_10([index, bit, n, 2], [0x65776179, 0x6F6E ^ key])]
        place = list(range(n))
        for i in range(5):
            other = i + ((words[2 * i] << 32 | words[2 * i + 1]) * (n - i) >> 64)
            place[i], place[other] = place[other], place[i]
        a, b, c, d, e = (bits(z, n)[tap] for tap in place[:5])
        image.append(a ^ b ^ c ^ (d & e))
    return number_of(image)


def row(fields):
    return np.concatenate([*fields]).tolist()


class Rules:
    """One slot, one episode. Word 0 of a round's block is A's uniform x, or its coins; word 1 the random bits."""

    def __init__(self, options, slot, episode=0):
        self.o = {o.name: o.default for o in _core.spec("OneWay-v0").options} | options
        self.n, self.key = self.o["n"], (slot, episode)
        self.heard, self.round, self.last = [], 0, (-1, -1, -1)
        self.begin()

    def begin(self):
        slot, episode = self.key
        block = _core.philox4x32_10([self.round, episode, slot, 0], [SEED, 0])
        self.x, self.random_bits = bits(block[0] >> 32 - self.n, self.n), bits(block[1] >> 32 - self.n, self.n)
        if self.o["opponent"] == "fixed":
            self.x = bits(self.o["x"], self.n)
        if self.o["opponent"] == "adaptive":
            for place in range(self.n):
                ones = sum(z[place] for z in self.heard)
                if 2 * ones != len(self.heard):
                    self.x[place] = int(2 * ones > len(self.heard))
        self.said = [] if self.o["draft"] else [0] * self.n  # draft, then y, then z

    def f(self, z):
        if self.o["f"] == "local":
            return local_image(z, self.n, self.o["key"])
        return (
            int.from_bytes(hashlib.sha256((self.o["key"] << 32 | z).to_bytes(8, "big")).digest()[:4], "big")
            >> 32 - self.n
        )

    def step(self, action):
        """(reward, terminated)"""
        self.said.append(int(action))
        if self.o["tool"] and len(self.said) == self.n:
            self.said += bits(self.f(number_of(self.said)), self.n)
        if len(self.said) < 3 * self.n:
            return 0.0, False
        y, z = self.said[self.n : 2 * self.n], self.said[2 * self.n :]
        image = self.f(number_of(z))
        self.last = (number_of(y), number_of(z), image)
        differing = sum(a != b for a, b in zip(self.x, z, strict=True))
        inverted, paid = image == number_of(y), self.round >= self.o["practice"]
        if inverted:
            self.heard.append(z)
        self.round += 1
        if self.round < self.o["rounds"]:
            self.begin()
        return inverted * paid * differing / self.n, self.round == self.o["rounds"]

    def observation(self):
        step = min(len(self.said), 3 * self.n - 1)
        pad = [*self.said, *[-1] * (3 * self.n)]
        shown = [step // self.n, step % self.n, *pad[self.n : 3 * self.n]]
        return shown + (self.random_bits if self.o["random_bits"] else [])

    def oracle(self):
        return [number_of(self.x), *self.last, len(self.heard)]


VARIANTS = [
    *_core.spec("OneWay-v0").variants,
    {"n": 24, "opponent": "fixed", "x": 0xABCDEF, "f": "local"},
    {"n": 2, "rounds": 9, "opponent": "adaptive", "draft": False},
    {"n": 5, "f": "local", "tool": True, "rounds": 2, "key": 2**31 - 1},
    {"n": 2, "key": 2**31 - 1, "draft": False},
    {"n": 5, "f": "local", "rounds": 3, "opponent": "fixed", "x": 19, "practice": 1},
]


@pytest.mark.parametrize("options", VARIANTS, ids=str)
def test_engine_follows_the_rules_at_every_step(options):
    env = mesasim.make_vec(
        "OneWay-v0", SLOTS, seed=SEED, oracle=True, output="numpy", autoreset_mode="SameStep", **options
    )
    observation, info = env.reset()
    slots, episodes = [Rules(options, slot) for slot in range(SLOTS)], [0] * SLOTS
    rng = np.random.default_rng(1)
    inversions = 0
    for _ in range(STEPS):
        for i, rules in enumerate(slots):
            assert row(f[i] for f in observation.values()) == rules.observation()
            assert [
                int(info[name][i, 0]) for name in ("x", "last_y", "last_z", "image", "inversions")
            ] == rules.oracle()
        actions = rng.integers(0, 2, SLOTS)
        observation, reward, terminated, _, info = env.step(actions)
        for i, rules in enumerate(slots):
            expected, end = rules.step(actions[i])
            assert (float(reward[i]), bool(terminated[i])) == (np.float32(expected), end)
            inversions += len(rules.heard) if end else 0
            if end:
                assert row(info["final_obs"][i].values()) == rules.observation()
                episodes[i] += 1
                slots[i] = Rules(options, i, episodes[i])
    assert min(episodes) > 0 and (inversions > 0 or options["n"] > 5)


def play(env, said):
    """One episode of the same actions in every slot: the sum of rewards, [slots]."""
    env.reset()
    return sum(env.step(np.full(env.num_envs, bit))[1] for bit in said)


@pytest.mark.parametrize("f", ["sha256", "local"])
def test_the_table_of_f_is_the_worlds(f):
    for n, key in ((5, 0), (9, 3), (24, 2**31 - 1)) if f == "local" else ((1, 0), (9, 3), (24, 2**31 - 1)):
        env = mesasim.make_vec("OneWay-v0", 1, n=n, f=f, key=key, draft=False, oracle=True, output="numpy")
        for z in (0, 1, (1 << n) - 1, 0x5A5A5A & (1 << n) - 1):
            play(env, [*[0] * n, *bits(z, n)])
            image = int(env.unwrapped.buffers.group["oracle"]["image"][0, 0])
            assert image == (int(exact.table(n, f, key)[z]) if n < 20 else int(exact.images(n, [z], f, key)[0]))


def test_a_foreseen_z_is_paid_nothing_and_its_complement_everything():
    n, z = 6, 0b101101
    y = int(exact.table(n)[z])
    said = [*[0] * n, *bits(y, n), *bits(z, n)]
    for x, paid in ((z, 0.0), (z ^ 0b111111, 1.0), (z ^ 0b000011, 2 / 6)):
        env = mesasim.make_vec("OneWay-v0", 3, n=n, opponent="fixed", x=x, output="numpy")
        assert (play(env, said) == np.float32(paid)).all()
    wrong = [*said[:n], 1 - said[n], *said[n + 1 :]]
    assert (play(env, wrong) == 0).all(), "another y than f(z) is paid nothing"


def test_an_adaptive_opponent_writes_a_fixed_z_from_the_second_round_on():
    n, z = 5, 0b10010
    said = [*bits(int(exact.table(n)[z]), n), *bits(z, n)]
    env = mesasim.make_vec("OneWay-v0", 500, n=n, opponent="adaptive", draft=False, rounds=6, output="numpy")
    assert abs(play(env, said * 6).mean() - 0.5) < 0.04  # all of it from the first round; four standard errors
    env = mesasim.make_vec("OneWay-v0", 5, n=n, opponent="adaptive", draft=False, rounds=6, practice=1, output="numpy")
    assert (play(env, said * 6) == 0).all()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"n": 0}, "n"), ({"n": 25}, "n"), ({"n": 4, "f": "local"}, "n: got 4"), ({"x": 3}, "x"),
        ({"opponent": "fixed", "n": 3, "x": 8}, "x: got 8"), ({"rounds": 2, "practice": 2}, "practice"),
        ({"tool": True, "draft": False}, "draft"), ({"f": "md5"}, "f"), ({"key": -1}, "key"),
        ({"opponent": "clairvoyant"}, "opponent"),
    ],
)  # fmt: skip
def test_impossible_options_are_refused_by_name(options, named):
    with pytest.raises(ValueError, match=f"^{named}"):
        mesasim.make_vec("OneWay-v0", 1, **options)


# FIPS 180-4 and the NIST example messages

ABC = "ba7816bf 8f01cfea 414140de 5dae2223 b00361a3 96177a9c b410ff61 f20015ad"
TWO_BLOCKS = "248d6a61 d20638b8 e5c02693 0c3e6039 a33ce459 64ff2167 f6ecedd4 19db06c1"
EMPTY = "e3b0c442 98fc1c14 9afbf4c8 996fb924 27ae41e4 649b934c a495991b 7852b855"


@pytest.mark.parametrize(
    ("message", "digest"),
    [(b"", EMPTY), (b"abc", ABC), (b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", TWO_BLOCKS)],
)
def test_sha256_gives_the_published_digests(message, digest):
    assert [f"{word:08x}" for word in _core.sha256(message)] == digest.split()


def test_sha256_agrees_with_hashlib_at_every_length_around_a_block():
    rng = np.random.default_rng(0)
    for length in [*range(53, 67), 119, 120, 128, 1000]:
        message = rng.bytes(length)
        assert b"".join(w.to_bytes(4, "big") for w in _core.sha256(message)) == hashlib.sha256(message).digest()
