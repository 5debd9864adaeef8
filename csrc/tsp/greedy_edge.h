// The greedy tour: distances taken from the shortest on wherever both cities still have room and no circle closes
// early; of equals the one with the smaller cities first. Bentley 1992: each city keeps its nearest partner, looked for
// again only once it is out of reach, so that distances need not be sorted.
#pragma once
#include "distances.h"

namespace mesa {

struct GreedyEdge {
  const Distances& d;
  int64_t* nearest;  // [n], distance to the partner; kNone: no room
  uint8_t* partner;  // [n]
  uint8_t* end;      // [n], of a path's end: its other end
  uint8_t* degree;   // [n]
  uint8_t* link;     // [n, 2], the neighbours
  static constexpr int64_t kNone = INT64_MAX;

  MESA_HD static int64_t bytes(int32_t n) {
    return Scratch::bytes_for<int64_t>(n) + 3 * Scratch::bytes_for<uint8_t>(n) + Scratch::bytes_for<uint8_t>(2 * n);
  }
  MESA_HD GreedyEdge(const Distances& distances, Scratch& scratch) : d(distances) {
    nearest = scratch.take<int64_t>(d.n);
    partner = scratch.take<uint8_t>(d.n);
    end = scratch.take<uint8_t>(d.n);
    degree = scratch.take<uint8_t>(d.n);
    link = scratch.take<uint8_t>(2 * d.n);
  }

  MESA_HD void run(uint8_t* tour) {
    for (int32_t x = 0; x < d.n; ++x) {
      degree[x] = 0;
      end[x] = static_cast<uint8_t>(x);
    }
    for (int32_t x = 0; x < d.n; ++x) find(x);
    for (int32_t joined = 0; joined < d.n - 1;) {
      int32_t x = 0;
      for (int32_t y = 1; y < d.n; ++y) x = nearest[y] < nearest[x] ? y : x;
      if (free(x, partner[x])) {
        join(x, partner[x]);
        ++joined;
      } else {
        find(x);  // the distance kept was a lower bound
      }
    }
    int32_t before = 0;
    while (degree[before] != 1) ++before;
    int32_t city = link[2 * before];
    tour[0] = static_cast<uint8_t>(before);
    for (int32_t k = 1; k < d.n; ++k) {
      tour[k] = static_cast<uint8_t>(city);
      const int32_t next = link[2 * city] == before ? link[2 * city + 1] : link[2 * city];
      before = city;
      city = next;
    }
  }

 private:
  MESA_HD bool free(int32_t x, int32_t y) const { return degree[y] < 2 && end[x] != y && x != y; }
  MESA_HD void find(int32_t x) {
    nearest[x] = kNone;
    if (degree[x] == 2) return;
    const int64_t* row = d.fine + int64_t{x} * d.stride;
    for (int32_t y = 0; y < d.n; ++y) {
      if (row[y] >= nearest[x] || !free(x, y)) continue;
      nearest[x] = row[y];
      partner[x] = static_cast<uint8_t>(y);
    }
  }
  MESA_HD void join(int32_t x, int32_t y) {
    link[2 * x + degree[x]++] = static_cast<uint8_t>(y);
    link[2 * y + degree[y]++] = static_cast<uint8_t>(x);
    const uint8_t a = end[x], b = end[y];
    end[a] = b;
    end[b] = a;
    if (degree[x] == 2) nearest[x] = kNone;
    if (degree[y] == 2) nearest[y] = kNone;
  }
};

}  // namespace mesa
