// A maze as a lattice of up to 64 x 64 cells: one bit a connection. The form every generator writes and every solver
// reads; how a world draws it is the world's business.
#pragma once
#include <cstdint>

#include "../core/portable.h"

namespace mesa {

constexpr int kMaxMazeSide = 64;

// Compass directions, in the order of every mask and action: up, right, down, left.
MESA_HD int row_step(int direction) {
  return (direction == 2) - (direction == 0);
}
MESA_HD int col_step(int direction) {
  return (direction == 1) - (direction == 3);
}

struct Lattice {
  int32_t rows, cols;
  uint64_t open[2][kMaxMazeSide];  // [0][r]: bit c set if (r, c) joins (r+1, c); [1][r]: if it joins (r, c+1)

  MESA_HD void clear(int32_t r, int32_t c) {
    rows = r;
    cols = c;
    for (int32_t i = 0; i < r; ++i) open[0][i] = open[1][i] = 0;
  }
  // Joins (row, col) to its neighbour, which lies inside.
  MESA_HD void carve(int row, int col, int direction) {
    open[direction & 1][row - (direction == 0)] |= uint64_t{1} << (col - (direction == 3));
  }
  // Bit d set if one can go from (row, col) in direction d.
  MESA_HD uint32_t exits(int row, int col) const {
    const uint64_t up = row > 0 ? open[0][row - 1] >> col : 0;
    const uint64_t left = col > 0 ? open[1][row] >> (col - 1) : 0;
    return static_cast<uint32_t>((up & 1) | (open[1][row] >> col & 1) << 1 | (open[0][row] >> col & 1) << 2 |
                                 (left & 1) << 3);
  }
};

}  // namespace mesa
