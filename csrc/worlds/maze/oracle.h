// What the maze world knows and an agent must never see: actions to go, by breadth-first search from what is worth
// reaching.
#pragma once
#include "../../core/sets.h"
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
    if (lanes.size() == 1) {
      spread_alone(b, target, offset, out, facing);
    } else {
      spread_in_waves(lanes, b, target, offset, out, facing);
    }
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

  // The same by a group of lanes, each with two rows: all states of one cost are a wave, a bit a cell.
  template <class Lanes>
  MESA_HD void spread_in_waves(const Lanes& lanes, const Board& b, int target, uint32_t offset, uint16_t* out,
                               bool facing) const {
    constexpr int kRows = 2;  // 64 rows by 32 lanes
    const int lane = lanes.lane(), size = lanes.size(), headings = facing ? 4 : 1;
    struct Rows {
      uint64_t of[kRows] = {};
    };
    Rows right, down, passed, reached;  // ways to the cell on the right, and below; cells gone on from, and not barred
    Rows wave[4], next[4];
    for (int k = 0; k < kRows; ++k) {
      const int row = lane + k * size;
      for (int col = 0; col < c.size && row < c.size; ++col) {
        const int cell = cell_at(row, col);
        right.of[k] |= uint64_t(b.exits[cell] >> 1 & 1) << col;
        down.of[k] |= uint64_t(b.exits[cell] >> 2 & 1) << col;
        passed.of[k] |= uint64_t(!b.wall[cell] || cell == target) << col;
        reached.of[k] |= uint64_t(b.wall[cell] != 2) << col;
        for (int h = 0; h < headings && cell == target; ++h) {
          if (offset >= out[cell * headings + h]) continue;
          out[cell * headings + h] = static_cast<uint16_t>(offset);
          wave[h].of[k] = uint64_t{1} << col;
        }
      }
    }
    // What the row above, or below, has.
    const auto above = [&](const Rows& rows) {
      Rows shifted;
      for (int k = 0; k < kRows; ++k) shifted.of[k] = lanes.from((lane + size - 1) % size, rows.of[k]);
      for (int k = kRows - 1; k >= 0 && lane == 0; --k) shifted.of[k] = k > 0 ? shifted.of[k - 1] : 0;
      return shifted;
    };
    const auto below = [&](const Rows& rows) {
      Rows shifted;
      for (int k = 0; k < kRows; ++k) shifted.of[k] = lanes.from((lane + 1) % size, rows.of[k]);
      for (int k = 0; k < kRows && lane == size - 1; ++k) shifted.of[k] = k + 1 < kRows ? shifted.of[k + 1] : 0;
      return shifted;
    };
    for (uint32_t cost = offset + 1;; ++cost) {
      uint64_t fresh = 0;
      for (int h = 0; h < headings; ++h) {
        Rows from;  // whose neighbours are reached
        for (int k = 0; k < kRows; ++k) {
          from.of[k] = wave[h].of[k] & passed.of[k];
          fresh |= from.of[k];
        }
        // Facing, a cell is come to from behind: those of heading h lie the other way.
        const bool up = !facing || h == 2, to_right = !facing || h == 3, to_below = !facing || h == 0,
                   to_left = !facing || h == 1;
        Rows downwards;
        for (int k = 0; k < kRows; ++k) downwards.of[k] = from.of[k] & down.of[k];
        const Rows from_above = above(downwards), from_below = below(from);
        for (int k = 0; k < kRows; ++k) {
          uint64_t found = 0;
          if (up) found |= from_below.of[k] & down.of[k];
          if (to_below) found |= from_above.of[k];
          if (to_right) found |= (from.of[k] & right.of[k]) << 1;
          if (to_left) found |= from.of[k] >> 1 & right.of[k];
          next[h].of[k] = found & reached.of[k];
        }
      }
      if (!lanes.any(fresh != 0)) break;
      for (int k = 0; k < kRows; ++k) {
        const int row = lane + k * size;
        if (facing) {  // turning; at the target the way is over
          const uint64_t still = row == target / c.size ? ~(uint64_t{1} << (target % c.size)) : ~uint64_t{0};
          uint64_t turns[4];
          for (int h = 0; h < 4; ++h) turns[h] = wave[h].of[k] & passed.of[k] & still;
          for (int h = 0; h < 4; ++h) next[h].of[k] |= turns[(h + 1) & 3] | turns[(h + 3) & 3];
        }
        for (int h = 0; h < headings; ++h) {
          uint64_t better = 0;
          for (uint64_t rest = next[h].of[k]; rest != 0; rest &= rest - 1) {
            const int32_t col = lowest_bit(rest), state = cell_at(row, col) * headings + h;
            if (cost >= out[state]) continue;
            out[state] = static_cast<uint16_t>(cost);
            better |= uint64_t{1} << col;
          }
          wave[h].of[k] = better;
        }
      }
    }
    lanes.sync();
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
