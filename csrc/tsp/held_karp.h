// Optimal tours by dynamic programming over sets of cities (Held and Karp 1962; Bellman 1962), met in the middle: paths
// from the last city through at most half of the others, two of which make a tour. Lengths are fine units held in
// doubles, whose sums are exact, so that the inner loop is one of vectors on every machine.
#pragma once
#include "../core/sets.h"
#include "distances.h"

namespace mesa {

constexpr int32_t kMostForHeldKarp = 16;  // cities; 2^15 rows of 16 doubles, 4 MiB

// kWidth: others (n - 1) rounded up, the length of a row.
template <int32_t kWidth>
struct HeldKarp {
  int32_t others;
  double* from;    // [others + 1, kWidth]: distance from city i to city j; row `others`: from the last city
  double* behind;  // [2^others, kWidth]: behind[S][j] = shortest way from the last city through all of S to j, not in S

  MESA_HD static int64_t bytes(int32_t n) {
    return Scratch::bytes_for<double>(int64_t{n} * kWidth) +
           Scratch::bytes_for<double>((int64_t{1} << (n - 1)) * kWidth);
  }
  template <class Lanes>
  MESA_HD HeldKarp(const Lanes& lanes, const Distances& d, Scratch& scratch) : others(d.n - 1) {
    from = scratch.take<double>(int64_t{d.n} * kWidth);
    behind = scratch.take<double>((int64_t{1} << others) * kWidth);
    for (int32_t i = lanes.lane(); i < d.n; i += lanes.size()) {
      for (int32_t j = 0; j < kWidth; ++j)
        from[i * kWidth + j] = j < others ? static_cast<double>(d.fine_of(i, j)) : 0.0;
    }
    lanes.sync();
  }

  // One lane goes through the sets in the order of their numbers; several through those of each size together.
  template <class Lanes>
  MESA_HD void fill(const Lanes& lanes) {
    const int32_t half = others / 2;  // = ceil((others - 1) / 2)
    for (int32_t j = lanes.lane(); j < kWidth; j += lanes.size()) behind[j] = from[others * kWidth + j];
    lanes.sync();
    if (lanes.size() == 1) {
      for (uint32_t set = 1; set < (1u << others); ++set)
        if (bit_count(set) <= half) extend(set);
      return;
    }
    for (int32_t members = 1; members <= half; ++members) {
      for_sets_of(lanes, members, others, [&](uint32_t set) { extend(set); });
      lanes.sync();
    }
  }

  // The optimal tour's cities into order [n].
  template <class Lanes>
  MESA_HD void solve(const Lanes& lanes, uint8_t* order) {
    fill(lanes);
    const uint32_t all = (1u << others) - 1;
    const int32_t size = (others - 1) / 2;
    double best = 1e300;
    uint32_t choice = ~0u;  // of several as short, the least: set << 4 | the city met in
    for (uint32_t one = static_cast<uint32_t>(lanes.lane()); one <= all; one += static_cast<uint32_t>(lanes.size())) {
      if (bit_count(one) != size) continue;
      for (uint32_t rest = all ^ one; rest != 0; rest &= rest - 1) {
        const int32_t j = lowest_bit(rest);
        const double length = behind[int64_t{one} * kWidth + j] + behind[int64_t{all ^ one ^ (1u << j)} * kWidth + j];
        if (length < best) {
          best = length;
          choice = one << 4 | static_cast<uint32_t>(j);
        }
      }
    }
    const double shortest = lanes.min(best);
    choice = lanes.min(best == shortest ? choice : ~0u);
    lanes.once([&] {
      const uint32_t set = choice >> 4, middle = choice & 15;
      order[0] = static_cast<uint8_t>(others);
      order[size + 1] = static_cast<uint8_t>(middle);
      walk_back(set, static_cast<int32_t>(middle), order + size, -1);
      walk_back(all ^ set ^ (1u << middle), static_cast<int32_t>(middle), order + size + 2, 1);
      return 0;
    });
  }

 private:
  MESA_HD void extend(uint32_t set) {
    double best[kWidth];
    for (int32_t j = 0; j < kWidth; ++j) best[j] = 1e300;
    for (uint32_t rest = set; rest != 0; rest &= rest - 1) {
      const int32_t k = lowest_bit(rest);
      const double so_far = behind[int64_t{set ^ (1u << k)} * kWidth + k];
      const double* row = from + k * kWidth;
      for (int32_t j = 0; j < kWidth; ++j) {
        const double length = so_far + row[j];
        best[j] = length < best[j] ? length : best[j];
      }
    }
    double* out = behind + int64_t{set} * kWidth;
    for (int32_t j = 0; j < kWidth; ++j) out[j] = best[j];
  }
  // Writes the cities of `set` in the order met from `end` backwards.
  MESA_HD void walk_back(uint32_t set, int32_t end, uint8_t* out, int32_t step) const {
    while (set != 0) {
      const double length = behind[int64_t{set} * kWidth + end];
      for (uint32_t rest = set; rest != 0; rest &= rest - 1) {
        const int32_t k = lowest_bit(rest);
        if (behind[int64_t{set ^ (1u << k)} * kWidth + k] + from[k * kWidth + end] != length) continue;
        set ^= 1u << k;
        end = k;
        *out = static_cast<uint8_t>(k);
        out += step;
        break;
      }
    }
  }
};

MESA_HD int64_t held_karp_bytes(int32_t n) {
  return n <= 9 ? HeldKarp<8>::bytes(n) : n <= 13 ? HeldKarp<12>::bytes(n) : HeldKarp<16>::bytes(n);
}
template <class Lanes>
MESA_HD_LARGE void held_karp(const Lanes& lanes, const Distances& d, uint8_t* order, Scratch scratch) {
  if (d.n <= 9) {
    HeldKarp<8>(lanes, d, scratch).solve(lanes, order);
  } else if (d.n <= 13) {
    HeldKarp<12>(lanes, d, scratch).solve(lanes, order);
  } else {
    HeldKarp<16>(lanes, d, scratch).solve(lanes, order);
  }
}

}  // namespace mesa
