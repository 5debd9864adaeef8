// The shortest way from every city through every set of others back to an anchor, by dynamic programming over sets
// (Bellman 1962; Held and Karp 1962): the exact oracle of the tour worlds. Every set is kept, where a solver of tours
// need only meet in the middle: each prefix's best completion is then a look-up. (n-1) 2^(n-2) lengths, 1 MB at 16
// cities; they live in the slot's tail, since a thread's stack has no room for them.
#pragma once
#include "../../core/sets.h"
#include "cities.h"

namespace mesa {

struct Completions {
  static constexpr int32_t kMostCities = 16;

  int32_t n, anchor;
  const Point* points;
  uint32_t* memory;  // [words(n)]: lengths between cities [n, n], then [n - 1 cities, 2^(n-2) sets of the other n - 2]

  static int64_t words(int32_t n) { return n * n + (int64_t{n - 1} << (n - 2)); }

  // A set without the place of member k, which must not be in it.
  MESA_HD static uint32_t closed_up(uint32_t set, int32_t k) {
    const uint32_t below = (1u << k) - 1;
    return (set & below) | (set >> 1 & ~below);
  }
  // Of the city that is k-th among all but the anchor; `set` is of those, too.
  MESA_HD uint32_t& at(int32_t k, uint32_t set) const {
    return memory[n * n + (int64_t{k} << (n - 2)) + closed_up(set, k)];
  }
  MESA_HD int32_t city(int32_t k) const { return k + (k >= anchor); }

  // Fills the memory and returns the optimal tour's length. One lane takes the sets in the order of their numbers; of
  // several, each takes the next set of as many members, once all smaller ones are done.
  template <class Lanes>
  MESA_HD_RARE uint32_t solve(const Lanes& lanes) const {
    const int32_t others = n - 1;
    const uint32_t all = (1u << others) - 1;
    for (int32_t i = lanes.lane(); i < n * n; i += lanes.size())
      memory[i] = static_cast<uint32_t>(length_between(points[i / n], points[i % n]));
    lanes.sync();
    for (int32_t k = lanes.lane(); k < others; k += lanes.size()) at(k, 0) = memory[city(k) * n + anchor];
    lanes.sync();
    if (lanes.size() == 1) {
      for (uint32_t set = 1; set < all; ++set) extend(set);
      return best_through_all();
    }
    for (int32_t members = 1; members < others; ++members) {
      for_sets_of(lanes, members, others, [&](uint32_t set) { extend(set); });
      lanes.sync();
    }
    return best_through_all();
  }
  // From `source`, not the anchor, through a set of all cities' numbers that holds neither.
  MESA_HD int32_t from(int32_t source, uint64_t unvisited) const {
    return static_cast<int32_t>(at(source - (source > anchor), closed_up(static_cast<uint32_t>(unvisited), anchor)));
  }

 private:
  // The best way from a city through a set that it is not in: through its first city, and on through the rest.
  struct Through {
    uint32_t onward[kMostCities];
    int32_t first[kMostCities], count = 0;

    MESA_HD Through(const Completions& ways, uint32_t set) {
      for (int32_t k = 0; k < ways.n - 1; ++k) {
        if (!(set >> k & 1)) continue;
        first[count] = ways.city(k);
        onward[count++] = ways.at(k, set & ~(1u << k));
      }
    }
    MESA_HD uint32_t best_from(const Completions& ways, int32_t source) const {
      uint32_t best = ~0u;
      for (int32_t i = 0; i < count; ++i) {
        const uint32_t length = ways.memory[source * ways.n + first[i]] + onward[i];
        best = length < best ? length : best;
      }
      return best;
    }
  };
  MESA_HD void extend(uint32_t set) const {
    const Through through(*this, set);
    for (int32_t k = 0; k < n - 1; ++k)
      if (!(set >> k & 1)) at(k, set) = through.best_from(*this, city(k));
  }
  MESA_HD uint32_t best_through_all() const { return Through(*this, (1u << (n - 1)) - 1).best_from(*this, anchor); }
};

}  // namespace mesa
