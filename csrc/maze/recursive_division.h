// Recursive division: an open chamber is cut by a wall with one passage, and so are its halves. The wall lies across
// the longer side (either way by a fair coin if they are equal), its place and its passage are uniform; a chamber one
// cell wide stays open.
#pragma once
#include "one_by_one.h"

namespace mesa {

struct RecursiveDivision : OneByOne<RecursiveDivision> {
  static constexpr const char* kName = "recursive_division";
  static constexpr const char* kHelp = "chambers cut in two by a wall with one passage: long straight walls";

  template <class Visitor>
  static void options(Visitor&, Layout&) {}

  struct Chamber {
    int16_t row, col, height, width;
  };
  // One half waits while the other is cut: no more wait than a chamber can be cut in a row.
  MESA_HD static int64_t scratch_bytes(const Layout& l) { return Scratch::bytes_for<Chamber>(l.rows + l.cols + 2); }

  MESA_HD static void generate(const Layout&, const Key& key, const Lattice& maze, Scratch scratch) {
    open_all(maze);
    Chamber* waiting = scratch.take<Chamber>(maze.rows + maze.cols + 2);
    int32_t count = 1;
    waiting[0] = {0, 0, static_cast<int16_t>(maze.rows), static_cast<int16_t>(maze.cols)};
    Words words(key, Purpose::kLayout);
    const auto draw = [&](int n) { return static_cast<int>(uint64_t{words.u32()} * static_cast<uint32_t>(n) >> 32); };
    while (count > 0) {
      const Chamber a = waiting[--count];
      if (a.height < 2 || a.width < 2) continue;
      const bool flat = a.height > a.width || (a.height == a.width && (words.u32() >> 31));
      if (flat) {
        const int place = draw(a.height - 1), passage = draw(a.width);
        close(maze, 0, a.row + place, a.col, a.col + a.width, a.col + passage);
        waiting[count++] = {a.row, a.col, static_cast<int16_t>(place + 1), a.width};
        waiting[count++] = {static_cast<int16_t>(a.row + place + 1), a.col, static_cast<int16_t>(a.height - place - 1),
                            a.width};
      } else {
        const int place = draw(a.width - 1), passage = draw(a.height);
        for (int r = a.row; r < a.row + a.height; ++r)
          if (r != a.row + passage) close(maze, 1, r, a.col + place, a.col + place + 1, -1);
        waiting[count++] = {a.row, a.col, a.height, static_cast<int16_t>(place + 1)};
        waiting[count++] = {a.row, static_cast<int16_t>(a.col + place + 1), a.height,
                            static_cast<int16_t>(a.width - place - 1)};
      }
    }
  }

  // Closes connections first … end-1 of a row but one.
  MESA_HD static void close(const Lattice& maze, int plane, int r, int first, int end, int but) {
    uint8_t* row = maze.row(plane, r);
    for (int c = first; c < end;) {
      const int bit = c & 7, until = end - c < 8 - bit ? end - c : 8 - bit;
      uint32_t mask = ((1u << until) - 1) << bit;
      if (but >= c && but < c + until) mask &= ~(1u << (but & 7));
      row[c >> 3] = static_cast<uint8_t>(row[c >> 3] & ~mask);
      c += until;
    }
  }
  MESA_HD static void open_all(const Lattice& maze) {
    memset(maze.bits, 0xFF, static_cast<size_t>(maze.bytes()));
    keep_inside(maze);
  }
};

}  // namespace mesa
