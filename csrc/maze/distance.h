// Breadth-first search in a maze, over a board of exits: exact distances, and what follows from them.
#pragma once
#include "board.h"
#include "choices.h"

namespace mesa {

struct BreadthFirst {
  Board board;        // exits; bit 7: reached
  int32_t* distance;  // by board index, where reached
  int32_t* queue;     // board indices in the order they were reached
  int32_t reached = 0;

  MESA_HD static int64_t scratch_bytes(int64_t rows, int64_t cols) {
    const int64_t bytes = Board::bytes_of(rows, cols);
    return bytes + Scratch::bytes_for<int32_t>(bytes) + Scratch::bytes_for<int32_t>(rows * cols + 4);
  }

  MESA_HD BreadthFirst(const Lattice& maze, Scratch& scratch) {
    const int64_t bytes = Board::bytes_of(maze.rows, maze.cols);
    board = {scratch.take<uint8_t>(bytes), maze.rows, maze.cols};
    distance = scratch.take<int32_t>(bytes);
    queue = scratch.take<int32_t>(maze.cells() + 4);
    unpack(maze, board);
  }

  // Reaches every cell that can be, from `source` (row * cols + col). Once for each search.
  MESA_HD void flood(int32_t source) {
    uint8_t* cell = board.cell;
    const int32_t stride = board.stride();
    const int32_t from = board.index(source / board.cols, source % board.cols);
    queue[0] = from;
    distance[from] = 0;
    cell[from] |= kTaken;
    int32_t tail = 1;
    for (int32_t head = 0; head < tail; ++head) {
      const int32_t at = queue[head], next_distance = distance[at] + 1;
      const uint32_t exits = cell[at];
      // Written whether or not it holds, and kept only if it does: no branch to guess. Nothing reached is written
      // again: its place in the queue is past the tail, and a distance is written where the cell was not reached.
      const auto look = [&](int direction, int32_t next) {
        const uint32_t fresh = (exits >> direction & 1) & ~(static_cast<uint32_t>(cell[next]) >> 7);
        queue[tail] = next;
        tail += static_cast<int32_t>(fresh);
        distance[next] = fresh ? next_distance : distance[next];
        cell[next] |= static_cast<uint8_t>(fresh << 7);
      };
      look(0, at - stride);
      look(1, at + 1);
      look(2, at + stride);
      look(3, at - 1);
    }
    reached = tail;
  }

  MESA_HD bool is_reached(int32_t index) const { return board.cell[index] & kTaken; }

  MESA_HD void write_distances(int32_t* out) const {
    for (int r = 0; r < board.rows; ++r) {
      const int32_t begin = board.index(r, 0);
      for (int c = 0; c < board.cols; ++c, ++out) *out = is_reached(begin + c) ? distance[begin + c] : -1;
    }
  }
};

}  // namespace mesa
