// Mazes, from Python: addresses of checked arrays in, arrays filled. Names no algorithm; the GIL is released while a
// job runs.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "../backends/job_backend.h"
#include "../maze/jobs.h"
#include "../worlds/maze.h"
#include "options.h"
#include "parts.h"
#include "ranges.h"

namespace py = pybind11;

namespace mesa {
namespace {

struct AlgorithmEntry {
  const char *name, *help;
  void (*describe)(DescribeOptions&, Layout&);
  void (*read)(ReadOptions&, Layout&);
};
const std::vector<AlgorithmEntry>& algorithms() {
#define MESA_ENTRY(A)                  \
  {A::kName, A::kHelp,                 \
   [](DescribeOptions& v, Layout& l) { \
     A::options(v, l);                 \
     Layout::common(v, l);             \
   },                                  \
   [](ReadOptions& v, Layout& l) {     \
     A::options(v, l);                 \
     Layout::common(v, l);             \
   }},
  static const std::vector<AlgorithmEntry> list = {MESA_MAZE_ALGORITHMS(MESA_ENTRY)};
  return list;
}

std::vector<Option> options_of(const AlgorithmEntry& algorithm) {
  DescribeOptions known;
  Layout defaults;
  algorithm.describe(known, defaults);
  return known.found;
}

Layout read_layout(const std::string& name, int32_t rows, int32_t cols, const Options& given) {
  std::string allowed;
  for (size_t i = 0; i < algorithms().size(); ++i) {
    const AlgorithmEntry& algorithm = algorithms()[i];
    allowed += (allowed.empty() ? "'" : ", '") + std::string(algorithm.name) + "'";
    if (name != algorithm.name) continue;
    Layout layout;
    layout.rows = rows;
    layout.cols = cols;
    layout.algorithm = static_cast<int32_t>(i);
    check_known(options_of(algorithm), given, "algorithm '" + name + "'");
    ReadOptions reader{given};
    algorithm.read(reader, layout);
    check_layout(layout);
    return layout;
  }
  throw std::invalid_argument("algorithm: got '" + name + "', allowed: " + allowed);
}

void check_sides(int32_t rows, int32_t cols) {
  check_range("rows", rows, 2, kMaxMazeSide);
  check_range("cols", cols, 2, kMaxMazeSide);
}
PackedMazes packed(uintptr_t bits, int32_t rows, int32_t cols) {
  check_sides(rows, cols);
  return {reinterpret_cast<uint8_t*>(bits), rows, cols};
}
template <class T>
T* pointer(uintptr_t address) {
  return reinterpret_cast<T*>(address);
}

template <class Job>
void run(const Job& job, int64_t count, const Machine& machine) {
  check_count(count);
  py::gil_scoped_release release;
  run_job(job, count, machine);
}

using Addresses = std::vector<uintptr_t>;

// A job about packed mazes: `fill` gives it its other arrays.
template <class Job, class Fill>
void about(py::module_& m, const char* name, const Fill& fill) {
  m.def(name, [fill](uintptr_t bits, int32_t rows, int32_t cols, int64_t count, const Addresses& arrays,
                     const Machine& machine) {
    Job job;
    job.mazes = packed(bits, rows, cols);
    fill(job, arrays);
    run(job, count, machine);
  });
}

}  // namespace

void bind_mazes(py::module_& m) {
  py::class_<Machine>(m, "Machine", "Where a job over mazes runs.")
      .def(py::init([](int32_t num_threads, int32_t cuda_device, uintptr_t stream) {
             check_threads(num_threads);
             check_range("cuda_device", cuda_device, -1, INT32_MAX);
             return Machine{num_threads, cuda_device, reinterpret_cast<void*>(stream)};
           }),
           py::kw_only(), py::arg("num_threads") = 1, py::arg("cuda_device") = -1, py::arg("stream") = 0);
  m.attr("MAX_MAZE_SIDE") = kMaxMazeSide;
  m.def(
      "maze_algorithms",
      [] {
        py::dict result;
        for (const AlgorithmEntry& a : algorithms()) result[a.name] = py::make_tuple(a.help, py::cast(options_of(a)));
        return result;
      },
      "Algorithm → (what it is, its options).");
  m.def(
      "generate_mazes",
      [](const std::string& algorithm, const py::dict& options, int32_t rows, int32_t cols, uint64_t seed,
         uint64_t first, int64_t count, uintptr_t bits, const Machine& machine) {
        check_sides(rows, cols);
        const Layout layout = read_layout(algorithm, rows, cols, options_from(options));
        GenerateMazes job{packed(bits, rows, cols), layout, seed, first, {}};
        job.table.fill(layout);
        run(job, count, machine);
      },
      py::arg("algorithm"), py::arg("options"), py::arg("rows"), py::arg("cols"), py::arg("seed"), py::arg("first"),
      py::arg("count"), py::arg("bits"), py::arg("machine"));
  // What is asked about mazes: the addresses of the arrays a job names, in its order.
  about<MazeDistances>(m, "maze_distances", [](auto& job, const Addresses& arrays) {
    job.goal = pointer<const int32_t>(arrays.at(0));
    job.distance = pointer<int32_t>(arrays.at(1));
  });
  about<MazeActions>(m, "maze_actions", [](auto& job, const Addresses& arrays) {
    job.goal = pointer<const int32_t>(arrays.at(0));
    job.mask = pointer<uint8_t>(arrays.at(1));
  });
  about<MazeSolutions>(m, "maze_solutions", [](auto& job, const Addresses& arrays) {
    job.start = pointer<const int32_t>(arrays.at(0));
    job.goal = pointer<const int32_t>(arrays.at(1));
    job.length = pointer<int32_t>(arrays.at(2));
    job.unique = pointer<uint8_t>(arrays.at(3));
    job.moves = pointer<uint8_t>(arrays.at(4));
  });
  about<MazeOnlyPaths>(m, "maze_only_paths", [](auto& job, const Addresses& arrays) {
    job.start = pointer<const int32_t>(arrays.at(0));
    job.length = pointer<const int32_t>(arrays.at(1));
    job.moves = pointer<uint8_t>(arrays.at(2));
    job.only = pointer<uint8_t>(arrays.at(3));
  });
  about<MazeComponents>(m, "maze_components", [](auto& job, const Addresses& arrays) {
    job.label = pointer<int32_t>(arrays.at(0));
    job.parts = pointer<int32_t>(arrays.at(1));
  });
  about<MazeDegrees>(m, "maze_degrees",
                     [](auto& job, const Addresses& arrays) { job.degree = pointer<uint8_t>(arrays.at(0)); });
  about<MazeDeadEndFilling>(m, "maze_dead_end_filling", [](auto& job, const Addresses& arrays) {
    job.start = pointer<const int32_t>(arrays.at(0));
    job.goal = pointer<const int32_t>(arrays.at(1));
    job.left = pointer<uint8_t>(arrays.at(2));
  });
  about<MazeDecisionSquares>(m, "maze_decision_squares", [](auto& job, const Addresses& arrays) {
    job.start = pointer<const int32_t>(arrays.at(0));
    job.goal_a = pointer<const int32_t>(arrays.at(1));
    job.goal_b = pointer<const int32_t>(arrays.at(2));
    job.square = pointer<int32_t>(arrays.at(3));
  });
  about<MazeLookahead>(m, "maze_lookahead", [](auto& job, const Addresses& arrays) {
    job.start = pointer<const int32_t>(arrays.at(0));
    job.goal = pointer<const int32_t>(arrays.at(1));
    job.depth = pointer<int32_t>(arrays.at(2));
  });
  m.def(
      "maze_words",
      [](uint64_t seed, uint64_t first, int64_t count, int64_t each, uintptr_t out) {
        check_count(count);
        check_range("each", each, 0, 2 * kMaxMazeSide * kMaxMazeSide);
        auto* word = pointer<int64_t>(out);
        py::gil_scoped_release release;
        for (int64_t i = 0; i < count; ++i) {
          Words words(numbered_key(seed, first + static_cast<uint64_t>(i)), Purpose::kTie);
          for (int64_t k = 0; k < each; ++k) *word++ = words.u32();
        }
      },
      "Random words of mazes first …: int64 [count, each], 0 to 2^32 - 1, for what is shuffled in Python.");
  m.def("maze_paths", [](int32_t rows, int32_t cols, int64_t count, const Addresses& arrays, const Machine& machine) {
    check_sides(rows, cols);
    MazePaths job;
    job.rows = rows;
    job.cols = cols;
    job.start = pointer<const int32_t>(arrays.at(0));
    job.length = pointer<const int32_t>(arrays.at(1));
    job.moves = pointer<uint8_t>(arrays.at(2));
    job.offset = pointer<const int64_t>(arrays.at(3));
    job.cell = pointer<int32_t>(arrays.at(4));
    run(job, count, machine);
  });
  m.def("maze_endpoints", [](uintptr_t bits, int32_t rows, int32_t cols, int64_t count, bool dead_ends, bool not_equal,
                             int32_t min_distance, int32_t max_distance, uint64_t seed, uint64_t first,
                             const Addresses& arrays, const Machine& machine) {
    MazeEndpoints job;
    job.mazes = packed(bits, rows, cols);
    job.rule = {dead_ends, not_equal, min_distance, max_distance};
    job.seed = seed;
    job.first = first;
    job.start = pointer<int32_t>(arrays.at(0));
    job.goal = pointer<int32_t>(arrays.at(1));
    run(job, count, machine);
  });
  m.def(
      "maze_agent_memory_bytes",
      [](int32_t size) {
        check_range("size", size, 1, kMaxMazeSide);
        return MazeMemory::bytes(size);
      },
      py::arg("size"), "Bytes one slot's reference agent keeps.");
  m.def(
      "maze_agents_act",
      [](int32_t kind, int32_t size, int32_t side, bool relayout, int32_t depth, int32_t region, uint64_t seed,
         int64_t count, uintptr_t view, uintptr_t trial_start, uintptr_t memory, uintptr_t action,
         const Machine& machine) {
        check_range("kind", kind, 0, static_cast<int64_t>(MazeAgent::kCornerSeeker));
        check_range("size", size, 1, kMaxMazeSide);
        const bool whole = sees_whole_grid(static_cast<MazeAgent>(kind));
        check_range("side", side, whole ? 2 * size + 1 : 1, whole ? 2 * size + 1 : 2 * kMaxMazeSide + 1);
        MazeAgentsAct job;
        job.kind = static_cast<MazeAgent>(kind);
        job.size = size;
        job.side = side;
        job.relayout = relayout;
        job.depth = depth;
        job.region = region;
        job.seed = seed;
        job.view = pointer<uint8_t>(view);
        job.trial_start = pointer<uint8_t>(trial_start);
        job.memory = pointer<uint8_t>(memory);
        job.action = pointer<int32_t>(action);
        run(job, count, machine);
      },
      py::kw_only(), py::arg("kind"), py::arg("size"), py::arg("side"), py::arg("relayout"), py::arg("depth"),
      py::arg("region"), py::arg("seed"), py::arg("count"), py::arg("view"), py::arg("trial_start"), py::arg("memory"),
      py::arg("action"), py::arg("machine"));
}

}  // namespace mesa
