// What an episode of the maze world is about: where start, objects, door and key lie, and what is rewarded.
#pragma once
#include "tiles.h"

namespace mesa {

struct MazeTask {
  const MazeConfig& c;
  MazeState& s;
  const Key& key;

  MESA_HD int cell_of(int row, int col) const { return row * c.size + col; }
  MESA_HD int object_cell(int k) const { return cell_of(object_of(s, k).row, object_of(s, k).col); }

  // Rewards in force. The n-th drawing of an episode (0 at its start) has random numbers of its own.
  MESA_HD void draw_objective(int32_t drawing) const {
    Rng rng(key, Purpose::kTask);
    rng.next_block = 16u * static_cast<uint32_t>(drawing);
    for (int k = 0; k < c.objects; ++k) value_of(c, s, k) = static_cast<float>(c.rewards.value[k]);
    if (c.objective == MazeConfig::kPermuted) {
      for (int k = c.objects - 1; k > 0; --k) {
        const int other = static_cast<int>(rng.below(static_cast<uint32_t>(k) + 1));
        const float held = value_of(c, s, k);
        value_of(c, s, k) = value_of(c, s, other);
        value_of(c, s, other) = held;
      }
    } else if (c.objective == MazeConfig::kOne) {
      const int chosen = static_cast<int>(rng.below(static_cast<uint32_t>(c.objects)));
      for (int k = 0; k < c.objects; ++k)
        if (k != chosen) value_of(c, s, k) = 0.0f;
    } else if (c.objective == MazeConfig::kSigns) {
      for (int k = 0; k < c.objects; ++k)
        if (rng.below(2)) value_of(c, s, k) = -value_of(c, s, k);
    } else if (c.objective == MazeConfig::kUniform) {
      for (int k = 0; k < c.objects; ++k)
        value_of(c, s, k) = static_cast<float>(c.rewards.value[k] * (2.0 * rng.uniform() - 1.0));
    }
  }

  // One goal anywhere in a tree: goal uniform over cells, start uniform over the cells at least min_distance steps from
  // it; a goal with no such cell is drawn again.
  MESA_HD void place_plainly(const Lattice& maze, Scratch scratch) const {
    Rng rng(key, Purpose::kPlacement);
    const uint32_t cells = static_cast<uint32_t>(c.num_cells());
    if (c.min_distance == 1) {
      const uint32_t goal = rng.below(cells), other = rng.below(cells - 1);
      set(static_cast<int>(other + (other >= goal)), static_cast<int>(goal));
      return;
    }
    for (;;) {
      const uint32_t goal = rng.below(cells);
      Scratch rest = scratch;
      BreadthFirst search(maze, rest);
      int32_t near = 0;  // the queue is in the order of distance: the far cells are its last
      search.flood(static_cast<int32_t>(goal), [&](int32_t, int32_t distance) {
        near += distance < c.min_distance;
        return true;
      });
      if (near == search.reached) continue;
      const uint32_t far = static_cast<uint32_t>(search.reached - near);
      set(search.queue[near + static_cast<int32_t>(rng.below(far))], static_cast<int>(goal));
      return;
    }
  }
  MESA_HD void set(int start, int goal) const {
    s.row = s.start_row = static_cast<uint8_t>(start / c.size);
    s.col = s.start_col = static_cast<uint8_t>(start % c.size);
    set_object(0, goal);
  }
  MESA_HD void set_object(int k, int cell) const {
    object_of(s, k) = {static_cast<uint8_t>(cell / c.size), static_cast<uint8_t>(cell % c.size), 1, 0};
  }

  // Cells by what may lie there: bit 0, of the largest component (the first of several); bit 1, taken.
  static constexpr uint8_t kInside = 1, kIsTaken = 2, kIsDeadEnd = 4;

  // What laying out the places of a task takes: survey; then beside its result the steps to an object, and how the
  // second route's cells hang together, each with a search.
  static int64_t scratch_bytes(const MazeConfig& c) {
    const int64_t cells = Scratch::bytes_for<int32_t>(c.num_cells());
    return Scratch::bytes_for<uint8_t>(c.num_cells()) + 2 * (cells + BreadthFirst::scratch_bytes(c.size, c.size));
  }
  MESA_HD uint8_t* survey(const Lattice& maze, Scratch& scratch) const {
    uint8_t* about = scratch.take<uint8_t>(c.num_cells());
    Scratch rest = scratch;
    int32_t* label = rest.take<int32_t>(c.num_cells());
    const int32_t parts = components(maze, label, rest);
    int32_t best = 0, most = 0;
    for (int32_t part = 0; part < parts && most <= c.num_cells() / 2; ++part) {
      int32_t size = 0;
      for (int cell = 0; cell < c.num_cells(); ++cell) size += label[cell] == part;
      if (size > most) {
        most = size;
        best = part;
      }
    }
    for (int cell = 0; cell < c.num_cells(); ++cell) {
      const uint32_t exits = maze.exits(cell / c.size, cell % c.size);
      about[cell] =
          static_cast<uint8_t>((label[cell] == best ? kInside : 0) | (count_bits4(exits) == 1 ? kIsDeadEnd : 0));
    }
    return about;
  }
  MESA_HD bool fits(const uint8_t* about, int cell, int32_t place) const {
    if ((about[cell] & (kInside | kIsTaken)) != kInside) return false;
    if (place == MazeConfig::kCorner) return cell / c.size < c.region && cell % c.size >= c.size - c.region;
    return place != MazeConfig::kDeadEnds || (about[cell] & kIsDeadEnd);
  }
  // A uniform cell, in row order, of those that fit; -1 if none does.
  template <class Fits>
  MESA_HD int draw_cell(Rng& rng, const Fits& fits_here) const {
    uint32_t count = 0;
    for (int cell = 0; cell < c.num_cells(); ++cell) count += fits_here(cell);
    if (count == 0) return -1;
    uint32_t skip = rng.below(count);
    for (int cell = 0;; ++cell)
      if (fits_here(cell) && skip-- == 0) return cell;
  }
  // By its place rule; anywhere if nothing fits that; nowhere if the maze is full.
  MESA_HD void place_object(int k, uint8_t* about, Rng& rng) const {
    const int32_t place = MazeConfig::place(c, k);
    int cell = -1;
    if (place == MazeConfig::kFixed && !(about[c.cells.value[k]] & kIsTaken)) cell = c.cells.value[k];
    if (cell < 0 && place != MazeConfig::kFixed) cell = draw_cell(rng, [&](int at) { return fits(about, at, place); });
    if (cell < 0) cell = draw_cell(rng, [&](int at) { return fits(about, at, MazeConfig::kAnywhere); });
    object_of(s, k).present = cell >= 0;
    if (cell < 0) return;
    set_object(k, cell);
    about[cell] |= kIsTaken;
  }
  MESA_HD Rng placing_rng() const {
    Rng rng(key, Purpose::kPlacement);
    rng.next_block = 64u * static_cast<uint32_t>(s.placings++);
    return rng;
  }
  // `left_only`: those that are there; what was collected stays gone.
  MESA_HD void place_objects(uint8_t* about, Rng& rng, bool left_only = false) const {
    for (int fixed = 1; fixed >= 0; --fixed)
      for (int k = 0; k < c.objects; ++k)
        if ((MazeConfig::place(c, k) == MazeConfig::kFixed) == (fixed == 1) && (object_of(s, k).present || !left_only))
          place_object(k, about, rng);
  }

  // Objects, then the start: uniform over the free cells at least min_distance steps from the first object, or, where
  // none is so far, over the farthest.
  MESA_HD void place(const Lattice& maze, Scratch scratch) const {
    uint8_t* about = survey(maze, scratch);
    Rng rng = placing_rng();
    place_objects(about, rng);
    BreadthFirst search(maze, scratch);
    int32_t* steps = scratch.take<int32_t>(c.num_cells());
    search.distances(object_of(s, 0).present ? object_cell(0) : 0, steps);
    int32_t farthest = -1;
    for (int cell = 0; cell < c.num_cells(); ++cell)
      if (fits(about, cell, MazeConfig::kAnywhere) && steps[cell] > farthest) farthest = steps[cell];
    const int32_t least = c.min_distance < farthest ? c.min_distance : farthest;
    int start = draw_cell(rng, [&](int at) { return fits(about, at, MazeConfig::kAnywhere) && steps[at] >= least; });
    if (start < 0) start = 0;
    s.row = s.start_row = static_cast<uint8_t>(start / c.size);
    s.col = s.start_col = static_cast<uint8_t>(start % c.size);
    if (c.moves == MazeConfig::kFacing) s.heading = s.start_heading = static_cast<uint8_t>(rng.below(4));
    if (c.routes == 2 && steps[start] > 0) open_second_route(maze, steps, start, rng, scratch);
    if (c.door) place_door(maze, about, steps, start, rng, scratch);
  }

  // Start and goal as a level gives them.
  MESA_HD void place_as_given(int start, int goal) const {
    set(start, goal);
    for (int k = 1; k < c.objects; ++k) object_of(s, k).present = 0;
  }

  // The tree's path from start to the first object, walked by steps to it; calls at(cell, place on the path).
  template <class At>
  MESA_HD void walk(const Lattice& maze, const int32_t* steps, int start, const At& at) const {
    int cell = start;
    for (int place = 0;; ++place) {
      at(cell, place);
      if (steps[cell] == 0) return;
      const uint32_t exits = maze.exits(cell / c.size, cell % c.size);
      for (int d = 0; d < 4; ++d) {
        const int next = cell + row_step(d) * c.size + col_step(d);
        if ((exits >> d & 1) && steps[next] == steps[cell] - 1) {
          cell = next;
          break;
        }
      }
    }
  }

  // Opens a uniform one of the walls between cells that hang from different places of the path: the loop it closes
  // holds a piece of the path, so that there are two simple routes and no more.
  MESA_HD void open_second_route(const Lattice& maze, const int32_t* steps, int start, Rng& rng,
                                 Scratch scratch) const {
    int32_t* hangs_from = scratch.take<int32_t>(c.num_cells());
    BreadthFirst search(maze, scratch);
    for (int cell = 0; cell < c.num_cells(); ++cell) hangs_from[cell] = -1;
    walk(maze, steps, start, [&](int cell, int place) { hangs_from[cell] = place; });
    search.flood(start, [&](int32_t cell, int32_t) {
      for (int d = 0; d < 4; ++d) {
        const int next = cell + search.exits.step(d);
        if ((search.exits.of[cell] >> d & 1) && hangs_from[next] < 0) hangs_from[next] = hangs_from[cell];
      }
      return true;
    });
    const auto wall = [&](int number) {  // cell * 2 + (1: to the right, 0: below)
      const int cell = number >> 1, right = number & 1, r = cell / c.size, col = cell % c.size;
      if (right ? col + 1 == c.size : r + 1 == c.size) return false;
      return !maze.joined(right, r, col) && hangs_from[cell] != hangs_from[cell + (right ? 1 : c.size)];
    };
    uint32_t count = 0;
    for (int number = 0; number < 2 * c.num_cells(); ++number) count += wall(number);
    if (count == 0) return;
    uint32_t skip = rng.below(count);
    for (int number = 0;; ++number) {
      if (!wall(number) || skip-- > 0) continue;
      maze.carve((number >> 1) / c.size, (number >> 1) % c.size, number & 1 ? 1 : 2);
      return;
    }
  }

  // The door on a uniform free cell of the path that is two steps or more from the start and before the object; the key
  // on a uniform free cell of the start's side. A path of less than three steps has no door.
  MESA_HD void place_door(const Lattice& maze, uint8_t* about, const int32_t* steps, int start, Rng& rng,
                          Scratch scratch) const {
    constexpr uint8_t kOnPath = 8, kStartSide = 16;
    about[start] |= kIsTaken;
    walk(maze, steps, start, [&](int cell, int place) { about[cell] |= place >= 2 && steps[cell] > 0 ? kOnPath : 0; });
    const auto for_door = [&](int at) { return (about[at] & (kIsTaken | kOnPath)) == kOnPath; };
    const int door = draw_cell(rng, for_door);
    if (door < 0) return;
    BreadthFirst search(maze, scratch);
    search.exits.of[door] |= BreadthFirst::kReached;  // a wall to the search
    search.flood(start, [&](int32_t cell, int32_t) {
      about[cell] |= kStartSide;
      return true;
    });
    const int at = draw_cell(rng, [&](int cell) { return (about[cell] & (kIsTaken | kStartSide)) == kStartSide; });
    if (at < 0) return;
    s.door_row = static_cast<uint8_t>(door / c.size);
    s.door_col = static_cast<uint8_t>(door % c.size);
    s.key_row = static_cast<uint8_t>(at / c.size);
    s.key_col = static_cast<uint8_t>(at % c.size);
    s.has_door = s.door_closed = s.key_there = 1;
  }
};

}  // namespace mesa
