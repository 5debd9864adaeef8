// Bandit: k arms whose reward distributions are drawn anew for every task; an episode is `pulls` pulls of one task.
// A pull is a trial. Without history the agent sees nothing (or the clock): whoever then does better than chance on
// average knows the prior, not the task.
#pragma once
#include "../core/batch.h"
#include "../core/spec.h"

namespace mesa {

struct Bandit {
  static constexpr const char* kId = "Bandit-v0";
  enum Reward : int32_t { kBernoulli, kGaussian };
  enum Prior : int32_t {
    kUniform,
    kBeta,
    kDependentUniform,
    kDependentEasy,
    kDependentMedium,
    kDependentHard,
    kNormal
  };

  struct Config {
    bool oracle = false;  // set by the engine
    int32_t arms = 5, pulls = 10;
    int32_t reward = kBernoulli, prior = kUniform;
    double alpha = 1.0, beta = 1.0;
    double prior_mean = 0.0, prior_std = 1.0, reward_std = 1.0;
    bool clock = false;
  };
  template <class Visitor>
  static void options(Visitor& v, Config& c) {
    v.integer("arms", c.arms, 2, 128, "number of arms");
    v.integer("pulls", c.pulls, 1, 10000, "pulls in an episode (one task)");
    v.choice("reward", c.reward, {"bernoulli", "gaussian"}, "0/1 with the arm's mean, or normal around it");
    v.choice(
        "prior", c.prior,
        {"uniform", "beta", "dependent_uniform", "dependent_easy", "dependent_medium", "dependent_hard", "normal"},
        "arm means: independent U(0,1), Beta(alpha, beta) or N(prior_mean, prior_std^2); dependent: two arms p and "
        "1-p, p from U(0,1), {.1,.9}, {.25,.75} or {.4,.6}");
    v.real("alpha", c.alpha, 0.05, 1000.0, "first parameter of prior=beta");
    v.real("beta", c.beta, 0.05, 1000.0, "second parameter of prior=beta");
    v.real("prior_mean", c.prior_mean, -1000.0, 1000.0, "mean of prior=normal");
    v.real("prior_std", c.prior_std, 0.0, 1000.0, "standard deviation of prior=normal");
    v.real("reward_std", c.reward_std, 0.0, 1000.0, "standard deviation of a gaussian reward around its arm's mean");
    v.flag("clock", c.clock, "show the number of pulls made (otherwise the observation is constant 0)");
  }
  static void check(const Config& c) {
    if (c.prior >= kDependentUniform && c.prior <= kDependentHard && c.arms != 2)
      throw std::invalid_argument("arms: got " + std::to_string(c.arms) + ", allowed: 2 with a dependent prior");
    if (c.prior == kNormal && c.reward != kGaussian)
      throw std::invalid_argument("prior: got 'normal', allowed with reward='bernoulli': the priors inside [0, 1]");
  }
  static void describe(const Config& c, Spec& spec) {
    spec.help = "k-armed bandit, a fresh draw of the arms every episode";
    spec.observation = {
        {"pull", Dtype::kInt32, {1}, 0, c.clock ? double(c.pulls) : 0, 0, "pulls made if clock, else 0"}};
    const bool any_mean = c.prior == kNormal, any_reward = c.reward == kGaussian;
    const double low = any_mean ? -kUnbounded : 0, high = any_mean ? kUnbounded : 1;
    const double sum_low = any_reward ? -kUnbounded : 0, sum_high = any_reward ? kUnbounded : c.pulls;
    spec.oracle = {
        {"arm_means", Dtype::kFloat32, {c.arms}, low, high, 0, "expected reward of each arm in this task"},
        {"best_arm",
         Dtype::kInt32,
         {1},
         0,
         double(c.arms - 1),
         c.arms,
         "the arm of highest mean, the first among equals"},
        {"pull_counts", Dtype::kInt32, {c.arms}, 0, double(c.pulls), 0, "times each arm was pulled this episode"},
        {"reward_sums",
         Dtype::kFloat32,
         {c.arms},
         sum_low,
         sum_high,
         0,
         "rewards from each arm this episode; with pull_counts, the posterior's sufficient statistics"},
        {"expected_regret",
         Dtype::kFloat32,
         {1},
         0,
         kUnbounded,
         0,
         "sum over pulls of (best mean - mean of the arm pulled)"}};
    for (int32_t arm = 0; arm < c.arms; ++arm) spec.actions.push_back("pull arm " + std::to_string(arm));
    spec.variants = {{},
                     {{"arms", int64_t{10}}, {"pulls", int64_t{7}}, {"clock", true}},
                     {{"arms", int64_t{2}}, {"prior", std::string("dependent_uniform")}},
                     {{"arms", int64_t{2}}, {"prior", std::string("dependent_hard")}},
                     {{"prior", std::string("beta")}, {"alpha", 0.5}, {"beta", 3.0}},
                     {{"reward", std::string("gaussian")}},
                     {{"reward", std::string("gaussian")}, {"prior", std::string("normal")}, {"reward_std", 0.5}}};
  }

  struct State {
    uint32_t words[4];  // the current Philox block of reward draws: a byte a pull
    int32_t pull;
    int32_t best;  // the best arm; kept, like the regret, only for the oracle
    double regret;
  };
  static_assert(sizeof(State) == 32 && std::is_trivially_copyable_v<State>);

  // Tail: the means, as thresholds p * 2^32 (Bernoulli) or floats (Gaussian); then, for the oracle, counts and sums.
  MESA_HD static int64_t level_bytes(const Config&) { return 0; }  // it takes no levels
  MESA_HD static int64_t tail_bytes(const Config& c) { return int64_t{c.arms} * (c.oracle ? 12 : 4); }
  MESA_HD static uint32_t* thresholds(State& s) { return tail_of<uint32_t>(s); }
  MESA_HD static float* means(State& s) { return tail_of<float>(s); }
  MESA_HD static int32_t* counts(const Config& c, State& s) { return tail_of<int32_t>(s, 4 * int64_t{c.arms}); }
  MESA_HD static float* sums(const Config& c, State& s) { return tail_of<float>(s, 8 * int64_t{c.arms}); }

  MESA_HD static uint32_t threshold(double p) {
    const double scaled = p * 4294967296.0;
    return scaled >= 4294967295.0 ? 4294967295u : static_cast<uint32_t>(scaled);
  }
  MESA_HD static double mean(const Config& c, State& s, int32_t arm) {
    return c.reward == kGaussian ? means(s)[arm] : thresholds(s)[arm] * (1.0 / 4294967296.0);
  }
  MESA_HD static int32_t best_arm(const Config& c, State& s) {
    int32_t best = 0;
    for (int32_t arm = 1; arm < c.arms; ++arm)
      if (mean(c, s, arm) > mean(c, s, best)) best = arm;
    return best;
  }
  // One arm's mean for the independent priors.
  MESA_HD static double draw_mean(const Config& c, Rng& rng) {
    if (c.prior == kBeta) return rng.beta(c.alpha, c.beta);
    if (c.prior == kNormal) return c.prior_mean + c.prior_std * rng.normal();
    return rng.uniform();
  }
  MESA_HD static void set_mean(const Config& c, State& s, int32_t arm, double mean) {
    if (c.reward == kGaussian) {
      means(s)[arm] = static_cast<float>(mean);
    } else {
      thresholds(s)[arm] = threshold(mean);
    }
  }

  MESA_HD static void reset(const Config& c, State& s, const Key& key, const uint8_t*) {
    s = State{};
    if (c.prior == kUniform && c.reward == kBernoulli) {  // the threshold is the draw itself: four arms a block
      for (int32_t arm = 0; arm < c.arms; arm += 4) {
        const Block block = key.block(Purpose::kTask, static_cast<uint32_t>(arm) / 4);
        for (int32_t i = 0; i < 4 && arm + i < c.arms; ++i) thresholds(s)[arm + i] = block.word[i];
      }
    } else if (c.prior >= kDependentUniform && c.prior <= kDependentHard) {
      Rng rng(key, Purpose::kTask);
      const double u = rng.uniform();
      const double high = c.prior == kDependentEasy ? 0.9 : c.prior == kDependentMedium ? 0.75 : 0.6;
      const double p = c.prior == kDependentUniform ? u : u < 0.5 ? high : 1.0 - high;
      set_mean(c, s, 0, p);
      set_mean(c, s, 1, 1.0 - p);
    } else {
      Rng rng(key, Purpose::kTask);
      for (int32_t arm = 0; arm < c.arms; ++arm) set_mean(c, s, arm, draw_mean(c, rng));
    }
    if (c.oracle) {
      s.best = best_arm(c, s);
      for (int32_t arm = 0; arm < c.arms; ++arm) {
        counts(c, s)[arm] = 0;
        sums(c, s)[arm] = 0.0f;
      }
    }
  }

  MESA_HD static float draw_reward(const Config& c, State& s, int32_t arm, const Key& key) {
    const uint32_t pull = static_cast<uint32_t>(s.pull);
    if (c.reward == kGaussian) {
      const Block block = key.block(Purpose::kStep, pull);
      const double noise = normal_quantile(unit_interval(block.word[0], block.word[1]));
      return static_cast<float>(means(s)[arm] + c.reward_std * noise);
    }
    // A 32-bit uniform below the threshold, compared a byte at a time: the first byte decides all but 1 in 256 pulls,
    // so that one Philox block serves sixteen.
    if (pull % 16 == 0) {
      const Block block = key.block(Purpose::kStep, pull / 16);
      for (int i = 0; i < 4; ++i) s.words[i] = block.word[i];
    }
    const uint32_t limit = thresholds(s)[arm], first = limit >> 24;
    const uint32_t byte = s.words[pull % 16 / 4] >> pull % 4 * 8 & 0xFF;
    bool success = byte < first;
    if (byte == first) success = key.block(Purpose::kTie, pull).word[0] >> 8 < (limit & 0xFFFFFF);
    return static_cast<float>(success);
  }

  MESA_HD static Outcome step(const Config& c, State& s, int32_t arm, const Key& key) {
    const float reward = draw_reward(c, s, arm, key);
    ++s.pull;
    if (c.oracle) {
      s.regret += mean(c, s, s.best) - mean(c, s, arm);
      ++counts(c, s)[arm];
      sums(c, s)[arm] += reward;
    }
    return {reward, s.pull == c.pulls, true};
  }

  MESA_HD static void observe(const Config& c, const State& s, const Row& row) {
    row.field<int32_t>(0)[0] = c.clock ? s.pull : 0;
  }
  MESA_HD static void oracle(const Config& c, State& s, const Row& row) {
    for (int32_t arm = 0; arm < c.arms; ++arm) {
      row.field<float>(0)[arm] = static_cast<float>(mean(c, s, arm));
      row.field<int32_t>(2)[arm] = counts(c, s)[arm];
      row.field<float>(3)[arm] = sums(c, s)[arm];
    }
    row.field<int32_t>(1)[0] = s.best;
    row.field<float>(4)[0] = static_cast<float>(s.regret);
  }

  static bool valid(const Config& c, const State& s) {
    return s.pull >= 0 && s.pull <= c.pulls && s.best >= 0 && s.best < c.arms;
  }

  // One row an arm: a bar of ten tiles for its mean, brighter for the best; below, the pulls made.
  static Picture picture(const Config& c, State& s) {
    const Tile ground{'.', 24, 24, 32}, bar{'=', 90, 120, 170}, best{'#', 240, 180, 60}, spent{'+', 130, 200, 130};
    Picture picture(c.arms + 1, 10, ground);
    double low = 0, high = 1;
    if (c.prior == kNormal) {
      low = c.prior_mean - 3 * c.prior_std;
      high = c.prior_mean + 3 * c.prior_std + 1e-12;
    }
    for (int32_t arm = 0; arm < c.arms; ++arm) {
      const double filled = (mean(c, s, arm) - low) / (high - low) * 10;
      for (int64_t col = 0; col < 10 && col < filled; ++col) picture.at(arm, col) = arm == best_arm(c, s) ? best : bar;
    }
    for (int64_t col = 0; col < 10 && col * c.pulls < 10 * int64_t{s.pull}; ++col) picture.at(c.arms, col) = spent;
    return picture;
  }
};

}  // namespace mesa
