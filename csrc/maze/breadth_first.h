// Breadth-first search in a maze: exact distances, and what follows from them.
#pragma once
#include "board.h"
#include "choices.h"

namespace mesa {

// Every cell's exits (bit d: one can go in direction d), a byte each, by the cell's number r * cols + c.
struct Exits {
  uint8_t* of;
  int32_t rows, cols;

  // A row's room before and after: a search looks beyond the edge, at what is no exit, and rows are written eight cells
  // at a time.
  MESA_HD static int64_t room(int64_t cols) { return cols + 8; }
  MESA_HD static int64_t bytes(int64_t rows, int64_t cols) {
    return Scratch::bytes_for<uint8_t>(rows * cols + 2 * room(cols));
  }

  MESA_HD Exits(const Lattice& maze, Scratch& scratch)
      : of(scratch.take<uint8_t>(maze.cells() + 2 * room(maze.cols)) + room(maze.cols)),
        rows(maze.rows),
        cols(maze.cols) {
    memset(of - room(cols), 0, static_cast<size_t>(room(cols)));
    memset(of + cells(), 0, static_cast<size_t>(room(cols)));
    const int row_bytes = static_cast<int>(Lattice::row_bytes_of(cols));
    uint8_t* out = of;
    for (int r = 0; r < rows; ++r, out += cols) {
      const uint8_t *right = maze.row(1, r), *down = maze.row(0, r), *up = r > 0 ? maze.row(0, r - 1) : nullptr;
      uint32_t carry = 0;
      for (int k = 0; k < row_bytes; ++k) {  // what is written past a row's end is written again by the next row
        const uint32_t left = static_cast<uint32_t>(right[k]) << 1 | carry;
        carry = right[k] >> 7;
        const uint64_t word = (up ? spread_to_bytes(up[k]) : 0) | spread_to_bytes(right[k]) << 1 |
                              spread_to_bytes(down[k]) << 2 | spread_to_bytes(left) << 3;
        memcpy(out + 8 * k, &word, 8);
      }
    }
  }
  MESA_HD int32_t cells() const { return rows * cols; }
  MESA_HD int32_t step(int direction) const { return row_step(direction) * cols + col_step(direction); }
};

struct BreadthFirst {
  static constexpr uint8_t kReached = 0x80;

  Exits exits;
  uint16_t* queue;  // cells in the order they were reached
  int32_t reached = 0;

  MESA_HD static int64_t scratch_bytes(int64_t rows, int64_t cols) {
    return Exits::bytes(rows, cols) + Scratch::bytes_for<uint16_t>(rows * cols + 4);
  }
  MESA_HD BreadthFirst(const Lattice& maze, Scratch& scratch)
      : exits(maze, scratch), queue(scratch.take<uint16_t>(maze.cells() + 4)) {}

  // Reaches the cells that can be reached from `source`, nearest first, and calls at(cell, distance) for each until it
  // says false. Cells reached before, by a flood not forgotten, are walls to it.
  template <class Visit>
  MESA_HD void flood(int32_t source, const Visit& at) {
    uint8_t* cell = exits.of;
    const int32_t cols = exits.cols;
    queue[0] = static_cast<uint16_t>(source);
    cell[source] |= kReached;
    int32_t tail = 1, head = 0;
    for (int32_t distance = 0; head < tail; ++distance) {
      for (const int32_t wave_end = tail; head < wave_end; ++head) {
        const int32_t from = queue[head];
        const uint32_t ways = cell[from];
        if (!at(from, distance)) {
          reached = tail;
          return;
        }
        // Written whether or not it holds, and kept only if it does: no branch to guess.
        const auto look = [&](int direction, int32_t step) {
          const int32_t next = from + step;
          const uint32_t fresh = (ways >> direction) & 1 & ~(static_cast<uint32_t>(cell[next]) >> 7);
          queue[tail] = static_cast<uint16_t>(next);
          tail += static_cast<int32_t>(fresh);
          cell[next] = static_cast<uint8_t>(cell[next] | fresh << 7);
        };
        look(0, -cols);
        look(1, 1);
        look(2, cols);
        look(3, -1);
      }
    }
    reached = tail;
  }
  MESA_HD bool is_reached(int32_t cell) const { return exits.of[cell] & kReached; }
  MESA_HD void forget() const {
    for (int32_t k = 0; k < reached; ++k) exits.of[queue[k]] = static_cast<uint8_t>(exits.of[queue[k]] & ~kReached);
  }

  // Distances of all cells, -1 where there is no way.
  MESA_HD void distances(int32_t source, int32_t* out) {
    flood(source, [&](int32_t cell, int32_t distance) {
      out[cell] = distance;
      return true;
    });
    if (reached == exits.cells()) return;
    for (int32_t cell = 0; cell < exits.cells(); ++cell) out[cell] = is_reached(cell) ? out[cell] : -1;
  }
};

}  // namespace mesa
