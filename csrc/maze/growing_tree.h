// Growing tree (Pullen): a list of active cells; the next to grow from is the newest with a given probability, else a
// uniform one. newest = 1 has the law of depth-first search, 0 that of growing from a uniform active cell.
#pragma once
#include "one_by_one.h"

namespace mesa {

struct GrowingTree : OneByOne<GrowingTree> {
  static constexpr const char* kName = "growing_tree";
  static constexpr const char* kHelp = "grows from the newest active cell with a probability, else from a uniform one";

  template <class Visitor>
  static void options(Visitor& v, Layout& l) {
    Layout::start(v, l);
    Layout::mixing(v, l);
  }
  MESA_HD static int64_t scratch_bytes(const Layout& l) {
    return Board::bytes_of(l.rows, l.cols) + Scratch::bytes_for<uint32_t>(int64_t{l.rows} * l.cols + 1);
  }

  MESA_HD static void generate(const Layout& layout, const Key& key, const Lattice& maze, Scratch scratch) {
    const Board board{scratch.take<uint8_t>(Board::bytes_of(layout.rows, layout.cols)), layout.rows, layout.cols};
    board.clear();
    uint8_t* cell = board.cell;
    // In order of age; 0 where a cell was removed (no cell has board index 0). Removed places at the end are cut off,
    // and all of them squeezed out when they are more than half.
    uint32_t* active = scratch.take<uint32_t>(maze.cells() + 1);
    uint32_t size = 1, removed = 0;
    active[0] = static_cast<uint32_t>(start_cell(layout, key));
    cell[active[0]] = kTaken;
    Words words(key, Purpose::kLayout, kAfterStart);
    const uint64_t newest = chance_threshold(layout.newest);
    for (int64_t remaining = maze.cells() - 1; remaining > 0;) {
      uint32_t k = size - 1;
      if (!words.chance(newest)) {
        do k = static_cast<uint32_t>(uint64_t{words.u32()} * size >> 32);
        while (active[k] == 0);
      }
      const int32_t at = static_cast<int32_t>(active[k]);
      uint32_t free = 0;
      for (int d = 0; d < 4; ++d) free |= static_cast<uint32_t>(cell[at + board.step(d)] == 0) << d;
      if (free) {
        const uint32_t direction = choose_direction(free, static_cast<uint32_t>(uint64_t{words.u32()} * 12 >> 32));
        const int32_t next = at + board.step(static_cast<int>(direction));
        cell[next] = static_cast<uint8_t>(kTaken | 1u << (direction ^ 2));
        active[size++] = static_cast<uint32_t>(next);
        --remaining;
        continue;
      }
      active[k] = 0;
      ++removed;
      while (active[size - 1] == 0) {
        --size;
        --removed;
      }
      if (2 * removed > size) {
        uint32_t kept = 0;
        for (uint32_t i = 0; i < size; ++i)
          if (active[i]) active[kept++] = active[i];
        size = kept;
        removed = 0;
      }
    }
    pack(board, 0, maze);
  }
};

}  // namespace mesa
