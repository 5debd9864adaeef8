// Kruskal's algorithm with random weights: connections in uniformly random order, each kept if it joins two components.
#pragma once
#include "one_by_one.h"

namespace mesa {

// Union-find over board indices, by path halving; the root of a set is its smallest member.
struct DisjointSets {
  uint32_t* parent;

  MESA_HD void clear(int32_t count) {
    for (int32_t i = 0; i < count; ++i) parent[i] = static_cast<uint32_t>(i);
  }
  MESA_HD uint32_t find(uint32_t i) {
    while (parent[i] != i) {
      const uint32_t above = parent[parent[i]];
      parent[i] = above;
      i = above;
    }
    return i;
  }
};

struct Kruskal : OneByOne<Kruskal> {
  static constexpr const char* kName = "kruskal";
  static constexpr const char* kHelp = "connections in random order, kept if they join two components: short dead ends";

  template <class Visitor>
  static void options(Visitor&, Layout&) {}

  MESA_HD static int64_t scratch_bytes(const Layout& l) {
    const int64_t cells = int64_t{l.rows} * l.cols, board = Board::bytes_of(l.rows, l.cols);
    return board + Scratch::bytes_for<uint32_t>(board) + Scratch::bytes_for<uint32_t>(2 * cells);
  }

  MESA_HD static void generate(const Layout& layout, const Key& key, const Lattice& maze, Scratch scratch) {
    const Board board{scratch.take<uint8_t>(Board::bytes_of(layout.rows, layout.cols)), layout.rows, layout.cols};
    board.clear();
    DisjointSets sets{scratch.take<uint32_t>(Board::bytes_of(layout.rows, layout.cols))};
    sets.clear(board.index(layout.rows, 0));
    uint32_t* connection = scratch.take<uint32_t>(2 * maze.cells());  // board index * 2 + (right: 1, down: 0)
    uint32_t count = 0;
    for (int r = 0; r < layout.rows; ++r) {
      for (int c = 0; c < layout.cols; ++c) {
        const uint32_t at = static_cast<uint32_t>(board.index(r, c));
        connection[count] = at * 2;
        count += r + 1 < layout.rows;
        connection[count] = at * 2 + 1;
        count += c + 1 < layout.cols;
      }
    }
    Words words(key, Purpose::kLayout);
    const uint32_t below = static_cast<uint32_t>(board.stride());
    int64_t remaining = maze.cells() - 1;
    for (uint32_t i = 0; remaining > 0; ++i) {
      // The next of the order, by multiply-shift on 32 bits: at most 2^17 are left, so the bias is below 2^-15.
      const uint32_t j = i + static_cast<uint32_t>(uint64_t{words.u32()} * (count - i) >> 32);
      const uint32_t chosen = connection[j];
      connection[j] = connection[i];
      const uint32_t at = chosen >> 1, right = chosen & 1;
      const uint32_t a = sets.find(at), b = sets.find(at + (right ? 1 : below));
      const bool joins = a != b;
      sets.parent[a > b ? a : b] = a > b ? b : a;
      board.cell[at] = static_cast<uint8_t>(board.cell[at] | uint32_t(joins) << (2 - right));
      remaining -= joins;
    }
    pack(board, 0, maze);
  }
};

}  // namespace mesa
