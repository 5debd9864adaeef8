// Algorithms that finish a maze row by row: binary tree, sidewinder, Eller's.
#pragma once
#include "one_by_one.h"

namespace mesa {

// Fair coins, one bit each.
struct Coins {
  Words words;
  uint32_t bits = 0;
  int32_t left = 0;

  MESA_HD explicit Coins(const Key& key) : words(key, Purpose::kLayout) {}
  MESA_HD uint32_t toss() {
    if (left == 0) {
      bits = words.u32();
      left = 32;
    }
    const uint32_t coin = bits & 1;
    bits >>= 1;
    --left;
    return coin;
  }
};

// Every cell carves up or left by a fair coin; on the edge the way there is; the top-left cell none.
struct BinaryTree : OneByOne<BinaryTree> {
  static constexpr const char* kName = "binary_tree";
  static constexpr const char* kHelp = "every cell joins up or left by a coin: no dead end points up or left";

  template <class Visitor>
  static void options(Visitor&, Layout&) {}
  MESA_HD static int64_t scratch_bytes(const Layout&) { return 0; }

  MESA_HD static void generate(const Layout&, const Key& key, const Lattice& maze, Scratch) {
    maze.clear();
    Words words(key, Purpose::kLayout);
    for (int r = 0; r < maze.rows; ++r) {
      uint8_t* right = maze.row(1, r);
      for (int c = 0; c < maze.cols; c += 8) {  // a byte of cells at a time: bit k is cell c + k
        const uint32_t cells = maze.cols - c >= 8 ? 0xFF : (1u << (maze.cols - c)) - 1;
        uint32_t up = r == 0 ? 0 : (words.u32() >> 24) & cells;
        if (r > 0 && c == 0) up |= 1;
        const uint32_t left = ~up & cells & ~uint32_t(c == 0);
        right[c >> 3] = static_cast<uint8_t>(right[c >> 3] | left >> 1);
        if (c > 0) right[(c >> 3) - 1] = static_cast<uint8_t>(right[(c >> 3) - 1] | (left & 1) << 7);
        if (r > 0) maze.row(0, r - 1)[c >> 3] = static_cast<uint8_t>(up);
      }
    }
  }
};

// The first row is one corridor. In every other, runs: after each cell a fair coin (at the row's end always) closes the
// run, and a uniform cell of it is joined to the row above.
struct Sidewinder : OneByOne<Sidewinder> {
  static constexpr const char* kName = "sidewinder";
  static constexpr const char* kHelp = "runs along each row, each joined once to the row above: no dead end points up";

  template <class Visitor>
  static void options(Visitor&, Layout&) {}
  MESA_HD static int64_t scratch_bytes(const Layout&) { return 0; }

  MESA_HD static void generate(const Layout&, const Key& key, const Lattice& maze, Scratch) {
    maze.clear();
    Coins coins(key);
    for (int c = 0; c + 1 < maze.cols; ++c) maze.carve(0, c, 1);
    for (int r = 1; r < maze.rows; ++r) {
      int begin = 0;
      for (int c = 0; c < maze.cols; ++c) {
        const bool close = c + 1 == maze.cols || coins.toss();
        if (!close) {
          maze.carve(r, c, 1);
          continue;
        }
        const uint32_t length = static_cast<uint32_t>(c - begin + 1);
        maze.carve(r, begin + static_cast<int>(length == 1 ? 0 : coins.words.below(length)), 0);
        begin = c + 1;
      }
    }
  }
};

// Eller's: a row at a time, with the set each of its cells belongs to. Neighbours of different sets are joined by a
// fair coin (in the last row always); cells are joined down by a fair coin, and of a set with none, a uniform one.
struct Eller : OneByOne<Eller> {
  static constexpr const char* kName = "eller";
  static constexpr const char* kHelp = "row by row with the sets that are joined so far";

  template <class Visitor>
  static void options(Visitor&, Layout&) {}
  MESA_HD static int64_t scratch_bytes(const Layout& l) { return 3 * Scratch::bytes_for<int32_t>(l.cols); }

  MESA_HD static void generate(const Layout&, const Key& key, const Lattice& maze, Scratch scratch) {
    maze.clear();
    Coins coins(key);
    const int cols = maze.cols;
    int32_t* set = scratch.take<int32_t>(cols);      // a cell's set, named by one of its columns
    int32_t* members = scratch.take<int32_t>(cols);  // of a set, not yet passed over
    int32_t* joined = scratch.take<int32_t>(cols);   // a set's new name if it goes on below, else -1
    for (int c = 0; c < cols; ++c) set[c] = c;
    for (int r = 0; r < maze.rows; ++r) {
      const bool last = r + 1 == maze.rows;
      for (int c = 0; c + 1 < cols; ++c) {
        if (set[c] == set[c + 1] || !(last || coins.toss())) continue;
        maze.carve(r, c, 1);
        const int32_t from = set[c + 1], to = set[c];
        for (int k = 0; k < cols; ++k) set[k] = set[k] == from ? to : set[k];
      }
      if (last) return;
      for (int c = 0; c < cols; ++c) {
        members[c] = 0;
        joined[c] = -1;
      }
      for (int c = 0; c < cols; ++c) {
        ++members[set[c]];
        if (!coins.toss()) continue;
        maze.carve(r, c, 2);
        if (joined[set[c]] < 0) joined[set[c]] = c;
      }
      for (int c = 0; c < cols; ++c) {  // of a set with no way down, each cell in turn is it with probability 1 / rest
        const int32_t its = set[c];
        if (joined[its] >= 0) continue;
        if (members[its] == 1 || coins.words.below(static_cast<uint32_t>(members[its])) == 0) {
          maze.carve(r, c, 2);
          joined[its] = c;
        }
        --members[its];
      }
      for (int c = 0; c < cols; ++c) set[c] = maze.joined(0, r, c) ? joined[set[c]] : cols + c;
      for (int c = 0; c < cols; ++c)
        if (set[c] >= cols) set[c] = c;
    }
  }
};

}  // namespace mesa
