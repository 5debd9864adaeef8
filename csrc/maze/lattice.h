// A maze as a lattice of up to 256 x 256 cells: one bit a connection, in memory of the caller's. The form every
// generator writes and every solver and world reads.
#pragma once
#include <cstdint>
#include <cstring>

#include "../core/portable.h"

namespace mesa {

constexpr int kMaxMazeSide = 256;

// Compass directions, in the order of every mask and action: up, right, down, left.
MESA_HD int row_step(int direction) {
  return (direction == 2) - (direction == 0);
}
MESA_HD int col_step(int direction) {
  return (direction == 1) - (direction == 3);
}

// bits: [2, rows, row_bytes], least significant bit first. Plane 0: bit c of row r is set if (r, c) joins (r+1, c);
// plane 1: if it joins (r, c+1). Bits of no cell are 0, so that equal mazes are equal bytes.
struct Lattice {
  uint8_t* bits;
  int32_t rows, cols;

  MESA_HD static int64_t row_bytes_of(int64_t cols) { return (cols + 7) / 8; }
  MESA_HD static int64_t bytes_of(int64_t rows, int64_t cols) { return 2 * rows * row_bytes_of(cols); }
  MESA_HD int64_t bytes() const { return bytes_of(rows, cols); }
  MESA_HD int64_t cells() const { return int64_t{rows} * cols; }
  MESA_HD uint8_t* row(int plane, int r) const { return bits + (int64_t{plane} * rows + r) * row_bytes_of(cols); }

  MESA_HD void clear() const { memset(bits, 0, static_cast<size_t>(bytes())); }
  MESA_HD bool joined(int plane, int r, int c) const { return row(plane, r)[c >> 3] >> (c & 7) & 1; }
  // Joins (r, c) to its neighbour in a direction, which lies inside.
  MESA_HD void carve(int r, int c, int direction) const {
    const int col = c - (direction == 3);
    uint8_t* at = row(direction & 1, r - (direction == 0)) + (col >> 3);
    *at = static_cast<uint8_t>(*at | 1u << (col & 7));
  }
  // Bit d set if one can go from (r, c) in direction d.
  MESA_HD uint32_t exits(int r, int c) const {
    const uint32_t up = r > 0 && joined(0, r - 1, c), left = c > 0 && joined(1, r, c - 1);
    const uint32_t right = joined(1, r, c), down = joined(0, r, c);
    return up | right << 1 | down << 2 | left << 3;
  }
  // 32 bits of a row from column `first`, a multiple of 8; bits of no cell are 0.
  MESA_HD uint32_t word(int plane, int r, int first) const {
    const uint8_t* at = row(plane, r) + (first >> 3);
    const int64_t left = row_bytes_of(cols) - (first >> 3);
    uint32_t word = 0;
    for (int64_t i = 0; i < 4 && i < left; ++i) word |= uint32_t{at[i]} << (8 * i);
    return word;
  }
};

// Closes what would lead out of the lattice, and clears bits of no cell.
MESA_HD void keep_inside(const Lattice& maze) {
  const int64_t row_bytes = Lattice::row_bytes_of(maze.cols);
  memset(maze.row(0, maze.rows - 1), 0, static_cast<size_t>(row_bytes));
  const int used = (maze.cols - 1) & 7;  // the last column's bit
  for (int r = 0; r < maze.rows; ++r) {
    uint8_t &down = maze.row(0, r)[row_bytes - 1], &right = maze.row(1, r)[row_bytes - 1];
    down = static_cast<uint8_t>(down & ((2u << used) - 1));
    right = static_cast<uint8_t>(right & ((1u << used) - 1));
  }
}

}  // namespace mesa
