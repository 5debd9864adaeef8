// Prim's algorithm with random choices, in the two forms in use, which have different laws.
#pragma once
#include "one_by_one.h"

namespace mesa {

// By frontier edge: of the connections with one end in the tree, a uniform one is kept. (Not the law of Prim's
// algorithm with random weights, which is Kruskal's.)
struct PrimEdge : OneByOne<PrimEdge> {
  static constexpr const char* kName = "prim_edge";
  static constexpr const char* kHelp = "grows by a uniform connection with one end in the tree: many short dead ends";

  template <class Visitor>
  static void options(Visitor& v, Layout& l) {
    Layout::start(v, l);
  }
  MESA_HD static int64_t scratch_bytes(const Layout& l) {
    return Board::bytes_of(l.rows, l.cols) + Scratch::bytes_for<uint32_t>(int64_t{2} * l.rows * l.cols);
  }

  MESA_HD static void generate(const Layout& layout, const Key& key, const Lattice& maze, Scratch scratch) {
    const Board board{scratch.take<uint8_t>(Board::bytes_of(layout.rows, layout.cols)), layout.rows, layout.cols};
    board.clear();
    // The cell outside * 4 + direction into the tree. A connection comes in once, when its first end is taken.
    uint32_t* frontier = scratch.take<uint32_t>(2 * maze.cells());
    uint32_t size = 0;
    const auto add = [&](int32_t at) {
      for (uint32_t d = 0; d < 4; ++d) {
        const int32_t next = at + board.step(static_cast<int>(d));
        frontier[size] = static_cast<uint32_t>(next) * 4 + (d ^ 2);
        size += board.cell[next] == 0;
      }
    };
    const int32_t start = start_cell(layout, key);
    board.cell[start] = kTaken;
    add(start);
    Words words(key, Purpose::kLayout, kAfterStart);
    for (int64_t remaining = maze.cells() - 1; remaining > 0;) {
      // Connections whose outer end was taken meanwhile are dropped when drawn: the others stay equally likely.
      const uint32_t k = static_cast<uint32_t>(uint64_t{words.u32()} * size >> 32);
      const uint32_t chosen = frontier[k];
      frontier[k] = frontier[--size];
      const int32_t at = static_cast<int32_t>(chosen >> 2);
      if (board.cell[at]) continue;
      board.cell[at] = static_cast<uint8_t>(kTaken | 1u << (chosen & 3));
      add(at);
      --remaining;
    }
    pack(board, 0, maze);
  }
};

// By frontier cell: of the cells beside the tree, a uniform one is joined to a uniform one of its neighbours in it.
struct PrimCell : OneByOne<PrimCell> {
  static constexpr const char* kName = "prim_cell";
  static constexpr const char* kHelp = "grows by a uniform cell beside the tree, joined to a uniform neighbour in it";

  template <class Visitor>
  static void options(Visitor& v, Layout& l) {
    Layout::start(v, l);
  }
  static constexpr uint8_t kWaiting = 0x20;  // a cell in the frontier

  MESA_HD static int64_t scratch_bytes(const Layout& l) {
    return Board::bytes_of(l.rows, l.cols) + Scratch::bytes_for<uint32_t>(int64_t{l.rows} * l.cols + 4);
  }

  MESA_HD static void generate(const Layout& layout, const Key& key, const Lattice& maze, Scratch scratch) {
    const Board board{scratch.take<uint8_t>(Board::bytes_of(layout.rows, layout.cols)), layout.rows, layout.cols};
    constexpr uint8_t kFrame = 0x40;
    board.clear(kFrame);
    uint8_t* cell = board.cell;
    uint32_t* frontier = scratch.take<uint32_t>(maze.cells() + 4);
    uint32_t size = 0;
    const auto add = [&](int32_t at) {
      for (int d = 0; d < 4; ++d) {
        const int32_t next = at + board.step(d);
        const bool fresh = cell[next] == 0;
        frontier[size] = static_cast<uint32_t>(next);
        size += fresh;
        cell[next] = static_cast<uint8_t>(cell[next] | (fresh ? kWaiting : 0));
      }
    };
    const int32_t start = start_cell(layout, key);
    cell[start] = kTaken;
    add(start);
    Words words(key, Purpose::kLayout, kAfterStart);
    while (size > 0) {
      const uint32_t k = static_cast<uint32_t>(uint64_t{words.u32()} * size >> 32);
      const int32_t at = static_cast<int32_t>(frontier[k]);
      frontier[k] = frontier[--size];
      uint32_t beside = 0;
      for (int d = 0; d < 4; ++d) beside |= static_cast<uint32_t>(cell[at + board.step(d)] >> 7) << d;
      const uint32_t direction = choose_direction(beside, static_cast<uint32_t>(uint64_t{words.u32()} * 12 >> 32));
      cell[at] = static_cast<uint8_t>(kTaken | 1u << direction);
      add(at);
    }
    pack(board, 0, maze);
  }
};

}  // namespace mesa
