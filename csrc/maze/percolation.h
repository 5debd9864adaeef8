// Percolation: every connection open independently with probability p; alone, or on top of a depth-first maze, which
// makes loops.
#pragma once
#include "depth_first.h"
#include "one_by_one.h"

namespace mesa {

// 64 independent bits, each set with probability threshold / 2^32: 64 random numbers are compared with the threshold at
// once, a binary digit at a time, until none is undecided.
MESA_HD uint64_t bernoulli_bits(Words& words, uint64_t threshold) {
  if (threshold >> 32) return ~uint64_t{0};
  uint64_t below = 0, undecided = ~uint64_t{0};
  for (uint32_t rest = static_cast<uint32_t>(threshold); rest && undecided; rest <<= 1) {
    const uint64_t digit = words.u64();
    const bool one = rest >> 31;
    below |= one ? undecided & ~digit : 0;
    undecided &= one ? digit : ~digit;
  }
  return below;
}

// Opens each connection with probability p.
MESA_HD void percolate(double p, const Key& key, Purpose purpose, const Lattice& maze) {
  Words words(key, purpose);
  const uint64_t threshold = chance_threshold(p);
  const int64_t bytes = maze.bytes();
  for (int64_t at = 0; at < bytes; at += 8) {
    const uint64_t bits = bernoulli_bits(words, threshold);
    for (int64_t k = 0; k < 8 && at + k < bytes; ++k)
      maze.bits[at + k] = static_cast<uint8_t>(maze.bits[at + k] | bits >> (8 * k));
  }
  keep_inside(maze);
}

struct Percolation : OneByOne<Percolation> {
  static constexpr const char* kName = "percolation";
  static constexpr const char* kHelp = "every connection open with probability p: loops, and parts cut off";

  template <class Visitor>
  static void options(Visitor& v, Layout& l) {
    Layout::probability(v, l);
  }
  MESA_HD static int64_t scratch_bytes(const Layout&) { return 0; }

  MESA_HD static void generate(const Layout& layout, const Key& key, const Lattice& maze, Scratch) {
    maze.clear();
    percolate(layout.p, key, Purpose::kLayout, maze);
  }
};

struct DepthFirstPercolation {
  static constexpr const char* kName = "depth_first_percolation";
  static constexpr const char* kHelp = "a depth-first maze, every wall then opened with probability p: loops";

  template <class Visitor>
  static void options(Visitor& v, Layout& l) {
    DepthFirst::options(v, l);
    Layout::probability(v, l);
  }
  MESA_HD static int64_t scratch_bytes_for(const Layout& l, int lanes) {
    return DepthFirst::scratch_bytes_for(l, lanes);
  }

  template <class Mazes>
  struct Percolating {
    const Layout& layout;
    Mazes& mazes;
    MESA_HD Key key(int64_t i) const { return mazes.key(i); }
    MESA_HD Lattice lattice(int64_t i) const { return mazes.lattice(i); }
    MESA_HD const DepthFirst::Table* table() const { return mazes.table(); }
    MESA_HD void finished(int64_t i) const {
      percolate(layout.p, mazes.key(i), Purpose::kTask, mazes.lattice(i));
      mazes.finished(i);
    }
  };
  template <int kLanes, class Mazes>
  MESA_HD static void generate_many(const Layout& layout, int64_t count, Mazes& mazes, Scratch scratch) {
    Percolating<Mazes> percolating{layout, mazes};
    DepthFirst::template generate_many<kLanes>(layout, count, percolating, scratch);
  }
};

}  // namespace mesa
