// TabularMDP: a Markov decision process drawn anew for every episode, played `trials` times for `horizon` steps from
// state 0. Transitions are Dirichlet, mean rewards normal, rewards normal around them: the prior of Bayesian agents.
// Source: Duan et al. 2016 (arXiv 1611.02779), section 3.2, after Osband et al. 2013.
#pragma once
#include "../core/batch.h"
#include "../core/spec.h"

namespace mesa {

struct TabularMDP {
  static constexpr const char* kId = "TabularMDP-v0";

  struct Config {
    bool oracle = false;  // set by the engine
    int32_t states = 10, actions = 5, horizon = 10, trials = 10;
    double alpha = 1.0, mean = 1.0, mean_std = 1.0, reward_std = 1.0;
    bool clock = false, previous = false;
  };
  template <class Visitor>
  static void options(Visitor& v, Config& c) {
    v.integer("states", c.states, 2, 100, "number of states; every trial starts in state 0");
    v.integer("actions", c.actions, 2, 32, "number of actions");
    v.integer("horizon", c.horizon, 1, 1000, "steps in a trial");
    v.integer("trials", c.trials, 1, 10000, "trials in one MDP; they make one episode");
    v.real("alpha", c.alpha, 0.05, 1000.0, "parameter of the symmetric Dirichlet prior of next-state probabilities");
    v.real("mean", c.mean, -1000.0, 1000.0, "mean of the normal prior of mean rewards");
    v.real("mean_std", c.mean_std, 0.0, 1000.0, "standard deviation of that prior");
    v.real("reward_std", c.reward_std, 0.0, 1000.0, "standard deviation of a reward around its mean");
    v.flag("clock", c.clock, "show the step within the trial");
    v.flag("previous", c.previous, "show the state before the last action as well");
  }
  static void check(const Config&) {}
  static void describe(const Config& c, Spec& spec) {
    const double top = kUnbounded;
    spec.help = "random tabular MDP, a fresh draw every episode, several trials of a few steps each";
    spec.observation = {{"state", Dtype::kInt32, {1}, 0, double(c.states - 1), c.states, "the present state"}};
    if (c.clock)
      spec.observation.push_back(
          {"step", Dtype::kInt32, {1}, 0, double(c.horizon - 1), 0, "steps made in this trial (clock)"});
    if (c.previous)
      spec.observation.push_back(
          {"previous_state",
           Dtype::kInt32,
           {1},
           0,
           double(c.states - 1),
           c.states,
           "the state before the last action; at the start of an episode the present one (previous)"});
    spec.oracle = {
        {"optimal_value",
         Dtype::kFloat32,
         {1},
         -top,
         top,
         0,
         "expected reward of a trial under the optimal policy of this MDP, which depends on the step (undiscounted)"},
        {"optimal_actions",
         Dtype::kBool,
         {c.actions},
         0,
         1,
         0,
         "optimal in the present state at the present step; several in a tie"},
        {"expected_regret",
         Dtype::kFloat32,
         {1},
         0,
         top,
         0,
         "sum over the episode's steps of the value lost to the action taken, V*(state, step) - Q*(state, step, "
         "action)"},
        {"mean_rewards",
         Dtype::kFloat32,
         {c.states, c.actions},
         -top,
         top,
         0,
         "mean reward of each action in each state"},
        {"transitions",
         Dtype::kFloat32,
         {c.states, c.actions, c.states},
         0,
         1,
         0,
         "probability of each next state after each action in each state"}};
    for (int32_t action = 0; action < c.actions; ++action) spec.actions.push_back("action " + std::to_string(action));
    spec.variants = {{},
                     {{"states", int64_t{3}}, {"actions", int64_t{2}}, {"horizon", int64_t{4}}, {"trials", int64_t{3}}},
                     {{"states", int64_t{6}}, {"alpha", 0.3}, {"horizon", int64_t{1}}, {"clock", true}},
                     {{"states", int64_t{2}}, {"reward_std", 0.0}, {"mean_std", 0.0}, {"clock", true}},
                     {{"states", int64_t{4}}, {"trials", int64_t{3}}, {"clock", true}, {"previous", true}}};
  }

  struct State {
    int32_t state, step, trial, previous;  // step: within the trial; previous: the state before the last action
    double regret;                         // for the oracle
  };
  static_assert(sizeof(State) == 24 && std::is_trivially_copyable_v<State>);

  // Tail: for the oracle, V*(step, state) and the optimal actions; then mean rewards [S, A] and cuts [S, A, S-1]. With
  // w a uniform 32-bit word, the next state is the number of the pair's cuts that are at most w; it does not depend on
  // their order. Without the oracle they are left as drawn, with it they are sorted.
  MESA_HD static int64_t level_bytes(const Config&) { return 0; }  // it takes no levels
  MESA_HD static int64_t pairs(const Config& c) { return int64_t{c.states} * c.actions; }
  MESA_HD static int64_t value_bytes(const Config& c) { return c.oracle ? int64_t{8} * (c.horizon + 1) * c.states : 0; }
  static Needs needs(const Config&) { return {}; }
  MESA_HD static int64_t tail_bytes(const Config& c) {
    return value_bytes(c) + 4 * pairs(c) * c.states;  // a mean and S - 1 cuts a pair
  }
  MESA_HD static double* values(State& s) { return tail_of<double>(s); }
  MESA_HD static float* means(const Config& c, State& s) { return tail_of<float>(s, value_bytes(c)); }
  MESA_HD static uint32_t* cuts(const Config& c, State& s, int32_t state, int32_t action) {
    return tail_of<uint32_t>(s, value_bytes(c) + 4 * pairs(c)) + (int64_t{state} * c.actions + action) * (c.states - 1);
  }

  // Drawing an MDP: mean rewards from the layout's draws, cuts from the task's.
  MESA_HD static void reset(const Config& c, State& s, const Key& key, const uint8_t*, Scratch) {
    s = State{};
    Rng mean_draws(key, Purpose::kLayout);
    for (int64_t i = 0; i < pairs(c); ++i)
      means(c, s)[i] = static_cast<float>(c.mean + c.mean_std * mean_draws.normal());
    Rng draws(key, Purpose::kTask);
    for (int64_t i = 0; i < pairs(c); ++i) draw_cuts(c, draws, cuts(c, s, 0, 0) + i * (c.states - 1));
    if (c.oracle) solve(c, s);
  }
  // Dirichlet(1, …, 1) is the gaps between S - 1 uniform numbers. Otherwise it is gamma draws over their sum, which is
  // found first: draws of a counter can be made again.
  MESA_HD static void draw_cuts(const Config& c, Rng& draws, uint32_t* cut) {
    const int32_t count = c.states - 1;
    if (c.alpha == 1.0) {
      for (int32_t i = 0; i < count; ++i) cut[i] = draws.u32();
      return;
    }
    Rng again = draws;
    double total = 0.0, sum = 0.0;
    for (int32_t i = 0; i < c.states; ++i) total += draws.gamma(c.alpha);
    for (int32_t i = 0; i < count; ++i) {
      sum += again.gamma(c.alpha);
      const double scaled = total > 0.0 ? sum / total * 4294967296.0 : 0.0;
      cut[i] = scaled >= 4294967295.0 ? 4294967295u : static_cast<uint32_t>(scaled);
    }
  }

  MESA_HD static int32_t next_state(const Config& c, State& s, int32_t action, uint32_t word) {
    const uint32_t* cut = cuts(c, s, s.state, action);
    int32_t next = 0;
    for (int32_t i = 0; i < c.states - 1; ++i) next += cut[i] <= word;
    return next;
  }

  MESA_HD static bool ended(const Config& c, const State& s) { return s.trial >= c.trials; }
  MESA_HD static Outcome step(const Config& c, State& s, int32_t action, const Key& key, Scratch) {
    const Block draws = key.block(Purpose::kStep, static_cast<uint32_t>(s.trial * c.horizon + s.step));
    const double noise = normal_quantile(unit_interval(draws.word[0], draws.word[1]));
    const float mean = means(c, s)[int64_t{s.state} * c.actions + action];
    if (c.oracle) s.regret += lost(c, s, action);
    s.previous = s.state;
    s.state = next_state(c, s, action, draws.word[2]);
    const Outcome outcome{static_cast<float>(mean + c.reward_std * noise), false, false};
    if (++s.step < c.horizon) return outcome;
    s.state = s.step = 0;  // where a trial's last step led is not seen
    ++s.trial;
    return {outcome.reward, ended(c, s), true};
  }

  // Backward induction (Bellman 1957): V*(H, s) = 0, V*(h, s) = max over a of R(s, a) + sum of P(s' | s, a) V*(h+1,
  // s').
  MESA_HD static void solve(const Config& c, State& s) {
    for (int64_t i = 0; i < pairs(c); ++i) sort(cuts(c, s, 0, 0) + i * (c.states - 1), c.states - 1);
    for (int32_t state = 0; state < c.states; ++state) values(s)[int64_t{c.horizon} * c.states + state] = 0.0;
    for (int32_t step = c.horizon - 1; step >= 0; --step) {
      for (int32_t state = 0; state < c.states; ++state) {
        const int64_t at = int64_t{step} * c.states + state;
        for (int32_t action = 0; action < c.actions; ++action) {
          const double value = action_value(c, s, state, step, action);
          if (action == 0 || value > values(s)[at]) values(s)[at] = value;
        }
      }
    }
  }
  MESA_HD static void sort(uint32_t* numbers, int32_t count) {
    for (int32_t i = 1; i < count; ++i) {
      const uint32_t number = numbers[i];
      int32_t place = i;
      for (; place > 0 && numbers[place - 1] > number; --place) numbers[place] = numbers[place - 1];
      numbers[place] = number;
    }
  }
  // Probability of a next state, of sorted cuts.
  MESA_HD static double probability(const Config& c, const uint32_t* cut, int32_t next) {
    const double low = next == 0 ? 0.0 : cut[next - 1], high = next == c.states - 1 ? 4294967296.0 : cut[next];
    return (high - low) * (1.0 / 4294967296.0);
  }
  MESA_HD static double action_value(const Config& c, State& s, int32_t state, int32_t step, int32_t action) {
    const double* after = values(s) + int64_t{step + 1} * c.states;
    const uint32_t* cut = cuts(c, s, state, action);
    double value = means(c, s)[int64_t{state} * c.actions + action];
    for (int32_t next = 0; next < c.states; ++next) value += probability(c, cut, next) * after[next];
    return value;
  }
  MESA_HD static double lost(const Config& c, State& s, int32_t action) {
    const double best_value = values(s)[int64_t{s.step} * c.states + s.state];
    return best_value - action_value(c, s, s.state, s.step, action);
  }

  template <class Lanes>
  MESA_HD static void observe(const Config& c, const State& s, const Row& row, const Lanes&) {
    row.field<int32_t>(0)[0] = s.state;
    if (c.clock) row.field<int32_t>(1)[0] = s.step;
    if (c.previous) row.field<int32_t>(c.clock ? 2 : 1)[0] = s.previous;
  }
  template <class Lanes>
  MESA_HD static void oracle(const Config& c, State& s, const Row& row, const Lanes&, Scratch) {
    row.field<float>(0)[0] = static_cast<float>(values(s)[0]);
    const double most = values(s)[int64_t{s.step} * c.states + s.state], tie = 1e-9 * (1.0 + (most < 0 ? -most : most));
    for (int32_t action = 0; action < c.actions; ++action) row.field<uint8_t>(1)[action] = lost(c, s, action) <= tie;
    row.field<float>(2)[0] = static_cast<float>(s.regret);
    for (int64_t i = 0; i < pairs(c); ++i) {
      row.field<float>(3)[i] = means(c, s)[i];
      const uint32_t* cut = cuts(c, s, 0, 0) + i * (c.states - 1);
      for (int32_t next = 0; next < c.states; ++next)
        row.field<float>(4)[i * c.states + next] = static_cast<float>(probability(c, cut, next));
    }
  }

  // The tail needs no check of numbers: no value of means or cuts makes a step leave its memory, but for the table of
  // optimal actions, which is only compared with.
  static bool valid(const Config& c, const State& s) {
    return s.state >= 0 && s.state < c.states && s.previous >= 0 && s.previous < c.states && s.step >= 0 &&
           s.step < c.horizon && s.trial >= 0 && s.trial <= c.trials && s.regret >= 0;
  }
  // A row an action, a column a state: brighter where the mean reward is higher; the present state is marked above.
  static Picture picture(const Config& c, State& s) {
    Picture picture(c.actions + 1, c.states, {'.', 24, 24, 32});
    picture.at(0, s.state) = {'A', 60, 110, 220};
    for (int32_t action = 0; action < c.actions; ++action) {
      for (int32_t state = 0; state < c.states; ++state) {
        const double z = (means(c, s)[int64_t{state} * c.actions + action] - c.mean) / (c.mean_std + 1e-12);
        const double level = z < -2 ? 0 : z > 2 ? 1 : (z + 2) / 4;
        const uint8_t shade = static_cast<uint8_t>(40 + 200 * level);
        picture.at(action + 1, state) = {z > 0 ? '+' : '-', shade, shade, 60};
      }
    }
    return picture;
  }
};

}  // namespace mesa
