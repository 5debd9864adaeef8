// OneWay: the one-way-function game. A writes n bits x where B cannot see them; B says n bits y, and then n bits z. If
// f(z) = y, B is paid the fraction of bits in which z differs from x, else nothing. A wins against who can be foreseen,
// so B must keep a random z in mind while it says f(z), or else invert f. B is the agent; it says a bit an action.
#pragma once
#include "../core/batch.h"
#include "../core/sha256.h"
#include "../core/spec.h"

namespace mesa {

struct OneWay {
  static constexpr const char* kId = "OneWay-v0";
  static constexpr int kMostBits = 24;
  static constexpr int kTaps = 5;  // bits of z that a bit of f(z) depends on, if f is local
  enum Function : int32_t { kSha256, kLocal };
  enum Opponent : int32_t { kUniform, kAdaptive, kFixed };

  struct Config {
    bool oracle = false;  // set by the engine
    int32_t n = 8, function = kSha256, key = 0, opponent = kUniform, x = 0, rounds = 1, practice = 0;
    bool draft = true, tool = false, random_bits = false;
    uint8_t taps[kMostBits][kTaps] = {};  // of the local function: derived from n and key
    MESA_HD int32_t round_steps() const { return n * (draft && !tool ? 3 : 2); }
  };
  template <class Visitor>
  static void options(Visitor& v, Config& c) {
    v.integer("n", c.n, 1, kMostBits, "bits of x, y and z");
    v.choice("f", c.function, {"sha256", "local"},
             "sha256: the first n bits of SHA-256 of key and z, four bytes each, the most significant first; local: "
             "bit i is "
             "a ^ b ^ c ^ (d & e) of five bits of z fixed by key, n and i (Goldreich 2000), which a small network can "
             "compute");
    v.integer("key", c.key, 0, 0x7FFFFFFF, "which f of its kind");
    v.choice(
        "opponent", c.opponent, {"uniform", "adaptive", "fixed"},
        "A's x: uniform every round; adaptive: each bit what B said most often at that place, in the earlier rounds "
        "of this episode in which f(z) = y (ties by a coin); fixed: the option x");
    v.integer("x", c.x, 0, (1 << kMostBits) - 1, "what the opponent 'fixed' writes, a number of n bits");
    v.integer("rounds", c.rounds, 1, 1000, "rounds in an episode");
    v.integer("practice", c.practice, 0, 999, "first rounds of an episode that are played, but not paid");
    v.flag("draft", c.draft, "begin a round with n actions that nobody sees or uses: B may draw bits and keep them");
    v.flag("tool", c.tool, "B may call f: y is f of its draft, computed for it, and B does not say y bit by bit");
    v.flag("random_bits", c.random_bits, "show B n random bits, fresh every round and in sight until it ends");
  }
  static void check(Config& c) {
    const auto refuse = [](const char* name, int32_t came, const std::string& allowed) {
      throw std::invalid_argument(std::string(name) + ": got " + std::to_string(came) + ", allowed: " + allowed);
    };
    if (c.function == kLocal && c.n < kTaps) refuse("n", c.n, std::to_string(kTaps) + " to 24 with f='local'");
    if (c.x >> c.n) refuse("x", c.x, "0 to " + std::to_string((1 << c.n) - 1) + " with n=" + std::to_string(c.n));
    if (c.x && c.opponent != kFixed) refuse("x", c.x, "only with opponent='fixed'");
    if (c.tool && !c.draft) throw std::invalid_argument("draft: got False, allowed: True with tool=True");
    if (c.practice >= c.rounds) refuse("practice", c.practice, "fewer than rounds=" + std::to_string(c.rounds));
    if (c.function != kLocal) return;
    for (int32_t bit = 0; bit < c.n; ++bit) {  // the first kTaps of a shuffle of the places
      Rng rng({kTapSeed ^ static_cast<uint64_t>(c.key) << 32, static_cast<uint32_t>(c.n), static_cast<uint32_t>(bit)},
              Purpose::kLayout);
      uint8_t place[kMostBits];
      for (int32_t i = 0; i < c.n; ++i) place[i] = static_cast<uint8_t>(i);
      for (int32_t i = 0; i < kTaps; ++i) {
        const uint32_t other = static_cast<uint32_t>(i) + rng.below(static_cast<uint32_t>(c.n - i));
        c.taps[bit][i] = place[other];
        place[other] = place[i];
      }
    }
  }
  static constexpr uint64_t kTapSeed = 0x6F6E65776179;  // "oneway"

  static void describe(const Config& c, Spec& spec) {
    const double top = (int64_t{1} << c.n) - 1;
    spec.help = "one-way-function game: say y, then a z with f(z) = y that the other player did not foresee";
    spec.observation = {
        {"phase", Dtype::kInt32, {1}, 0, 2, 3, "0 drafting, 1 saying y, 2 saying z"},
        {"place", Dtype::kInt32, {1}, 0, double(c.n - 1), c.n, "which bit comes next, the most significant first"},
        {"y", Dtype::kInt32, {c.n}, -1, 1, 2, "y as said so far in this round; -1: not yet"},
        {"z", Dtype::kInt32, {c.n}, -1, 1, 2, "z as said so far in this round; -1: not yet"}};
    if (c.random_bits)
      spec.observation.push_back({"random_bits", Dtype::kInt32, {c.n}, 0, 1, 0, "random bits of this round"});
    spec.oracle = {
        {"x", Dtype::kInt32, {1}, 0, top, 0, "what A wrote in this round"},
        {"last_y", Dtype::kInt32, {1}, -1, top, 0, "y of the last round that ended; -1: none did"},
        {"last_z", Dtype::kInt32, {1}, -1, top, 0, "z of that round"},
        {"image", Dtype::kInt32, {1}, -1, top, 0, "f(z) of that round"},
        {"inversions", Dtype::kInt32, {1}, 0, double(c.rounds), 0, "rounds of this episode in which f(z) = y"}};
    spec.actions = {"0", "1"};
    spec.max_episode_steps = int64_t{c.round_steps()} * c.rounds;
    const std::string adaptive = "adaptive", local = "local";
    spec.variants = {{{"n", int64_t{4}}},
                     {{"n", int64_t{1}}, {"draft", false}, {"rounds", int64_t{7}}, {"opponent", adaptive}},
                     {{"n", int64_t{3}},
                      {"rounds", int64_t{5}},
                      {"practice", int64_t{2}},
                      {"opponent", adaptive},
                      {"random_bits", true}},
                     {{"n", int64_t{24}}, {"key", int64_t{7}}, {"f", local}, {"draft", false}},
                     {{"n", int64_t{6}}, {"tool", true}, {"rounds", int64_t{2}}, {"opponent", adaptive}},
                     {{"n", int64_t{5}}, {"f", local}, {"random_bits", true}, {"draft", false}}};
  }

  struct State {
    uint32_t x, draft, y, z, random_bits;
    int32_t last_y, last_z, image;
    int32_t step, round, inversions;  // step: in this round
  };
  static_assert(sizeof(State) == 44 && std::is_trivially_copyable_v<State>);

  // Tail: for the adaptive opponent, ones said at each place in rounds with f(z) = y.
  MESA_HD static int64_t level_bytes(const Config&) { return 0; }  // it takes no levels
  static Needs needs(const Config&) { return {}; }
  MESA_HD static int64_t tail_bytes(const Config& c) { return c.opponent == kAdaptive ? 2 * kMostBits : 0; }
  MESA_HD static uint16_t* ones(State& s) { return tail_of<uint16_t>(s); }

  // SHA-256 truncated, or Goldreich's local function with the predicate of Mossel, Shpilka and Trevisan 2003.
  MESA_HD_RARE static uint32_t image_of(const Config& c, uint32_t z) {
    if (c.function == kSha256) {
      uint8_t message[8];
      for (int i = 0; i < 4; ++i) {
        message[i] = static_cast<uint8_t>(c.key >> (24 - 8 * i));
        message[4 + i] = static_cast<uint8_t>(z >> (24 - 8 * i));
      }
      return sha256(message, 8).word[0] >> (32 - c.n);
    }
    uint32_t image = 0;
    for (int32_t bit = 0; bit < c.n; ++bit) {
      uint32_t tap[kTaps];
      for (int32_t i = 0; i < kTaps; ++i) tap[i] = bit_of(c, z, c.taps[bit][i]);
      image = image << 1 | (tap[0] ^ tap[1] ^ tap[2] ^ (tap[3] & tap[4]));
    }
    return image;
  }
  MESA_HD static uint32_t bit_of(const Config& c, uint32_t number, int32_t place) {
    return number >> (c.n - 1 - place) & 1;
  }

  MESA_HD static void begin_round(const Config& c, State& s, const Key& key) {
    const Block block = key.block(Purpose::kTask, static_cast<uint32_t>(s.round));
    const uint32_t uniform = block.word[0] >> (32 - c.n);
    s.x = c.opponent == kFixed ? static_cast<uint32_t>(c.x) : uniform;
    if (c.opponent == kAdaptive) {
      for (int32_t place = 0; place < c.n; ++place) {
        const int32_t margin = 2 * int32_t{ones(s)[place]} - s.inversions;
        const uint32_t bit = uint32_t{1} << (c.n - 1 - place);
        if (margin != 0) s.x = margin > 0 ? s.x | bit : s.x & ~bit;
      }
    }
    s.random_bits = block.word[1] >> (32 - c.n);
    s.draft = s.y = s.z = 0;
    s.step = c.draft ? 0 : c.n;
  }
  MESA_HD static void reset(const Config& c, State& s, const Key& key, const uint8_t*, Scratch) {
    s = State{};
    s.last_y = s.last_z = s.image = -1;
    if (c.opponent == kAdaptive)
      for (int place = 0; place < kMostBits; ++place) ones(s)[place] = 0;
    begin_round(c, s, key);
  }

  MESA_HD static bool ended(const Config& c, const State& s) { return s.round >= c.rounds; }
  // Steps of a round: 0 … n-1 draft, n … 2n-1 y, 2n … 3n-1 z; without a draft it begins at n, with the tool y is
  // skipped.
  MESA_HD static Outcome step(const Config& c, State& s, int32_t action, const Key& key, Scratch) {
    const uint32_t bit = static_cast<uint32_t>(action) << (c.n - 1 - s.step % c.n);
    const int32_t phase = s.step / c.n;
    if (phase == 0) s.draft |= bit;
    if (phase == 1) s.y |= bit;
    if (phase == 2) s.z |= bit;
    ++s.step;
    if (c.tool && s.step == c.n) {
      s.y = image_of(c, s.draft);
      s.step = 2 * c.n;
    }
    if (s.step < 3 * c.n) return {0.0f, false, false};
    return end_round(c, s, key);
  }
  MESA_HD static Outcome end_round(const Config& c, State& s, const Key& key) {
    const uint32_t image = image_of(c, s.z);
    s.last_y = static_cast<int32_t>(s.y);
    s.last_z = static_cast<int32_t>(s.z);
    s.image = static_cast<int32_t>(image);
    float reward = 0.0f;
    if (image == s.y) {
      int32_t differing = 0;
      for (uint32_t rest = s.x ^ s.z; rest; rest &= rest - 1) ++differing;
      if (s.round >= c.practice) reward = static_cast<float>(differing) / static_cast<float>(c.n);
      ++s.inversions;
      if (c.opponent == kAdaptive)
        for (int32_t place = 0; place < c.n; ++place)
          ones(s)[place] = static_cast<uint16_t>(ones(s)[place] + bit_of(c, s.z, place));
    }
    ++s.round;
    const bool terminated = ended(c, s);
    if (!terminated) begin_round(c, s, key);  // the last round's end stays to be seen
    return {reward, terminated, true};
  }

  template <class Lanes>
  MESA_HD static void observe(const Config& c, const State& s, const Row& row, const Lanes&) {
    const int32_t shown = s.step < 3 * c.n ? s.step : 3 * c.n - 1;  // at the episode's end, as before the last bit
    row.field<int32_t>(0)[0] = shown / c.n;
    row.field<int32_t>(1)[0] = shown % c.n;
    for (int32_t place = 0; place < c.n; ++place) {
      row.field<int32_t>(2)[place] = s.step > c.n + place ? static_cast<int32_t>(bit_of(c, s.y, place)) : -1;
      row.field<int32_t>(3)[place] = s.step > 2 * c.n + place ? static_cast<int32_t>(bit_of(c, s.z, place)) : -1;
      if (c.random_bits) row.field<int32_t>(4)[place] = static_cast<int32_t>(bit_of(c, s.random_bits, place));
    }
  }
  template <class Lanes>
  MESA_HD static void oracle(const Config&, const State& s, const Row& row, const Lanes&, Scratch) {
    row.field<int32_t>(0)[0] = static_cast<int32_t>(s.x);
    row.field<int32_t>(1)[0] = s.last_y;
    row.field<int32_t>(2)[0] = s.last_z;
    row.field<int32_t>(3)[0] = s.image;
    row.field<int32_t>(4)[0] = s.inversions;
  }

  static bool valid(const Config& c, const State& s) {
    const uint32_t end = uint32_t{1} << c.n;
    const int32_t first = c.draft ? 0 : c.n;
    return s.x < end && s.draft < end && s.y < end && s.z < end && s.random_bits < end && s.step >= first &&
           s.step <= 3 * c.n && s.round >= 0 && s.round <= c.rounds && (s.step < 3 * c.n || s.round == c.rounds) &&
           s.inversions >= 0 && s.inversions <= s.round;
  }
  // Rows x, y, z; a bit a tile.
  static Picture picture(const Config& c, const State& s) {
    const Tile none{'.', 60, 60, 60}, zero{'0', 30, 40, 70}, one{'1', 240, 200, 90};
    Picture picture(3, c.n, none);
    for (int32_t place = 0; place < c.n; ++place) {
      picture.at(0, place) = bit_of(c, s.x, place) ? one : zero;
      if (s.step > c.n + place) picture.at(1, place) = bit_of(c, s.y, place) ? one : zero;
      if (s.step > 2 * c.n + place) picture.at(2, place) = bit_of(c, s.z, place) ? one : zero;
    }
    return picture;
  }
};

}  // namespace mesa
