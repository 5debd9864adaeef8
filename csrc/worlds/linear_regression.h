// LinearRegression: examples (x, y = w.x + noise) of one hidden w, one a step; the action names y before it is shown.
// An episode is one w: drawn anew from N(0, I), which only learning inside the episode can know, or one of a fixed set,
// which can also be known by heart and looked up (Raventos et al. 2023, arXiv 2306.15063).
#pragma once
#include "../core/batch.h"
#include "../core/spec.h"
#include "../regression/posterior.h"

namespace mesa {

struct LinearRegression {
  static constexpr const char* kId = "LinearRegression-v0";
  static constexpr int32_t kMostInOracle = 1024;  // tasks whose posterior a slot keeps: 36 KiB of it at dim 8

  struct Config {
    bool oracle = false;  // set by the engine
    int32_t dim = 8, points = 16;
    double noise_std = 0.5;
    int32_t num_tasks = 0, task_seed = 0;
    int32_t values = 65;
    double limit = 8.0;

    MESA_HD RegressionLaw law() const { return {dim, points, num_tasks, task_seed, noise_std}; }
    MESA_HD double noise_variance() const { return noise_std * noise_std; }
    MESA_HD int32_t enumerated() const { return num_tasks <= kMostInOracle ? num_tasks : 0; }
    MESA_HD bool knows_best() const { return num_tasks <= kMostInOracle; }
    MESA_HD double named(int32_t action) const { return limit * (2.0 * action / (values - 1) - 1.0); }
    MESA_HD int32_t nearest(double value) const {
      const double place = (value / limit + 1.0) * 0.5 * (values - 1) + 0.5;
      if (!(place > 0.0)) return 0;
      return place >= values - 1 ? values - 1 : static_cast<int32_t>(place);
    }
  };
  template <class Visitor>
  static void options(Visitor& v, Config& c) {
    v.integer("dim", c.dim, 1, 64, "length of x and w");
    v.integer("points", c.points, 1, 1024, "examples in an episode (one w)");
    v.real("noise_std", c.noise_std, 0.001, 100.0, "standard deviation of y around w.x");
    v.integer("num_tasks", c.num_tasks, 0, 1 << 20,
              "w is one of so many fixed draws from N(0, I), each as likely; 0: a fresh draw every episode");
    v.integer("task_seed", c.task_seed, 0, 2147483647,
              "which fixed draws; a smaller set of a seed is part of a larger");
    v.integer("values", c.values, 2, 513, "values an action can name, evenly spaced from -limit to limit");
    v.real("limit", c.limit, 0.01, 10000.0, "the largest value an action can name");
  }
  static void check(const Config&) {}
  static void describe(const Config& c, Spec& spec) {
    spec.help = "linear regression in context: name y from x and the examples so far; reward: minus the squared error";
    spec.observation = {
        {"x", Dtype::kFloat32, {c.dim}, -kUnbounded, kUnbounded, 0, "whose y is to be named; 0 at the end"},
        {"previous_y", Dtype::kFloat32, {1}, -kUnbounded, kUnbounded, 0, "of the step before; 0 at the first"}};
    const auto number = [](const char* name, const char* help) {
      return Field{name, Dtype::kFloat32, {1}, -kUnbounded, kUnbounded, 0, help};
    };
    spec.oracle = {{"w", Dtype::kFloat32, {c.dim}, -kUnbounded, kUnbounded, 0, "the hidden weights"},
                   {"task",
                    Dtype::kInt32,
                    {1},
                    -1,
                    double(c.num_tasks) - 1,
                    0,
                    "its number in the fixed set; -1: it is a fresh draw"},
                   number("y", "what is to be named, noise and all; 0 at the end"),
                   number("ridge", "best prediction of y if w ~ N(0, I): ridge regression on the examples so far")};
    if (c.enumerated() > 0)
      spec.oracle.push_back(
          number("discrete_mmse", "best prediction of y if w is of the fixed set; num_tasks <= 1024 only"));
    if (c.knows_best())
      spec.oracle.push_back({"optimal_actions",
                             Dtype::kBool,
                             {c.values},
                             0,
                             1,
                             0,
                             "the value nearest the best prediction: discrete_mmse, or ridge for fresh draws; "
                             "num_tasks <= 1024 only"});
    for (int32_t action = 0; action < c.values; ++action) {
      std::ostringstream name;
      name << "name " << c.named(action);
      spec.actions.push_back(name.str());
    }
    spec.variants = {{},
                     {{"dim", int64_t{1}}, {"points", int64_t{5}}, {"values", int64_t{2}}, {"limit", 1.5}},
                     {{"dim", int64_t{4}}, {"points", int64_t{8}}, {"num_tasks", int64_t{16}}},
                     {{"dim", int64_t{3}},
                      {"points", int64_t{6}},
                      {"num_tasks", int64_t{2000}},
                      {"task_seed", int64_t{7}},
                      {"noise_std", 0.1}}};
  }

  struct State {
    int32_t point, task;
    float y, previous_y;
  };
  static_assert(sizeof(State) == 16 && std::is_trivially_copyable_v<State>);

  // Tail: for the oracle its posteriors (doubles); w and x; for the oracle the fixed tasks.
  MESA_HD static int64_t level_bytes(const Config&) { return 0; }  // it takes no levels
  MESA_HD static int64_t doubles(const Config& c) {
    return c.oracle ? GaussianPosterior::doubles(c.dim) + c.enumerated() : 0;
  }
  static Needs needs(const Config&) { return {}; }
  MESA_HD static int64_t tail_bytes(const Config& c) {
    return 8 * doubles(c) + 4 * int64_t{c.dim} * (c.oracle ? 2 + c.enumerated() : 2);
  }
  MESA_HD static float* weights(const Config& c, State& s) { return tail_of<float>(s, 8 * doubles(c)); }
  MESA_HD static const float* weights(const Config& c, const State& s) { return tail_of<float>(s, 8 * doubles(c)); }
  MESA_HD static float* inputs(const Config& c, State& s) { return weights(c, s) + c.dim; }
  MESA_HD static const float* inputs(const Config& c, const State& s) { return weights(c, s) + c.dim; }
  MESA_HD static float* tasks(const Config& c, State& s) { return weights(c, s) + 2 * c.dim; }
  MESA_HD static GaussianPosterior gaussian(const Config& c, State& s) {
    return GaussianPosterior::at(tail_of<double>(s), c.dim);
  }
  MESA_HD static DiscretePosterior discrete(const Config& c, State& s) {
    return {c.dim, c.enumerated(), tasks(c, s), tail_of<double>(s, 8 * GaussianPosterior::doubles(c.dim))};
  }

  MESA_HD static void reset(const Config& c, State& s, const Key& key, const uint8_t*, Scratch) {
    s = State{};
    s.task = draw_task(c.law(), key, weights(c, s));
    s.y = draw_example(c.law(), key, 0, weights(c, s), inputs(c, s));
    if (!c.oracle) return;
    gaussian(c, s).clear();
    for (int32_t i = 0; i < c.enumerated(); ++i) {
      fixed_task(c.law(), i, tasks(c, s) + int64_t{i} * c.dim);
      discrete(c, s).errors[i] = 0.0;
    }
  }

  MESA_HD static bool ended(const Config& c, const State& s) { return s.point >= c.points; }
  MESA_HD static Outcome step(const Config& c, State& s, int32_t action, const Key& key, Scratch) {
    const double error = c.named(action) - s.y;
    if (c.oracle) {
      gaussian(c, s).learn(inputs(c, s), s.y, c.noise_variance());
      discrete(c, s).learn(inputs(c, s), s.y);
    }
    s.previous_y = s.y;
    ++s.point;
    const bool terminated = ended(c, s);
    if (terminated) {
      s.y = 0.0f;
      for (int32_t d = 0; d < c.dim; ++d) inputs(c, s)[d] = 0.0f;
    } else {
      s.y = draw_example(c.law(), key, s.point, weights(c, s), inputs(c, s));
    }
    return {static_cast<float>(-error * error), terminated, terminated};
  }

  template <class Lanes>
  MESA_HD static void observe(const Config& c, const State& s, const Row& row, const Lanes&) {
    for (int32_t d = 0; d < c.dim; ++d) row.field<float>(0)[d] = inputs(c, s)[d];
    row.field<float>(1)[0] = s.previous_y;
  }
  template <class Lanes>
  MESA_HD static void oracle(const Config& c, State& s, const Row& row, const Lanes&, Scratch) {
    for (int32_t d = 0; d < c.dim; ++d) row.field<float>(0)[d] = weights(c, s)[d];
    row.field<int32_t>(1)[0] = s.task;
    row.field<float>(2)[0] = s.y;
    double best = gaussian(c, s).predict(inputs(c, s));
    row.field<float>(3)[0] = static_cast<float>(best);
    int field = 4;
    if (c.enumerated() > 0) {
      best = discrete(c, s).predict(inputs(c, s), c.noise_variance());
      row.field<float>(field++)[0] = static_cast<float>(best);
    }
    if (!c.knows_best()) return;
    const int32_t chosen = c.nearest(best);
    for (int32_t action = 0; action < c.values; ++action) row.field<uint8_t>(field)[action] = action == chosen;
  }

  static bool valid(const Config& c, const State& s) {
    return s.point >= 0 && s.point <= c.points && s.task >= -1 && s.task < (c.num_tasks > 0 ? c.num_tasks : 1);
  }

  // The values an action can name, left to right: above, where y is; below, where the step before's was.
  static Picture picture(const Config& c, const State& s) {
    Picture picture(2, c.values, {'.', 24, 24, 32});
    picture.at(0, c.nearest(s.y)) = {'Y', 240, 180, 60};
    if (s.point > 0) picture.at(1, c.nearest(s.previous_y)) = {'y', 130, 200, 130};
    return picture;
  }
};

}  // namespace mesa
