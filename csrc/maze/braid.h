// Braiding: dead ends are removed by joining them to one more neighbour, which makes loops.
#pragma once
#include "choices.h"
#include "lattice.h"

namespace mesa {

// Looks at every cell in row order; one that is a dead end then (one exit, or none) is joined, with probability p, to a
// uniform one of the neighbours it is not joined to.
MESA_HD_RARE void braid(double p, const Key& key, const Lattice& maze) {
  Words words(key, Purpose::kBraid);
  const uint64_t threshold = chance_threshold(p);
  for (int r = 0; r < maze.rows; ++r) {
    for (int c = 0; c < maze.cols; ++c) {
      const uint32_t exits = maze.exits(r, c);
      if (exits & (exits - 1)) continue;
      if (!words.chance(threshold)) continue;
      const uint32_t inside =
          uint32_t(r > 0) | uint32_t(c < maze.cols - 1) << 1 | uint32_t(r < maze.rows - 1) << 2 | uint32_t(c > 0) << 3;
      const uint32_t walls = inside & ~exits;
      if (walls == 0) continue;
      const uint32_t k = words.below(count_bits4(walls));
      maze.carve(r, c, static_cast<int>(select_bit(walls, k)));
    }
  }
}

}  // namespace mesa
