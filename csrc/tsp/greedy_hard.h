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

// The shortest of the nearest-neighbour tours from all starts; of equal ones the first start's. After each start,
// enough(start, shortest so far in fine units) may end it; then false.
template <class Enough>
MESA_HD bool best_nearest_neighbour(const Distances& d, uint8_t* best, uint8_t* tour, const Enough& enough) {
  int64_t shortest = 0;
  for (int32_t start = 0; start < d.n; ++start) {
    nearest_neighbour(d, start, tour);
    const int64_t length = d.fine_length(tour);
    if (start > 0 && length >= shortest) continue;
    shortest = length;
    for (int32_t i = 0; i < d.n; ++i) best[i] = tour[i];
    if (enough(start, shortest)) return false;
  }
  return true;
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
  template <class Enough>
  MESA_HD bool measure(const Distances& d, bool with_two_opt, Scratch scratch, const Enough& enough) {
    uint8_t *tour = scratch.take<uint8_t>(d.n), *spare = scratch.take<uint8_t>(d.n);
    if (!best_nearest_neighbour(d, tour, spare, enough)) return false;
    nearest_neighbour = two_opt = canonical_length(d, tour, spare);
    if (with_two_opt) {
      descend_by_two_opt(d, tour);
      two_opt = canonical_length(d, tour, spare);
    }
    return true;
  }

 private:
  // Summed as an optimal tour's length is, so that the same tour has the same length to the bit.
  MESA_HD static double canonical_length(const Distances& d, const uint8_t* tour, uint8_t* spare) {
    canonical_order(d.n, tour, spare);
    return d.length(spare);
  }
};

// Held and Karp's ascent on 1-trees, cut short: it only has to show that no tour is as short as a given length.
class QuickBound {
 public:
  MESA_HD static int64_t bytes(int32_t n) {
    const int32_t stride = Distances::stride_of(n);
    return Scratch::bytes_for<uint32_t>(int64_t{n} * stride) + 2 * Scratch::bytes_for<int32_t>(stride) +
           Scratch::bytes_for<uint8_t>(3 * n) + OneTree::bytes(n);
  }
  MESA_HD QuickBound(const Distances& distances, Scratch& scratch) : d(distances) {
    const int32_t n = d.n, stride = d.stride;
    r = {n, stride, scratch.take<uint32_t>(int64_t{n} * stride), nullptr, nullptr};
    pi = scratch.take<int32_t>(stride);
    before = scratch.take<int32_t>(stride);
    r.forced_count = scratch.take<uint8_t>(3 * n);
    r.forced = r.forced_count + n;
    tree = OneTree::in(n, scratch);
    for (int32_t i = 0; i < n * stride; ++i) {
      const int32_t row = i / stride, col = i - row * stride;
      r.distance[i] = static_cast<uint32_t>(row == col || col >= n ? kExcluded : d.coarse[i]) << 8;
    }
    for (int32_t v = 0; v < stride; ++v) pi[v] = before[v] = 0;
    for (int32_t v = 0; v < n; ++v) r.forced_count[v] = 0;
  }

  // True: every tour is longer than `length`. False: who knows, after so many 1-trees in all.
  MESA_HD bool exceeds(double length, int32_t one_trees) {
    const int64_t target = static_cast<int64_t>(scaled(length * kMargin, d.fine_exponent + d.coarse_shift)) + 1;
    while (best <= target && made < one_trees) ascend(target);
    return best > target;
  }

 private:
  // Lengths are sums in doubles, which may come out below the true sum by so much and no more: 2^-40 covers 256 terms.
  static constexpr double kMargin = 1.0 + 1.0 / (int64_t{1} << 40);

  const Distances& d;
  Restrictions r{};
  OneTree tree{};
  int32_t *pi, *before;   // [stride]: multipliers, and the last step's direction
  int64_t best = -1;      // coarse units
  int32_t made = 0;
  int64_t damping = 512;  // 256: Held and Karp's step

  MESA_HD void ascend(int64_t target) {
    const int64_t bound = minimum_one_tree(OneLane{}, r, pi, tree);
    best = bound > best ? bound : best;
    ++made;
    int64_t norm = 0;
    for (int32_t v = 0; v < d.n; ++v) norm += (tree.degree[v] - 2) * (tree.degree[v] - 2);
    if (norm == 0 || bound > target) return;
    const int64_t step = ((target - bound + 1) * damping / norm) >> 8;
    for (int32_t v = 0; v < d.n; ++v) {
      const int32_t excess = tree.degree[v] - 2;
      const int64_t to = pi[v] + step * (7 * excess + 3 * before[v]) / 10;
      before[v] = excess;
      pi[v] = static_cast<int32_t>(to > kMostMultiplier ? kMostMultiplier : to < -kMostMultiplier ? -kMostMultiplier : to);
    }
    if (made > 5) damping -= damping / 32;
  }
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
  // Draws a problem and says whether it is a candidate: one that the quick bound does not rule out. Few starts are
  // enough for most draws to be left out.
  MESA_HD bool draw(Words& words, double* out, GreedyLengths& greedy, Scratch scratch) const {
    draw_tour_problem(base, words, out);
    const bool points = numbers_drawn(base) == 2 * base.n;
    const TourProblems problem{points ? out : nullptr, points ? nullptr : out, base.n, Metric::kEuclidean};
    const Distances d = problem.distances(0, scratch);
    QuickBound bound(d, scratch);
    const auto ruled_out = [&](int32_t start, int64_t shortest) {
      const double at_most = scaled(static_cast<double>(shortest + d.n), -d.fine_exponent);
      return bound.exceeds(at_most / (1.0 + gap), start == 0 ? kFirstOneTrees : 0);
    };
    if (!greedy.measure(d, wants_two_opt(), scratch, ruled_out)) return false;
    if (bound.exceeds(greedy.nearest_neighbour / (1.0 + gap), kOneTrees)) return false;
    return !(wants_two_opt() && bound.exceeds(greedy.two_opt / (1.0 + two_opt_gap), kOneTrees));
  }
  MESA_HD int64_t scratch_bytes() const {
    const int32_t n = base.n;
    return TourProblems{nullptr, nullptr, n, Metric::kEuclidean}.bytes() + QuickBound::bytes(n) + GreedyLengths::bytes(n);
  }

 private:
  static constexpr int32_t kFirstOneTrees = 12, kOneTrees = 40;
  MESA_HD bool wants_two_opt() const { return two_opt_gap > 0.0; }
};

}  // namespace mesa
