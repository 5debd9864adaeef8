// TwoStep: a choice in the first stage leads to one of two second-stage states, commonly or rarely; there any action is
// paid for, by chance, and the next trial begins. Which second-stage state pays well is drawn for every episode. After
// Wang et al. 2016 (arXiv 1611.05763), who took the second stage's choice out of the task of Daw et al. 2011.
#pragma once
#include "../core/batch.h"
#include "../core/spec.h"

namespace mesa {

struct TwoStep {
  static constexpr const char* kId = "TwoStep-v0";

  struct Config {
    bool oracle = false;  // set by the engine
    int32_t trials = 100;
    double common = 0.75, reward = 0.9, switching = 0.0;
  };
  template <class Visitor>
  static void options(Visitor& v, Config& c) {
    v.integer("trials", c.trials, 1, 10000, "trials in an episode; a trial takes two steps");
    v.real("common", c.common, 0.5, 1.0,
           "probability that action 0 leads to second-stage state 1 and action 1 to state 2, not to the other one");
    v.real("reward", c.reward, 0.5, 1.0,
           "probability of a reward of 1 in the good second-stage state; in the other it is 1 - reward");
    v.real("switching", c.switching, 0.0, 1.0,
           "probability, before every trial but the first, that the good state becomes the other one");
  }
  static void check(const Config&) {}
  static void describe(const Config& c, Spec& spec) {
    spec.help = "two-step task: first-stage choices lead commonly or rarely to two states, one of which pays well";
    spec.observation = {
        {"state", Dtype::kInt32, {1}, 0, 2, 3, "0: first stage, where the action counts; 1 or 2: second stage"}};
    spec.oracle = {{"good_state", Dtype::kInt32, {1}, 1, 2, 3, "the second-stage state that pays well in this trial"},
                   {"belief", Dtype::kFloat32, {1}, 0, 1, 0, "exact posterior probability that it is state 1"},
                   {"optimal_actions",
                    Dtype::kBool,
                    {2},
                    0,
                    1,
                    0,
                    "Bayes-optimal given that belief; both in a tie and in the second stage"},
                   {"transition",
                    Dtype::kInt32,
                    {1},
                    -1,
                    1,
                    2,
                    "the trial's transition, or in the first stage the last trial's: 1 common, 0 rare, -1 none yet"},
                   {"expected_regret",
                    Dtype::kFloat32,
                    {1},
                    0,
                    double(c.trials),
                    0,
                    "expected reward lost so far to an agent that knows the good state of every trial"}};
    spec.actions = {"toward state 1", "toward state 2"};
    spec.variants = {{},
                     {{"trials", int64_t{5}}, {"switching", 0.25}},
                     {{"trials", int64_t{7}}, {"common", 1.0}, {"reward", 1.0}},
                     {{"trials", int64_t{6}}, {"common", 0.5}, {"reward", 0.5}, {"switching", 1.0}}};
  }

  struct State {
    double odds[2];  // for the oracle: probabilities, to one factor, that state 1 and that state 2 is good
    double regret;   // likewise
    int32_t trial, state, good, transition;
  };
  static_assert(sizeof(State) == 40 && std::is_trivially_copyable_v<State>);
  MESA_HD static int64_t level_bytes(const Config&) { return 0; }  // it takes no levels
  static Needs needs(const Config&) { return {}; }
  MESA_HD static int64_t tail_bytes(const Config&) { return 0; }

  // True with probability p, exactly for p = 1.
  MESA_HD static bool happens(uint32_t word, double p) { return word < static_cast<uint64_t>(p * 4294967296.0); }

  MESA_HD static void reset(const Config&, State& s, const Key& key, const uint8_t*, Scratch) {
    s = State{};
    s.odds[0] = s.odds[1] = 0.5;
    s.transition = -1;
    s.good = key.block(Purpose::kTask, 0).word[0] >> 31 ? 2 : 1;
  }

  MESA_HD static bool ended(const Config& c, const State& s) { return s.trial >= c.trials; }
  // A trial's Philox block: its transition, its reward, and whether the good state switches after it.
  MESA_HD static Outcome step(const Config& c, State& s, int32_t action, const Key& key, Scratch) {
    const Block draws = key.block(Purpose::kStep, static_cast<uint32_t>(s.trial));
    if (s.state == 0) {
      s.transition = happens(draws.word[0], c.common);
      s.state = (action == 0) == (s.transition == 1) ? 1 : 2;
      if (c.oracle && action + 1 != s.good) s.regret += (2 * c.common - 1) * (2 * c.reward - 1);
      return {0.0f, false, false};
    }
    const bool paid = happens(draws.word[1], s.state == s.good ? c.reward : 1.0 - c.reward);
    if (c.oracle) learn(c, s, paid);
    s.state = 0;
    ++s.trial;
    const bool terminated = ended(c, s);
    if (!terminated && happens(draws.word[2], c.switching)) s.good = 3 - s.good;
    return {paid ? 1.0f : 0.0f, terminated, true};
  }
  // Bayes's rule, then the switch. The two probabilities are kept apart: 1 - p would lose the smaller one's digits.
  MESA_HD static void learn(const Config& c, State& s, bool paid) {
    const double here = paid ? c.reward : 1.0 - c.reward;
    const double first = s.odds[0] * (s.state == 1 ? here : 1.0 - here);
    const double second = s.odds[1] * (s.state == 1 ? 1.0 - here : here);
    const double total = first + second;
    if (!(total > 0.0)) return;  // what was seen is certain to be impossible: only after 300 trials' rounding
    s.odds[0] = ((1.0 - c.switching) * first + c.switching * second) / total;
    s.odds[1] = ((1.0 - c.switching) * second + c.switching * first) / total;
  }

  template <class Lanes>
  MESA_HD static void observe(const Config&, const State& s, const Row& row, const Lanes&) {
    row.field<int32_t>(0)[0] = s.state;
  }
  template <class Lanes>
  MESA_HD static void oracle(const Config& c, const State& s, const Row& row, const Lanes&, Scratch) {
    // A trial's outcome tells as much about the good state wherever it was had, so the better bet now is optimal.
    const double tie = 1e-9;
    row.field<int32_t>(0)[0] = s.good;
    row.field<float>(1)[0] = static_cast<float>(s.odds[0] / (s.odds[0] + s.odds[1]));
    const bool idle = s.state != 0 || c.common == 0.5;  // what is done leads nowhere in particular
    row.field<uint8_t>(2)[0] = idle || s.odds[0] >= s.odds[1] * (1.0 - tie);
    row.field<uint8_t>(2)[1] = idle || s.odds[1] >= s.odds[0] * (1.0 - tie);
    row.field<int32_t>(3)[0] = s.transition;
    row.field<float>(4)[0] = static_cast<float>(s.regret);
  }

  static bool valid(const Config& c, const State& s) {
    const bool probabilities = s.odds[0] >= 0 && s.odds[1] >= 0 && s.odds[0] + s.odds[1] > 0 && s.odds[0] <= 1 &&
                               s.odds[1] <= 1 && s.regret >= 0;
    return probabilities && s.trial >= 0 && s.trial <= c.trials && s.state >= 0 && s.state <= 2 &&
           (s.good == 1 || s.good == 2) && s.transition >= -1 && s.transition <= 1;
  }
  static Picture picture(const Config&, const State& s) {
    const Tile ground{'.', 245, 245, 240}, poor{'o', 150, 150, 150}, good{'G', 220, 60, 60}, agent{'A', 60, 110, 220};
    Picture picture(2, 3, ground);
    picture.at(0, 1) = poor;
    picture.at(1, 0) = s.good == 1 ? good : poor;
    picture.at(1, 2) = s.good == 2 ? good : poor;
    picture.at(s.state != 0, s.state == 0 ? 1 : 2 * (s.state - 1)) = agent;
    return picture;
  }
};

}  // namespace mesa
