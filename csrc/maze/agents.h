// Reference agents of the maze world, each of known nature: what it sees, what it keeps and how far it searches are
// fixed here, so that a measurement can be held against it. They see what any agent sees, the picture of tiles, and no
// oracle.
#pragma once
#include "../core/rng.h"
#include "choices.h"
#include "lattice.h"

namespace mesa {

enum class MazeAgent : int32_t {
  kRandom,
  kWallFollowerLeft,
  kWallFollowerRight,
  kDepthFirstExplorer,
  kFrontierExplorer,
  kGreedy,
  kLookahead,
  kPlanner,
  kCornerSeeker,
};

// Whether it must be shown the whole grid, 2 size + 1 tiles a side, not a window of it.
MESA_HD bool sees_whole_grid(MazeAgent kind) {
  return kind >= MazeAgent::kGreedy;
}

// The world's tiles as agents must know them; the world's header asserts the same.
constexpr uint8_t kTileWall = 0, kTileFloor = 1, kTileGoal = 2, kTileAgent = 3;

// The picture one agent sees: a window around it, or the whole grid.
struct Sight {
  const uint8_t* tile;
  int32_t side;

  MESA_HD uint8_t at(int r, int c) const { return tile[r * side + c]; }
};

// What an agent remembers of the maze: two bytes a cell. Rows and columns count from where the first trial began,
// modulo `size`: no two cells of the maze fall on one.
struct MazeMemory {
  struct Head {
    int32_t steps;  // acted so far: the index of random draws
    uint8_t row, col;
    uint8_t goal_row, goal_col;
    uint8_t last;   // the last action
    uint8_t moved;  // whether it will have led somewhere
    uint8_t knows_goal;
    uint8_t heading;
  };
  Head* head;
  uint16_t* cell;  // of who draws a map: 4 bits directions known to be open, 4 bits directions known at all, kSeen
  int32_t size;

  static constexpr uint16_t kAllSides = 15 << 4, kSeen = 1 << 8;
  static constexpr uint16_t kVisited = 1 << 4, kBackShift = 5;  // of the depth-first explorer; 2 bits: the way it came

  MESA_HD static int64_t bytes(int32_t size) {
    return static_cast<int64_t>(sizeof(Head)) + (int64_t{size} * size + 1) / 2 * 4;
  }
  MESA_HD uint16_t& at(int r, int c) const { return cell[wrap(r) * size + wrap(c)]; }
  MESA_HD int wrap(int x) const { return x < 0 ? x + size : x >= size ? x - size : x; }
  MESA_HD void learn(int r, int c, int direction, bool open) const {
    uint16_t& here = at(r, c);
    here = static_cast<uint16_t>(here | 16u << direction | uint32_t(open) << direction);
    uint16_t& there = at(r + row_step(direction), c + col_step(direction));
    const int back = direction ^ 2;
    there = static_cast<uint16_t>(there | 16u << back | uint32_t(open) << back);
  }
};

struct MazeAgentRow {
  MazeAgent kind;
  Sight sight;
  MazeMemory memory;
  int32_t depth;   // of the lookahead
  int32_t region;  // side of the corner the seeker was trained on
  Key key;
  bool trial_start, new_maze;

  MESA_HD static int64_t scratch_bytes(int32_t size) {
    return Scratch::bytes_for<uint16_t>(int64_t{size} * size) + 2 * Scratch::bytes_for<uint8_t>(int64_t{size} * size);
  }

  MESA_HD int32_t act(Scratch scratch) const {
    MazeMemory::Head& head = *memory.head;
    if (trial_start) begin_trial();
    const int32_t action = choose(scratch);
    ++head.steps;
    head.last = static_cast<uint8_t>(action);
    return action;
  }

  MESA_HD void begin_trial() const {
    MazeMemory::Head& head = *memory.head;
    head.row = head.col = head.moved = head.heading = 0;
    if (!new_maze && kind != MazeAgent::kDepthFirstExplorer) return;  // who only marks where it was starts over
    head.knows_goal = 0;
    memset(memory.cell, 0, sizeof *memory.cell * static_cast<size_t>(memory.size) * static_cast<size_t>(memory.size));
  }

  MESA_HD int32_t choose(Scratch& scratch) const {
    switch (kind) {
      case MazeAgent::kRandom:
        return static_cast<int32_t>(key.block(Purpose::kStep, static_cast<uint32_t>(memory.head->steps)).word[0] >> 30);
      case MazeAgent::kWallFollowerLeft:
        return follow_wall(3);
      case MazeAgent::kWallFollowerRight:
        return follow_wall(1);
      case MazeAgent::kDepthFirstExplorer:
        return explore_depth_first();
      case MazeAgent::kFrontierExplorer:
        return explore_frontier(scratch);
      case MazeAgent::kGreedy:
        return look_ahead(scratch, 1);
      case MazeAgent::kLookahead:
        return look_ahead(scratch, depth);
      case MazeAgent::kPlanner:
        return plan(scratch, false);
      default:
        return plan(scratch, true);
    }
  }

  // The middle of a window is the agent; in the whole grid it is looked for.
  MESA_HD void find(uint8_t kind_of_tile, int& row, int& col) const {
    row = col = -1;
    for (int r = 1; r < sight.side; r += 2)
      for (int c = 1; c < sight.side; c += 2)
        if (sight.at(r, c) == kind_of_tile) {
          row = r / 2;
          col = c / 2;
        }
  }
  MESA_HD bool open_in_window(int direction) const {
    const int middle = sight.side / 2;
    return sight.at(middle + row_step(direction), middle + col_step(direction)) != kTileWall;
  }

  // Of the open ways, the first in the order hand side, ahead, other side, back.
  MESA_HD int32_t follow_wall(int hand) const {
    MazeMemory::Head& head = *memory.head;
    const int turn[4] = {hand, 0, 4 - hand, 2};
    for (int k = 0; k < 4; ++k) {
      const int direction = (head.heading + turn[k]) & 3;
      if (!open_in_window(direction)) continue;
      head.heading = static_cast<uint8_t>(direction);
      return direction;
    }
    return 0;
  }

  // Where the agent stands, by its own reckoning: it moved if it chose an open way.
  MESA_HD void reckon() const {
    MazeMemory::Head& head = *memory.head;
    if (!head.moved) return;
    head.row = static_cast<uint8_t>(memory.wrap(head.row + row_step(head.last)));
    head.col = static_cast<uint8_t>(memory.wrap(head.col + col_step(head.last)));
  }
  MESA_HD int32_t go(int32_t direction) const {
    memory.head->moved = open_in_window(direction);
    return direction;
  }

  // To the goal if it is next door, else to the first open neighbour not yet visited, else back the way it came.
  MESA_HD int32_t explore_depth_first() const {
    MazeMemory::Head& head = *memory.head;
    reckon();
    uint16_t& here = memory.at(head.row, head.col);
    if (!(here & MazeMemory::kVisited)) {
      const uint32_t back = head.moved ? head.last ^ 2u : 0u;
      here = static_cast<uint16_t>(MazeMemory::kVisited | back << MazeMemory::kBackShift);
    }
    const int middle = sight.side / 2;
    for (int direction = 0; direction < 4 && middle >= 2; ++direction) {
      const int r = middle + 2 * row_step(direction), c = middle + 2 * col_step(direction);
      if (open_in_window(direction) && sight.at(r, c) == kTileGoal) return go(direction);
    }
    for (int direction = 0; direction < 4; ++direction) {
      const uint16_t there = memory.at(head.row + row_step(direction), head.col + col_step(direction));
      if (open_in_window(direction) && !(there & MazeMemory::kVisited)) return go(direction);
    }
    return go(here >> MazeMemory::kBackShift & 3);
  }

  // Draws what the window shows on the map: passages, and the goal.
  MESA_HD void draw_map() const {
    MazeMemory::Head& head = *memory.head;
    const int middle = sight.side / 2;
    const int first = -(middle / 2), last = middle / 2;
    for (int r = first; r <= last; ++r) {
      for (int c = first; c <= last; ++c) {
        const int y = middle + 2 * r, x = middle + 2 * c;
        if (sight.at(y, x) == kTileWall) continue;  // beyond the edge
        for (int direction = 0; direction < 4; ++direction) {
          const int dy = y + row_step(direction), dx = x + col_step(direction);
          if (dy < 0 || dy >= sight.side || dx < 0 || dx >= sight.side) continue;
          memory.learn(memory.wrap(head.row + r), memory.wrap(head.col + c), direction, sight.at(dy, dx) != kTileWall);
        }
        memory.at(head.row + r, head.col + c) |= MazeMemory::kSeen;
        if (sight.at(y, x) == kTileGoal) {
          head.knows_goal = 1;
          head.goal_row = static_cast<uint8_t>(memory.wrap(head.row + r));
          head.goal_col = static_cast<uint8_t>(memory.wrap(head.col + c));
        }
      }
    }
  }

  // Breadth-first over open ways known to `cell` (low nibble), from (row, col): calls wanted(r, c, steps) in the order
  // cells are reached until it says true, and gives the first step of a shortest way there; -1 if it never does.
  template <class Cell, class Wanted>
  MESA_HD int32_t first_step(const Cell* cell, int row, int col, Scratch scratch, const Wanted& wanted) const {
    const int32_t size = memory.size, cells = size * size;
    uint16_t* queue = scratch.take<uint16_t>(cells);
    uint8_t* first = scratch.take<uint8_t>(cells);
    memset(first, 5, static_cast<size_t>(cells));
    const int32_t from = row * size + col;
    queue[0] = static_cast<uint16_t>(from);
    first[from] = 4;
    int32_t tail = 1, wave_end = 1, steps = 0;
    for (int32_t head = 0; head < tail; ++head) {
      if (head == wave_end) {
        wave_end = tail;
        ++steps;
      }
      const int32_t at = queue[head], r = at / size, c = at % size;
      if (wanted(r, c, steps)) return first[at] == 4 ? -1 : first[at];
      for (int direction = 0; direction < 4; ++direction) {
        if (!(cell[at] >> direction & 1)) continue;
        const int32_t next = memory.wrap(r + row_step(direction)) * size + memory.wrap(c + col_step(direction));
        if (first[next] != 5) continue;
        first[next] = first[at] == 4 ? static_cast<uint8_t>(direction) : first[at];
        queue[tail++] = static_cast<uint16_t>(next);
      }
    }
    return -1;
  }

  // To the goal once it is on the map and can be reached there, else to the nearest cell not yet seen from all sides.
  MESA_HD int32_t explore_frontier(Scratch& scratch) const {
    MazeMemory::Head& head = *memory.head;
    reckon();
    draw_map();
    if (head.knows_goal) {
      const int32_t step = first_step(memory.cell, head.row, head.col, scratch,
                                      [&](int r, int c, int) { return r == head.goal_row && c == head.goal_col; });
      if (step >= 0) return go(step);
    }
    const uint16_t known = MazeMemory::kAllSides | MazeMemory::kSeen;
    const int32_t step = first_step(memory.cell, head.row, head.col, scratch,
                                    [&](int r, int c, int) { return (memory.at(r, c) & known) != known; });
    return go(step < 0 ? 0 : step);
  }

  // The whole grid's open ways, a byte a cell.
  MESA_HD uint8_t* read_grid(Scratch& scratch) const {
    const int32_t size = memory.size;
    uint8_t* cell = scratch.take<uint8_t>(int64_t{size} * size);
    for (int r = 0; r < size; ++r) {
      for (int c = 0; c < size; ++c) {
        uint32_t open = 0;
        for (int d = 0; d < 4; ++d)
          open |= uint32_t(sight.at(2 * r + 1 + row_step(d), 2 * c + 1 + col_step(d)) != kTileWall) << d;
        cell[r * size + c] = static_cast<uint8_t>(open);
      }
    }
    return cell;
  }

  // Of the cells within `reach` steps, towards the one nearest to the goal as the crow flies (the first reached of
  // several): reach 1 is greed.
  MESA_HD int32_t look_ahead(Scratch& scratch, int32_t reach) const {
    int row, col, goal_row, goal_col;
    find(kTileAgent, row, col);
    find(kTileGoal, goal_row, goal_col);
    if (row < 0 || goal_row < 0) return 0;
    const uint8_t* cell = read_grid(scratch);
    int32_t best = INT32_MAX, best_row = row, best_col = col;
    first_step(cell, row, col, scratch, [&](int r, int c, int steps) {
      if (steps > reach) return true;
      const int32_t apart = (r - goal_row) * (r - goal_row) + (c - goal_col) * (c - goal_col);
      if (steps > 0 && apart < best) {
        best = apart;
        best_row = r;
        best_col = c;
      }
      return false;
    });
    const int32_t step =
        first_step(cell, row, col, scratch, [&](int r, int c, int) { return r == best_row && c == best_col; });
    return step < 0 ? 0 : step;
  }

  // A shortest way to the goal; the corner-seeker's goal is where it always was in training: its own place if that is
  // in the top-right corner's region, else the corner itself.
  MESA_HD int32_t plan(Scratch& scratch, bool corner) const {
    int row, col, goal_row, goal_col;
    find(kTileAgent, row, col);
    find(kTileGoal, goal_row, goal_col);
    if (corner && !(goal_row >= 0 && goal_row < region && goal_col >= memory.size - region)) {
      goal_row = 0;
      goal_col = memory.size - 1;
    }
    if (row < 0 || goal_row < 0) return 0;
    const int32_t step = first_step(read_grid(scratch), row, col, scratch,
                                    [&](int r, int c, int) { return r == goal_row && c == goal_col; });
    return step < 0 ? 0 : step;
  }
};

}  // namespace mesa
