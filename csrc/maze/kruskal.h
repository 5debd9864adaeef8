// Kruskal's algorithm with random weights: connections in uniformly random order, each kept if it joins two components.
#pragma once
#include "one_by_one.h"

namespace mesa {

// Which component a cell is in, by board index. Up to 256 cells: a byte a cell, and joining two components rewrites all
// of them, which is a handful of vector instructions; looking up is a load, where walking up a tree of parents costs
// branches no one can guess (docs/log.md).
struct ByteLabels {
  static constexpr int64_t kMostCells = 256;
  uint8_t* label;
  int64_t sixteens;  // of labels, so that none is left over from whole vectors

  MESA_HD uint32_t find(uint32_t i) const { return label[i]; }
  MESA_HD void join(uint32_t a, uint32_t b) const {
    if (a == b) return;
    const uint8_t from = static_cast<uint8_t>(b), to = static_cast<uint8_t>(a);
    for (int64_t i = 0; i < 16 * sixteens; ++i) label[i] = label[i] == from ? to : label[i];
  }
};

// Union-find by path halving, for any number of cells; the root of a set is its smallest member.
struct DisjointSets {
  uint32_t* parent;

  MESA_HD uint32_t find(uint32_t i) const {
    while (parent[i] != i) {
      const uint32_t above = parent[parent[i]];
      parent[i] = above;
      i = above;
    }
    return i;
  }
  MESA_HD void join(uint32_t a, uint32_t b) const { parent[a > b ? a : b] = a > b ? b : a; }
};

struct Kruskal {
  static constexpr const char* kName = "kruskal";
  static constexpr const char* kHelp = "connections in random order, kept if they join two components: short dead ends";

  template <class Visitor>
  static void options(Visitor&, Layout&) {}

  // What every maze begins from is kept aside, unless one maze is all that is made (lanes = 1).
  MESA_HD static int64_t scratch_bytes_for(const Layout& l, int lanes) {
    const int64_t cells = int64_t{l.rows} * l.cols, board = Board::bytes_of(l.rows, l.cols);
    const int64_t one = Scratch::bytes_for<uint32_t>(board) + Scratch::bytes_for<uint32_t>(2 * cells);
    return board + (lanes > 1 ? 2 : 1) * one;
  }

  template <int kLanes, class Mazes>
  MESA_HD static void generate_many(const Layout& layout, int64_t count, Mazes& mazes, Scratch scratch) {
    const int64_t bytes = Board::bytes_of(layout.rows, layout.cols), cells = int64_t{layout.rows} * layout.cols;
    const Board board{scratch.take<uint8_t>(bytes), layout.rows, layout.cols};
    uint32_t* all = scratch.take<uint32_t>(2 * cells);  // every connection: board index * 2 + (right: 1, down: 0)
    uint32_t* connection = count == 1 ? all : scratch.take<uint32_t>(2 * cells);
    uint32_t connections = 0;
    for (int r = 0; r < layout.rows; ++r) {
      for (int c = 0; c < layout.cols; ++c) {
        const uint32_t at = static_cast<uint32_t>(board.index(r, c));
        all[connections] = at * 2;
        connections += r + 1 < layout.rows;
        all[connections] = at * 2 + 1;
        connections += c + 1 < layout.cols;
      }
    }
    const bool few = cells <= ByteLabels::kMostCells;
    uint32_t* apart = scratch.take<uint32_t>(bytes);  // each cell by itself
    uint32_t* memory = count == 1 ? apart : scratch.take<uint32_t>(bytes);
    const ByteLabels labels{reinterpret_cast<uint8_t*>(memory), (bytes + 15) / 16};
    const DisjointSets sets{memory};
    for (int32_t at = 0; at < board.index(layout.rows, 0); ++at) apart[at] = static_cast<uint32_t>(at);
    for (int r = 0; r < layout.rows && few; ++r)
      for (int c = 0; c < layout.cols; ++c)
        reinterpret_cast<uint8_t*>(apart)[board.index(r, c)] = static_cast<uint8_t>(r * layout.cols + c);
    for (int64_t i = 0; i < count; ++i) {
      if (count > 1) {
        memcpy(connection, all, connections * sizeof *all);
        memcpy(memory, apart, static_cast<size_t>(few ? 16 * labels.sixteens : 4 * bytes));
      }
      if (few) {
        join_at_random(mazes.key(i), labels, connection, connections, board);
      } else {
        join_at_random(mazes.key(i), sets, connection, connections, board);
      }
      pack(board, 0, mazes.lattice(i));
      mazes.finished(i);
    }
  }

  template <class Components>
  MESA_HD static void join_at_random(const Key& key, const Components& components, uint32_t* connection, uint32_t count,
                                     const Board& board) {
    board.clear();
    Choices order(key);
    const uint32_t below = static_cast<uint32_t>(board.stride());
    int64_t remaining = int64_t{board.rows} * board.cols - 1;
    for (uint32_t i = 0; remaining > 0; ++i) {
      const uint32_t j = i + order.below(count - i);
      const uint32_t chosen = connection[j];
      connection[j] = connection[i];
      const uint32_t at = chosen >> 1, right = chosen & 1;
      const uint32_t a = components.find(at), b = components.find(at + (right ? 1 : below));
      components.join(a, b);
      board.cell[at] = static_cast<uint8_t>(board.cell[at] | uint32_t(a != b) << (2 - right));
      remaining -= a != b;
    }
  }
};

}  // namespace mesa
