// 0/1 knapsack: the most profit that fits. Branch and bound on the items by profit per weight, with Dantzig's bound
// (the last item may be cut), after Horowitz and Sahni 1974, "Computing partitions with applications to the knapsack
// problem".
#pragma once
#include "problem.h"

namespace mesa {

struct Knapsack {
  static constexpr const char* kName = "knapsack";
  static constexpr const char* kHelp = "the most profit within a capacity";
  static constexpr int32_t kMinN = 1, kMaxN = 256;
  static constexpr int32_t kMostRange = 1'000'000'000;  // a weight times a profit stays below 2^62

  enum Correlation : int32_t { kUncorrelated, kWeak, kStrong, kInverseStrong };
  struct Options {
    int32_t correlation = kUncorrelated;
    int32_t range = 1000;
    double capacity = 0.5;
  };
  template <class Visitor>
  static void options(Visitor& v, Options& o) {
    v.choice("correlation", o.correlation,
             {"uncorrelated", "weakly_correlated", "strongly_correlated", "inverse_strongly_correlated"},
             "of profits p with weights w, as in Pisinger 2005: both uniform over 1 to R; p uniform over w - R/10 to "
             "w + R/10, at least 1; p = w + R/10; w = p + R/10");
    v.integer("range", o.range, 10, kMostRange, "R, the largest number drawn");
    v.real("capacity", o.capacity, 0.0, 1.0, "share of the weight of all items that fits, rounded down");
  }
  static ProblemSize size(int32_t n, const Options&) {
    ProblemSize size;
    size.n = n;
    return size;
  }

  struct Arrays {
    int64_t *weights, *profits, *capacity;  // [count, n], [count, n], [count]
  };
  struct Instance {
    int64_t *weights, *profits, *capacity;
  };
  MESA_HD static Instance at(const Arrays& arrays, const ProblemSize& size, int64_t i) {
    return {arrays.weights + i * size.n, arrays.profits + i * size.n, arrays.capacity + i};
  }

  MESA_HD static void generate(const ProblemSize& size, const Options& o, const Key& key, const Instance& made) {
    Rng rng(key, Purpose::kTask);
    const int32_t apart = o.range / 10;
    int64_t all = 0;
    for (int32_t i = 0; i < size.n; ++i) {
      const int64_t drawn = 1 + rng.below(static_cast<uint32_t>(o.range));
      int64_t weight = drawn, profit = drawn + apart;
      if (o.correlation == kUncorrelated) profit = 1 + rng.below(static_cast<uint32_t>(o.range));
      if (o.correlation == kWeak) {
        const int64_t low = drawn - apart > 1 ? drawn - apart : 1;
        profit = low + rng.below(static_cast<uint32_t>(drawn + apart - low + 1));
      }
      if (o.correlation == kInverseStrong) {
        profit = drawn;
        weight = drawn + apart;
      }
      made.weights[i] = weight;
      made.profits[i] = profit;
      all += weight;
    }
    *made.capacity = static_cast<int64_t>(o.capacity * static_cast<double>(all));
  }

  // Items by profit per weight, the best first; weight_before[i], profit_before[i]: of the first i together.
  struct Sorted {
    int32_t n;
    int32_t* order;
    int64_t *weight, *profit, *weight_before, *profit_before;

    MESA_HD Sorted(const ProblemSize& size, const Instance& given, Scratch& scratch)
        : n(size.n),
          order(scratch.take<int32_t>(n)),
          weight(scratch.take<int64_t>(n)),
          profit(scratch.take<int64_t>(n)),
          weight_before(scratch.take<int64_t>(n + 1)),
          profit_before(scratch.take<int64_t>(n + 1)) {
      const int64_t *w = given.weights, *p = given.profits;
      sort_numbers(n, order, [=](int32_t a, int32_t b) { return p[a] * w[b] > p[b] * w[a]; });
      weight_before[0] = profit_before[0] = 0;
      for (int32_t i = 0; i < n; ++i) {
        weight[i] = w[order[i]];
        profit[i] = p[order[i]];
        weight_before[i + 1] = weight_before[i] + weight[i];
        profit_before[i + 1] = profit_before[i] + profit[i];
      }
    }
    // The items from `from` on that fit one after the other, up to the first that does not.
    MESA_HD int32_t first_that_does_not_fit(int32_t from, int64_t room) const {
      int32_t low = from, high = n;  // items from … low-1 fit, from … high do not or there is none
      while (low < high) {
        const int32_t middle = (low + high) / 2;
        if (weight_before[middle + 1] - weight_before[from] <= room) {
          low = middle + 1;
        } else {
          high = middle;
        }
      }
      return low;
    }
  };
  MESA_HD static int64_t scratch_bytes(const ProblemSize& size) {
    return 2 * Scratch::bytes_for<int32_t>(size.n) + 4 * Scratch::bytes_for<int64_t>(size.n + 1);
  }

  // At a node, items that no longer fit are passed over. It is left if the bound is no better than the best found, or,
  // with all that are left, if they fit; otherwise the next item is first taken, then left out.
  MESA_HD static Found solve(const ProblemSize& size, const Instance& given, int64_t node_limit, int8_t* answer,
                             Scratch scratch) {
    const Sorted sorted(size, given, scratch);
    const int32_t n = size.n;
    int32_t* taken = scratch.take<int32_t>(n);  // in the order they were
    int32_t depth = 0, at = 0;
    int64_t room = *given.capacity, value = 0;
    NodeCount count{node_limit};
    Found found;
    no_answer(n, answer);
    while (count.arrive()) {
      while (at < n && sorted.weight[at] > room) ++at;
      const int32_t end = sorted.first_that_does_not_fit(at, room);
      int64_t bound = value + sorted.profit_before[end] - sorted.profit_before[at];
      if (end < n) {
        const int64_t left = room - (sorted.weight_before[end] - sorted.weight_before[at]);
        bound += left * sorted.profit[end] / sorted.weight[end];
      }
      if (bound > found.value && end < n) {
        taken[depth++] = at;
        room -= sorted.weight[at];
        value += sorted.profit[at++];
        continue;
      }
      if (bound > found.value) {
        found.value = bound;
        for (int32_t i = 0; i < n; ++i) answer[sorted.order[i]] = i >= at;
        for (int32_t k = 0; k < depth; ++k) answer[sorted.order[taken[k]]] = 1;
      }
      if (depth == 0) {
        found.optimal = true;
        break;
      }
      at = taken[--depth];
      room += sorted.weight[at];
      value -= sorted.profit[at++];
    }
    found.nodes = count.visited;
    found.feasible = found.value >= 0;
    return found;
  }

  // By profit per weight, whatever still fits.
  MESA_HD static Found greedy(const ProblemSize& size, const Instance& given, int8_t* answer, Scratch scratch) {
    const Sorted sorted(size, given, scratch);
    int64_t room = *given.capacity;
    Found found;
    found.value = 0;
    for (int32_t i = 0; i < size.n; ++i) {
      const bool fits = sorted.weight[i] <= room;
      answer[sorted.order[i]] = fits;
      room -= fits ? sorted.weight[i] : 0;
      found.value += fits ? sorted.profit[i] : 0;
    }
    found.feasible = true;
    return found;
  }
};

}  // namespace mesa
