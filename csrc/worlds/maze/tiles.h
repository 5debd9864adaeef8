// The picture of a slot's maze: the usual (2r+1) x (2c+1) tiles, a bit each (1: floor), with a border of wall so that
// no view leaves it. It begins the slot's tail.
#pragma once
#include "config.h"

namespace mesa {

struct MazeTiles {
  MESA_HD static int64_t side_in_tiles(const MazeConfig& c) { return 2 * int64_t{c.size} + 1; }
  MESA_HD static int64_t border(const MazeConfig& c) { return c.view ? c.view / 2 - 1 : 0; }
  MESA_HD static int64_t row_bytes(const MazeConfig& c) { return (side_in_tiles(c) + 2 * border(c) + 7) / 8; }
  MESA_HD static int64_t bytes(const MazeConfig& c) {
    const int64_t rows = side_in_tiles(c) + 2 * border(c);
    return (row_bytes(c) * rows + 8 + 1) / 2 * 2;  // 8: a row is read and written a word at a time
  }
  MESA_HD static int64_t at(const MazeConfig& c) { return 12 * int64_t{c.objects}; }  // in the tail
  // Where a cell's own tile lies, in rows or columns of the picture.
  MESA_HD static int64_t tile_of(const MazeConfig& c, int cell) { return 2 * cell + 1 + border(c); }

  // The 57 tiles (bits) from (row, col) of the picture rightwards; bits from 57 on are not to be used.
  MESA_HD static uint64_t from(const MazeConfig& c, const MazeState& s, int64_t row, int64_t col) {
    uint64_t word;
    memcpy(&word, tail_of<uint8_t>(s, at(c)) + row * row_bytes(c) + (col >> 3), sizeof word);
    return word >> (col & 7);
  }
  MESA_HD static bool can_go(const MazeConfig& c, const MazeState& s, int row, int col, int direction) {
    return from(c, s, tile_of(c, row) + row_step(direction), tile_of(c, col) + col_step(direction)) & 1;
  }

  // Bit i of a 32-bit word moves to bit 2i.
  MESA_HD static uint64_t spread_bits(uint64_t x) {
    x = (x | x << 16) & 0x0000FFFF0000FFFFull;
    x = (x | x << 8) & 0x00FF00FF00FF00FFull;
    x = (x | x << 4) & 0x0F0F0F0F0F0F0F0Full;
    x = (x | x << 2) & 0x3333333333333333ull;
    return (x | x << 1) & 0x5555555555555555ull;
  }
  // From (row, col): bits of `even` become tiles 0, 2, 4 …, of `odd` tiles 1, 3, 5 …
  MESA_HD static void paint_pairs(const MazeConfig& c, MazeState& s, int64_t row, int64_t col, uint64_t even,
                                  uint64_t odd) {
    uint8_t* here = tail_of<uint8_t>(s, at(c)) + row * row_bytes(c) + (col >> 3);
    const uint64_t pairs = spread_bits(even) | spread_bits(odd) << 1;
    const int shift = static_cast<int>(col & 7);
    uint64_t word;
    memcpy(&word, here, sizeof word);
    word |= pairs << shift;
    memcpy(here, &word, sizeof word);
    if (shift) here[8] = static_cast<uint8_t>(here[8] | pairs >> (64 - shift));
  }
  MESA_HD static void paint(const MazeConfig& c, MazeState& s, const Lattice& maze) {
    memset(tail_of<uint8_t>(s, at(c)), 0, static_cast<size_t>(bytes(c)));
    const uint64_t cells = c.size == 64 ? ~uint64_t{0} : (uint64_t{1} << c.size) - 1;
    for (int r = 0; r < c.size; ++r) {
      for (int half = 0; half < c.size; half += 32) {
        paint_pairs(c, s, tile_of(c, r), tile_of(c, half), cells >> half & 0xFFFFFFFFull, maze.word(1, r, half));
        paint_pairs(c, s, tile_of(c, r) + 1, tile_of(c, half), maze.word(0, r, half), 0);
      }
    }
  }

  // A square of tiles whose top-left tile is (top, left).
  template <class Lanes>
  MESA_HD static void write_square(const MazeConfig& c, const MazeState& s, int64_t top, int64_t left, int64_t side,
                                   uint8_t* out, const Lanes& lanes) {
    if (lanes.size() > 1) {  // neighbours write neighbouring bytes
      for (int32_t i = lanes.lane(); i < side * side; i += lanes.size()) {
        const int32_t y = i / static_cast<int32_t>(side), x = i - y * static_cast<int32_t>(side);
        out[i] = from(c, s, top + y, left + x) & 1;
      }
      lanes.sync();
      return;
    }
    const Rows rows{tail_of<uint8_t>(s, at(c)) + top * row_bytes(c) + (left >> 3), row_bytes(c),
                    static_cast<int>(left & 7), side};
    if (side <= 7) {
      write_short(rows, out);
    } else if (side <= 16) {
      write_rows(rows, 2, out);
    } else {
      write_rows(rows, (side + 7) / 8, out);
    }
  }

  // Of a square: where its first row lies in the picture, bytes from row to row, bits before its first column.
  struct Rows {
    const uint8_t* at;
    int64_t by;
    int shift;
    int64_t side;

    // Tiles 8 k to 8 k + 7 of row y, a byte each.
    MESA_HD uint64_t tiles(int64_t y, int64_t k) const {
      uint16_t bits;
      memcpy(&bits, at + y * by + k, sizeof bits);
      return spread_to_bytes(static_cast<uint32_t>(bits) >> shift);
    }
  };
  // All rows in whole words: a row's excess, at most `side` tiles, is overwritten by the next. The last to the byte.
  MESA_HD static void write_rows(const Rows& given, int64_t words, uint8_t* out) {
    const Rows rows = given;  // a copy that `out` cannot alias
    for (int64_t y = 0; y + 1 < rows.side; ++y, out += rows.side) {
      for (int64_t k = 0; k < words; ++k) {
        const uint64_t tiles = rows.tiles(y, k);
        memcpy(out + 8 * k, &tiles, 8);
      }
    }
    write_end(rows, out);
  }
  // The same of sides below 8, where what follows the rows before the last must be spared too.
  MESA_HD static void write_short(const Rows& given, uint8_t* out) {
    const Rows rows = given;
    for (int64_t y = 0; y + 1 < rows.side; ++y, out += rows.side) {
      const uint64_t tiles = rows.tiles(y, 0);
      memcpy(out, &tiles, rows.side == 3 ? 4 : 8);
    }
    write_end(rows, out);
  }
  MESA_HD static void write_end(const Rows& rows, uint8_t* out) {
    const int64_t last = rows.side - 1;
    int64_t k = 0;
    for (; 8 * (k + 1) <= rows.side; ++k) {
      const uint64_t tiles = rows.tiles(last, k);
      memcpy(out + 8 * k, &tiles, 8);
    }
    const uint64_t tiles = rows.tiles(last, k);
    for (int64_t i = 8 * k; i < rows.side; ++i) out[i] = static_cast<uint8_t>(tiles >> (8 * (i - 8 * k)));
  }

  // Every cell's exits, from the picture.
  template <class Lanes>
  MESA_HD static void exits(const MazeConfig& c, const MazeState& s, uint8_t* of, const Lanes& lanes) {
    for (int cell = lanes.lane(); cell < c.num_cells(); cell += lanes.size()) {
      uint32_t open = 0;
      for (int d = 0; d < 4; ++d) open |= uint32_t(can_go(c, s, cell / c.size, cell % c.size, d)) << d;
      of[cell] = static_cast<uint8_t>(open);
    }
  }
  // The maze, from the picture.
  MESA_HD static void to_lattice(const MazeConfig& c, const MazeState& s, const Lattice& maze) {
    maze.clear();
    for (int r = 0; r < c.size; ++r)
      for (int col = 0; col < c.size; ++col)
        for (int d = 1; d <= 2; ++d)
          if (can_go(c, s, r, col, d)) maze.carve(r, col, d);
  }
};

}  // namespace mesa
