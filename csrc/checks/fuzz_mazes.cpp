// Mazes from a stranger: any bits that the Python door lets through (no connection leaves the lattice), asked all that
// can be asked about mazes, and distances compared with Bellman and Ford's.
#include <memory>
#include <vector>

#include "../backends/job_backend.h"
#include "../maze/jobs.h"
#include "input.h"

using namespace mesa;

namespace {

template <class T>
T* exact(std::vector<std::unique_ptr<uint8_t[]>>& kept, int64_t count) {
  kept.emplace_back(new uint8_t[static_cast<size_t>(count) * sizeof(T)]());
  return reinterpret_cast<T*>(kept.back().get());
}

// Relaxes every connection until nothing changes.
std::vector<int32_t> plain_distances(const Lattice& maze, int32_t goal) {
  std::vector<int32_t> steps(static_cast<size_t>(maze.cells()), -1);
  steps[static_cast<size_t>(goal)] = 0;
  for (bool changed = true; changed;) {
    changed = false;
    for (int32_t cell = 0; cell < maze.cells(); ++cell) {
      if (steps[static_cast<size_t>(cell)] < 0) continue;
      const int32_t r = cell / maze.cols, c = cell % maze.cols;
      for (int d = 0; d < 4; ++d) {
        if (!(maze.exits(r, c) >> d & 1)) continue;
        int32_t& next = steps[static_cast<size_t>(cell + row_step(d) * maze.cols + col_step(d))];
        if (next >= 0 && next <= steps[static_cast<size_t>(cell)] + 1) continue;
        next = steps[static_cast<size_t>(cell)] + 1;
        changed = true;
      }
    }
  }
  return steps;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input{data, data + size};
  const int32_t rows = static_cast<int32_t>(2 + input.below(32)), cols = static_cast<int32_t>(2 + input.below(32));
  const int64_t cells = int64_t{rows} * cols;
  std::vector<std::unique_ptr<uint8_t[]>> kept;
  const auto cell = [&] {
    int32_t* at = exact<int32_t>(kept, 1);
    *at = static_cast<int32_t>(input.take<uint16_t>() % cells);
    return at;
  };
  int32_t *start = cell(), *goal = cell(), *other = cell();
  const uint8_t rule = input.byte();
  const int32_t least = input.byte(), most = input.byte();
  const PackedMazes mazes{exact<uint8_t>(kept, Lattice::bytes_of(rows, cols)), rows, cols};
  const uint8_t fill = input.byte();
  for (int64_t k = 0; k < mazes[0].bytes(); ++k) mazes.bits[k] = input.left() > 0 ? input.byte() : fill;
  keep_inside(mazes[0]);

  MazeDistances distances{{}, mazes, goal, exact<int32_t>(kept, cells)};
  run_on_cpu(distances, 1, 1);
  const auto plain = plain_distances(mazes[0], *goal);
  require(memcmp(plain.data(), distances.distance, plain.size() * 4) == 0, "distances are the shortest");

  MazeActions actions{};
  actions.mazes = mazes;
  actions.goal = goal;
  actions.mask = exact<uint8_t>(kept, cells);
  run_on_cpu(actions, 1, 1);

  MazeSolutions solutions{};
  solutions.mazes = mazes;
  solutions.start = start;
  solutions.goal = goal;
  solutions.length = exact<int32_t>(kept, 1);
  solutions.unique = exact<uint8_t>(kept, 1);
  solutions.moves = exact<uint8_t>(kept, PackedMoves::bytes_of(cells));
  run_on_cpu(solutions, 1, 1);
  const int32_t length = *solutions.length;
  require(length == plain[static_cast<size_t>(*start)], "a path is as long as the distance");

  MazeOnlyPaths only{};
  only.mazes = mazes;
  only.start = start;
  only.length = solutions.length;
  only.moves = solutions.moves;
  only.only = exact<uint8_t>(kept, 1);
  run_on_cpu(only, 1, 1);
  require(!*only.only || *solutions.unique, "an only path is the only shortest one");

  int64_t* offset = exact<int64_t>(kept, 1);
  MazePaths paths{{}, rows, cols, start, solutions.length, solutions.moves, offset, exact<int32_t>(kept, length + 1)};
  run_on_cpu(paths, 1, 1);
  require(length < 0 || paths.cell[length] == *goal, "a path ends at the goal");

  MazeComponents components{};
  components.mazes = mazes;
  components.label = exact<int32_t>(kept, cells);
  components.parts = exact<int32_t>(kept, 1);
  run_on_cpu(components, 1, 1);
  require((components.label[*start] == components.label[*goal]) == (length >= 0), "a component is what paths join");

  MazeDegrees degrees{};
  degrees.mazes = mazes;
  degrees.degree = exact<uint8_t>(kept, cells);
  run_on_cpu(degrees, 1, 1);

  MazeDeadEndFilling filling{};
  filling.mazes = mazes;
  filling.start = start;
  filling.goal = goal;
  filling.left = exact<uint8_t>(kept, cells);
  run_on_cpu(filling, 1, 1);

  MazeDecisionSquares squares{};
  squares.mazes = mazes;
  squares.start = start;
  squares.goal_a = goal;
  squares.goal_b = other;
  squares.square = exact<int32_t>(kept, 1);
  run_on_cpu(squares, 1, 1);

  MazeLookahead look{};
  look.mazes = mazes;
  look.start = start;
  look.goal = goal;
  look.depth = exact<int32_t>(kept, 1);
  run_on_cpu(look, 1, 1);
  require(*look.depth <= (length < 0 ? -1 : length), "one need not look farther than the goal");

  MazeEndpoints ends{};
  ends.mazes = mazes;
  ends.rule = {(rule & 1) != 0, (rule & 2) != 0, least, least + most};
  ends.start = exact<int32_t>(kept, 1);
  ends.goal = exact<int32_t>(kept, 1);
  *ends.start = rule & 4 ? *start : -1;
  *ends.goal = rule & 8 ? *goal : -1;
  run_on_cpu(ends, 1, 1);
  require((*ends.start < 0) == (*ends.goal < 0), "both ends are found or none");
  return 0;
}
