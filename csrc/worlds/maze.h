// Maze: a maze drawn anew for every task; the agent walks from a start to what is rewarded, `trials` times, and sees a
// square of tiles around it, the whole grid, or four rays. Tiles are the usual (2r+1) x (2c+1) picture of a lattice
// maze: cells and open passages are floor, the rest wall; one move goes one cell, which is two tiles. The objective is
// data: which objects are rewarded, and how much, may be drawn anew in every episode, and within it.
#pragma once
#include "../maze/agents.h"
#include "maze/config.h"
#include "maze/oracle.h"
#include "maze/task.h"
#include "maze/tiles.h"

namespace mesa {

struct PlainMaze;

struct Maze {
  using Thin = PlainMaze;
  static constexpr const char* kId = "Maze-v0";
  static constexpr bool kMayBeWide = true;
  using Config = MazeConfig;
  using State = MazeState;
  enum TileKind : uint8_t { kWall = 0, kFloor = 1, kGoal = 2, kAgent = 3, kDoor = 4, kKey = 5 };

  template <class Visitor>
  static void options(Visitor& v, Config& c) {
    Config::options(v, c);
  }
  static void check(Config& c) { Config::check(c); }

  static void describe(const Config& c, Spec& spec) {
    spec.help = "mazes of every kind, fresh every episode; objects, what is rewarded, sight and moves are options";
    const int64_t side = sight_side(c), cells = c.num_cells(), size = c.size;
    if (c.rays) {
      spec.observation = {{"rays",
                           Dtype::kInt32,
                           {4},
                           0,
                           double(size - 1),
                           0,
                           "cells one can go: up, right, down, left; or ahead, right, back, left"},
                          {"ray_object",
                           Dtype::kInt32,
                           {4},
                           0,
                           double(c.objects),
                           c.objects + 1,
                           "the first object on each ray, from 1; 0: none"}};
    } else {
      const int kinds = c.door ? 6 : c.view ? 3 : 4;
      spec.observation = {{"view",
                           Dtype::kUint8,
                           {side, side},
                           0,
                           double(kinds - 1),
                           kinds,
                           "tile kinds: 0 wall, 1 floor, 2 object (the goal), 3 agent (whole grid only; else it is the "
                           "centre), 4 locked door, 5 key; with facing moves a window's top is ahead"}};
      if (c.shows_kinds()) {
        spec.observation.push_back({"colour", Dtype::kUint8, {side, side}, 0, 8, 9, "of objects, from 1; 0: none"});
        spec.observation.push_back({"shape", Dtype::kUint8, {side, side}, 0, 8, 9, "of objects, from 1; 0: none"});
      }
      if (c.moves == Config::kFacing && !c.view)
        spec.observation.push_back({"heading", Dtype::kInt32, {1}, 0, 3, 4, "0 up, 1 right, 2 down, 3 left"});
    }
    if (c.cue)
      spec.observation.push_back(
          {"cue", Dtype::kFloat32, {c.objects}, -1000, 1000, 0, "rewards of the objects in force"});
    const int64_t actions = c.moves == Config::kFacing ? 3 : 4;
    spec.actions = c.moves == Config::kFacing ? std::vector<std::string>{"forward", "turn left", "turn right"}
                                              : std::vector<std::string>{"up", "right", "down", "left"};
    if (c.noop) spec.actions.push_back("stay");
    spec.oracle = {
        {"goal_distance",
         Dtype::kInt32,
         {1},
         -1,
         double(MazeAim::kFar),
         0,
         "actions to go to the end of the best way (see optimal_actions); -1: there is none; between objects to "
         "collect, cells"},
        {"optimal_actions",
         Dtype::kBool,
         {actions + c.noop},
         0,
         1,
         0,
         "which actions shorten the way: to an object of the greatest reward that can be reached before another "
         "ends the trial; to collect, along a shortest route through all of positive reward"}};
    if (!c.plain) {
      spec.oracle.push_back({"optimal_return",
                             Dtype::kFloat32,
                             {1},
                             -kUnbounded,
                             kUnbounded,
                             0,
                             "reward to come in this trial along the best way; to collect, objects of negative reward "
                             "on it are not counted"});
      spec.oracle.push_back({"object_distances",
                             Dtype::kInt32,
                             {c.objects},
                             -1,
                             double(cells - 1),
                             0,
                             "cells to each object; -1: no way, or it is gone"});
      spec.oracle.push_back({"decision_square",
                             Dtype::kBool,
                             {1},
                             0,
                             1,
                             0,
                             "whether the shortest ways to the first two objects part here"});
      spec.oracle.push_back(
          {"on_path", Dtype::kBool, {size, size}, 0, 1, 0, "cells of the best way, from the agent on"});
      spec.oracle.push_back(
          {"visited", Dtype::kBool, {size, size}, 0, 1, 0, "cells the agent has been on in this trial"});
    }
    const int64_t limit = c.trial_steps ? c.trial_steps : 4 * cells;
    spec.max_episode_steps = limit * c.trials + c.thinking_steps;
    using List = OptionList;
    const List two{0.5, -0.25};
    spec.variants = {
        {{"size", int64_t{4}}},
        {{"size", int64_t{3}}, {"view", int64_t{3}}, {"trials", int64_t{3}}, {"trial_steps", int64_t{11}}},
        {{"size", int64_t{5}}, {"view", int64_t{0}}, {"min_distance", int64_t{6}}, {"step_reward", -0.01}},
        {{"size", int64_t{15}}, {"view", int64_t{15}}, {"goal_reward", 2.5}},
        {{"size", int64_t{64}}, {"view", int64_t{9}}},
        {{"size", int64_t{5}},
         {"objects", int64_t{2}},
         {"rewards", two},
         {"objective", "permuted"},
         {"cue", true},
         {"swap_step", int64_t{9}},
         {"algorithm", "wilson"},
         {"ends", "any"},
         {"view", int64_t{7}}},
        {{"size", int64_t{6}},
         {"objects", int64_t{5}},
         {"ends", "collect"},
         {"objective", "signs"},
         {"braid", 0.5},
         {"view", int64_t{0}},
         {"slip", 0.25},
         {"trials", int64_t{2}},
         {"relayout", true},
         {"trial_steps", int64_t{25}},
         {"shapes", List{int64_t{0}, int64_t{1}, int64_t{2}, int64_t{0}, int64_t{1}}},
         {"places", List{"anywhere", "dead_ends", "corner", "anywhere", "anywhere"}},
         {"region", int64_t{2}}},
        {{"size", int64_t{4}},
         {"objects", int64_t{3}},
         {"ends", "never"},
         {"objective", "uniform"},
         {"algorithm", "percolation"},
         {"p", 0.6},
         {"moves", "facing"},
         {"noop", true},
         {"teleport_step", int64_t{6}},
         {"trial_steps", int64_t{20}},
         {"view", int64_t{5}}},
        {{"size", int64_t{6}},
         {"door", true},
         {"moves", "facing"},
         {"view", int64_t{0}},
         {"min_distance", int64_t{4}},
         {"thinking_steps", int64_t{3}}},
        {{"size", int64_t{5}},
         {"door", true},
         {"rays", true},
         {"objects", int64_t{2}},
         {"objective", "one"},
         {"noop", true}},
        {{"size", int64_t{7}},
         {"routes", int64_t{2}},
         {"min_distance", int64_t{3}},
         {"algorithm", "kruskal"},
         {"places", List{"fixed"}},
         {"cells", List{int64_t{6}}},
         {"rays", true},
         {"moves", "facing"}},
    };
  }

  // Tail: objects and rewards, the picture; for the oracle, actions to go from everywhere, then the cells visited.
  MESA_HD static bool is_thin(const Config& c) { return c.plain && !c.oracle; }
  static Needs needs(const Config& c) {
    const int64_t placing = MazeTask::scratch_bytes(c), knowing = c.oracle ? MazeAim::scratch_bytes(c) : 0;
    Needs needs;
    needs.reset_scratch = std::max(std::max(layout_scratch_bytes(c.layout), placing) + lattice_bytes(c), knowing);
    if (!c.plain) needs.step_scratch = needs.reset_scratch;
    needs.wide = (c.view == 0 && !c.rays) || (c.oracle && !c.plain);
    return needs;
  }
  MESA_HD static int64_t lattice_bytes(const Config& c) {
    return Scratch::bytes_for<uint8_t>(Lattice::bytes_of(c.size, c.size));
  }
  MESA_HD static Lattice lattice(const Config& c, Scratch& scratch) {
    return {scratch.take<uint8_t>(Lattice::bytes_of(c.size, c.size)), c.size, c.size};
  }
  MESA_HD static int64_t tail_bytes(const Config& c) {
    const int64_t aim = 2 * MazeAim::entries(c);
    return MazeTiles::at(c) + MazeTiles::bytes(c) + (c.oracle ? aim + (c.plain ? 0 : c.num_cells()) : 0);
  }
  MESA_HD static uint16_t* distances(const Config& c, State& s) {
    return tail_of<uint16_t>(s, MazeTiles::at(c) + MazeTiles::bytes(c));
  }
  MESA_HD static uint8_t* visited(const Config& c, State& s) {
    return tail_of<uint8_t>(s, MazeTiles::at(c) + MazeTiles::bytes(c) + 2 * MazeAim::entries(c));
  }
  MESA_HD static int64_t sight_side(const Config& c) { return c.view ? c.view : MazeTiles::side_in_tiles(c); }

  // A new maze and its places. A redrawn layout is that of a seed of its own.
  MESA_HD_RARE static void begin_task(const Config& c, State& s, const Key& key, const uint8_t* level,
                                      Scratch scratch) {
    const Lattice maze = lattice(c, scratch);
    const Key layout_key{key.seed ^ static_cast<uint64_t>(s.trial) * 0x9E3779B97F4A7C15ull, key.stream, key.episode};
    const MazeTask task{c, s, key};
    int32_t given[2] = {-1, -1};  // start and goal
    if (level) {
      memcpy(maze.bits, level, static_cast<size_t>(maze.bytes()));
      memcpy(given, level + maze.bytes(), sizeof given);
    } else {
      lay_out(c.layout, layout_key, maze, scratch, &c.table);
    }
    if (given[0] >= 0) {
      task.place_as_given(given[0], given[1]);
    } else if (c.plain && !level) {
      task.place_plainly(maze, scratch);
    } else {
      task.place(maze, scratch);
    }
    MazeTiles::paint(c, s, maze);
    for (int k = 0; k < c.objects; ++k) first_object_of(c, s, k) = object_of(s, k);
  }
  // What is worth reaching, or how to get there, has changed: the oracle is to find its ways anew.
  MESA_HD static void look_again(const Config& c, State& s) { s.ways_are_old = c.oracle; }
  MESA_HD_RARE static void replace_objects(const Config& c, State& s, const Key& key, int only, Scratch scratch) {
    const Lattice maze = lattice(c, scratch);
    MazeTiles::to_lattice(c, s, maze);
    const MazeTask task{c, s, key};
    uint8_t* about = task.survey(maze, scratch);
    const auto take = [&](int row, int col) { about[row * c.size + col] |= MazeTask::kIsTaken; };
    take(s.row, s.col);
    if (s.door_closed) take(s.door_row, s.door_col);
    if (s.key_there) take(s.key_row, s.key_col);
    Rng rng = task.placing_rng();
    if (only < 0) {
      task.place_objects(about, rng, true);
      return;
    }
    for (int k = 0; k < c.objects; ++k)
      if (object_of(s, k).present) take(object_of(s, k).row, object_of(s, k).col);
    task.place_object(only, about, rng);
  }

  MESA_HD static void begin_walk(const Config& c, State& s) {
    if (!c.oracle || c.plain) return;
    memset(visited(c, s), 0, static_cast<size_t>(c.num_cells()));
    visited(c, s)[s.row * c.size + s.col] = 1;
  }

  // A level: the maze's bits, then start and goal as cell numbers, both -1 where they are to be drawn.
  MESA_HD static int64_t level_bytes(const Config& c) { return Lattice::bytes_of(c.size, c.size) + 8; }

  MESA_HD static void reset(const Config& c, State& s, const Key& key, const uint8_t* level, Scratch scratch) {
    s = State{};
    for (int k = 0; k < c.objects; ++k) object_of(s, k) = MazeObject{};
    MazeTask{c, s, key}.draw_objective(0);
    begin_task(c, s, key, level, scratch);
    begin_walk(c, s);
    look_again(c, s);
  }

  MESA_HD static bool can_go(const Config& c, const State& s, int direction) {
    if (!MazeTiles::can_go(c, s, s.row, s.col, direction)) return false;
    return !(s.door_closed && s.row + row_step(direction) == s.door_row && s.col + col_step(direction) == s.door_col);
  }
  MESA_HD static void go(const Config& c, State& s, int direction) {
    const int moves = can_go(c, s, direction);
    s.row = static_cast<uint8_t>(s.row + moves * row_step(direction));
    s.col = static_cast<uint8_t>(s.col + moves * col_step(direction));
  }

  MESA_HD static bool ended(const Config& c, const State& s) { return s.trial >= c.trials; }
  MESA_HD static Outcome step(const Config& c, State& s, int32_t action, const Key& key, Scratch scratch) {
    return c.plain ? step_plainly(c, s, action) : step_with_options(c, s, action, key, scratch);
  }
  MESA_HD static Outcome step_plainly(const Config& c, State& s, int32_t action) {
    const int moves = MazeTiles::can_go(c, s, s.row, s.col, action);
    s.row = static_cast<uint8_t>(s.row + moves * row_step(action));
    s.col = static_cast<uint8_t>(s.col + moves * col_step(action));
    ++s.trial_step;
    const bool reached = s.row == object_of(s, 0).row && s.col == object_of(s, 0).col;
    const float reward = static_cast<float>(reached ? c.step_reward + c.goal_reward : c.step_reward);
    const bool trial_over = reached || s.trial_step == c.trial_steps;
    if (!trial_over) return {reward, false, false};
    ++s.trial;
    const bool terminated = ended(c, s);
    if (!terminated) {  // the last trial's end stays to be seen
      s.row = s.start_row;
      s.col = s.start_col;
      s.trial_step = 0;
    }
    return {reward, terminated, true};
  }

  MESA_HD_RARE static Outcome step_with_options(const Config& c, State& s, int32_t action, const Key& key,
                                                Scratch scratch) {
    ++s.step;
    bool changed = false;  // what is worth reaching, or how to get there
    if (c.swap_step && s.step == c.swap_step) {
      MazeTask{c, s, key}.draw_objective(1);
      changed = true;
    }
    if (s.step <= c.thinking_steps) {
      if (changed) look_again(c, s);
      return {0.0f, false, false};
    }
    ++s.trial_step;
    move(c, s, action, key);
    if (c.oracle) visited(c, s)[s.row * c.size + s.col] = 1;
    if (s.key_there && s.row == s.key_row && s.col == s.key_col) {
      s.key_there = s.door_closed = 0;
      changed = true;
    }
    double reward = c.step_reward;
    bool over = s.trial_step == c.trial_steps;
    for (int k = 0; k < c.objects; ++k) {
      if (!object_of(s, k).present || s.row != object_of(s, k).row || s.col != object_of(s, k).col) continue;
      reward += c.goal_reward * double{value_of(c, s, k)};
      if (c.ends == Config::kAny || (c.ends == Config::kGoal && value_of(c, s, k) > 0)) over = true;
      if (c.ends == Config::kCollect) object_of(s, k).present = 0;
      if (c.ends == Config::kNever) replace_objects(c, s, key, k, scratch);
      changed = changed || c.ends >= Config::kCollect;
      break;  // a cell holds one object
    }
    if (c.ends == Config::kCollect && nothing_left(c, s)) over = true;
    if (!over && c.teleport_step && s.trial_step == c.teleport_step) {
      replace_objects(c, s, key, -1, scratch);
      changed = true;
    }
    if (!over) {
      if (changed) look_again(c, s);
      return {static_cast<float>(reward), false, false};
    }
    ++s.trial;
    const bool terminated = ended(c, s);
    if (terminated) {
      look_again(c, s);  // from where the episode ended
    } else {
      next_trial(c, s, key, scratch);
    }
    return {static_cast<float>(reward), terminated, true};
  }
  MESA_HD static void move(const Config& c, State& s, int32_t action, const Key& key) {
    const int32_t moves = c.moves == Config::kFacing ? 3 : 4;
    if (c.slip > 0.0) {
      const Block block = key.block(Purpose::kStep, static_cast<uint32_t>(s.step));
      if (block.word[0] < c.slip_threshold)
        action = static_cast<int32_t>(uint64_t{block.word[1]} * static_cast<uint32_t>(moves) >> 32);
    }
    if (action >= moves) return;
    if (c.moves == Config::kCompass) {
      go(c, s, action);
    } else if (action == 0) {
      go(c, s, s.heading);
    } else {
      s.heading = static_cast<uint8_t>((s.heading + (action == 1 ? 3 : 1)) & 3);
    }
  }
  MESA_HD static bool nothing_left(const Config& c, const State& s) {
    for (int k = 0; k < c.objects; ++k)
      if (object_of(s, k).present && value_of(c, s, k) > 0) return false;
    return true;
  }
  // The same maze and places again, or all anew.
  MESA_HD_RARE static void next_trial(const Config& c, State& s, const Key& key, Scratch scratch) {
    s.trial_step = 0;
    if (c.relayout) {
      s.has_door = s.door_closed = s.key_there = 0;
      begin_task(c, s, key, nullptr, scratch);
    } else {
      s.row = s.start_row;
      s.col = s.start_col;
      s.heading = s.start_heading;
      for (int k = 0; k < c.objects; ++k) object_of(s, k) = first_object_of(c, s, k);
      s.door_closed = s.key_there = s.has_door;
    }
    begin_walk(c, s);
    look_again(c, s);
  }

  // Where a tile of the picture stands in what is seen: turned with a facing agent's window.
  struct Sight {
    int64_t top, left, side;
    int turned;  // quarter turns

    // Of the square's top-left tile, and from one to the tile below and to the right of it.
    MESA_HD int64_t first() const {
      const int64_t last = side - 1;
      return (turned == 1 || turned == 2 ? last * side : 0) + (turned > 1 ? last : 0);
    }
    MESA_HD int64_t down() const { return turned == 0 ? side : turned == 1 ? 1 : turned == 2 ? -side : -1; }
    MESA_HD int64_t right() const { return turned == 0 ? 1 : turned == 1 ? -side : turned == 2 ? -1 : side; }
    MESA_HD int64_t place(int64_t tile_row, int64_t tile_col) const {  // -1: not seen
      const int64_t y = tile_row - top, x = tile_col - left;
      if (y < 0 || y >= side || x < 0 || x >= side) return -1;
      return first() + y * down() + x * right();
    }
  };
  MESA_HD static Sight sight(const Config& c, const State& s) {
    if (!c.view) return {0, 0, MazeTiles::side_in_tiles(c), 0};
    return {MazeTiles::tile_of(c, s.row) - c.view / 2, MazeTiles::tile_of(c, s.col) - c.view / 2, c.view,
            c.moves == Config::kFacing ? s.heading : 0};
  }

  template <class Lanes>
  MESA_HD static void observe(const Config& c, const State& s, const Row& row, const Lanes& lanes) {
    if (c.plain) {
      observe_plainly(c, s, row, lanes);
    } else {
      observe_with_options(c, s, row, lanes);
    }
  }
  template <class Lanes>
  MESA_HD static void observe_plainly(const Config& c, const State& s, const Row& row, const Lanes& lanes) {
    uint8_t* out = row.field<uint8_t>(0);
    const Sight seen = sight(c, s);
    MazeTiles::write_square(c, s, seen.top, seen.left, seen.side, out, lanes);
    if (!lanes.leads()) return;
    const int64_t goal =
        seen.place(MazeTiles::tile_of(c, object_of(s, 0).row), MazeTiles::tile_of(c, object_of(s, 0).col));
    if (goal >= 0) out[goal] = kGoal;
    if (!c.view) out[MazeTiles::tile_of(c, s.row) * seen.side + MazeTiles::tile_of(c, s.col)] = kAgent;
  }
  template <class Lanes>
  MESA_HD_RARE static void observe_with_options(const Config& c, const State& s, const Row& row, const Lanes& lanes) {
    int field = 0;
    if (c.rays) {
      if (lanes.leads()) observe_rays(c, s, row.field<int32_t>(0), row.field<int32_t>(1));
      field = 2;
    } else {
      const Sight seen = sight(c, s);
      uint8_t* view = row.field<uint8_t>(field++);
      uint8_t* colour = c.shows_kinds() ? row.field<uint8_t>(field++) : nullptr;
      uint8_t* shape = c.shows_kinds() ? row.field<uint8_t>(field++) : nullptr;
      const int64_t tiles = seen.side * seen.side;
      if (!seen.turned) {
        MazeTiles::write_square(c, s, seen.top, seen.left, seen.side, view, lanes);
      } else {
        const int64_t side = seen.side, down = seen.down(), right = seen.right();
        for (int64_t y = lanes.lane(); y < side; y += lanes.size()) {
          const uint64_t bits = MazeTiles::from(c, s, seen.top + y, seen.left);  // a window is not wider than 57
          uint8_t* at = view + seen.first() + y * down;
          for (int64_t x = 0; x < side; ++x, at += right) *at = bits >> x & 1;
        }
      }
      for (int64_t i = lanes.lane(); i < tiles && colour; i += lanes.size()) colour[i] = shape[i] = 0;
      lanes.sync();
      if (!lanes.leads()) return;
      const auto place = [&](int r, int col) {
        return seen.place(MazeTiles::tile_of(c, r), MazeTiles::tile_of(c, col));
      };
      const auto draw = [&](int r, int col, uint8_t kind) {
        const int64_t at = place(r, col);
        if (at >= 0) view[at] = kind;
      };
      for (int k = 0; k < c.objects; ++k) {
        if (!object_of(s, k).present) continue;
        draw(object_of(s, k).row, object_of(s, k).col, kGoal);
        const int64_t at = place(object_of(s, k).row, object_of(s, k).col);
        if (at < 0 || !colour) continue;
        colour[at] = static_cast<uint8_t>(1 + c.colours.value[k]);
        shape[at] = static_cast<uint8_t>(1 + c.shapes.value[k]);
      }
      if (s.door_closed) draw(s.door_row, s.door_col, kDoor);
      if (s.key_there) draw(s.key_row, s.key_col, kKey);
      if (!c.view) draw(s.row, s.col, kAgent);
      if (c.moves == Config::kFacing && !c.view) *row.field<int32_t>(field++) = s.heading;
    }
    if (c.cue && lanes.leads())
      for (int k = 0; k < c.objects; ++k) row.field<float>(field)[k] = value_of(c, s, k);
  }
  MESA_HD static void observe_rays(const Config& c, const State& s, int32_t* rays, int32_t* object) {
    for (int ray = 0; ray < 4; ++ray) {
      const int direction = (ray + (c.moves == Config::kFacing ? s.heading : 0)) & 3;
      rays[ray] = object[ray] = 0;
      int r = s.row, col = s.col;
      while (MazeTiles::can_go(c, s, r, col, direction)) {
        r += row_step(direction);
        col += col_step(direction);
        if (s.door_closed && r == s.door_row && col == s.door_col) break;
        ++rays[ray];
        for (int k = 0; k < c.objects && !object[ray]; ++k)
          if (object_of(s, k).present && object_of(s, k).row == r && object_of(s, k).col == col) object[ray] = k + 1;
      }
    }
  }

  template <class Lanes>
  MESA_HD static void oracle(const Config& c, State& s, const Row& row, const Lanes& lanes, Scratch scratch) {
    if (s.ways_are_old) {
      MazeAim{c, s, distances(c, s)}.aim(lanes, scratch);
      if (lanes.leads()) s.ways_are_old = 0;
    }
    if (lanes.leads()) oracle_of_ways(c, s, row);
    lanes.sync();
    if (!c.plain) oracle_with_options(c, s, row, lanes, scratch);
  }
  MESA_HD static void oracle_of_ways(const Config& c, State& s, const Row& row) {
    const uint16_t* distance = distances(c, s);
    const int cell = s.row * c.size + s.col;
    uint8_t* optimal = row.field<uint8_t>(1);
    if (c.moves == Config::kCompass) {
      row.field<int32_t>(0)[0] = distance[cell] == MazeAim::kFar ? -1 : distance[cell];
      for (int d = 0; d < 4; ++d)
        optimal[d] = can_go(c, s, d) && distance[cell + row_step(d) * c.size + col_step(d)] < distance[cell];
    } else {
      const int h = s.heading, ahead = cell + row_step(h) * c.size + col_step(h);
      const uint16_t here = distance[cell * 4 + h];
      row.field<int32_t>(0)[0] = here == MazeAim::kFar ? -1 : here;
      optimal[0] = can_go(c, s, h) && distance[ahead * 4 + h] < here;
      optimal[1] = distance[cell * 4 + ((h + 3) & 3)] < here;
      optimal[2] = distance[cell * 4 + ((h + 1) & 3)] < here;
    }
    if (c.noop) optimal[c.moves == Config::kFacing ? 3 : 4] = 0;
  }
  template <class Lanes>
  MESA_HD_RARE static void oracle_with_options(const Config& c, State& s, const Row& row, const Lanes& lanes,
                                               Scratch scratch) {
    const MazeAim aim{c, s, distances(c, s)};
    const MazeAim::Board board = aim.board(lanes, scratch);
    uint16_t* steps = scratch.take<uint16_t>(c.num_cells());
    const int here = s.row * c.size + s.col;
    int first[2] = {-1, -1};
    for (int k = 0; k < c.objects; ++k) {
      aim.clear(lanes, steps, c.num_cells());
      if (object_of(s, k).present) aim.spread(lanes, board, aim.object_cell(k), 0, steps, false);
      if (lanes.leads()) row.field<int32_t>(3)[k] = steps[here] == MazeAim::kFar ? -1 : steps[here];
      for (int d = 3; d >= 0 && k < 2; --d)
        if ((board.exits[here] >> d & 1) && steps[here + row_step(d) * c.size + col_step(d)] < steps[here])
          first[k] = d;
      lanes.sync();  // all have read them
    }
    if (!lanes.leads()) return;
    *row.field<uint8_t>(4) = first[0] >= 0 && first[1] >= 0 && first[0] != first[1];
    const int end = mark_path(c, s, row.field<uint8_t>(5));
    row.field<float>(2)[0] = best_return(c, s, row.field<int32_t>(0)[0], row.field<uint8_t>(5), end);
    memcpy(row.field<uint8_t>(6), visited(c, s), static_cast<size_t>(c.num_cells()));
  }
  // The reward of the best way: its steps, and the objects on it; to collect, all of positive reward, since the way is
  // known to the first of them only; to a key, the best object there is. Cut off where the trial's steps end.
  MESA_HD static float best_return(const Config& c, const State& s, int32_t to_go, const uint8_t* on_path, int end) {
    const int32_t left = c.trial_steps ? c.trial_steps - s.trial_step : INT32_MAX;
    if (to_go <= 0) return 0.0f;
    if (to_go > left) return static_cast<float>(c.step_reward * left);
    double reward = c.step_reward * to_go, best = 0.0;
    bool at_end = false;
    for (int k = 0; k < c.objects; ++k) {
      const MazeObject& object = object_of(s, k);
      if (!object.present) continue;
      const int cell = object.row * c.size + object.col;
      const double value = double{value_of(c, s, k)};
      at_end = at_end || cell == end;
      if (value > best) best = value;
      const bool counts = c.ends == Config::kCollect ? value > 0 : on_path[cell] && cell != s.row * c.size + s.col;
      if (counts) reward += c.goal_reward * value;
    }
    if (!at_end && c.ends != Config::kCollect) reward += c.goal_reward * best;
    return static_cast<float>(reward);
  }
  // The cell it ends in.
  MESA_HD static int mark_path(const Config& c, const State& s, uint8_t* on_path) {
    State at = s;  // walks ahead; its tail is not its own, so the picture and distances are the slot's
    const uint16_t* distance = distances(c, const_cast<State&>(s));
    memset(on_path, 0, static_cast<size_t>(c.num_cells()));
    for (;;) {
      const int cell = at.row * c.size + at.col;
      on_path[cell] = 1;
      const bool facing = c.moves == Config::kFacing;
      const uint16_t here = facing ? distance[cell * 4 + at.heading] : distance[cell];
      if (here == 0 || here == MazeAim::kFar) return cell;
      bool went = false;
      for (int d = 0; d < 4 && !went; ++d) {
        if (facing && d != at.heading) continue;
        if (!MazeTiles::can_go(c, s, at.row, at.col, d)) continue;
        const int next = cell + row_step(d) * c.size + col_step(d);
        if ((facing ? distance[next * 4 + d] : distance[next]) >= here) continue;
        at.row = static_cast<uint8_t>(at.row + row_step(d));
        at.col = static_cast<uint8_t>(at.col + col_step(d));
        went = true;
      }
      for (int turn = 1; turn <= 3 && facing && !went; turn += 2) {
        const int h = (at.heading + turn) & 3;
        if (distance[cell * 4 + h] >= here) continue;
        at.heading = static_cast<uint8_t>(h);
        went = true;
      }
      if (!went) return cell;
    }
  }

  static bool valid(const Config& c, const State& s) {
    const int cells[] = {s.row, s.col, s.start_row, s.start_col, s.door_row, s.door_col, s.key_row, s.key_col};
    for (const int cell : cells)
      if (cell >= c.size) return false;
    for (int k = 0; k < c.objects; ++k) {
      const MazeObject& object = object_of(s, k);
      const MazeObject& first = tail_of<MazeObject>(s, 8 * int64_t{c.objects})[k];
      if (object.row >= c.size || object.col >= c.size || object.present > 1) return false;
      if (first.row >= c.size || first.col >= c.size || first.present > 1) return false;
    }
    if (s.heading > 3 || s.start_heading > 3 || s.has_door > 1 || s.door_closed > 1 || s.key_there > 1 || s.step < 0 ||
        s.ways_are_old || s.placings < 0)
      return false;
    if (s.trial < 0 || s.trial > c.trials || s.trial_step < 0) return false;
    // No way out: the outermost tiles and the border around them are wall.
    const int64_t edge = MazeTiles::border(c), side = MazeTiles::side_in_tiles(c), whole = side + 2 * edge;
    for (int64_t y = 0; y < whole; ++y) {
      for (int64_t x = 0; x < whole; ++x) {
        const bool inside = y > edge && y < edge + side - 1 && x > edge && x < edge + side - 1;
        if (!inside && (MazeTiles::from(c, s, y, x) & 1)) return false;
      }
    }
    return true;
  }

  static Picture picture(const Config& c, State& s) {
    const Tile wall{'#', 60, 60, 70}, floor{' ', 245, 245, 240}, agent{'A', 60, 110, 220};
    const Tile door{'D', 120, 80, 40}, its_key{'K', 240, 190, 40};
    const uint8_t colours[8][3] = {{220, 60, 60},  {60, 170, 90},   {240, 150, 40}, {150, 90, 200},
                                   {40, 170, 190}, {230, 110, 170}, {130, 130, 40}, {100, 100, 100}};
    const int64_t side = MazeTiles::side_in_tiles(c), edge = MazeTiles::border(c);
    Picture picture(side, side, wall);
    for (int64_t y = 0; y < side; ++y)
      for (int64_t x = 0; x < side; ++x)
        if (MazeTiles::from(c, s, y + edge, x + edge) & 1) picture.at(y, x) = floor;
    for (int k = 0; k < c.objects; ++k) {
      if (!object_of(s, k).present) continue;
      const uint8_t* rgb = colours[c.colours.value[k]];
      const char letter = c.shows_kinds() ? static_cast<char>('a' + c.shapes.value[k]) : 'G';
      picture.at(2 * object_of(s, k).row + 1, 2 * object_of(s, k).col + 1) = {letter, rgb[0], rgb[1], rgb[2]};
    }
    if (s.door_closed) picture.at(2 * s.door_row + 1, 2 * s.door_col + 1) = door;
    if (s.key_there) picture.at(2 * s.key_row + 1, 2 * s.key_col + 1) = its_key;
    picture.at(2 * s.row + 1, 2 * s.col + 1) = agent;
    return picture;
  }
};

// The same world as far as steps of a plain config go, which is all that a kernel of its own holds.
struct PlainMaze : Maze {
  MESA_HD static Outcome step(const Config& c, State& s, int32_t action, const Key&, Scratch) {
    return step_plainly(c, s, action);
  }
  template <class Lanes>
  MESA_HD static void observe(const Config& c, const State& s, const Row& row, const Lanes& lanes) {
    observe_plainly(c, s, row, lanes);
  }
  template <class Lanes>
  MESA_HD static void oracle(const Config&, State&, const Row&, const Lanes&, Scratch) {}  // a thin config has none
};

static_assert(Maze::kWall == kTileWall && Maze::kFloor == kTileFloor && Maze::kGoal == kTileGoal &&
                  Maze::kAgent == kTileAgent,
              "reference agents know the tiles");

}  // namespace mesa
