// Wilson's algorithm (Wilson 1996, "Generating random spanning trees more quickly than the cover time"): loop-erased
// random walks to the tree grown so far. Every spanning tree is equally likely, whatever the root; it stands in the
// middle, where walks find it soonest.
#pragma once
#include "one_by_one.h"

namespace mesa {

struct Wilson : OneByOne<Wilson> {
  static constexpr const char* kName = "wilson";
  static constexpr const char* kHelp = "uniform spanning tree by loop-erased random walks: no bias at all";

  template <class Visitor>
  static void options(Visitor&, Layout&) {}

  static constexpr uint8_t kFrame = 0x40;  // a cell is 0, the frame kFrame, the tree kTaken and the way to the root

  MESA_HD static int64_t scratch_bytes(const Layout& l) { return 2 * Board::bytes_of(l.rows, l.cols); }

  MESA_HD static void generate(const Layout& layout, const Key& key, const Lattice& maze, Scratch scratch) {
    const Board board{scratch.take<uint8_t>(Board::bytes_of(layout.rows, layout.cols)), layout.rows, layout.cols};
    uint8_t* last = scratch.take<uint8_t>(Board::bytes_of(layout.rows, layout.cols));  // direction a cell was left in
    board.clear(kFrame);
    uint8_t* cell = board.cell;
    cell[board.index(layout.rows / 2, layout.cols / 2)] = kTaken;
    const int32_t step[4] = {board.step(0), board.step(1), board.step(2), board.step(3)};
    Words words(key, Purpose::kLayout);
    uint64_t bits = 0;
    int32_t left = 0;
    for (int r = 0; r < layout.rows; ++r) {
      for (int32_t begin = board.index(r, 0), end = begin + layout.cols; begin < end; ++begin) {
        if (cell[begin]) continue;
        for (int32_t at = begin;;) {
          if (left == 0) {
            bits = words.u64();
            left = 32;
          }
          const uint32_t direction = bits & 3;
          bits >>= 2;
          --left;
          const int32_t next = at + step[direction];
          const uint8_t found = cell[next];
          if (found == kFrame) continue;  // not a neighbour: draw again
          last[at] = static_cast<uint8_t>(direction);
          at = next;
          if (found) break;
        }
        for (int32_t at = begin; !cell[at];) {  // the walk without its loops: each cell as it was last left
          const uint32_t direction = last[at];
          cell[at] = static_cast<uint8_t>(kTaken | 1u << direction);
          at += step[direction];
        }
      }
    }
    pack(board, 0, maze);
  }
};

}  // namespace mesa
