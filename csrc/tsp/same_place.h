// Cities in one place. Where no way is longer than the way by such a city, some shortest tour visits them one after the
// other, and one of them can stand for all: without that, every search meets the same tour under as many names as there
// are ways to exchange them.
#pragma once
#include "distances.h"

namespace mesa {

struct SamePlace {
  int32_t places;  // n: nothing to merge
  uint8_t* city;   // [places]: the first city of each
  uint8_t* next;   // [n]: the next city of the same place, or the city itself

  MESA_HD static int64_t bytes(int32_t n) {
    return 2 * Scratch::bytes_for<uint8_t>(n) + Scratch::bytes_for<double>(int64_t{n} * n) + Distances::bytes(n);
  }
  MESA_HD static SamePlace in(int32_t n, Scratch& scratch) {
    uint8_t* city = scratch.take<uint8_t>(n);
    return {n, city, scratch.take<uint8_t>(n)};
  }

  // Finds the places; how many there are.
  MESA_HD_LARGE int32_t find(const Distances& d) {
    int32_t found = 0;
    for (int32_t v = 0; v < d.n; ++v) {
      next[v] = static_cast<uint8_t>(v);
      int32_t at = 0;
      while (at < found && !are_one(d, city[at], v)) ++at;
      if (at == found) {
        city[found++] = static_cast<uint8_t>(v);
        continue;
      }
      int32_t last = city[at];
      while (next[last] != last) last = next[last];
      next[last] = static_cast<uint8_t>(v);
    }
    bool merges = found < d.n;
    for (int32_t p = 0; p < found && merges; ++p) {
      if (next[city[p]] != city[p]) merges = is_on_no_detour(d, city[p]);
    }
    return merges ? found : d.n;
  }
  // The problem of the places alone.
  MESA_HD Distances distances(const Distances& d, Scratch& scratch) const {
    double* between = scratch.take<double>(int64_t{places} * places);
    for (int32_t a = 0; a < places; ++a) {
      for (int32_t b = 0; b < places; ++b) between[a * places + b] = d.given[city[a] * d.n + city[b]];
    }
    return Distances::of(between, places, scratch);
  }
  // The tour of all cities, from one of the places.
  MESA_HD void expand(const uint8_t* of_places, uint8_t* tour) const {
    int32_t written = 0;
    for (int32_t p = 0; p < places; ++p) {
      int32_t v = city[of_places[p]];
      for (;; v = next[v]) {
        tour[written++] = static_cast<uint8_t>(v);
        if (next[v] == v) break;
      }
    }
  }

 private:
  MESA_HD static bool are_one(const Distances& d, int32_t a, int32_t b) {
    if (d.given[a * d.n + b] != 0.0) return false;
    for (int32_t v = 0; v < d.n; ++v) {
      if (v != a && v != b && d.given[a * d.n + v] != d.given[b * d.n + v]) return false;
    }
    return true;
  }
  // Whether leaving the city out never makes a way longer: by a unit at most of floats, a city's share of their
  // resolution.
  MESA_HD static bool is_on_no_detour(const Distances& d, int32_t v) {
    const int64_t spare = d.resolution > 0 ? 1 : 0;
    for (int32_t a = 0; a < d.n; ++a) {
      for (int32_t b = 0; b < a; ++b) {
        if (d.fine_of(a, b) > d.fine_of(a, v) + d.fine_of(v, b) + spare) return false;
      }
    }
    return true;
  }
};

}  // namespace mesa
