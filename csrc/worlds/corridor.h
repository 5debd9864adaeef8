// Corridor: walk to a goal at an unknown end. The smallest world that needs a memory from trial to trial, and the file
// to copy for a new world.
#pragma once
#include "../core/batch.h"
#include "../core/spec.h"

namespace mesa {

struct Corridor {
  static constexpr const char* kId = "Corridor-v0";

  struct Config {
    bool oracle = false;  // set by the engine
    int32_t length = 7, trials = 4;
  };
  template <class Visitor>
  static void options(Visitor& v, Config& c) {
    v.integer("length", c.length, 3, 1001, "cells, an odd number; the walk starts in the middle");
    v.integer("trials", c.trials, 1, 1000, "walks with the goal at the same end; they make one episode");
  }
  static void check(const Config& c) {
    if (c.length % 2 == 0)
      throw std::invalid_argument("length: got " + std::to_string(c.length) +
                                  ", allowed: an odd number from 3 to 1001");
  }
  static void describe(const Config& c, Spec& spec) {
    spec.help =
        "corridor with a goal at one end, either with probability 1/2; the wrong end ends a trial without reward";
    spec.observation = {{"cell", Dtype::kInt32, {1}, 0, double(c.length - 1), 0, "where the agent stands"}};
    spec.oracle = {{"goal_cell", Dtype::kInt32, {1}, 0, double(c.length - 1), 0, "where the goal is"}};
    spec.actions = {"left", "right"};
    spec.max_episode_steps = 4 * int64_t{c.length} * c.trials;
    spec.variants = {
        {}, {{"length", int64_t{5}}, {"trials", int64_t{1}}}, {{"length", int64_t{9}}, {"trials", int64_t{3}}}};
  }

  struct State {
    int32_t cell, goal, trial, unused;
  };
  static_assert(sizeof(State) == 16 && std::is_trivially_copyable_v<State>);
  MESA_HD static int64_t level_bytes(const Config&) { return 0; }  // it takes no levels
  static Needs needs(const Config&) { return {}; }
  MESA_HD static int64_t tail_bytes(const Config&) { return 0; }

  MESA_HD static void reset(const Config& c, State& s, const Key& key, const uint8_t*, Scratch) {
    s = State{};
    s.cell = c.length / 2;
    s.goal = key.block(Purpose::kTask, 0).word[0] >> 31 ? c.length - 1 : 0;
  }
  MESA_HD static bool ended(const Config& c, const State& s) { return s.trial >= c.trials; }
  MESA_HD static Outcome step(const Config& c, State& s, int32_t action, const Key&, Scratch) {
    s.cell += action == 1 ? 1 : -1;
    if (s.cell != 0 && s.cell != c.length - 1) return {0.0f, false, false};
    const float reward = s.cell == s.goal ? 1.0f : 0.0f;
    ++s.trial;
    const bool terminated = ended(c, s);
    if (!terminated) s.cell = c.length / 2;  // the last trial's end stays to be seen
    return {reward, terminated, true};
  }
  template <class Lanes>
  MESA_HD static void observe(const Config&, const State& s, const Row& row, const Lanes&) {
    row.field<int32_t>(0)[0] = s.cell;
  }
  template <class Lanes>
  MESA_HD static void oracle(const Config&, const State& s, const Row& row, const Lanes&, Scratch) {
    row.field<int32_t>(0)[0] = s.goal;
  }

  static bool valid(const Config& c, const State& s) {
    return s.cell >= 0 && s.cell < c.length && (s.goal == 0 || s.goal == c.length - 1) && s.trial >= 0 &&
           s.trial <= c.trials;
  }
  static Picture picture(const Config& c, const State& s) {
    Picture picture(1, c.length, {'.', 245, 245, 240});
    picture.at(0, s.goal) = {'G', 220, 60, 60};
    picture.at(0, s.cell) = {'A', 60, 110, 220};
    return picture;
  }
};

}  // namespace mesa
