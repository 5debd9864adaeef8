// Every job over the curriculum's families, sequences and regressions: what they make, as a number.
#pragma once
#include <array>

#include "../curriculum/jobs.h"
#include "../regression/jobs.h"
#include "../sequence/jobs.h"
#include "tried.h"

namespace mesa {

// A family's arrays, all pointers, each to zeros enough for any of them.
template <class Family>
uint64_t family_jobs(int threads, int64_t count, int32_t n) {
  constexpr size_t kArrays = sizeof(typename Family::Arrays) / sizeof(void*);
  typename Family::Options options;
  const ProblemSize size = Family::size(n, options);
  std::vector<std::vector<int64_t>> memory(
      kArrays, zeros<int64_t>(count * std::max<int64_t>(int64_t{n} * n, int64_t{size.clauses} * size.literals)));
  std::array<int64_t*, kArrays> pointers;
  for (size_t k = 0; k < kArrays; ++k) pointers[k] = memory[k].data();
  GenerateProblems<Family> draw{};
  static_assert(sizeof draw.arrays == sizeof pointers, "Arrays holds pointers only");
  memcpy(&draw.arrays, pointers.data(), sizeof draw.arrays);
  draw.size = size;
  draw.options = options;
  try_on_cpu(draw, count, threads);
  auto answer = zeros<int8_t>(count * n);
  auto value = zeros<int64_t>(count), nodes = value;
  auto feasible = zeros<uint8_t>(count), optimal = feasible;
  uint64_t made = 0;
  for (const auto& array : memory) made = made * 31 + hash_of(array);
  SolveProblems<Family> solve{};
  solve.size = size;
  solve.arrays = draw.arrays;
  solve.found = {answer.data(), value.data(), nodes.data(), feasible.data(), optimal.data()};
  solve.node_limit = 10000;
  try_on_cpu(solve, count, threads);
  made = made * 31 + hash_of(answer) + hash_of(nodes);
  GreedyAnswers<Family> greedy{};
  greedy.size = size;
  greedy.arrays = draw.arrays;
  greedy.found = solve.found;
  try_on_cpu(greedy, count, threads);
  return made * 31 + hash_of(answer) + hash_of(value);
}

inline uint64_t curriculum_jobs(int threads, int64_t count) {
  uint64_t made = 0;
#define MESA_TRY_FAMILY(Family) made = made * 31 + family_jobs<Family>(threads, count, 20);
  MESA_CURRICULUM_FAMILIES(MESA_TRY_FAMILY)
#undef MESA_TRY_FAMILY
  return made;
}

inline uint64_t sequence_jobs(int threads, int64_t count) {
  sequence::GenerateSequences job{};
  job.length = 40;
  auto symbols = zeros<uint8_t>(count * job.length);
  auto oracle = zeros<float>(count * job.length);
  job.symbols = symbols.data();
  job.oracle_log = oracle.data();
  try_on_cpu(job, count, threads);
  return hash_of(symbols) + hash_of(oracle);
}

inline uint64_t regression_jobs(int threads, int64_t count) {
  RegressionLaw law{};
  law.dim = 5;
  law.points = 8;
  auto task = zeros<int32_t>(count);
  auto w = zeros<float>(count * 5), x = zeros<float>(count * 40), y = zeros<float>(count * 8), tasks = w;
  try_on_cpu(DrawRegressions{law, 1, 0, task.data(), w.data(), x.data(), y.data()}, count, threads);
  try_on_cpu(DrawRegressionTasks{law, tasks.data()}, count, threads);
  return hash_of(w) + hash_of(x) + hash_of(y) + hash_of(tasks);
}

inline void require_problem_jobs_tried() {
  using sequence::GenerateSequences;
  MESA_CURRICULUM_JOBS(MESA_REQUIRE_TRIED)
  MESA_SEQUENCE_JOBS(MESA_REQUIRE_TRIED)
  MESA_REGRESSION_JOBS(MESA_REQUIRE_TRIED)
}

}  // namespace mesa
