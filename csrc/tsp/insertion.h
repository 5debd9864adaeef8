// Insertion tours (Rosenkrantz, Stearns and Lewis 1977, "An analysis of several heuristics for the traveling salesman
// problem"): cities join a growing tour one by one, each where it lengthens the tour least; of equally good places the
// first, going round from the first city. Which city is next makes the method; of equals the smallest number.
#pragma once
#include "distances.h"

namespace mesa {

struct Insertion {
  enum class Next : int32_t { kNearest, kFarthest, kCheapest };  // to the tour's nearest city; of the least lengthening

  const Distances& d;
  int32_t size = 0, left = 0;
  uint8_t* tour;     // [n + 1]: ends with the first city again
  int64_t* edge;     // [n], from a place to the next
  uint8_t* outside;  // [left], ascending
  int64_t* key;      // [n], of a city outside: distance from the tour, or least lengthening
  int32_t* place;    // [n], where that is

  MESA_HD static int64_t bytes(int32_t n) {
    return Scratch::bytes_for<uint8_t>(n + 1) + Scratch::bytes_for<uint8_t>(n) + 2 * Scratch::bytes_for<int64_t>(n) +
           Scratch::bytes_for<int32_t>(n);
  }
  MESA_HD Insertion(const Distances& distances, Scratch& scratch) : d(distances) {
    tour = scratch.take<uint8_t>(d.n + 1);
    edge = scratch.take<int64_t>(d.n);
    outside = scratch.take<uint8_t>(d.n);
    key = scratch.take<int64_t>(d.n);
    place = scratch.take<int32_t>(d.n);
  }

  // An end of the longest distance: where farthest insertion begins.
  MESA_HD static int32_t most_remote(const Distances& d) {
    int32_t city = 0;
    int64_t longest = -1;
    for (int32_t i = 0; i < d.n; ++i) {
      for (int32_t j = i + 1; j < d.n; ++j) {
        if (d.fine_of(i, j) <= longest) continue;
        longest = d.fine_of(i, j);
        city = i;
      }
    }
    return city;
  }

  MESA_HD void run(Next next, int32_t start, uint8_t* to) {
    begin(start);
    if (next == Next::kCheapest) {
      grow_by_cheapest();
    } else {
      grow_by_distance(next == Next::kFarthest ? -1 : 1);
    }
    for (int32_t k = 0; k < d.n; ++k) to[k] = tour[k];
  }
  // Cities join as listed.
  MESA_HD void run(const uint8_t* order, uint8_t* to) {
    begin(order[0]);
    for (int32_t k = 1; k < d.n; ++k) insert(order[k], best_place(order[k]).at);
    for (int32_t k = 0; k < d.n; ++k) to[k] = tour[k];
  }

 private:
  struct Place {
    int64_t added;
    int32_t at;  // after this one
  };

  MESA_HD void begin(int32_t start) {
    size = 1;
    tour[0] = tour[1] = static_cast<uint8_t>(start);
    edge[0] = 0;
    left = 0;
    for (int32_t x = 0; x < d.n; ++x) {
      if (x != start) outside[left++] = static_cast<uint8_t>(x);
    }
  }
  MESA_HD int64_t added(const int64_t* row, int32_t at) const { return row[tour[at]] + row[tour[at + 1]] - edge[at]; }
  MESA_HD Place best_place(int32_t city) const {
    const int64_t* row = d.fine + int64_t{city} * d.stride;
    Place best{added(row, 0), 0};
    for (int32_t at = 1; at < size; ++at) {
      const int64_t here = added(row, at);
      if (here < best.added) best = {here, at};
    }
    return best;
  }
  MESA_HD void insert(int32_t city, int32_t after) {
    const int64_t* row = d.fine + int64_t{city} * d.stride;
    for (int32_t k = size; k > after; --k) tour[k + 1] = tour[k];
    for (int32_t k = size - 1; k > after; --k) edge[k + 1] = edge[k];
    tour[after + 1] = static_cast<uint8_t>(city);
    edge[after] = row[tour[after]];
    edge[after + 1] = row[tour[after + 2]];
    ++size;
  }
  // The city outside with the smallest sign * key, which it takes off the list.
  MESA_HD int32_t take(int64_t sign) {
    int32_t best = 0;
    for (int32_t k = 1; k < left; ++k) {
      if (sign * key[outside[k]] < sign * key[outside[best]]) best = k;
    }
    const int32_t city = outside[best];
    --left;
    for (int32_t k = best; k < left; ++k) outside[k] = outside[k + 1];
    return city;
  }

  MESA_HD void grow_by_distance(int64_t sign) {
    for (int32_t x = 0; x < d.n; ++x) key[x] = d.fine_of(tour[0], x);
    while (left > 0) {
      const int32_t city = take(sign);
      insert(city, best_place(city).at);
      const int64_t* row = d.fine + int64_t{city} * d.stride;
      for (int32_t x = 0; x < d.n; ++x) key[x] = row[x] < key[x] ? row[x] : key[x];
    }
  }

  MESA_HD void grow_by_cheapest() {
    for (int32_t k = 0; k < left; ++k) find(outside[k]);
    while (left > 0) {
      const int32_t city = take(1), after = place[city];
      insert(city, after);
      for (int32_t k = 0; k < left; ++k) {
        const int32_t x = outside[k];
        if (place[x] == after) {  // the edge it was to go into is gone
          find(x);
          continue;
        }
        place[x] += place[x] > after;
        consider(x, after);
        consider(x, after + 1);
      }
    }
  }
  MESA_HD void find(int32_t x) {
    const Place best = best_place(x);
    key[x] = best.added;
    place[x] = best.at;
  }
  MESA_HD void consider(int32_t x, int32_t at) {
    const int64_t here = added(d.fine + int64_t{x} * d.stride, at);
    if (here > key[x] || (here == key[x] && at > place[x])) return;
    key[x] = here;
    place[x] = at;
  }
};

}  // namespace mesa
