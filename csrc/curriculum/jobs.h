// What can be done to a batch of problems of a family, and the list of families. Rules live in the headers beside this
// one; how ranges are handed out, in backends/.
#pragma once
#include "colouring.h"
#include "knapsack.h"
#include "satisfiability.h"
#include "subset_sum.h"

#define MESA_CURRICULUM_FAMILIES(X) X(SubsetSum) X(Knapsack) X(Satisfiability) X(Colouring)

#define MESA_CURRICULUM_JOBS_OF(X, Family) X(GenerateProblems<Family>) X(SolveProblems<Family>) X(GreedyAnswers<Family>)
#define MESA_CURRICULUM_JOBS(X)              \
  MESA_CURRICULUM_JOBS_OF(X, SubsetSum)      \
  MESA_CURRICULUM_JOBS_OF(X, Knapsack)       \
  MESA_CURRICULUM_JOBS_OF(X, Satisfiability) \
  MESA_CURRICULUM_JOBS_OF(X, Colouring)

namespace mesa {

// A job that does one instance after the other: Job::one(i, scratch). Few are handed out at a time, for one may take a
// thousand times as long as the next.
template <class Job>
struct ProblemByProblem {
  static constexpr int64_t kMostAtOnce = 16;
  template <int kLanes>
  MESA_HD void run(int64_t begin, int64_t end, Scratch scratch) const {
    for (int64_t i = begin; i < end; ++i) static_cast<const Job*>(this)->one(i, scratch);
  }
};

template <class Family>
struct GenerateProblems : ProblemByProblem<GenerateProblems<Family>> {
  ProblemSize size;
  typename Family::Arrays arrays;
  typename Family::Options options;
  uint64_t seed, first;  // number of instance 0

  MESA_HD int64_t scratch_bytes(int) const { return 0; }
  MESA_HD void one(int64_t i, Scratch) const {
    Family::generate(size, options, numbered_key(seed, first + static_cast<uint64_t>(i)), Family::at(arrays, size, i));
  }
};

// What is found, an array a field.
struct FoundArrays {
  int8_t* answer;  // [count, n]
  int64_t *value, *nodes;
  uint8_t *feasible, *optimal;

  MESA_HD void write(int64_t i, const Found& found) const {
    value[i] = found.value;
    nodes[i] = found.nodes;
    feasible[i] = found.feasible;
    optimal[i] = found.optimal;
  }
};

template <class Family>
struct SolveProblems : ProblemByProblem<SolveProblems<Family>> {
  ProblemSize size;
  typename Family::Arrays arrays;
  FoundArrays found;
  int64_t node_limit;

  MESA_HD int64_t scratch_bytes(int) const { return Family::scratch_bytes(size); }
  MESA_HD void one(int64_t i, Scratch scratch) const {
    int8_t* answer = found.answer + i * size.n;
    found.write(i, Family::solve(size, Family::at(arrays, size, i), node_limit, answer, scratch));
  }
};

template <class Family>
struct GreedyAnswers : ProblemByProblem<GreedyAnswers<Family>> {
  ProblemSize size;
  typename Family::Arrays arrays;
  FoundArrays found;

  MESA_HD int64_t scratch_bytes(int) const { return Family::scratch_bytes(size); }
  MESA_HD void one(int64_t i, Scratch scratch) const {
    int8_t* answer = found.answer + i * size.n;
    found.write(i, Family::greedy(size, Family::at(arrays, size, i), answer, scratch));
  }
};

}  // namespace mesa
