// What can be said of a maze with its distances known: shortest paths, components, dead-end filling, decision squares,
// lookahead. All take linear time.
#pragma once
#include "breadth_first.h"

namespace mesa {

MESA_HD int32_t count_exits(const Exits& exits, int32_t cell) {
  return static_cast<int32_t>(count_bits4(exits.of[cell] & 15));
}

// The directions in which a step shortens the way to the cell that `distance` is from.
MESA_HD uint32_t shortening(const Exits& exits, const int32_t* distance, int32_t cell) {
  uint32_t mask = 0;
  for (int d = 0; d < 4; ++d)
    mask |= uint32_t((exits.of[cell] >> d & 1) && distance[cell + exits.step(d)] < distance[cell]) << d;
  return mask;
}
// Of several, the first in the order of directions: it makes one shortest path of many the canonical one.
MESA_HD int first_direction(uint32_t mask) {
  return mask & 1 ? 0 : mask & 2 ? 1 : mask & 4 ? 2 : 3;
}

// Two bits a move, four to a byte, the first lowest.
struct PackedMoves {
  uint8_t* bytes;
  MESA_HD static int64_t bytes_of(int64_t cells) { return (cells + 3) / 4; }
  MESA_HD void put(int32_t k, int direction) const {  // into what was 0
    bytes[k >> 2] = static_cast<uint8_t>(bytes[k >> 2] | static_cast<uint32_t>(direction) << (2 * (k & 3)));
  }
  MESA_HD int at(int32_t k) const { return bytes[k >> 2] >> (2 * (k & 3)) & 3; }
};

struct Solved {
  int32_t length;  // steps; -1: no way
  bool unique;     // there is one shortest path
};
// The canonical shortest path from start to goal.
MESA_HD Solved shortest_path(const Lattice& maze, int32_t start, int32_t goal, const PackedMoves& moves,
                             Scratch scratch) {
  BreadthFirst search(maze, scratch);
  int32_t* distance = scratch.take<int32_t>(maze.cells());
  int32_t length = -1, known = 0;
  search.flood(goal, [&](int32_t cell, int32_t steps) {  // until the start is met: all nearer cells are known by then
    distance[cell] = steps;
    ++known;
    length = cell == start ? steps : length;
    return length < 0;
  });
  for (; known < search.reached; ++known) distance[search.queue[known]] = length;  // or more: no step leads there
  bool unique = length >= 0;
  int32_t cell = start;
  for (int32_t k = 0; k < length; ++k) {
    uint32_t nearer = 0;
    for (int d = 0; d < 4; ++d) {
      const int32_t next = cell + search.exits.step(d);
      const bool way = search.exits.of[cell] >> d & 1;
      nearer |= uint32_t(way && search.is_reached(next) && distance[next] == length - k - 1) << d;
    }
    const int direction = first_direction(nearer);
    unique = unique && (nearer & (nearer - 1)) == 0;
    moves.put(k, direction);
    cell += search.exits.step(direction);
  }
  return {length, unique};
}

// Whether there is exactly one simple path: then every connection of the path is a bridge, so that with those taken
// away no two cells of the path hang together.
MESA_HD bool is_only_path(const Lattice& maze, int32_t start, int32_t length, const PackedMoves& moves,
                          Scratch scratch) {
  if (length < 0) return false;
  BreadthFirst search(maze, scratch);
  constexpr uint8_t kOnPath = 0x40;
  uint8_t* exits = search.exits.of;
  int32_t cell = start;
  exits[cell] |= kOnPath;
  for (int32_t k = 0; k < length; ++k) {
    const int d = moves.at(k);
    exits[cell] = static_cast<uint8_t>(exits[cell] & ~(1u << d));
    cell += search.exits.step(d);
    exits[cell] = static_cast<uint8_t>((exits[cell] | kOnPath) & ~(1u << (d ^ 2)));
  }
  bool only = true;
  cell = start;
  for (int32_t k = 0; only; ++k) {
    const int32_t from = cell;
    search.flood(from, [&](int32_t met, int32_t) {
      only = only && (met == from || !(exits[met] & kOnPath));
      return only;
    });
    if (k == length) break;
    cell += search.exits.step(moves.at(k));
  }
  return only;
}

// label[cell] = its component, numbered in the order of their first cells.
MESA_HD int32_t components(const Lattice& maze, int32_t* label, Scratch scratch) {
  BreadthFirst search(maze, scratch);
  int32_t count = 0;
  for (int32_t cell = 0; cell < search.exits.cells(); ++cell) {
    if (search.is_reached(cell)) continue;
    search.flood(cell, [&](int32_t met, int32_t) {
      label[met] = count;
      return true;
    });
    ++count;
  }
  return count;
}

// What is left when cells with at most one exit to a cell left, other than start and goal, are filled again and again.
MESA_HD void fill_dead_ends(const Lattice& maze, int32_t start, int32_t goal, uint8_t* left, Scratch scratch) {
  const Exits exits(maze, scratch);
  for (int32_t cell = 0; cell < exits.cells(); ++cell) left[cell] = 1;
  for (int32_t first = 0; first < exits.cells(); ++first) {
    for (int32_t cell = first; left[cell] && cell != start && cell != goal && count_exits(exits, cell) <= 1;) {
      left[cell] = 0;
      const uint32_t way = exits.of[cell] & 15;
      if (!way) break;
      const int d = first_direction(way);
      cell += exits.step(d);  // filled, it is no exit of its neighbour any more, which may be a dead end now
      exits.of[cell] = static_cast<uint8_t>(exits.of[cell] & ~(1u << (d ^ 2)));
    }
  }
}

// The last common cell of the canonical shortest paths from start to two goals; -1 if one cannot be reached.
MESA_HD int32_t decision_square(const Lattice& maze, int32_t start, int32_t goal_a, int32_t goal_b, Scratch scratch) {
  BreadthFirst search(maze, scratch);
  int32_t *to_a = scratch.take<int32_t>(maze.cells()), *to_b = scratch.take<int32_t>(maze.cells());
  search.distances(goal_a, to_a);
  search.forget();
  search.distances(goal_b, to_b);
  search.forget();
  if (to_a[start] < 0 || to_b[start] < 0) return -1;
  for (int32_t cell = start;;) {
    const uint32_t a = shortening(search.exits, to_a, cell), b = shortening(search.exits, to_b, cell);
    if (!a || !b || first_direction(a) != first_direction(b)) return cell;
    cell += search.exits.step(first_direction(a));
  }
}

// How deep a breadth-first search from the start must go to commit to a right first step: to the goal, or, if that is
// nearer, to the end of every branch that does not lead there on a shortest way. (Saparov et al. 2024, min(|P|, max
// |S|); here a branch's depth is that of its deepest cell no shortest way to which begins with a right step.) -1: no
// way.
MESA_HD int32_t lookahead(const Lattice& maze, int32_t start, int32_t goal, Scratch scratch) {
  BreadthFirst search(maze, scratch);
  int32_t* distance = scratch.take<int32_t>(maze.cells());
  uint8_t* right = scratch.take<uint8_t>(maze.cells());
  search.distances(goal, distance);
  search.forget();
  const int32_t length = distance[start];
  if (length <= 0) return length;
  const uint32_t right_steps = shortening(search.exits, distance, start);
  int32_t deepest = 0;
  for (int32_t cell = 0; cell < search.exits.cells(); ++cell) distance[cell] = -1;  // from the start, from here on
  search.flood(start, [&](int32_t cell, int32_t steps) {
    distance[cell] = steps;
    right[cell] = 0;
    for (int d = 0; d < 4; ++d) {  // d: from the neighbour to this cell
      const int32_t from = cell - search.exits.step(d);
      if (!(search.exits.of[cell] >> (d ^ 2) & 1)) continue;
      if (from == start) {
        right[cell] |= right_steps >> d & 1;
      } else if (distance[from] == steps - 1) {
        right[cell] |= right[from];
      }
    }
    if (steps > 0 && !right[cell]) deepest = steps;
    return true;
  });
  return deepest < length ? deepest : length;
}

}  // namespace mesa
