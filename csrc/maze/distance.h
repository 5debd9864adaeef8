// Exact distances in a lattice maze.
#pragma once
#include "lattice.h"

namespace mesa {

constexpr uint16_t kUnreachable = 0xFFFF;

// Breadth-first: distance[row * cols + col] = steps from the cell to the goal, kUnreachable where there is no way.
MESA_HD void distance_field(const Lattice& maze, int goal_row, int goal_col, uint16_t* distance) {
  uint16_t queue[kMaxMazeSide * kMaxMazeSide];
  for (int i = 0; i < maze.rows * maze.cols; ++i) distance[i] = kUnreachable;
  const int goal = goal_row * maze.cols + goal_col;
  int head = 0, size = 1;
  queue[0] = static_cast<uint16_t>(goal);
  distance[goal] = 0;
  while (head < size) {
    const int cell = queue[head++], row = cell / maze.cols, col = cell % maze.cols;
    const uint32_t exits = maze.exits(row, col);
    for (int direction = 0; direction < 4; ++direction) {
      if (!(exits >> direction & 1)) continue;
      const int next = cell + row_step(direction) * maze.cols + col_step(direction);
      if (distance[next] != kUnreachable) continue;
      distance[next] = static_cast<uint16_t>(distance[cell] + 1);
      queue[size++] = static_cast<uint16_t>(next);
    }
  }
}

// Marks in `near` (one word a row) the cells within `steps` steps of (row, col): a flood, a wave at a time over whole
// rows of bits.
MESA_HD void flood(const Lattice& maze, int row, int col, int steps, uint64_t* near) {
  for (int r = 0; r < maze.rows; ++r) near[r] = 0;
  near[row] = uint64_t{1} << col;
  for (int wave = 0; wave < steps; ++wave) {
    uint64_t above = 0, above_open = 0;  // the row above as it was before this wave
    uint64_t grown_any = 0;
    for (int r = 0; r < maze.rows; ++r) {
      const uint64_t here = near[r], below = r + 1 < maze.rows ? near[r + 1] : 0;
      const uint64_t right = maze.open[1][r], down = maze.open[0][r];
      const uint64_t grown = here | (here & right) << 1 | (here >> 1 & right) | (above & above_open) | (below & down);
      grown_any |= grown ^ here;
      above = here;
      above_open = down;
      near[r] = grown;
    }
    if (!grown_any) return;
  }
}

}  // namespace mesa
