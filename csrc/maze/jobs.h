// What can be done to a batch of mazes: one struct a job, over packed mazes [count, 2, rows, row_bytes] and arrays of
// the caller's. A job's run(begin, end, scratch) does mazes begin … end-1; the backends hand out ranges. Rules live in
// the headers beside this one.
#pragma once
#include "agents.h"
#include "algorithms.h"
#include "distance.h"

#define MESA_MAZE_JOBS(X) \
  X(GenerateMazes)        \
  X(MazeDistances)        \
  X(MazeAgentsAct)

namespace mesa {

struct PackedMazes {
  uint8_t* bits;
  int32_t rows, cols;

  MESA_HD Lattice operator[](int64_t i) const { return {bits + i * Lattice::bytes_of(rows, cols), rows, cols}; }
  MESA_HD int64_t cells() const { return int64_t{rows} * cols; }
};

// A maze's number in its seed's sequence is its key: 64 bits, as stream and episode.
MESA_HD Key maze_key(uint64_t seed, uint64_t number) {
  return {seed, static_cast<uint32_t>(number), static_cast<uint32_t>(number >> 32)};
}

struct GenerateMazes {
  PackedMazes mazes;
  Layout layout;
  uint64_t seed, first;  // number of maze 0

  MESA_HD int64_t scratch_bytes(int lanes) const { return layout_scratch_bytes(layout, lanes); }

  struct Range {
    const GenerateMazes& job;
    int64_t begin;
    MESA_HD Key key(int64_t i) const { return maze_key(job.seed, job.first + static_cast<uint64_t>(begin + i)); }
    MESA_HD Lattice lattice(int64_t i) const { return job.mazes[begin + i]; }
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
    BreadthFirst search(mazes[i], scratch);
    search.flood(goal[i]);
    search.write_distances(distance + i * mazes.cells());
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
    const MazeAgentRow row{kind, sight, its, depth, region, maze_key(seed, static_cast<uint64_t>(i)), begins, relayout};
    action[i] = row.act(scratch);
  }
};

}  // namespace mesa
