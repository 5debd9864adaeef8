// Bandit: k arms whose reward distributions are drawn anew for every task; an episode is `pulls` pulls of one task.
// A pull is a trial. Arms may drift from pull to pull (restless), and tasks may come from a finite set. Without history
// the agent sees nothing (or the clock): whoever then does better than chance on average knows the prior, not the task.
#pragma once
#include "../core/batch.h"
#include "../core/spec.h"
#include "bandit/config.h"

namespace mesa {

struct Bandit {
  static constexpr const char* kId = "Bandit-v0";
  using Config = BanditConfig;
  template <class Visitor>
  static void options(Visitor& v, Config& c) {
    Config::options(v, c);
  }
  static void check(const Config& c) { Config::check(c); }
  static void describe(const Config& c, Spec& spec) { Config::describe(c, spec); }

  struct State {
    uint32_t words[4];  // the current Philox block of reward draws: a byte a pull
    int32_t pull;
    int32_t best;  // the best arm; kept, like the regret, only for the oracle
    double regret;
  };
  static_assert(sizeof(State) == 32 && std::is_trivially_copyable_v<State>);

  // Tail: the means, as thresholds p * 2^32 (Bernoulli) or floats (Gaussian); then, for the oracle, counts and sums;
  // then, if arms drift, which volatility this episode has; then, if the tasks are numbered, the task's number.
  MESA_HD static int64_t level_bytes(const Config&) { return 0; }  // it takes no levels
  MESA_HD static int64_t arms_bytes(const Config& c) { return int64_t{c.arms} * (c.oracle ? 12 : 4); }
  static Needs needs(const Config&) { return {}; }
  MESA_HD static int64_t tail_bytes(const Config& c) {
    return arms_bytes(c) + (c.drift != Config::kStill ? 4 : 0) + (c.num_tasks > 0 ? 4 : 0);
  }
  MESA_HD static uint32_t* thresholds(State& s) { return tail_of<uint32_t>(s); }
  MESA_HD static float* means(State& s) { return tail_of<float>(s); }
  MESA_HD static int32_t* counts(const Config& c, State& s) { return tail_of<int32_t>(s, 4 * int64_t{c.arms}); }
  MESA_HD static float* sums(const Config& c, State& s) { return tail_of<float>(s, 8 * int64_t{c.arms}); }
  template <class S>
  MESA_HD static auto& regime(const Config& c, S& s) {
    return *tail_of<int32_t>(s, arms_bytes(c));
  }
  template <class S>
  MESA_HD static auto& task_number(const Config& c, S& s) {
    return *tail_of<int32_t>(s, tail_bytes(c) - 4);
  }

  MESA_HD static uint32_t threshold(double p) {
    const double scaled = p * 4294967296.0;
    return scaled >= 4294967295.0 ? 4294967295u : static_cast<uint32_t>(scaled);
  }
  MESA_HD static double mean(const Config& c, State& s, int32_t arm) {
    return c.reward == Config::kGaussian ? means(s)[arm] : thresholds(s)[arm] * (1.0 / 4294967296.0);
  }
  MESA_HD static int32_t best_arm(const Config& c, State& s) {
    int32_t best = 0;
    for (int32_t arm = 1; arm < c.arms; ++arm)
      if (mean(c, s, arm) > mean(c, s, best)) best = arm;
    return best;
  }
  MESA_HD static void set_mean(const Config& c, State& s, int32_t arm, double mean) {
    if (c.reward == Config::kGaussian) {
      means(s)[arm] = static_cast<float>(mean);
    } else {
      thresholds(s)[arm] = threshold(mean);
    }
  }

  // One arm's mean for the independent priors.
  MESA_HD static double draw_mean(const Config& c, int32_t arm, Rng& rng) {
    if (c.prior == Config::kBeta) return rng.beta(c.alpha_of(arm), c.beta_of(arm));
    if (c.prior == Config::kNormal) return c.prior_mean + c.prior_std * rng.normal();
    return rng.uniform();
  }
  MESA_HD static void set_pair(const Config& c, State& s, double p) {
    set_mean(c, s, 0, p);
    set_mean(c, s, 1, 1.0 - p);
  }
  MESA_HD static void draw_pair(const Config& c, State& s, Rng& rng) {
    const double u = rng.uniform();
    const double high = c.prior == Config::kDependentEasy ? 0.9 : c.prior == Config::kDependentMedium ? 0.75 : 0.6;
    set_pair(c, s, c.prior == Config::kDependentUniform ? u : u < 0.5 ? high : 1.0 - high);
  }
  // All arms' means. `key` is the slot's own, or that of a numbered task.
  MESA_HD static void draw_task(const Config& c, State& s, const Key& key) {
    if (c.prior == Config::kUniform && c.reward == Config::kBernoulli) {
      for (int32_t arm = 0; arm < c.arms; arm += 4) {  // the threshold is the draw itself: four arms a block
        const Block block = key.block(Purpose::kTask, static_cast<uint32_t>(arm) / 4);
        for (int32_t i = 0; i < 4 && arm + i < c.arms; ++i) thresholds(s)[arm + i] = block.word[i];
      }
      return;
    }
    Rng rng(key, Purpose::kTask);
    if (c.dependent()) {
      draw_pair(c, s, rng);
    } else if (c.prior == Config::kInformative) {
      const int32_t last = c.arms - 1, target = static_cast<int32_t>(rng.below(static_cast<uint32_t>(last)));
      for (int32_t arm = 0; arm < last; ++arm) set_mean(c, s, arm, arm == target ? 5.0 : 1.0);
      set_mean(c, s, last, (target + 1.0) / last);
    } else {
      for (int32_t arm = 0; arm < c.arms; ++arm) set_mean(c, s, arm, draw_mean(c, arm, rng));
    }
  }
  // A numbered task has a key that no slot's episode has, so that fresh tasks are never those of a set.
  MESA_HD static Key task_key(const Config& c, int32_t number) {
    return {static_cast<uint64_t>(c.task_seed), static_cast<uint32_t>(number), 0xFFFFFFFFu};
  }

  MESA_HD static void reset(const Config& c, State& s, const Key& key, const uint8_t*, Scratch) {
    s = State{};
    Key task = key;
    if (c.num_tasks > 0) {
      Rng rng(key, Purpose::kPlacement);
      task_number(c, s) = static_cast<int32_t>(rng.below(static_cast<uint32_t>(c.num_tasks)));
      task = task_key(c, task_number(c, s));
    }
    draw_task(c, s, task);
    if (c.drift != Config::kStill) {
      Rng rng(task, Purpose::kLayout);
      regime(c, s) = static_cast<int32_t>(rng.below(static_cast<uint32_t>(c.volatility.count)));
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
    if (c.reward == Config::kGaussian) {
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

  template <class T>
  MESA_HD static void swap_first_two(T* arms) {
    const T kept = arms[0];
    arms[0] = arms[1];
    arms[1] = kept;
  }
  // p folded back into [0, 1] at both ends.
  MESA_HD static double reflected(double p) {
    p = p < 0 ? -p : p;
    p -= 2.0 * static_cast<int32_t>(0.5 * p);
    return p > 1.0 ? 2.0 - p : p;
  }
  MESA_HD static double walked(const Config& c, double mean, double step) {
    return c.reward == Config::kGaussian ? mean + step : reflected(mean + step);
  }
  // Restless arms between one pull and the next. Arm by arm, 64 blocks of draws each: a redraw may reject some.
  MESA_HD_RARE static void drift(const Config& c, State& s, const Key& key) {
    const double volatility = c.volatility.value[regime(c, s)];
    const int32_t moving = c.dependent() || c.drift == Config::kSwap ? 1 : c.arms;  // arm 1 follows arm 0
    for (int32_t arm = 0; arm < moving; ++arm) {
      Rng rng(key, Purpose::kDrift);
      rng.next_block = 64u * static_cast<uint32_t>(s.pull * c.arms + arm);
      if (c.drift == Config::kWalk) {
        const double to = walked(c, mean(c, s, arm), volatility * rng.normal());
        c.dependent() ? set_pair(c, s, to) : set_mean(c, s, arm, to);
        continue;
      }
      if (rng.uniform() >= volatility) continue;
      if (c.drift == Config::kSwap) {
        c.reward == Config::kGaussian ? swap_first_two(means(s)) : swap_first_two(thresholds(s));
      } else if (c.dependent()) {
        draw_pair(c, s, rng);
      } else {
        set_mean(c, s, arm, draw_mean(c, arm, rng));
      }
    }
    if (c.oracle) s.best = best_arm(c, s);
  }

  MESA_HD static bool ended(const Config& c, const State& s) { return s.pull >= c.pulls; }
  MESA_HD static Outcome step(const Config& c, State& s, int32_t arm, const Key& key, Scratch) {
    const float reward = draw_reward(c, s, arm, key);
    ++s.pull;
    if (c.oracle) {
      s.regret += mean(c, s, s.best) - mean(c, s, arm);
      ++counts(c, s)[arm];
      sums(c, s)[arm] += reward;
    }
    if (c.drift != Config::kStill && s.pull < c.pulls) drift(c, s, key);
    return {reward, ended(c, s), true};
  }

  template <class Lanes>
  MESA_HD static void observe(const Config& c, const State& s, const Row& row, const Lanes&) {
    row.field<int32_t>(0)[0] = c.clock ? s.pull : 0;
  }
  template <class Lanes>
  MESA_HD static void oracle(const Config& c, State& s, const Row& row, const Lanes&, Scratch) {
    for (int32_t arm = 0; arm < c.arms; ++arm) {
      row.field<float>(0)[arm] = static_cast<float>(mean(c, s, arm));
      row.field<int32_t>(2)[arm] = counts(c, s)[arm];
      row.field<float>(3)[arm] = sums(c, s)[arm];
    }
    row.field<int32_t>(1)[0] = s.best;
    row.field<float>(4)[0] = static_cast<float>(s.regret);
    int field = 5;
    if (c.drift != Config::kStill) row.field<float>(field++)[0] = static_cast<float>(c.volatility.value[regime(c, s)]);
    if (c.num_tasks > 0) row.field<int32_t>(field)[0] = task_number(c, s);
  }

  static bool valid(const Config& c, const State& s) {
    const bool moves = c.drift != Config::kStill, numbered = c.num_tasks > 0;
    return s.pull >= 0 && s.pull <= c.pulls && s.best >= 0 && s.best < c.arms &&
           (!moves || static_cast<uint32_t>(regime(c, s)) < static_cast<uint32_t>(c.volatility.count)) &&
           (!numbered || static_cast<uint32_t>(task_number(c, s)) < static_cast<uint32_t>(c.num_tasks));
  }

  // One row an arm: a bar of ten tiles for its mean, brighter for the best; below, the pulls made.
  static Picture picture(const Config& c, State& s) {
    const Tile ground{'.', 24, 24, 32}, bar{'=', 90, 120, 170}, best{'#', 240, 180, 60}, spent{'+', 130, 200, 130};
    Picture picture(c.arms + 1, 10, ground);
    double low = 0, high = 1;
    if (c.prior == Config::kNormal) {
      low = c.prior_mean - 3 * c.prior_std;
      high = c.prior_mean + 3 * c.prior_std + 1e-12;
    } else if (c.prior == Config::kInformative) {
      high = 5;
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
