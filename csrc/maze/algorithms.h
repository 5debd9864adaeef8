// The list of maze algorithms, and the one that a layout names. Adding one: its header, a line here, and a line in the
// list; Python keywords, command line, tests of law and speed, and docs follow.
#pragma once
#include "braid.h"
#include "by_rows.h"
#include "depth_first.h"
#include "growing_tree.h"
#include "hunt_and_kill.h"
#include "kruskal.h"
#include "percolation.h"
#include "prim.h"
#include "recursive_division.h"
#include "wilson.h"

#define MESA_MAZE_ALGORITHMS(X) \
  X(DepthFirst)                 \
  X(Wilson)                     \
  X(AldousBroder)               \
  X(Kruskal)                    \
  X(PrimEdge)                   \
  X(PrimCell)                   \
  X(GrowingTree)                \
  X(RecursiveDivision)          \
  X(HuntAndKill)                \
  X(BinaryTree)                 \
  X(Sidewinder)                 \
  X(Eller)                      \
  X(Percolation)                \
  X(DepthFirstPercolation)

namespace mesa {

// Scratch for one maze at a time (lanes = 1), or for `lanes` in turn.
MESA_HD int64_t layout_scratch_bytes(const Layout& layout, int lanes = 1) {
  int32_t number = 0;
#define MESA_SCRATCH(Algorithm) \
  if (layout.algorithm == number++) return Algorithm::scratch_bytes_for(layout, lanes);
  MESA_MAZE_ALGORITHMS(MESA_SCRATCH)
#undef MESA_SCRATCH
  return 0;
}

inline const char* algorithm_name(int32_t number) {
#define MESA_NAME(Algorithm) Algorithm::kName,
  static const char* const kNames[] = {MESA_MAZE_ALGORITHMS(MESA_NAME)};
#undef MESA_NAME
  return kNames[number];
}

// What is done to a maze once its algorithm has written it, then the caller's finished(i).
template <class Mazes>
struct Finishing {
  const Layout& layout;
  Mazes& mazes;

  MESA_HD Key key(int64_t i) const { return mazes.key(i); }
  MESA_HD Lattice lattice(int64_t i) const { return mazes.lattice(i); }
  MESA_HD const DepthFirst::Table* table() const { return mazes.table(); }
  MESA_HD void finished(int64_t i) const {
    if (layout.braid > 0) braid(layout.braid, mazes.key(i), mazes.lattice(i));
    mazes.finished(i);
  }
};

// Lays out mazes 0 … count-1: `mazes` says of the i-th its key(i) and its lattice(i), and is told when it is
// finished(i). A maze depends on its key and the layout alone.
template <int kLanes, class Mazes>
MESA_HD void lay_out_many(const Layout& layout, int64_t count, Mazes& mazes, Scratch scratch) {
  Finishing<Mazes> finishing{layout, mazes};
  int32_t number = 0;
#define MESA_GENERATE(Algorithm) \
  if (layout.algorithm == number++) return Algorithm::template generate_many<kLanes>(layout, count, finishing, scratch);
  MESA_MAZE_ALGORITHMS(MESA_GENERATE)
#undef MESA_GENERATE
}

// Lays out one maze.
struct OneMaze {
  const Key& its_key;
  const Lattice& maze;
  const DepthFirst::Table* its_table;

  MESA_HD Key key(int64_t) const { return its_key; }
  MESA_HD Lattice lattice(int64_t) const { return maze; }
  MESA_HD const DepthFirst::Table* table() const { return its_table; }
  MESA_HD void finished(int64_t) const {}
};
MESA_HD_RARE void lay_out(const Layout& layout, const Key& key, const Lattice& maze, Scratch scratch,
                          const DepthFirst::Table* table = nullptr) {
  OneMaze one{key, maze, table};
  lay_out_many<1>(layout, 1, one, scratch);
}

}  // namespace mesa
