// What greed makes of an instance, and instances on which it does badly: draws of a sub-stream, those left out that a
// quick lower bound shows greed to do well on. Whether the rest are hard is for an exact solver to say.
#pragma once
#include "exchanges.h"
#include "generators.h"
#include "heuristics.h"
#include "one_tree.h"
#include "problems.h"

namespace mesa {

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

// How long greedy tours of an instance are, in the distances given.
struct GreedyLengths {
  double nearest_neighbour;  // the best of all starts
  double two_opt;            // that one, after 2-opt over every city
};

// The greedy tours themselves, one after the other.
class GreedyTour {
 public:
  MESA_HD static int64_t bytes(int32_t n) {
    return 2 * Scratch::bytes_for<uint8_t>(n) + NearCities::bytes(n) + Exchanges::bytes(n);
  }
  MESA_HD GreedyTour(const Distances& distances, Scratch scratch) : d(distances), rest(scratch) {
    tour = rest.take<uint8_t>(d.n);
    spare = rest.take<uint8_t>(d.n);
  }

  // False: ended by enough.
  template <class Enough>
  MESA_HD bool nearest_neighbour(GreedyLengths& lengths, const Enough& enough) {
    if (!best_nearest_neighbour(d, tour, spare, enough)) return false;
    lengths.nearest_neighbour = written();
    return true;
  }
  MESA_HD void two_opt(GreedyLengths& lengths) {
    Scratch scratch = rest;
    const NearCities near(d, 0, scratch);
    Exchanges(d, near, true, false, scratch).run(tour);
    lengths.two_opt = written();
  }

 private:
  const Distances& d;
  Scratch rest;
  uint8_t *tour, *spare;

  // Writes the tour in the order that an optimal one is written in, and sums its length alike: the same tour has the
  // same length to the bit.
  MESA_HD double written() {
    write_canonical(d.n, tour, spare);
    for (int32_t i = 0; i < d.n; ++i) tour[i] = spare[i];
    return d.length(tour);
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
  int32_t *pi, *before;  // [stride]: multipliers, and the last step's direction
  int64_t best = -1;     // coarse units
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
      pi[v] = static_cast<int32_t>(to > kMostMultiplier    ? kMostMultiplier
                                   : to < -kMostMultiplier ? -kMostMultiplier
                                                           : to);
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
      "instances of a base distribution (base=…, uniform if not given) on which the best nearest-neighbour tour of all "
      "starts is at least a gap above the "
      "optimum: the base's law under that condition";
  static constexpr int32_t kMostTrials = 1 << 20;
  static constexpr uint32_t kBlocksATrial = 1 << 12;  // 16384 words: trials' random numbers do not overlap,
  static constexpr int32_t kMostOfMatrix = 181;       // for a matrix up to this size

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
    GreedyTour tour(d, scratch);
    const auto ruled_out = [&](int32_t start, int64_t shortest) {
      const double at_most = scaled(static_cast<double>(shortest + d.n), -d.fine_exponent);
      return bound.exceeds(at_most / (1.0 + gap), start == 0 ? kFirstOneTrees : 0);
    };
    if (!tour.nearest_neighbour(greedy, ruled_out)) return false;
    if (bound.exceeds(greedy.nearest_neighbour / (1.0 + gap), kOneTrees)) return false;
    tour.two_opt(greedy);
    return two_opt_gap == 0.0 || !bound.exceeds(greedy.two_opt / (1.0 + two_opt_gap), kOneTrees);
  }
  MESA_HD int64_t scratch_bytes() const {
    const int32_t n = base.n;
    return TourProblems{nullptr, nullptr, n, Metric::kEuclidean}.bytes() + QuickBound::bytes(n) + GreedyTour::bytes(n);
  }

 private:
  static constexpr int32_t kFirstOneTrees = 12, kOneTrees = 40;
};

}  // namespace mesa
