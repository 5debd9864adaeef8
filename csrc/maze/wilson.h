// Uniform spanning trees by random walks: Wilson's algorithm and Aldous and Broder's. Every tree is equally likely,
// wherever the walks begin; the root stands in the middle, where walks find it soonest.
#pragma once
#include "one_by_one.h"

namespace mesa {

// Directions of a walk, two random bits each, and the board it walks on.
struct LatticeWalk {
  static constexpr uint8_t kFrame = 0x40;  // a cell is 0, the frame kFrame, the tree kTaken and the way to the root

  Board board;
  int32_t step[4];
  Words words;
  uint64_t bits = 0;
  int32_t left = 0;

  MESA_HD LatticeWalk(const Layout& layout, const Key& key, Scratch& scratch)
      : board{scratch.take<uint8_t>(Board::bytes_of(layout.rows, layout.cols)), layout.rows, layout.cols},
        step{board.step(0), board.step(1), board.step(2), board.step(3)},
        words(key, Purpose::kLayout) {
    board.clear(kFrame);
    board.cell[middle()] = kTaken;
  }
  MESA_HD int32_t middle() const { return board.index(board.rows / 2, board.cols / 2); }
  MESA_HD uint32_t direction() {
    if (left == 0) {
      bits = words.u64();
      left = 32;
    }
    const uint32_t direction = bits & 3;
    bits >>= 2;
    --left;
    return direction;
  }
};

// Wilson 1996, "Generating random spanning trees more quickly than the cover time": loop-erased walks to the tree grown
// so far.
struct Wilson : OneByOne<Wilson> {
  static constexpr const char* kName = "wilson";
  static constexpr const char* kHelp = "uniform spanning tree by loop-erased random walks: no bias at all";

  template <class Visitor>
  static void options(Visitor&, Layout&) {}

  MESA_HD static int64_t scratch_bytes(const Layout& l) { return 2 * Board::bytes_of(l.rows, l.cols); }

  MESA_HD static void generate(const Layout& layout, const Key& key, const Lattice& maze, Scratch scratch) {
    LatticeWalk walk(layout, key, scratch);
    uint8_t* cell = walk.board.cell;
    uint8_t* last = scratch.take<uint8_t>(Board::bytes_of(layout.rows, layout.cols));  // direction a cell was left in
    for (int r = 0; r < layout.rows; ++r) {
      for (int32_t begin = walk.board.index(r, 0), end = begin + layout.cols; begin < end; ++begin) {
        if (cell[begin]) continue;
        for (int32_t at = begin;;) {
          const uint32_t direction = walk.direction();
          const int32_t next = at + walk.step[direction];
          const uint8_t found = cell[next];
          if (found == LatticeWalk::kFrame) continue;  // not a neighbour: draw again
          last[at] = static_cast<uint8_t>(direction);
          at = next;
          if (found) break;
        }
        for (int32_t at = begin; !cell[at];) {  // the walk without its loops: each cell as it was last left
          const uint32_t direction = last[at];
          cell[at] = static_cast<uint8_t>(kTaken | 1u << direction);
          at += walk.step[direction];
        }
      }
    }
    pack(walk.board, 0, maze);
  }
};

// Aldous 1990, Broder 1989: one walk over the whole lattice; the connection by which it first enters a cell is kept.
struct AldousBroder : OneByOne<AldousBroder> {
  static constexpr const char* kName = "aldous_broder";
  static constexpr const char* kHelp = "uniform spanning tree by one random walk: Wilson's law, more slowly";

  template <class Visitor>
  static void options(Visitor&, Layout&) {}

  MESA_HD static int64_t scratch_bytes(const Layout& l) { return Board::bytes_of(l.rows, l.cols); }

  MESA_HD static void generate(const Layout& layout, const Key& key, const Lattice& maze, Scratch scratch) {
    LatticeWalk walk(layout, key, scratch);
    uint8_t* cell = walk.board.cell;
    int32_t at = walk.middle();
    for (int64_t remaining = maze.cells() - 1; remaining > 0;) {
      const uint32_t direction = walk.direction();
      const int32_t next = at + walk.step[direction];
      const uint8_t found = cell[next];
      at = found == LatticeWalk::kFrame ? at : next;
      const uint32_t mark = kTaken | 1u << (direction ^ 2);
      cell[next] = found ? found : static_cast<uint8_t>(mark);
      remaining -= found == 0;
    }
    pack(walk.board, 0, maze);
  }
};

}  // namespace mesa
