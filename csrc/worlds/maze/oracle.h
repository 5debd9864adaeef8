// What the maze world knows and an agent must never see: actions to go, by breadth-first search from what is worth
// reaching.
#pragma once
#include "task.h"

namespace mesa {

// distance[cell], or [cell * 4 + heading] with facing moves: actions from there to the end of the way, kFar where there
// is none. What is aimed at:
//   goal, any   an object of the greatest reward in force among those that can be reached before any other that ends
//   the
//               trial;
//   never       the same, all objects passable;
//   collect     the nearest end of a shortest route through all objects of positive reward (exact with compass moves;
//   with
//               facing moves the way between objects is counted in cells).
// Behind a closed door, the key first.
struct MazeAim {
  static constexpr uint16_t kFar = 0xFFFF;

  const MazeConfig& c;
  MazeState& s;
  uint16_t* distance;

  MESA_HD static int64_t entries(const MazeConfig& c) {
    return int64_t{c.num_cells()} * (c.moves == MazeConfig::kFacing ? 4 : 1);
  }
  MESA_HD int cell_at(int row, int col) const { return row * c.size + col; }
  MESA_HD int object_cell(int k) const { return cell_at(object_of(s, k).row, object_of(s, k).col); }

  struct Board {
    uint8_t* exits;
    uint16_t* queue;
    uint8_t* wall;  // cells that end a trial, or the closed door: reached, not passed
  };
  template <class Lanes>
  MESA_HD Board board(const Lanes& lanes, Scratch& scratch) const {
    Board b{scratch.take<uint8_t>(c.num_cells()), scratch.take<uint16_t>(entries(c) + 4),
            scratch.take<uint8_t>(c.num_cells())};
    MazeTiles::exits(c, s, b.exits, lanes);
    for (int cell = lanes.lane(); cell < c.num_cells(); cell += lanes.size()) b.wall[cell] = 0;
    lanes.sync();
    return b;
  }
  MESA_HD static int64_t scratch_bytes(const MazeConfig& c) {
    return 2 * Scratch::bytes_for<uint8_t>(c.num_cells()) + Scratch::bytes_for<uint16_t>(entries(c) + 4) +
           Scratch::bytes_for<uint16_t>(c.num_cells()) + Scratch::bytes_for<uint32_t>(int64_t{8} << c.objects);
  }

  // Shortens `out` by ways to `target` that cost `offset` from there on. Cells in `wall` are not passed through.
  template <class Lanes>
  MESA_HD void spread(const Lanes& lanes, const Board& b, int target, uint32_t offset, uint16_t* out,
                      bool facing) const {
    if (lanes.leads()) spread_alone(b, target, offset, out, facing);
    lanes.sync();
  }
  MESA_HD void spread_alone(const Board& b, int target, uint32_t offset, uint16_t* out, bool facing) const {
    int32_t head = 0, tail = 0;
    const int headings = facing ? 4 : 1;
    for (int h = 0; h < headings; ++h) {
      const int32_t state = target * headings + h;
      if (offset >= out[state]) continue;
      out[state] = static_cast<uint16_t>(offset);
      b.queue[tail++] = static_cast<uint16_t>(state);
    }
    const auto reach = [&](int32_t state, uint32_t cost) {
      if (cost >= out[state]) return;
      out[state] = static_cast<uint16_t>(cost);
      b.queue[tail++] = static_cast<uint16_t>(state);  // once a state: costs come in order
    };
    for (; head < tail; ++head) {
      const int32_t state = b.queue[head], cell = state / headings, heading = state % headings;
      const uint32_t cost = out[state] + 1u;
      if (b.wall[cell] && cell != target) continue;
      if (facing && cell != target) {  // turning ends at a cell's other headings; at the target the way is over
        reach(cell * 4 + ((heading + 1) & 3), cost);
        reach(cell * 4 + ((heading + 3) & 3), cost);
      }
      for (int d = 0; d < 4; ++d) {  // from the neighbour in direction d, which goes the other way
        if (!(b.exits[cell] >> d & 1) || (facing && (d ^ 2) != heading)) continue;
        const int32_t from = cell + row_step(d) * c.size + col_step(d);
        if (b.wall[from] == 2) continue;
        reach(from * headings + heading, cost);
      }
    }
  }

  template <class Lanes>
  MESA_HD void clear(const Lanes& lanes, uint16_t* out, int64_t count) const {
    for (int64_t i = lanes.lane(); i < count; i += lanes.size()) out[i] = kFar;
    lanes.sync();
  }
  template <class Lanes>
  MESA_HD void wall_off(const Lanes& lanes, const Board& b, int cell, uint8_t how) const {
    if (lanes.leads()) b.wall[cell] = how;
    lanes.sync();
  }

  template <class Lanes>
  MESA_HD_RARE void aim(const Lanes& lanes, Scratch scratch) const {
    const Board b = board(lanes, scratch);
    const bool facing = c.moves == MazeConfig::kFacing;
    const int here = cell_at(s.row, s.col);
    clear(lanes, distance, entries(c));
    if (c.ends == MazeConfig::kCollect) {
      collect(lanes, b, facing, scratch);
      return;
    }
    one_goal(lanes, b, facing, true, scratch);
    if (!s.door_closed || distance[facing ? here * 4 + s.heading : here] != kFar) return;
    // Behind the door: to the key, and from there as if it were open.
    clear(lanes, distance, entries(c));
    one_goal(lanes, b, facing, false, scratch);
    const int key_cell = cell_at(s.key_row, s.key_col);
    uint32_t rest = kFar;
    for (int h = 0; h < (facing ? 4 : 1); ++h) {
      const uint32_t from_key = distance[facing ? key_cell * 4 + h : key_cell];
      if (from_key < rest) rest = from_key;
    }
    if (rest == kFar) return;
    lanes.sync();  // all have read it
    clear(lanes, distance, entries(c));
    wall_off(lanes, b, cell_at(s.door_row, s.door_col), 2);
    spread(lanes, b, key_cell, rest, distance, facing);
  }

  // What is worth reaching is chosen as if the door were open; `shut`: no way leads through it.
  template <class Lanes>
  MESA_HD void one_goal(const Lanes& lanes, const Board& b, bool facing, bool shut, Scratch scratch) const {
    // Objects that end a trial are walls to ways to another.
    for (int k = 0; k < c.objects; ++k) {
      const bool ends = c.ends == MazeConfig::kAny || (c.ends == MazeConfig::kGoal && value_of(c, s, k) > 0);
      if (object_of(s, k).present && ends) wall_off(lanes, b, object_cell(k), 1);
    }
    const int door = s.door_closed ? cell_at(s.door_row, s.door_col) : -1;
    if (door >= 0) wall_off(lanes, b, door, 0);
    uint16_t* from_here = scratch.take<uint16_t>(c.num_cells());
    clear(lanes, from_here, c.num_cells());
    spread(lanes, b, cell_at(s.row, s.col), 0, from_here, false);
    float best = -3.4e38f;
    for (int k = 0; k < c.objects; ++k)
      if (object_of(s, k).present && from_here[object_cell(k)] != kFar && value_of(c, s, k) > best)
        best = value_of(c, s, k);
    if (door >= 0) wall_off(lanes, b, door, shut ? 2 : 0);
    if (c.ends != MazeConfig::kAny && best <= 0.0f) return;  // nothing is worth reaching
    for (int k = 0; k < c.objects; ++k)
      if (object_of(s, k).present && value_of(c, s, k) == best) spread(lanes, b, object_cell(k), 0, distance, facing);
  }

  // A shortest route through all objects of positive reward (Held and Karp 1962, on at most eight).
  template <class Lanes>
  MESA_HD void collect(const Lanes& lanes, const Board& b, bool facing, Scratch& scratch) const {
    int which[MazeConfig::kMostObjects] = {}, count = 0;
    for (int k = 0; k < c.objects; ++k)
      if (object_of(s, k).present && value_of(c, s, k) > 0) which[count++] = k;
    if (count == 0) return;
    uint16_t apart[MazeConfig::kMostObjects][MazeConfig::kMostObjects];
    uint16_t* steps = scratch.take<uint16_t>(c.num_cells());
    for (int i = 0; i < count; ++i) {
      clear(lanes, steps, c.num_cells());
      spread(lanes, b, object_cell(which[i]), 0, steps, false);
      for (int j = 0; j < count; ++j) apart[i][j] = steps[object_cell(which[j])];
      lanes.sync();  // all have read them
    }
    // Every lane for itself, the same values to the same places. route[set * 8 + i]: fewest steps from object i through
    // all of `set`, which it is not in.
    uint32_t* route = scratch.take<uint32_t>(int64_t{8} << count);
    for (uint32_t set = 0; set < 1u << count; ++set) {
      for (int i = 0; i < count; ++i) {
        uint32_t least = set == 0 ? 0 : kFar;
        for (int j = 0; j < count; ++j) {
          if (!(set >> j & 1) || apart[i][j] == kFar) continue;
          const uint32_t cost = apart[i][j] + route[(set & ~(1u << j)) * 8 + static_cast<uint32_t>(j)];
          if (cost < least) least = cost;
        }
        route[set * 8 + static_cast<uint32_t>(i)] = least;
      }
    }
    const uint32_t all = (1u << count) - 1;
    for (int i = 0; i < count; ++i) {
      const uint32_t rest = route[(all & ~(1u << i)) * 8 + static_cast<uint32_t>(i)];
      if (rest < kFar) spread(lanes, b, object_cell(which[i]), rest, distance, facing);
    }
  }
};

}  // namespace mesa
