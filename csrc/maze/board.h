// A maze at work: a byte a cell, in a frame one byte wide, so that a walk need not ask where the lattice ends. What
// generators and searches run on; nothing is kept in this form.
#pragma once
#include "lattice.h"

namespace mesa {

// A cell's byte in a generator: 0 until it is taken, then kTaken and the bit of the direction back to the cell it was
// reached from (none at the root). The frame is taken.
constexpr uint8_t kTaken = 0x80;

struct Board {
  uint8_t* cell;
  int32_t rows, cols;

  // Rows share the frame between them: what lies right of a row's last cell lies left of the next row's first.
  MESA_HD int32_t stride() const { return cols + 1; }
  MESA_HD int32_t index(int r, int c) const { return (r + 1) * stride() + c + 1; }
  MESA_HD int32_t row_of(int32_t index) const { return index / stride() - 1; }
  MESA_HD int32_t col_of(int32_t index) const { return index % stride() - 1; }
  MESA_HD int32_t step(int direction) const { return row_step(direction) * stride() + col_step(direction); }
  // 8 bytes more than cells and frame: rows are read eight at a time.
  MESA_HD static int64_t bytes_of(int64_t rows, int64_t cols) { return ((rows + 2) * (cols + 1) + 1 + 8 + 7) / 8 * 8; }

  MESA_HD void clear(uint8_t frame = kTaken) const {
    memset(cell, 0, static_cast<size_t>(bytes_of(rows, cols)));
    memset(cell, frame, static_cast<size_t>(stride() + 1));
    for (int r = 1; r <= rows; ++r) cell[index(r, -1)] = frame;
    memset(cell + index(rows, -1), frame, static_cast<size_t>(stride() + 1));
  }
};

// Bit `bit` of each of eight bytes, gathered into a byte, the lowest first.
MESA_HD uint8_t gather_bits(uint64_t bytes, int bit) {
  return static_cast<uint8_t>((bytes >> bit & 0x0101010101010101ull) * 0x0102040810204080ull >> 56);
}
// Eight bits become eight bytes of 0 or 1, the lowest first.
MESA_HD uint64_t spread_to_bytes(uint64_t bits) {
  const uint64_t one_each = (bits & 0xFF) * 0x0101010101010101ull & 0x8040201008040201ull;
  return (one_each + 0x7F7F7F7F7F7F7F7Full) >> 7 & 0x0101010101010101ull;
}
MESA_HD uint64_t load_bytes(const uint8_t* at) {
  uint64_t word;
  memcpy(&word, at, sizeof word);
  return word;
}

// The direction bits of a generator's board (from bit `shift` of a cell's byte; either of two neighbours may hold them)
// become the lattice's connections.
MESA_HD void pack(const Board& board, int shift, const Lattice& maze) {
  for (int r = 0; r < board.rows; ++r) {
    uint8_t *down = maze.row(0, r), *right = maze.row(1, r);
    for (int c = 0; c < board.cols; c += 8) {
      const uint8_t* at = board.cell + board.index(r, c);
      const uint64_t here = load_bytes(at);
      const uint64_t joins_right = here >> 1 | load_bytes(at + 1) >> 3;
      const uint64_t joins_down = here >> 2 | load_bytes(at + board.stride());
      const uint32_t inside = board.cols - c >= 8 ? 0xFF : (1u << (board.cols - c)) - 1;
      right[c >> 3] = static_cast<uint8_t>(gather_bits(joins_right, shift) & inside);
      down[c >> 3] = static_cast<uint8_t>(gather_bits(joins_down, shift) & inside);
    }
  }
}

}  // namespace mesa
