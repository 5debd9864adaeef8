// Subset sum: which of n numbers add up to the target? Where none do, which come nearest from below.
#pragma once
#include "problem.h"

namespace mesa {

struct SubsetSum {
  static constexpr const char* kName = "subset_sum";
  static constexpr const char* kHelp = "numbers that add up to a target";
  static constexpr int32_t kMinN = 1, kMaxN = 64;  // a choice is the bits of a word
  static constexpr int32_t kMaxBits = 56;          // of a number: 64 of them add up below 2^63

  enum Target : int32_t { kPlanted, kHalf };
  struct Options {
    double density = 1.0;
    int32_t target = kPlanted;
  };
  template <class Visitor>
  static void options(Visitor& v, Options& o) {
    v.real("density", o.density, 0.05, 64.0,
           "n / log2 of the largest number (Lagarias and Odlyzko 1985): numbers are uniform over 1 to 2^(n / density)");
    v.choice("target", o.target, {"planted", "half"},
             "sum of a uniform subset, so that a solution exists; or half of the sum of all");
  }
  static ProblemSize size(int32_t n, const Options& o) {
    if (n / o.density > kMaxBits || n / o.density < 1)
      throw std::invalid_argument("density: got " + std::to_string(o.density) + " with n=" + std::to_string(n) +
                                  ", allowed: " + std::to_string(double(n) / kMaxBits) + " to " + std::to_string(n) +
                                  " (numbers of 1 to 56 bits)");
    ProblemSize size;
    size.n = n;
    return size;
  }

  struct Arrays {
    int64_t *weights, *target;  // [count, n], [count]
  };
  struct Instance {
    int64_t *weights, *target;
  };
  MESA_HD static Instance at(const Arrays& arrays, const ProblemSize& size, int64_t i) {
    return {arrays.weights + i * size.n, arrays.target + i};
  }

  MESA_HD static void generate(const ProblemSize& size, const Options& o, const Key& key, const Instance& made) {
    Rng rng(key, Purpose::kTask);
    // 2^(n / density), its fraction by the portable exponential.
    const auto largest = static_cast<uint64_t>(portable_exp(size.n / o.density * 0.6931471805599453) + 0.5);
    int64_t all = 0;
    for (int32_t i = 0; i < size.n; ++i) {
      made.weights[i] = 1 + static_cast<int64_t>(multiply_wide(rng.u64(), largest).high);
      all += made.weights[i];
    }
    if (o.target == kHalf) {
      *made.target = all / 2;
      return;
    }
    const uint64_t subset = rng.u64();
    *made.target = 0;
    for (int32_t i = 0; i < size.n; ++i) *made.target += (subset >> i & 1) ? made.weights[i] : 0;
  }

  // Numbers from the largest down.
  struct Sorted {
    int32_t n;
    int32_t* order;
    int64_t *weight, *rest;  // rest[i]: the sum of weight[i] and all after

    MESA_HD Sorted(const ProblemSize& size, const Instance& given, Scratch& scratch)
        : n(size.n),
          order(scratch.take<int32_t>(n)),
          weight(scratch.take<int64_t>(n)),
          rest(scratch.take<int64_t>(n + 1)) {
      const int64_t* weights = given.weights;
      sort_numbers(n, order, [=](int32_t a, int32_t b) { return weights[a] > weights[b]; });
      rest[n] = 0;
      for (int32_t i = n - 1; i >= 0; --i) {
        weight[i] = weights[order[i]];
        rest[i] = rest[i + 1] + weight[i];
      }
    }
    MESA_HD void write(uint64_t taken, int8_t* answer) const {
      for (int32_t i = 0; i < n; ++i) answer[order[i]] = static_cast<int8_t>(taken >> i & 1);
    }
  };
  MESA_HD static int64_t scratch_bytes(const ProblemSize& size) {
    return Scratch::bytes_for<int32_t>(size.n) + 2 * Scratch::bytes_for<int64_t>(size.n + 1);
  }

  // At a node, numbers that no longer fit are passed over; if all that are left fit, they are taken, and the search
  // turns back. Otherwise the next is first taken, then left out.
  MESA_HD static Found solve(const ProblemSize& size, const Instance& given, int64_t node_limit, int8_t* answer,
                             Scratch scratch) {
    const Sorted sorted(size, given, scratch);
    const int32_t n = size.n;
    NodeCount count{node_limit};
    Found found;
    uint64_t taken = 0, best = 0;  // bit i: the i-th from the largest
    int64_t room = *given.target;
    int32_t at = 0;
    while (count.arrive()) {
      while (at < n && sorted.weight[at] > room) ++at;
      if (sorted.rest[at] > room) {
        taken |= uint64_t{1} << at;
        room -= sorted.weight[at++];
        continue;
      }
      const int64_t value = *given.target - room + sorted.rest[at];
      if (value > found.value) {
        found.value = value;
        best = at < n ? taken | ~uint64_t{0} << at : taken;
      }
      if (found.value == *given.target || taken == 0) {
        found.optimal = true;
        break;
      }
      for (at = n - 1; !(taken >> at & 1);) --at;
      taken ^= uint64_t{1} << at;
      room += sorted.weight[at++];
    }
    found.nodes = count.visited;
    found.feasible = found.value == *given.target;
    if (found.value < 0) {
      no_answer(n, answer);
    } else {
      sorted.write(best, answer);
    }
    return found;
  }

  // From the largest down, whatever still fits.
  MESA_HD static Found greedy(const ProblemSize& size, const Instance& given, int8_t* answer, Scratch scratch) {
    const Sorted sorted(size, given, scratch);
    uint64_t taken = 0;
    int64_t room = *given.target;
    for (int32_t i = 0; i < size.n; ++i) {
      if (sorted.weight[i] > room) continue;
      taken |= uint64_t{1} << i;
      room -= sorted.weight[i];
    }
    sorted.write(taken, answer);
    Found found;
    found.value = *given.target - room;
    found.feasible = room == 0;
    return found;
  }
};

}  // namespace mesa
