// What the curriculum's families of problems share: their size, what a search says, and how its nodes are counted. A
// family is a header beside this one: Options and their list, Instance (pointers to one instance's arrays), generate,
// solve (depth-first, exact) and greedy (no second thoughts).
#pragma once
#include "../core/rng.h"
#include "../core/scratch.h"
#include "../core/spec.h"

namespace mesa {

// What of an instance is the same for a whole batch; what a family does not have is 0.
struct ProblemSize {
  int32_t n = 0;         // items, variables, vertices: decisions a solution is made of
  int32_t clauses = 0;   // of a formula
  int32_t literals = 0;  // of a clause
  int32_t colours = 0;   // allowed; 0: as few as possible
};

// What a search found. `value` is the best found, -1 where nothing was; `feasible`: it solves the problem as asked;
// `optimal`: the search came to its end, so that nothing better (or nothing at all) exists.
struct Found {
  int64_t value = -1;
  int64_t nodes = 0;
  bool feasible = false;
  bool optimal = false;
};

constexpr int8_t kNoAnswer = -1;

MESA_HD void no_answer(int32_t n, int8_t* answer) {
  for (int32_t i = 0; i < n; ++i) answer[i] = kNoAnswer;
}

// Nodes are the partial solutions a search arrives at, the empty one and those it turns back from included.
struct NodeCount {
  int64_t limit;  // at least 1
  int64_t visited = 0;

  // Arrives at one more; false, without arriving, at the limit.
  MESA_HD bool arrive() {
    if (visited == limit) return false;
    ++visited;
    return true;
  }
};

// Puts 0 … n-1 in order: before(a, b) says that a comes first, and is false for equals, which stay by number.
template <class Before>
MESA_HD void sort_numbers(int32_t n, int32_t* order, const Before& before) {
  for (int32_t i = 0; i < n; ++i) {
    int32_t at = i;
    for (; at > 0 && before(i, order[at - 1]); --at) order[at] = order[at - 1];
    order[at] = i;
  }
}

}  // namespace mesa
