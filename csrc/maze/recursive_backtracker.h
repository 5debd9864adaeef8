// Recursive backtracker (randomised depth-first search): from a uniform start cell, go to a uniformly chosen unvisited
// neighbour, carving; where there is none, back up. Its law is tested against the exhausted choices on 3 x 3.
#pragma once
#include "../core/rng.h"
#include "lattice.h"

namespace mesa {

// Uniform choices among few, many to a random word: the word is a fraction in [0, 1), a choice takes its leading digit
// in base n and leaves the rest. After 16 choices among at most 4 the bias is below 2^-38.
struct ChoiceStream {
  Rng rng;
  uint64_t fraction = 0;
  int left = 0;

  MESA_HD ChoiceStream(const Key& key, Purpose purpose) : rng(key, purpose) {}
  MESA_HD uint32_t pick(uint32_t n) {
    if (left == 0) {
      fraction = rng.u64();
      left = 16;
    }
    --left;
    const Wide product = multiply_wide(fraction, n);
    fraction = product.low;
    return static_cast<uint32_t>(product.high);
  }
};

// The k-th set bit of a 4-bit mask, without a branch: 2 bits for each (mask, k), packed by mask.
MESA_HD uint32_t select_bit(uint32_t mask, uint32_t k) {
  const uint64_t low = 0x2409080204010000ull, high = 0xE439380E340D0C03ull;
  const uint64_t table = mask & 8 ? high : low;
  return static_cast<uint32_t>(table >> ((mask & 7) * 8 + k * 2)) & 3;
}

MESA_HD uint32_t count_bits4(uint32_t mask) {
  return static_cast<uint32_t>(0x4332322132212110ull >> (mask * 4)) & 7;
}

MESA_HD void recursive_backtracker(Lattice& maze, int32_t rows, int32_t cols, const Key& key) {
  ChoiceStream choices(key, Purpose::kLayout);
  maze.clear(rows, cols);
  uint64_t visited[kMaxMazeSide + 2];  // with a visited border: row r is visited[r + 1], columns from cols up are set
  for (int32_t i = 0; i < rows + 2; ++i) visited[i] = ~uint64_t{0};
  const uint64_t outside = cols == 64 ? 0 : ~uint64_t{0} << cols;
  for (int32_t i = 1; i <= rows; ++i) visited[i] = outside;

  uint16_t stack[kMaxMazeSide * kMaxMazeSide];
  int32_t depth = 0;
  const uint32_t start = choices.rng.below(static_cast<uint32_t>(rows * cols));
  int row = static_cast<int>(start) / cols, col = static_cast<int>(start) % cols;
  visited[row + 1] |= uint64_t{1} << col;
  for (int32_t remaining = rows * cols - 1; remaining > 0;) {
    const uint64_t here = visited[row + 1];
    const uint64_t taken_up = visited[row] >> col, taken_down = visited[row + 2] >> col;
    const uint64_t taken_right = (here >> 1 | uint64_t{1} << 63) >> col, taken_left = (here << 1 | 1) >> col;
    const uint32_t free = static_cast<uint32_t>(
        ~((taken_up & 1) | (taken_right & 1) << 1 | (taken_down & 1) << 2 | (taken_left & 1) << 3) & 15);
    if (free == 0) {
      --depth;
      row = stack[depth] >> 8;
      col = stack[depth] & 255;
      continue;
    }
    const uint32_t options = count_bits4(free);
    const int direction = static_cast<int>(select_bit(free, choices.pick(options)));
    stack[depth] = static_cast<uint16_t>(row << 8 | col);
    depth += options > 1;  // a cell left by its only way out has nothing to come back for
    maze.carve(row, col, direction);
    row += row_step(direction);
    col += col_step(direction);
    visited[row + 1] |= uint64_t{1} << col;
    --remaining;
  }
}

}  // namespace mesa
