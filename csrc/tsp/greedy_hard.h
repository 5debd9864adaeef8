// What greed makes of an instance, and instances on which it does badly: draws of a sub-stream, those left out that a
// quick lower bound shows greed to do well on. Whether the rest are hard is for an exact solver to say.
#pragma once
#include "generators.h"
#include "heuristics.h"
#include "one_tree.h"
#include "problems.h"

namespace mesa {

// The same closed tour from city 0 on, first to the one of its neighbours with the smaller number.
MESA_HD void canonical_order(int32_t n, const uint8_t* tour, uint8_t* canonical) {
  int32_t start = 0;
  while (tour[start] != 0) ++start;
  const bool forwards = tour[(start + 1) % n] < tour[(start + n - 1) % n];
  for (int32_t k = 0; k < n; ++k) canonical[k] = tour[forwards ? (start + k) % n : (start + n - k) % n];
}

// The shortest of the nearest-neighbour tours from all starts; of equal ones the first start's.
MESA_HD void best_nearest_neighbour(const Distances& d, uint8_t* best, uint8_t* tour) {
  int64_t shortest = 0;
  for (int32_t start = 0; start < d.n; ++start) {
    nearest_neighbour(d, start, tour);
    const int64_t length = d.fine_length(tour);
    if (start > 0 && length >= shortest) continue;
    shortest = length;
    for (int32_t i = 0; i < d.n; ++i) best[i] = tour[i];
  }
}

// 2-opt (Croes 1958) by steepest descent: of all exchanges of two connections the one that gains most, of equal ones
// the first by positions, until none gains.
MESA_HD void descend_by_two_opt(const Distances& d, uint8_t* tour) {
  const int32_t n = d.n;
  for (;;) {
    int64_t most = 0;
    int32_t first = 0, last = 0;
    for (int32_t i = 0; i < n - 2; ++i) {
      for (int32_t j = i + 2; j < n - (i == 0 ? 1 : 0); ++j) {
        const int32_t a = tour[i], b = tour[i + 1], c = tour[j], e = tour[j + 1 < n ? j + 1 : 0];
        const int64_t gain = d.fine_of(a, b) + d.fine_of(c, e) - d.fine_of(a, c) - d.fine_of(b, e);
        if (gain <= most) continue;
        most = gain;
        first = i + 1;
        last = j;
      }
    }
    if (most == 0) return;
    for (; first < last; ++first, --last) {
      const uint8_t city = tour[first];
      tour[first] = tour[last];
      tour[last] = city;
    }
  }
}

// How long greedy tours of an instance are, in the distances given.
struct GreedyLengths {
  double nearest_neighbour;  // the best of all starts
  double two_opt;            // that one, descended by 2-opt

  MESA_HD static int64_t bytes(int32_t n) { return 2 * Scratch::bytes_for<uint8_t>(n); }
  MESA_HD static GreedyLengths of(const Distances& d, bool with_two_opt, Scratch scratch) {
    uint8_t *tour = scratch.take<uint8_t>(d.n), *spare = scratch.take<uint8_t>(d.n);
    best_nearest_neighbour(d, tour, spare);
    GreedyLengths lengths{canonical_length(d, tour, spare), 0.0};
    if (with_two_opt) {
      descend_by_two_opt(d, tour);
      lengths.two_opt = canonical_length(d, tour, spare);
    }
    return lengths;
  }

 private:
  // Summed as an optimal tour's length is, so that the same tour has the same length to the bit.
  MESA_HD static double canonical_length(const Distances& d, const uint8_t* tour, uint8_t* spare) {
    canonical_order(d.n, tour, spare);
    return d.length(spare);
  }
};

// Held and Karp's ascent on 1-trees, cut short: it only has to show that no tour is as short as a given length.
struct QuickBound {
  static constexpr int32_t kIterations = 40;

  MESA_HD static int64_t bytes(int32_t n) {
    const int32_t stride = Distances::stride_of(n);
    return Scratch::bytes_for<uint32_t>(int64_t{n} * stride) + 2 * Scratch::bytes_for<int32_t>(stride) +
           Scratch::bytes_for<uint8_t>(3 * n) + OneTree::bytes(n);
  }
  // True: every tour is longer than `length`. False: who knows.
  MESA_HD static bool exceeds(const Distances& d, double length, Scratch scratch) {
    const int32_t n = d.n, stride = d.stride, unit = d.fine_exponent + d.coarse_shift;
    Restrictions r{n, stride, scratch.take<uint32_t>(int64_t{n} * stride), nullptr, nullptr};
    int32_t *pi = scratch.take<int32_t>(stride), *before = scratch.take<int32_t>(stride);
    r.forced_count = scratch.take<uint8_t>(3 * n);
    r.forced = r.forced_count + n;
    OneTree tree = OneTree::in(n, scratch);
    for (int32_t i = 0; i < n * stride; ++i) {
      const int32_t row = i / stride, col = i - row * stride;
      r.distance[i] = static_cast<uint32_t>(row == col || col >= n ? kExcluded : d.coarse[i]) << 8;
    }
    for (int32_t v = 0; v < stride; ++v) pi[v] = before[v] = 0;
    for (int32_t v = 0; v < n; ++v) r.forced_count[v] = 0;
    const int64_t target = static_cast<int64_t>(scaled(length * kMargin, unit)) + 1;
    int64_t damping = 512;  // 256: Held and Karp's step
    for (int32_t k = 0; k < kIterations; ++k) {
      const int64_t bound = minimum_one_tree(OneLane{}, r, pi, tree);
      if (bound > target) return true;
      int64_t norm = 0;
      for (int32_t v = 0; v < n; ++v) norm += (tree.degree[v] - 2) * (tree.degree[v] - 2);
      if (norm == 0) return false;  // the tree is a tour, and not longer
      const int64_t step = ((target - bound + 1) * damping / norm) >> 8;
      for (int32_t v = 0; v < n; ++v) {
        const int32_t excess = tree.degree[v] - 2;
        const int64_t to = pi[v] + step * (7 * excess + 3 * before[v]) / 10;
        before[v] = excess;
        pi[v] = static_cast<int32_t>(to > kMostMultiplier ? kMostMultiplier : to < -kMostMultiplier ? -kMostMultiplier : to);
      }
      if (k >= 5) damping -= damping / 32;
    }
    return false;
  }

 private:
  // Lengths are sums in doubles, which may come out below the true sum by so much and no more: 2^-40 covers 256 terms.
  static constexpr double kMargin = 1.0 + 1.0 / (int64_t{1} << 40);
};

// Which instances are wanted: gap = greedy length / optimal length - 1, at least so much.
struct GreedyHard {
  TourDistribution base;
  double gap = 0.1, two_opt_gap = 0.0;
  int32_t max_trials = 1 << 20;

  static constexpr const char* kName = "greedy_hard";
  static constexpr const char* kHelp =
      "instances of a base distribution on which the best nearest-neighbour tour of all starts is at least a gap above the "
      "optimum: the base's law under that condition";
  static constexpr int32_t kMostTrials = 1 << 20;
  static constexpr uint32_t kBlocksATrial = 1 << 12;  // 16384 words: trials' random numbers do not overlap,
  static constexpr int32_t kMostOfMatrix = 181;        // for a matrix up to this size

  template <class Visitor>
  static void options(Visitor& v, GreedyHard& o) {
    v.real("gap", o.gap, 0.0, 100.0, "least gap of the best nearest-neighbour tour of all starts");
    v.real("two_opt_gap", o.two_opt_gap, 0.0, 100.0, "least gap of that tour after 2-opt");
    v.integer("max_trials", o.max_trials, 1, kMostTrials, "draws an instance after which it is given up, an error");
  }
  MESA_HD bool wants_two_opt() const { return two_opt_gap > 0.0; }
  // The longest that an optimal tour may be.
  MESA_HD double most_optimal(const GreedyLengths& greedy) const {
    const double most = greedy.nearest_neighbour / (1.0 + gap);
    if (!wants_two_opt()) return most;
    const double after = greedy.two_opt / (1.0 + two_opt_gap);
    return after < most ? after : most;
  }
};

}  // namespace mesa
