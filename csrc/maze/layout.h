// How a maze is laid out: the algorithm and its options, each declared once. Python keywords, command line and the maze
// world's options are all derived from here.
#pragma once
#include "../core/spec.h"
#include "lattice.h"

namespace mesa {

struct Layout {
  int32_t rows = 8, cols = 8;
  int32_t algorithm = 0;                   // its place in MESA_MAZE_ALGORITHMS (algorithms.h)
  int32_t start_row = -1, start_col = -1;  // -1: uniform
  double branching = 1.0;
  int32_t accessible_cells = 0, max_tree_depth = 0;
  bool forks = true;
  double newest = 0.5;
  double p = 0.5;
  double braid = 0.0;

  // The options themselves; an algorithm lists those it reads.
  template <class Visitor>
  static void start(Visitor& v, Layout& l) {
    v.integer("start_row", l.start_row, -1, kMaxMazeSide - 1, "row of the cell the walk begins at; -1: uniform");
    v.integer("start_col", l.start_col, -1, kMaxMazeSide - 1, "column of that cell; -1: uniform");
  }
  template <class Visitor>
  static void depth_first(Visitor& v, Layout& l) {
    v.real("branching", l.branching, 0, 1,
           "probability that a step's direction is drawn; else it goes straight on where it can");
    v.integer("accessible_cells", l.accessible_cells, 0, kMaxMazeSide * kMaxMazeSide,
              "cells after which the walk ends, the rest staying closed; 0: all");
    v.integer("max_tree_depth", l.max_tree_depth, 0, kMaxMazeSide * kMaxMazeSide,
              "steps from the start beyond which the walk turns back; 0: no limit");
    v.flag("forks", l.forks, "whether the walk backs up at its first dead end or stops there");
  }
  template <class Visitor>
  static void mixing(Visitor& v, Layout& l) {
    v.real("newest", l.newest, 0, 1, "probability of growing from the newest cell; else from a uniform one");
  }
  template <class Visitor>
  static void probability(Visitor& v, Layout& l) {
    v.real("p", l.p, 0, 1, "probability that a connection is open");
  }
  template <class Visitor>
  static void common(Visitor& v, Layout& l) {
    v.real("braid", l.braid, 0, 1, "probability that a dead end is joined to one more of its neighbours");
  }
};

// What the options' own ranges cannot say.
inline void check_layout(const Layout& l) {
  const auto inside = [](const char* name, int32_t value, int32_t side, const char* of) {
    if (value < side) return;
    throw std::invalid_argument(std::string(name) + ": got " + std::to_string(value) + ", allowed: -1 to " +
                                std::to_string(side - 1) + " with " + of + "=" + std::to_string(side));
  };
  if (l.accessible_cells > l.rows * l.cols)
    throw std::invalid_argument("accessible_cells: got " + std::to_string(l.accessible_cells) + ", allowed: 0 to " +
                                std::to_string(l.rows * l.cols));
  inside("start_row", l.start_row, l.rows, "rows");
  inside("start_col", l.start_col, l.cols, "cols");
}

}  // namespace mesa
