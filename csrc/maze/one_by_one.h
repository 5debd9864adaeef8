// The form of an algorithm that makes one maze after the other: it gives kName, kHelp, options(visitor, layout) (those
// it reads), scratch_bytes(layout) and generate(layout, key, maze, scratch), which writes every bit of the maze.
#pragma once
#include "board.h"
#include "choices.h"
#include "layout.h"
#include "start.h"

namespace mesa {

template <class Algorithm>
struct OneByOne {
  MESA_HD static int64_t scratch_bytes_for(const Layout& layout, int) { return Algorithm::scratch_bytes(layout); }

  template <int kLanes, class Mazes>
  MESA_HD static void generate_many(const Layout& layout, int64_t count, Mazes& mazes, Scratch scratch) {
    for (int64_t i = 0; i < count; ++i) {
      Algorithm::generate(layout, mazes.key(i), mazes.lattice(i), scratch);
      mazes.finished(i);
    }
  }
};

}  // namespace mesa
