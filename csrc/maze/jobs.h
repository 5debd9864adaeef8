// What can be done to a batch of mazes: one struct a job, over packed mazes [count, 2, rows, row_bytes] and arrays of
// the caller's. A job's run(begin, end, scratch) does mazes begin … end-1; the backends hand out ranges. Rules live in
// the headers beside this one.
#pragma once
#include "agents.h"
#include "algorithms.h"
#include "endpoints.h"
#include "structure.h"

#define MESA_MAZE_JOBS(X) \
  X(GenerateMazes)        \
  X(MazeDistances)        \
  X(MazeActions)          \
  X(MazeSolutions)        \
  X(MazeOnlyPaths)        \
  X(MazePaths)            \
  X(MazeComponents)       \
  X(MazeDegrees)          \
  X(MazeDeadEndFilling)   \
  X(MazeDecisionSquares)  \
  X(MazeLookahead)        \
  X(MazeEndpoints)        \
  X(MazeAgentsAct)

namespace mesa {

struct PackedMazes {
  uint8_t* bits;
  int32_t rows, cols;

  MESA_HD Lattice operator[](int64_t i) const { return {bits + i * Lattice::bytes_of(rows, cols), rows, cols}; }
  MESA_HD int64_t cells() const { return int64_t{rows} * cols; }
};

struct GenerateMazes {
  PackedMazes mazes;
  Layout layout;
  uint64_t seed, first;     // number of maze 0
  DepthFirst::Table table;  // of this layout, made once

  static constexpr int64_t kMostAtOnce = 256;
  MESA_HD int64_t scratch_bytes(int lanes) const { return layout_scratch_bytes(layout, lanes); }

  struct Range {
    const GenerateMazes& job;
    int64_t begin;
    MESA_HD Key key(int64_t i) const { return numbered_key(job.seed, job.first + static_cast<uint64_t>(begin + i)); }
    MESA_HD Lattice lattice(int64_t i) const { return job.mazes[begin + i]; }
    MESA_HD const DepthFirst::Table* table() const { return &job.table; }
    MESA_HD void finished(int64_t) const {}
  };
  template <int kLanes>
  MESA_HD void run(int64_t begin, int64_t end, Scratch scratch) const {
    Range range{*this, begin};
    lay_out_many<kLanes>(layout, end - begin, range, scratch);
  }
};

// A job that does one maze after the other: Job::one(i, scratch).
template <class Job>
struct MazeByMaze {
  static constexpr int64_t kMostAtOnce = 256;
  template <int kLanes>
  MESA_HD void run(int64_t begin, int64_t end, Scratch scratch) const {
    for (int64_t i = begin; i < end; ++i) static_cast<const Job*>(this)->one(i, scratch);
  }
};

// distance[i, cell] = steps from the cell to goal[i] (a cell's number is row * cols + col), -1 where there is no way.
struct MazeDistances : MazeByMaze<MazeDistances> {
  PackedMazes mazes;
  const int32_t* goal;  // [count]
  int32_t* distance;    // [count, rows, cols]

  MESA_HD int64_t scratch_bytes(int) const { return BreadthFirst::scratch_bytes(mazes.rows, mazes.cols); }
  MESA_HD void one(int64_t i, Scratch scratch) const {
    BreadthFirst(mazes[i], scratch).distances(goal[i], distance + i * mazes.cells());
  }
};

// A job about mazes [count, 2, rows, row_bytes], in whose scratch a search and a number for every cell (or two) fit.
struct AboutMazes {
  PackedMazes mazes;
  MESA_HD int64_t scratch_bytes(int) const {
    return BreadthFirst::scratch_bytes(mazes.rows, mazes.cols) + 2 * Scratch::bytes_for<int32_t>(mazes.cells());
  }
};

// Which actions shorten the way to goal[i], a bit a direction: uint8 [count, rows, cols].
struct MazeActions : AboutMazes, MazeByMaze<MazeActions> {
  const int32_t* goal;
  uint8_t* mask;
  MESA_HD void one(int64_t i, Scratch scratch) const {
    BreadthFirst search(mazes[i], scratch);
    int32_t* distance = scratch.take<int32_t>(mazes.cells());
    search.distances(goal[i], distance);
    uint8_t* out = mask + i * mazes.cells();
    for (int32_t cell = 0; cell < search.exits.cells(); ++cell)
      out[cell] = static_cast<uint8_t>(distance[cell] < 0 ? 0 : shortening(search.exits, distance, cell));
  }
};

// The canonical shortest path from start[i] to goal[i]: its length, whether it is the only shortest one, its moves.
struct MazeSolutions : AboutMazes, MazeByMaze<MazeSolutions> {
  const int32_t *start, *goal;
  int32_t* length;
  uint8_t* unique;
  uint8_t* moves;  // [count, PackedMoves::bytes_of(cells)]
  MESA_HD PackedMoves moves_of(int64_t i) const { return {moves + i * PackedMoves::bytes_of(mazes.cells())}; }
  MESA_HD void one(int64_t i, Scratch scratch) const {
    memset(moves_of(i).bytes, 0, static_cast<size_t>(PackedMoves::bytes_of(mazes.cells())));
    const Solved solved = shortest_path(mazes[i], start[i], goal[i], moves_of(i), scratch);
    length[i] = solved.length;
    unique[i] = solved.unique;
  }
};

// Whether solution i is the only simple path.
struct MazeOnlyPaths : AboutMazes, MazeByMaze<MazeOnlyPaths> {
  const int32_t *start, *length;
  uint8_t *moves, *only;
  MESA_HD void one(int64_t i, Scratch scratch) const {
    const PackedMoves its{moves + i * PackedMoves::bytes_of(mazes.cells())};
    only[i] = is_only_path(mazes[i], start[i], length[i], its, scratch);
  }
};

// The cells of solution i, from cell[offset[i]].
struct MazePaths : MazeByMaze<MazePaths> {
  int32_t rows, cols;
  const int32_t *start, *length;
  uint8_t* moves;
  const int64_t* offset;
  int32_t* cell;
  MESA_HD int64_t scratch_bytes(int) const { return 0; }
  MESA_HD void one(int64_t i, Scratch) const {
    const PackedMoves its{moves + i * PackedMoves::bytes_of(int64_t{rows} * cols)};
    int32_t at = start[i], *out = cell + offset[i];
    for (int32_t k = 0; k <= length[i]; ++k) {
      out[k] = at;
      if (k == length[i]) return;
      at += row_step(its.at(k)) * cols + col_step(its.at(k));
    }
  }
};

struct MazeComponents : AboutMazes, MazeByMaze<MazeComponents> {
  int32_t *label, *parts;  // [count, rows, cols], [count]
  MESA_HD void one(int64_t i, Scratch scratch) const {
    parts[i] = components(mazes[i], label + i * mazes.cells(), scratch);
  }
};

struct MazeDegrees : AboutMazes, MazeByMaze<MazeDegrees> {
  uint8_t* degree;  // [count, rows, cols]
  MESA_HD void one(int64_t i, Scratch scratch) const {
    const Exits exits(mazes[i], scratch);
    uint8_t* out = degree + i * mazes.cells();
    for (int32_t cell = 0; cell < exits.cells(); ++cell) out[cell] = static_cast<uint8_t>(count_exits(exits, cell));
  }
};

struct MazeDeadEndFilling : AboutMazes, MazeByMaze<MazeDeadEndFilling> {
  const int32_t *start, *goal;
  uint8_t* left;  // [count, rows, cols]
  MESA_HD void one(int64_t i, Scratch scratch) const {
    fill_dead_ends(mazes[i], start[i], goal[i], left + i * mazes.cells(), scratch);
  }
};

struct MazeDecisionSquares : AboutMazes, MazeByMaze<MazeDecisionSquares> {
  const int32_t *start, *goal_a, *goal_b;
  int32_t* square;
  MESA_HD void one(int64_t i, Scratch scratch) const {
    square[i] = decision_square(mazes[i], start[i], goal_a[i], goal_b[i], scratch);
  }
};

struct MazeLookahead : AboutMazes, MazeByMaze<MazeLookahead> {
  const int32_t *start, *goal;
  int32_t* depth;
  MESA_HD void one(int64_t i, Scratch scratch) const { depth[i] = lookahead(mazes[i], start[i], goal[i], scratch); }
};

struct MazeEndpoints : AboutMazes, MazeByMaze<MazeEndpoints> {
  EndpointRule rule;
  uint64_t seed, first;
  int32_t *start, *goal;  // given where not negative; then what was found, -1 where there is nothing
  MESA_HD void one(int64_t i, Scratch scratch) const {
    const Key key = numbered_key(seed, first + static_cast<uint64_t>(i));
    const Endpoints found = place_endpoints(mazes[i], rule, start[i], goal[i], key, scratch);
    start[i] = found.start;
    goal[i] = found.goal;
  }
};

// One action of a reference agent for every slot.
struct MazeAgentsAct : MazeByMaze<MazeAgentsAct> {
  MazeAgent kind;
  int32_t size, side;  // cells of the maze, tiles of the picture
  bool relayout;
  int32_t depth, region;
  uint64_t seed;
  const uint8_t* view;         // [count, side, side]
  const uint8_t* trial_start;  // [count], or null: trials are not told apart
  uint8_t* memory;             // [count, MazeMemory::bytes(size)], zero at an episode's start
  int32_t* action;             // [count]

  MESA_HD int64_t scratch_bytes(int) const { return MazeAgentRow::scratch_bytes(size); }
  MESA_HD void one(int64_t i, Scratch scratch) const {
    uint8_t* bytes = memory + i * MazeMemory::bytes(size);
    const MazeMemory its{reinterpret_cast<MazeMemory::Head*>(bytes),
                         reinterpret_cast<uint16_t*>(bytes + sizeof(MazeMemory::Head)), size};
    const Sight sight{view + i * side * side, side};
    const bool begins = its.head->steps > 0 && trial_start && trial_start[i];
    const MazeAgentRow row{kind,   sight,   its, depth, region, numbered_key(seed, static_cast<uint64_t>(i)),
                           begins, relayout};
    action[i] = row.act(scratch);
  }
};

}  // namespace mesa
