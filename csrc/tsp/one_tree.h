// Minimum 1-trees (Held and Karp 1970, 1971) under multipliers: a minimum spanning tree on cities 0 … n-2 and the two
// cheapest connections of city n-1, the special one. With multipliers pi, w(i, j) = d(i, j) + pi(i) + pi(j), the weight
// of the minimum 1-tree less 2 sum(pi) is a lower bound on every tour that uses what is forced and nothing excluded.
#pragma once
#include "../core/lanes.h"
#include "distances.h"

namespace mesa {

// Weights are kept as (weight << 8 | city) in 32 bits, so that the cheapest connection is a minimum of words: 24 bits,
// biased by kBias, for weights of d below 2^20 and multipliers of at most kMostMultiplier either way.
constexpr int32_t kMostMultiplier = 1200000;
constexpr int32_t kBias = 1 << 22;      // above 2 kMostMultiplier
constexpr int32_t kExcluded = 6000000;  // a distance no allowed connection comes near: above 2^20 + 4 kMostMultiplier
constexpr int32_t kLeastExcluded = kExcluded - 2 * kMostMultiplier;  // what such a connection weighs at least
static_assert(kLeastExcluded > (1 << kCoarseBits) + 2 * kMostMultiplier, "an allowed weight reaches an excluded one");
static_assert(kExcluded + 2 * kMostMultiplier + kBias < (1 << 24), "a weight does not fit its bits");

// What must be and must not be in the tour, as a tree search leaves it: distances with the excluded connections raised,
// and up to two forced neighbours a city.
struct Restrictions {
  int32_t n, stride;
  uint32_t* distance;     // [n, stride]: d << 8, or kExcluded << 8
  uint8_t* forced_count;  // [n]
  uint8_t* forced;        // [n, 2]

  MESA_HD uint32_t& at(int32_t i, int32_t j) const { return distance[i * stride + j]; }
  MESA_HD int32_t of(int32_t i, int32_t j) const { return static_cast<int32_t>(distance[i * stride + j] >> 8); }
  MESA_HD bool excluded(int32_t i, int32_t j) const { return of(i, j) == kExcluded; }
  MESA_HD bool is_forced(int32_t i, int32_t j) const {
    return (forced_count[i] > 0 && forced[2 * i] == j) || (forced_count[i] > 1 && forced[2 * i + 1] == j);
  }
};

// The last 1-tree made, and the memory one is made in.
struct OneTree {
  int32_t* parent;   // [stride]: of cities 0 … n-2, towards city 0
  uint8_t* order;    // [n]: cities 0 … n-2 as they were reached; the special one's two neighbours are ends
  uint8_t* degree;   // [stride]
  uint32_t* key;     // [stride]
  uint32_t* weight;  // [stride]: (pi + kBias) << 8 | city, or pi alone for adding
  uint8_t ends[2];   // neighbours of the special city

  MESA_HD static int64_t bytes(int32_t n) {
    const int32_t stride = Distances::stride_of(n);
    return 3 * Scratch::bytes_for<int32_t>(stride) + 2 * Scratch::bytes_for<uint8_t>(stride);
  }
  MESA_HD static OneTree in(int32_t n, Scratch& scratch) {
    const int32_t stride = Distances::stride_of(n);
    OneTree t{};
    t.parent = scratch.take<int32_t>(stride);
    t.key = scratch.take<uint32_t>(stride);
    t.weight = scratch.take<uint32_t>(stride);
    t.order = scratch.take<uint8_t>(stride);
    t.degree = scratch.take<uint8_t>(stride);
    return t;
  }
};

// Makes the minimum 1-tree (Prim 1957 on the full matrix, a forced connection followed as soon as one end is reached).
// Returns its bound, weight less 2 sum(pi), in coarse units; a bound above every tour's if none is allowed.
template <class Lanes>
MESA_HD_LARGE int64_t minimum_one_tree(const Lanes& lanes, const Restrictions& r, const int32_t* pi, OneTree& t) {
  const int32_t n = r.n, tree = n - 1, special = n - 1;
  uint32_t* __restrict key = t.key;
  uint32_t* __restrict weight = t.weight;
  int32_t* __restrict parent = t.parent;
  int64_t sum = 0;
  for (int32_t v = lanes.lane(); v < tree; v += lanes.size()) {
    key[v] = 0xffffffffu;
    parent[v] = 0;
    weight[v] = (static_cast<uint32_t>(pi[v] + kBias) << 8) | static_cast<uint32_t>(v);
    sum += pi[v];
  }
  for (int32_t v = lanes.lane(); v < n; v += lanes.size()) t.degree[v] = 0;
  sum = lanes.sum(sum) + pi[special];
  lanes.sync();

  int64_t total = -2 * sum;
  int32_t last = 0, worst = 0;
  int32_t waiting[2], waits = 0;  // forced neighbours not yet reached: of a path's two ends at most
  if (lanes.lane() == 0) t.order[0] = 0;
  for (int32_t reached = 1; reached < tree; ++reached) {
    const uint32_t add = static_cast<uint32_t>(pi[last]) << 8;
    const uint32_t* __restrict row = r.distance + last * r.stride;
    if (lanes.lane() == 0) key[last] = 0;  // nothing is below it: reached
    lanes.sync();
    uint32_t best = 0xffffffffu;
    for (int32_t v = lanes.lane(); v < tree; v += lanes.size()) {
      const uint32_t offered = row[v] + weight[v] + add, kept = key[v];
      const bool better = offered < kept;
      const uint32_t now = better ? offered : kept;
      key[v] = now;
      parent[v] = better ? last : parent[v];
      const uint32_t candidate = now - 1;  // a reached city's 0 becomes the largest
      best = candidate < best ? candidate : best;
    }
    int32_t next = -1, from = 0;
    for (int32_t k = 0; k < r.forced_count[last]; ++k) {
      const int32_t v = r.forced[2 * last + k];
      if (v != special && key[v] != 0) waiting[waits++] = v;
    }
    lanes.sync();
    if (waits > 0) {
      next = waiting[--waits];
      for (int32_t k = 0; k < r.forced_count[next]; ++k) {  // its reached forced neighbour is where it hangs
        const int32_t u = r.forced[2 * next + k];
        if (u != special && key[u] == 0) from = u;
      }
      total += r.of(from, next) + pi[from] + pi[next];
      if (lanes.lane() == 0) parent[next] = from;
    } else {
      best = lanes.min(best) + 1;
      next = static_cast<int32_t>(best & 255u);
      const int32_t w = static_cast<int32_t>(best >> 8) - kBias;
      worst = w > worst ? w : worst;
      total += w;
    }
    if (lanes.lane() == 0) {
      t.order[reached] = static_cast<uint8_t>(next);
      t.degree[next] += 1;
      t.degree[parent[next]] += 1;
    }
    last = next;
    lanes.sync();
  }

  // The special city's two: forced first, then the cheapest.
  uint32_t taken = 0xffffffffu;
  for (int32_t k = 0; k < 2; ++k) {
    int32_t end;
    if (k < r.forced_count[special]) {
      end = r.forced[2 * special + k];
      total += r.of(special, end) + pi[special] + pi[end];
    } else {
      const uint32_t* __restrict row = r.distance + special * r.stride;
      const uint32_t add = static_cast<uint32_t>(pi[special]) << 8;
      uint32_t best = 0xffffffffu;
      for (int32_t v = lanes.lane(); v < tree; v += lanes.size()) {
        const uint32_t offered = row[v] + weight[v] + add;
        const bool allowed = static_cast<uint32_t>(v) != taken;
        best = allowed && offered < best ? offered : best;
      }
      best = lanes.min(best);
      end = static_cast<int32_t>(best & 255u);
      const int32_t w = static_cast<int32_t>(best >> 8) - kBias;
      worst = w > worst ? w : worst;
      total += w;
    }
    taken = static_cast<uint32_t>(end);
    t.ends[k] = static_cast<uint8_t>(end);
    if (lanes.lane() == 0) t.degree[end] += 1;
  }
  if (lanes.lane() == 0) t.degree[special] = 2;
  lanes.sync();
  return worst >= kLeastExcluded ? int64_t{1} << 60 : total;
}

}  // namespace mesa
