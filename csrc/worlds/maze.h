// Maze: a perfect maze drawn anew for every task; the agent walks from a start to a goal, `trials` times in the same
// maze, and sees a square of tiles around it or the whole grid. Tiles are the usual (2r+1) x (2c+1) picture of a
// lattice maze: cells and open passages are floor, the rest wall; one action moves one cell, which is two tiles.
#pragma once
#include <cstring>

#include "../core/batch.h"
#include "../core/spec.h"
#include "../maze/algorithms.h"
#include "../maze/breadth_first.h"

namespace mesa {

struct Maze {
  static constexpr const char* kId = "Maze-v0";
  static constexpr int kScratchBytes = 72 * 1024;
  static constexpr int kMaxSide = 64;  // cells; a slot holds its maze's picture
  enum TileKind : uint8_t { kWall = 0, kFloor = 1, kGoal = 2, kAgent = 3 };

  struct Config {
    bool oracle = false;  // set by the engine
    int32_t size = 8, view = 5, trials = 1, trial_steps = 0, min_distance = 1;
    double step_reward = 0.0, goal_reward = 1.0;
  };
  template <class Visitor>
  static void options(Visitor& v, Config& c) {
    v.integer("size", c.size, 3, kMaxSide, "cells a side");
    v.integer("view", c.view, 0, 15,
              "side of the square of tiles seen around the agent, odd from 3; 0: the whole grid");
    v.integer("trials", c.trials, 1, 1000, "walks from start to goal in one maze; they make one episode");
    v.integer("trial_steps", c.trial_steps, 0, 1000000, "steps after which a trial ends without the goal; 0: no limit");
    v.integer("min_distance", c.min_distance, 1, 2 * (kMaxSide - 1),
              "least number of steps from start to goal, at most 2 * (size - 1)");
    v.real("step_reward", c.step_reward, -1000.0, 1000.0, "reward of every step");
    v.real("goal_reward", c.goal_reward, -1000.0, 1000.0, "added on reaching the goal");
  }
  static void check(const Config& c) {
    if (c.view == 1 || (c.view > 0 && c.view % 2 == 0))
      throw std::invalid_argument("view: got " + std::to_string(c.view) + ", allowed: 0 or an odd number from 3 to 15");
    if (c.min_distance > 2 * (c.size - 1))  // opposite corners are never nearer, so up to here a pair always exists
      throw std::invalid_argument("min_distance: got " + std::to_string(c.min_distance) + ", allowed: 1 to " +
                                  std::to_string(2 * (c.size - 1)) + " with size=" + std::to_string(c.size));
  }
  static void describe(const Config& c, Spec& spec) {
    spec.help = "perfect maze (recursive backtracker), fresh every episode, start and goal uniform over cells";
    const int64_t side = c.view ? c.view : side_in_tiles(c);
    spec.observation = {{"view",
                         Dtype::kUint8,
                         {side, side},
                         0,
                         c.view ? 2.0 : 3.0,
                         c.view ? 3 : 4,
                         "tile kinds: 0 wall, 1 floor, 2 goal, 3 agent (whole grid only; else it is the centre)"}};
    spec.oracle = {{"goal_distance", Dtype::kInt32, {1}, 0, double(c.size * c.size - 1), 0, "steps to the goal"},
                   {"optimal_actions", Dtype::kBool, {4}, 0, 1, 0, "which actions shorten the way to the goal"}};
    spec.actions = {"up", "right", "down", "left"};
    const int64_t limit = c.trial_steps ? c.trial_steps : 4 * int64_t{c.size} * c.size;
    spec.max_episode_steps = limit * c.trials;
    spec.variants = {{{"size", int64_t{4}}},
                     {{"size", int64_t{3}}, {"view", int64_t{3}}, {"trials", int64_t{3}}, {"trial_steps", int64_t{11}}},
                     {{"size", int64_t{5}}, {"view", int64_t{0}}, {"min_distance", int64_t{6}}, {"step_reward", -0.01}},
                     {{"size", int64_t{15}}, {"view", int64_t{15}}, {"goal_reward", 2.5}},
                     {{"size", int64_t{64}}, {"view", int64_t{9}}}};
  }

  struct State {
    uint8_t row, col, start_row, start_col, goal_row, goal_col, unused[2];  // cells
    int32_t trial, trial_step;
  };
  static_assert(sizeof(State) == 16 && std::is_trivially_copyable_v<State>);

  // Tail: the picture of the maze, a bit a tile (1: floor), with a border of wall so that no view leaves it; then, for
  // the oracle, the distance of every cell to the goal.
  MESA_HD static int64_t side_in_tiles(const Config& c) { return 2 * int64_t{c.size} + 1; }
  MESA_HD static int64_t border(const Config& c) { return c.view ? c.view / 2 - 1 : 0; }
  MESA_HD static int64_t picture_row_bytes(const Config& c) { return (side_in_tiles(c) + 2 * border(c) + 7) / 8; }
  MESA_HD static int64_t picture_bytes(const Config& c) {
    const int64_t rows = side_in_tiles(c) + 2 * border(c);
    return (picture_row_bytes(c) * rows + 8 + 1) / 2 * 2;  // 8: a row is read and written a word at a time
  }
  MESA_HD static int64_t tail_bytes(const Config& c) {
    return picture_bytes(c) + (c.oracle ? 2 * int64_t{c.size} * c.size : 0);
  }
  MESA_HD static uint16_t* distances(const Config& c, State& s) { return tail_of<uint16_t>(s, picture_bytes(c)); }
  // Where a cell's own tile lies, in rows or columns of the picture.
  MESA_HD static int64_t tile_of(const Config& c, int cell) { return 2 * cell + 1 + border(c); }

  // The 57 tiles (bits) from (row, col) of the picture rightwards; bits from 57 on are not to be used.
  MESA_HD static uint64_t tiles_from(const Config& c, const State& s, int64_t row, int64_t col) {
    uint64_t word;
    memcpy(&word, tail_of<uint8_t>(s) + row * picture_row_bytes(c) + (col >> 3), sizeof word);
    return word >> (col & 7);
  }

  // Bit i of a 32-bit word moves to bit 2i.
  MESA_HD static uint64_t spread_bits(uint64_t x) {
    x = (x | x << 16) & 0x0000FFFF0000FFFFull;
    x = (x | x << 8) & 0x00FF00FF00FF00FFull;
    x = (x | x << 4) & 0x0F0F0F0F0F0F0F0Full;
    x = (x | x << 2) & 0x3333333333333333ull;
    return (x | x << 1) & 0x5555555555555555ull;
  }
  // Sets tiles (row, col + i) for every set bit i of a 32-bit number of tile pairs: floor at 2i, `between` at 2i + 1.
  MESA_HD static void paint_pairs(const Config& c, State& s, int64_t row, int64_t col, uint64_t even, uint64_t odd) {
    uint8_t* at = tail_of<uint8_t>(s) + row * picture_row_bytes(c) + (col >> 3);
    const uint64_t pairs = spread_bits(even) | spread_bits(odd) << 1;
    const int shift = static_cast<int>(col & 7);
    uint64_t word;
    memcpy(&word, at, sizeof word);
    word |= pairs << shift;
    memcpy(at, &word, sizeof word);
    if (shift) at[8] = static_cast<uint8_t>(at[8] | pairs >> (64 - shift));
  }
  MESA_HD static void paint(const Config& c, State& s, const Lattice& maze) {
    memset(tail_of<uint8_t>(s), 0, static_cast<size_t>(picture_bytes(c)));
    const uint64_t cells = c.size == 64 ? ~uint64_t{0} : (uint64_t{1} << c.size) - 1;
    for (int r = 0; r < c.size; ++r) {
      for (int half = 0; half < c.size; half += 32) {
        paint_pairs(c, s, tile_of(c, r), tile_of(c, half), cells >> half & 0xFFFFFFFFull, maze.word(1, r, half));
        paint_pairs(c, s, tile_of(c, r) + 1, tile_of(c, half), maze.word(0, r, half), 0);
      }
    }
  }

  // Goal uniform over cells, start uniform over the cells at least min_distance steps from it; a goal with no such
  // cell is drawn again.
  MESA_HD static void place(const Config& c, State& s, const Lattice& maze, const Key& key, Scratch scratch) {
    Rng rng(key, Purpose::kPlacement);
    const uint32_t cells = static_cast<uint32_t>(c.size * c.size);
    if (c.min_distance == 1) {
      const uint32_t goal = rng.below(cells), other = rng.below(cells - 1), start = other + (other >= goal);
      set_places(s, static_cast<int>(start) / c.size, static_cast<int>(start) % c.size, static_cast<int>(goal) / c.size,
                 static_cast<int>(goal) % c.size);
      return;
    }
    for (;;) {
      const uint32_t goal = rng.below(cells);
      Scratch rest = scratch;
      BreadthFirst search(maze, rest);
      int32_t near = 0;  // the queue is in the order of distance: the far cells are its last
      search.flood(static_cast<int32_t>(goal), [&](int32_t, int32_t distance) {
        near += distance < c.min_distance;
        return true;
      });
      if (near == search.reached) continue;
      const uint32_t far = static_cast<uint32_t>(search.reached - near);
      const int32_t start = search.queue[near + static_cast<int32_t>(rng.below(far))];
      set_places(s, start / c.size, start % c.size, static_cast<int>(goal) / c.size, static_cast<int>(goal) % c.size);
      return;
    }
  }
  MESA_HD static void set_places(State& s, int start_row, int start_col, int goal_row, int goal_col) {
    s.row = s.start_row = static_cast<uint8_t>(start_row);
    s.col = s.start_col = static_cast<uint8_t>(start_col);
    s.goal_row = static_cast<uint8_t>(goal_row);
    s.goal_col = static_cast<uint8_t>(goal_col);
  }

  MESA_HD static void reset(const Config& c, State& s, const Key& key) {
    s = State{};
    uint64_t bits[2 * kMaxSide], memory[kScratchBytes / 8];
    const Lattice maze{reinterpret_cast<uint8_t*>(bits), c.size, c.size};
    Layout layout;
    layout.rows = layout.cols = c.size;
    Scratch scratch{reinterpret_cast<uint8_t*>(memory)};
    lay_out(layout, key, maze, scratch);
    place(c, s, maze, key, scratch);
    paint(c, s, maze);
    if (!c.oracle) return;
    uint16_t* distance = distances(c, s);
    BreadthFirst(maze, scratch).flood(s.goal_row * c.size + s.goal_col, [&](int32_t cell, int32_t steps) {
      distance[cell] = static_cast<uint16_t>(steps);
      return true;
    });
  }

  MESA_HD static bool can_go(const Config& c, const State& s, int direction) {
    return tiles_from(c, s, tile_of(c, s.row) + row_step(direction), tile_of(c, s.col) + col_step(direction)) & 1;
  }

  MESA_HD static Outcome step(const Config& c, State& s, int32_t action, const Key&) {
    const int moves = can_go(c, s, action);
    s.row = static_cast<uint8_t>(s.row + moves * row_step(action));
    s.col = static_cast<uint8_t>(s.col + moves * col_step(action));
    ++s.trial_step;
    const bool reached = s.row == s.goal_row && s.col == s.goal_col;
    const float reward = static_cast<float>(reached ? c.step_reward + c.goal_reward : c.step_reward);
    const bool trial_over = reached || s.trial_step == c.trial_steps;
    if (!trial_over) return {reward, false, false};
    ++s.trial;
    const bool terminated = s.trial == c.trials;
    if (!terminated) {  // the last trial's end stays to be seen
      s.row = s.start_row;
      s.col = s.start_col;
      s.trial_step = 0;
    }
    return {reward, terminated, true};
  }

  // Eight bits become eight bytes of 0 or 1, the lowest first.
  MESA_HD static uint64_t bytes_of_bits(uint64_t bits) {
    const uint64_t one_each = (bits & 0xFF) * 0x0101010101010101ull & 0x8040201008040201ull;
    return (one_each + 0x7F7F7F7F7F7F7F7Full) >> 7 & 0x0101010101010101ull;
  }
  // `count` tiles from (row, col) of the picture, a byte each; `count` bytes are written and not one more.
  MESA_HD static void write_tiles(const Config& c, const State& s, int64_t row, int64_t col, int64_t count,
                                  uint8_t* out) {
    for (; count >= 8; count -= 8, col += 8, out += 8) {
      const uint64_t bytes = bytes_of_bits(tiles_from(c, s, row, col));
      memcpy(out, &bytes, 8);
    }
    const uint64_t bytes = bytes_of_bits(tiles_from(c, s, row, col));
    for (int64_t i = 0; i < count; ++i) out[i] = static_cast<uint8_t>(bytes >> (8 * i));
  }

  MESA_HD static void observe(const Config& c, const State& s, const Row& row) {
    uint8_t* out = row.field<uint8_t>(0);
    const int64_t side = c.view ? c.view : side_in_tiles(c);
    const int64_t top = c.view ? tile_of(c, s.row) - c.view / 2 : 0;
    const int64_t left = c.view ? tile_of(c, s.col) - c.view / 2 : 0;
    if (c.view && c.view <= 7) {  // whole words; each row's excess is overwritten by the next, the last row is exact
      for (int64_t y = 0; y + 1 < side; ++y) {
        const uint64_t bytes = bytes_of_bits(tiles_from(c, s, top + y, left));
        memcpy(out + y * side, &bytes, side == 3 ? 4 : 8);
      }
      write_tiles(c, s, top + side - 1, left, side, out + (side - 1) * side);
    } else {
      for (int64_t y = 0; y < side; ++y) write_tiles(c, s, top + y, left, side, out + y * side);
    }
    const int64_t goal_y = tile_of(c, s.goal_row) - top, goal_x = tile_of(c, s.goal_col) - left;
    if (goal_y >= 0 && goal_y < side && goal_x >= 0 && goal_x < side) out[goal_y * side + goal_x] = kGoal;
    if (!c.view) out[tile_of(c, s.row) * side + tile_of(c, s.col)] = kAgent;
  }

  MESA_HD static void oracle(const Config& c, State& s, const Row& row) {
    const uint16_t* distance = distances(c, s);
    const int cell = s.row * c.size + s.col;
    row.field<int32_t>(0)[0] = distance[cell];
    for (int direction = 0; direction < 4; ++direction) {
      const int next = cell + row_step(direction) * c.size + col_step(direction);
      row.field<uint8_t>(1)[direction] = can_go(c, s, direction) && distance[next] < distance[cell];
    }
  }

  static bool valid(const Config& c, const State& s) {
    const int cells[] = {s.row, s.col, s.start_row, s.start_col, s.goal_row, s.goal_col};
    for (const int cell : cells)
      if (cell >= c.size) return false;
    if (s.trial < 0 || s.trial > c.trials || s.trial_step < 0) return false;
    // No way out: the outermost tiles and the border around them are wall.
    const int64_t edge = border(c), side = side_in_tiles(c), whole = side + 2 * edge;
    for (int64_t y = 0; y < whole; ++y) {
      for (int64_t x = 0; x < whole; ++x) {
        const bool inside = y > edge && y < edge + side - 1 && x > edge && x < edge + side - 1;
        if (!inside && (tiles_from(c, s, y, x) & 1)) return false;
      }
    }
    return true;
  }

  static Picture picture(const Config& c, State& s) {
    const Tile wall{'#', 60, 60, 70}, floor{' ', 245, 245, 240}, goal{'G', 220, 60, 60}, agent{'A', 60, 110, 220};
    const int64_t side = side_in_tiles(c), edge = border(c);
    Picture picture(side, side, wall);
    for (int64_t y = 0; y < side; ++y)
      for (int64_t x = 0; x < side; ++x)
        if (tiles_from(c, s, y + edge, x + edge) & 1) picture.at(y, x) = floor;
    picture.at(2 * s.goal_row + 1, 2 * s.goal_col + 1) = goal;
    picture.at(2 * s.row + 1, 2 * s.col + 1) = agent;
    return picture;
  }
};

}  // namespace mesa
