// Graph colouring: a colour a vertex, none twice along an edge; with at most so many colours, or as few as possible.
// Branch and bound on the most constrained vertex (Brélaz 1979, "New methods to color the vertices of a graph").
#pragma once
#include "problem.h"

namespace mesa {

struct Colouring {
  static constexpr const char* kName = "colouring";
  static constexpr const char* kHelp = "a colour a vertex, none twice along an edge";
  static constexpr int32_t kMinN = 1, kMaxN = 64;  // colours are the bits of a word

  struct Options {
    int32_t colours = 0;
    double density = 0.5;
    bool planted = false;
  };
  template <class Visitor>
  static void options(Visitor& v, Options& o) {
    v.integer("colours", o.colours, 0, kMaxN, "colours allowed; 0: as few as possible");
    v.real("density", o.density, 0.0, 1.0, "probability of an edge between two vertices (of different hidden colours)");
    v.flag("planted", o.planted, "drawn so that a hidden uniform colouring, with `colours` colours, is one");
  }
  static ProblemSize size(int32_t n, const Options& o) {
    if (o.planted && o.colours == 0)
      throw std::invalid_argument("planted: got True with colours=0, allowed: with 1 colour or more");
    ProblemSize size;
    size.n = n;
    size.colours = o.colours;
    return size;
  }

  struct Arrays {
    uint8_t* adjacent;  // [count, n, n], 0 or 1, symmetric, 0 on the diagonal
  };
  struct Instance {
    uint8_t* adjacent;
  };
  MESA_HD static Instance at(const Arrays& arrays, const ProblemSize& size, int64_t i) {
    return {arrays.adjacent + i * size.n * size.n};
  }

  MESA_HD static void generate(const ProblemSize& size, const Options& o, const Key& key, const Instance& made) {
    Rng rng(key, Purpose::kTask), hidden(key, Purpose::kPlacement);
    const int32_t n = size.n;
    uint8_t colour[kMaxN];
    for (int32_t v = 0; v < n; ++v)
      colour[v] = static_cast<uint8_t>(o.planted ? hidden.below(static_cast<uint32_t>(size.colours)) : v);
    for (int32_t a = 0; a < n; ++a) {
      made.adjacent[a * n + a] = 0;
      for (int32_t b = 0; b < a; ++b) {
        const bool edge = rng.uniform() < o.density && colour[a] != colour[b];
        made.adjacent[a * n + b] = made.adjacent[b * n + a] = edge;
      }
    }
  }

  // A vertex at a node of the search: colours its neighbours have, how many those are, and neighbours without colour.
  struct Vertex {
    uint64_t seen;
    uint8_t saturation, degree, coloured, unused[5];
  };
  MESA_HD static int64_t scratch_bytes(const ProblemSize& size) {
    const int64_t n = size.n;
    return Scratch::bytes_for<Vertex>(n * (n + 1)) + 3 * Scratch::bytes_for<int32_t>(n + 1);
  }

  // Of the vertices without colour, one with the most colours among its neighbours; of those, with the most neighbours
  // without colour; of those, the first.
  MESA_HD static int32_t most_constrained(const Vertex* vertex, int32_t n) {
    int32_t most = -1, found = 0;
    for (int32_t v = 0; v < n; ++v) {
      const int32_t weight = vertex[v].coloured ? -1 : vertex[v].saturation * 256 + vertex[v].degree;
      found = weight > most ? v : found;
      most = weight > most ? weight : most;
    }
    return found;
  }
  // `after` becomes `before` with vertex v in this colour.
  MESA_HD static void colour_one(const Instance& given, int32_t n, int32_t v, int32_t colour, const Vertex* before,
                                 Vertex* after) {
    const uint8_t* adjacent = given.adjacent + v * n;
    for (int32_t u = 0; u < n; ++u) {
      const uint64_t edge = adjacent[u], seen = before[u].seen;
      after[u] = before[u];
      after[u].seen = seen | edge << colour;
      after[u].saturation = static_cast<uint8_t>(before[u].saturation + (edge & ~(seen >> colour)));
      after[u].degree = static_cast<uint8_t>(before[u].degree - edge);
    }
    after[v].coloured = 1;
  }
  MESA_HD static void without_colours(const Instance& given, int32_t n, Vertex* vertex) {
    for (int32_t v = 0; v < n; ++v) {
      int32_t degree = 0;
      for (int32_t u = 0; u < n; ++u) degree += given.adjacent[v * n + u];
      vertex[v] = Vertex{};
      vertex[v].degree = static_cast<uint8_t>(degree);
    }
  }

  // At a node the most constrained vertex takes its colours from the first, at most one that is not in use yet. The
  // search ends with the first colouring in the colours allowed; without such a limit, each found must do with one
  // less.
  MESA_HD static Found solve(const ProblemSize& size, const Instance& given, int64_t node_limit, int8_t* answer,
                             Scratch scratch) {
    const int32_t n = size.n;
    Vertex* level = scratch.take<Vertex>(int64_t{n} * (n + 1));  // a row a depth
    int32_t* chosen = scratch.take<int32_t>(n + 1);
    int32_t* colour = scratch.take<int32_t>(n + 1);  // of the vertex chosen at a depth
    int32_t* in_use = scratch.take<int32_t>(n + 1);  // colours, before that
    without_colours(given, n, level);
    no_answer(n, answer);
    int32_t allowed = size.colours > 0 ? size.colours : n;
    NodeCount count{node_limit};
    Found found;
    int32_t depth = 0;
    in_use[0] = 0;
    while (count.arrive()) {
      if (depth == n) {
        found.value = in_use[n];
        found.feasible = true;
        for (int32_t d = 0; d < n; ++d) answer[chosen[d]] = static_cast<int8_t>(colour[d]);
        if (size.colours > 0) {
          found.optimal = true;
          break;
        }
        allowed = in_use[n] - 1;
        --depth;
      } else {
        chosen[depth] = most_constrained(level + depth * n, n);
        colour[depth] = -1;
      }
      // To the next colour of the deepest vertex that has one left.
      for (; depth >= 0; --depth) {
        const uint64_t seen = level[depth * n + chosen[depth]].seen;
        const int32_t used = in_use[depth], end = used > allowed ? 0 : (used + 1 < allowed ? used + 1 : allowed);
        int32_t next = colour[depth] + 1;
        while (next < end && (seen >> next & 1)) ++next;
        if (next >= end) continue;
        colour[depth] = next;
        in_use[depth + 1] = next == used ? used + 1 : used;
        break;
      }
      if (depth < 0) {
        found.optimal = true;
        break;
      }
      colour_one(given, n, chosen[depth], colour[depth], level + depth * n, level + (depth + 1) * n);
      ++depth;
    }
    found.nodes = count.visited;
    return found;
  }

  // The most constrained vertex after the other in the first colour that is free (Brélaz's heuristic).
  MESA_HD static Found greedy(const ProblemSize& size, const Instance& given, int8_t* answer, Scratch scratch) {
    const int32_t n = size.n;
    Vertex* vertex = scratch.take<Vertex>(n);
    without_colours(given, n, vertex);
    Found found;
    found.value = 0;
    for (int32_t k = 0; k < n; ++k) {
      const int32_t v = most_constrained(vertex, n);
      int32_t colour = 0;
      while (vertex[v].seen >> colour & 1) ++colour;
      answer[v] = static_cast<int8_t>(colour);
      found.value = colour + 1 > found.value ? colour + 1 : found.value;
      colour_one(given, n, v, colour, vertex, vertex);
    }
    found.feasible = size.colours == 0 || found.value <= size.colours;
    return found;
  }
};

}  // namespace mesa
