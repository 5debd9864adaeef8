// The maze world's options and a slot's memory. What the options mean is in the files beside this one.
#pragma once
#include "../../core/batch.h"
#include "../../core/spec.h"
#include "../../maze/algorithms.h"
#include "../../maze/endpoints.h"

namespace mesa {

struct MazeConfig {
  static constexpr int kMaxSide = 64;     // cells; a slot holds its maze's picture
  static constexpr int kMostObjects = 8;  // the oracle visits every subset
  static_assert(kMostObjects <= kMostValues);

  enum Place : int32_t { kAnywhere, kCorner, kDeadEnds, kFixed };
  enum Objective : int32_t { kGiven, kPermuted, kOne, kSigns, kUniform };
  enum Ends : int32_t { kGoal, kAny, kCollect, kNever };
  enum Moves : int32_t { kCompass, kFacing };

  bool oracle = false;  // set by the engine
  int32_t size = 8, view = 5, trials = 1, trial_steps = 0, min_distance = 1;
  double step_reward = 0.0, goal_reward = 1.0;
  Layout layout;
  bool relayout = false;
  int32_t routes = 1;
  int32_t objects = 1, region = 1;
  ShortList<int32_t> colours, shapes, places, cells;
  ShortList<double> rewards;
  int32_t objective = kGiven, ends = kGoal;
  bool cue = false;
  int32_t swap_step = 0, teleport_step = 0;
  int32_t moves = kCompass;
  bool noop = false, rays = false, door = false;
  int32_t thinking_steps = 0;
  double slip = 0.0;

  // Derived once.
  DepthFirst::Table table;  // so that a single maze need not make it
  bool plain = true;        // one goal, compass moves, nothing that changes on the way: the fast path
  uint64_t slip_threshold = 0;

  template <class Visitor>
  static void options(Visitor& v, MazeConfig& c) {
    v.integer("size", c.size, 3, kMaxSide, "cells a side");
    v.integer("view", c.view, 0, 15,
              "side of the square of tiles seen around the agent, odd from 3; 0: the whole grid");
    v.integer("trials", c.trials, 1, 1000, "walks from start to goal in one maze; they make one episode");
    v.integer("trial_steps", c.trial_steps, 0, 1000000, "steps after which a trial ends without the goal; 0: no limit");
    v.integer("min_distance", c.min_distance, 1, 2 * (kMaxSide - 1),
              "least number of steps from start to the first object, before a second route is opened, at most 2 * "
              "(size - 1); "
              "where other options leave nothing so far, the farthest");
    v.real("step_reward", c.step_reward, -1000.0, 1000.0, "reward of every step");
    v.real("goal_reward", c.goal_reward, -1000.0, 1000.0, "times an object's reward in force, added on reaching it");
    std::vector<std::string> algorithms;
#define MESA_NAME(Algorithm) algorithms.push_back(Algorithm::kName);
    MESA_MAZE_ALGORITHMS(MESA_NAME)
#undef MESA_NAME
    v.choice("algorithm", c.layout.algorithm, algorithms, "how the maze is laid out (mesasim list mazes)");
    Layout::depth_first(v, c.layout);
    Layout::mixing(v, c.layout);
    Layout::probability(v, c.layout);
    Layout::common(v, c.layout);
    v.flag("relayout", c.relayout, "whether every trial has a new maze, with the same objective");
    v.integer("routes", c.routes, 1, 2,
              "2: a wall is opened so that exactly two simple routes lead to the first object");
    v.integer("objects", c.objects, 1, kMostObjects, "kinds of objects, one of each");
    v.integers("colours", c.colours, 0, 7, "each object's colour; none given: 0, 1, 2 …");
    v.integers("shapes", c.shapes, 0, 7, "each object's shape; none given: all 0");
    v.choices("places", c.places, {"anywhere", "corner", "dead_ends", "fixed"},
              "where each object lies: corner is the top-right region; none given: anywhere");
    v.integer("region", c.region, 1, kMaxSide, "side of the corner region, in cells");
    v.integers("cells", c.cells, 0, kMaxSide * kMaxSide - 1,
               "the cell (row * size + column) of each object whose place is fixed");
    v.reals("rewards", c.rewards, -1000.0, 1000.0, "each object's reward; none given: all 1");
    v.choice("objective", c.objective, {"given", "permuted", "one", "signs", "uniform"},
             "rewards in force in an episode: as given; permuted over objects; one object's, the others 0; each with a "
             "random sign; each times a uniform number in -1 to 1");
    v.choice(
        "ends", c.ends, {"goal", "any", "collect", "never"},
        "what ends a trial: an object of positive reward; any object; no such object left, reached ones vanishing; "
        "nothing, reached ones moving elsewhere");
    v.flag("cue", c.cue, "whether the rewards in force are shown");
    v.integer("swap_step", c.swap_step, 0, 1000000,
              "step of an episode at which the objective is drawn again; 0: never");
    v.integer("teleport_step", c.teleport_step, 0, 1000000,
              "step of a trial at which the objects move elsewhere; 0: never");
    v.choice("moves", c.moves, {"compass", "facing"}, "up, right, down, left; or forward, turn left, turn right");
    v.flag("noop", c.noop, "whether the last action is to stay");
    v.flag("rays", c.rays,
           "whether to see, instead of tiles, along four rays: cells to the wall, and the first object");
    v.flag("door", c.door, "a locked door on the way to the first object, its key on the start's side");
    v.integer("thinking_steps", c.thinking_steps, 0, 10000, "first steps of an episode whose actions do nothing");
    v.real("slip", c.slip, 0.0, 1.0, "probability that a uniform action is taken instead of the agent's");
  }

  static void refuse(const char* name, const std::string& came, const std::string& allowed) {
    throw std::invalid_argument(std::string(name) + ": got " + came + ", allowed: " + allowed);
  }
  static void check(MazeConfig& c) {
    if (c.view == 1 || (c.view > 0 && c.view % 2 == 0))
      refuse("view", std::to_string(c.view), "0 or an odd number from 3 to 15");
    if (c.min_distance > 2 * (c.size - 1))  // opposite corners are never nearer, so up to here a pair always exists
      refuse("min_distance", std::to_string(c.min_distance),
             "1 to " + std::to_string(2 * (c.size - 1)) + " with size=" + std::to_string(c.size));
    c.layout.rows = c.layout.cols = c.size;
    check_layout(c.layout);
    const auto check_list = [&](const char* name, int32_t count) {
      if (count && count != c.objects)
        refuse(name, std::to_string(count) + " values",
               "none, or " + std::to_string(c.objects) + " with objects=" + std::to_string(c.objects));
    };
    check_list("colours", c.colours.count);
    check_list("shapes", c.shapes.count);
    check_list("places", c.places.count);
    check_list("rewards", c.rewards.count);
    bool fixed = false;
    for (int k = 0; k < c.objects; ++k) {
      if (!c.colours.count) c.colours.value[k] = k;
      if (!c.rewards.count) c.rewards.value[k] = 1.0;
      fixed = fixed || (c.places.count && c.places.value[k] == kFixed);
    }
    if (fixed && c.cells.count != c.objects)
      refuse("cells", std::to_string(c.cells.count) + " values", std::to_string(c.objects) + " where a place is fixed");
    for (int k = 0; k < c.cells.count; ++k) {
      if (c.cells.value[k] >= c.size * c.size)
        refuse("cells", std::to_string(c.cells.value[k]),
               "0 to " + std::to_string(c.size * c.size - 1) + " with size=" + std::to_string(c.size));
      for (int other = 0; other < k; ++other)
        if (fixed && c.cells.value[k] == c.cells.value[other] && place(c, k) == kFixed && place(c, other) == kFixed)
          refuse("cells", std::to_string(c.cells.value[k]) + " twice", "a cell for one object");
    }
    if (c.region > c.size)
      refuse("region", std::to_string(c.region),
             "1 to " + std::to_string(c.size) + " with size=" + std::to_string(c.size));
    if ((c.door || c.routes == 2) && !is_tree(c))
      refuse(c.door ? "door" : "routes", c.door ? "True" : "2", "with a maze that is a tree (no percolation, braid=0)");
    if (c.door && c.ends == kCollect) refuse("door", "True", "False with ends='collect'");
    if (c.door && c.routes == 2) refuse("door", "True", "False with routes=2");
    c.table.fill(c.layout);
    c.slip_threshold = chance_threshold(c.slip);
    c.plain = c.objects == 1 && place(c, 0) == kAnywhere && c.objective == kGiven &&
              (c.ends == kGoal || c.ends == kAny) && c.rewards.value[0] == 1.0 && !c.cue && !c.teleport_step &&
              !c.relayout && c.moves == kCompass && !c.noop && !c.rays && !c.door && c.routes == 1 &&
              !c.thinking_steps && c.slip == 0.0 && !c.colours.count && !c.shapes.count && is_tree(c);
  }
  static bool is_tree(const MazeConfig& c) {
    const std::string name = algorithm_name(c.layout.algorithm);
    return c.layout.braid == 0 && c.layout.accessible_cells == 0 && c.layout.max_tree_depth == 0 && c.layout.forks &&
           name.find("percolation") == std::string::npos;
  }
  MESA_HD static int32_t place(const MazeConfig& c, int object) {
    return c.places.count ? c.places.value[object] : int32_t{kAnywhere};
  }
  MESA_HD int32_t num_cells() const { return size * size; }
  // Objects told apart by colour and shape have fields of their own for them.
  MESA_HD bool shows_kinds() const { return objects > 1 || colours.count || shapes.count; }
};

struct MazeObject {
  uint8_t row, col, present, unused;
};

struct MazeState {
  uint8_t row, col, start_row, start_col;
  uint8_t heading, start_heading;  // of facing moves
  uint8_t door_row, door_col, door_closed, key_row, key_col, key_there;
  uint8_t has_door, ways_are_old, unused[2];
  int32_t trial, trial_step, step, placings;
};
static_assert(sizeof(MazeState) == 32 && std::is_trivially_copyable_v<MazeState>);

// The tail begins with the objects and their rewards in force.
MESA_HD MazeObject& object_of(MazeState& s, int k) {
  return tail_of<MazeObject>(s)[k];
}
MESA_HD const MazeObject& object_of(const MazeState& s, int k) {
  return tail_of<MazeObject>(s)[k];
}
// Where they lay at the start of a trial in this maze.
MESA_HD MazeObject& first_object_of(const MazeConfig& c, MazeState& s, int k) {
  return tail_of<MazeObject>(s, 8 * int64_t{c.objects})[k];
}
MESA_HD float& value_of(const MazeConfig& c, MazeState& s, int k) {
  return tail_of<float>(s, 4 * int64_t{c.objects})[k];
}
MESA_HD float value_of(const MazeConfig& c, const MazeState& s, int k) {
  return tail_of<float>(s, 4 * int64_t{c.objects})[k];
}

}  // namespace mesa
